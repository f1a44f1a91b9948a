"""Backtest: how fast history answers what a rule would have raised.

    python -m benchmarks.backtest [--short | --smoke]

30 days of 1 s data of each point (2.6 million readings that wander about 20 degrees with noise and
some bad ones) lie in an embedded store. One rule of each kind over one point is asked, each read
from the store anew, and the slowest counts; then 200 rules on 50 points, four for each point. With
--short there are 40 rules on 10 points, and the figure is five times what they took.
"""

import argparse
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np

from adapters.history.embedded import EmbeddedHistory
from adapters.system_clock import SystemClock
from ops.bench.figure import Figure
from server.alarms.model import Rule, Watch
from server.backtest import Raised, backtest, before, points
from server.backtest_told import Period, coverage
from server.conditions import (
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Rate,
    Side,
    Stuck,
)
from server.formula import parse
from watchkeeper import excerpt
from watchkeeper.batch import Batch
from watchkeeper.documents import Text
from watchkeeper.excerpt import Span
from watchkeeper.history import History, Track
from watchkeeper.ids import PointId, UnitId
from watchkeeper.quality import Quality
from watchkeeper.settings import Settings

MONTH_S: Final = 30 * 86_400
START: Final = 1_767_225_600_000  # 2026-01-01, Unix ms
COMMIT: Final = 100_000
RULES_OF_POINT, ALL_POINTS = 4, 50
TEXT: Final = Text("规则", "Rule")
CLOCK: Final = SystemClock()
WARMER: Final = parse("a > b + 14", {"a": "", "b": ""})


class Load(NamedTuple):
    """How much is measured."""

    seconds: int
    points: int


def kinds(own: PointId, other: PointId) -> list[tuple[str, Condition]]:
    """Return a condition of each kind for a point."""
    four = (Side("high", 27, 26, 3), Side("high_high", 29, 28, 2), Side("low", 13, 14, 3),
            Side("low_low", 11, 12, 2))  # fmt: skip
    return [
        ("limit", Bounds(high=27, inner_high=25)),
        ("two-limits", Bounds(12.5, 27.5, 13, 27)),
        ("rate", Rate(2 / 60_000, 2 / 60_000, 60_000)),
        ("expression", Expression(WARMER, (own, own, other))),
        ("four-limits", Bounds(13, 27, 14, 26, four)),
        ("jump", Jump(2, 2)),
        ("count", Count(Bounds(high=28, inner_high=27), 20, 600_000)),
        ("stuck", Stuck(10_000)),
        ("state", Codes(frozenset({20.0, 20.01, 20.02}))),
        ("rise", Rate(0.5 / 60_000, inf, 600_000)),
    ]


def watch(name: str, point: PointId, condition: Condition) -> Watch:
    """Return a rule as the catalog has them: it waits a little."""
    rule = Rule(
        key=name, revision=1, priority=3, title=TEXT, guidance=TEXT, on_delay_s=5, off_delay_s=5
    )
    return Watch(f"{name}|{point}", rule, point, UnitId("u"), "", "", condition)


def stored(path: Path, load: Load) -> History:
    """Return a store with so many points."""
    history = EmbeddedHistory(path, clock=CLOCK, writable=True)
    names = [name(number) for number in range(load.points)]
    at = START + np.arange(load.seconds, dtype=np.int64) * 1000
    for number, series in enumerate(history.series(names).tolist()):
        rng = np.random.default_rng(number)
        daily = 8 * np.sin(np.arange(load.seconds) * (2 * np.pi / 86_400) + rng.random() * 6)
        value = np.round(20 + daily + rng.normal(0, 0.3, load.seconds), 2)
        bad = np.zeros(load.seconds, np.bool_)
        bad[rng.integers(0, load.seconds, load.seconds // 20_000)] = True
        value[bad] = np.nan
        quality = np.where(bad, int(Quality.NO_ANSWER), int(Quality.GOOD)).astype(np.uint8)
        for first in range(0, load.seconds, COMMIT):
            part = slice(first, first + COMMIT)
            own = np.full(len(at[part]), series, np.uint32)
            history.write(Batch(own, at[part], value[part], quality[part]))
        history.settle()  # months come faster here than they are sealed
    return history


def name(number: int) -> PointId:
    """Return the point of a number."""
    return PointId(f"u/p{number:02}")


def asked(history: History, of: Watch, period: Period) -> list[Raised]:
    """Return what the rule would have raised, as server/backtest_api.py finds it."""
    read, span = excerpt.straight(history), Span(period.start - before(of), period.end)
    known: dict[PointId, Track] = {}
    for point in dict.fromkeys(points(of)):
        columns = excerpt.whole(read, point, span, 2 * MONTH_S)
        if isinstance(columns, int):
            raise TypeError(f"{columns} readings")
        known[point] = Track(**columns)
    tracks = [known[point] for point in points(of)]
    found = backtest(of, tracks, period.start, period.end)
    if not all(coverage(track, period) for track in tracks):
        raise ValueError(f"{of.key}: no readings")
    return found


def one_rule(history: History, load: Load, period: Period) -> Figure:
    """Measure each kind over one point."""
    told, slowest = [], 0.0
    for kind, condition in kinds(name(0), name(1 % load.points)):
        began = CLOCK.tick()
        found = asked(history, watch(kind, name(0), condition), period)
        took = CLOCK.tick() - began
        told.append(f"{kind} {took:.2f} s, {len(found):,} alarms")
        slowest = max(slowest, took)
    return Figure(
        "backtest.one_rule_s", slowest, "s", 1, "<",
        f"{load.seconds:,} readings of a point in the embedded store; {'; '.join(told)}",
        "no peer has it",
    )  # fmt: skip


def many_rules(history: History, load: Load, period: Period) -> Figure:
    """Measure four rules for each point."""
    began, count, rules = CLOCK.tick(), 0, 0
    for number in range(load.points):
        every = kinds(name(number), name((number + 1) % load.points))
        for step in range(RULES_OF_POINT):
            kind, condition = every[(number * RULES_OF_POINT + step) % len(every)]
            count += len(asked(history, watch(kind, name(number), condition), period))
            rules += 1
    times = ALL_POINTS / load.points
    scaled = "" if times == 1 else f", taken {times:g} times"
    return Figure(
        "backtest.200_rules_s", (CLOCK.tick() - began) * times, "s", 60, "<",
        f"{rules} rules on {load.points} points of {load.seconds:,} readings{scaled}, "
        f"{count:,} alarms", "no peer has it",
    )  # fmt: skip


def rows(folder: Path, load: Load) -> Iterator[Figure]:
    """Yield the figures."""
    history = stored(folder / "bench.db", load)
    period = Period(START, START + load.seconds * 1000)
    try:
        yield one_rule(history, load, period)
        yield many_rules(history, load, period)
    finally:
        history.close()


def measure(_: Settings, options: argparse.Namespace) -> Sequence[Figure]:
    """Return the rows."""
    load = Load(MONTH_S, ALL_POINTS)
    if options.short:
        load = Load(MONTH_S, 10)
    if options.smoke:
        load = Load(MONTH_S // 30, 5)
    with TemporaryDirectory() as folder:
        return list(rows(Path(folder), load))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="10 points instead of 50")
    parser.add_argument("--smoke", action="store_true", help="a day of 5 points: it runs")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:22} {figure.value:>8,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
