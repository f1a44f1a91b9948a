"""Versions of rules in SQL."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.events import Event
from server.rulebook.model import State, Version, view
from server.sql import Instant
from server.unit import Unit


class RuleVersionRow(SQLModel, table=True):
    """A row; never leaves this file."""

    __tablename__ = "rule_version"
    __table_args__ = (sa.UniqueConstraint("key", "revision"),)

    id: str = Field(primary_key=True)
    key: str = Field(index=True)
    revision: int
    text: str
    life_safety: bool
    state: str
    note: str
    author: str
    at: datetime = Field(sa_type=Instant)
    judge: str | None
    judged_at: datetime | None = Field(sa_type=Instant)
    judged_note: str


VERSIONS = SQLModel.metadata.tables["rule_version"]
_COLUMNS = [VERSIONS.c[each.name] for each in fields(Version)]


class SqlVersions:
    """Versions in one unit of work."""

    def __init__(self, unit: Unit) -> None:
        """`unit` commits them."""
        self._unit, self._connection = unit, unit.session.connection()

    def get(self, version: str) -> Version:
        """Return a version; KeyError when unknown."""
        return one(self._connection, VERSIONS.c.id == version, version)

    def newest(self, key: str) -> int:
        """Return the highest revision anybody wrote of a rule, 0 for none."""
        query = sa.select(sa.func.max(VERSIONS.c.revision)).where(VERSIONS.c.key == key)
        return self._connection.execute(query).scalar() or 0

    def in_effect(self, key: str) -> Version | None:
        """Return the approved version of a rule; None: the catalog's counts."""
        return approved(self._connection).get(key)

    def add(self, version: Version) -> None:
        """Store a new version."""
        self._connection.execute(sa.insert(VERSIONS).values(**asdict(version)))
        self._unit.changed("rule", view(version))

    def save(self, version: Version, *happened: Event) -> None:
        """Store what became of a version, and tell what happened."""
        values = asdict(version)
        where = VERSIONS.c.id == values.pop("id")
        self._connection.execute(sa.update(VERSIONS).where(where).values(**values))
        self._unit.changed("rule", view(version))
        self._unit.happened(*happened)


def approved(connection: sa.Connection) -> dict[str, Version]:
    """Return by key what is in effect beside the catalog."""
    query = sa.select(*_COLUMNS).where(VERSIONS.c.state == State.APPROVED.value)
    return {row.key: _version(row) for row in connection.execute(query)}


def listed(engine: sa.Engine, key: str = "") -> list[Version]:
    """Return versions of a rule, or what waits of all rules, the newest first."""
    query = sa.select(*_COLUMNS).order_by(VERSIONS.c.at.desc(), VERSIONS.c.id.desc())
    waits = VERSIONS.c.state.in_([State.DRAFT.value, State.REVIEW.value])
    query = query.where(VERSIONS.c.key == key if key else waits)
    with engine.connect() as connection:
        return [_version(row) for row in connection.execute(query)]


def one(connection: sa.Connection, where: sa.ColumnElement[bool], name: str) -> Version:
    """Return a version; KeyError of `name` when there is none."""
    found = connection.execute(sa.select(*_COLUMNS).where(where)).first()
    if found is None:
        raise KeyError(name)
    return _version(found)


def text_of(engine: sa.Engine, key: str, revision: int) -> str | None:
    """Return the text of a revision as it was written; None: it is not kept."""
    query = sa.select(VERSIONS.c.text).where(VERSIONS.c.key == key, VERSIONS.c.revision == revision)
    with engine.connect() as connection:
        found: str | None = connection.execute(query).scalar()
    return found or None


def _version(row: Any) -> Version:
    found = dict(row._mapping)  # noqa: SLF001 - the public name of a row as a mapping
    return Version(**found | {"state": State(found["state"])})
