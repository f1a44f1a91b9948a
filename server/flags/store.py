"""Flags in SQL."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.events import Event
from server.flags.model import TIMER, Flag, Kind, SetOff, view
from server.sql import Instant
from server.timers import Timer, Timers
from server.unit import Unit
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PointId


class FlagRow(SQLModel, table=True):
    """A row; never leaves this file, and is never deleted."""

    __tablename__ = "flag"

    id: str = Field(primary_key=True)
    standing: str | None = Field(unique=True)  # kind and subject; NULL once it has ended
    kind: str
    subject: str
    handling: str
    name: str  # JSON {zh, en}
    reason: str
    by: str
    since: datetime = Field(sa_type=Instant, index=True)
    until: datetime | None = Field(sa_type=Instant)
    one_shot: bool
    cause: str
    permit: str
    company: str
    points: str  # JSON
    generation: int
    ended_at: datetime | None = Field(sa_type=Instant)
    ended_by: str | None
    ended_why: str


class SetOffRow(SQLModel, table=True):
    """A point that was set off in test mode."""

    __tablename__ = "flag_tested"

    flag: str = Field(primary_key=True)
    point: str = Field(primary_key=True)
    alarm: str
    at: datetime = Field(sa_type=Instant)


FLAGS = SQLModel.metadata.tables["flag"]
TESTED = SQLModel.metadata.tables["flag_tested"]
_NAMES = [each.name for each in fields(Flag)]
_text = msgspec.json.Decoder(Text).decode
_points = msgspec.json.Decoder(tuple[str, ...]).decode


class SqlFlags:
    """Flags in one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.session.connection()

    def get(self, flag: str) -> Flag:
        """Return a flag; KeyError when unknown."""
        return one(self._connection, flag)

    def standing(self, kind: Kind, subjects: Sequence[str]) -> list[Flag]:
        """Return the flags of a kind that stand on any of these subjects; at most one each."""
        keys = [f"{kind}|{subject}" for subject in subjects]
        query = sa.select(FLAGS).where(FLAGS.c.standing.in_(keys)).order_by(FLAGS.c.id)
        return [_flag(row) for row in self._connection.execute(query)]

    def add(self, flag: Flag, *happened: Event) -> None:
        """Store a new flag."""
        self._connection.execute(sa.insert(FLAGS), _row(flag))
        self._changed(flag)
        self._unit.happened(*happened)

    def save(self, flag: Flag, *happened: Event) -> None:
        """Store what became of a flag, and tell what happened."""
        self._connection.execute(sa.update(FLAGS).where(FLAGS.c.id == flag.id), _row(flag))
        self._changed(flag)
        self._unit.happened(*happened)

    def went(self, flag: Flag, tested: SetOff) -> bool:
        """Store that a point was set off; False when it was before."""
        if tested.point in {each.point for each in self.tested(flag.id)}:
            return False
        row = {"flag": flag.id, "point": tested.point, "alarm": tested.alarm, "at": tested.at}
        self._connection.execute(sa.insert(TESTED), row)
        self._changed(flag)
        return True

    def tested(self, flag: str) -> list[SetOff]:
        """Return what was set off, the first first."""
        return tested_of(self._connection, flag)

    def _changed(self, flag: Flag) -> None:
        self._unit.changed("flag", view(flag, _count(self._connection, flag.id)))


class SqlEnds:
    """The server's timers, as flags set them."""

    def __init__(self, unit: Unit) -> None:
        self._timers = Timers(unit)

    def end_at(self, flag: Flag) -> None:
        """Let the flag end at its instant, and not at an earlier one; without one, never."""
        self._timers.cancel(TIMER, flag.id)
        if flag.until is not None and flag.ended_at is None:
            self._timers.set(Timer(TIMER, flag.id, flag.generation, flag.until))


def one(connection: sa.Connection, flag: str) -> Flag:
    """Return a flag; KeyError when unknown."""
    found = connection.execute(sa.select(FLAGS).where(FLAGS.c.id == flag)).first()
    if found is None:
        raise KeyError(flag)
    return _flag(found)


def tested_of(connection: sa.Connection, flag: str) -> list[SetOff]:
    """Return what was set off, the first first."""
    query = sa.select(TESTED).where(TESTED.c.flag == flag).order_by(TESTED.c.at, TESTED.c.point)
    return [
        SetOff(PointId(row.point), AlarmId(row.alarm), row.at) for row in connection.execute(query)
    ]


def shown(
    engine: sa.Engine, *, kind: Kind | None = None, only_open: bool = True, limit: int = 200
) -> list[dict[str, object]]:
    """Return flags as the API tells them: those that stand, or all, the newest first."""
    query = sa.select(FLAGS).order_by(FLAGS.c.since.desc(), FLAGS.c.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(FLAGS.c.kind == kind.value)
    if only_open:
        query = query.where(FLAGS.c.standing.is_not(None))
    with engine.connect() as connection:
        found = [_flag(row) for row in connection.execute(query)]
        return [view(flag, _count(connection, flag.id)) for flag in found]


def _count(connection: sa.Connection, flag: str) -> int:
    query = sa.select(sa.func.count()).where(TESTED.c.flag == flag)
    return int(connection.execute(query).scalar_one())


def _row(flag: Flag) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(flag, name) for name in _NAMES}
    return row | {
        "standing": None if flag.ended_at else f"{flag.kind}|{flag.subject}",
        "kind": flag.kind.value,
        "name": msgspec.json.encode(flag.name).decode(),
        "points": msgspec.json.encode(flag.points).decode(),
    }


def _flag(row: Any) -> Flag:
    found: dict[str, Any] = {name: getattr(row, name) for name in _NAMES}
    return Flag(
        **found
        | {
            "kind": Kind(row.kind),
            "name": _text(row.name),
            "points": tuple(PointId(each) for each in _points(row.points)),
        }
    )
