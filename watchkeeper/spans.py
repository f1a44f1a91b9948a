"""Spans of time that readings are summarised over: which width to ask for, and local days; pure."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from watchkeeper.batch import Times
from watchkeeper.history import Buckets

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
QUARTER_MS: Final = 15 * MINUTE_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WIDTHS: Final = (10 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, QUARTER_MS, HOUR_MS, DAY_MS)


def width_for(span_ms: int, wanted: int, step_ms: int) -> int:
    """Return the width of summaries to ask for, ms, or 0: the readings themselves are few enough.

    The finest of WIDTHS that gives at most `wanted` spans, beyond them whole days.

    Args:
        span_ms: End - start of what is asked for.
        wanted: The most points that are of use, at least 1.
        step_ms: What usually lies between two readings.
    """
    if span_ms <= wanted * step_ms:
        return 0
    for width in WIDTHS:
        if width > step_ms and span_ms <= wanted * width:
            return width
    return -(-span_ms // (wanted * DAY_MS)) * DAY_MS


def local_days(first: date, count: int, zone: ZoneInfo) -> Times:
    """Return where `count` local days begin and the last one ends, (count + 1,) Unix ms.

    A day on which the clock is changed has 23 or 25 hours.
    """
    days = [first + timedelta(days=n) for n in range(count + 1)]
    midnights = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    return np.array([round(each.astimezone(UTC).timestamp() * 1000) for each in midnights])


def gathered(found: Buckets, width: int, edges: Times) -> Buckets:
    """Return summaries over the spans between edges, from finer ones that lie within them.

    So local days, months and shifts come from quarter hours, whose edges are those of every time
    zone in use. What begins before the first edge or at the last one is left out.

    Args:
        found: Summaries over spans of `width` ms; some may have no reading and yet be covered.
        width: Of those, ms.
        edges: (m + 1,) ascending Unix ms.
    """
    place = np.searchsorted(edges, found.start, "right") - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    covered = np.bincount(
        place[inside], weights=found.coverage[inside] * width, minlength=len(edges) - 1
    )
    own = np.flatnonzero(inside & (found.counts > 0))
    place, counts = place[own], found.counts[own]
    begin = np.flatnonzero(np.diff(place, prepend=-1))
    end = np.append(begin[1:], len(own))[: len(begin)]
    if not len(own):
        return Buckets.none()
    chosen, total = place[begin], np.add.reduceat(counts, begin)
    return Buckets(
        start=edges[chosen],
        counts=total,
        mean=np.add.reduceat(found.mean[own] * counts, begin) / total,
        low=np.minimum.reduceat(found.low[own], begin),
        high=np.maximum.reduceat(found.high[own], begin),
        first=found.first[own][begin],
        last=found.last[own][end - 1],
        coverage=np.minimum(covered[chosen] / np.diff(edges)[chosen], 1.0),
    )
