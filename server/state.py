"""The server's own state: retained, so that edges and gateways see a new boot and send again."""

from threading import Event, Thread
from typing import Literal

from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms

EVERY_S = 10.0


class State:
    """Says `online` on each connect and every 10 s; the broker says `lost` when we vanish."""

    def __init__(self, name: str, boot: str, clock: Clock) -> None:
        """`boot` is new with each start."""
        self.topic = topics.program_state("server", name)
        self._boot, self._clock = boot, clock
        self._stop = Event()
        self._thread = Thread(target=self._run, name="state", daemon=True)
        self._bus: Bus | None = None

    def will(self, connection: int) -> tuple[str, bytes, bool]:
        """Return topic, payload and retain of the will of a connection."""
        return self.topic, self._said("lost", connection), True

    def tell_on(self, bus: Bus) -> None:
        """Begin."""
        self._bus = bus
        bus.on_connect(self.tell)
        self._thread.start()

    def tell(self) -> None:
        """Say it now."""
        if self._bus is not None and self._bus.connected:
            said = self._said("online", self._bus.connection)
            self._bus.publish(self.topic, said, retain=True)

    def close(self) -> None:
        """Say goodbye, as a will would."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._bus is not None:
            said = self._said("lost", self._bus.connection)
            self._bus.publish(self.topic, said, retain=True)

    def _run(self) -> None:
        self.tell()
        while not self._stop.wait(EVERY_S):
            self.tell()

    def _said(self, state: Literal["online", "lost"], connection: int) -> bytes:
        at = unix_ms(self._clock.now())
        return wire.encode(wire.State(state, self._boot, connection, at))
