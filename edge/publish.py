"""The edge on the wire: two connections, so that a full data window never holds an event back.

`{edge}` carries births, events, state and everything that comes down; `{edge}.data` the readings.
All of it runs in the event loop; the bus delivers there.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from edge.lanes import Kind
from edge.sending import DataLane, EventLane
from edge.unheard import Unheard
from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.wire import BornPoint, Snapshot, State

SNAPSHOT_S: Final = 60.0
STATE_S: Final = 10.0
TEND_S: Final = 0.25

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Self:
    """Who this edge is."""

    site: str
    edge: str
    boot: str  # random, of this start
    software: str
    config: str  # hash of the site file
    points: Sequence[BornPoint]
    birth: str = field(default="")  # hash of the points

    def up(self, lane: str) -> str:
        """Return the topic of a lane."""
        return topics.up(self.site, self.edge, lane)

    def down(self, lane: str) -> str:
        """Return the topic of what comes down."""
        return topics.down(self.site, self.edge, lane)


@dataclass(frozen=True, slots=True)
class Telling:
    """What the publisher asks the rest of the edge for."""

    now: Callable[[Kind], list[tuple[int, float | None, int]]]  # of all points of a class
    health: Callable[[], dict[str, float]]
    ages: Callable[[], dict[str, float]]  # unit -> seconds
    alive: Callable[[], bool]  # whether every poll loop turns
    synchronised: Callable[[], bool]
    obey: Callable[[wire.Command], None]  # does what the platform says, soon


class Publisher:
    """Speaks for the edge and hears what it is told."""

    def __init__(
        self,
        me: Self,
        buses: tuple[Bus, Bus],
        lanes: tuple[EventLane, DataLane],
        telling: Telling,
        clock: Clock,
    ) -> None:
        """Prepare; `start` subscribes.

        Args:
            me: Who we are.
            buses: Of events and of data, both delivering in this loop.
            lanes: Of events and of data.
            telling: What to say.
            clock: The clock.
        """
        self._me, self._clock, self._telling = me, clock, telling
        self._bus, self._data_bus = buses
        self._events, self._data = lanes
        self._unheard = (
            Unheard("event", buses[0], self._events.silence_s, clock),
            Unheard("data", buses[1], self._data.silence_s, clock),
        )
        self._ackers: dict[str, tuple[str, int]] = {}  # topic -> boot and connection
        self._heard = clock.tick()  # when a server last said that it is there
        self._tasks: set[asyncio.Task[None]] = set()
        self._safety = sum(point.kind == "life_safety" for point in me.points)
        self._told = 0  # how many of them the last snapshot held: after a start it takes a while

    def start(self) -> None:
        """Listen; connections made before are told of now."""
        for lane, receive in (
            ("ack", self._on_ack),
            ("birth", self._on_ask_birth),
            ("replay", self._on_replay),
            ("cmd", self._on_command),
        ):
            self._bus.subscribe(self._me.down(lane), receive)
        for program in ("server", "gateway"):
            self._bus.subscribe(topics.program_state(program, "+"), self._on_program)
        self._bus.on_connect(self._connected)
        self._data_bus.on_connect(self._data.restart)

    async def run_lanes(self) -> None:
        """Send what waits and send late ones again, until cancelled."""
        while True:
            more = False
            if self._bus.connected:
                more = await self._events.tend()
            if self._data_bus.connected:
                more = await self._data.tend() or more
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if more else TEND_S):
                    await self._data.hungry.wait()
            self._data.hungry.clear()

    async def run_state(self) -> None:
        """Say every ten seconds that we are here, as long as the poll loops turn."""
        said, state, snapshot = True, self._clock.tick(), self._clock.tick()
        while True:
            await asyncio.sleep(1.0)
            for lane in self._unheard:
                lane.look()
            now, alive = self._clock.tick(), self._telling.alive()
            if alive != said:
                said = alive
                log.error("a poll loop stands still" if not alive else "poll loops turn again")
            if alive and now - state >= STATE_S:
                state = now
                self.tell_state()
            if now - snapshot >= SNAPSHOT_S or self._told < self._safety:
                snapshot = now
                self.tell_snapshot()

    def tell_state(self, *, lost: bool = False) -> None:
        """Publish how we are; `lost` before a planned stop."""
        state = State(
            "lost" if lost else "online",
            self._me.boot,
            self._bus.connection,
            unix_ms(self._clock.now()),
            self._telling.health(),
            self._telling.ages(),
        )
        self._bus.publish(self._me.up("state"), wire.encode(state), retain=True)

    def tell_snapshot(self) -> None:
        """Publish what all life-safety points are now: it corrects what may have been missed."""
        now = self._telling.now("life_safety")
        snapshot = Snapshot(
            self._me.birth,
            unix_ms(self._clock.now()),
            int(self._telling.synchronised()),
            "life_safety",
            now,
        )
        if now and self._bus.publish(self._me.up("event"), wire.encode(snapshot)):
            self._told = len(now)

    def _connected(self) -> None:
        self._told = 0
        self._tell_birth()
        self.tell_state()
        self.tell_snapshot()
        self._events.restart()
        self._data.again()  # acknowledgements of both lanes come over this connection

    def _tell_birth(self) -> None:
        me = self._me
        for birth in wire.births(
            me.points, boot=me.boot, software=me.software, config=me.config, name=me.birth
        ):
            self._bus.publish(me.up(f"birth/{birth.part}"), wire.encode(birth), retain=True)

    def _on_ack(self, _topic: str, payload: bytes) -> None:
        try:
            ack = wire.decode_ack(payload)
        except msgspec.DecodeError as error:
            log.warning("an acknowledgement cannot be read", extra={"why": str(error)})
            return
        lane = self._events if ack.lane == "event" else self._data
        if ack.journal != lane.journal:
            return
        if ack.bad:
            log.error(
                "rows refused and set aside",
                extra={"lane": ack.lane, "rows": len(ack.bad), "why": ack.bad[0][1]},
            )
            self._spawn(lane.set_aside(ack.bad))
        if ack.ok:
            lane.acked(ack.ok)

    def _on_program(self, topic: str, payload: bytes) -> None:
        """Send again at once when an acknowledger starts anew: it may have lost what it had."""
        try:
            state = wire.decode_state(payload)
        except msgspec.DecodeError:
            return
        now = (state.boot, state.connection)
        if state.state != "online":
            return
        if "/server/" in topic:
            self._heard = self._clock.tick()
        if self._ackers.get(topic) == now:
            return
        self._ackers[topic] = now
        (self._events if "/server/" in topic else self._data).restart()

    def _on_replay(self, _topic: str, payload: bytes) -> None:
        try:
            asked = wire.decode_replay(payload)
        except msgspec.DecodeError:
            return
        log.info("asked to send again", extra={"since": asked.since})
        self._events.replay(asked.since)
        self._data.replay(asked.since)

    def _on_command(self, _topic: str, payload: bytes) -> None:
        try:
            command = wire.decode_command(payload)
        except msgspec.DecodeError as error:
            log.warning("a command cannot be read", extra={"why": str(error)})
            return
        self._telling.obey(command)

    def _on_ask_birth(self, _topic: str, payload: bytes) -> None:
        try:
            asked = wire.decode_ask_birth(payload)
        except msgspec.DecodeError:
            return
        self._spawn(self._tell_old_birth(asked.hash))

    async def _tell_old_birth(self, name: str) -> None:
        kept = await self._data.birth(name) or await self._events.birth(name)
        if kept is None:
            log.warning("asked for a birth that is not kept", extra={"hash": name})
            return
        me, points = self._me, msgspec.json.decode(kept, type=list[BornPoint])
        for birth in wire.births(
            points, boot=me.boot, software=me.software, config=me.config, name=name
        ):
            self._bus.publish(me.up("oldbirth"), wire.encode(birth))
        self._data.explained(name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def platform_s(self) -> float:
        """Return seconds since a server said that it is there."""
        return self._clock.tick() - self._heard

    def figures(self) -> dict[str, float]:
        """Return how the line to the platform is, for `health`."""
        events, data = self._unheard
        buses = (self._bus, self._data_bus)
        return {
            "events_unheard": float(events.now),
            "readings_unheard": float(data.now),
            "publishes_denied": float(sum(bus.denied for bus in buses)),
            "mqtt_3": float(any(bus.protocol == "3.1.1" for bus in buses)),
        }
