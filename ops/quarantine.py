"""`watchkeeper quarantine list|show|rerun|drop`: what could not be stored, without the server.

The store is read as it is; trying again is asked of the gateway, over the broker.
"""

import argparse
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Final
from zoneinfo import ZoneInfo

from adapters.history import open_history
from adapters.system_clock import SystemClock
from ops.reach import broker, fresh, is_there
from watchkeeper import aside, site, topics, wire
from watchkeeper.aside import Names, Opened
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.settings import Settings
from watchkeeper.site import Plant

LOOK_S: Final = 0.5
DONE_S: Final = 15.0  # a gateway needs two passes, 5 s apart, where it must ask for a birth
ROWS: Final = 1_000


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("action", choices=["list", "show", "rerun", "drop"])
    parser.add_argument("ids", nargs="*", type=int, help="numbers of items, as `list` shows them")
    parser.add_argument("--all", action="store_true", help="rerun: everything")
    parser.add_argument("--limit", type=int, default=20, help="list: so many items")
    parser.add_argument("--before", type=int, help="list: items older than this one")
    parser.add_argument("--reason", default="", help="list: of this reason only")
    parser.add_argument("--edge", default="", help="list: of this edge only")


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Do it; 0: done, 1: no gateway is there, or not all could be stored."""
    _check(options)
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    name, clock = plant.site.site.id, SystemClock()
    with closing(open_history(settings, name, clock, writable=False)) as history:
        match options.action:
            case "list":
                return _list(history, plant, options, clock)
            case "show":
                return _show(history, plant, options.ids)
            case _:
                return _ask(settings, history, name, options, clock)


def names_of(plant: Plant) -> Names:
    """Return what explains aliases by the births that the site file gives today."""
    births: dict[tuple[str, str], dict[int, PointId]] = {}
    for edge in plant.site.edges:
        points = site.born(plant.points(edge))
        by_alias = {point.alias: PointId(point.point) for point in points}
        births[edge.id, wire.birth_hash(points)] = by_alias
    return lambda edge, name: births.get((edge, name))


def _check(options: argparse.Namespace) -> None:
    wrong = {
        "list": bool(options.ids),
        "show": not options.ids,
        "rerun": bool(options.ids) == options.all,
        "drop": not options.ids or options.all,
    }[options.action]
    if wrong or options.limit < 1:
        raise ConfigError(
            where=f"quarantine {options.action}",
            what="it is not clear which items are meant",
            fix="list [--limit N], show ID, rerun ID … or rerun --all, drop ID …",
        )


def _list(history: History, plant: Plant, options: argparse.Namespace, clock: Clock) -> int:
    zone = ZoneInfo(plant.site.site.time_zone)
    since = unix_ms(clock.now() - timedelta(hours=24))
    found = aside.counted(history, since)
    print(f"last 24 h{'' if found.whole else ', at least'}:")
    for count in found.counts:
        print(f"  {count.reason:12} {count.edge:16} {count.readings:9} readings {count.items:7} x")
    page = aside.page(
        history, options.limit, options.before, reason=options.reason, edge=options.edge
    )
    names = names_of(plant)
    for item in page.items:
        opened = aside.opened(item, names, 1)
        print(
            f"{item.id:>8}  {_time(item.at, zone)}  {opened.edge:16} {opened.reason:10}"
            f" {item.readings:6}  {_first(opened, zone)}"
        )
    print(f"more: --before {page.next}" if page.next else f"{len(page.items)} items")
    return 0


def _show(history: History, plant: Plant, ids: Sequence[int]) -> int:
    zone, names = ZoneInfo(plant.site.site.time_zone), names_of(plant)
    for number in ids:
        try:
            item = aside.find(history, number)
        except KeyError as error:
            raise ConfigError(
                where="quarantine show", what=f"there is no {number}", fix="see `quarantine list`"
            ) from error
        opened = aside.opened(item, names, ROWS)
        why = f": {opened.why}" if opened.why else ""
        print(f"{number}  {_time(item.at, zone)}  {opened.edge}  {opened.reason}{why}")
        print(f"  {item.readings} readings")
        for row in opened.rows:
            at = _time(row.at, zone) if isinstance(row.at, int) else str(row.at)
            print(
                f"  {at}  {row.point or f'alias {row.alias}'}  {row.value}  quality {row.quality}"
            )
        if not opened.rows:
            print(f"  {_first(opened, zone)}")
    return 0


def _ask(
    settings: Settings, history: History, name: str, options: argparse.Namespace, clock: Clock
) -> int:
    ids: list[int] = options.ids
    with broker(settings, "quarantine") as bus:
        if not is_there(bus, topics.program_state("gateway", "+"), fresh(clock)):
            print("no gateway is there; nothing was sent")
            return 1
        asked = wire.Rerun(ids, drop=options.action == "drop")
        bus.publish(topics.rerun(name), wire.encode(asked))
    if not ids:
        print("a gateway tries all of it; look again with `watchkeeper quarantine list`")
        return 0
    left = _left(history, ids, clock)
    print(f"{len(ids) - len(left)} of {len(ids)} taken out")
    if left:
        print(f"still there: {' '.join(map(str, left))}")
    return 1 if left else 0


def _left(history: History, ids: Sequence[int], clock: Clock) -> list[int]:
    """Return which are still there once the gateway has had its time."""
    until, pause = clock.tick() + DONE_S, Event()
    while True:
        left = [number for number in ids if _is_there(history, number)]
        if not left or clock.tick() > until:
            return left
        pause.wait(LOOK_S)


def _is_there(history: History, number: int) -> bool:
    try:
        aside.find(history, number)
    except KeyError:
        return False
    return True


def _time(at: int, zone: ZoneInfo) -> str:
    try:
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return str(at)
    return local.strftime("%Y-%m-%d %H:%M:%S")


def _first(opened: Opened, zone: ZoneInfo) -> str:
    """Return what it is about, in a line."""
    if opened.gap:
        start, end = (_time(at, zone) for at in opened.gap)
        return f"given up by the edge, {start} to {end}"
    if opened.rows:
        row = opened.rows[0]
        return f"{row.point or f'alias {row.alias}'} = {row.value}"
    return opened.excerpt
