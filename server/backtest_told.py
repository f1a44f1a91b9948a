"""What a backtest says of a rule: counts, lengths, lists, and two revisions side by side. Pure."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from server.alarms.model import Watch
from server.backtest import Raised
from server.conditions import Bounds, inner
from server.rule_words import KINDS, Rule
from watchkeeper.history import HOLD_MS, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import FIRST_BAD
from watchkeeper.spans import DAY_MS

LISTED = 1_000  # alarms in one answer, the newest; all are counted


class Outcome(NamedTuple):
    """What a rule would have done at one point."""

    point: PointId
    raised: Sequence[Raised] = ()
    coverage: float | None = None  # 0-1: share of the period with a known value
    error: Mapping[str, Any] | None = None  # why it could not be tested: type and facts


class Period(NamedTuple):
    """start <= t < end, Unix ms."""

    start: int
    end: int

    @property
    def days(self) -> float:
        """Return its length."""
        return (self.end - self.start) / DAY_MS


def coverage(track: Track, period: Period) -> float:
    """Return the share of the period with a known value: a good reading stands for HOLD_MS."""
    if not len(track.at):
        return 0.0
    until = np.minimum(np.append(track.at[1:], period.end), track.at + HOLD_MS)
    low, high = np.maximum(track.at, period.start), np.minimum(until, period.end)
    good = (track.quality < FIRST_BAD) & (high > low)
    return float((high - low)[good].sum()) / (period.end - period.start)


def about(rule: Rule) -> dict[str, Any]:
    """Return what a screen says of the rule."""
    kind = next((name for name in KINDS if getattr(rule, name) is not None), "signal")
    return {
        "rule": rule.key,
        "revision": rule.revision,
        "kind": kind,
        "priority": rule.priority,
        "title": {"zh": rule.title.zh, "en": rule.title.en},
        "on_delay_s": rule.on_delay_s,
        "off_delay_s": rule.off_delay_s,
    }


def told(rule: Rule, tested: Sequence[Outcome], period: Period) -> dict[str, Any]:
    """Return what came of it at all points; the newest LISTED alarms of all are listed."""
    newest = sorted((each.at for one in tested for each in one.raised), reverse=True)
    since = newest[LISTED - 1] if len(newest) >= LISTED else 0
    left = LISTED
    rows: list[dict[str, Any]] = []
    for one in tested:
        listed = [listed_(each) for each in reversed(one.raised) if each.at >= since][:left]
        left -= len(listed)
        rows.append({
            "point": one.point, "count": len(one.raised),
            "duration_s": duration_s(one.raised, period), "raised": listed,
            "coverage": one.coverage, "error": one.error,
        })  # fmt: skip
    failed = sum(one.error is not None for one in tested)
    count = sum(row["count"] for row in rows)
    total = {
        "count": count,
        "duration_s": round(sum(row["duration_s"] for row in rows), 3),
        "per_day": round(count / period.days, 3),
        "points": len(rows),
        "failed": failed,
        "listed": LISTED - left,
    }
    return about(rule) | {
        "start": period.start, "end": period.end, "complete": not failed, "points": rows,
        "total": total,
    }  # fmt: skip


def listed_(each: Raised) -> dict[str, Any]:
    """Return one alarm as JSON has it."""
    return each._asdict()


def duration_s(raised: Sequence[Raised], period: Period) -> float:
    """Return how long it rang; what was still so at the end counts until then."""
    return sum(_end(each, period) - each.at for each in raised) / 1000


def side_by_side(
    a: Sequence[Outcome], b: Sequence[Outcome], period: Period
) -> dict[str, list[dict[str, Any]]]:
    """Return which alarms only one of two has, and which both: that overlap at the same point.

    Points that could not be tested on both sides are left out: of them nothing can be said.
    """
    ours = {one.point: one for one in a if one.error is None}
    theirs = {one.point: one for one in b if one.error is None}
    failed = {one.point for one in (*a, *b) if one.error is not None}
    found: dict[str, list[dict[str, Any]]] = {"only_a": [], "only_b": [], "both": []}
    for point in dict.fromkeys([*ours, *theirs]):
        if point in failed:
            continue
        first = ours[point].raised if point in ours else ()
        second = theirs[point].raised if point in theirs else ()
        for each, met in zip(first, _met(first, second, period), strict=True):
            found["both" if met else "only_a"].append({"point": point, **listed_(each)})
        for each, met in zip(second, _met(second, first, period), strict=True):
            if not met:
                found["only_b"].append({"point": point, **listed_(each)})
    return {name: sorted(rows, key=lambda row: -row["at"]) for name, rows in found.items()}


def _met(one: Sequence[Raised], other: Sequence[Raised], period: Period) -> list[bool]:
    """Return of each alarm whether one of the others overlaps it; both ascend in time."""
    starts = [each.at for each in other]
    latest = list(accumulate((_end(each, period) for each in other), max))  # of all up to it
    found = []
    for each in one:
        before = bisect_left(starts, max(_end(each, period), each.at + 1))
        found.append(before > 0 and max(latest[before - 1], starts[before - 1] + 1) > each.at)
    return found


def _end(each: Raised, period: Period) -> int:
    return period.end if each.returned_at is None else each.returned_at


def limits(watch: Watch) -> dict[str, float]:
    """Return the bounds that a plot draws as lines; none for other conditions."""
    kind = inner(watch.condition)
    if not isinstance(kind, Bounds) or watch.rule.stale is not None:
        return {}
    if kind.sides:
        return {side.name: side.bound for side in kind.sides}
    both = {"high": kind.high, "low": kind.low}
    return {name: bound for name, bound in both.items() if np.isfinite(bound)}


def shaded(raised: Sequence[Raised], period: Period) -> list[dict[str, int]]:
    """Return the stretches in which it rang, at most LISTED, the newest last."""
    return [
        {"start": each.at, "end": _end(each, period), "priority": each.priority}
        for each in raised[-LISTED:]
    ]
