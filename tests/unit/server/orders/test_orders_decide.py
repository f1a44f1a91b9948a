from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events import OrderAssigned, OrderJoined, OrderMoved, OrderOpened
from server.orders import decide
from server.orders.model import (
    ENDED,
    LIMITS,
    REOPEN_WITHIN,
    Actor,
    Hold,
    Move,
    OpenOrder,
    Order,
    State,
    Technician,
    Verb,
)
from watchkeeper.documents import Text
from watchkeeper.errors import Forbidden, NotPossible, Refused
from watchkeeper.ids import AlarmId, OrderId, PersonId, UnitId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WANG, LIU = PersonId("wangqiang"), PersonId("liumin")
TECHNICIAN = Actor(WANG, frozenset({"technician"}))
OPERATOR = Actor(PersonId("chenlei"), frozenset({"operator"}))
MANAGER = Actor(PersonId("zhaoyan"), frozenset({"manager"}))
ADMIN = Actor(PersonId("admin"), frozenset({"admin"}))
OPENING = OpenOrder(
    "hvac-1/feeder-overload", AlarmId("alm_1"), UnitId("hvac-1"), "tower-a/B1", 2, "electrical",
    Text("空调 1 过载", "HVAC 1: overload"), life_safety=False,
)  # fmt: skip


def an_order(state: State, person: PersonId | None = WANG, **more: object) -> Order:
    order, _ = decide.open_order(OPENING, OrderId("ord_1"), NOON)
    free = state in {State.NEW, State.TRIAGED}
    held = State.IN_PROGRESS if state is State.ON_HOLD else None
    done = NOON if state in {State.DONE, State.VERIFIED, State.CLOSED} else None
    facts = {"state": state, "person": None if free else person, "held_in": held, "done_at": done}
    return replace(order, **(facts | more))  # type: ignore[arg-type] # names are checked by replace


def said(verb: Verb) -> Move:
    return Move(verb, reason="part", person=LIU)


# The table of docs/dispatch.md once more, written by hand: verb, from, to, who may.
TABLE = [
    ("assign", "triaged assigned accepted en_route on_site in_progress on_hold", "assigned", "o"),
    ("accept", "assigned", "accepted", "t"),
    ("decline", "assigned accepted", "triaged", "t"),
    ("depart", "accepted", "en_route", "t"),
    ("arrive", "en_route", "on_site", "t"),
    ("start", "on_site", "in_progress", "t"),
    ("hold", "accepted en_route on_site in_progress", "on_hold", "ot"),
    ("resume", "on_hold", "in_progress", "ot"),
    ("done", "in_progress", "done", "t"),
    ("verify", "done", "verified", "o"),
    ("reject", "done verified", "in_progress", "o"),
    ("close", "verified", "closed", "o"),
    ("cancel", "new triaged assigned accepted en_route on_site in_progress on_hold",
     "cancelled", "o"),
    ("duplicate", "new triaged assigned accepted en_route on_site in_progress on_hold",
     "duplicate", "o"),
]  # fmt: skip


@pytest.mark.serves("D2")
@pytest.mark.parametrize(("verb", "starts", "end", "who"), TABLE, ids=lambda v: str(v)[:12])
@pytest.mark.parametrize("state", State)
def test_every_move_is_allowed_where_the_table_says_so_and_nowhere_else(
    verb: str, starts: str, end: str, who: str, state: State
) -> None:
    actor = OPERATOR if "o" in who else TECHNICIAN
    order = an_order(state)
    if verb == "accept" and state is State.TRIAGED:
        starts += " triaged"  # nobody has it: anybody may take it
    if state.value in starts.split():
        after, happened = decide.move(order, said(Verb(verb)), actor, NOON)
        assert after.state.value == end
        assert isinstance(happened[0], OrderMoved)
        assert (happened[0].before, happened[0].after) == (state.value, end)
        assert after.notes[-1].by == actor.id
    else:
        with pytest.raises(Refused) as refused:
            decide.move(order, said(Verb(verb)), actor, NOON)
        assert refused.value.facts["state"] == state.value


@pytest.mark.parametrize(
    ("verb", "starts", "who"), [(verb, starts, who) for verb, starts, _, who in TABLE]
)
def test_who_may_not_is_told_so(verb: str, starts: str, who: str) -> None:
    order = an_order(State(starts.rsplit(maxsplit=1)[-1]))
    others = [MANAGER]
    others += [OPERATOR] if "o" not in who else []
    others += [TECHNICIAN] if "t" not in who else [replace(TECHNICIAN, id=LIU)]
    for actor in others:
        with pytest.raises(Forbidden, match=r"orders\.not-yours"):
            decide.move(order, said(Verb(verb)), actor, NOON)
        may = decide.may(order.state, order.person, actor, life_safety=False)
        assert verb not in may


@given(st.sampled_from(State), st.sampled_from([TECHNICIAN, OPERATOR, MANAGER, ADMIN]))
def test_what_one_may_is_what_works(state: State, actor: Actor) -> None:
    order = an_order(state)
    may = decide.may(state, order.person, actor, life_safety=False)
    for verb in decide.BY_PEOPLE:
        try:
            decide.move(order, said(verb), actor, NOON)
        except (Refused, Forbidden):
            assert verb.value not in may
        else:
            assert verb.value in may


def test_an_administrator_may_what_an_operator_may() -> None:
    for state in State:
        order = an_order(state)
        mays = [decide.may(state, order.person, a, life_safety=False) for a in (ADMIN, OPERATOR)]
        assert mays[0] == mays[1]


@pytest.mark.serves("D1")
def test_a_new_order_is_triaged_at_once() -> None:
    order, happened = decide.open_order(OPENING, OrderId("ord_1"), NOON)
    assert (order.state, order.alarm) == (State.TRIAGED, "alm_1")
    assert [type(event) for event in happened] == [OrderOpened, OrderMoved]


def test_the_second_to_accept_hears_who_was_first() -> None:
    free = an_order(State.TRIAGED)
    first, _ = decide.move(free, Move(Verb.ACCEPT), TECHNICIAN, NOON)
    with pytest.raises(Refused, match=r"orders\.taken") as told:
        decide.move(first, Move(Verb.ACCEPT), replace(TECHNICIAN, id=LIU), NOON)
    assert told.value.facts["person"] == WANG


@pytest.mark.parametrize("verb", [Verb.CANCEL, Verb.REJECT, Verb.HOLD, Verb.DUPLICATE])
def test_what_needs_a_reason_is_not_possible_without(verb: Verb) -> None:
    order = an_order(State.DONE if verb is Verb.REJECT else State.IN_PROGRESS)
    with pytest.raises(NotPossible, match=r"orders\.reason-missing"):
        decide.move(order, Move(verb, reason=" "), OPERATOR, NOON)


def test_an_order_about_life_safety_is_never_paused() -> None:
    order = an_order(State.IN_PROGRESS, life_safety=True)
    with pytest.raises(Refused, match=r"orders\.no-hold"):
        decide.move(order, Move(Verb.HOLD, reason="part"), TECHNICIAN, NOON)
    assert "hold" not in decide.may(order.state, WANG, TECHNICIAN, life_safety=True)


def test_a_hold_goes_on_where_it_began() -> None:
    held, _ = decide.move(an_order(State.EN_ROUTE), said(Verb.HOLD), TECHNICIAN, NOON)
    resumed, _ = decide.move(held, Move(Verb.RESUME), TECHNICIAN, NOON + timedelta(hours=2))
    assert (resumed.state, resumed.held_in) == (State.EN_ROUTE, None)
    assert resumed.holds == (Hold(NOON, NOON + timedelta(hours=2), "part"),)


def test_a_return_alone_never_closes_an_order() -> None:
    order, _ = decide.returned(an_order(State.ACCEPTED), AlarmId("alm_1"), NOON, quiet=True)
    assert order.state is State.ACCEPTED
    assert order.notes[-1].what == "orders.did.returned"


@pytest.mark.serves("D2")
def test_a_finished_order_is_verified_and_closed_by_telemetry() -> None:
    order = an_order(State.IN_PROGRESS)
    order, _ = decide.move(order, Move(Verb.DONE, cause="fan", remedy="new"), TECHNICIAN, NOON)
    assert decide.settle(order, NOON, quiet=False) == (order, [])
    order, happened = decide.settle(order, NOON, quiet=True)
    assert order.state is State.CLOSED
    assert [note.by for note in order.notes[-2:]] == ["telemetry", "telemetry"]
    moves = [event.after for event in happened if isinstance(event, OrderMoved)]
    assert moves == ["verified", "closed"]


def test_an_order_without_an_alarm_waits_for_an_operator() -> None:
    order = an_order(State.DONE, alarm=None)
    assert decide.settle(order, NOON, quiet=True) == (order, [])


def test_a_storm_does_not_fill_the_history() -> None:
    order = an_order(State.ACCEPTED)
    for number in range(100):
        order, _ = decide.join(order, replace(OPENING, alarm=AlarmId(f"alm_{number}")), NOON)
    assert len(order.notes) < 30


@pytest.mark.parametrize(
    ("state", "after", "same"),
    [
        pytest.param(State.ACCEPTED, timedelta(days=9), True, id="open"),
        pytest.param(State.DONE, timedelta(days=9), True, id="done, not verified"),
        pytest.param(State.CLOSED, REOPEN_WITHIN, True, id="closed just now"),
        pytest.param(State.CLOSED, REOPEN_WITHIN + timedelta(seconds=1), False, id="too late"),
        pytest.param(State.CANCELLED, timedelta(), False, id="cancelled"),
    ],
)
def test_same_fault(state: State, after: timedelta, *, same: bool) -> None:
    assert decide.same_fault(an_order(state), NOON + after) is same


@pytest.mark.serves("D1")
@pytest.mark.parametrize("state", [State.DONE, State.VERIFIED, State.CLOSED])
def test_the_same_fault_again_reopens_the_order(state: State) -> None:
    again = replace(OPENING, alarm=AlarmId("alm_2"))
    order, happened = decide.join(an_order(state, tried=(LIU,)), again, NOON)
    assert (order.state, order.person, order.tried) == (State.TRIAGED, None, ())
    assert (order.reopened, order.done_at) == (1, None)
    assert [type(event) for event in happened] == [OrderJoined, OrderMoved]


def test_joining_takes_the_more_urgent_priority() -> None:
    order, _ = decide.join(an_order(State.ACCEPTED), replace(OPENING, priority=1), NOON)
    assert order.priority == 1


PEOPLE = [
    Technician(PersonId("a"), frozenset({"electrical"}), on_shift=True, load=2),
    Technician(PersonId("b"), frozenset({"electrical"}), on_shift=True, load=1),
    Technician(PersonId("c"), frozenset({"elevator"}), on_shift=True, load=0),
    Technician(PersonId("d"), frozenset({"electrical"}), on_shift=False, load=0),
    Technician(PersonId("e"), frozenset({"electrical"}), on_shift=True, load=1),
]


@pytest.mark.serves("D3")
@pytest.mark.parametrize(
    ("change", "names"),
    [
        pytest.param({}, "b e a", id="skill, shift, load, name"),
        pytest.param({"priority": 1}, "b e a d", id="off shift for critical"),
        pytest.param({"skill": ""}, "c b e a", id="anybody"),
        pytest.param({"skill": "elevator"}, "c", id="one"),
        pytest.param({"skill": "fire"}, "", id="nobody"),
        pytest.param({"tried": (PersonId("b"),)}, "e a", id="not asked twice"),
    ],
)
def test_rank(change: dict[str, object], names: str) -> None:
    order = replace(an_order(State.TRIAGED), **change)  # type: ignore[arg-type] # as above
    assert [one.id for one in decide.rank(order, PEOPLE)] == names.split()


def test_an_offer_says_why() -> None:
    order, happened = decide.assign(an_order(State.TRIAGED), PEOPLE, NOON)
    assert (order.state, order.person, order.offers) == (State.ASSIGNED, "b", 1)
    assert order.reasons == (
        "orders.reason.skill-electrical", "orders.reason.on-shift", "orders.reason.fewest-orders",
    )  # fmt: skip
    assert isinstance(happened[-1], OrderAssigned)
    assert decide.offer_ends(order) == NOON + timedelta(seconds=180)
    urgent = replace(order, priority=1)
    assert decide.offer_ends(urgent) == NOON + timedelta(seconds=60)


def test_only_the_present_offer_times_out() -> None:
    order, _ = decide.assign(an_order(State.TRIAGED), PEOPLE, NOON)
    assert decide.timed_out(order, 0, NOON) == (order, [])
    free, _ = decide.timed_out(order, 1, NOON)
    assert (free.state, free.person, free.tried) == (State.TRIAGED, None, ("b",))
    accepted, _ = decide.move(
        order, Move(Verb.ACCEPT), Actor(PersonId("b"), TECHNICIAN.roles), NOON
    )
    assert decide.timed_out(accepted, 1, NOON) == (accepted, [])


def test_due_times_stop_with_their_clock() -> None:
    limits = LIMITS[2]
    due = decide.due(an_order(State.ASSIGNED), NOON)
    assert (due.respond, due.restore) == (NOON + limits.respond, NOON + limits.restore)
    accepted, _ = decide.move(an_order(State.ASSIGNED), Move(Verb.ACCEPT), TECHNICIAN, NOON)
    assert decide.due(accepted, NOON).respond is None
    assert decide.due(an_order(State.DONE), NOON) == decide.Due(None, None)


@pytest.mark.serves("D2")
@given(
    spans=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=6),
    last_goes_on=st.booleans(),
)
def test_the_due_time_is_that_of_a_count_of_minutes(
    spans: list[tuple[int, int]], *, last_goes_on: bool
) -> None:
    minute, at, holds, paused = timedelta(minutes=1), 0, [], set[int]()
    for work, pause in spans:
        begin, at = at + work, at + work + pause
        holds.append(Hold(NOON + begin * minute, NOON + at * minute, "part"))
        paused |= set(range(begin, at))
    if holds and last_goes_on:
        holds[-1] = replace(holds[-1], until=None)
    order = an_order(State.IN_PROGRESS, holds=tuple(holds))
    left, clock = LIMITS[2].restore // minute, 0
    while left:
        left -= clock not in paused
        clock += 1
    assert decide.due(order, NOON + at * minute).restore == NOON + clock * minute


def test_a_token_is_128_bits_and_only_its_hash_is_kept() -> None:
    token = decide.link_token(b"key", "nonce")
    assert len(bytes.fromhex(token)) == 16
    assert decide.link_token(b"other", "nonce") != token != decide.link_token(b"key", "other")
    assert token not in decide.link_hash(token)


def test_ended_orders_are_not_open() -> None:
    assert {state for state in State if not an_order(state).open} == ENDED
