"""What was never evaluated, evaluated late: after a restart, and when an edge's backlog is in.

After a restart the history in (watermark, now] runs through the rules before any live reading does;
the live lane waits for it, for ten seconds at most. Later, what an edge sends as backlog runs over
the hole its live readings left. Both are `backtest.replay`: the function that decides live.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import Event, Lock, Thread
from typing import Final

import msgspec
import numpy as np
import sqlalchemy as sa

from server import truths, watermarks
from server.alarms.api import here
from server.alarms.model import Phase, RuleState, Watch
from server.backtest import Played, points, replay
from server.conditions import NOTHING, Bounds, inner, lookback, remembers
from server.coverage import EMPTY_S, Coverage, Hole
from server.late_record import caught_up, mended, rang, state_at
from server.latest import Latest
from server.past import Past
from server.reactions import Sure
from server.rules import Rulebook
from server.unit import Unit
from server.watching import Watching
from server.watermarks import Gap, Marks
from server.writer import Turn, Work, Writer
from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import WatchkeeperError
from watchkeeper.history import Track
from watchkeeper.ids import EdgeId, NewId, PointId

SETTLE_S: Final = 3.0  # what was sent just before the restart is stored by then
HOLD_S: Final = 10.0  # live readings wait no longer for what was missed
EVERY_S: Final = 0.5
WRITE_S: Final = 5.0  # between two writings of marks
SLICE: Final = 1_000  # rows in one unit of work
ANSWER_S: Final = 30.0
OLDEST_MS: Final = 7 * 86_400_000  # nobody is helped by what rang before
OUTAGE_MS: Final = 90_000  # an edge sends all every 60 s: a longer hole is kept over a restart
TRACKS: Final = 64  # kept in memory

log = logging.getLogger(__name__)


class Late:
    """Told by the live lane, works on a thread of its own; never asked by the event lane."""

    def __init__(  # noqa: PLR0913, PLR0917 - composition
        self,
        site: str,
        rules: Rulebook,
        latest: Latest,
        watching: Watching,
        past: Past,
        read: sa.Engine,
        writer: Writer,
        sure: Sure,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        """Begin with the marks of the last run."""
        self._site, self._latest, self._watching, self._past = site, latest, watching, past
        self._read, self._writer, self._sure = read, writer, sure
        self._clock, self._new_id = clock, new_id
        at, since = watermarks.marked(read)
        self._keys = {key: when for key, when in at.items() if "|" in key}
        self.marks = Marks(latest.index, at, since)
        self._rules = rules
        self.learn()
        self.edges = {edge: self._coverage(edge) for edge in latest.edge_slots}
        for gap in watermarks.gaps(read):
            if cover := self.edges.get(EdgeId(gap.edge)):
                cover.holes.append(Hole(gap, clock.tick()))  # nobody knows how far it had come
        self._new: list[Gap] = []
        self._gone: list[Gap] = []
        self._missed: list[Watch] = []
        self._began = self._wrote = clock.tick()
        self._tracks: dict[tuple[PointId, int, int], Track] = {}
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="late", daemon=True)

    def learn(self) -> None:
        """Take over the rules on readings; again when they change."""
        items, latest = self._rules.plant.points(), self._latest
        live = {item.id for item in items if item.point.point_class == "telemetry"}
        found = (watch for watch in self._rules.watches.values() if watch.point in live)
        watches = sorted(found, key=lambda each: (each.rule.priority, each.point))
        heard = np.zeros(len(latest.names) + 1, np.bool_)  # somebody has a rule on it
        heard[latest.slots([p for watch in watches for p in points(watch)])] = True
        self._watches, self._heard, self._known = watches, heard, self._rules.watches

    def listen(self, bus: Bus) -> None:
        """Subscribe to what edges say of their journals."""
        bus.subscribe(topics.all_up("state", self._site), self._state)

    def begin(self) -> None:
        """Let live readings wait, where there is something to catch up with."""
        self._began = self._clock.tick()
        slots = self._latest.index
        if self._past.get() is not None:
            self._missed = [
                w for w in self._watches if all(self.marks.at[slots[p]] for p in points(w))
            ]
        else:
            self._later()
        self._watching.held = bool(self._missed)

    def start(self) -> None:
        """Begin."""
        self.begin()
        self._thread.start()

    def close(self) -> None:
        """Stop, and write every mark; what is not evaluated yet is so after the next start."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self.write(every=True)
        except Exception:
            log.exception("the marks could not be written; what follows them is evaluated again")

    @property
    def holds(self) -> bool:
        """Return whether live readings wait; never for longer than HOLD_S."""
        if self._watching.held and self._clock.tick() - self._began >= HOLD_S:
            self.let_go()
        return self._watching.held

    def let_go(self) -> None:
        """Let live readings wait no longer."""
        self._watching.held = False
        log.warning("live readings wait no longer for what was missed")

    def live(self, edge: EdgeId, batch: Batch) -> None:
        """Note what is evaluated now; a hole before it may be filled later."""
        if not len(batch) or edge not in self.edges:
            return
        with self._lock:
            cover = self.edges[edge]
            known = {hole.gap for hole in cover.holes}
            self._gone += cover.live(int(batch.at[0]), int(batch.at[-1]))
            fresh = [hole.gap for hole in cover.holes if hole.gap not in known]
            self._new += [gap for gap in fresh if gap.end - gap.start > OUTAGE_MS]
        if self._known is not self._rules.watches:
            self.learn()
        chosen = self._heard[batch.series]
        slots, at = batch.series[chosen], batch.at[chosen]
        first = slots[self.marks.at[slots] == 0]
        if len(first):
            self.marks.since[first] = batch.at[0]
        self.marks.at[slots] = at

    def back(self, edge: EdgeId, batch: Batch) -> None:
        """Note a batch of backlog."""
        if edge in self.edges:
            with self._lock:
                self.edges[edge].back(batch.at, self._clock.tick())

    def look(self) -> None:
        """Do what is due."""
        now, held = self._clock.tick(), self.holds
        if now - self._wrote >= WRITE_S:
            self._wrote = now
            self.write()
        if self._missed and (not held or now - self._began >= SETTLE_S):
            self._catch_up()
        for cover in self.edges.values():
            with self._lock:
                ripe = cover.ripe(self._clock.tick())
            for gap in ripe:
                self._mend(cover, gap)

    def write(self, *, every: bool = False) -> None:
        """Write the marks of points that are worth it, and gaps."""
        with self._lock:
            new, self._new = self._new, []
            gone, self._gone = self._gone, []
        if new or gone:
            self._writer.do(partial(_keep_gaps, new, gone)).result(ANSWER_S)
        while slice_ := self.marks.due(SLICE, every=every):
            self._writer.do(partial(self.marks.write, slice_=slice_)).result(ANSWER_S)

    def _do(self, work: Work) -> None:
        """Decide, and wait: behind every event, and no more than one at a time."""
        self._sure.do(work, Turn.PERSON).result(ANSWER_S)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.look()
            except Exception:
                log.exception("what was missed could not be evaluated, it is tried again")

    def _coverage(self, edge: EdgeId) -> Coverage:
        marks = self.marks.at[self._latest.edge_slots[edge]]
        return Coverage(edge, int(marks.max()) if len(marks) else 0)

    def _state(self, topic: str, payload: bytes) -> None:
        source = topics.parse_up(topic)
        if source is None or source.edge not in self.edges:
            return
        try:
            state = wire.decode_state(payload)
        except (msgspec.DecodeError, ValueError):
            return  # edges.py says so
        if state.health.get("data_journal_age_s", EMPTY_S) < EMPTY_S:
            with self._lock:
                self.edges[source.edge].emptied = self._clock.tick()

    def _catch_up(self) -> None:
        """Take every rule from where it was to now; those it does not reach are mended later."""
        end = unix_ms(self._clock.now())
        missed, self._missed = self._missed, []
        for number, watch in enumerate(missed):
            if self._stop.is_set():
                return
            if not self.holds or not self._try(watch, end):
                log.info("%d rules are evaluated later", len(missed) - number)
                self._later()
                break
        self._tracks.clear()
        self._watching.held = False

    def _later(self) -> None:
        """Let the hole that the next live reading leaves be evaluated when the store is there."""
        with self._lock:
            for cover in self.edges.values():
                gap = Gap(cover.edge, cover.newest, unix_ms(self._clock.now()))
                if cover.newest:
                    cover.holes.append(Hole(gap, self._clock.tick()))
                    self._new.append(gap)

    def _try(self, watch: Watch, end: int) -> bool:
        try:
            return self._one(watch, end)
        except (WatchkeeperError, OSError, TimeoutError) as error:
            log.warning("the history cannot be read: %s", error)
            return False

    def _one(self, watch: Watch, end: int) -> bool:
        """Catch up with one rule."""
        slots = self._latest.slots(points(watch))
        start = max(int(self.marks.at[slots].min()), self._keys.get(watch.key, 0), end - OLDEST_MS)
        tracks = self._read_tracks(watch, start, end + 1)
        newest = max((int(t.at[-1]) for t in tracks if len(t.at)), default=0)
        if newest <= start:
            return True
        before = self._watching.state(watch.key)
        still = quiet(watch, before, tracks, start)
        if not still or remembers(watch.condition):
            begin = end if still else start + 1
            played = replay(watch, tracks, begin, end, replace(before, memory=NOTHING))
            if played.raised or played.ended is not None or _moved(played.state, before):
                self._do(partial(self._caught_up, watch, before, played, newest))
            self._watching.resume(watch.key, played.state.memory)
        return True

    def _caught_up(
        self, watch: Watch, before: RuleState, played: Played, newest: int, unit: Unit
    ) -> None:
        if caught_up(watch, before, played, here(unit, self._new_id, self._watching.follow)):
            watermarks.mark(unit, watch.key, newest)

    def _mend(self, cover: Coverage, gap: Gap) -> None:
        """Evaluate a hole that its backlog has filled."""
        if self._past.get() is None:
            return
        own = {self._latest.names[slot] for slot in self._latest.edge_slots[EdgeId(cover.edge)]}
        for watch in self._watches:
            if self._stop.is_set() or (watch.point in own and not self._tried(watch, gap)):
                return
        self._tracks.clear()
        self._writer.do(partial(_keep_gaps, [], [gap])).result(ANSWER_S)
        with self._lock:
            cover.done(gap)

    def _tried(self, watch: Watch, gap: Gap) -> bool:
        try:
            self._fill(watch, gap)
        except (WatchkeeperError, OSError, TimeoutError) as error:
            log.warning("the history cannot be read, it is tried again: %s", error)
            return False
        return True

    def _fill(self, watch: Watch, gap: Gap) -> None:
        slots = self._latest.slots(points(watch))
        since = self.marks.since[slots]
        if bool(np.any((since == 0) | (since > gap.start))):
            return  # a history before the first live reading is no news
        tracks = self._read_tracks(watch, gap.start, gap.end)
        if not any(bool(np.any(track.at > gap.start)) for track in tracks):
            return
        with self._read.connect() as connection:
            state = state_at(rang(connection, watch, gap), gap.start)
        if quiet(watch, state, tracks, gap.start):
            return
        played = replay(watch, tracks, gap.start + 1, gap.end, state)
        if played.raised or played.state.phase is Phase.PENDING:
            self._do(partial(self._mended, watch, played, gap))

    def _mended(self, watch: Watch, played: Played, gap: Gap, unit: Unit) -> None:
        known = rang(unit.session.connection(), watch, gap)
        mended(watch, played, known, gap, here(unit, self._new_id, self._watching.follow))

    def _read_tracks(self, watch: Watch, start: int, end: int) -> list[Track]:
        history = self._past.get()
        if history is None:
            raise WatchkeeperError("history.unreachable", what="none", where="")
        begin = start + 1 - lookback(watch.condition)
        found = []
        for point in points(watch):
            asked = (point, begin, end)
            if asked not in self._tracks:
                if len(self._tracks) >= TRACKS:
                    self._tracks.clear()
                self._tracks[asked] = history.raw(*asked)
            found.append(self._tracks[asked])
        return found


def quiet(watch: Watch, state: RuleState, tracks: Sequence[Track], start: int) -> bool:
    """Return whether a rule that is normal stays so, in one vector operation; False: ask."""
    if state.phase is not Phase.NORMAL:
        return False
    kind, own = inner(watch.condition), tracks[0]
    if isinstance(kind, Bounds):
        value = own.value[own.at > start]
        return not bool(np.any((value < kind.low) | (value > kind.high)))
    of = truths.columns(tracks)
    return not bool(np.any(truths.truths(watch.condition, of)[of.at > start] == 1))


def _moved(after: RuleState, before: RuleState) -> bool:
    def of(state: RuleState) -> tuple[object, ...]:
        return state.phase, state.since, state.spent_s, state.grade, state.toward

    return of(after) != of(before)


def _keep_gaps(found: Sequence[Gap], gone: Sequence[Gap], unit: Unit) -> None:
    watermarks.keep_gaps(unit, found, gone)
