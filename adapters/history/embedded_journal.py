"""The newest readings, as they came: one row a commit, in the store until they are sealed."""

from collections.abc import Iterable

import numpy as np
import zstandard

from adapters.history.embedded_codec import shuffled
from watchkeeper.batch import Batch

VERSION = 1
_ROW = 4 + 8 + 8 + 1  # bytes of a reading: series, time, value, quality
# Readings a `Tail` has room for before it must be moved, which would make a commit wait. The system
# gives memory when it is first written to, so that room costs nothing.
_ROOM = 1 << 23


def encode(batch: Batch) -> bytes:
    """Return one commit as bytes, fast rather than small."""
    plain = shuffled(batch.series, batch.at, batch.value, batch.quality)
    return bytes([VERSION]) + zstandard.ZstdCompressor(level=1).compress(plain)


def decode(blob: bytes) -> Batch:
    """Return the commit; ValueError: written by a later version."""
    if blob[0] != VERSION:
        raise ValueError(f"a journal row of version {blob[0]}: this program knows {VERSION}")
    plain = zstandard.ZstdDecompressor().decompress(blob[1:])
    count = len(plain) // _ROW
    planes = np.frombuffer(plain, np.uint8).reshape(_ROW, count)
    return Batch(
        np.ascontiguousarray(planes[:4].T).view("<u4").reshape(-1),
        np.ascontiguousarray(planes[4:12].T).view("<i8").reshape(-1),
        np.ascontiguousarray(planes[12:20].T).view("<f8").reshape(-1),
        planes[20],
    )


class Tail:
    """Journal rows in memory, decoded once: grows at the end, loses whole rows at the front."""

    def __init__(self) -> None:
        self._columns = _room(_ROOM)
        self._count = 0
        self._rows: list[tuple[int, int]] = []  # (journal id, where its readings end)

    @property
    def newest(self) -> int:
        """Return the id of the newest row, 0 for none."""
        return self._rows[-1][0] if self._rows else 0

    @property
    def oldest(self) -> int:
        """Return the id of the oldest row, 0 for none."""
        return self._rows[0][0] if self._rows else 0

    @property
    def rows(self) -> int:
        """Return how many journal rows there are."""
        return len(self._rows)

    def __len__(self) -> int:
        """Return how many readings there are."""
        return self._count

    def add(self, row: int, batch: Batch) -> None:
        """Append a journal row."""
        start, end = self._count, self._count + len(batch)
        if end > len(self._columns):
            self._columns = _moved(self.batch(), max(end, 2 * len(self._columns)))
        room = self._columns
        room.series[start:end] = batch.series
        room.at[start:end] = batch.at
        room.value[start:end] = batch.value
        room.quality[start:end] = batch.quality
        self._count = end
        self._rows.append((row, end))

    def load(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Append rows as the journal table has them."""
        for row, blob in rows:
            self.add(row, decode(blob))

    def drop(self, newest: int) -> None:
        """Forget the rows up to this id: they are sealed."""
        kept = [(row, end) for row, end in self._rows if row > newest]
        gone = self._rows[len(self._rows) - len(kept) - 1][1] if len(kept) < len(self._rows) else 0
        left = self.batch(gone)
        self._columns = _moved(left, max(_ROOM, len(left)))
        self._count = len(left)
        self._rows = [(row, end - gone) for row, end in kept]

    def batch(self, start: int = 0) -> Batch:
        """Return the readings from `start`, in order of arrival; later `add`s do not change it."""
        room, end = self._columns, self._count
        return Batch(
            room.series[start:end], room.at[start:end], room.value[start:end],
            room.quality[start:end],
        )  # fmt: skip


def _room(count: int) -> Batch:
    return Batch(
        np.empty(count, np.uint32), np.empty(count, np.int64), np.empty(count),
        np.empty(count, np.uint8),
    )  # fmt: skip


def _moved(batch: Batch, count: int) -> Batch:
    room = _room(count)
    room.series[: len(batch)] = batch.series
    room.at[: len(batch)] = batch.at
    room.value[: len(batch)] = batch.value
    room.quality[: len(batch)] = batch.quality
    return room
