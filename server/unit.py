"""One unit of work: state, reactions, changes and messages commit together, or none does."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from server.events import Event

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


_CHANGE = sa.insert(ChangeRow.metadata.tables["change"])


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change log."""

    id: int
    kind: str  # the name of the stream's frame: alarm, order, run, message
    body: bytes  # JSON


class Unit:
    """A transaction and what happened in it."""

    def __init__(self, session: Session, reactions: Reactions, now: datetime) -> None:
        self.session = session
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
        text = msgspec.json.encode(body)
        made = self.session.connection().execute(_CHANGE, {"kind": kind, "body": text.decode()})
        number = made.inserted_primary_key
        self.changes.append(Change(int(number[0]) if number else 0, kind, text))

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
