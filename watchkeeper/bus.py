"""The port to the MQTT broker; adapters/mqtt.py has the real one."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

Version: TypeAlias = Literal["5", "3.1.1"]  # of MQTT
# topic, payload: called on the bus's own thread; it may only validate and queue, never raise.
Receive = Callable[[str, bytes], None]


class Bus(Protocol):
    """One connection to a broker that comes back by itself, with clean sessions."""

    @property
    def connected(self) -> bool:
        """Return whether the broker answers now."""
        ...

    @property
    def connection(self) -> int:
        """Return the number of the connection since start: 0 before the first."""
        ...

    @property
    def shares(self) -> bool:
        """Return whether the broker gives each message of `$share/…` to one of its subscribers."""
        ...

    @property
    def protocol(self) -> Version:
        """Return the version in use: 3.1.1 tells nobody of a denied publish."""
        ...

    @property
    def denied(self) -> int:
        """Return how many publishes the broker said it denied, since start; 5 only."""
        ...

    def subscribe(self, topic: str, receive: Receive, qos: int = 1) -> None:
        """Receive what matches; kept over reconnects."""
        ...

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> bool:
        """Hand a message to the connection; False when there is none now (nothing is kept)."""
        ...

    def on_connect(self, call: Callable[[], None]) -> None:
        """Call after each connect, once subscriptions are granted."""
        ...

    def close(self) -> None:
        """Say goodbye (no will) and stop."""
        ...
