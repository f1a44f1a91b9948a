"""What the kinds of conditions make of whole columns: the same as `truth.py`, reading by reading.

1 true, 0 false, NaN unknown. A plain limit with a deadband depends on where the rule stands; of it
the columns only say where that could matter (`regions`).
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from server.conditions import (
    CELLS,
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Kind,
    Rate,
    Stuck,
    Within,
    inner,
)
from server.truth import edge
from watchkeeper.batch import Flags, Floats, Times
from watchkeeper.history import HOLD_MS, Track

Cases: TypeAlias = npt.NDArray[np.int8]
UNKNOWN, SHUT = -1, -2  # a case: no value; its calendar does not let it count
BELOW = 8  # more thresholds than a limit has upwards


class Columns(NamedTuple):
    """The inputs of a rule, each value as it stood at every instant at which one of them came."""

    at: Times  # (n,) Unix ms
    own: Floats  # (n,) NaN where unknown
    others: Sequence[Floats]  # (n,) each; NaN also where nothing vouches for it any more
    fresh: Flags  # (n,) something vouches for `own`


def columns(tracks: Sequence[Track]) -> Columns:
    """Return the inputs side by side: the rule's own point, then conditions.others."""
    own = tracks[0]
    if len(tracks) == 1:
        return Columns(own.at, own.value, (), np.ones(len(own.at), np.bool_))
    at = _instants([track.at for track in tracks])
    value, fresh = _standing(own, at)
    others = (_standing(track, at) for track in tracks[1:])
    return Columns(at, value, [np.where(good, each, np.nan) for each, good in others], fresh)


def _instants(every: Sequence[Times]) -> Times:
    """Return all instants, each once, ascending; points polled together have the same."""
    first, *more = every
    different = [each for each in more if not np.array_equal(each, first)]
    if not different:
        return first
    at = np.sort(np.concatenate([first, *different]), kind="stable")  # ascending runs: a merge
    found: Times = at[np.diff(at, prepend=at[:1] - 1) > 0]
    return found


def _standing(track: Track, at: Times) -> tuple[Floats, Flags]:
    if not len(track.at):
        return np.full(len(at), np.nan), np.zeros(len(at), np.bool_)
    if len(track.at) == len(at):  # none but its own instants
        return track.value, np.ones(len(at), np.bool_)
    place = np.searchsorted(track.at, at, "right") - 1
    before = np.maximum(place, 0)
    fresh: Flags = (place >= 0) & (at - track.at[before] <= HOLD_MS)
    return np.where(place >= 0, track.value[before], np.nan), fresh


def truths(condition: Condition, of: Columns) -> Floats:
    """Return whether it is true at each instant, (n,); not of a plain limit, see `regions`."""
    found = _truths(inner(condition), of)
    if isinstance(condition, Within):
        found = np.where(condition.calendar.mask(of.at) == condition.inside, found, 0.0)
    return found


def regions(
    condition: Condition, bounds: Bounds, value: Floats, at: Times, now: int = 0
) -> tuple[Cases, Cases]:
    """Return two numbers for each reading, (n,): equal neighbours are the same case.

    The first where the rule was not true, the second where it was: then a deadband counts, and
    which of several limits it has now (`alarms/decide.py: grade`).
    """
    above, below = {bounds.inner_high}, {bounds.inner_low}
    for number, side in enumerate(bounds.sides, 1):
        (above if side.above else below).add(edge(bounds, now, number))
    free, held = (
        _cases(value, *edges) for edges in (({bounds.high}, {bounds.low}), (above, below))
    )
    if isinstance(condition, Within):
        shut = condition.calendar.mask(at) != condition.inside
        free[shut], held[shut] = SHUT, SHUT
    return free, held


def _cases(value: Floats, above: set[float], below: set[float]) -> Cases:
    found = np.zeros(len(value), np.int8)
    for bound in above - {np.inf}:
        found += value > bound
    for bound in below - {-np.inf}:
        found += (value < bound) * np.int8(BELOW)
    found[np.isnan(value)] = UNKNOWN
    return found


def _truths(kind: Kind, of: Columns) -> Floats:
    with np.errstate(all="ignore"):
        match kind:
            case Codes():
                found = _codes(kind, of.own)
            case Rate():
                found = _rates(kind, of.at, of.own)
            case Count():
                found = _counts(kind, of.at, of.own)
            case Jump():
                found = _jumps(kind, of.at, of.own)
            case Stuck():
                found = _stuck(kind, of)
            case Expression():
                found = kind.formula.truths(of.others)
            case _:
                found = _plain(kind, of.own)
    return found


def _codes(codes: Codes, value: Floats) -> Floats:
    found = np.isin(value, sorted(codes.values)) != codes.inverted
    return np.where(np.isnan(value), np.nan, found)


def _plain(bounds: Bounds, value: Floats) -> Floats:
    """Return a limit with its deadband, as it is when nothing delays it."""
    out = (value > bounds.high) | (value < bounds.low)
    decided = out | ((value <= bounds.inner_high) & (value >= bounds.inner_low))
    place = np.maximum.accumulate(np.where(decided, np.arange(len(value)), -1))
    found = np.where(place >= 0, out[np.maximum(place, 0)], 0.0)
    return np.where(np.isnan(value), np.nan, found)


def _rates(rate: Rate, at: Times, value: Floats) -> Floats:
    cells = at // rate.cell
    first = np.flatnonzero(np.diff(cells, prepend=cells[:1] - 1))  # of each twelfth
    since = (cells[first] - CELLS) * rate.cell
    place = np.searchsorted(at, since, "left") - 1
    before = np.maximum(place, 0)
    known = (place >= 0) & (at[before] >= since - HOLD_MS)
    then = np.where(known, value[before], np.nan)
    lengths = np.diff(first, append=len(at))
    change, passed = value - np.repeat(then, lengths), at - np.repeat(since, lengths)
    found = (change > rate.rise * passed) | (change < -rate.fall * passed)
    return np.where(np.isnan(change), np.nan, found)


def _counts(count: Count, at: Times, value: Floats) -> Floats:
    known = np.flatnonzero(~np.isnan(value))
    of = count.of
    true = _codes(of, value[known]) if isinstance(of, Codes) else _plain(of, value[known])
    hits = at[known[1:][(true[1:] == 1) & (true[:-1] == 0)]]
    often = np.searchsorted(hits, at, "right") - np.searchsorted(hits, at - count.window, "right")
    return np.where(np.isnan(value), np.nan, often >= count.times)


def _jumps(jump: Jump, at: Times, value: Floats) -> Floats:
    step = np.diff(value, prepend=np.nan)
    step[1:][np.diff(at) > HOLD_MS] = np.nan
    return np.where(np.isnan(step), np.nan, (step > jump.up) | (step < -jump.down))


def _stuck(stuck: Stuck, of: Columns) -> Floats:
    known = ~np.isnan(of.own)
    running = np.ones(len(of.at), np.bool_)
    if stuck.running is not None:
        running = stuck.running.truths(of.others) == 1
    place = np.maximum.accumulate(np.where(known, np.arange(len(of.at)), -1))
    last = np.where(place >= 0, of.own[np.maximum(place, 0)], np.nan)
    before = np.concatenate([[np.nan], last])[:-1]
    was = np.concatenate([[False], running])[:-1]
    began = (known & (of.own != before)) | ~running | ~was
    since = np.maximum.accumulate(np.where(began, of.at, 0))
    return np.where(known & of.fresh, of.at - since >= stuck.after, np.nan)
