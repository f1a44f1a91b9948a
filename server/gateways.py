"""Which gateways are there and how they do: judged by their own retained states, on our clock.

As with edges (edges.py): lost 30 s after the last state, or at once by its will, which counts only
with the newest (boot, n). While the broker is away nothing is known of any gateway. What their
figures mean stands in overload.py.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import INFO, WARNING
from threading import Lock
from typing import Any, Final, NamedTuple

import msgspec

from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock

LOST_S: Final = 30.0
GONE_S: Final = 3_600.0  # a gateway silent for so long is no longer listed
FIGURES: Final = ("readings", "quarantined", "refused", "dropped", "queued", "store_away")
_NAME: Final = -2  # word of the topic

log = logging.getLogger(__name__)


class Said(NamedTuple):
    """What a gateway that is there said last."""

    name: str
    boot: str  # its counters begin at 0 with each
    health: Mapping[str, float]


@dataclass(slots=True)
class _Gateway:
    heard: float  # tick
    state: str
    boot: str
    connection: int
    health: dict[str, float] = field(default_factory=dict)


class Gateways:
    """Receives on the bus's thread, looked at by the sweep."""

    def __init__(self, clock: Clock) -> None:
        """Nobody has been heard yet."""
        self._clock = clock
        self._known: dict[str, _Gateway] = {}
        self._bus: Bus | None = None
        self._since = clock.tick()  # when one was there last
        self._told: dict[str, bool] = {}  # name -> it is there
        self._lock = Lock()

    def listen(self, bus: Bus) -> None:
        """Subscribe to the states of all gateways."""
        self._bus = bus
        bus.subscribe(topics.program_state("gateway", "+"), self.received)

    def received(self, topic: str, payload: bytes) -> None:
        """Take one state message; an empty one clears what was retained."""
        name = topic.split("/")[_NAME]
        if not payload:
            with self._lock:
                self._known.pop(name, None)
            return
        try:
            state = wire.decode_state(payload)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("unreadable state of gateway %s: %s", name, error)
            return
        with self._lock:
            self._take(name, state)

    def look(self) -> None:
        """Judge each by the time that has passed; once a second."""
        now = self._clock.tick()
        with self._lock:
            if not self._hears():
                self._since = now  # nothing could be heard: everybody's time begins anew
                for gateway in self._known.values():
                    gateway.heard = now
                return
            for name, gateway in list(self._known.items()):
                self._tell(name, there=self._is_there(gateway, now))
                if now - gateway.heard > GONE_S:
                    del self._known[name]
            there = [each.heard for each in self._known.values() if self._is_there(each, now)]
            self._since = max([self._since, *there])

    def there(self) -> list[Said] | None:
        """Return those that are there; None: nobody can know, the broker is away."""
        now = self._clock.tick()
        with self._lock:
            if not self._hears():
                return None
            return [
                Said(name, each.boot, dict(each.health))
                for name, each in self._known.items()
                if self._is_there(each, now)
            ]

    @property
    def lost(self) -> bool | None:
        """Return whether none has been there for too long; None: not known, or not yet."""
        there = self.there()
        if there is None:
            return None
        if there:
            return False
        return True if self._clock.tick() - self._since > LOST_S else None

    def show(self) -> dict[str, dict[str, Any]]:
        """Return {name: {state, age_s, …}} for the health page."""
        now = self._clock.tick()
        with self._lock:
            return {
                name: {
                    "state": each.state if self._is_there(each, now) else "lost",
                    "age_s": round(now - each.heard, 1),
                    **{key: each.health[key] for key in FIGURES if key in each.health},
                }
                for name, each in sorted(self._known.items())
            }

    def _hears(self) -> bool:
        return self._bus is not None and self._bus.connected

    def _is_there(self, gateway: _Gateway, now: float) -> bool:
        return gateway.state == "online" and now - gateway.heard <= LOST_S

    def _take(self, name: str, state: wire.State) -> None:
        known = self._known.get(name)
        if known is not None and state.state == "lost":
            older = state.boot == known.boot and state.connection < known.connection
            if older or state.boot != known.boot:
                return
        now = self._clock.tick()
        if known is not None and self._is_there(known, now):
            self._since = now
        self._known[name] = _Gateway(
            now, state.state, state.boot, state.connection, dict(state.health)
        )

    def _tell(self, name: str, *, there: bool) -> None:
        if self._told.get(name) is not there:
            self._told[name] = there
            log.log(
                INFO if there else WARNING, "gateway %s is %s", name, "there" if there else "lost"
            )
