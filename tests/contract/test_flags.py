"""What every store of flags does: the real one and the fake pass the same tests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from server.events import AlarmRaised, AlarmReturned, FlagEnded
from server.flags import handlers
from server.flags.model import Actor, Ask, Flag, Kind, Target
from server.flags.ports import Here
from server.flags.store import SqlEnds, SqlFlags
from server.migrate import upgrade
from server.sql import open_engines
from server.unit import Unit
from tests.fakes_flags import MemoryEnds, MemoryFlags
from watchkeeper.documents import Text
from watchkeeper.errors import Refused
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = Text("一区", "Zone 1")
SHELF = Target("alarm:hot|u/p", "normal", NAME, AlarmId("a1"))
ZONE = Target("zone:z1", "life_safety", NAME, points=(PointId("panel/d-1"), PointId("panel/d-2")))
LI = Actor(PersonId("li"), frozenset({"operator"}))
RAISED = AlarmRaised(
    AlarmId("a1"), "fire", 1, PointId("panel/d-1"), UnitId("panel"), "", "z1", 1, "life_safety",
    NAME, NAME, order=False, plan="", skill="", value=1.0, at=NOON, held=("test",),
)  # fmt: skip


def ask(kind: Kind, hours: float = 1, *, one_shot: bool = False) -> Ask:
    return Ask(kind, NOON + timedelta(hours=hours), "known", one_shot=one_shot)


@pytest.fixture
def here(store_url: str) -> Iterator[Here]:
    names = iter(range(100))
    if not store_url:
        yield Here(MemoryFlags(), MemoryEnds(), NOON, lambda prefix: f"{prefix}_{next(names)}")
        return
    engines = open_engines(store_url)
    upgrade(engines.write)
    with Session(engines.write) as session:
        unit = Unit(session, lambda _: {}, NOON)
        yield Here(SqlFlags(unit), SqlEnds(unit), NOON, lambda prefix: f"{prefix}_{next(names)}")
    for engine in engines:
        engine.dispose()


def shelved(here: Here, *, one_shot: bool = False) -> Flag:
    return handlers.stand(SHELF, ask(Kind.SHELVED, one_shot=one_shot), LI, here)


def test_a_flag_comes_back_as_it_was_stored(here: Here) -> None:
    flag = shelved(here)
    assert here.flags.get(flag.id) == flag
    trial = handlers.stand(ZONE, ask(Kind.TEST), LI, here)
    assert here.flags.get(trial.id) == trial
    assert trial.points == ZONE.points
    with pytest.raises(KeyError):
        here.flags.get("none")


def test_a_subject_has_one_flag_of_a_kind(here: Here) -> None:
    first = shelved(here)
    again = handlers.stand(SHELF, ask(Kind.SHELVED, 3), LI, here)
    assert (again.id, again.until) == (first.id, NOON + timedelta(hours=3))
    assert here.flags.standing(Kind.SHELVED, [SHELF.subject, ZONE.subject]) == [again]
    with pytest.raises((ValueError, sa.exc.IntegrityError)):
        here.flags.add(again)


def test_a_flag_ends_by_a_person_or_its_timer_once(here: Here) -> None:
    flag = shelved(here)
    handlers.expire(flag.id, flag.generation + 1, here)
    assert here.flags.get(flag.id).ended_at is None
    handlers.expire(flag.id, flag.generation, here)
    handlers.expire(flag.id, flag.generation, here)
    assert (here.flags.get(flag.id).ended_why, here.flags.get(flag.id).ended_by) == (
        "expired", "timer",
    )  # fmt: skip
    with pytest.raises(Refused, match=r"flags\.not-standing"):
        handlers.end_of(Kind.SHELVED, SHELF.subject, PersonId("li"), here)
    new = shelved(here)
    assert new.id != flag.id
    assert handlers.end(new.id, PersonId("li"), here).ended_by == "li"


@pytest.mark.parametrize("one_shot", [True, False])
def test_a_one_shot_shelf_is_over_with_its_alarm(here: Here, one_shot: bool) -> None:  # noqa: FBT001
    flag = shelved(here, one_shot=one_shot)
    over = AlarmReturned(AlarmId("a1"), "hot", PointId("u/p"), UnitId("u"), NOON)
    for _ in range(2):
        handlers.alarm_returned(over, here)
    assert here.flags.get(flag.id).ended_why == ("returned" if one_shot else "")


def test_a_point_is_tested_once_and_others_are_not(here: Here) -> None:
    trial = handlers.stand(ZONE, ask(Kind.TEST), LI, here)
    for _ in range(2):
        handlers.alarm_raised(RAISED, here)
    assert [each.point for each in here.flags.tested(trial.id)] == ["panel/d-1"]
    with pytest.raises(Refused, match=r"flags\.in-test"):
        handlers.stand(ZONE, ask(Kind.TEST), LI, here)
    over = handlers.end(trial.id, PersonId("li"), here)
    assert over.ended_at == NOON


def test_an_end_is_said(here: Here) -> None:
    if isinstance(here.flags, MemoryFlags):
        flag = shelved(here)
        handlers.end(flag.id, PersonId("li"), here)
        assert isinstance(here.flags.happened[-1], FlagEnded)
