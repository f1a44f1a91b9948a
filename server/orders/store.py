"""Work orders and accept links in SQL."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.events import Event, OrderMoved
from server.orders import decide
from server.orders.model import (
    ENDED,
    HELD_BY_SOMEBODY,
    LINK_LIFE,
    Actor,
    Hold,
    Link,
    Note,
    Order,
    State,
    Words,
    told,
)
from server.sql import Instant, once, upsert
from server.unit import Unit
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, OrderId, PersonId, UnitId


class OrderRow(SQLModel, table=True):
    """A row; never leaves this file. Lists are JSON."""

    __tablename__ = "work_order"
    __table_args__ = (
        sa.Index("ix_work_order_key", "key", "opened_at"),
        sa.Index("ix_work_order_person", "person", "state"),
    )

    id: str = Field(primary_key=True)
    key: str
    open_key: str | None = Field(unique=True)  # the key while open: one open order a fault
    alarm: str | None
    unit: str
    place: str
    priority: int
    skill: str
    title: str
    life_safety: bool
    opened_at: datetime = Field(sa_type=Instant)
    since: datetime = Field(sa_type=Instant)
    moved_at: datetime = Field(sa_type=Instant)
    state: str = Field(index=True)
    person: str | None
    tried: str
    reasons: str
    offers: int
    held_in: str | None
    holds: str
    accepted_at: datetime | None = Field(sa_type=Instant)
    done_at: datetime | None = Field(sa_type=Instant)
    reopened: int
    cause: str
    remedy: str
    notes: str


class MoveRow(SQLModel, table=True):
    """Every move of every order, for good: rows are only added."""

    __tablename__ = "work_order_move"

    id: int | None = Field(default=None, primary_key=True)
    order_id: str = Field(index=True)
    at: datetime = Field(sa_type=Instant)
    by: str
    before: str
    after: str


class RingRow(SQLModel, table=True):
    """An alarm of an order that has not returned."""

    __tablename__ = "work_order_alarm"

    order_id: str = Field(primary_key=True)
    alarm: str = Field(primary_key=True)


class LinkRow(SQLModel, table=True):
    """A one-tap link; the token itself is nowhere."""

    __tablename__ = "go_link"

    token_hash: str = Field(primary_key=True)
    purpose: str
    order_id: str
    person: str
    expires_at: datetime = Field(sa_type=Instant)
    used_at: datetime | None = Field(sa_type=Instant)


ORDERS = SQLModel.metadata.tables["work_order"]
RINGS = SQLModel.metadata.tables["work_order_alarm"]
LINKS = SQLModel.metadata.tables["go_link"]
_JSON: dict[str, Any] = {  # columns that hold lists, and of what
    "title": Text,
    "tried": tuple[PersonId, ...],
    "reasons": tuple[str, ...],
    "holds": tuple[Hold, ...],
    "notes": tuple[Note, ...],
}
_PLAIN = tuple(name for name in OrderRow.model_fields if name not in {"id", "open_key", *_JSON})
_READ: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(kind) for name, kind in _JSON.items()
}
# Built once: making a statement costs more than running it.
_LATEST = (
    sa.select(ORDERS)
    .where(ORDERS.c.key == sa.bindparam("fault"))
    .order_by(ORDERS.c.open_key.is_(None), ORDERS.c.moved_at.desc())
    .limit(1)
)
_OF_ALARM = (
    sa.select(ORDERS)
    .where(ORDERS.c.id.in_(sa.select(RINGS.c.order_id).where(RINGS.c.alarm == sa.bindparam("of"))))
    .order_by(ORDERS.c.id.desc())
    .limit(1)
)
_GET = sa.select(ORDERS).where(ORDERS.c.id == sa.bindparam("which"))
_SAVE = upsert(ORDERS, "id")
_MOVED = sa.insert(SQLModel.metadata.tables["work_order_move"])
_RUNG = once(RINGS, "order_id", "alarm")
_QUIET = sa.delete(RINGS).where(
    RINGS.c.order_id == sa.bindparam("which"), RINGS.c.alarm == sa.bindparam("of")
)
_RINGING = (
    sa.select(sa.func.count()).select_from(RINGS).where(RINGS.c.order_id == sa.bindparam("which"))
)
_LOADS = (
    sa.select(ORDERS.c.person, sa.func.count())
    .where(ORDERS.c.person.is_not(None), ORDERS.c.state.in_(HELD_BY_SOMEBODY))
    .group_by(ORDERS.c.person)
)
_IN_HAND = "in hand"  # what units of work remember them under
_LINK = sa.insert(LINKS)
# Whom the change log speaks to; the stream tells each viewer its own `may` (api.for_viewer).
_OPERATOR = Actor(PersonId(""), frozenset({decide.OPERATOR}))


class SqlOrders:
    """Orders in one unit of work."""

    def __init__(self, unit: Unit, words: Words) -> None:
        self._unit, self._words = unit, words
        self._connection = unit.connection
        self._holders: dict[OrderId, PersonId | None] = {}  # of the orders read and saved here

    def get(self, order: OrderId) -> Order:
        """Return the order; KeyError when unknown."""
        return self._seen(_get(self._connection, order))

    def latest(self, key: str) -> Order | None:
        """Return the open order of this fault, or else the one that ended last."""
        found = self._connection.execute(_LATEST, {"fault": key}).first()
        return None if found is None else self._seen(_order(found))

    def of_alarm(self, alarm: AlarmId) -> Order | None:
        """Return the order for which an alarm rings; None: for none."""
        found = self._connection.execute(_OF_ALARM, {"of": alarm}).first()
        return None if found is None else self._seen(_order(found))

    def save(self, order: Order, *happened: Event) -> None:
        """Store the order, its moves, its events and its line for the screens."""
        values = _values(order)
        self._connection.execute(_SAVE, {"id": order.id, **values})
        self._count(order)
        moves = [
            {"order_id": event.order, "at": event.at, "by": event.by,
             "before": event.before, "after": event.after}
            for event in happened
            if isinstance(event, OrderMoved)
        ]  # fmt: skip
        if moves:
            self._connection.execute(_MOVED, moves)
        self._unit.changed("order", shown(order, self._words, _OPERATOR, self._unit.now))
        self._unit.happened(*happened)

    def tell(self, *happened: Event) -> None:
        """Tell what happened around an order that is itself as before."""
        self._unit.happened(*happened)

    def ring(self, order: OrderId, alarm: AlarmId) -> bool:
        """Note that an alarm of the order rings; False when it did already."""
        rung = self._connection.execute(_RUNG, {"order_id": order, "alarm": alarm})
        return rung.rowcount > 0

    def quiet(self, order: OrderId, alarm: AlarmId) -> bool:
        """Note that it is over; False when it did not ring."""
        return self._connection.execute(_QUIET, {"which": order, "of": alarm}).rowcount > 0

    def ringing(self, order: OrderId) -> int:
        """Return how many alarms of the order ring."""
        return int(self._connection.execute(_RINGING, {"which": order}).scalar_one())

    def loads(self) -> Mapping[PersonId, int]:
        """Return how many orders each person has in hand."""
        counted = self._unit.remembered(_IN_HAND, self._counted)
        return {person: count for person, count in counted.items() if count}

    def _counted(self) -> Counter[PersonId]:
        rows = self._connection.execute(_LOADS)
        return Counter({PersonId(person): count for person, count in rows})

    def _seen(self, order: Order) -> Order:
        self._holders[order.id] = _holder(order)
        return order

    def _count(self, order: Order) -> None:
        """Let the loads follow: counting thousands of orders for each new one takes longest."""
        counted = self._unit.session.info.get(_IN_HAND)
        if order.id not in self._holders and order.opened_at != self._unit.now:
            self._unit.forget(_IN_HAND)  # an old order, and nobody knows who had it
        elif counted is not None:
            counted.subtract([who] if (who := self._holders.get(order.id)) else [])
            counted.update([who] if (who := _holder(order)) else [])
        self._seen(order)


class SqlLinks:
    """Accept links in one unit of work."""

    def __init__(self, unit: Unit, key: bytes, nonce: Callable[[], str]) -> None:
        """`nonce` makes 128 random bits in hex."""
        self._unit, self._key, self._nonce = unit, key, nonce

    def make(self, order: OrderId, person: PersonId) -> str:
        """Return the nonce of a new link."""
        nonce = self._nonce()
        row = {
            "token_hash": decide.link_hash(decide.link_token(self._key, nonce)),
            "purpose": "accept",
            "order_id": order,
            "person": person,
            "expires_at": self._unit.now + LINK_LIFE,
            "used_at": None,
        }
        self._unit.connection.execute(_LINK, row)
        return nonce

    def get(self, token_hash: str) -> Link:
        """Return the link; KeyError when there is none."""
        return _link(self._unit.connection, token_hash)

    def use(self, token_hash: str, at: datetime) -> None:
        """Note that the link was used."""
        self._unit.connection.execute(
            sa.update(LinkRow).where(LINKS.c.token_hash == token_hash).values(used_at=at)
        )


class SqlBook:
    """Orders as they are committed."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, order: OrderId) -> Order:
        """Return the order; KeyError when unknown."""
        with self._engine.connect() as connection:
            return _get(connection, order)

    def find(self, *, only_open: bool, person: PersonId | None) -> list[Order]:
        """Return orders, the most urgent and oldest first."""
        query = sa.select(ORDERS).order_by(ORDERS.c.priority, ORDERS.c.opened_at).limit(500)
        if only_open:
            query = query.where(ORDERS.c.state.not_in(ENDED))
        else:
            query = query.order_by(None).order_by(ORDERS.c.moved_at.desc())
        if person is not None:
            query = query.where(ORDERS.c.person == person)
        with self._engine.connect() as connection:
            return [_order(row) for row in connection.execute(query)]

    def link(self, token_hash: str) -> Link:
        """Return the link; KeyError when there is none."""
        with self._engine.connect() as connection:
            return _link(connection, token_hash)


def shown(order: Order, words: Words, actor: Actor, now: datetime) -> dict[str, object]:
    """Return the order as this actor is shown it."""
    may = decide.may(order.state, order.person, actor, life_safety=order.life_safety)
    return told(order, words, decide.due(order, now), may)


def _holder(order: Order) -> PersonId | None:
    return order.person if order.state in HELD_BY_SOMEBODY else None


def _get(connection: sa.Connection, order: OrderId) -> Order:
    found = connection.execute(_GET, {"which": order}).first()
    if found is None:
        raise KeyError(order)
    return _order(found)


def _link(connection: sa.Connection, token_hash: str) -> Link:
    found = connection.execute(
        sa.select(LINKS).where(LINKS.c.token_hash == token_hash, LINKS.c.purpose == "accept")
    ).first()
    if found is None:
        raise KeyError("link")
    return Link(
        found.token_hash, OrderId(found.order_id), PersonId(found.person), found.expires_at,
        found.used_at,
    )  # fmt: skip


def _values(order: Order) -> dict[str, object]:
    """Return the columns of an order, without its id."""
    values: dict[str, object] = {name: getattr(order, name) for name in _PLAIN}
    lists = {name: msgspec.json.encode(getattr(order, name)).decode() for name in _JSON}
    return values | lists | {"open_key": order.key if order.open else None}


def _order(row: Any) -> Order:
    """Return the order of a row."""
    values: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - how SQLAlchemy names it
    del values["open_key"]
    values |= {name: kind.decode(values[name]) for name, kind in _READ.items()}
    values["state"] = State(row.state)
    values["held_in"] = State(row.held_in) if row.held_in else None
    values["unit"] = UnitId(row.unit)
    return Order(**values)
