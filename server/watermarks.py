"""Until when each point, and each rule, has been evaluated; and what was never evaluated.

A mark may be older than the truth: it is written at most once a minute for a point. Evaluating
again what was evaluated before changes nothing, for the change of a rule writes the mark of that
rule in its own transaction, and between two changes a rule stays as it is.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.unit import Unit
from watchkeeper.ids import PointId

WORTH_MS: Final = 60_000  # a point's row is written once its mark is this much older


class WatermarkRow(SQLModel, table=True):
    """A point, or a rule at a point: evaluated up to here."""

    __tablename__ = "watermark"

    subject: str = Field(primary_key=True)  # point id, or key of a watch
    at: int = Field(sa_type=sa.BigInteger)  # source time of the newest reading evaluated, Unix ms
    since: int = Field(sa_type=sa.BigInteger)  # of the first; history before it never counts


class GapRow(SQLModel, table=True):
    """A time in which nothing of an edge came live: its backlog may tell of it."""

    __tablename__ = "late_gap"

    edge: str = Field(primary_key=True)
    start: int = Field(primary_key=True, sa_type=sa.BigInteger)  # Unix ms, evaluated
    end: int = Field(sa_type=sa.BigInteger)  # likewise


MARKS = SQLModel.metadata.tables["watermark"]
GAPS = SQLModel.metadata.tables["late_gap"]
_MOVE = sa.update(MARKS).where(MARKS.c.subject == sa.bindparam("which"))
_BEGIN = sa.insert(MARKS)


class Gap(NamedTuple):
    """start < t < end was not evaluated live; Unix ms."""

    edge: str
    start: int
    end: int


def mark(unit: Unit, key: str, at: int) -> None:
    """Note, with the effect it had, that a rule is evaluated up to an instant (Unix ms)."""
    connection = unit.session.connection()
    if connection.execute(_MOVE, {"which": key, "at": at}).rowcount == 0:
        connection.execute(_BEGIN, {"subject": key, "at": at, "since": at})


def marked(engine: sa.Engine) -> tuple[dict[str, int], dict[str, int]]:
    """Return until when, and since when, each point and rule is evaluated, Unix ms."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(MARKS)).all()
    return {row.subject: row.at for row in rows}, {row.subject: row.since for row in rows}


def gaps(engine: sa.Engine) -> list[Gap]:
    """Return what is known to be not evaluated."""
    with engine.connect() as connection:
        return [Gap(*row) for row in connection.execute(sa.select(GAPS))]


def keep_gaps(unit: Unit, found: Iterable[Gap], gone: Iterable[Gap]) -> None:
    """Write gaps, and take others out; either may have been done before."""
    connection = unit.session.connection()
    for gap in [*found, *gone]:
        where = (GAPS.c.edge == gap.edge) & (GAPS.c.start == gap.start)
        connection.execute(sa.delete(GAPS).where(where))
    for gap in found:
        connection.execute(sa.insert(GAPS), gap._asdict())


class Marks:
    """The marks of points by slot of `Latest`; written in slices."""

    def __init__(
        self, index: Mapping[PointId, int], at: Mapping[str, int], since: Mapping[str, int]
    ) -> None:
        """Begin with what stands in the table."""
        self._names = list(index)
        self.at = np.zeros(len(index) + 1, np.int64)  # 0: never
        self.since = np.zeros(len(index) + 1, np.int64)
        for name, slot in index.items():
            self.at[slot], self.since[slot] = at.get(name, 0), since.get(name, 0)
        self._saved = self.at.copy()

    def due(self, most: int, *, every: bool = False) -> list[tuple[int, int]]:
        """Return (slot, mark) of at most so many points whose row is worth writing."""
        late = self.at - self._saved >= (1 if every else WORTH_MS)
        slots = np.flatnonzero(late[:-1])[:most]
        return list(zip(slots.tolist(), self.at[slots].tolist(), strict=True))

    def write(self, unit: Unit, slice_: list[tuple[int, int]]) -> None:
        """Write these; what is remembered of it follows the commit."""
        new = [pair for pair in slice_ if not self._saved[pair[0]]]
        old = [pair for pair in slice_ if self._saved[pair[0]]]
        connection = unit.session.connection()
        if old:
            moved = [{"which": self._names[slot], "at": at} for slot, at in old]
            connection.execute(_MOVE.values(at=sa.bindparam("at")), moved)
        if new:
            begun = [
                {"subject": self._names[slot], "at": at, "since": int(self.since[slot])}
                for slot, at in new
            ]
            connection.execute(_BEGIN, begun)
        unit.afterwards(lambda: self._wrote(slice_))

    def _wrote(self, slice_: list[tuple[int, int]]) -> None:
        for slot, at in slice_:
            self._saved[slot] = at
