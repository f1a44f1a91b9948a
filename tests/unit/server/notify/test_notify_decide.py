from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events import AlarmRaised, OrderMoved
from server.notify import decide
from server.notify.model import UNSENT, Delivery, Message, Reach, Recipient, State
from watchkeeper.channel import Answer, Outcome
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible
from watchkeeper.ids import AlarmId, OrderId, PersonId, PointId, UnitId
from watchkeeper.texts import Texts

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEXT = Text("火警", "Fire")
SENDING = Delivery("d1", "m1", "webhook", "", State.SENDING, NOON, lease_until=NOON)
RAISED = AlarmRaised(
    AlarmId("a1"), "r", 1, PointId("p"), UnitId("u"), "tower-a", "", 3, "normal", TEXT, TEXT,
    order=False, plan="", skill="", value=1.0, at=NOON,
)  # fmt: skip
OK, RETRY = Answer(Outcome.ACCEPTED), Answer(Outcome.RETRY, "busy")
FAILED, UNKNOWN = Answer(Outcome.FAILED, "no"), Answer(Outcome.UNKNOWN, "timeout")


def reader(name: str, role: str, *, on_shift: bool = True) -> Recipient:
    return Recipient(PersonId(name), name, frozenset({role}), on_shift, "zh", f"{name}@x")


def after(answers: list[Answer], *, urgent: bool) -> tuple[Delivery, list[float]]:
    """Return the delivery after these attempts and the waits between them, s."""
    each, now, waits = SENDING, NOON, list[float]()
    for answer in answers:
        each = decide.attempted(replace(each, state=State.SENDING), answer, now, urgent=urgent)
        waits.append((each.next_at - now).total_seconds())
        now = each.next_at
    return each, waits


@pytest.mark.serves("D5")
@pytest.mark.parametrize(
    ("answers", "urgent", "state", "waits"),
    [
        pytest.param([OK], False, "accepted", [0], id="at once"),
        pytest.param([FAILED], True, "failed", [0], id="never"),
        pytest.param([RETRY, OK], False, "accepted", [15, 0], id="second time"),
        pytest.param([RETRY] * 4, False, "failed", [15, 60, 300, 0], id="given up"),
        pytest.param([RETRY] * 5, True, "failed", [2, 15, 60, 300, 0], id="life safety sooner"),
        pytest.param([UNKNOWN], False, "unknown", [0], id="a timeout is no failure"),
        pytest.param([UNKNOWN, OK], True, "accepted", [2, 0], id="life safety repeated"),
        pytest.param([UNKNOWN, UNKNOWN], True, "unknown", [2, 0], id="one repeat only"),
    ],
)
def test_attempts(answers: list[Answer], *, urgent: bool, state: str, waits: list[float]) -> None:
    each, waited = after(answers, urgent=urgent)
    assert (each.state.value, waited) == (state, waits)
    assert (each.attempts, each.lease_until) == (len(answers), None)
    assert each.repeat == (urgent and UNKNOWN in answers)


@given(
    answers=st.lists(st.sampled_from([RETRY, UNKNOWN]), min_size=7, max_size=7),
    urgent=st.booleans(),
)
def test_every_delivery_ends(answers: list[Answer], *, urgent: bool) -> None:
    each, tries = SENDING, 0
    for answer in answers:
        each = decide.attempted(each, answer, NOON, urgent=urgent)
        tries += 1
        if each.state not in UNSENT:
            break
    assert each.state in {State.FAILED, State.UNKNOWN}
    assert tries <= 6


def test_a_sender_that_died_leaves_doubt() -> None:
    assert decide.lost(SENDING, NOON, urgent=False).state is State.UNKNOWN
    again = decide.lost(SENDING, NOON, urgent=True)
    assert (again.state, again.repeat) == (State.RETRY, True)


@pytest.mark.parametrize(
    ("before", "mine", "others"),
    [
        ("pending", "cancelled", "cancelled"),
        ("retry", "cancelled", "cancelled"),
        ("accepted", "answered", "accepted"),
        ("unknown", "answered", "unknown"),
        ("sending", "sending", "sending"),
        ("failed", "failed", "failed"),
        ("simulated", "simulated", "simulated"),
    ],
)
def test_what_is_settled_is_not_sent_any_more(before: str, mine: str, others: str) -> None:
    each = replace(SENDING, state=State(before))
    assert decide.settled(each, answered=True).state.value == mine
    assert decide.settled(each, answered=False).state.value == others


@pytest.mark.parametrize(
    ("before", "kind", "state"),
    [
        ("accepted", "delivered", "delivered"),
        ("unknown", "delivered", "delivered"),
        ("delivered", "read", "read"),
        ("read", "delivered", "read"),
        ("pending", "read", "pending"),
        ("answered", "read", "answered"),
    ],
)
def test_receipts(before: str, kind: str, state: str) -> None:
    assert decide.receipt(replace(SENDING, state=State(before)), kind).state.value == state


def test_an_unknown_receipt_makes_no_sense() -> None:
    with pytest.raises(NotPossible, match=r"notify\.receipt-kind"):
        decide.receipt(SENDING, "lost")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, False),
        ({"priority": 2}, True),
        ({"priority": 2, "late": True}, False),
        ({"handling": "life_safety"}, True),
        ({"handling": "life_safety", "late": True}, True),
        ({"priority": 1, "rule": decide.NOBODY_REACHED}, False),
    ],
)
def test_which_alarms_are_told(change: dict[str, object], *, told: bool) -> None:
    event = replace(RAISED, **change)  # type: ignore[arg-type] # names are checked by replace
    assert decide.worth_telling(event) is told


def test_who_is_on_duty() -> None:
    on, off = reader("on", "operator"), reader("off", "operator", on_shift=False)
    admin, technician = reader("admin", "admin"), reader("tech", "technician")
    assert decide.duty([off, admin, on, technician]) == [on]
    assert decide.duty([off, admin, technician]) == [off]
    assert decide.duty([admin, technician]) == [admin]


@pytest.mark.parametrize(
    ("before", "after", "kind", "technician"),
    [
        ("assigned", "accepted", "order-accepted", False),
        ("on_hold", "accepted", "", False),
        ("in_progress", "on_hold", "order-on_hold", False),
        ("in_progress", "done", "order-done", False),
        ("done", "in_progress", "order-rejected", True),
        ("on_site", "in_progress", "", False),
        ("accepted", "cancelled", "order-cancelled", True),
        ("done", "verified", "", False),
    ],
)
def test_which_moves_are_news(before: str, after: str, kind: str, *, technician: bool) -> None:
    event = OrderMoved(
        OrderId("o"), None, before, after, PersonId("x"), NOON, None, 2, TEXT, "tower-a"
    )
    assert decide.news(event) == ((kind, technician) if kind else None)


def test_ways_out_of_the_house() -> None:
    message = Message(
        "m1", "k", PersonId("a"), "a", "zh", "s", "alarm", TEXT, TEXT, 1, at=NOON,
        life_safety=True,
    )  # fmt: skip
    both, person = Reach(webhook=True, mail=True), reader("a", "operator")
    pending = State.PENDING
    assert decide.outward(message, person, Reach()) == []
    assert decide.outward(message, person, both) == [
        ("webhook", "", pending), ("mail", "a@x", pending),
    ]  # fmt: skip
    assert decide.outward(message, replace(person, email=""), both) == [("webhook", "", pending)]
    assert decide.outward(message, person, both, ["webhook"]) == [("mail", "a@x", pending)]
    quiet = replace(message, kind="order-done")
    assert decide.outward(quiet, person, both) == [("webhook", "", pending)]


def test_a_drill_never_leaves_the_house() -> None:
    drill = Message(
        "m1", "k", PersonId("a"), "a", "zh", "s", "role", TEXT, TEXT, 1, at=NOON,
        life_safety=False, exercise=True,
    )  # fmt: skip
    ways = decide.outward(drill, reader("a", "operator"), Reach(webhook=True, mail=True))
    assert {state for _, _, state in ways} == {State.SIMULATED}


def test_words_take_facts_of_two_languages() -> None:
    texts = Texts({"k": Text("{place}：{n}", "{place}: {n}")})
    assert decide.words(texts, "k", place=TEXT, n="3") == Text("火警：3", "Fire: 3")


def test_exhausted() -> None:
    failed = replace(SENDING, state=State.FAILED)
    assert decide.exhausted([failed, failed])
    assert not decide.exhausted([failed, replace(failed, state=State.UNKNOWN)])
    assert not decide.exhausted([])
    assert decide.WAITS[0] == timedelta(seconds=15)
