"""A broker's connection that a test holds in its hands."""

from collections.abc import Callable

from paho.mqtt.client import topic_matches_sub
from typing_extensions import override

from watchkeeper.bus import Bus, Receive, Version


class FakeBus(Bus):
    """Records what is published; `deliver` plays the broker."""

    def __init__(self, *, connected: bool = True, shares: bool = False) -> None:
        self._connected, self._shares = connected, shares
        self._connection = int(connected)
        self._subscriptions: list[tuple[str, Receive]] = []
        self._after_connect: list[Callable[[], None]] = []
        self.published: list[tuple[str, bytes, bool]] = []  # topic, payload, retained
        self.closed = False

    @property
    @override
    def connected(self) -> bool:
        return self._connected

    @property
    @override
    def connection(self) -> int:
        return self._connection

    @property
    @override
    def shares(self) -> bool:
        return self._shares

    @property
    @override
    def protocol(self) -> Version:
        return "5"

    @property
    @override
    def denied(self) -> int:
        return 0

    @override
    def subscribe(self, topic: str, receive: Receive, qos: int = 1) -> None:
        self._subscriptions.append((topic, receive))

    @override
    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> bool:
        if self._connected:
            self.published.append((topic, payload, retain))
        return self._connected

    @override
    def on_connect(self, call: Callable[[], None]) -> None:
        self._after_connect.append(call)
        if self._connected:
            call()

    @override
    def close(self) -> None:
        self._connected, self.closed = False, True

    def deliver(self, topic: str, payload: bytes) -> None:
        """Hand a message to whoever subscribed to it."""
        for wanted, receive in list(self._subscriptions):
            if topic_matches_sub(wanted, topic):
                receive(topic, payload)

    def lose(self) -> None:
        """Drop the connection."""
        self._connected = False

    def come_back(self) -> None:
        """Connect again."""
        self._connected = True
        self._connection += 1
        for call in list(self._after_connect):
            call()

    def sent(self, ending: str) -> list[bytes]:
        """Return the payloads published on topics with this ending."""
        return [payload for topic, payload, _ in self.published if topic.endswith(ending)]
