"""Rules: what deciding costs live, and how fast history answers what a rule would have raised.

    python -m benchmarks.rules [--short | --smoke]

Live: 10,000 points and 20,000 rules (80 % limits, 20 % rate, expression, stale) get 300,000
readings a second as messages of the wire; 1 % of them go beyond a limit, or come back. Measured are
the CPU seconds of the live lane (decoding, newest values, bands, rules), not those of the writer.
Backtest: 30 days of 1 s data of one point, then 200 rules on 50 points over a month.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from adapters.system_clock import SystemClock
from ops.bench.figure import Figure
from server.alarms import decide
from server.alarms.model import RuleState, Watch
from server.backtest import backtest, points
from server.conditions import Bounds, Condition, Expression, Jump, Rate
from server.formula import parse
from server.latest import Latest
from server.live_lane import LiveLane
from server.rule_words import Rule
from server.watching import Move, Watching
from watchkeeper import wire
from watchkeeper.batch import Floats, Times
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.history import Track
from watchkeeper.ids import PointId, UnitId
from watchkeeper.profile import Point, Profile
from watchkeeper.settings import Settings
from watchkeeper.site import About, Bus, Edge, ModbusTcp, Plant, Site, Unit
from watchkeeper.topics import up

POINTS, RATE = 10_000, 300_000  # readings a second
MESSAGE, UNIT = 5_000, 100  # readings in a message, points of a unit
LEAVE = 0.01
TEXT = Text("规则", "Rule")
MONTH_S = 30 * 86_400
CLOCK = SystemClock()


def rule(key: str) -> Rule:
    """Return a rule as the catalog has them: it waits a little."""
    return Rule(
        key=key, revision=1, priority=3, title=TEXT, guidance=TEXT, on_delay_s=5, off_delay_s=5
    )


def watch(key: str, point: PointId, condition: Condition) -> Watch:
    """Return a watch on a point."""
    return Watch(f"{key}|{point}", rule(key), point, UnitId("u"), "", "", condition)


def plant() -> Plant:
    """Return a site of 10,000 telemetry points."""
    profile = Profile(
        "many", TEXT, "sensor", "made up",
        [Point(f"p{n:02}", TEXT, n, "float32", unit="degC") for n in range(UNIT)],
    )  # fmt: skip
    units = [Unit(f"u{n}", "many", "lan", n % 200 + 1) for n in range(POINTS // UNIT)]
    edge = Edge("edge", [Bus("lan", modbus_tcp=ModbusTcp("127.0.0.1", 1))], units)
    return Plant(Site(About("bench", TEXT), [], [edge]), {"many": profile})


def book(names: list[PointId]) -> Iterator[Watch]:
    """Yield 20,000 watches less the stale ones, which a sweep judges once a second."""
    for number in range(16_000):
        yield watch(f"limit-{number // POINTS}", names[number % POINTS], Bounds(0, 40, 1, 39))
    warmer = parse("a > 2 * b + 30", {"a": "degC", "b": "degC"})
    for number in range(1_333):
        own, other = names[number * 7], names[number * 7 + 1]
        yield watch("rate", own, Rate(20 / 60_000, 20 / 60_000, 60_000))
        yield watch("expression", own, Expression(warmer, (own, own, other)))


@dataclass
class _Now:
    """Time as the messages tell it."""

    at: int

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at / 1000, UTC)


@dataclass
class _Desk:
    """Stands for births, writer and tables; what it does is not the lane's work."""

    watching: Watching
    slots: Any
    moves: list[Move] = field(default_factory=list)
    states: dict[str, RuleState] = field(default_factory=dict)

    def of(self, *_: str) -> Any:
        return self.slots

    def do(self, work: Any, _: object) -> "_Desk":
        self.moves.append(work.args[0])
        return self

    def add_done_callback(self, _: Callable[..., None]) -> None:
        return

    def exception(self) -> None:
        return

    def commit(self) -> None:
        """Do what the writer does, without its tables."""
        for move in self.moves:
            key = move.watch.key
            before = self.states.get(key, RuleState())
            after, _ = decide.learn(move.watch, before, move.sample, move.memory)
            self.states[key] = after
            self.watching.follow(key, after)
            self.watching.landed(move.watch)
        self.moves.clear()


def share(seconds: float) -> Iterator[Figure]:
    """Measure so many seconds of messages."""
    site = plant()
    start = unix_ms(CLOCK.now())
    latest = Latest(site, start)
    watching = Watching(site, book(latest.names), {}, latest)
    now = _Now(start)
    desk = _Desk(watching, latest.edge_slots["edge"])  # type: ignore[index]
    lane = LiveLane(
        "bench", latest, watching, cast("Any", desk), cast("Any", desk), cast("Any", now),
        lambda kind: kind,
    )  # fmt: skip
    topic, worked, readings, moved = up("bench", "edge", "data"), 0.0, 0, 0
    warm = 2 * POINTS // MESSAGE
    for number, (at, payload) in enumerate(_messages(start, seconds, warm)):
        now.at = at
        began = time.thread_time()
        lane.take(topic, payload)
        spent = time.thread_time() - began
        if number >= warm:
            worked, readings, moved = worked + spent, readings + MESSAGE, moved + len(desk.moves)
        desk.commit()
    yield Figure(
        "rules.core_share", worked / readings * RATE, "cores", 0.6, "<",
        f"{POINTS:,} points, 20,000 rules, {readings:,} readings, {LEAVE:.0%} leave, "
        f"{1e6 * worked / readings:.2f} us a reading, {moved / readings:.2%} went to the writer",
        "no peer publishes one",
    )  # fmt: skip


def _messages(start: int, seconds: float, warm: int) -> Iterator[tuple[int, bytes]]:
    rng, value = np.random.default_rng(3), np.full(POINTS, 20.0)
    high = np.zeros(POINTS, np.bool_)
    count = warm + round(seconds * RATE / MESSAGE)
    for number in range(count):
        first = number * MESSAGE % POINTS
        own = slice(first, first + MESSAGE)
        walk = value[own] + rng.normal(0, 0.02, MESSAGE)
        value[own] = np.round(walk + 0.001 * (20 - walk), 2)
        chance = rng.random(MESSAGE) < LEAVE / 2 if number >= warm else np.zeros(MESSAGE, np.bool_)
        high[own] = chance & ~high[own]  # half of them leave, and come back with the next
        at = start + number * 1000 * MESSAGE // RATE
        message = wire.Data(
            journal="j", sequence=number, birth="h", mode="live", start=at, synchronised=1,
            aliases=list(range(first, first + MESSAGE)), offsets=[0] * MESSAGE,
            values=np.where(high[own], 45.0, value[own]).tolist(), qualities=[],
        )  # fmt: skip
        yield at, wire.encode(message)


def _day(points_: int, seconds: int) -> list[Track]:
    """Return tracks of 1 s data that wander about 20 degrees, with noise and a few bad readings."""
    rng = np.random.default_rng(5)
    at: Times = 1_767_225_600_000 + np.arange(seconds, dtype=np.int64) * 1000
    found = []
    for _ in range(points_):
        daily = 8 * np.sin(np.arange(seconds) * (2 * np.pi / 86_400) + rng.random() * 6)
        value: Floats = np.round(20 + daily + rng.normal(0, 0.3, seconds), 2)
        value[rng.integers(0, seconds, seconds // 20_000)] = np.nan
        found.append(Track(at, value, np.where(np.isnan(value), 128, 0).astype(np.uint8)))
    return found


KINDS: list[tuple[str, Condition]] = [
    ("limit", Bounds(high=27, inner_high=25)),
    ("two limits", Bounds(12.5, 27.5, 13, 27)),
    ("rate", Rate(2 / 60_000, 2 / 60_000, 60_000)),
    ("jump", Jump(2, 2)),
]


def tested(seconds: int, points_: int) -> Iterator[Figure]:
    """Measure one rule of each kind over a point, and all of them over many."""
    tracks = _day(points_, seconds)
    start, end = int(tracks[0].at[0]), int(tracks[0].at[-1]) + 1
    took, slowest = {}, 0.0
    for name, condition in KINDS:
        began = CLOCK.tick()
        rung = backtest(watch(name.replace(" ", "-"), PointId("u/p"), condition), tracks[:1],
                        start, end)  # fmt: skip
        took[name] = f"{name} {CLOCK.tick() - began:.2f} s, {len(rung)} alarms"
        slowest = max(slowest, CLOCK.tick() - began)
    yield Figure("backtest.one_rule_s", slowest, "s", 1, "<",
                 f"{seconds:,} readings; {'; '.join(took.values())}", "no peer has it")  # fmt: skip
    began, count = CLOCK.tick(), 0
    for track in tracks:
        for name, condition in KINDS:
            each = watch(name.replace(" ", "-"), PointId("u/p"), condition)
            count += len(backtest(each, [track] * len(points(each)), start, end))
    yield Figure("backtest.many_s", CLOCK.tick() - began, "s", 60, "<",
                 f"{len(tracks) * len(KINDS)} rules on {points_} points of {seconds:,} readings, "
                 f"{count:,} alarms", "no peer has it")  # fmt: skip


def measure(_: Settings, options: argparse.Namespace) -> Iterator[Figure]:
    """Yield the rows."""
    seconds, points_, span = 20.0, 50, MONTH_S
    if options.short:
        seconds, points_ = 8.0, 20
    if options.smoke:
        seconds, points_, span = 1.0, 3, MONTH_S // 30
    yield from share(seconds)
    yield from tested(span, points_)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="8 s of readings, 20 points")
    parser.add_argument("--smoke", action="store_true", help="1 s, a day of 3 points: it runs")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:22} {figure.value:>8,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
