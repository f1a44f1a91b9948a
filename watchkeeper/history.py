"""The port behind which readings are kept and found again; adapters/history has the stores."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Batch, Flags, Floats, Marks, Series, Times
from watchkeeper.ids import PointId
from watchkeeper.reading import Reading

HOLD_MS: Final = (
    180_000  # a reading vouches for so long: an edge sends all every 60 s, two may fail
)


class Track(NamedTuple):
    """The readings of one point in ascending time."""

    at: Times  # (n,) Unix ms
    value: Floats  # (n,) NaN where bad
    quality: Marks  # (n,)


class Buckets(NamedTuple):
    """Summaries of one point over equal spans; spans without a good reading are absent."""

    start: Times  # (n,) Unix ms, multiples of the width
    counts: npt.NDArray[np.int64]  # good readings only, as are all columns below
    mean: Floats
    low: Floats
    high: Floats
    first: Floats
    last: Floats
    coverage: Floats  # 0-1: the share of the span (of what was asked for of it) with a known value

    @classmethod
    def none(cls) -> Self:
        """Return no summaries."""
        empty, whole = np.empty(0), np.empty(0, np.int64)
        return cls(whole, whole, empty, empty, empty, empty, empty, empty)

    @classmethod
    def joined(cls, parts: Sequence["Buckets"]) -> Self:
        """Return the rows of all parts in their order."""
        if not parts:
            return cls.none()
        starts, counts, *rest = (np.concatenate(each) for each in zip(*parts, strict=True))
        return cls(starts, counts, *rest)

    def take(self, chosen: Flags | npt.NDArray[np.intp]) -> "Buckets":
        """Return some of the rows: a mask or positions."""
        return Buckets(
            self.start[chosen], self.counts[chosen], self.mean[chosen], self.low[chosen],
            self.high[chosen], self.first[chosen], self.last[chosen], self.coverage[chosen],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Readings or a whole message that could not be stored, kept with the reason."""

    at: int  # when it was put aside, Unix ms
    origin: str  # "riverside/plant-b1"
    reason: str  # time, value, type, alias, quality, gap, unreadable, retention; or "store: …"
    payload: bytes  # what arrived, as JSON
    readings: int = 1  # how many are in it; 0: nobody can tell
    id: int = field(default=0, compare=False)  # the store's own, once it is kept

    @property
    def digest(self) -> bytes:
        """Return what tells that the same was put aside before: a batch may come again."""
        said = f"{self.origin}\n{self.reason}\n".encode()
        return hashlib.blake2b(said + self.payload, digest_size=16).digest()


class Thinning(NamedTuple):
    """Which old readings may go: those between the first and the last of a span."""

    sampled: Series  # only of these series
    counters: Series  # those of them whose every fall stays: an exchange, a rollover, a reset
    before: int  # Unix ms, rounded down to a span
    width: int  # of a span, ms; divides a day


class History(Protocol):
    """Readings by point and time. Same point and time overwrite: everything may be replayed."""

    @property
    def many_writers(self) -> bool:
        """Return whether several processes may write at the same time."""
        ...

    def series(self, points: Sequence[PointId]) -> Series:
        """Return the series numbers of the points, (n,); new ones are made and durable."""
        ...

    def write(self, batch: Batch) -> None:
        """Store readings whose `series` are series numbers; durable when this returns.

        Raises Unreachable when the store does not answer: nothing may be acknowledged then.
        """
        ...

    def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Put aside what cannot be stored, each once; durable when this returns."""
        ...

    def quarantined(self, limit: int = 100, before: int | None = None) -> list[Quarantined]:
        """Return the newest of what was put aside, of ids below `before` where one is given."""
        ...

    def release(self, ids: Sequence[int]) -> None:
        """Take out what was put aside, because it could be stored after all or is of no use."""
        ...

    def points(self) -> list[PointId]:
        """Return every point that has a series."""
        ...

    def latest(self, points: Sequence[PointId]) -> dict[PointId, Reading]:
        """Return the newest reading of each point that has one."""
        ...

    def raw(self, point: PointId, start: int, end: int) -> Track:
        """Return the readings in start <= t < end (Unix ms); an unknown point has none."""
        ...

    def buckets(self, point: PointId, start: int, end: int, width: int) -> Buckets:
        """Return summaries over spans of `width` ms (a multiple or divisor of an hour).

        Spans begin at multiples of the width, UTC; watchkeeper/spans.py makes local days of them.
        A value is known from a good reading on for HOLD_MS, at most until the next reading: a bad
        or uncertain one ends it. A reading before `start` counts for what of it lies after.
        """
        ...

    def close(self) -> None:
        """Leave the store in order."""
        ...


class Retention(NamedTuple):
    """Until when readings are kept; of whole UTC days before that, summaries alone stay."""

    sampled: Series  # samples of a quantity, which
    sampled_before: int  # may go when they are older, Unix ms
    before: int  # when all others may go as well, Unix ms; not after sampled_before


@runtime_checkable
class Thins(Protocol):
    """A store that can thin its readings; a database has a retention of its own instead."""

    def thin(self, thinning: Thinning) -> None:
        """Begin to thin what is sealed; returns at once, a later call replaces this one."""
        ...


@runtime_checkable
class Forgets(Protocol):
    """A store that can drop what is old; a database has a retention of its own instead."""

    def forget(self, retention: Retention) -> None:
        """Begin to drop what is sealed; returns at once, a later call replaces this one."""
        ...
