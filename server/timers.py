"""Timers that people depend on are rows: delays of rules, SLA, escalation, plan steps, retries.

The heap in memory is a cache. After a stop a timer that is due fires once.
"""

import heapq
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Condition, Thread
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from server.sql import Instant, upsert
from server.unit import Unit
from server.writer import Done, Turn, Work, Writer
from watchkeeper.clock import Clock

LOOK_S = 1.0  # the thread looks at least this often: a clock that is set makes no timer late
AGAIN = timedelta(seconds=30)  # after an action that failed

log = logging.getLogger(__name__)


class TimerRow(SQLModel, table=True):
    """A row; gone once it has fired."""

    __tablename__ = "timer"
    __table_args__ = (sa.UniqueConstraint("kind", "subject", "generation"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    subject: str = Field(index=True)
    generation: int
    due: datetime = Field(sa_type=Instant, index=True)
    facts: str


TIMERS = TimerRow.metadata.tables["timer"]


_SET = upsert(TIMERS, "kind", "subject", "generation")


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that must happen at an instant."""

    kind: str  # who acts: a key of the table in compose.py, "rule", "reaction", "sla", …
    subject: str  # what about: a rule's key, an order's id
    generation: int  # a newer one replaces the meaning of an older one
    due: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON


Action: TypeAlias = Callable[[Unit, Timer], None]
Do: TypeAlias = Callable[[Work, Turn], Done]


class Timers:
    """Timers within one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def set(self, timer: Timer) -> None:
        """Let it fire at its instant; the same kind, subject and generation is moved."""
        row = {
            "kind": timer.kind,
            "subject": timer.subject,
            "generation": timer.generation,
            "due": timer.due,
            "facts": msgspec.json.encode(timer.facts).decode(),
        }
        self._unit.connection.execute(_SET, row)
        self._unit.due.append(timer.due)

    def cancel(self, kind: str, subject: str) -> None:
        """Forget every generation of this kind and subject; none is no error."""
        self._unit.session.connection().execute(
            sa.delete(TIMERS).where(TIMERS.c.kind == kind, TIMERS.c.subject == subject)
        )


class Clockwork:
    """The thread that fires timers: each in a unit of work of its own, with its row gone after."""

    def __init__(
        self,
        engine: sa.Engine,
        writer: Writer,
        clock: Clock,
        actions: Mapping[str, Action],
        do: Do | None = None,
    ) -> None:
        """Load what is due when; `actions` says by kind who acts. `start` runs the thread.

        `do` hands a unit of work to the writer; reactions.Sure keeps an alarm whatever fails.
        """
        self._engine, self._do, self._clock = engine, do or writer.do, clock
        self._actions = actions
        self._due: list[datetime] = []
        self._running = True
        self._woken = Condition()
        self._flying: set[int] = set()
        self._thread = Thread(target=self._run, name="timers", daemon=True)
        with Session(engine) as session:
            rows = session.connection().execute(sa.select(sa.func.min(TIMERS.c.due)))
            self.note([due for (due,) in rows if due is not None])
        writer.on_timers(self.note)

    def start(self) -> None:
        """Fire what is due from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what is not fired yet stands in the table."""
        with self._woken:
            self._running = False
            self._woken.notify()
        if self._thread.is_alive():
            self._thread.join()

    def note(self, due: Sequence[datetime]) -> None:
        """Look at these instants."""
        with self._woken:
            for instant in due:
                heapq.heappush(self._due, instant)
            self._woken.notify()

    def fire(self) -> list[Done]:
        """Hand over every timer that is due now; the futures end when each is committed."""
        now = self._clock.now()
        with self._woken:
            if not self._due or self._due[0] > now:
                return []
            while self._due and self._due[0] <= now:
                heapq.heappop(self._due)
        with Session(self._engine) as session:
            found = (
                session.connection()
                .execute(sa.select(TIMERS).where(TIMERS.c.due <= now).order_by(TIMERS.c.due))
                .all()
            )
            following = (
                session.connection()
                .execute(sa.select(sa.func.min(TIMERS.c.due)).where(TIMERS.c.due > now))
                .scalar()
            )
        if following is not None:
            self.note([following])
        return [self._hand_over(row) for row in found if row.id not in self._flying]

    def _hand_over(self, row: Any) -> Done:
        timer = Timer(
            row.kind, row.subject, row.generation, row.due, msgspec.json.decode(row.facts)
        )
        self._flying.add(row.id)
        done = self._do(lambda unit: self._act(unit, row.id, timer), Turn.EVENT)
        done.add_done_callback(lambda ended: self._ended(row.id, timer, ended))
        return done

    def _act(self, unit: Unit, row: int, timer: Timer) -> None:
        """Delete the row and act, together; a timer cancelled meanwhile does nothing."""
        gone = unit.session.connection().execute(sa.delete(TIMERS).where(TIMERS.c.id == row))
        if gone.rowcount:
            self._actions[timer.kind](unit, timer)

    def _ended(self, row: int, timer: Timer, ended: Done) -> None:
        self._flying.discard(row)
        if error := ended.exception():
            log.error("timer %s of %s failed", timer.kind, timer.subject, exc_info=error)
            self.note([self._clock.now() + AGAIN])

    def _run(self) -> None:
        while self._running:
            self.fire()
            with self._woken:
                if self._running:
                    self._woken.wait(self._wait_s())

    def _wait_s(self) -> float:
        if not self._due:
            return LOOK_S
        left = (self._due[0] - self._clock.now()).total_seconds()
        return min(max(left, 0.0), LOOK_S)
