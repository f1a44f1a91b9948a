"""What explains alarms, and floods of them, in SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.alarms.decide import FLOOD
from server.alarms.model import Alarm
from server.alarms.store import ALARMS, COLUMNS, alarm_of
from server.sql import Instant
from server.timers import Timer, Timers
from server.unit import Unit
from watchkeeper.clock import unix_ms
from watchkeeper.ids import AlarmId

SETTLED = "alarm-settled"  # kind of the timers that ask what is left of an incident
FLOODED = "alarm-flood"  # of those that ask whether a flood is over
LOOK = timedelta(minutes=1)  # so often


class AlarmFloodRow(SQLModel, table=True):
    """When alarms came faster than a person can take them."""

    __tablename__ = "alarm_flood"

    began_at: datetime = Field(sa_type=Instant, primary_key=True)
    ended_at: datetime | None = Field(sa_type=Instant)


FLOODS = SQLModel.metadata.tables["alarm_flood"]

# Built once: making a statement costs more than running it.
_ROOTS = sa.select(ALARMS.c.id, ALARMS.c.cause, ALARMS.c.rule, ALARMS.c.point).where(
    ALARMS.c.point.in_(sa.bindparam("points", expanding=True)),
    ALARMS.c.rule.in_(sa.bindparam("rules", expanding=True)),
    sa.or_(ALARMS.c.returned_at.is_(None), ALARMS.c.returned_at > sa.bindparam("since")),
    sa.or_(ALARMS.c.flags == "[]", ALARMS.c.cause.is_not(None)),
)
_STANDS = sa.select(ALARMS.c.id).where(
    ALARMS.c.id == sa.bindparam("alarm"),
    sa.or_(ALARMS.c.returned_at.is_(None), ALARMS.c.returned_at > sa.bindparam("since")),
)
_CAUSED_BY = sa.select(*COLUMNS).where(
    ALARMS.c.cause == sa.bindparam("root"), ALARMS.c.open_key.is_not(None)
)
_UNEXPLAINED = (
    sa.select(*COLUMNS)
    .where(
        ALARMS.c.recorded_at >= sa.bindparam("since"),
        ALARMS.c.open_key.is_not(None),
        ALARMS.c.returned_at.is_(None),
        ALARMS.c.cause.is_(None),
        ALARMS.c.handling != "life_safety",
    )
    .order_by(ALARMS.c.recorded_at, ALARMS.c.id)
)
_RECENT = (
    sa.select(ALARMS.c.id)
    .where(
        ALARMS.c.recorded_at > sa.bindparam("since"),
        ALARMS.c.handling != "life_safety",
        ALARMS.c.flags == "[]",
    )
    .limit(sa.bindparam("most"))
)
_FLOOD = sa.select(FLOODS.c.began_at).where(FLOODS.c.ended_at.is_(None))
_NOW = "flood"  # what units of work remember it under: every alarm asks


class SqlCauses:
    """What explains alarms, in one unit of work."""

    def __init__(self, unit: Unit) -> None:
        """`unit` commits it."""
        self._unit = unit

    def root_of(self, keys: Sequence[str], since: datetime) -> AlarmId | None:
        """Return the root of the first of these watches that rings, or has rung since.

        What a flag holds back explains nothing: nobody was told of it.
        """
        if not keys:
            return None
        parts = [key.partition("|") for key in keys]
        asked = {"points": [part[2] for part in parts], "rules": [part[0] for part in parts]}
        rows = self._run(_ROOTS, asked | {"since": since})
        found = {f"{row.rule}|{row.point}": row.cause or row.id for row in rows}
        return next((AlarmId(found[key]) for key in keys if key in found), None)

    def stands(self, root: AlarmId, since: datetime) -> bool:
        """Return whether an alarm rings, or has rung since."""
        return self._run(_STANDS, {"alarm": root, "since": since}).first() is not None

    def caused_by(self, root: AlarmId) -> list[Alarm]:
        """Return the open alarms a root explains."""
        return [alarm_of(row) for row in self._run(_CAUSED_BY, {"root": root})]

    def unexplained(self, since: datetime) -> list[Alarm]:
        """Return the alarms raised since that ring and that nothing explains, the oldest first."""
        return [alarm_of(row) for row in self._run(_UNEXPLAINED, {"since": since})]

    def recent(self, since: datetime, most: int) -> int:
        """Return how many alarms people were shown since, life safety left out."""
        return len(self._run(_RECENT, {"since": since, "most": most}).all())

    def flood(self) -> datetime | None:
        """Return since when there are more alarms than a person can take; None: there are not."""
        return self._unit.remembered(_NOW, self._flood)

    def _flood(self) -> datetime | None:
        found: datetime | None = self._run(_FLOOD, {}).scalar()
        return found

    def flooding(self, began: datetime | None) -> None:
        """Note that a flood begins, or with None that it is over."""
        now = self._unit.now
        self._unit.forget(_NOW)
        if began is None:
            self._run(sa.update(FLOODS).where(FLOODS.c.ended_at.is_(None)), {"ended_at": now})
        else:
            self._run(sa.insert(FLOODS), {"began_at": began})
            self.look_again()
        self._unit.changed("flood", {"since": None if began is None else unix_ms(began)})

    def look_again(self) -> None:
        """Ask again in a while whether the flood is over."""
        Timers(self._unit).set(Timer(FLOODED, "site", 0, self._unit.now + LOOK))

    def settle_at(self, root: AlarmId, due: datetime) -> None:
        """Set the timer that asks what is left of an incident whose root is over."""
        Timers(self._unit).set(Timer(SETTLED, root, 0, due))

    def _run(self, statement: sa.Executable, row: dict[str, Any]) -> Any:
        return self._unit.connection.execute(statement, row)


def flood_now(engine: sa.Engine) -> dict[str, int | None]:
    """Return since when a flood stands, Unix ms or None, and how many alarms were raised since."""
    with engine.connect() as connection:
        began: datetime | None = connection.execute(_FLOOD).scalar()
        if began is None:
            return {"since": None, "alarms": 0}
        first = began - FLOOD
        count = sa.select(sa.func.count()).where(ALARMS.c.recorded_at > first)
        return {"since": unix_ms(began), "alarms": connection.execute(count).scalar_one()}
