"""About once an hour: has the store thin and drop what is old (docs/store.md)."""

import logging
from typing import Final

from gateway.births import COUNTED, Births
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.history import Forgets, History, Retention, Thinning, Thins
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

EVERY_S: Final = 3_600.0
WIDTH_MS: Final = 15 * 60_000  # the quarter hours that energy is accounted in
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

log = logging.getLogger(__name__)


class Housekeeping:
    """Asks, and leaves the work to the store's own thread."""

    def __init__(
        self, births: Births, history: History, clock: Clock, settings: HistorySettings
    ) -> None:
        """Begin an hour from now, when the edges have said what their points are.

        Args:
            births: Tell what the points are; belong to the thread that calls `look`.
            history: Left alone when it can neither thin nor drop.
            clock: Ours.
            settings: What is kept for how long; 0 keeps all for ever.
        """
        self._births, self._history, self._clock = births, history, clock
        self._settings = settings
        self._next = clock.tick() + EVERY_S

    def look(self) -> None:
        """Ask when it is time; a store that is away is asked an hour later."""
        kept = self._settings
        if not kept.thin_after_h and not kept.keep_telemetry_days:
            return
        if self._clock.tick() < self._next:
            return
        self._next = self._clock.tick() + EVERY_S
        try:
            self._ask(unix_ms(self._clock.now()))
        except Unreachable as error:
            log.warning("old readings were not thinned", extra=dict(error.facts))

    def _ask(self, now: int) -> None:
        kept, history = self._settings, self._history
        points = self._births.sampled()
        names = [PointId(point.point) for point in points]
        if isinstance(history, Forgets) and kept.keep_telemetry_days:
            first = now - kept.keep_telemetry_days * _DAY_MS
            rest = now - kept.keep_events_days * _DAY_MS if kept.keep_events_days else 0
            history.forget(Retention(history.series(names), first, rest))
        if isinstance(history, Thins) and kept.thin_after_h:
            counters = [PointId(point.point) for point in points if point.unit in COUNTED]
            before = now - kept.thin_after_h * _HOUR_MS
            numbers = history.series(names), history.series(counters)
            history.thin(Thinning(*numbers, before, WIDTH_MS))
