"""Report by exception: what of a block's values must leave the edge now. Pure.

A point is reported when it is seen for the first time, when its quality changes, when it moved by
its deadband (any change where that is 0; a percentage is one of what was last reported, and the
larger of both holds) and at least every minute; a counter also with the first read of each quarter
of an hour, because that is where energy is settled.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Flags, Floats, Marks, Times
from watchkeeper.profile import Point

HEARTBEAT_MS: Final = 60_000
QUARTER_MS: Final = 900_000
_ANY_CHANGE: Final = 5e-324  # the smallest number above 0

Positions = npt.NDArray[np.intp]


class Deadband:
    """What was reported of a block's points, and when."""

    def __init__(self, points: Sequence[Point]) -> None:
        """Take the deadbands of the points, in the order their values will come."""
        self._least = _shared(tuple(max(point.deadband, _ANY_CHANGE) for point in points))
        self._bands = self._least
        shares = _shared(tuple(point.deadband_percent / 100 for point in points))
        self._shares = shares if bool(shares.any()) else None
        counters = _shared(tuple(float(point.kind == "counter") for point in points))
        self._is_counter: Flags = counters > 0
        self.value: Floats = np.full(len(points), np.nan)  # as last reported
        self.quality: Marks = np.zeros(len(points), np.uint8)
        self._at: Times = np.full(len(points), -HEARTBEAT_MS, np.int64)
        self._due = -(1 << 62)  # before this instant no heartbeat is due
        self._newest = -(1 << 62)
        self._marked = False  # some quality last reported was not 0

    def __call__(self, at: int, values: Floats, quality: Marks) -> Positions:
        """Return the positions to report, and remember them as reported.

        Args:
            at: When the values were read, Unix ms. A clock that jumps back makes all due.
            values: (points,), NaN where bad.
            quality: (points,).
        """
        moved = np.abs(values - self.value) >= self._bands
        if self._marked or quality.any():
            moved |= quality != self.quality
        if at >= self._due or at < self._newest:
            moved |= self._overdue(at)
        self._newest = at
        chosen = moved.nonzero()[0]
        if len(chosen):
            self.value[chosen] = values[chosen]
            self.quality[chosen] = quality[chosen]
            self._at[chosen] = at
            self._marked = bool(self.quality.any())
            if self._shares is not None:
                self._bands = np.fmax(self._least, self._shares * np.abs(self.value))
        if at >= self._due:
            self._due = self._next_due(at)
        return chosen

    def _overdue(self, at: int) -> Flags:
        quarter = self._at // QUARTER_MS != at // QUARTER_MS
        overdue: Flags = (at - self._at >= HEARTBEAT_MS) | (self._at > at)
        overdue |= self._is_counter & quarter
        return overdue

    def _next_due(self, at: int) -> int:
        heartbeat = int(self._at.min()) + HEARTBEAT_MS
        return min(heartbeat, (at // QUARTER_MS + 1) * QUARTER_MS)


@lru_cache(maxsize=4096)
def _shared(numbers: tuple[float, ...]) -> Floats:
    """Return an array that units of a kind have in common; see edge/judge.py."""
    found = np.array(numbers, np.float64)
    found.flags.writeable = False
    return found
