"""Messages and deliveries in SQL."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.events import Event
from server.notify import decide
from server.notify.model import (
    UNSENT,
    WITHDRAWN,
    Delivery,
    Gathered,
    Message,
    State,
    reached,
    told,
)
from server.sql import Instant, once
from server.timers import Timer, Timers
from server.unit import Unit
from watchkeeper.channel import Letter
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import PersonId

DIGEST = "alarm-digest"  # kind of the timer that tells of a flood's alarms together
GATHER = timedelta(seconds=30)
NEVER = datetime.max.replace(tzinfo=UTC)

Url = Callable[[str], str]  # from the nonce of a link to its address


class MessageRow(SQLModel, table=True):
    """A row; never leaves this file."""

    __tablename__ = "message"
    __table_args__ = (sa.Index("ix_message_person", "person", "at"),)

    id: str = Field(primary_key=True)
    key: str = Field(unique=True)
    person: str
    person_name: str
    language: str
    subject: str = Field(index=True)
    kind: str
    title: str
    text: str
    priority: int
    life_safety: bool
    at: datetime = Field(sa_type=Instant)
    nonce: str
    exercise: bool
    read_at: datetime | None = Field(sa_type=Instant)


class GatheredRow(SQLModel, table=True):
    """An alarm of a flood, or a message too many, waiting to be told with others."""

    __tablename__ = "message_gathered"

    id: int | None = Field(default=None, primary_key=True)
    alarm: str = Field(unique=True)  # or the message
    priority: int
    title: str
    place: str
    person: str


class DeliveryRow(SQLModel, table=True):
    """A message on its way by one channel; sorted so that the sender finds its next at once."""

    __tablename__ = "delivery"
    __table_args__ = (sa.Index("ix_delivery_next", "state", "channel", "urgent", "next_at"),)

    id: str = Field(primary_key=True)
    message: str = Field(index=True)
    channel: str
    urgent: bool
    address: str
    state: str
    next_at: datetime = Field(sa_type=Instant)
    attempts: int
    error: str
    repeat: bool
    lease_until: datetime | None = Field(sa_type=Instant)


MESSAGES = SQLModel.metadata.tables["message"]
DELIVERIES = SQLModel.metadata.tables["delivery"]


GATHERED = SQLModel.metadata.tables["message_gathered"]
_PLAIN = tuple(name for name in MessageRow.model_fields if name not in {"title", "text"})
_WAYS = tuple(name for name in DeliveryRow.model_fields if name != "urgent")
_text = msgspec.json.Decoder(Text).decode
# Built once: making a statement costs more than running it.
_ADD = once(MESSAGES, "key")
_SEND = sa.insert(DELIVERIES)
_READ = sa.update(MESSAGES).where(MESSAGES.c.id == sa.bindparam("which"))
_MOVE = sa.update(DELIVERIES).where(DELIVERIES.c.id == sa.bindparam("which"))
_OF = (
    sa.select(DELIVERIES)
    .where(DELIVERIES.c.message.in_(sa.bindparam("messages", expanding=True)))
    .order_by(DELIVERIES.c.id)
)
_NEWEST_FIRST = sa.select(MESSAGES).order_by(MESSAGES.c.at.desc(), MESSAGES.c.id.desc())
_ABOUT = _NEWEST_FIRST.where(MESSAGES.c.subject == sa.bindparam("subject"))
_GET = _NEWEST_FIRST.where(MESSAGES.c.id == sa.bindparam("which"))
_OF_DELIVERY = _NEWEST_FIRST.where(
    MESSAGES.c.id.in_(sa.select(DELIVERIES.c.message).where(DELIVERIES.c.id == sa.bindparam("way")))
)
_DUE = (
    sa.select(DELIVERIES.c.id, DELIVERIES.c.next_at)
    .where(
        DELIVERIES.c.state.in_(UNSENT),
        DELIVERIES.c.channel == sa.bindparam("channel"),
        DELIVERIES.c.urgent == sa.bindparam("urgent"),
        DELIVERIES.c.next_at <= sa.bindparam("until"),
    )
    .order_by(DELIVERIES.c.next_at)
    .limit(1)
)
_SENT = (
    sa.select(DELIVERIES.c.id)
    .where(
        DELIVERIES.c.state.in_(sorted(set(State) - WITHDRAWN)),
        DELIVERIES.c.channel == sa.bindparam("channel"),
        DELIVERIES.c.urgent.is_(sa.false()),
        DELIVERIES.c.next_at > sa.bindparam("since"),
    )
    .limit(sa.bindparam("most"))
)
_FIRST = sa.select(GATHERED.c.id).limit(1)
_DROP = sa.delete(GATHERED).where(GATHERED.c.alarm.in_(sa.bindparam("alarms", expanding=True)))
_BASKET = "basket"  # what units of work remember under: whether anything is in it
_GATHER = once(GATHERED, "alarm")


class SqlBasket:
    """Alarms of a flood, in one unit of work."""

    def __init__(self, unit: Unit) -> None:
        """`unit` commits them."""
        self._unit, self._connection = unit, unit.connection

    def put(self, item: Gathered) -> None:
        """Add one, once; the first of them sets the timer that ends the gathering."""
        if not self._unit.remembered(_BASKET, self._begun):
            self._unit.forget(_BASKET)
            Timers(self._unit).set(Timer(DIGEST, "site", 0, self._unit.now + GATHER))
        row = {"alarm": item.alarm, "priority": item.priority, "place": item.place}
        title = msgspec.json.encode(item.title).decode()
        self._connection.execute(_GATHER, row | {"title": title, "person": item.person})

    def _begun(self) -> bool:
        return self._connection.execute(_FIRST).first() is not None

    def drop(self, alarms: Sequence[str]) -> None:
        """Take out what people need not be told of any more."""
        self._connection.execute(_DROP, {"alarms": list(alarms)})
        self._unit.forget(_BASKET)

    def empty(self) -> list[Gathered]:
        """Return all, the first first, and forget them."""
        rows = self._connection.execute(sa.select(GATHERED).order_by(GATHERED.c.id)).all()
        self._connection.execute(sa.delete(GATHERED))
        self._unit.forget(_BASKET)
        return [
            Gathered(row.alarm, row.priority, _text(row.title), row.place, row.person)
            for row in rows
        ]


class SqlMessages:
    """Messages in one unit of work."""

    def __init__(self, unit: Unit, ring: Callable[[], None]) -> None:
        """`ring` wakes the sender once the unit is committed."""
        self._unit, self._ring = unit, ring
        self._connection = unit.connection

    def add(self, message: Message, deliveries: Sequence[Delivery]) -> bool:
        """Store a new message; False, and nothing stored, when there is one of its key."""
        if self._connection.execute(_ADD, _message_values(message)).rowcount == 0:
            return False
        if deliveries:
            rows = [_delivery_values(each) | {"urgent": message.life_safety} for each in deliveries]
            self._connection.execute(_SEND, rows)
            self._unit.afterwards(self._ring)
        self._show(message, deliveries)
        return True

    def about(self, subject: str) -> list[tuple[Message, list[Delivery]]]:
        """Return the messages about an alarm, order or run."""
        return _found(self._connection, _ABOUT, {"subject": subject})

    def get(self, message: str) -> tuple[Message, list[Delivery]]:
        """Return a message; KeyError when unknown."""
        return _one(self._connection, _GET, {"which": message})

    def of_delivery(self, delivery: str) -> tuple[Message, list[Delivery]]:
        """Return the message of a delivery; KeyError when unknown."""
        return _one(self._connection, _OF_DELIVERY, {"way": delivery})

    def sent(self, channel: str, since: datetime, most: int) -> int:
        """Return how many left by a channel since, or will, no life safety; `most` is enough."""
        asked = {"channel": channel, "since": since, "most": most}
        return len(self._connection.execute(_SENT, asked).all())

    def change(self, message: Message, deliveries: Sequence[Delivery], *happened: Event) -> None:
        """Store what has changed of a message and its deliveries."""
        self._connection.execute(_READ, {"which": message.id, "read_at": message.read_at})
        for each in deliveries:
            self._connection.execute(_MOVE, {"which": each.id, **_delivery_values(each)})
        if any(each.state in UNSENT for each in deliveries):
            self._unit.afterwards(self._ring)
        self._show(message, deliveries)
        self._unit.happened(*happened)

    def claim(self, channel: str, *, urgent: bool) -> str | None:
        """Take the next delivery that is due and return its id; None when there is none."""
        asked = {"channel": channel, "urgent": urgent, "until": self._unit.now}
        found = self._connection.execute(_DUE, asked).first()
        if found is None:
            return None
        lease = {"state": State.SENDING, "lease_until": self._unit.now + decide.LEASE}
        self._connection.execute(_MOVE, {"which": found.id, **lease})
        return str(found.id)

    def _show(self, message: Message, deliveries: Sequence[Delivery]) -> None:
        """Tell the screens; a one-tap link never stands in the change log."""
        self._unit.changed("message", told(message, deliveries, ""))


def next_due(engine: sa.Engine, channel: str, *, urgent: bool) -> datetime | None:
    """Return when the next delivery is due, None when none waits."""
    with engine.connect() as connection:
        asked = {"channel": channel, "urgent": urgent, "until": NEVER}
        found = connection.execute(_DUE, asked).first()
    return None if found is None else found.next_at


def leased(engine: sa.Engine, channel: str) -> list[str]:
    """Return the deliveries somebody was sending."""
    query = sa.select(DELIVERIES.c.id).where(
        DELIVERIES.c.channel == channel, DELIVERIES.c.state == State.SENDING
    )
    with engine.connect() as connection:
        return [row.id for row in connection.execute(query)]


def letter(message: Message, delivery: Delivery, url: Url) -> Letter:
    """Return what a channel needs to know."""
    return Letter(
        key=delivery.id,
        message=message.id,
        person=message.person,
        person_name=message.person_name,
        address=delivery.address,
        language=message.language,
        kind=message.kind,
        subject=message.subject,
        priority=message.priority,
        life_safety=message.life_safety,
        title=message.title,
        text=message.text,
        link=url(message.nonce) if message.nonce else "",
        at_ms=unix_ms(message.at),
        repeat=delivery.repeat,
        exercise=message.exercise,
    )


def inbox(engine: sa.Engine, person: PersonId, limit: int) -> list[tuple[Message, list[Delivery]]]:
    """Return a person's messages, the newest first."""
    newest = (
        sa.select(MESSAGES.c.id)
        .where(MESSAGES.c.person == person)
        .order_by(MESSAGES.c.at.desc(), MESSAGES.c.id.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        return _found(connection, _NEWEST_FIRST.where(MESSAGES.c.id.in_(newest)), {})


def told_of(engine: sa.Engine, subjects: Sequence[str]) -> list[dict[str, object]]:
    """Return who was told of an alarm, order or run, and how; the first message first."""
    with engine.connect() as connection:
        found = _found(connection, _NEWEST_FIRST.where(MESSAGES.c.subject.in_(subjects)), {})
    return [reached(message, deliveries) for message, deliveries in reversed(found)]


def _one(
    connection: sa.Connection, query: sa.Select[Any], asked: dict[str, str]
) -> tuple[Message, list[Delivery]]:
    found = _found(connection, query, asked)
    if not found:
        raise KeyError(*asked.values())
    return found[0]


def _found(
    connection: sa.Connection, query: sa.Select[Any], asked: dict[str, str]
) -> list[tuple[Message, list[Delivery]]]:
    messages = [_message(row) for row in connection.execute(query, asked)]
    if not messages:
        return []
    ways: dict[str, list[Delivery]] = {message.id: [] for message in messages}
    for row in connection.execute(_OF, {"messages": list(ways)}):
        ways[row.message].append(_delivery(row))
    return [(message, ways[message.id]) for message in messages]


def _message_values(message: Message) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(message, name) for name in _PLAIN}
    for name in ("title", "text"):
        values[name] = msgspec.json.encode(getattr(message, name)).decode()
    return values


def _message(row: Any) -> Message:
    values: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - how SQLAlchemy names it
    for name in ("title", "text"):
        values[name] = _text(values[name])
    return Message(**values)


def _delivery_values(delivery: Delivery) -> dict[str, object]:
    return {name: getattr(delivery, name) for name in _WAYS}


def _delivery(row: Any) -> Delivery:
    values = {name: getattr(row, name) for name in _WAYS}
    return Delivery(**(values | {"state": State(row.state)}))
