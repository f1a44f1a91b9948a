"""What time it is, and whether that can be believed.

Until the clock is synchronised, time is the first guess plus the seconds that have passed: whatever
is stamped in this while is wrong by one and the same offset, known once the clock is set right.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from typing_extensions import override

from watchkeeper.clock import Clock

WAIT_S: Final = 600.0  # data waits this long for the clock to be set, then leaves marked
BELIEVED_FROM: Final = 2024  # the year, where nobody can say whether the clock is synchronised

log = logging.getLogger(__name__)


class EdgeClock(Clock):
    """The computer's clock, as far as it can be believed."""

    def __init__(self, clock: Clock, asked: Callable[[], bool | None]) -> None:
        """Prepare; `look` asks again.

        Args:
            clock: The computer's.
            asked: Whether it is synchronised; None: nobody knows.
        """
        self._clock, self._asked = clock, asked
        self._said = False  # that nobody knows
        self._began = clock.tick()
        self._zero = clock.now() - timedelta(seconds=self._began)  # the guess, at tick 0
        self.synchronised = self._is_set()
        if not self.synchronised:
            log.warning("the clock is not synchronised", extra={"says": str(clock.now())})

    @override
    def now(self) -> datetime:
        if self.synchronised:
            return self._clock.now()
        return self._zero + timedelta(seconds=self._clock.tick())

    @override
    def tick(self) -> float:
        return self._clock.tick()

    @property
    def waits(self) -> bool:
        """Return whether data should wait for the clock to be set."""
        return not self.synchronised and self._clock.tick() - self._began < WAIT_S

    def look(self) -> int | None:
        """Ask again; return what must be added to what was stamped so far (ms), once it is known.

        Once synchronised it stays so: a crystal loses a second a day, no more.
        """
        if self.synchronised or not self._is_set():
            return None
        self.synchronised = True
        right = self._clock.now() - timedelta(seconds=self._clock.tick())
        offset_ms = round((right - self._zero) / timedelta(milliseconds=1))
        log.warning("the clock is synchronised now", extra={"offset_ms": offset_ms})
        return offset_ms

    def _is_set(self) -> bool:
        known = self._asked()
        if known is not None:
            return known
        if not self._said:
            self._said = True
            log.info("nobody can say whether the clock is synchronised: its year decides")
        return self._clock.now().astimezone(UTC).year >= BELIEVED_FROM
