"""Figures of an alarm system over a period, after EEMUA 191 and ISA-18.2: a guide, no certificate.

Pure: everything comes from the log of alarms. Times are Unix ms. The targets stand in kpi_guide.py.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
WINDOW_MS: Final = 10 * MINUTE_MS  # of the rate and of floods
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
FLOOD_OVER: Final = 10  # a flood starts with more than so many in ten minutes
FLOOD_UNDER: Final = 5  # and ends with fewer than so many
CHATTER: Final = 3  # raised and cleared so often within a minute
TOP: Final = 10
STEPS: Final = (WINDOW_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS)  # of a picture

Times = npt.NDArray[np.int64]


class Line(NamedTuple):
    """A line of the log of alarms, in the order in which they were written."""

    alarm: str
    source: str  # the rule at its point: "feeder-overload|hvac-1/active_power"
    priority: int  # 1 critical .. 4 advisory
    what: str  # raise, return, acknowledge; others say nothing here
    at: int


class Cycle(NamedTuple):
    """One raise of a source and the return that ended it."""

    source: str
    raised: int
    cleared: int | None  # None: active still


class Flood(NamedTuple):
    """A time with more alarms than a person can take in."""

    start: int  # when the eleventh alarm of ten minutes came
    end: int  # when fewer than five were left in ten minutes, or the period ended
    alarms: int  # in it, those that began it included
    over: bool  # False: it went on at the end of the period


@dataclass(frozen=True, slots=True)
class Rate:
    """How many alarms came to one operator position."""

    width_ms: int
    mean: float
    most: float
    most_at: int | None  # start of the busiest stretch; None: there was no alarm


@dataclass(frozen=True, slots=True)
class Waits:
    """From the raise to the acknowledgement, seconds."""

    count: int
    p50: float | None
    p90: float | None
    open: int  # nobody has acknowledged these yet


class Source(NamedTuple):
    """A source by how often it rang."""

    source: str
    priority: int
    raises: int
    share: float  # of all raises of the period
    chattering: int  # bursts
    fleeting: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a period."""

    start: int
    end: int
    positions: int
    raises: int
    rates: Mapping[str, Rate]  # minute, ten_minutes, hour, day
    manageable: float | None  # share of ten-minute stretches with at most one alarm a position
    floods: Sequence[Flood]
    flood_share: float  # of the time
    sources: Sequence[Source]  # the ten that rang most
    top_share: float | None
    chattering: Mapping[str, int]  # bursts by source
    fleeting: Mapping[str, int]
    stale: Sequence[Cycle]  # active for more than a day at the end, the longest first
    priorities: Mapping[int, int]  # raises
    waits: Mapping[int, Waits]  # by priority


WIDTHS: Final = {
    "minute": MINUTE_MS, "ten_minutes": WINDOW_MS, "hour": HOUR_MS, "day": DAY_MS,
}  # fmt: skip


def figures(lines: Sequence[Line], start: int, end: int, positions: int = 1) -> Figures:
    """Return the figures of start <= t < end.

    Args:
        lines: Of the log, from before `start` too where an alarm of then was still open.
        start: Unix ms.
        end: Unix ms, exclusive; a period that runs is cut at the present.
        positions: Operator positions that share the alarms; rates are of one.

    Raises ValueError: the period is empty, or nobody is there.
    """
    if end <= start or positions < 1:
        raise ValueError(f"{start} to {end} for {positions}")
    inside = [each for each in lines if each.what == "raise" and start <= each.at < end]
    at = np.array(sorted(each.at for each in inside), np.int64)
    found = cycles([each for each in lines if each.at < end])
    recent = [each for each in found if start <= each.raised]
    bursts, short = chattering(recent), fleeting(recent)
    top = sources(inside, bursts, short)
    flooded = floods(at, end, positions)
    return Figures(
        start, end, positions, len(inside),
        rates={name: rate(at, start, end, width, positions) for name, width in WIDTHS.items()},
        manageable=calm(at, start, end, positions),
        floods=flooded,
        flood_share=sum(each.end - each.start for each in flooded) / (end - start),
        sources=top,
        top_share=sum(each.raises for each in top) / len(inside) if inside else None,
        chattering=bursts,
        fleeting=short,
        stale=stale(found, end),
        priorities=dict(sorted(Counter(each.priority for each in inside).items())),
        waits=waits(lines, start, end),
    )  # fmt: skip


def rate(at: Times, start: int, end: int, width: int, positions: int) -> Rate:
    """Return mean and greatest number of alarms in `width` ms, for one position.

    The mean is over all of the period. The greatest is of any stretch of that width, wherever it
    begins: a fixed grid would halve a burst that lies across one of its lines.
    """
    if not len(at):
        return Rate(width, 0.0, 0.0, None)
    counts = np.searchsorted(at, at + width, "left") - np.arange(len(at))
    busiest = int(np.argmax(counts))
    mean = len(at) * width / (end - start)
    return Rate(width, mean / positions, float(counts[busiest]) / positions, int(at[busiest]))


def calm(at: Times, start: int, end: int, positions: int) -> float | None:
    """Return the share of ten-minute stretches with at most one alarm a position.

    Stretches count from `start`; one that is cut off by `end` does not count. None: there is none.
    """
    whole = (end - start) // WINDOW_MS
    if not whole:
        return None
    counts = np.bincount((at - start) // WINDOW_MS, minlength=whole)[:whole]
    return float(np.count_nonzero(counts <= positions) / whole)


def floods(at: Times, end: int, positions: int = 1) -> list[Flood]:
    """Return the floods among alarms at ascending instants; both bounds are for each position.

    A window is t - 10 min < raise <= t, so an alarm leaves it exactly ten minutes after it came.
    """
    found: list[Flood] = []
    window: deque[int] = deque()
    began, count = None, 0
    for now in [*at.tolist(), None]:
        while window and (now is None or window[0] <= now - WINDOW_MS):
            left = window.popleft() + WINDOW_MS
            if began is not None and len(window) < FLOOD_UNDER * positions:
                over = left <= end
                found.append(Flood(began, min(left, end), count, over))
                began = None
        if now is None:
            break
        window.append(now)
        count += 1
        if began is None and len(window) > FLOOD_OVER * positions:
            began, count = now, len(window)
    return found


def cycles(lines: Iterable[Line]) -> list[Cycle]:
    """Return every raise with its return, in the order of the raises."""
    found: list[Cycle] = []
    rings: dict[str, int] = {}  # source -> place in `found`
    for each in lines:
        if each.what == "raise" and each.source not in rings:
            rings[each.source] = len(found)
            found.append(Cycle(each.source, each.at, None))
        elif each.what == "return" and each.source in rings:
            place = rings.pop(each.source)
            found[place] = found[place]._replace(cleared=each.at)
    return found


def chattering(found: Iterable[Cycle]) -> dict[str, int]:
    """Return how many bursts each source had: raised and cleared three times within a minute.

    Overlapping ones are one burst: a source that flaps for ten minutes chatters once.
    """
    counts: dict[str, int] = {}
    for source, own in _by_source(found).items():
        closed = [(each.raised, each.cleared) for each in own if each.cleared is not None]
        last = None
        for first, third in zip(closed, closed[CHATTER - 1 :], strict=False):
            if third[1] - first[0] > MINUTE_MS:
                continue
            if last is None or first[0] > last:
                counts[source] = counts.get(source, 0) + 1
            last = third[1]
    return counts


def fleeting(found: Iterable[Cycle]) -> dict[str, int]:
    """Return how often each source rang for at most a minute, once, with a quiet minute around."""
    counts: dict[str, int] = {}
    for source, own in _by_source(found).items():
        padded: list[Cycle | None] = [None, *own, None]
        for (before, each), (_, after) in pairwise(pairwise(padded)):
            if each is not None and _alone(before, each, after):
                counts[source] = counts.get(source, 0) + 1
    return counts


def _alone(before: Cycle | None, each: Cycle, after: Cycle | None) -> bool:
    """Tell whether a cycle is short and alone; one without length is a notice, over by design."""
    if each.cleared is None or not 0 < each.cleared - each.raised <= MINUTE_MS:
        return False
    if before is not None and each.raised - (before.cleared or each.raised) <= MINUTE_MS:
        return False
    return after is None or after.raised - each.cleared > MINUTE_MS


def stale(found: Iterable[Cycle], now: int) -> list[Cycle]:
    """Return what has been active for more than 24 hours at `now`, the longest first."""
    old = [each for each in found if each.cleared is None and now - each.raised > DAY_MS]
    return sorted(old, key=lambda each: each.raised)


def sources(
    inside: Sequence[Line], bursts: Mapping[str, int], short: Mapping[str, int]
) -> list[Source]:
    """Return the ten sources that rang most; of equal ones the first by name."""
    counts = Counter(each.source for each in inside)
    priority = {each.source: each.priority for each in inside}
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return [
        Source(
            source, priority[source], count, count / len(inside),
            bursts.get(source, 0), short.get(source, 0),
        )
        for source, count in most
    ]  # fmt: skip


def waits(lines: Iterable[Line], start: int, end: int) -> dict[int, Waits]:
    """Return by priority how long alarms of the period waited until somebody acknowledged them.

    The wait begins with the first raise that nobody had acknowledged: a source that comes again
    while it waits does not begin anew.
    """
    since: dict[str, Line] = {}
    spent: dict[int, list[float]] = {}
    for each in lines:
        if each.at >= end:
            continue
        if each.what == "raise":
            since.setdefault(each.alarm, each)
        elif each.what == "acknowledge" and each.alarm in since:
            first = since.pop(each.alarm)
            if first.at >= start:
                waited = (each.at - first.at) / SECOND_MS
                spent.setdefault(first.priority, []).append(waited)
    left = Counter(each.priority for each in since.values() if each.at >= start)
    return {
        priority: _waits(spent.get(priority, []), left[priority])
        for priority in sorted({*spent, *left})
    }


def _waits(spent: list[float], left: int) -> Waits:
    if not spent:
        return Waits(0, None, None, left)
    p50, p90 = np.percentile(spent, [50, 90]).tolist()
    return Waits(len(spent), p50, p90, left)


def _by_source(found: Iterable[Cycle]) -> dict[str, list[Cycle]]:
    own: dict[str, list[Cycle]] = {}
    for each in found:
        own.setdefault(each.source, []).append(each)
    return own


def picture(lines: Sequence[Line], start: int, end: int, most: int) -> dict[str, Any]:
    """Return how many alarms came in each stretch of the period, in at most `most` of them."""
    width = next((each for each in STEPS if (end - start) / each <= most), DAY_MS)
    starts = range(start // width * width, end, width)
    counts = Counter(
        each.at // width * width for each in lines if each.what == "raise" and start <= each.at
    )
    return {"width": width, "start": list(starts), "counts": [counts[each] for each in starts]}


def told(found: Figures) -> dict[str, Any]:
    """Return the figures as the API tells them, without the targets."""
    return {
        "start": found.start,
        "end": found.end,
        "positions": found.positions,
        "raises": found.raises,
        "rates": {
            name: {"mean": each.mean, "most": each.most, "most_at": each.most_at}
            for name, each in found.rates.items()
        },
        "manageable": found.manageable,
        "floods": [each._asdict() for each in found.floods],
        "flood_share": found.flood_share,
        "top_share": found.top_share,
        "chattering": dict(found.chattering),
        "fleeting": dict(found.fleeting),
        "priorities": [
            {"priority": priority, "count": found.priorities.get(priority, 0)}
            for priority in (1, 2, 3, 4)
        ],
        "waits": [
            {
                "priority": priority, "count": each.count, "p50_s": each.p50, "p90_s": each.p90,
                "open": each.open,
            }
            for priority, each in found.waits.items()
        ],
    }  # fmt: skip
