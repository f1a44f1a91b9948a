"""About once an hour: has the store thin what is old (`history.thin_after_h`)."""

import logging
from typing import Final

from gateway.births import COUNTED, Births
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.history import History, Thinning, Thins
from watchkeeper.ids import PointId

EVERY_S: Final = 3_600.0
WIDTH_MS: Final = 15 * 60_000  # the quarter hours that energy is accounted in
_HOUR_MS: Final = 3_600_000

log = logging.getLogger(__name__)


class Housekeeping:
    """Asks, and leaves the work to the store's own thread."""

    def __init__(self, births: Births, history: History, clock: Clock, after_h: int) -> None:
        """Begin an hour from now, when the edges have said what their points are.

        Args:
            births: Tell which points may be thinned; belong to the thread that calls `look`.
            history: Left alone when it cannot thin.
            clock: Ours.
            after_h: Hours that everything is kept; 0 keeps all for ever.
        """
        self._births, self._history, self._clock = births, history, clock
        self._after_ms = after_h * _HOUR_MS
        self._next = clock.tick() + EVERY_S

    def look(self) -> None:
        """Ask when it is time; a store that is away is asked an hour later."""
        if not self._after_ms or self._clock.tick() < self._next:
            return
        self._next = self._clock.tick() + EVERY_S
        if not isinstance(self._history, Thins):
            return
        points = self._births.sampled()
        counters = [PointId(point.point) for point in points if point.unit in COUNTED]
        try:
            wish = Thinning(
                self._history.series([PointId(point.point) for point in points]),
                self._history.series(counters),
                unix_ms(self._clock.now()) - self._after_ms,
                WIDTH_MS,
            )
        except Unreachable as error:
            log.warning("old readings were not thinned", extra=dict(error.facts))
            return
        self._history.thin(wish)
