"""Readings in columns: the shape they travel in where every one of them passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

Series: TypeAlias = npt.NDArray[np.uint32]
Times: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Marks: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Batch:
    """n readings, one array each."""

    series: Series  # (n,) alias on the wire, series number in a store
    at: Times  # (n,) Unix ms, UTC
    value: Floats  # (n,) NaN exactly where quality is bad
    quality: Marks  # (n,) of watchkeeper.quality.Quality

    def __len__(self) -> int:
        """Return n."""
        return len(self.at)

    def take(self, chosen: Flags | npt.NDArray[np.intp]) -> "Batch":
        """Return the chosen readings: a mask or positions."""
        return Batch(self.series[chosen], self.at[chosen], self.value[chosen], self.quality[chosen])

    @classmethod
    def joined(cls, batches: Sequence["Batch"]) -> Self:
        """Return all readings of the batches in their order; an empty batch for none."""
        if not batches:
            return cls(
                np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8)
            )
        return cls(
            np.concatenate([batch.series for batch in batches]),
            np.concatenate([batch.at for batch in batches]),
            np.concatenate([batch.value for batch in batches]),
            np.concatenate([batch.quality for batch in batches]),
        )


def restless(batch: Batch, low: Floats, high: Floats, last: Marks) -> Flags:
    """Return which readings may change the state of a rule.

    Args:
        batch: n readings.
        low: (points,) lower end of each point's quiet band; +inf for an empty band.
        high: (points,) upper end.
        last: (points,) quality of the last reading evaluated.

    Returns:
        (n,) True where a reading left its band, is NaN, or changed its quality.
    """
    value = batch.value
    quiet = (value >= low[batch.series]) & (value <= high[batch.series])
    restless_: Flags = ~quiet | (batch.quality != last[batch.series])
    return restless_
