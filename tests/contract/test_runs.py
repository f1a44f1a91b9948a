"""Runs in memory and in SQLite behave the same."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from server.emergency import decide, handlers, store
from server.emergency.model import Headcount, Run, Said, StepState
from server.emergency.ports import Runs
from server.emergency.store import SqlRuns, SqlTimers
from server.migrate import upgrade
from server.sql import open_engines
from server.timers import TIMERS
from server.unit import Table, Unit
from tests.fakes import FixedClock
from tests.unit.server.emergency.cast import CHEN, ZHAO, MemoryRuns, Stage
from watchkeeper.ids import AlarmId, RunId


def nobody_reacts(_: Unit) -> Table:
    return defaultdict(tuple)


@contextmanager
def unit(url: str) -> Iterator[Unit]:
    engines = open_engines(url)
    upgrade(engines.write)
    with Session(engines.write) as session:
        yield Unit(session, nobody_reacts, FixedClock().now())
    for engine in engines:
        engine.dispose()


@contextmanager
def sql(url: str) -> Iterator[Runs]:
    with unit(url) as opened:
        yield SqlRuns(opened)


@pytest.fixture
def stage(store_url: str) -> Iterator[Stage]:
    with sql(store_url) if store_url else nullcontext(MemoryRuns()) as runs:
        yield Stage(runs)


def test_what_is_unknown_is_a_key_error(stage: Stage) -> None:
    with pytest.raises(KeyError):
        stage.runs.get(RunId("nope"))
    assert stage.runs.of_alarm(AlarmId("nope")) is None
    assert list(stage.runs.active()) == []


def test_what_is_saved_is_found_whole(stage: Stage) -> None:
    stage.rings(7)
    stage.rings(8)
    run = stage.run("alm_7")
    said = Said(note="in automatic", headcount=Headcount(4, 1))
    after = stage.does(run, lambda now, m: decide.move_step(now, "linkage", "done", CHEN, said, m))
    after = stage.does(after, lambda now, m: decide.take_role(now, "commander", ZHAO, m))
    found = stage.runs.get(run.id)
    assert found == after
    assert found.steps["linkage"].note == "in automatic"
    assert found.steps["call-119"].state is StepState.READY
    assert found.headcount == Headcount(4, 1)
    assert found.calls["commander"].person == ZHAO.id
    assert decide.intact(found)


def test_an_alarm_leads_to_its_newest_run(stage: Stage) -> None:
    stage.rings(7)
    first = stage.run("alm_7")
    aborted(stage, first)
    stage.pass_(10)
    stage.rings(7)
    second = stage.run("alm_7")
    assert second.id != first.id
    assert [run.id for run in stage.runs.active()] == [second.id]


def aborted(stage: Stage, run: Run) -> None:
    for by in (CHEN, ZHAO):
        stage.does(run, lambda now, m, by=by: decide.abort(now, "steam", by, m))


def test_the_oldest_active_run_stands_first(stage: Stage) -> None:
    stage.rings(7)
    stage.pass_(5)
    stage.rings(31)
    assert [run.scope for run in stage.runs.active()] == ["zone-1", "zone-2"]


def test_a_place_has_one_active_run_of_a_plan_in_the_table_too(url: str) -> None:
    with unit(url) as opened:
        stage = Stage(SqlRuns(opened))
        stage.rings(7)
        run = stage.run("alm_7")
        twin = decide.start(
            handlers.Opening(
                id=RunId("run_twin"), plan=run.plan, sha256=run.sha256, site=run.site,
                mode=run.mode, scope=run.scope, place=run.place, zone=run.zone, title=run.title,
            ),
            CHEN,
            stage.moment(run),
        ).run  # fmt: skip
        with pytest.raises(sa.exc.IntegrityError):
            stage.runs.save(twin, {})


def test_the_timeline_in_the_table_only_grows(url: str) -> None:
    with unit(url) as opened:
        stage = Stage(SqlRuns(opened))
        stage.rings(7)
        rows = sa.select(store.LOG).order_by(store.LOG.c.seq)
        before = opened.session.connection().execute(rows).all()
        stage.rings(8)
        after = opened.session.connection().execute(rows).all()
        assert after[: len(before)] == before
        assert len(after) > len(before)


def test_screens_are_told_with_every_change_and_events_wait_for_the_unit(url: str) -> None:
    with unit(url) as opened:
        stage = Stage(SqlRuns(opened))
        stage.rings(7)
        assert [change.kind for change in opened.changes] == ["run"]
        assert b'"state":"warning"' in opened.changes[0].body
        assert [type(event).__name__ for event in opened.seen] == ["RunStarted", "RoleCalled"]


def test_timers_are_rows_of_the_server(url: str) -> None:
    with unit(url) as opened:
        stage = Stage(SqlRuns(opened))
        stage.rings(7)
        for timer in stage.waiting:
            SqlTimers(opened).set(timer)
        rows = opened.session.connection().execute(sa.select(TIMERS)).all()
        assert {(row.kind, row.subject) for row in rows} == {
            ("emergency.warning", "run_1"),
            ("emergency.role", "run_1/verifier"),
        }
