"""Readings as bytes: frames, each the readings of some neighbouring series within one day.

A frame is encoded and decoded in columns, whether it holds one series or a thousand; what costs
Python time is the frame, not the series. Values are kept exactly, bit for bit.

Layout: version u1 | series u4 | readings u4 | whole u4 | origin i8 | zstd(
    series gap u4, count u4, form u1, begin u4 (ms after origin), base i8    a row a series
    step u4 (ms since the series' last reading)                              a row a reading
    change u4 (zigzag of whole - last whole; not of RAW series)              `whole` rows
    value f8 (of RAW series)                                                 readings - whole rows
    quality u1)                                                              a row a reading
Every column is byte-shuffled: the equal high bytes stand together and cost nothing.
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import zstandard

from watchkeeper.batch import Batch, Flags, Floats, Marks, Series, Times
from watchkeeper.history import Track
from watchkeeper.quality import FIRST_BAD

VERSION = 1
FRAME_READINGS = 16_384  # a frame is cut at a series boundary below this; one series is never cut
_AT_ONCE = 16 * FRAME_READINGS  # turned into whole numbers in one pass: it takes 100 bytes each
SPAN_MS = 86_400_000  # a frame lies within one UTC day: begin and step fit 32 bits

# How the values of a series are written as whole numbers; tried in this order, the first exact one
# is taken. A register scaled by 0.1 is register * 0.1, which is often not register / 10.
_DIVIDED = (1.0, 10.0, 100.0, 1000.0)  # forms 0-3: value = whole / 10^form
_MULTIPLIED = (0.1, 0.01, 0.001)  # forms 4-6: value = whole * 0.1^(form - 3)
_FLOAT32 = 7  # value = a 32-bit float whose bits, in order, are whole
_RAW = 255  # value stands as it is, 64 bits
_FORMS = len(_DIVIDED) + len(_MULTIPLIED) + 1
_WHOLE_LIMIT = float(2**53)

_HEAD = struct.Struct("<BIIIq")
_Ints = npt.NDArray[np.int64]
Column: TypeAlias = npt.NDArray[Any]
_Places = npt.NDArray[np.intp]


class Frame(NamedTuple):
    """One row of the frame table."""

    first: int  # lowest and
    last: int  # highest series number
    blob: bytes


def shuffled(*columns: Column) -> bytes:
    """Return the columns' bytes; of each column all first bytes first."""
    return b"".join(
        np.ascontiguousarray(column).view(np.uint8).reshape(-1, column.itemsize).T.tobytes()
        for column in columns
    )


def boundaries(series: Series) -> _Places:
    """Return where each run of equal series begins, (m,)."""
    if not len(series):
        return np.empty(0, np.intp)
    return np.concatenate(([0], np.flatnonzero(series[1:] != series[:-1]) + 1)).astype(np.intp)


def encode(batch: Batch, origin: int, most: int = 0) -> Iterator[Frame]:
    """Yield frames for readings that ascend in (series, time), each pair once.

    Args:
        batch: The readings, all with origin <= at < origin + SPAN_MS.
        origin: Start of their day, Unix ms.
        most: Readings of a frame, unless one series has more; 0: FRAME_READINGS.
    """
    starts = boundaries(batch.series)
    for low, high in _cuts(np.diff(starts, append=len(batch)), max(most, _AT_ONCE)):
        end = starts[high] if high < len(starts) else len(batch)
        own = slice(int(starts[low]), int(end))
        part = Batch(batch.series[own], batch.at[own], batch.value[own], batch.quality[own])
        yield from _encoded(part, origin, most or FRAME_READINGS)


def _encoded(batch: Batch, origin: int, most: int) -> Iterator[Frame]:
    starts = boundaries(batch.series)
    counts = np.diff(starts, append=len(batch))
    forms, wholes = _as_wholes(batch, starts)
    raw = np.repeat(forms == _RAW, counts)
    step = np.diff(batch.at, prepend=batch.at[0])
    change = np.diff(wholes, prepend=wholes[0])
    step[starts] = 0
    change[starts] = 0
    zigzag = ((change << 1) ^ (change >> 63)).astype(np.uint32)
    packer = zstandard.ZstdCompressor(level=3)
    numbers, begins, bases = batch.series[starts], batch.at[starts] - origin, wholes[starts]
    for low, high in _cuts(counts, most):
        start, end = int(starts[low]), int(starts[high - 1] + counts[high - 1])
        own, raws = slice(low, high), raw[start:end]
        whole = end - start - int(np.count_nonzero(raws))
        changes = zigzag[start:end] if whole == end - start else zigzag[start:end][~raws]
        body = shuffled(
            np.diff(numbers[own], prepend=numbers[low]),
            counts[own].astype(np.uint32),
            forms[own],
            begins[own].astype(np.uint32),
            bases[own],
            step[start:end].astype(np.uint32),
            changes,
            batch.value[start:end][raws],
            batch.quality[start:end],
        )
        head = _HEAD.pack(VERSION, high - low, end - start, whole, origin)
        first = int(numbers[low])
        yield Frame(
            first,
            int(numbers[high - 1]),
            head + first.to_bytes(4, "little") + packer.compress(body),
        )


def _cuts(counts: npt.NDArray[np.intp], most: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of series that make a frame each."""
    ends = np.cumsum(counts)
    low = 0
    while low < len(counts):
        before = int(ends[low - 1]) if low else 0
        high = int(np.searchsorted(ends, before + most, "right"))
        high = max(high, low + 1)
        yield low, high
        low = high


def _as_wholes(batch: Batch, starts: _Places) -> tuple[Marks, _Ints]:
    """Return each series' form, (m,), and every value as its whole number, (n,); 0 where RAW."""
    value = _filled(batch, starts)
    counts = np.diff(starts, append=len(value))
    forms = np.full(len(starts), _RAW, np.uint8)
    wholes = np.zeros(len(value), np.int64)
    ends = starts + counts - 1
    with np.errstate(invalid="ignore", over="ignore"):
        for form in range(_FORMS):
            # Most forms are ruled out by a series' first and last value alone.
            likely = (forms == _RAW) & _exact(value[starts], form) & _exact(value[ends], form)
            if not likely.any():
                continue
            everything = bool(likely.all())
            rows = slice(None) if everything else np.repeat(likely, counts)
            tried = value[rows]
            whole = _whole(tried, form)
            begin = np.cumsum(counts[likely]) - counts[likely]
            fits = _same(_value(whole, form), tried) & _small_steps(whole, begin)
            good = np.logical_and.reduceat(fits, begin)
            forms[np.flatnonzero(likely)[good]] = form
            keep = np.repeat(good, counts[likely])
            wholes[rows] = np.where(keep, whole, wholes[rows])
    return forms, wholes


def _filled(batch: Batch, starts: _Places) -> Floats:
    """Return the values with the last one repeated where a bad reading has none: no change."""
    bad = batch.quality >= FIRST_BAD
    if not bad.any():
        return batch.value
    place = np.where(bad, -1, np.arange(len(bad)))
    np.maximum.accumulate(place, out=place)
    own = place >= np.repeat(starts, np.diff(starts, append=len(bad)))
    filled: Floats = np.where(own, batch.value[place], 0.0)
    return filled


def _exact(value: Floats, form: int) -> Flags:
    return _same(_value(_whole(value, form), form), value)


def _same(one: Floats, other: Floats) -> Flags:
    """Return where both are the same bits: 0.0 is not -0.0 here, and NaN is NaN."""
    same: Flags = one.view(np.int64) == other.view(np.int64)
    return same


def _small_steps(whole: _Ints, starts: _Places) -> Flags:
    step = np.diff(whole, prepend=whole[:1])
    step[starts] = 0
    small: Flags = np.abs(step) < 2**31
    return small


def _whole(value: Floats, form: int) -> _Ints:
    if form == _FLOAT32:
        bits = value.astype(np.float32).view(np.int32)
        ordered: _Ints = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)
        return ordered
    many = len(_DIVIDED)
    scaled = value * _DIVIDED[form] if form < many else value / _MULTIPLIED[form - many]
    inside = np.abs(scaled) < _WHOLE_LIMIT
    whole: _Ints = np.rint(np.where(inside, scaled, 0.0)).astype(np.int64)
    return whole


def _value(whole: _Ints, form: int) -> Floats:
    if form == _FLOAT32:
        bits = whole.astype(np.int32)
        floats: Floats = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32).astype(np.float64)
        return floats
    exact = whole.astype(np.float64)
    many = len(_DIVIDED)
    return exact / _DIVIDED[form] if form < many else exact * _MULTIPLIED[form - many]


class _Opened:
    """A frame's bytes, taken apart as far as its series."""

    def __init__(self, blob: bytes) -> None:
        version, self.m, self.n, self.whole, self.origin = _HEAD.unpack_from(blob)
        if version != VERSION:
            raise ValueError(f"a frame of version {version}: this program knows {VERSION}")
        first = int.from_bytes(blob[_HEAD.size : _HEAD.size + 4], "little")
        self._bytes = zstandard.ZstdDecompressor().decompress(blob[_HEAD.size + 4 :])
        self._at = 0
        self.numbers: Series = first + np.cumsum(self._column("<u4", self.m), dtype=np.uint32)
        self.counts = self._column("<u4", self.m).astype(np.intp)
        self.forms: Marks = self._column("u1", self.m)
        self.begins: Times = self._column("<u4", self.m).astype(np.int64) + self.origin
        self.bases: _Ints = self._column("<i8", self.m)
        self.starts = np.cumsum(self.counts) - self.counts
        wholes = np.where(self.forms == _RAW, 0, self.counts)
        self.whole_starts = np.cumsum(wholes) - wholes
        self.raw_starts = self.starts - self.whole_starts
        self._step = self._at
        self._change = self._step + 4 * self.n
        self._value = self._change + 4 * self.whole
        self._quality = self._value + 8 * (self.n - self.whole)

    def _column(self, kind: str, count: int) -> Column:
        """Return the next column of the head rows."""
        column = self._part(self._at, kind, count, 0, count)
        self._at += column.itemsize * count
        return column

    def _part(self, at: int, kind: str, count: int, start: int, end: int) -> Column:
        """Return rows start to end of the shuffled column of `count` rows that begins at `at`."""
        width = np.dtype(kind).itemsize
        planes = np.frombuffer(self._bytes, np.uint8, width * count, at).reshape(width, count)
        return np.array(planes[:, start:end].T, order="C").view(kind).reshape(-1)

    def times(self, low: int, high: int) -> Times:
        """Return the times of the series at positions low to high."""
        start, end = int(self.starts[low]), int(self.starts[high - 1] + self.counts[high - 1])
        steps = np.cumsum(self._part(self._step, "<u4", self.n, start, end), dtype=np.int64)
        return steps + self._lift(steps, self.begins, low, high)

    def _lift(self, sums: _Ints, firsts: _Ints, low: int, high: int) -> _Ints:
        """Return what turns running sums over all series into each series' own."""
        counts = self.counts[low:high]
        starts = np.cumsum(counts) - counts
        return np.repeat(firsts[low:high] - sums[starts], counts)

    def qualities(self, low: int, high: int) -> Marks:
        """Return the qualities of the series at positions low to high."""
        start, end = int(self.starts[low]), int(self.starts[high - 1] + self.counts[high - 1])
        return self._part(self._quality, "u1", self.n, start, end)

    def values(self, position: int) -> Floats:
        """Return the values of one series, before bad ones are blanked."""
        count, form = int(self.counts[position]), int(self.forms[position])
        if form == _RAW:
            start = int(self.raw_starts[position])
            return self._part(self._value, "<f8", self.n - self.whole, start, start + count)
        start = int(self.whole_starts[position])
        zigzag = self._part(self._change, "<u4", self.whole, start, start + count)
        return _value(int(self.bases[position]) + np.cumsum(_unzigzag(zigzag)), form)

    def all_values(self) -> Floats:
        """Return the values of all series, before bad ones are blanked."""
        value = np.empty(self.n)
        raw = np.repeat(self.forms == _RAW, self.counts)
        value[raw] = self._part(self._value, "<f8", self.n - self.whole, 0, self.n - self.whole)
        sums = np.zeros(self.n, np.int64)
        change = _unzigzag(self._part(self._change, "<u4", self.whole, 0, self.whole))
        sums[~raw] = change
        np.cumsum(sums, out=sums)
        whole = sums + self._lift(sums, self.bases, 0, self.m)
        for form in np.unique(self.forms[self.forms != _RAW]).tolist():
            rows = np.repeat(self.forms == form, self.counts)
            value[rows] = _value(whole[rows], form)
        return value


def _unzigzag(zigzag: Column) -> _Ints:
    wide = zigzag.astype(np.int64)
    return (wide >> 1) ^ -(wide & 1)


def decode(blob: bytes) -> Batch:
    """Return all readings of a frame, ascending in (series, time)."""
    frame = _Opened(blob)
    quality = frame.qualities(0, frame.m)
    value = frame.all_values()
    value[quality >= FIRST_BAD] = np.nan
    return Batch(np.repeat(frame.numbers, frame.counts), frame.times(0, frame.m), value, quality)


def decode_one(blob: bytes, series: int) -> Track | None:
    """Return the readings of one series of a frame, or None when it has none."""
    return next(decode_some(blob, series, series + 1), None)


def decode_some(blob: bytes, first: int, last: int) -> Iterator[Track]:
    """Yield the readings of each series of a frame with first <= number < last."""
    frame = _Opened(blob)
    for place in range(*np.searchsorted(frame.numbers, (first, last)).tolist()):
        quality = frame.qualities(place, place + 1)
        value = frame.values(place)
        value[quality >= FIRST_BAD] = np.nan
        yield Track(frame.times(place, place + 1), value, quality)
