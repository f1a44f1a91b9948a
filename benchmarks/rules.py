"""Rules: what deciding costs while 300,000 readings come in a second.

    python -m benchmarks.rules [--short | --smoke]

The real server on a SQLite file, without a broker: messages of the wire are handed to its live lane
at their time, and from there everything is as in use: decoding, newest values, quiet bands, the
rules, the writer with its commits, timers and the sweep. 10,000 points have 20,000 rules (80 %
limits, 20 % rate, expression, stale). 1 % of the readings leave their quiet band: half of them go
beyond a limit, half come back, and each is a change of a rule that the writer puts into its table.
Measured are the CPU seconds of the whole process for each second of readings; encoding the
messages is done before.
"""

import argparse
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Final

import numpy as np
import sqlalchemy as sa

from adapters.system_clock import SystemClock
from ops.bench.figure import Figure
from server.alarms.store import STATES
from server.compose import Outside, Server
from server.past import Past
from server.sql import open_engines
from tests.fakes_bus import FakeBus
from watchkeeper import topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.history import History
from watchkeeper.settings import Settings
from watchkeeper.site import born

UNITS, OF_UNIT, RATE = 100, 100, 300_000  # units, points of each, readings a second
POINTS: Final = UNITS * OF_UNIT
MESSAGE: Final = 5_000  # readings
LEAVE: Final = 0.01
HIGH: Final = 45.0  # beyond every limit
SETTLE_S: Final = 60.0
WARM_S: Final = 1.0  # in which every rule learns its point
MAKING: Final = 0.2  # s it takes to make the messages of a second, at most
CLOCK: Final = SystemClock()
PROFILE: Final = f"""schema: wk.profile/1
id: many
name: {{zh: 多, en: Many}}
equipment: electricity_meter
source: benchmark
modbus: {{function: 3, max_registers: 124}}
points:
  - {{id: "p-{{n}}", name: {{zh: "{{n}}", en: "{{n}}"}}, address: 0, type: float32, decimals: 2,
     unit: W, possible: [-1000, 1000], repeat: {{count: {OF_UNIT}, step: 2}}}}
"""
RULE: Final = """  - key: {key}
    revision: 1
    applies: {{profile: many}}
    point: "{point}"
    {when}
    on_delay_s: 5
    off_delay_s: 5
    priority: 4
    title: {{zh: 测, en: Measured}}
    guidance: {{zh: 无, en: None.}}
"""
SITE: Final = """schema: wk.site/1
site: {{id: bench, name: {{zh: 测, en: Bench}}}}
places: [{{id: house, name: {{zh: 楼, en: House}}}}]
edges:
  - id: edge
    buses: [{{id: lan, modbus_tcp: {{host: 127.0.0.1, port: 1}}}}]
    units:
"""
UNIT: Final = "      - {{id: u-{n}, profile: many, bus: lan, unit: {n}, place: house}}\n"
FORMULA: Final = 'expression: {{true_when: "a > 2 * b + 30", points: {{a: p-0{a}, b: p-0{b}}}}}'
# Of the 100 points of each unit: 160 limits, 14 rates, 13 expressions, 13 for silence.
KINDS: Final = (
    ("limit", "p-*", "limit: {high: 40, low: 0, deadband: 1}"),
    ("limit-two", "p-0[0-5]?", "limit: {high: 42, low: -5, deadband: 1}"),
    ("limit-three", "p-100", "limit: {high: 42, low: -5, deadband: 1}"),
    ("rate", "p-05?", "rate: {rise: 20, fall: 20, window_s: 60}"),
    ("rate-two", "p-06[0-3]", "rate: {rise: 20, fall: 20, window_s: 60}"),
    *((f"formula-{n}", f"p-0{n}", FORMULA.format(a=n, b=n - 50)) for n in range(83, 96)),
    ("silent", "p-07?", "stale: {after_s: 120}"),
    ("silent-two", "p-08[0-2]", "stale: {after_s: 120}"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """The messages of a run, and when each is due, ms after its beginning."""

    due: list[int]
    payloads: list[bytes]
    beyond: int  # readings that go beyond a limit or come back


class _Here:
    """The server of a run and the wire to it."""

    def __init__(self, folder: Path, catalog: Path) -> None:
        self.bus = FakeBus()
        engines, names = open_engines(f"sqlite:///{folder / 'watchkeeper.db'}"), count(1)
        outside = Outside(
            engines, FakeBus(), self.bus, Past(_away), CLOCK,
            lambda prefix: f"{prefix}_{next(names):08}",
        )  # fmt: skip
        settings = Settings(data=folder, catalog=catalog, site=Path("bench"))
        self.server = Server(settings, outside)
        points = born(self.server.parts.plant.points())
        self.hash = wire.birth_hash(points)
        self.births = list(wire.births(points, boot="b", software="0", config="c"))

    def say(self, lane: str, payload: bytes) -> None:
        """Hand a message to the live lane."""
        self.bus.deliver(topics.up("bench", "edge", lane), payload)

    def idle(self) -> bool:
        """Return whether nothing waits."""
        return not self.server.live_lane.waiting() and not self.server.writer.waiting()

    def kept(self) -> tuple[int, int]:
        """Return how many rules have a row, and the changes they have gone through."""
        with self.server.parts.read.connect() as connection:
            query = sa.select(sa.func.count(), sa.func.sum(STATES.c.generation))
            rows, changes = connection.execute(query).one()
        return int(rows), int(changes or 0)


def _away() -> History:
    raise Unreachable("history.unreachable", what="not part of the measurement", where="here")


def catalog(folder: Path) -> Path:
    """Write a site of 10,000 points and its 20,000 rules beside what the catalog has; return it."""
    made = folder / "catalog"
    shutil.copytree(
        Settings().catalog_folder(), made, ignore=shutil.ignore_patterns("*.py*", "__pycache__")
    )
    for rules in (made / "rules").glob("*.yaml"):
        if rules.name != "platform.yaml":
            rules.unlink()
    written = "".join(RULE.format(key=key, point=on, when=when) for key, on, when in KINDS)
    (made / "rules/bench.yaml").write_text(f"schema: wk.rules/1\nrules:\n{written}", "utf-8")
    (made / "profiles/many.yaml").write_text(PROFILE, "utf-8")
    units = "".join(UNIT.format(n=n) for n in range(1, UNITS + 1))
    (made / "sites/bench.yaml").write_text(SITE.format() + units, "utf-8")
    return made


def load(start: int, seconds: float, birth: str) -> Load:
    """Return messages for so many seconds; the first rounds let every rule learn its point."""
    rng, value = np.random.default_rng(3), np.full(POINTS, 20.0)
    high, made = np.zeros(POINTS, np.bool_), Load([], [], 0)
    beyond = 0
    for number in range(round((seconds + WARM_S) * RATE / MESSAGE)):
        first = number * MESSAGE % POINTS
        own, at = slice(first, first + MESSAGE), number * 1000 * MESSAGE // RATE
        walk = value[own] + rng.normal(0, 0.02, MESSAGE)
        value[own] = np.round(walk + 0.001 * (20 - walk), 2)
        # Half of what leaves goes beyond, and comes back with the next reading.
        chance = rng.random(MESSAGE) < (LEAVE / 2 if at >= WARM_S * 1000 else 0)
        was, high[own] = high[own].copy(), chance & ~high[own]
        beyond += int(np.count_nonzero(was != high[own]))
        message = wire.Data(
            journal="j", sequence=number, birth=birth, mode="live", start=start + at,
            synchronised=1, aliases=list(range(first, first + MESSAGE)), offsets=[0] * MESSAGE,
            values=np.where(high[own], HIGH, value[own]).tolist(), qualities=[],
        )  # fmt: skip
        made.due.append(at)
        made.payloads.append(wire.encode(message))
    return Load(made.due, made.payloads, beyond)


def share(folder: Path, seconds: float) -> Iterator[Figure]:
    """Measure so many seconds of readings."""
    here = _Here(folder, catalog(folder))
    rules = here.server.parts.rules
    many = len(rules.watches) + len(rules.stale)
    start = unix_ms(CLOCK.now()) + round(1000 * (2 + (seconds + WARM_S) * MAKING))
    messages = load(start, seconds, here.hash)
    here.server.listen()
    here.server.start()
    for part in here.births:
        here.say(f"birth/{part.part}", wire.encode(part))
    pause, before = Event(), (0.0, 0.0)
    for due, payload in zip(messages.due, messages.payloads, strict=True):
        pause.wait(max(0.0, (start + due - unix_ms(CLOCK.now())) / 1000))
        if due >= WARM_S * 1000 and not before[0]:
            before = time.process_time(), CLOCK.tick()
        here.say("data", payload)
    behind = CLOCK.tick()
    while not here.idle() and CLOCK.tick() - behind < SETTLE_S:
        pause.wait(0.01)
    spent, took = time.process_time() - before[0], CLOCK.tick() - before[1]
    rows, changes = here.kept()
    dropped = here.server.live_lane.dropped
    here.server.close()
    readings = round(seconds * RATE)
    told = (
        f"{POINTS:,} points, {many:,} rules, {readings:,} readings in {took:.1f} s, "
        f"{messages.beyond / readings:.2%} leave, {changes:,} changes of {rows:,} rules committed, "
        f"{dropped} messages dropped, {1e6 * spent / readings:.2f} us a reading"
    )
    yield Figure("rules.core_share", spent / seconds, "cores", 0.6, "<", told,
                 "no peer publishes one")  # fmt: skip


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the figure."""
    seconds = 1.0 if options.smoke else 8.0 if options.short else 20.0
    with TemporaryDirectory() as folder:
        return list(share(Path(folder), seconds))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="8 s of readings")
    parser.add_argument("--smoke", action="store_true", help="1 s: it runs")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:22} {figure.value:>8,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
