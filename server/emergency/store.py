"""Runs in SQL: plan_run, run_role, run_step, run_log, and which alarm belongs to which run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from server import timers
from server.emergency.model import (
    Call,
    Entry,
    Headcount,
    Plan,
    Run,
    State,
    StepRun,
    StepState,
    Timer,
)
from server.events import Event
from server.sql import Instant
from server.unit import Unit
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId, RunId

TIMER_KINDS = ("emergency.warning", "emergency.role", "emergency.step")


class PlanRunRow(SQLModel, table=True):
    """A run, with its copy of the plan."""

    __tablename__ = "plan_run"

    id: str = Field(primary_key=True)
    open_key: str | None = Field(unique=True)  # plan, mode and scope; NULL once it is over
    plan: str  # JSON, the snapshot: never changes
    sha256: str
    site: str
    mode: str
    scope: str
    place: str
    zone: str
    title: str  # JSON {zh, en}
    level: str
    state: str
    started_at: datetime = Field(sa_type=Instant, index=True)
    stable_at: datetime | None = Field(sa_type=Instant)
    ended_at: datetime | None = Field(sa_type=Instant)
    warning_due: datetime | None = Field(sa_type=Instant)
    warning_generation: int
    doubted_by: str | None
    alarms: str  # JSON list, in the order they came
    sources: str  # JSON list of points
    headcount: str  # JSON {found, missing} or null
    paused_at: datetime | None = Field(sa_type=Instant)


class RunAlarmRow(SQLModel, table=True):
    """An alarm is a signal of a run; of a later one too, if it rings again after the end."""

    __tablename__ = "run_alarm"

    alarm: str = Field(primary_key=True)
    run: str = Field(primary_key=True, index=True)


class RunRoleRow(SQLModel, table=True):
    """Who was asked for a role, who took it."""

    __tablename__ = "run_role"

    run: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    asked: str  # JSON list of person ids
    person: str | None
    person_name: str
    called_at: datetime | None = Field(sa_type=Instant)
    acknowledged_at: datetime | None = Field(sa_type=Instant)
    generation: int


class RunStepRow(SQLModel, table=True):
    """Where a step of a run stands."""

    __tablename__ = "run_step"

    run: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    state: str
    due_at: datetime | None = Field(sa_type=Instant)
    overdue: bool
    started_at: datetime | None = Field(sa_type=Instant)
    ended_at: datetime | None = Field(sa_type=Instant)
    by: str
    note: str
    generation: int


class RunLogRow(SQLModel, table=True):
    """The timeline; append only, each line sealed with the one before."""

    __tablename__ = "run_log"

    run: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    at: datetime = Field(sa_type=Instant)
    kind: str
    actor: str
    zh: str
    en: str
    pinned: bool
    prev_hash: str
    hash: str


_TABLES = SQLModel.metadata.tables
RUNS, ALARMS = _TABLES["plan_run"], _TABLES["run_alarm"]
ROLES, STEPS, LOG = _TABLES["run_role"], _TABLES["run_step"], _TABLES["run_log"]


class SqlRuns:
    """Runs in one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.session.connection()

    def get(self, run: RunId) -> Run:
        """Return the run; KeyError when unknown."""
        return one(self._connection, run)

    def active(self) -> Sequence[Run]:
        """Return the runs that have not ended, oldest first."""
        return listed(self._connection, only_open=True)

    def of_alarm(self, alarm: AlarmId) -> Run | None:
        """Return the newest run this alarm is a signal of, None when there is none."""
        both = sa.join(ALARMS, RUNS, ALARMS.c.run == RUNS.c.id)
        newest = RUNS.c.started_at.desc(), RUNS.c.id.desc()
        query = sa.select(RUNS.c.id).select_from(both).where(ALARMS.c.alarm == alarm)
        query = query.order_by(*newest).limit(1)
        found = self._connection.execute(query).scalar()
        return None if found is None else self.get(RunId(found))

    def save(self, run: Run, view: Mapping[str, Any], *happened: Event) -> None:
        """Store the run, show it to the screens, tell what happened."""
        row = _row(run)
        changed = self._connection.execute(
            sa.update(RUNS).where(RUNS.c.id == run.id).values(**row)
        ).rowcount
        if not changed:
            plan = msgspec.json.encode(run.plan).decode()
            self._connection.execute(sa.insert(RUNS).values(plan=plan, **row))
        self._replace(ROLES, run, (_call_row(run, call) for call in run.calls.values()))
        self._replace(STEPS, run, (_step_row(run, step) for step in run.steps.values()))
        self._append(run)
        self._unit.changed("run", view)
        self._unit.happened(*happened)

    def _replace(self, table: sa.Table, run: Run, rows: Iterable[dict[str, Any]]) -> None:
        self._connection.execute(sa.delete(table).where(table.c.run == run.id))
        self._connection.execute(sa.insert(table), list(rows))

    def _append(self, run: Run) -> None:
        known = sa.select(sa.func.max(LOG.c.seq)).where(LOG.c.run == run.id)
        last = self._connection.execute(known).scalar() or 0
        if fresh := [_line_row(run, line) for line in run.log if line.seq > last]:
            self._connection.execute(sa.insert(LOG), fresh)
        of_run = sa.select(ALARMS.c.alarm).where(ALARMS.c.run == run.id)
        linked = set(self._connection.execute(of_run).scalars())
        if joined := [each for each in run.alarms if each not in linked]:
            rows = [{"alarm": alarm, "run": run.id} for alarm in joined]
            self._connection.execute(sa.insert(ALARMS), rows)


class SqlTimers:
    """The server's timers, as emergency sets them."""

    def __init__(self, unit: Unit) -> None:
        self._timers = timers.Timers(unit)

    def set(self, timer: Timer) -> None:
        """Let it fire at its instant."""
        self._timers.set(timers.Timer(timer.kind, timer.subject, timer.generation, timer.due))


def one(connection: sa.Connection, run: RunId) -> Run:
    """Return the run; KeyError when unknown."""
    found = connection.execute(sa.select(RUNS).where(RUNS.c.id == run)).first()
    if found is None:
        raise KeyError(run)
    return _run(connection, found)


def listed(connection: sa.Connection, *, only_open: bool, limit: int = 200) -> list[Run]:
    """Return the open runs, oldest first; or all, newest first."""
    order = RUNS.c.started_at if only_open else RUNS.c.started_at.desc()
    query = sa.select(RUNS).order_by(order, RUNS.c.id).limit(limit)
    if only_open:
        query = query.where(RUNS.c.open_key.is_not(None))
    return [_run(connection, row) for row in connection.execute(query).all()]


_SAME = ("id", "sha256", "site", "mode", "scope", "place", "zone", "level", "started_at",
         "stable_at", "ended_at", "warning_due", "warning_generation", "doubted_by",
         "paused_at")  # fmt: skip
_CALL = [each.name for each in fields(Call) if each.name != "asked"]
_STEP = [each.name for each in fields(StepRun)]
_LINE = [each.name for each in fields(Entry) if each.name != "text"]
_plan = msgspec.json.Decoder(Plan).decode
_text = msgspec.json.Decoder(Text).decode
_ids = msgspec.json.Decoder(tuple[str, ...]).decode
_headcount = msgspec.json.Decoder(Headcount | None).decode


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _row(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _SAME} | {
        "open_key": None if run.over else f"{run.plan.key}|{run.mode}|{run.scope}",
        "state": run.state.value,
        "title": _json(run.title),
        "alarms": _json(run.alarms),
        "sources": _json(run.sources),
        "headcount": _json(run.headcount),
    }


def _call_row(run: Run, call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in _CALL} | {
        "run": run.id,
        "asked": _json(call.asked),
    }


def _step_row(run: Run, step: StepRun) -> dict[str, Any]:
    return {name: getattr(step, name) for name in _STEP} | {
        "run": run.id,
        "state": step.state.value,
    }


def _line_row(run: Run, line: Entry) -> dict[str, Any]:
    return {name: getattr(line, name) for name in _LINE} | {
        "run": run.id,
        "zh": line.text.zh,
        "en": line.text.en,
    }


def _run(connection: sa.Connection, row: Any) -> Run:
    plan = _plan(row.plan)
    calls = {each.role: _call(each) for each in _parts(connection, ROLES, row.id)}
    steps = {each.key: _step(each) for each in _parts(connection, STEPS, row.id)}
    lines = _parts(connection, LOG, row.id, LOG.c.seq)
    return Run(
        **{name: getattr(row, name) for name in _SAME},
        plan=plan,
        title=_text(row.title),
        state=State(row.state),
        alarms=tuple(AlarmId(each) for each in _ids(row.alarms)),
        sources=_ids(row.sources),
        headcount=_headcount(row.headcount),
        calls={role.key: calls[role.key] for role in plan.roles},
        steps={step.key: steps[step.key] for step in plan.steps},
        log=tuple(_line(each) for each in lines),
    )


def _parts(
    connection: sa.Connection, table: sa.Table, run: str, order: Any = None
) -> Sequence[Any]:
    return connection.execute(sa.select(table).where(table.c.run == run).order_by(order)).all()


def _call(row: Any) -> Call:
    asked = tuple(PersonId(each) for each in _ids(row.asked))
    return Call(**{name: getattr(row, name) for name in _CALL}, asked=asked)


def _step(row: Any) -> StepRun:
    found = {name: getattr(row, name) for name in _STEP}
    return StepRun(**found | {"state": StepState(row.state)})


def _line(row: Any) -> Entry:
    return Entry(**{name: getattr(row, name) for name in _LINE}, text=Text(row.zh, row.en))
