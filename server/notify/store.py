"""Messages and deliveries in SQL."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.events import Event
from server.notify import decide
from server.notify.model import UNSENT, Delivery, Message, State, reached, told
from server.sql import Instant
from server.unit import Unit
from watchkeeper.channel import Letter
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import PersonId

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


class SqlMessages:
    """Messages in one unit of work."""

    def __init__(self, unit: Unit, ring: Callable[[], None]) -> None:
        """`ring` wakes the sender once the unit is committed."""
        self._unit, self._ring = unit, ring
        self._connection = unit.session.connection()

    def add(self, message: Message, deliveries: Sequence[Delivery]) -> bool:
        """Store a new message; False, and nothing stored, when there is one of its key."""
        there = sa.select(MESSAGES.c.id).where(MESSAGES.c.key == message.key)
        if self._connection.execute(there).first() is not None:
            return False
        self._connection.execute(sa.insert(MessageRow).values(**_message_values(message)))
        if deliveries:
            rows = [_delivery_values(each) | {"urgent": message.life_safety} for each in deliveries]
            self._connection.execute(sa.insert(DeliveryRow), rows)
            self._unit.afterwards(self._ring)
        self._show(message, deliveries)
        return True

    def about(self, subject: str) -> list[tuple[Message, list[Delivery]]]:
        """Return the messages about an alarm, order or run."""
        return _found(self._connection, MESSAGES.c.subject == subject)

    def get(self, message: str) -> tuple[Message, list[Delivery]]:
        """Return a message; KeyError when unknown."""
        return _one(self._connection, MESSAGES.c.id == message, message)

    def of_delivery(self, delivery: str) -> tuple[Message, list[Delivery]]:
        """Return the message of a delivery; KeyError when unknown."""
        owner = sa.select(DELIVERIES.c.message).where(DELIVERIES.c.id == delivery)
        return _one(self._connection, MESSAGES.c.id.in_(owner), delivery)

    def change(self, message: Message, deliveries: Sequence[Delivery], *happened: Event) -> None:
        """Store what has changed of a message and its deliveries."""
        self._connection.execute(
            sa.update(MessageRow).where(MESSAGES.c.id == message.id).values(read_at=message.read_at)
        )
        for each in deliveries:
            values = _delivery_values(each)
            self._connection.execute(
                sa.update(DeliveryRow).where(DELIVERIES.c.id == each.id).values(**values)
            )
        if any(each.state in UNSENT for each in deliveries):
            self._unit.afterwards(self._ring)
        self._show(message, deliveries)
        self._unit.happened(*happened)

    def claim(self, channel: str, *, urgent: bool) -> str | None:
        """Take the next delivery that is due and return its id; None when there is none."""
        due = _due(channel, urgent=urgent).where(DELIVERIES.c.next_at <= self._unit.now)
        found = self._connection.execute(due.limit(1)).first()
        if found is None:
            return None
        self._connection.execute(
            sa.update(DeliveryRow)
            .where(DELIVERIES.c.id == found.id)
            .values(state=State.SENDING, lease_until=self._unit.now + decide.LEASE)
        )
        return str(found.id)

    def _show(self, message: Message, deliveries: Sequence[Delivery]) -> None:
        """Tell the screens; a one-tap link never stands in the change log."""
        self._unit.changed("message", told(message, deliveries, ""))


def next_due(engine: sa.Engine, channel: str, *, urgent: bool) -> datetime | None:
    """Return when the next delivery is due, None when none waits."""
    with engine.connect() as connection:
        found = connection.execute(_due(channel, urgent=urgent).limit(1)).first()
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
        return _found(connection, MESSAGES.c.id.in_(newest))


def told_of(engine: sa.Engine, subjects: Sequence[str]) -> list[dict[str, object]]:
    """Return who was told of an alarm, order or run, and how; the first message first."""
    with engine.connect() as connection:
        found = _found(connection, MESSAGES.c.subject.in_(subjects))
    return [reached(message, deliveries) for message, deliveries in reversed(found)]


def _due(channel: str, *, urgent: bool) -> sa.Select[Any]:
    return (
        sa.select(DELIVERIES.c.id, DELIVERIES.c.next_at)
        .where(
            DELIVERIES.c.state.in_(UNSENT),
            DELIVERIES.c.channel == channel,
            DELIVERIES.c.urgent == urgent,
        )
        .order_by(DELIVERIES.c.next_at)
    )


def _one(
    connection: sa.Connection, where: sa.ColumnElement[bool], name: str
) -> tuple[Message, list[Delivery]]:
    found = _found(connection, where)
    if not found:
        raise KeyError(name)
    return found[0]


def _found(
    connection: sa.Connection, where: sa.ColumnElement[bool]
) -> list[tuple[Message, list[Delivery]]]:
    newest_first = (MESSAGES.c.at.desc(), MESSAGES.c.id.desc())
    query = sa.select(MESSAGES).where(where).order_by(*newest_first)
    messages = [_message(row) for row in connection.execute(query)]
    ways: dict[str, list[Delivery]] = {message.id: [] for message in messages}
    query = sa.select(DELIVERIES).where(DELIVERIES.c.message.in_(ways))
    for row in connection.execute(query.order_by(DELIVERIES.c.id)):
        ways[row.message].append(_delivery(row))
    return [(message, ways[message.id]) for message in messages]


def _message_values(message: Message) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(message, name) for name in MessageRow.model_fields}
    for name in ("title", "text"):
        values[name] = msgspec.json.encode(getattr(message, name)).decode()
    return values


def _message(row: Any) -> Message:
    values = {name: getattr(row, name) for name in MessageRow.model_fields}
    for name in ("title", "text"):
        values[name] = msgspec.json.decode(values[name], type=Text)
    return Message(**values)


def _delivery_values(delivery: Delivery) -> dict[str, object]:
    return {name: getattr(delivery, name) for name in DeliveryRow.model_fields if name != "urgent"}


def _delivery(row: Any) -> Delivery:
    values = {name: getattr(row, name) for name in DeliveryRow.model_fields if name != "urgent"}
    return Delivery(**(values | {"state": State(row.state)}))
