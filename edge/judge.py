"""How far each value can be trusted: the one place that sets a quality for a value. Pure."""

from collections.abc import Sequence

import numpy as np

from watchkeeper.batch import Floats, Marks
from watchkeeper.profile import Point
from watchkeeper.quality import FIRST_BAD, Quality

_LARGEST = np.finfo(np.float64).max  # so that infinity is outside of everything


class Judge:
    """The ranges of a block's points."""

    def __init__(self, points: Sequence[Point]) -> None:
        """Take the ranges of the points, in the order their values will come."""
        possible = [point.possible or (-_LARGEST, _LARGEST) for point in points]
        usual = [point.usual or limits for point, limits in zip(points, possible, strict=True)]
        self._possible = np.array(possible).T
        self._low, self._high = np.array(
            [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(usual, possible, strict=True)]
        ).T
        self._good = np.zeros(len(points), np.uint8)
        self._untimed = np.full(len(points), Quality.CLOCK_UNSYNCHRONISED, np.uint8)

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
