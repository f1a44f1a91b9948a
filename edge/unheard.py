"""Whether anybody stores what we send, although the broker takes it.

A wrong access list, a gateway that hangs, a full store: all of them look alike from here, and with
MQTT 3.1.1 the broker confirms even what it denies. So only our own acknowledgements count.
"""

import logging
from collections.abc import Callable
from typing import Final

from edge.lanes import Lane
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock

UNHEARD_S: Final = 40.0  # with the 10 s from state to state a fault shows within a minute

log = logging.getLogger(__name__)


class Unheard:
    """One lane: is what it sends acknowledged?"""

    def __init__(self, lane: Lane, bus: Bus, silence_s: Callable[[], float], clock: Clock) -> None:
        """Prepare.

        Args:
            lane: Its name, for the log.
            bus: What it sends over.
            silence_s: Gives for how long its oldest message has waited; 0: none does.
            clock: The clock.
        """
        self._lane, self._bus, self._silence_s, self._clock = lane, bus, silence_s, clock
        self._connection, self._since = 0, clock.tick()
        self.now = False

    def look(self) -> None:
        """Judge, and log what has changed; without a broker nobody can be expected to answer."""
        tick, bus = self._clock.tick(), self._bus
        if not bus.connected or bus.connection != self._connection:
            self._connection, self._since = bus.connection, tick
            return
        silence_s = self._silence_s()
        # What waited through an outage is still late, but has had no chance before.
        so = min(silence_s, tick - self._since) >= UNHEARD_S
        if so != self.now:
            self.now = so
            self._tell(silence_s)

    def _tell(self, silence_s: float) -> None:
        facts = {"lane": self._lane, "silent_s": round(silence_s, 1), "mqtt": self._bus.protocol}
        if self.now:
            log.error("no acknowledgement: nobody stores what is sent, all of it is kept",
                      extra=facts)  # fmt: skip
        else:
            log.warning("acknowledged again", extra=facts)
