"""One unit of work: state, reactions, changes and messages commit together, or none does."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from server.events import Event

_T = TypeVar("_T")
Reaction: TypeAlias = Callable[[Any], None]
Table: TypeAlias = Mapping[type[Event], Sequence[Reaction]]
Reactions: TypeAlias = Callable[["Unit"], Table]


class ChangeRow(SQLModel, table=True):
    """The change log that screens follow: numbered in the order of commits."""

    __tablename__ = "change"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    body: str


_CHANGES = ChangeRow.metadata.tables["change"]
_LOG = sa.insert(_CHANGES)
_LAST = sa.select(sa.func.max(_CHANGES.c.id))


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change log."""

    id: int  # 0 until its group is committed
    kind: str  # the name of the stream's frame: alarm, order, run, message
    body: bytes  # JSON


class Unit:
    """A transaction and what happened in it."""

    def __init__(self, session: Session, reactions: Reactions, now: datetime) -> None:
        self.session = session
        self.connection = session.connection()  # asked for once: it is not cheap
        self.now = now  # of the whole unit, so that its rows agree
        self.changes: list[Change] = []
        self.after: list[Callable[[], None]] = []  # called by the writer once this is committed
        self.due: list[datetime] = []  # when timers set here become due
        self.seen: list[Event] = []  # everything that happened, in order
        self._reactions = reactions
        self._waiting: deque[Event] = deque()

    def happened(self, *events: Event) -> None:
        """Note events; their reactions run before the commit."""
        self._waiting.extend(events)
        self.seen.extend(events)

    def changed(self, kind: str, body: Mapping[str, object]) -> None:
        """Note for the screens what is true after the commit."""
        self.changes.append(Change(0, kind, msgspec.json.encode(body)))

    def remembered(self, name: str, read: Callable[[], _T]) -> _T:
        """Return what `read` gives; read once for all units of a commit, until one forgets it.

        Only for what is read by nearly every unit and changed by few: each writer must forget.
        """
        memo = self.session.info
        if name not in memo:
            memo[name] = read()
        found: _T = memo[name]
        return found

    def forget(self, name: str) -> None:
        """Say that what is remembered under a name is being changed."""
        self.session.info.pop(name, None)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this once the unit is committed, on the writer's thread, before anyone is answered.

        It never runs when the unit fails: what is kept in memory follows the tables this way.
        """
        self.after.append(call)

    def react_with(self, reactions: Reactions) -> None:
        """Use another table of reactions here: wiring.essential, when the full one fails."""
        self._reactions = reactions

    def react(self) -> None:
        """Run the reactions to what happened, and to what those caused, until none is left."""
        if self._waiting:
            table = self._reactions(self)
            while self._waiting:
                event = self._waiting.popleft()
                for reaction in table[type(event)]:
                    reaction(event)
        self.session.flush()


def log_changes(session: Session, units: Sequence[Unit]) -> None:
    """Write what changed in these units to the log, in one statement, and number it."""
    rows = [
        {"kind": change.kind, "body": change.body.decode()}
        for unit in units
        for change in unit.changes
    ]
    if not rows:
        return
    connection = session.connection()
    connection.execute(_LOG, rows)
    last = int(connection.execute(_LAST).scalar_one())
    numbers = iter(range(last - len(rows) + 1, last + 1))  # whoever writes has the database alone
    for unit in units:
        unit.changes = [replace(change, id=next(numbers)) for change in unit.changes]
