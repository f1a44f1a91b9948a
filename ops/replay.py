"""`watchkeeper replay EDGE --since …`: have an edge send again what it still keeps.

After a restore of the store. Over the broker, without the server. Edges keep what was acknowledged
for a day; what comes twice is the same reading, and events are known by their id.
"""

import argparse
from zoneinfo import ZoneInfo

from ops.reach import broker, is_there
from watchkeeper import site, topics, wire
from watchkeeper.errors import ConfigError
from watchkeeper.instants import instant
from watchkeeper.settings import Settings


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("edge", help="which edge of the site")
    parser.add_argument(
        "--since", required=True,
        help="2026-11-24, 2026-11-24T08:00 (the site's time), with an offset, or Unix ms",
    )  # fmt: skip


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Ask the edge; 0: it was asked, 1: it is not there."""
    outline = site.outline(settings.site_file())
    since = _since(options.since, outline.site.time_zone)
    known = [edge.id for edge in outline.edges]
    if options.edge not in known:
        raise ConfigError(
            where="replay", what=f"there is no edge {options.edge}", fix=f"one of {known}"
        )
    name = outline.site.id
    with broker(settings, "replay") as bus:
        if not is_there(bus, topics.up(name, options.edge, "state"), lambda _: True):
            print(f"{options.edge} is not there; nothing was sent")
            return 1
        bus.publish(topics.down(name, options.edge, "replay"), wire.encode(wire.Replay(since)))
    print(f"{options.edge} sends again what it keeps since {options.since}, behind live readings")
    return 0


def _since(text: str, zone: str) -> int:
    try:
        return instant(text, ZoneInfo(zone))
    except ValueError as error:
        raise ConfigError(
            where="replay --since", what=f"no time: {error}", fix="write it as 2026-11-24T08:00"
        ) from error
