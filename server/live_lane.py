"""The live data lane: rules on telemetry, and the newest values for screens.

A batch is compared with the quiet bands in one vector operation; what is left is decided one by
one. Only live readings newer than the last of their point count here; what was missed, and what an
edge sends as backlog, is the matter of late.py. Imported history never rings.
"""

import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from queue import Empty, Full, Queue
from threading import Thread

import msgspec
import numpy as np

from server import watermarks
from server.alarms import handlers
from server.alarms.api import here
from server.alarms.model import Sample, Watch
from server.births import Births
from server.late import Late
from server.latest import Latest
from server.reactions import Sure
from server.unit import Unit
from server.watching import PACE_MS, Move, Watching
from server.writer import Done, Turn
from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.ids import EdgeId, NewId

QUEUE = 5_000  # messages; when it is full the newest message is dropped, its values come again
FLYING = 1_000  # changes on their way to the tables; beyond it we wait, and messages are dropped
HELD = 1_000_000  # readings that wait for what was missed: 21 MB; more do not wait
TRUST_MS = 60_000  # an edge's clock may be ahead by this

log = logging.getLogger(__name__)


class LiveLane:
    """Receives on the bus's thread, decides on one of its own."""

    def __init__(  # noqa: PLR0913, PLR0917 - composition
        self,
        site: str,
        latest: Latest,
        watching: Watching,
        births: Births,
        sure: Sure,
        clock: Clock,
        new_id: NewId,
        late: Late,
    ) -> None:
        self._site, self._latest, self._watching, self._births = site, latest, watching, births
        self._sure, self._clock, self._new_id, self._late = sure, clock, new_id, late
        self._held: deque[tuple[EdgeId, Batch]] = deque()  # until what was missed is evaluated
        self._holding = 0  # readings in it
        self._waiting: Queue[tuple[str, bytes] | None] = Queue(QUEUE)
        self._thread = Thread(target=self._run, name="live lane", daemon=True)
        self._flying: deque[Done] = deque()
        self.dropped = 0  # messages since start

    def waiting(self) -> int:
        """Return about how many messages wait."""
        return self._waiting.qsize()

    def listen(self, bus: Bus) -> None:
        """Subscribe."""
        for lane in ("birth", "oldbirth", "data"):
            bus.subscribe(topics.all_up(lane, self._site), self._received)

    def start(self) -> None:
        """Begin to judge what waits."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what waits is forgotten, the gateway has it."""
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except Full:
                self._forget_one()
        if self._thread.is_alive():
            self._thread.join()

    def _forget_one(self) -> None:
        try:
            self._waiting.get_nowait()
        except Empty:
            return

    def _received(self, topic: str, payload: bytes) -> None:
        try:
            self._waiting.put_nowait((topic, payload))
        except Full:
            self.dropped += 1
            if self.dropped % QUEUE == 1:
                log.warning("the live lane is behind: %d messages dropped", self.dropped)

    def _run(self) -> None:
        while (message := self._next()) is not None:
            topic, payload = message
            try:
                self.take(topic, payload)
            except (msgspec.DecodeError, ValueError) as error:
                log.warning("unreadable message on %s: %s", topic, error)
            except Exception:
                log.exception("a message on %s could not be judged", topic)

    def _next(self) -> tuple[str, bytes] | None:
        """Return the next message; while none comes, expressions get their turn."""
        while self._watching.due or self._held:
            self.release()
            self._hand(self._watching.overdue(unix_ms(self._clock.now())))
            try:
                return self._waiting.get(timeout=PACE_MS / 1000)
            except Empty:
                continue
        return self._waiting.get()

    def take(self, topic: str, payload: bytes) -> None:
        """Judge one message. ValueError or msgspec.DecodeError: it cannot be read."""
        source = topics.parse_up(topic)
        if source is None:
            return
        if source.lane != "data":
            self._births.take(source.edge, wire.decode_birth(payload))
            return
        self._data(source.edge, wire.decode_data(payload))

    def release(self) -> None:
        """Judge what had to wait, in its order, once it need not."""
        while self._held and not self._late.holds:
            edge, batch = self._held.popleft()
            self._holding -= len(batch)
            self._evaluate(edge, batch)

    def _data(self, edge: EdgeId, message: wire.Data) -> None:
        slots = self._births.of(edge, message.birth)
        if slots is None or not message.aliases:
            return
        batch = wire.columns(message)
        if int(batch.series.max()) >= len(slots):
            raise ValueError(f"an alias the birth {message.birth} does not have")
        now = unix_ms(self._clock.now())
        last = int(batch.at[-1])
        wrong = not message.synchronised or last > now + TRUST_MS
        at = batch.at + (now - last) if wrong else batch.at
        batch = Batch(slots[batch.series].astype(np.uint32), at, batch.value, batch.quality)
        if message.mode != "live":
            self._late.back(edge, batch)
            return
        newer = batch.take(self._latest.take(batch, now))
        if self._holding >= HELD:
            self._late.let_go()
        self.release()
        if self._late.holds:
            self._held.append((edge, newer))
            self._holding += len(newer)
        else:
            self._evaluate(edge, newer)

    def _evaluate(self, edge: EdgeId, batch: Batch) -> None:
        self._judge(batch.take(self._watching.restless(batch)))
        self._late.live(edge, batch)

    def _judge(self, batch: Batch) -> None:
        for slot, at, value in zip(
            batch.series.tolist(), batch.at.tolist(), batch.value.tolist(), strict=True
        ):
            known = None if value != value else value  # noqa: PLR0124 - NaN
            sample = Sample(datetime.fromtimestamp(at / 1000, UTC), known)
            self._hand(self._watching.judge(slot, sample))

    def _hand(self, moves: Sequence[Move]) -> None:
        """Let the writer decide; what is on its way is counted."""
        for move in moves:
            turn = Turn.LIFE_SAFETY if move.watch.rule.handling == "life_safety" else Turn.EVENT
            done = self._sure.do(partial(self._decide, move), turn)
            done.add_done_callback(partial(self._landed, move.watch))
            self._flying.append(done)
            if len(self._flying) > FLYING:
                self._flying.popleft().exception()  # waits; `_decide` says what went wrong

    def _landed(self, watch: Watch, _: Done) -> None:
        self._watching.landed(watch)

    def _decide(self, move: Move, unit: Unit) -> None:
        ours = here(unit, self._new_id, self._watching.follow)
        handlers.observe(move.watch, move.sample, ours, move.memory)
        watermarks.mark(unit, move.watch.key, unix_ms(move.sample.at))
