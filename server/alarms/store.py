"""Alarms and rule states in SQL."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.alarms.model import Alarm, Life, Phase, RuleState, view
from server.events import Event
from server.sql import Instant
from server.timers import Timer, Timers
from server.unit import Unit
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, UnitId

TIMER = "rule"  # kind of the timers that end the delay of a rule


# told where a watch stands, after the commit that put it there
Follow: TypeAlias = Callable[[str, RuleState], None]


class AlarmRow(SQLModel, table=True):
    """A row; never leaves this file."""

    __tablename__ = "alarm"

    id: str = Field(primary_key=True)
    open_key: str | None = Field(unique=True)  # NULL once it is normal
    rule: str
    revision: int
    point: str = Field(index=True)
    unit: str
    place: str
    zone: str
    priority: int
    handling: str
    life: str
    title: str  # JSON {zh, en}
    guidance: str
    value: float | None
    limit: float | None
    unit_symbol: str
    raised_at: datetime = Field(sa_type=Instant, index=True)
    recorded_at: datetime = Field(sa_type=Instant)
    returned_at: datetime | None = Field(sa_type=Instant)
    acknowledged_at: datetime | None = Field(sa_type=Instant)
    acknowledged_by: str | None
    count: int
    late: bool
    order: str | None
    run: str | None


class AlarmLogRow(SQLModel, table=True):
    """What was done to an alarm, by whom, when; append only."""

    __tablename__ = "alarm_log"

    id: int | None = Field(default=None, primary_key=True)
    alarm: str = Field(index=True)
    what: str  # raise, acknowledge, return, late, order, run
    by: str
    at: datetime = Field(sa_type=Instant)
    value: float | None


class RuleStateRow(SQLModel, table=True):
    """Where a rule stands at one point."""

    __tablename__ = "rule_state"

    key: str = Field(primary_key=True)
    phase: str
    since: datetime | None = Field(sa_type=Instant)
    spent_s: float
    generation: int


ALARMS = SQLModel.metadata.tables["alarm"]
LOG = SQLModel.metadata.tables["alarm_log"]
STATES = SQLModel.metadata.tables["rule_state"]


def nobody(_key: str, _state: RuleState) -> None:
    """Follow no state: for units that move no rule."""


_NAMES = [each.name for each in fields(Alarm)]
_TEXTS = ("title", "guidance")
_MOVING = (
    "life", "value", "returned_at", "acknowledged_at", "acknowledged_by", "count", "order", "run",
)  # fmt: skip
_COLUMNS = [ALARMS.c[name] for name in _NAMES]
_text = msgspec.json.Decoder(Text).decode

# Built once: making a statement costs more than running it.
_ONE = sa.select(*_COLUMNS).where(ALARMS.c.id == sa.bindparam("alarm"))
_OPEN_OF = sa.select(*_COLUMNS).where(ALARMS.c.open_key == sa.bindparam("key"))
_RINGS = sa.select(ALARMS.c.id).where(
    ALARMS.c.open_key.is_not(None),
    ALARMS.c.returned_at.is_(None),
    ALARMS.c.rule == sa.bindparam("rule"),
    ALARMS.c.unit == sa.bindparam("unit"),
    ALARMS.c.raised_at >= sa.bindparam("since"),
)
_ADD = sa.insert(ALARMS)
_SAVE = sa.update(ALARMS).where(ALARMS.c.id == sa.bindparam("which"))
_CLOSE = _SAVE.values(open_key=None)
_NOTE = sa.insert(LOG)
_STATE_OF = sa.select(STATES).where(STATES.c.key == sa.bindparam("key"))
_KEEP = sa.update(STATES).where(STATES.c.key == sa.bindparam("which"))
_BEGIN = sa.insert(STATES)


class SqlAlarms:
    """Alarms in one unit of work."""

    def __init__(self, unit: Unit, follow: Follow = nobody) -> None:
        self._unit, self._follow = unit, follow

    def get(self, alarm: AlarmId) -> Alarm:
        """Return the alarm; KeyError when unknown."""
        return one(self._unit.session.connection(), alarm)

    def open_of(self, key: str) -> Alarm | None:
        """Return the open alarm of a watch, if there is one."""
        found = self._run(_OPEN_OF, {"key": key}).first()
        return None if found is None else _alarm(found)

    def add(self, alarm: Alarm, key: str, *happened: Event) -> None:
        """Store a new alarm; IntegrityError when the key has an open one."""
        self._run(_ADD, {"open_key": key, **_row(alarm)})
        self._log(alarm, "late" if alarm.late else "raise", "system", happened)

    def save(self, alarm: Alarm, what: str, by: str, *happened: Event) -> None:
        """Store what became of the alarm; a normal one gives its key free."""
        row = {"which": alarm.id, **_moving(alarm)}
        self._run(_CLOSE if alarm.life is Life.NORMAL else _SAVE, row)
        self._log(alarm, what, by, happened)

    def rings(self, rule: str, unit: UnitId, since: datetime) -> bool:
        """Tell whether an alarm of the rule at the unit was raised since and is not over."""
        return self._run(_RINGS, {"rule": rule, "unit": unit, "since": since}).first() is not None

    def state(self, key: str) -> RuleState:
        """Return the state of a watch; a new one is normal."""
        found = self._run(_STATE_OF, {"key": key}).first()
        return RuleState() if found is None else _state(found)

    def keep(self, key: str, state: RuleState, due: datetime | None) -> None:
        """Store the state of a watch and, when its delay runs, the timer that ends it."""
        row = {
            "phase": state.phase,
            "since": state.since,
            "spent_s": state.spent_s,
            "generation": state.generation,
        }
        if self._run(_KEEP, {"which": key, **row}).rowcount == 0:
            self._run(_BEGIN, {"key": key, **row})
        self._unit.afterwards(lambda: self._follow(key, state))
        if due is not None:
            Timers(self._unit).set(Timer(TIMER, key, state.generation, due))

    def _log(self, alarm: Alarm, what: str, by: str, happened: Sequence[Event]) -> None:
        now = self._unit.now
        self._run(
            _NOTE, {"alarm": alarm.id, "what": what, "by": by, "at": now, "value": alarm.value}
        )
        self._unit.changed("alarm", view(alarm))
        self._unit.happened(*happened)

    def _run(self, statement: sa.Executable, row: dict[str, Any]) -> Any:
        return self._unit.session.connection().execute(statement, row)


def one(connection: sa.Connection, alarm: AlarmId) -> Alarm:
    """Return the alarm; KeyError when unknown."""
    found = connection.execute(_ONE, {"alarm": alarm}).first()
    if found is None:
        raise KeyError(alarm)
    return _alarm(found)


def listed(engine: sa.Engine, *, only_open: bool, limit: int) -> list[Alarm]:
    """Return alarms, the most urgent and newest first; of all, simply the newest first."""
    order = [ALARMS.c.priority] if only_open else []
    query = sa.select(*_COLUMNS).order_by(*order, ALARMS.c.raised_at.desc()).limit(limit)
    if only_open:
        query = query.where(ALARMS.c.open_key.is_not(None))
    with engine.connect() as connection:
        return [_alarm(row) for row in connection.execute(query)]


class Spell(NamedTuple):
    """From when to when a rule was true at a point; end None: it still is."""

    rule: str
    point: str
    begin: datetime
    end: datetime | None


def spells(engine: sa.Engine, rules: Sequence[str], since: datetime) -> list[Spell]:
    """Return how often and for how long rules were true, of alarms not over before `since`."""
    over = sa.or_(ALARMS.c.returned_at.is_(None), ALARMS.c.returned_at >= since)
    query = (
        sa.select(ALARMS.c.id, ALARMS.c.rule, ALARMS.c.point, LOG.c.what, LOG.c.at)
        .join(LOG, LOG.c.alarm == ALARMS.c.id)
        .where(ALARMS.c.rule.in_(rules), LOG.c.what.in_(("raise", "return")), over)
        .order_by(LOG.c.id)
    )
    found: list[Spell] = []
    begun: dict[str, int] = {}  # alarm -> the spell that goes on
    with engine.connect() as connection:
        for row in connection.execute(query):
            if row.what == "raise":
                begun[row.id] = len(found)
                found.append(Spell(row.rule, row.point, row.at, None))
            elif row.id in begun:
                place = begun.pop(row.id)
                found[place] = found[place]._replace(end=row.at)
    return found


def states(engine: sa.Engine) -> dict[str, RuleState]:
    """Return the state of every watch that ever left normal."""
    with engine.connect() as connection:
        return {row.key: _state(row) for row in connection.execute(sa.select(STATES))}


def _state(row: Any) -> RuleState:
    return RuleState(Phase(row.phase), row.since, row.spent_s, row.generation)


def _row(alarm: Alarm) -> dict[str, Any]:
    row = {name: getattr(alarm, name) for name in _NAMES}
    return row | {name: msgspec.json.encode(row[name]).decode() for name in _TEXTS}


def _moving(alarm: Alarm) -> dict[str, Any]:
    """Return what may change in the life of an alarm."""
    row = {name: getattr(alarm, name) for name in _MOVING}
    return row | {"title": msgspec.json.encode(alarm.title).decode()}


def _alarm(row: Any) -> Alarm:
    found: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    found |= {name: _text(found[name]) for name in _TEXTS}
    return Alarm(**found | {"life": Life(row.life)})
