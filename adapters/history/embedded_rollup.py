"""Summaries of quarter hours whose readings go: how they are made and kept; pure.

A day's summaries of many series are made in one pass: their times are laid one after the other,
two days apart, so that no series meets the next.

Kept as frames of the ordinary codec: column k of series s is the pseudo-series 8 s + k, its times
are the beginnings of the quarter hours. Columns: 0 readings, 1 ms covered, 2 mean (as a 32-bit
float), 3 low, 4 high, 5 first, 6 last. A row without a reading has columns 2 to 6 bad.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np

from adapters.history.embedded_codec import (
    FRAME_READINGS,
    SPAN_MS,
    Frame,
    boundaries,
    decode,
    decode_some,
    encode,
)
from adapters.history.spans import joined
from watchkeeper.batch import Batch, Flags, Floats, Series, Times
from watchkeeper.history import Buckets, Track
from watchkeeper.quality import FIRST_BAD
from watchkeeper.spans import QUARTER_MS

STRIDE = 8  # pseudo-series a series
COLUMNS = 7
_VALUES = 2  # from this column on a row without a reading has nothing
_APART_MS = 2 * SPAN_MS


class Summaries(NamedTuple):
    """Rows over quarter hours, ascending in (series, start)."""

    series: Series  # (n,)
    rows: Buckets  # (n,) each; some without a reading: only covered by one before

    @classmethod
    def joined(cls, parts: "Sequence[Summaries]") -> Self:
        """Return the rows of all parts in their order."""
        series = [np.empty(0, np.uint32), *(part.series for part in parts)]
        return cls(np.concatenate(series), Buckets.joined([part.rows for part in parts]))

    def take(self, chosen: Flags) -> "Summaries":
        """Return some of the rows."""
        return Summaries(self.series[chosen], self.rows.take(chosen))


def rolled(batch: Batch, stored: Summaries, day: int, until: int) -> Summaries:
    """Return the summaries of a day, of its readings and of what is stored already.

    Args:
        batch: Readings of the day, ascending in (series, time).
        stored: Of the same day, and the day before's rows at its midnight.
        day: Its start, Unix ms.
        until: Where to stop, the beginning of a quarter hour. At the day's end the rows tell as
            well how far into the next day a last reading is good.
    """
    known = np.union1d(batch.series, stored.series)
    at = np.searchsorted(known, batch.series) * _APART_MS + (batch.at - day)
    start = np.searchsorted(known, stored.series) * _APART_MS + (stored.rows.start - day)
    found = joined(
        Track(at, batch.value, batch.quality),
        stored.rows._replace(start=start),
        QUARTER_MS, 0, len(known) * _APART_MS,
    )  # fmt: skip
    place, offset = np.divmod(found.start, _APART_MS)
    limit = until - day if until < day + SPAN_MS else SPAN_MS + QUARTER_MS
    return Summaries(known[place], found._replace(start=offset + day)).take(offset < limit)


def frames(summaries: Summaries, day: int) -> Iterator[Frame]:
    """Yield frames for rows ascending in (series, start); `first` and `last` are pseudo-series."""
    series, rows = summaries
    counts, mean, bad = rows.counts.astype(np.float64), rows.mean, rows.counts == 0
    with np.errstate(over="ignore"):
        short = mean.astype(np.float32).astype(np.float64)
    covered = np.rint(rows.coverage * QUARTER_MS)
    short = np.where(np.isinf(short), mean, short)
    columns = np.stack((counts, covered, short, rows.low, rows.high, rows.first, rows.last))
    starts = boundaries(series)
    ends = np.append(starts[1:], len(series))[: len(starts)]
    low = 0
    while low < len(starts):
        high = int(np.searchsorted(ends, starts[low] + FRAME_READINGS // STRIDE, "right"))
        high = max(high, low + 1)
        own = slice(int(starts[low]), int(ends[high - 1]))
        batch = _pseudo(series[own], rows.start[own], columns[:, own], bad[own])
        yield from encode(batch, day, len(batch))  # all of a series in one frame
        low = high


def _pseudo(series: Series, start: Times, columns: Floats, bad: Flags) -> Batch:
    """Return a batch in which each column of each series is a series."""
    number = (series[None, :] * STRIDE + np.arange(COLUMNS, dtype=np.uint32)[:, None]).ravel()
    quality = np.zeros(columns.shape, np.uint8)
    quality[_VALUES:, bad] = FIRST_BAD
    batch = Batch(number, np.tile(start, COLUMNS), columns.ravel(), quality.ravel())
    return batch.take(np.argsort(number, kind="stable"))


def read(blob: bytes) -> Summaries:
    """Return all rows of a frame."""
    batch = decode(blob)
    column = batch.series % STRIDE
    own = column == 0
    return Summaries(
        batch.series[own] // STRIDE,
        _rows(batch.at[own], [batch.value[column == n] for n in range(COLUMNS)]),
    )


def read_one(blob: bytes, series: int) -> Buckets | None:
    """Return the rows of one series, or None when the frame has none."""
    tracks = list(decode_some(blob, series * STRIDE, (series + 1) * STRIDE))
    return _rows(tracks[0].at, [track.value for track in tracks]) if tracks else None


def _rows(start: Times, columns: list[Floats]) -> Buckets:
    counts, covered, mean, low, high, first, last = columns
    return Buckets(
        start, counts.astype(np.int64), np.clip(mean, low, high), low, high, first, last,
        covered / QUARTER_MS,
    )  # fmt: skip
