"""The event lane: changes of life-safety and fault points become alarms, then are acknowledged.

Each event is a unit of work of its own, the life-safety ones first. What is acknowledged is exactly
what a commit held; a replay is known by the event's id.
"""

import logging
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import numpy as np

from server.acks import Acks
from server.alarms import handlers
from server.alarms.api import here
from server.alarms.model import Sample, Watch
from server.births import Births
from server.ingest_store import Seen
from server.latest import Latest, Positions
from server.reactions import Sure
from server.unit import Unit
from server.watching import Watching
from server.writer import Turn
from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.ids import EdgeId, EventId, NewId
from watchkeeper.quality import is_bad
from watchkeeper.wire import Event, Snapshot

AHEAD = timedelta(seconds=60)  # an instant further in the future is a wrong clock
WAITING = 1_000  # events kept for a birth that was asked for; more are sent again by the edge

log = logging.getLogger(__name__)


class EventLane:
    """Receives on the bus's thread, decides on the writer's."""

    def __init__(  # noqa: PLR0913, PLR0917 - composition
        self,
        site: str,
        latest: Latest,
        watching: Watching,
        births: Births,
        acks: Acks,
        sure: Sure,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._site, self._latest, self._watching, self._births = site, latest, watching, births
        self._acks, self._sure, self._clock, self._new_id = acks, sure, clock, new_id
        self._unexplained: dict[tuple[EdgeId, str], list[Event]] = {}

    def listen(self, bus: Bus) -> None:
        """Subscribe; births before events, so that they explain them."""
        bus.subscribe(topics.all_up("birth", self._site), self._received)
        bus.subscribe(topics.all_up("oldbirth", self._site), self._received)
        bus.subscribe(topics.all_up("event", self._site), self._received)

    def _received(self, topic: str, payload: bytes) -> None:
        source = topics.parse_up(topic)
        if source is None:
            return
        try:
            if source.lane == "event":
                self._event(source.edge, wire.decode_event(payload))
            else:
                self._birth(source.edge, wire.decode_birth(payload))
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("unreadable message on %s: %s", topic, error)

    def _birth(self, edge: EdgeId, birth: wire.Birth) -> None:
        if self._births.take(edge, birth):
            for event in self._unexplained.pop((edge, birth.hash), []):
                self._event(edge, event)

    def _event(self, edge: EdgeId, message: Event | Snapshot) -> None:
        slots = self._births.of(edge, message.birth)
        if isinstance(message, Snapshot):
            if slots is not None:
                self._snapshot(message, slots)
        elif slots is None:
            waiting = self._unexplained.setdefault((edge, message.birth), [])
            if len(waiting) < WAITING:
                waiting.append(message)
        elif message.alias >= len(slots):
            self._acks.bad(edge, message.journal, message.sequence, "alias")
        else:
            self._change(edge, message, int(slots[message.alias]))

    def _change(self, edge: EdgeId, event: Event, slot: int) -> None:
        turn = _turn(event.kind)
        if slot == self._latest.nobody:
            log.warning("%s: event of a point the site file does not have", edge)
            self._acks.ok(edge, event.journal, event.sequence)
            self._acks.flush()
            return
        value = None if is_bad(event.quality) else event.after
        sample = Sample(self._time(event.at, event.synchronised), value)
        self._show(slot, sample, event.quality)
        done = self._sure.do(partial(self._decide, EventId(event.id), slot, sample), turn)
        done.add_done_callback(
            lambda ended: (
                None if ended.exception() else self._acks.ok(edge, event.journal, event.sequence)
            )
        )

    def _decide(self, event: EventId, slot: int, sample: Sample, unit: Unit) -> None:
        point = self._latest.names[slot]
        seen = Seen(unit)
        newest = seen.newest(point)
        if not seen.first_time(event, point, sample.at):
            return
        ours = here(unit, self._new_id, self._watching.follow)
        for watch in self._watching.watches[slot]:
            if newest is not None and sample.at < newest:
                handlers.record_late(watch, sample, ours)
            else:
                handlers.observe(watch, sample, ours)

    def _snapshot(self, snapshot: Snapshot, slots: Positions) -> None:
        """Correct every point whose state the snapshot contradicts."""
        at = self._time(snapshot.at, snapshot.synchronised)
        for alias, value, quality in snapshot.now:
            if alias >= len(slots) or slots[alias] == self._latest.nobody:
                continue
            slot = int(slots[alias])
            sample = Sample(at, None if is_bad(quality) else value)
            self._show(slot, sample, quality)
            for watch in self._watching.watches[slot]:
                if self._watching.moves(watch, sample):
                    self._sure.do(partial(self._correct, watch, sample), _turn(snapshot.kind))

    def _correct(self, watch: Watch, sample: Sample, unit: Unit) -> None:
        """Take the snapshot's word unless an event is newer."""
        newest = Seen(unit).newest(watch.point)
        if newest is None or sample.at >= newest:
            handlers.observe(watch, sample, here(unit, self._new_id, self._watching.follow))

    def _show(self, slot: int, sample: Sample, quality: int) -> None:
        one = Batch(
            np.array([slot], np.uint32),
            np.array([unix_ms(sample.at)], np.int64),
            np.array([np.nan if sample.value is None else sample.value]),
            np.array([quality], np.uint8),
        )
        self._latest.take(one, unix_ms(self._clock.now()))

    def _time(self, at: int, synchronised: int) -> datetime:
        """Return the source time, or ours where the edge's clock cannot be believed."""
        now = self._clock.now()
        source = datetime.fromtimestamp(at / 1000, UTC)
        return source if synchronised and source <= now + AHEAD else now


def _turn(kind: str) -> Turn:
    return Turn.LIFE_SAFETY if kind == "life_safety" else Turn.EVENT
