"""Which edges are there: judged by their own state messages, on our clock, never by the broker's.

An edge is lost 30 s (`supervision_s` of the site) after its last state, or at once by its will. A
will counts only with the newest (boot, n): a broker may deliver an old one over a new session.
While the broker itself is away nothing is known of any edge: that is one alarm, not one for each.
What an edge says is wrong with itself stands in troubles.py.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from logging import INFO, WARNING
from threading import Lock
from typing import Any

import msgspec

from server.latest import Latest
from server.troubles import Troubles
from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.ids import EdgeId, PointId

LOST_S = 30.0
EDGE_LOST, BROKER_LOST = "edge-lost", "broker-lost"  # rules of the catalog
BROKER = PointId("server/broker")

Signal = Callable[[str, PointId, bool | None], None]  # rule, point, is it so; None: unknown

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Edge:
    """What an edge said last."""

    heard: float  # tick
    state: str = "unknown"  # online or lost, once it said something
    boot: str = ""
    connection: int = 0
    lost: bool | None = None  # as we have told it; None: nothing yet since we started


class Edges:
    """Receives on the bus's thread, looked at by the sweep."""

    def __init__(
        self, site: str, latest: Latest, clock: Clock, signal: Signal, lost_s: float = LOST_S
    ) -> None:
        """`signal` tells the alarms that something is so, or no longer so."""
        self.lost_s = lost_s  # without a word
        self._site, self._latest, self._clock, self._signal = site, latest, clock, signal
        self._edges = {edge: _Edge(clock.tick()) for edge in latest.edge_slots}
        self._connected = clock.tick()  # when the broker answered last
        self._broker_lost: bool | None = None
        self._troubles = Troubles()
        self._bus: Bus | None = None
        self._lock = Lock()

    def listen(self, bus: Bus) -> None:
        """Subscribe to the states of all edges."""
        self._bus = bus
        bus.subscribe(topics.all_up("state", self._site), self.received)

    def received(self, topic: str, payload: bytes) -> None:
        """Take one state message."""
        source = topics.parse_up(topic)
        if source is None or source.edge not in self._edges:
            return
        try:
            state = wire.decode_state(payload)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("unreadable state of %s: %s", source.edge, error)
            return
        with self._lock:
            self._take(self._edges[source.edge], state)
        if state.state == "online":
            self._latest.hear(source.edge, state.ages, unix_ms(self._clock.now()))
        self.look()
        if state.state == "online":
            self._hear_troubles(source.edge, state)

    def look(self) -> None:
        """Judge every edge, and the broker, by the time that has passed; once a second."""
        now = self._clock.tick()
        if self._bus is None or self._bus.connected:
            self._connected = now
            self._broker(lost=False)
        elif now - self._connected > self.lost_s:
            self._broker(lost=True)
        with self._lock:
            if self._connected != now:
                for edge in self._edges.values():
                    edge.heard = now  # nothing could be heard: its time begins anew
                return
            for name, edge in self._edges.items():
                judged = self._judged(edge, now)
                if edge.lost != judged and (judged or edge.state != "unknown"):
                    self._tell(name, edge, lost=judged)

    def is_there(self, edge: EdgeId) -> bool:
        """Return whether an edge has said that it is there, and not been lost since."""
        with self._lock:
            return self._edges[edge].lost is False and self._broker_lost is False

    def show(self) -> dict[str, dict[str, Any]]:
        """Return {edge: {state, age_s}} for the health page."""
        now = self._clock.tick()
        with self._lock:
            return {
                name: {
                    "state": "lost" if edge.lost else edge.state,
                    "age_s": round(now - edge.heard, 1),
                }
                for name, edge in self._edges.items()
            }

    def _take(self, edge: _Edge, state: wire.State) -> None:
        older = state.boot == edge.boot and state.connection < edge.connection
        other = state.boot != edge.boot and edge.state != "unknown"
        if state.state == "lost" and (older or other):
            return
        edge.heard, edge.state, edge.boot = self._clock.tick(), state.state, state.boot
        edge.connection = state.connection

    def _judged(self, edge: _Edge, now: float) -> bool:
        return edge.state == "lost" or now - edge.heard > self.lost_s

    def _tell(self, name: EdgeId, edge: _Edge, *, lost: bool) -> None:
        """Say it when it changes, and once after a start: the alarm may be from before."""
        edge.lost = lost
        log.log(WARNING if lost else INFO, "edge %s is %s", name, "lost" if lost else "there")
        self._latest.cut(name, lost=lost)
        self._signal(EDGE_LOST, PointId(f"{name}/state"), lost)
        if lost:
            self._forget_troubles(name)

    def _hear_troubles(self, edge: EdgeId, state: wire.State) -> None:
        with self._lock:
            for said in self._troubles.hear(edge, state.boot, state.health, self._clock.tick()):
                self._signal(*said)

    def _forget_troubles(self, edge: EdgeId) -> None:
        for said in self._troubles.lost(edge):
            self._signal(*said)

    def _broker(self, *, lost: bool) -> None:
        """Say it when it changes; at first, only once it answered or was away for too long."""
        if lost != self._broker_lost:
            self._broker_lost = lost
            log.log(WARNING if lost else INFO, "the broker is %s", "lost" if lost else "there")
            self._signal(BROKER_LOST, BROKER, lost)
            if lost:
                with self._lock:
                    for edge in self._edges:
                        self._forget_troubles(edge)
