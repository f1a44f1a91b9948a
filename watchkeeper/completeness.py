"""When a point was known, when not, and why not: docs/completeness.md has the rule; pure.

A span of time is cut into stretches that cover it without overlap. Whatever is added up from them
therefore adds up to the whole span.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Flags, Times
from watchkeeper.history import HOLD_MS, Buckets, Track
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from watchkeeper.spans import DAY_MS, MINUTE_MS, QUARTER_MS

HEARTBEAT_MS: Final = 60_000  # an edge says everything at least so often
# A dead unit is asked ever more rarely, up to each 5 min; what a device refuses, once a day.
BAD_MS: Final = 300_000 + HOLD_MS
REFUSED_MS: Final = DAY_MS + HOLD_MS
LOOK_BACK_MS: Final = REFUSED_MS  # readings before a span that can still say something in it
Codes: TypeAlias = npt.NDArray[np.int16]


class Missing(IntEnum):
    """Why there is no reading; beside the codes of `Quality`, which are never negative."""

    UNEXPLAINED = -1
    EDGE_LOST = -2
    BROKER_LOST = -3
    GIVEN_UP = -4  # an edge had no room for them
    PUT_ASIDE = -5  # they came, and could not be stored
    NEVER = -6  # nothing has ever come, to this day
    NOT_YET = -7  # before the first reading of all: nothing was to be expected


class Spans(NamedTuple):
    """Spans of time; they may overlap."""

    begin: Times  # (n,) Unix ms
    end: Times

    @classmethod
    def none(cls) -> "Spans":
        """Return no spans."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def of(cls, spans: Sequence[tuple[int, int]]) -> "Spans":
        """Return them as columns."""
        columns = np.array(spans, np.int64).reshape(-1, 2).T
        return cls(columns[0], columns[1])


class Stretches(NamedTuple):
    """All of a span of time, ascending, without overlap or hole."""

    begin: Times  # (n,) Unix ms
    end: Times
    code: Codes  # a Quality, or a Missing
    late: Flags  # what is known of it came when it could no longer be shown

    def before(self, chosen: Flags, moments: Times) -> Times:
        """Return how much of the chosen stretches lies before each moment, ms."""
        if not len(self.begin):
            return np.zeros(len(moments), np.int64)
        length = np.where(chosen, self.end - self.begin, 0)
        total = np.concatenate(([0], np.cumsum(length)))
        place = np.clip(np.searchsorted(self.begin, moments, "right") - 1, 0, None)
        inside = np.clip(moments - self.begin[place], 0, length[place])
        found: Times = total[place] + inside
        return found

    def within(self, chosen: Flags, edges: Times) -> Times:
        """Return how much of the chosen stretches lies between the edges, (m - 1,) ms."""
        return np.diff(self.before(chosen, edges))

    def cut(self, moments: Times) -> "Stretches":
        """Return the same, with a boundary at each moment inside."""
        if not len(self.begin):
            return self
        inside = np.unique(moments[(moments > self.begin[0]) & (moments < self.end[-1])])
        place = np.searchsorted(self.begin, inside)
        new = self.begin[np.minimum(place, len(self.begin) - 1)] != inside
        begin = np.insert(self.begin, place[new], inside[new])
        place = np.searchsorted(self.begin, begin, "right") - 1
        end = np.append(begin[1:], self.end[-1])
        return Stretches(begin, end, self.code[place], self.late[place])


class Days(NamedTuple):
    """What was known of one point in each of m days; good + doubtful + bad + missing = length."""

    length: Times  # (m,) ms that count, from the first reading of all on; so all but the last
    good: Times
    doubtful: Times
    bad: Times  # known to be unknown: the edge has said why
    missing: Times  # nothing stands for it
    late: Times  # of good and doubtful: came too late to be shown in time
    behind: Times  # of good: read later than its rate asks
    received: Times  # readings that are stored, or were before they were thinned


class Hole(NamedTuple):
    """A stretch in which a point was not known."""

    begin: int
    end: int
    code: int


def late_point(edge: EdgeId) -> PointId:
    """Return the point whose readings say which minutes of an edge came late, and by how much."""
    return PointId(f"{edge}/late_s")


def stretches(track: Track, start: int, end: int, late: Times) -> Stretches:
    """Return what the readings say of the span.

    A value stands for HOLD_MS, at most until the next reading; between two good readings at
    consecutive quarter hours (a load profile) until the second.

    Args:
        track: Readings in ascending time, from LOOK_BACK_MS before `start` on.
        start: Unix ms.
        end: Not before `start`.
        late: Minutes (Unix ms / MINUTE_MS), ascending, of which the edge's readings came late.
    """
    at, quality, count = track.at, track.quality, len(track.at)
    until = at + _STANDS[quality]
    if count:
        np.copyto(until[:-1], at[1:], where=(until[:-1] > at[1:]) | _profile(track))
    begins = np.empty(2 * count + 1, np.int64)
    begins[1::2], begins[2::2] = at, until
    begins[0] = min(start, int(at[0])) if count else start
    codes = np.full(2 * count + 1, Missing.UNEXPLAINED, np.int16)
    codes[1::2] = quality
    flags = np.zeros(2 * count + 1, np.bool_)
    if len(late):
        flags[1::2] = _isin_sorted(at // MINUTE_MS, late) & (quality < FIRST_BAD)
    ends = np.minimum(np.append(begins[1:], end), end)
    begins = np.maximum(begins, start)
    real = ends > begins
    return Stretches(begins[real], ends[real], codes[real], flags[real])


def filled(found: Stretches, rows: Buckets) -> Stretches:
    """Return them with what summaries know of readings that were thinned or dropped.

    Where in its quarter of an hour a hole was is then no longer known: it is put behind what the
    summary adds, within the time nothing else stands for.

    Args:
        found: What the readings say that are left.
        rows: Summaries over quarter hours; those that do not lie wholly inside count for nothing.
    """
    if not len(found.begin) or not len(rows.start):
        return found
    whole = (rows.start >= found.begin[0]) & (rows.start + QUARTER_MS <= found.end[-1])
    start = rows.start[whole]
    stored = np.rint(rows.coverage[whole] * QUARTER_MS).astype(np.int64)
    good = is_good(found)
    more = stored - (found.before(good, start + QUARTER_MS) - found.before(good, start))
    some = more > 0
    return _moved(found, start[some], more[some]) if some.any() else found


def explained(found: Stretches, causes: Sequence[tuple[Missing, Spans]]) -> Stretches:
    """Return them with the cause of what nothing stands for; the first that fits counts."""
    causes = [(code, merged(spans)) for code, spans in causes if len(spans.begin)]
    if not causes or not (found.code == Missing.UNEXPLAINED).any():
        return found
    found = found.cut(np.concatenate([each for _, spans in causes for each in spans]))
    code = found.code.copy()
    for cause, spans in causes:
        place = np.searchsorted(spans.begin, found.begin, "right") - 1
        inside = (place >= 0) & (found.begin < spans.end[place])
        code[inside & (code == Missing.UNEXPLAINED)] = cause
    return found._replace(code=code)


def days(found: Stretches, edges: Times, track: Track, rows: Buckets) -> Days:
    """Return the figures of each day.

    Args:
        found: Stretches that cover the days, as far as they are over.
        edges: Where the days begin and the last one ends, (m + 1,) Unix ms.
        track: The readings.
        rows: Summaries of them over quarter hours, or none where all readings are there.
    """
    code, counts = found.code, found.code != Missing.NOT_YET
    good, doubtful = is_good(found), (code >= FIRST_UNCERTAIN) & (code < FIRST_BAD)
    return Days(
        length=found.within(counts, edges),
        good=found.within(good, edges),
        doubtful=found.within(doubtful, edges),
        bad=found.within(code >= FIRST_BAD, edges),
        missing=found.within((code < 0) & counts, edges),
        late=found.within(found.late, edges),
        behind=found.within(code == Quality.LATE, edges),
        received=_received(edges, track, rows),
    )


def by_cause(found: Stretches, edges: Times) -> dict[int, Times]:
    """Return by code how long the point was not known for that reason, (m,) ms each."""
    codes = np.unique(found.code[_unknown(found.code)])
    return {int(code): found.within(found.code == code, edges) for code in codes}


def holes(found: Stretches, edges: Times) -> list[list[Hole]]:
    """Return of each day when the point was not known, neighbours of one cause as one."""
    listed: list[list[Hole]] = [[] for _ in edges[1:]]
    if not len(found.begin):
        return listed
    found = found.cut(edges)
    code, begin = found.code, found.begin
    new = np.append([True], (code[1:] != code[:-1]) | np.isin(begin[1:], edges))
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(code)) - 1
    unknown = _unknown(code[first])
    place = np.searchsorted(edges, begin[first], "right") - 1
    for day, start, end, why in zip(
        place[unknown].tolist(), begin[first][unknown].tolist(),
        found.end[last][unknown].tolist(), code[first][unknown].tolist(), strict=True,
    ):  # fmt: skip
        if 0 <= day < len(listed):
            listed[day].append(Hole(start, end, why))
    return listed


def is_good(found: Stretches) -> Flags:
    """Return which stretches count as they do in `Buckets.coverage`."""
    good: Flags = (found.code >= 0) & (found.code < FIRST_UNCERTAIN)
    return good


def merged(spans: Spans) -> Spans:
    """Return the same time as spans that ascend and do not overlap."""
    order = np.argsort(spans.begin, kind="stable")
    begin, end = spans.begin[order], np.maximum.accumulate(spans.end[order])
    new = np.append([True], begin[1:] > end[:-1])[: len(begin)]
    first = np.flatnonzero(new)
    return Spans(begin[first], end[np.append(first[1:], len(begin))[: len(first)] - 1])


def _unknown(code: Codes) -> Flags:
    """Return which codes say that a point was not known when it should have been."""
    found: Flags = ((code < 0) & (code != Missing.NOT_YET)) | (code >= FIRST_BAD)
    return found


def _profile(track: Track) -> Flags:
    """Return after which readings the next is a quarter of an hour later, both on the quarter."""
    at, good = track.at, track.quality < FIRST_UNCERTAIN
    on = (at[:-1] % QUARTER_MS == 0) & (at[1:] - at[:-1] == QUARTER_MS)
    pair: Flags = on & good[:-1] & good[1:]
    return pair


def _moved(found: Stretches, start: Times, more: Times) -> Stretches:
    """Return them with so many ms more of these quarter hours as good."""
    found = found.cut(np.concatenate((start, start + QUARTER_MS)))
    place = np.clip(np.searchsorted(start, found.begin, "right") - 1, 0, None)
    first = start[place]
    empty = (found.code < 0) & (found.begin >= first) & (found.begin < first + QUARTER_MS)
    # The first and the last reading of a quarter hour were kept: what was thinned lies between.
    inner = empty & (found.begin > first) & (found.end < first + QUARTER_MS)
    enough = found.before(inner, start + QUARTER_MS) - found.before(inner, start) >= more
    empty &= inner | ~enough[place]
    behind = found.before(empty, start)
    whole = found.before(empty, start + QUARTER_MS) - behind
    more = np.minimum(more, whole)
    own = place[empty]
    low = found.before(empty, found.begin[empty]) - behind[own]
    high = found.before(empty, found.end[empty]) - behind[own]
    border = found.begin[empty] + high * more[own] // whole[own] - low * more[own] // whole[own]
    wide = found.cut(border)
    owner = np.searchsorted(found.begin, wide.begin, "right") - 1
    until = np.full(len(found.begin), np.iinfo(np.int64).min)
    until[empty] = border
    return wide._replace(code=np.where(wide.end <= until[owner], _GOOD, wide.code))


def _received(edges: Times, track: Track, rows: Buckets) -> Times:
    """Return how many readings each day has, thinned ones too."""
    left = np.diff(np.searchsorted(track.at, edges))
    if not len(rows.start):
        return left
    other = np.searchsorted(track.at[track.quality >= FIRST_UNCERTAIN], edges)
    place = np.searchsorted(edges, rows.start, "right") - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    counted = np.bincount(place[inside], rows.counts[inside], len(edges) - 1).astype(np.int64)
    return np.maximum(left, counted + np.diff(other))


def _isin_sorted(values: Times, known: Times) -> Flags:
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: Flags = known[place] == values
    return found


def _stands() -> Times:
    """Return for how long a reading of each quality stands, (256,) ms."""
    found = np.full(256, HOLD_MS, np.int64)
    found[FIRST_BAD:] = BAD_MS
    found[Quality.REFUSED] = REFUSED_MS
    return found


_STANDS: Final = _stands()
_GOOD: Final = np.int16(Quality.GOOD)
