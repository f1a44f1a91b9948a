"""How long to wait before the next attempt to connect. Pure.

The first comes soon, for most losses last a moment. From then on there is at most one attempt a
second, also where connections open and end at once; chance keeps hundreds of edges apart.
"""

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 0.2
SECOND_S: Final = 2.0
LONGEST_S: Final = 3.0
STEADY_S: Final = 1.0  # a connection that lasted so long was one


class Backoff:
    """The waits of one connection."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """Take what gives 0..1; each wait is between half and one and a half of its length."""
        self._jitter, self._next_s = jitter, FIRST_S

    def after(self, lasted_s: float) -> float:
        """Return the seconds to wait after an attempt whose connection lasted so long; 0: none."""
        if lasted_s >= STEADY_S:
            self._next_s = FIRST_S
        wait_s = self._next_s * (0.5 + self._jitter())
        self._next_s = min(max(2 * self._next_s, SECOND_S), LONGEST_S)
        return wait_s
