"""Which events of the edges were decided already: what makes a replay harmless."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.sql import Instant, once
from server.unit import Unit
from watchkeeper.ids import EventId, PointId

KEPT = timedelta(days=90)


class SeenRow(SQLModel, table=True):
    """An event that was decided."""

    __tablename__ = "event_seen"
    __table_args__ = (sa.Index("event_seen_newest", "point", "at"),)

    id: str = Field(primary_key=True)  # UUIDv7 of the edge
    point: str
    at: datetime = Field(sa_type=Instant)  # source time
    recorded_at: datetime = Field(sa_type=Instant, index=True)


SEEN = SQLModel.metadata.tables["event_seen"]
_NEWEST = sa.select(sa.func.max(SEEN.c.at)).where(SEEN.c.point == sa.bindparam("which"))
_NOTE = once(SEEN, "id")


class Seen:
    """Events within one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def first_time(self, event: EventId, point: PointId, at: datetime) -> bool:
        """Note the event; False when it is known already."""
        row = {"id": event, "point": point, "at": at, "recorded_at": self._unit.now}
        return self._unit.connection.execute(_NOTE, row).rowcount > 0

    def newest(self, point: PointId) -> datetime | None:
        """Return the source time of the point's newest event; None when it has none."""
        newest: datetime | None = self._unit.connection.execute(_NEWEST, {"which": point}).scalar()
        return newest

    def forget(self, most: int) -> int:
        """Delete events older than 90 days, at most so many at once; return how many went."""
        old = sa.select(SEEN.c.id).where(SEEN.c.recorded_at < self._unit.now - KEPT).limit(most)
        gone = self._unit.connection.execute(sa.delete(SEEN).where(SEEN.c.id.in_(old)))
        return int(gone.rowcount)
