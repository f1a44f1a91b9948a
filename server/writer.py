"""The one writer: every change of the database waits its turn here."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import count
from queue import Empty, PriorityQueue
from threading import Thread
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlmodel import Session

from server.unit import Change, Reactions, Unit, log_changes
from watchkeeper.clock import Clock

Work: TypeAlias = Callable[[Unit], Any]
Done: TypeAlias = "Future[Any]"

GROUP = 50  # units of work a commit
GROUP_S = 0.05  # no group is held open for longer

log = logging.getLogger(__name__)


class Turn(IntEnum):
    """Who goes first."""

    LIFE_SAFETY = 0
    EVENT = 1
    PERSON = 2
    CLOSE = 3  # after all that waits


@dataclass(order=True, slots=True)
class _Asked:
    """A unit of work in the queue, ordered by turn, then by arrival."""

    turn: Turn
    number: int
    work: Work
    done: Done


@dataclass(slots=True)
class _Finished:
    """A unit of work that waits for the commit of its group."""

    asked: _Asked
    result: Any
    unit: Unit


class Writer:
    """A thread that commits units of work in groups, the most urgent first.

    Each unit has a savepoint of its own: one that fails leaves nothing behind and hurts no other.
    """

    def __init__(
        self,
        engine: sa.Engine,
        reactions: Reactions,
        clock: Clock,
        published: Callable[[Sequence[Change]], None] = lambda _: None,
    ) -> None:
        """Start the thread; `published` gets the changes of each commit, on that thread."""
        self._engine, self._reactions, self._clock = engine, reactions, clock
        self._published = published
        self._committed: list[Callable[[], None]] = []
        self._due: Callable[[Sequence[datetime]], None] = lambda _: None
        self._waiting: PriorityQueue[_Asked] = PriorityQueue()
        self._number = count()
        self._thread = Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def do(self, work: Work, turn: Turn = Turn.PERSON) -> Done:
        """Queue `work`; the future has its result once it is committed, or its error."""
        done: Done = Future()
        self._waiting.put(_Asked(turn, next(self._number), work, done))
        return done

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call this after each group, once all who asked are answered, on the writer's thread."""
        self._committed.append(call)

    def on_timers(self, call: Callable[[Sequence[datetime]], None]) -> None:
        """Tell this when timers of a commit become due (server/timers.py: Clockwork)."""
        self._due = call

    def waiting(self) -> int:
        """Return about how many units wait."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Finish what waits, then stop."""
        self.do(lambda _: None, Turn.CLOSE)
        self._thread.join()

    def _run(self) -> None:
        turn = Turn.LIFE_SAFETY
        while turn is not Turn.CLOSE:
            turn = self._group(self._waiting.get())

    def _group(self, asked: _Asked) -> Turn:
        """Commit this unit and those that wait behind it; return the turn of the last."""
        finished: list[_Finished] = []
        begun = [asked]
        try:
            with Session(self._engine) as session:
                self._commit(session, begun, finished)
        except BaseException as error:  # noqa: BLE001 - the commit failed: all who asked are told
            for one in begun:
                if not one.done.done():
                    one.done.set_exception(error)
        else:
            self._tell(finished)
        return begun[-1].turn

    def _commit(self, session: Session, begun: list[_Asked], finished: list[_Finished]) -> None:
        try:
            self._fill(session, begun, finished)
            log_changes(session, [one.unit for one in finished])
            session.commit()
        except BaseException:
            session.invalidate()  # the next group begins on a connection nothing has happened to
            raise

    def _fill(self, session: Session, begun: list[_Asked], finished: list[_Finished]) -> None:
        """Run units until the group is full, nothing waits or its time is over."""
        until = self._clock.tick() + GROUP_S
        while True:
            self._one(session, begun[-1], finished)
            full = len(begun) >= GROUP or self._clock.tick() > until
            if full or begun[-1].turn is Turn.CLOSE:
                return
            try:
                begun.append(self._waiting.get_nowait())
            except Empty:
                return

    def _one(self, session: Session, asked: _Asked, finished: list[_Finished]) -> None:
        unit = Unit(session, self._reactions, self._clock.now())
        savepoint = unit.connection.begin_nested()
        try:
            result = asked.work(unit)
            unit.react()
            savepoint.commit()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
            savepoint.rollback()
            session.info.clear()  # what it may have read of its own changes
            asked.done.set_exception(error)
        else:
            finished.append(_Finished(asked, result, unit))

    def _tell(self, finished: Sequence[_Finished]) -> None:
        """Let memory follow the tables, then the screens, then answer."""
        for one in finished:
            for call in one.unit.after:
                self._safely(call)
        if changes := [change for one in finished for change in one.unit.changes]:
            self._safely(lambda: self._published(changes))
        if due := [instant for one in finished for instant in one.unit.due]:
            self._safely(lambda: self._due(due))
        for one in finished:
            one.asked.done.set_result(one.result)
        for call in self._committed:
            self._safely(call)

    def _safely(self, call: Callable[[], None]) -> None:
        """Run what follows a commit; its failure stops neither the writer nor the others."""
        try:
            call()
        except Exception:
            log.exception("a step after the commit failed")
