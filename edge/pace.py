"""Does a bus keep its rates? Pure.

A read is late when its answer comes a whole period after it was due.
"""

from typing import Final

WINDOW_S: Final = 10.0
BEHIND: Final = 0.1  # share of late reads from which the bus is behind
KEEPING: Final = 0.01  # and down to which it stays so


class Pace:
    """The share of late reads, window by window."""

    def __init__(self, tick: float) -> None:
        """Begin the first window."""
        self._begun, self._reads, self._late = tick, 0, 0
        self.share = 0.0  # late ones in the last whole window, 0 to 1
        self.is_behind = False

    def read(self, tick: float, due: float, period_s: float) -> bool:
        """Count an answer; True: whether the bus is behind has changed."""
        self._reads += 1
        self._late += tick - due > period_s > 0
        if tick - self._begun < WINDOW_S:
            return False
        self.share = self._late / self._reads
        self._begun, self._reads, self._late = tick, 0, 0
        was, self.is_behind = self.is_behind, self.share > (KEEPING if self.is_behind else BEHIND)
        return was != self.is_behind
