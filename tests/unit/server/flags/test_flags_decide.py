from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.events import FlagEnded, FlagStands, WalkTestEnded
from server.flags import decide
from server.flags.model import LONGEST, MAY, Actor, Ask, Kind, SetOff, Target, view
from watchkeeper.documents import Text
from watchkeeper.errors import Forbidden, NotPossible, Refused
from watchkeeper.ids import AlarmId, PersonId, PointId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = Text("一区", "Zone 1")
ANNE = {
    role: Actor(PersonId(role), frozenset({role}))
    for role in ("admin", "operator", "technician", "manager")
}


def target(handling: str = "normal", points: tuple[str, ...] = ()) -> Target:
    return Target("alarm:r|u/p", handling, NAME, points=tuple(map(PointId, points)))  # type: ignore[arg-type] # a word


def ask(kind: Kind = Kind.SHELVED, hours: float | None = 1, **more: object) -> Ask:
    until = None if hours is None else NOON + timedelta(hours=hours)
    facts: dict[str, object] = {"reason": "known", "permit": "P-7"} | more
    return Ask(kind, until, **facts)  # type: ignore[arg-type] # by each case


@pytest.mark.serves("C2")
@pytest.mark.parametrize(
    ("kind", "handling", "who", "hours", "allowed"),
    [
        (Kind.SHELVED, "normal", "technician", 24, True),
        (Kind.SHELVED, "normal", "operator", 24.01, False),
        (Kind.SHELVED, "highly_managed", "operator", 8, True),
        (Kind.SHELVED, "highly_managed", "operator", 8.01, False),
        (Kind.SHELVED, "highly_managed", "technician", 1, False),
        (Kind.SHELVED, "life_safety", "admin", 0.1, False),
        (Kind.SUPPRESSED, "life_safety", "admin", 1, False),
        (Kind.SUPPRESSED, "normal", "operator", None, True),
        (Kind.OUT_OF_SERVICE, "life_safety", "operator", 1, False),
        (Kind.OUT_OF_SERVICE, "life_safety", "manager", 4, True),
        (Kind.OUT_OF_SERVICE, "life_safety", "admin", 4, True),
        (Kind.OUT_OF_SERVICE, "life_safety", "admin", 4.01, False),
        (Kind.OUT_OF_SERVICE, "normal", "operator", 48, True),
        (Kind.TEST, "life_safety", "operator", 4, True),
        (Kind.TEST, "life_safety", "admin", 4.01, False),
        (Kind.TEST, "normal", "technician", 1, False),
    ],
)
def test_who_may_hold_back_what_for_how_long(
    kind: Kind,
    handling: str,
    who: str,
    hours: float | None,
    allowed: bool,  # noqa: FBT001 - a table
) -> None:
    if allowed:
        flag, happened = decide.begin("f", target(handling), ask(kind, hours), ANNE[who], NOON)
        assert isinstance(happened, FlagStands)
        assert (happened.kind, happened.until) == (kind, flag.until)
        return
    with pytest.raises(Forbidden):
        decide.begin("f", target(handling), ask(kind, hours), ANNE[who], NOON)


def test_every_line_of_the_table_says_who_may() -> None:
    assert LONGEST.keys() == MAY.keys()
    assert not {(kind, "life_safety") for kind in (Kind.SHELVED, Kind.SUPPRESSED)} & LONGEST.keys()


@pytest.mark.parametrize(
    ("asked", "handling", "code"),
    [
        pytest.param(ask(reason="  "), "normal", "flags.reason-needed", id="no reason"),
        pytest.param(ask(hours=None), "normal", "flags.until-needed", id="for ever"),
        pytest.param(ask(hours=0), "normal", "flags.until-past", id="until now"),
        pytest.param(
            ask(Kind.OUT_OF_SERVICE, permit=" "), "life_safety", "flags.permit-needed",
            id="no permit",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(asked: Ask, handling: str, code: str) -> None:
    with pytest.raises(NotPossible) as refused:
        decide.begin("f", target(handling), asked, ANNE["admin"], NOON)
    assert refused.value.code == code


def test_an_extension_counts_from_now_and_makes_the_old_timer_void() -> None:
    flag, _ = decide.begin("f", target(), ask(hours=20), ANNE["operator"], NOON)
    later = NOON + timedelta(hours=19)
    longer, happened = decide.extend(
        flag, target(), ask(hours=40), ANNE["technician"], later
    )  # fmt: skip
    assert (longer.id, longer.since, longer.by, longer.generation) == ("f", NOON, "technician", 1)
    assert isinstance(happened, FlagStands)
    assert decide.due(longer, 1)
    assert not decide.due(longer, 0)
    with pytest.raises(Forbidden, match=r"flags\.too-long"):
        decide.extend(flag, target(), ask(hours=44), ANNE["operator"], later)


def test_a_flag_ends_once() -> None:
    flag, _ = decide.begin("f", target(), ask(), ANNE["operator"], NOON)
    over, (ended,) = decide.end(flag, [], PersonId("li"), "ended", NOON)
    assert ended == FlagEnded("f", Kind.SHELVED, flag.subject, "ended", PersonId("li"), NOON)
    assert not decide.due(over, over.generation)
    with pytest.raises(Refused, match=r"flags\.ended") as refused:
        decide.end(over, [], PersonId("wang"), "ended", NOON)
    assert refused.value.facts["by"] == "li"


def test_a_test_says_what_was_never_set_off() -> None:
    zone = target("life_safety", ("p/1", "p/2", "p/3"))
    flag, _ = decide.begin("f", zone, ask(Kind.TEST), ANNE["operator"], NOON)
    tested = [SetOff(PointId("p/2"), AlarmId("a"), NOON)]
    _, (_, said) = decide.end(flag, tested, PersonId("timer"), "expired", NOON)
    assert isinstance(said, WalkTestEnded)
    assert (said.tested, said.total, said.missing) == (1, 3, ("p/1", "p/3"))
    assert said.by == "operator"
    with pytest.raises(Refused, match=r"flags\.in-test"):
        decide.extend(flag, zone, ask(Kind.TEST), ANNE["operator"], NOON)


def test_only_a_test_shows_a_count() -> None:
    shelf, _ = decide.begin("f", target(), ask(), ANNE["operator"], NOON)
    assert "total" not in view(shelf, 0)
    trial = replace(shelf, kind=Kind.TEST, points=(PointId("p/1"),))
    assert (view(trial, 1)["tested"], view(trial, 1)["total"]) == (1, 1)
