"""The newest reading of every series, in columns by series number."""

import numpy as np
import zstandard

from adapters.history.embedded_codec import shuffled
from watchkeeper.batch import Batch, Floats, Marks, Times

PART = 4_096  # series in one row of the table
VERSION = 1
_NEVER = np.iinfo(np.int64).min


class Latest:
    """Time, value and quality of the newest reading; the later arrival where times are equal."""

    def __init__(self) -> None:
        self.at: Times = np.full(PART, _NEVER)
        self.value: Floats = np.full(PART, np.nan)
        self.quality: Marks = np.zeros(PART, np.uint8)

    def overlay(self, batch: Batch) -> None:
        """Take over what is newer; the batch stands in order of arrival."""
        if not len(batch):
            return
        self._reach(int(batch.series.max()))
        newer = batch.at >= self.at[batch.series]
        if not newer.all():
            batch = batch.take(newer)
        if np.any(batch.at[1:] < batch.at[:-1]):
            batch = batch.take(np.argsort(batch.at, kind="stable"))
        # Where a series stands several times, numpy keeps the last: the newest.
        self.at[batch.series] = batch.at
        self.value[batch.series] = batch.value
        self.quality[batch.series] = batch.quality

    def _reach(self, series: int) -> None:
        parts = series // PART + 1 - len(self.at) // PART
        if parts > 0:
            self.at = np.concatenate((self.at, np.full(parts * PART, _NEVER)))
            self.value = np.concatenate((self.value, np.full(parts * PART, np.nan)))
            self.quality = np.concatenate((self.quality, np.zeros(parts * PART, np.uint8)))

    def of(self, series: int) -> tuple[int, float, int] | None:
        """Return time, value and quality, or None for a series without a reading."""
        if series >= len(self.at) or self.at[series] == _NEVER:
            return None
        return int(self.at[series]), float(self.value[series]), int(self.quality[series])

    def part(self, number: int) -> bytes:
        """Return one part as a row's blob."""
        own = slice(number * PART, (number + 1) * PART)
        plain = shuffled(self.at[own], self.value[own], self.quality[own])
        return bytes([VERSION]) + zstandard.ZstdCompressor(level=1).compress(plain)

    def load(self, number: int, blob: bytes) -> None:
        """Take a part from its row; ValueError: written by a later version."""
        if blob[0] != VERSION:
            raise ValueError(f"latest of version {blob[0]}: this program knows {VERSION}")
        plain = np.frombuffer(zstandard.ZstdDecompressor().decompress(blob[1:]), np.uint8)
        planes = plain.reshape(17, PART)
        self._reach((number + 1) * PART - 1)
        own = slice(number * PART, (number + 1) * PART)
        self.at[own] = np.ascontiguousarray(planes[:8].T).view("<i8").reshape(-1)
        self.value[own] = np.ascontiguousarray(planes[8:16].T).view("<f8").reshape(-1)
        self.quality[own] = planes[16]
