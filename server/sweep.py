"""Once a second: what has gone silent, which edges are lost. Once an hour: what is too old."""

import logging
from datetime import UTC, datetime
from functools import partial
from threading import Event, Thread

import numpy as np
import sqlalchemy as sa

from server.alarms import handlers
from server.alarms.api import here
from server.alarms.model import Bounds, Phase, Sample, Watch
from server.buses import Buses
from server.edges import Edges
from server.ingest_store import Seen
from server.latest import Latest
from server.overload import Overload
from server.reactions import Sure
from server.rules import Rulebook
from server.unit import ChangeRow, Unit
from server.watching import Watching
from server.writer import Turn, Writer
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.ids import NewId, PointId

EVERY_S = 1.0
TIDY_S = 3_600.0
SLICE = 5_000  # rows deleted in one unit of work
CHANGES_KEPT = 100_000  # who was away for longer than these gets a snapshot

log = logging.getLogger(__name__)


class Sweep:
    """The thread that notices what does not happen."""

    def __init__(  # noqa: PLR0913, PLR0917 - composition
        self,
        rules: Rulebook,
        latest: Latest,
        watching: Watching,
        edges: Edges,
        buses: Buses,
        overload: Overload,
        writer: Writer,
        clock: Clock,
        judge: "Judge",
    ) -> None:
        self._latest, self._watching, self._edges = latest, watching, edges
        self._overload, self._buses = overload, buses
        self._writer, self._clock, self._judge = writer, clock, judge
        self._rules = rules
        self._learn()
        self._tidy_at = clock.tick()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Judge the silence of everything, now."""
        now = unix_ms(self._clock.now())
        self._edges.look()
        self._buses.look()
        self._overload.look()
        self._latest.sweep(now)
        if self._rules.stale is not self._stale:
            self._learn()
        if not self._watches:
            return
        silence = self._latest.silence_s(self._slots)
        active = (Phase.ACTIVE, Phase.PENDING)
        true = np.array([self._watching.state(w.key).phase in active for w in self._watches])
        known = ~np.isnan(silence)
        for number in np.flatnonzero(known & ((silence > self._after_s) != true)).tolist():
            at = datetime.fromtimestamp(now / 1000, UTC)
            self._judge.observe(self._watches[number], Sample(at, float(silence[number])))

    def _learn(self) -> None:
        """Take over the rules on silence."""
        self._stale = self._rules.stale
        self._watches = list(self._stale.values())
        self._slots = self._latest.slots([watch.point for watch in self._watches])
        self._after_s = np.array(
            [w.condition.high for w in self._watches if isinstance(w.condition, Bounds)]
        )

    def tidy(self) -> None:
        """Delete a slice of what is too old."""

        def work(unit: Unit) -> None:
            Seen(unit).forget(SLICE)
            connection = unit.session.connection()
            newest = connection.execute(sa.select(sa.func.max(CHANGES.c.id))).scalar() or 0
            connection.execute(sa.delete(CHANGES).where(CHANGES.c.id <= newest - CHANGES_KEPT))

        self._writer.do(work)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self.look()
                if self._clock.tick() >= self._tidy_at:
                    self._tidy_at = self._clock.tick() + TIDY_S
                    self.tidy()
            except Exception:
                log.exception("a sweep failed")


CHANGES = ChangeRow.metadata.tables["change"]


class Judge:
    """Hands what the server itself sees to the rules."""

    def __init__(
        self, rules: Rulebook, watching: Watching, sure: Sure, clock: Clock, new_id: NewId
    ) -> None:
        self._rules, self._watching, self._sure = rules, watching, sure
        self._clock, self._new_id = clock, new_id

    def observe(self, watch: Watch, sample: Sample) -> None:
        """Let the writer decide the rule on this sample."""
        self._sure.do(partial(self._decide, watch, sample), Turn.LIFE_SAFETY)

    def signal(self, rule: str, point: PointId, so: bool | None) -> None:  # noqa: FBT001 - a Signal
        """Say that something is so, no longer so, or unknown; without the rule nobody hears it."""
        if rule in self._rules.rules:
            watch = self._rules.signal(rule, point)
            self.observe(watch, Sample(self._clock.now(), None if so is None else float(so)))

    def _decide(self, watch: Watch, sample: Sample, unit: Unit) -> None:
        handlers.observe(watch, sample, here(unit, self._new_id, self._watching.follow))
