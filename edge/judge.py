"""How far each value can be trusted: the one place that sets a quality for a value. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from watchkeeper.batch import Floats, Marks
from watchkeeper.profile import Point
from watchkeeper.quality import FIRST_BAD, Quality

_LARGEST = np.finfo(np.float64).max  # so that infinity is outside of everything

_Range: TypeAlias = tuple[float, float] | None


class Judge:
    """The ranges of a block's points."""

    def __init__(self, points: Sequence[Point]) -> None:
        """Take the ranges of the points, in the order their values will come."""
        self._possible, (self._low, self._high) = _limits(
            tuple((point.possible, point.usual) for point in points)
        )
        self._good = _all(Quality.GOOD, len(points))
        self._untimed = _all(Quality.CLOCK_UNSYNCHRONISED, len(points))

    def __call__(self, values: Floats, *, synchronised: bool = True) -> Marks:
        """Return the qualities; values that get a bad one become NaN in place.

        Args:
            values: (points,) as decoded, in the point's unit.
            synchronised: Whether the edge's clock is; if not, a good value is uncertain.
        """
        fine = (values >= self._low) & (values <= self._high)
        if fine.all():
            return self._good if synchronised else self._untimed
        quality = (self._good if synchronised else self._untimed).copy()
        quality[~fine] = Quality.OUTSIDE_USUAL
        low, high = self._possible
        quality[~((values >= low) & (values <= high))] = Quality.OUTSIDE_POSSIBLE
        quality[~np.isfinite(values)] = Quality.NOT_AVAILABLE
        values[quality >= FIRST_BAD] = np.nan
        return quality


# Units of a kind share what is not their own: with 1,600 of them it no longer fits the processor's
# cache, and each answer would wait for memory.
@lru_cache(maxsize=4096)
def _limits(ranges: tuple[tuple[_Range, _Range], ...]) -> tuple[Floats, Floats]:
    """Return what is possible and what is also usual, both as (2, points): lowest and highest."""
    possible = [limits or (-_LARGEST, _LARGEST) for limits, _ in ranges]
    both = [
        (max(low, (usual or (low, high))[0]), min(high, (usual or (low, high))[1]))
        for (low, high), (_, usual) in zip(possible, ranges, strict=True)
    ]
    found = [np.ascontiguousarray(np.array(limits).T) for limits in (possible, both)]
    for each in found:
        each.flags.writeable = False
    return found[0], found[1]


@lru_cache(maxsize=4096)
def _all(quality: Quality, count: int) -> Marks:
    marks = np.full(count, quality, np.uint8)
    marks.flags.writeable = False
    return marks
