"""The gateway's own retained state, and the states of others."""

import logging
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from watchkeeper import wire
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.topics import ROOT, program_state

FRESH_MS: Final = 30_000  # an older state is of a gateway that is gone

log = logging.getLogger(__name__)


class Presence:
    """Says that we are here, and hears who else is."""

    def __init__(self, name: str, boot: str, clock: Clock) -> None:
        self._name, self._boot, self._clock = name, boot, clock
        self._others: dict[str, wire.State] = {}

    @property
    def topic(self) -> str:
        """Return where our state stands."""
        return program_state("gateway", self._name)

    def will(self, connection: int) -> tuple[str, bytes, bool]:
        """Return what the broker says for us when this connection vanishes."""
        return self.topic, self._state("lost", connection, {}), True

    def tell(self, bus: Bus, health: Mapping[str, float]) -> None:
        """Publish that we are here."""
        state = self._state("online", bus.connection, dict(health))
        bus.publish(self.topic, state, retain=True)

    def leave(self, bus: Bus) -> None:
        """Publish that we go: a goodbye sends no will."""
        bus.publish(self.topic, self._state("lost", bus.connection, {}), retain=True)

    def listen(self, bus: Bus) -> None:
        """Hear the states of all gateways."""

        def receive(topic: str, payload: bytes) -> None:
            name = topic.split("/")[-2]
            if name == self._name or not payload:
                return
            try:
                self._others[name] = wire.decode_state(payload)
            except msgspec.DecodeError:
                log.warning("a gateway's state cannot be read", extra={"gateway": name})

        bus.subscribe(f"{ROOT}/gateway/+/state", receive)

    def rival(self) -> str | None:
        """Return another gateway that is online now, or None."""
        now = unix_ms(self._clock.now())
        for name, state in self._others.items():
            if state.state == "online" and abs(now - state.at) < FRESH_MS:
                return name
        return None

    def _state(
        self, word: Literal["online", "lost"], connection: int, health: dict[str, float]
    ) -> bytes:
        at = unix_ms(self._clock.now())
        return wire.encode(wire.State(word, self._boot, connection, at, health))
