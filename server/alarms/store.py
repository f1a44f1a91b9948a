"""Alarms and rule states in SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from math import nan
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server.alarms.model import Alarm, Hold, Life, Phase, RuleState, view
from server.conditions import NOTHING, Memory
from server.events import Event
from server.sql import Instant, upsert
from server.timers import Timer, Timers
from server.unit import Unit
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PointId, UnitId

TIMER = "rule"  # kind of the timers that end the delay of a rule
CALM = "alarm-calm"  # of those that ask whether an alarm chatters no more


# told where a watch stands, after the commit that put it there
Follow: TypeAlias = Callable[[str, RuleState], None]


class AlarmRow(SQLModel, table=True):
    """A row; never leaves this file."""

    __tablename__ = "alarm"
    __table_args__ = (
        sa.Index("alarm_newest", "point", "rule", "raised_at"),
        sa.Index("alarm_recorded", "recorded_at"),
    )

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
    override: int
    priority_max: int
    flags: str  # JSON
    shelved_until: datetime | None = Field(sa_type=Instant)
    untold: bool
    tellings: int
    raises: str  # JSON, Unix ms
    chatter_since: datetime | None = Field(sa_type=Instant)
    chatter_count: int
    fleeting: bool
    test: bool
    cause: str | None = Field(index=True)


class AlarmLogRow(SQLModel, table=True):
    """What was done to an alarm, by whom, when; append only."""

    __tablename__ = "alarm_log"

    id: int | None = Field(default=None, primary_key=True)
    alarm: str = Field(index=True)
    what: str  # raise, acknowledge, return, late, order, run, reset, worsen, shelved, …
    by: str
    at: datetime = Field(sa_type=Instant, index=True)  # when it was written
    source_at: datetime | None = Field(sa_type=Instant)  # when it was so, by the readings
    value: float | None
    note: str  # a person's reason


class AlarmHoldRow(SQLModel, table=True):
    """A flag that stands; its story is kept by server/flags."""

    __tablename__ = "alarm_hold"

    flag: str = Field(primary_key=True)
    kind: str
    subject: str = Field(index=True)
    until: datetime | None = Field(sa_type=Instant)


class RuleStateRow(SQLModel, table=True):
    """Where a rule stands at one point."""

    __tablename__ = "rule_state"

    key: str = Field(primary_key=True)
    phase: str
    since: datetime | None = Field(sa_type=Instant)
    spent_s: float
    generation: int
    grade: int
    toward: int
    memory: str  # JSON [[at…], [value…]], "" for nothing


ALARMS = SQLModel.metadata.tables["alarm"]
LOG = SQLModel.metadata.tables["alarm_log"]
STATES = SQLModel.metadata.tables["rule_state"]
HOLDS = SQLModel.metadata.tables["alarm_hold"]


def nobody(_key: str, _state: RuleState) -> None:
    """Follow no state: for units that move no rule."""


_NAMES = [each.name for each in fields(Alarm)]
_TEXTS = ("title", "guidance")
_MOVING = (
    "life", "value", "returned_at", "acknowledged_at", "acknowledged_by", "count", "order", "run",
    "priority", "priority_max", "flags", "shelved_until", "untold", "tellings", "raises",
    "chatter_since", "chatter_count", "fleeting", "test", "cause",
    "late",
)  # fmt: skip
COLUMNS = [ALARMS.c[name] for name in _NAMES]
_text = msgspec.json.Decoder(Text).decode
_instants = msgspec.json.Decoder(tuple[int, ...]).decode
_remembered = msgspec.json.Decoder(tuple[tuple[int, ...], tuple[float | None, ...]]).decode
_strings = msgspec.json.Decoder(tuple[str, ...]).decode

# Built once: making a statement costs more than running it.
_ONE = sa.select(*COLUMNS).where(ALARMS.c.id == sa.bindparam("alarm"))
_OPEN_OF = sa.select(*COLUMNS).where(ALARMS.c.open_key == sa.bindparam("key"))
_RINGING = sa.select(*COLUMNS).where(
    ALARMS.c.open_key.is_not(None),
    ALARMS.c.returned_at.is_(None),
    ALARMS.c.rule == sa.bindparam("rule"),
    ALARMS.c.unit == sa.bindparam("unit"),
    ALARMS.c.raised_at >= sa.bindparam("since"),
)
_NEWEST = (
    sa.select(*COLUMNS)
    .where(ALARMS.c.point == sa.bindparam("point"), ALARMS.c.rule == sa.bindparam("rule"))
    .order_by(ALARMS.c.raised_at.desc(), ALARMS.c.id.desc())
    .limit(1)
)
_HOLDS = sa.select(HOLDS).order_by(HOLDS.c.flag)
_HELD = "holds"  # what units of work remember them under: nearly none, asked for by every alarm
_ADD = sa.insert(ALARMS)
_SAVE = sa.update(ALARMS).where(ALARMS.c.id == sa.bindparam("which"))
_CLOSE = _SAVE.values(open_key=None)
_NOTE = sa.insert(LOG)
_STATE_OF = sa.select(STATES).where(STATES.c.key == sa.bindparam("key"))
_KEEP = upsert(STATES, "key")


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
        return None if found is None else alarm_of(found)

    def add(self, alarm: Alarm, key: str, *happened: Event) -> None:
        """Store a new alarm; IntegrityError when the key has an open one."""
        row = _row(alarm)
        self._run(_ADD, {"open_key": None if alarm.life is Life.NORMAL else key, **row})
        found_over = alarm.late and not alarm.active
        self._saved(alarm, "late" if found_over else "raise", "system", happened)

    def save(self, alarm: Alarm, what: str, by: str, *happened: Event, note: str = "") -> None:
        """Store what became of the alarm; a normal one gives its key free."""
        row = {"which": alarm.id, **_moving(alarm)}
        self._run(_CLOSE if alarm.life is Life.NORMAL else _SAVE, row)
        self._saved(alarm, what, by, happened, note)

    def log(self, alarm: Alarm, what: str, by: str, note: str = "") -> None:
        """Log something that changes nothing of the alarm."""
        now = self._unit.now
        said = {"alarm": alarm.id, "what": what, "by": by, "at": now, "value": alarm.value}
        self._run(_NOTE, said | {"note": note, "source_at": _source(alarm, what)})

    def newest(self, rule: str, point: PointId) -> Alarm | None:
        """Return the alarm of a watch that was raised last, open or not."""
        found = self._run(_NEWEST, {"rule": rule, "point": point}).first()
        return None if found is None else alarm_of(found)

    def ringing(self, rule: str, unit: UnitId, since: datetime) -> list[Alarm]:
        """Return the alarms of the rule at the unit that were raised since and are not over."""
        found = self._run(_RINGING, {"rule": rule, "unit": unit, "since": since})
        return [alarm_of(row) for row in found]

    def calm_at(self, key: str, due: datetime) -> None:
        """Set the timer that asks whether a watch chatters no more."""
        Timers(self._unit).set(Timer(CALM, key, 0, due))

    def hold(self, hold: Hold) -> None:
        """Store a flag, or what it has become."""
        self.unhold(hold.flag)  # and forgets what is remembered
        row = {name: getattr(hold, name) for name in ("flag", "kind", "subject", "until")}
        self._run(sa.insert(HOLDS), row)

    def unhold(self, flag: str) -> None:
        """Forget a flag; none is no error."""
        self._run(sa.delete(HOLDS).where(HOLDS.c.flag == flag), {})
        self._unit.forget(_HELD)

    def holds(self, subjects: Sequence[str]) -> list[Hold]:
        """Return the flags of any of these subjects."""
        held = self._unit.remembered(_HELD, self._all_holds)
        return [each for each in held if each.subject in subjects]

    def _all_holds(self) -> list[Hold]:
        found = self._run(_HOLDS, {})
        return [Hold(row.flag, row.kind, row.subject, row.until) for row in found]

    def touched(self, subject: str, kind: str) -> list[Alarm]:
        """Return the open alarms of a flag's subject, and others that carry its kind."""
        what, _, name = subject.partition(":")
        of = {
            "alarm": ALARMS.c.open_key == name,
            "point": ALARMS.c.point == name,
            "unit": (ALARMS.c.unit == name)
            | ALARMS.c.point.startswith(f"{name}/", autoescape=True),
            "zone": ALARMS.c.zone == name,
        }[what]
        carries = ALARMS.c.flags.contains(f'"{kind}"', autoescape=True)
        query = sa.select(*COLUMNS).where(ALARMS.c.open_key.is_not(None), of | carries)
        return [alarm_of(row) for row in self._run(query.order_by(ALARMS.c.id), {})]

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
            "grade": state.grade,
            "toward": state.toward,
            "memory": _kept(state.memory),
        }
        self._run(_KEEP, {"key": key, **row})
        self._unit.afterwards(lambda: self._follow(key, state))
        if due is not None:
            Timers(self._unit).set(Timer(TIMER, key, state.generation, due))

    def _saved(
        self, alarm: Alarm, what: str, by: str, happened: Sequence[Event], note: str = ""
    ) -> None:
        self.log(alarm, what, by, note)
        self._unit.changed("alarm", view(alarm))
        self._unit.happened(*happened)

    def _run(self, statement: sa.Executable, row: dict[str, Any]) -> Any:
        return self._unit.connection.execute(statement, row)


def _source(alarm: Alarm, what: str) -> datetime | None:
    """Return when a reading said so; None: no reading did."""
    if what == "raise":
        return alarm.raises[-1] if alarm.raises else alarm.raised_at
    return {"late": alarm.raised_at, "return": alarm.returned_at}.get(what)


def one(connection: sa.Connection, alarm: AlarmId) -> Alarm:
    """Return the alarm; KeyError when unknown."""
    found = connection.execute(_ONE, {"alarm": alarm}).first()
    if found is None:
        raise KeyError(alarm)
    return alarm_of(found)


Of: TypeAlias = Mapping[str, str | None]  # column -> what it must be; None: anything
ANY: Of = MappingProxyType({})


def listed(engine: sa.Engine, *, only_open: bool, limit: int, of: Of = ANY) -> list[Alarm]:
    """Return alarms, the most urgent and newest first; of all, simply the newest first."""
    order = [ALARMS.c.priority] if only_open else []
    query = sa.select(*COLUMNS).order_by(*order, ALARMS.c.raised_at.desc()).limit(limit)
    if only_open:
        query = query.where(ALARMS.c.open_key.is_not(None))
    for name, wanted in of.items():
        if wanted is not None:
            query = query.where(ALARMS.c[name] == wanted)
    with engine.connect() as connection:
        return [alarm_of(row) for row in connection.execute(query)]


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
    memory = _memory(row.memory) if row.memory else NOTHING
    phase = Phase(row.phase)
    return RuleState(phase, row.since, row.spent_s, row.generation, row.grade, row.toward, memory)


def _kept(memory: Memory) -> str:
    return "" if memory == NOTHING else msgspec.json.encode(memory).decode()  # NaN: null


def _memory(written: str) -> Memory:
    at, value = _remembered(written)
    return Memory(at, tuple(nan if each is None else each for each in value))


def _row(alarm: Alarm) -> dict[str, Any]:
    row = {name: getattr(alarm, name) for name in _NAMES}
    row |= {name: msgspec.json.encode(row[name]).decode() for name in _TEXTS}
    return row | _lists(alarm)


def _moving(alarm: Alarm) -> dict[str, Any]:
    """Return what may change in the life of an alarm."""
    row = {name: getattr(alarm, name) for name in _MOVING}
    return row | {"title": msgspec.json.encode(alarm.title).decode()} | _lists(alarm)


def _lists(alarm: Alarm) -> dict[str, str]:
    raises = [unix_ms(each) for each in alarm.raises]
    return {
        "flags": msgspec.json.encode(alarm.flags).decode(),
        "raises": msgspec.json.encode(raises).decode(),
    }


def alarm_of(row: Any) -> Alarm:
    """Return the alarm of a row of COLUMNS."""
    found: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    found |= {name: _text(found[name]) for name in _TEXTS}
    found["flags"] = _strings(found["flags"])
    found["raises"] = tuple(
        datetime.fromtimestamp(each / 1000, UTC) for each in _instants(found["raises"])
    )
    return Alarm(**found | {"life": Life(row.life)})
