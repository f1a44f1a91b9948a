"""How a command speaks to gateways and edges over the broker, without the server."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Final

import msgspec

from adapters.mqtt import connection
from watchkeeper import wire
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings

CONNECT_S: Final = 5.0
SAID_EVERY_S: Final = 12.0  # a gateway and an edge say every 10 s that they are there
FRESH_MS: Final = 30_000

Online = Callable[[wire.State], bool]


@contextmanager
def broker(settings: Settings, what: str) -> Iterator[Bus]:
    """Connect for a moment. Raises ConfigError: the broker does not let us in."""
    bus = connection(settings.mqtt, f"{what}-{secrets.token_hex(4)}")
    try:
        granted = Event()
        bus.on_connect(granted.set)
        if not granted.wait(CONNECT_S):
            raise ConfigError(
                where=f"{settings.mqtt.host}:{settings.mqtt.port}",
                what="the broker does not answer, or does not let us in",
                fix="start it, check [mqtt] and WATCHKEEPER_MQTT__PASSWORD; `watchkeeper doctor`",
            )
        yield bus
    finally:
        bus.close()


def is_there(bus: Bus, topic: str, online: Online) -> bool:
    """Return whether somebody on a state topic says so; the retained state comes at once."""
    heard = Event()

    def receive(_: str, payload: bytes) -> None:
        try:
            state = wire.decode_state(payload)
        except msgspec.DecodeError:
            return
        if state.state == "online" and online(state):
            heard.set()

    bus.subscribe(topic, receive)
    return heard.wait(SAID_EVERY_S)


def fresh(clock: Clock) -> Online:
    """Return what tells a state of now from one that was left behind."""
    return lambda state: abs(unix_ms(clock.now()) - state.at) < FRESH_MS
