"""What every store of alarms does: the real one and the fake pass the same tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from server import events
from server.alarms import handlers
from server.alarms.handlers import Here
from server.alarms.model import (
    Acknowledge,
    Alarm,
    Bounds,
    Codes,
    Hold,
    Life,
    Phase,
    Rule,
    RuleState,
    Sample,
    Watch,
)
from server.alarms.ports import Alarms, Causes
from server.alarms.store import SqlAlarms
from server.causes_store import SqlCauses
from server.migrate import upgrade
from server.sql import open_engines
from server.unit import Unit
from tests.fakes_alarms import MemoryAlarms, MemoryCauses
from watchkeeper.documents import Text
from watchkeeper.errors import Refused
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEXT = Text("{equipment} 火警 {value}", "Fire at {equipment}: {value}")
RULE = Rule(key="fire", revision=3, priority=1, title=TEXT, guidance=TEXT, wants_order=True)


def plain(key: str, **more: Any) -> Rule:
    return Rule(key=key, revision=1, priority=2, title=TEXT, guidance=TEXT, **more)


WATCH = Watch(
    "fire|panel/d-1", RULE, PointId("panel/d-1"), UnitId("panel"), "tower-a/3", "zone-1",
    Codes(frozenset({1.0})), {"equipment": Text("控制器", "panel")}, {1.0: Text("火警", "Fire")},
)  # fmt: skip
SLOW = replace(
    WATCH, key="slow|panel/d-1", condition=Bounds(high=5, inner_high=4),
    rule=Rule(key="slow", revision=1, priority=3, title=TEXT, guidance=TEXT, on_delay_s=60),
)  # fmt: skip


Kept: TypeAlias = tuple[Alarms, Causes]


@contextmanager
def sql(url: str) -> Iterator[Kept]:
    engines = open_engines(url)
    upgrade(engines.write)
    with Session(engines.write) as session:
        unit = Unit(session, lambda _: {}, NOON)
        yield SqlAlarms(unit), SqlCauses(unit)
    for engine in engines:
        engine.dispose()


@contextmanager
def memory() -> Iterator[Kept]:
    alarms = MemoryAlarms()
    yield alarms, MemoryCauses(alarms)


@pytest.fixture
def kept(store_url: str) -> Iterator[Kept]:
    with sql(store_url) if store_url else memory() as store:
        yield store


@pytest.fixture
def alarms(kept: Kept) -> Alarms:
    return kept[0]


@pytest.fixture
def here(kept: Kept) -> Here:
    names = iter(range(100))
    return Here(kept[0], NOON, lambda prefix: f"{prefix}_{next(names)}", kept[1])


def rung(here: Here, watch: Watch = WATCH) -> Alarm:
    found = here.alarms.open_of(watch.key)
    assert found is not None
    return found


def test_an_unknown_alarm_is_a_key_error(alarms: Alarms) -> None:
    with pytest.raises(KeyError):
        alarms.get(AlarmId("nope"))
    assert alarms.open_of("nope") is None
    assert alarms.state("nope") == RuleState()


def test_an_alarm_comes_back_as_it_was_stored(here: Here) -> None:
    handlers.observe(WATCH, Sample(NOON, 1.0), here)
    alarm = rung(here)
    assert here.alarms.get(alarm.id) == alarm
    assert alarm.title == Text("控制器 火警 火警", "Fire at panel: Fire")
    full = replace(
        alarm, acknowledged_at=NOON, acknowledged_by=PersonId("li"), order="o1", run="r1", count=4
    )
    here.alarms.save(full, "order", "system")
    assert here.alarms.get(alarm.id) == full


def test_a_key_has_at_most_one_open_alarm(here: Here) -> None:
    handlers.observe(WATCH, Sample(NOON, 1.0), here)
    twin = replace(rung(here), id=AlarmId("twin"))
    with pytest.raises((ValueError, sa.exc.IntegrityError)):
        here.alarms.add(twin, WATCH.key)


def test_a_closed_alarm_gives_its_key_free(here: Here) -> None:
    handlers.observe(WATCH, Sample(NOON, 1.0), here)
    first = rung(here)
    handlers.acknowledge(Acknowledge(first.id, PersonId("li")), here)
    handlers.observe(WATCH, Sample(NOON, 0.0), here)
    assert here.alarms.open_of(WATCH.key) is None
    assert here.alarms.get(first.id).life is Life.NORMAL
    handlers.observe(WATCH, Sample(NOON, 1.0), here)
    assert rung(here).id != first.id


def test_a_second_acknowledgement_is_refused(here: Here) -> None:
    handlers.observe(WATCH, Sample(NOON, 1.0), here)
    command = Acknowledge(rung(here).id, PersonId("li"))
    handlers.acknowledge(command, here)
    with pytest.raises(Refused, match=r"alarms\.not-unacknowledged"):
        handlers.acknowledge(command, here)


def test_a_running_delay_is_kept_with_its_state(here: Here) -> None:
    handlers.observe(SLOW, Sample(NOON, 6.0), here)
    state = here.alarms.state(SLOW.key)
    assert (state.phase, state.since) == (Phase.PENDING, NOON)
    handlers.expire(SLOW, state.generation - 1, 6.0, here)
    assert here.alarms.open_of(SLOW.key) is None
    handlers.expire(SLOW, state.generation, 6.0, here)
    assert rung(here, SLOW).value == 6.0
    handlers.expire(SLOW, state.generation, 6.0, here)
    assert rung(here, SLOW).count == 1


def test_what_is_over_already_is_recorded_once_and_never_paged(here: Here) -> None:
    handlers.record_late(WATCH, Sample(NOON, 1.0), here)
    handlers.record_late(WATCH, Sample(NOON, 1.0), here)
    assert (rung(here).life, rung(here).late, rung(here).count) == (Life.RETURNED, True, 1)
    handlers.record_late(SLOW, Sample(NOON, 0.0), here)
    assert here.alarms.open_of(SLOW.key) is None


def test_what_is_late_adds_nothing_to_an_alarm_that_rings(here: Here) -> None:
    handlers.observe(WATCH, Sample(NOON, 1.0), here)
    before = rung(here)
    handlers.record_late(WATCH, Sample(NOON.replace(hour=11), 1.0), here)
    assert rung(here) == before


def test_a_notice_is_over_at_once_and_counts_until_it_is_seen(here: Here) -> None:
    for _ in range(2):
        handlers.notice(WATCH, NOON, here)
    assert (rung(here).life, rung(here).count) == (Life.RETURNED, 2)


def test_events_say_what_was_raised_and_what_is_over() -> None:
    alarms = MemoryAlarms()
    here = Here(alarms, NOON, lambda prefix: prefix, MemoryCauses(alarms))
    for value in (1.0, 0.0, 1.0):
        handlers.observe(WATCH, Sample(NOON, value), here)
    first, over, again = alarms.happened
    assert isinstance(first, events.AlarmRaised)
    assert isinstance(over, events.AlarmReturned)
    assert isinstance(again, events.AlarmRaised)
    assert (first.order, first.zone, first.repeat, again.repeat) == (True, "zone-1", False, True)


ROOT = replace(
    WATCH,
    key="mains|gen/l1",
    point=PointId("gen/l1"),
    unit=UnitId("gen"),
    zone="",
    rule=plain("mains", brings=["supply"]),
)
SYMPTOM = replace(
    WATCH, key="low|m-1/voltage", point=PointId("m-1/voltage"), unit=UnitId("m-1"), zone="",
    roots=(ROOT.key,), rule=plain("low", means="supply"),
)  # fmt: skip


def test_what_comes_while_its_root_rings_is_kept_and_quiet(here: Here) -> None:
    for watch in (ROOT, SYMPTOM):
        handlers.observe(watch, Sample(NOON, 1.0), here)
    root, symptom = rung(here, ROOT), rung(here, SYMPTOM)
    assert (root.cause, root.flags) == (None, ())
    assert (symptom.cause, symptom.flags, symptom.untold) == (root.id, ("suppressed",), True)
    assert [each.id for each in here.causes.caused_by(root.id)] == [symptom.id]


def test_a_root_explains_for_a_while_after_it_is_over(here: Here) -> None:
    for value in (1.0, 0.0):
        handlers.observe(ROOT, Sample(NOON, value), here)
    causes, root = here.causes, rung(here, ROOT)
    for since, found in ((NOON - timedelta(seconds=1), root.id), (NOON, None)):
        assert causes.root_of(["no|where/at-all", ROOT.key], since) == found
        assert causes.stands(root.id, since) == (found is not None)


def test_what_a_flag_holds_back_explains_nothing(here: Here) -> None:
    here.alarms.hold(Hold("flg_1", "test", "unit:gen"))
    for watch in (ROOT, SYMPTOM):
        handlers.observe(watch, Sample(NOON, 1.0), here)
    assert rung(here, ROOT).flags == ("test",)
    symptom = rung(here, SYMPTOM)
    assert (symptom.cause, symptom.flags, symptom.tellings) == (None, (), 1)


def test_what_came_before_its_root_can_be_found(here: Here) -> None:
    handlers.observe(SYMPTOM, Sample(NOON, 1.0), here)
    assert [each.key for each in here.causes.unexplained(NOON)] == [SYMPTOM.key]
    assert here.causes.unexplained(NOON + timedelta(seconds=1)) == []


def test_alarms_people_are_shown_are_counted_as_far_as_asked(here: Here) -> None:
    before = NOON - timedelta(minutes=10)
    for number in range(4):
        point = PointId(f"m-{number}/voltage")
        watch = replace(SYMPTOM, key=f"low|{point}", point=point)
        handlers.observe(watch, Sample(NOON, 1.0), here)
    assert [here.causes.recent(before, most) for most in (3, 9)] == [3, 4]
    assert here.causes.recent(NOON, 9) == 0


def test_a_flood_stands_until_it_is_over(here: Here) -> None:
    assert here.causes.flood() is None
    here.causes.flooding(NOON)
    assert here.causes.flood() == NOON
    here.causes.flooding(None)
    assert here.causes.flood() is None
