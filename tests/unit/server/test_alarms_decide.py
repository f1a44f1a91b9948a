from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.alarms import decide
from server.alarms.model import (
    Acknowledge,
    Alarm,
    Bounds,
    Codes,
    Effect,
    Life,
    Phase,
    Rule,
    RuleState,
    Truth,
)
from watchkeeper.documents import Text
from watchkeeper.errors import Refused
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEXT = Text("火警", "Fire")
OVERLOAD = Bounds(high=200, inner_high=190)
FIRE = Codes(frozenset({1.0}))
FAULT = Codes(frozenset({0.0}), inverted=True)
RING = Rule(key="ring", revision=1, priority=1, title=TEXT, guidance=TEXT)
SLOW = Rule(
    key="slow", revision=1, priority=2, title=TEXT, guidance=TEXT, on_delay_s=5, off_delay_s=10
)
RUNG = Alarm(
    AlarmId("a1"), "ring", 1, PointId("u/p"), UnitId("u"), "", "", 1, "life_safety",
    Life.UNACKNOWLEDGED, TEXT, TEXT, 1.0, None, "", NOON, NOON,
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "phase", "value", "truth"),
    [
        pytest.param(OVERLOAD, Phase.NORMAL, 200, False, id="at the limit is not over it"),
        pytest.param(OVERLOAD, Phase.NORMAL, 201, True, id="over the limit"),
        pytest.param(OVERLOAD, Phase.ACTIVE, 195, True, id="inside the deadband it stays"),
        pytest.param(OVERLOAD, Phase.PENDING, 195, True, id="while pending too"),
        pytest.param(OVERLOAD, Phase.ACTIVE, 190, False, id="below the deadband it is over"),
        pytest.param(OVERLOAD, Phase.LEAVING, 195, False, id="a return is not undone inside"),
        pytest.param(OVERLOAD, Phase.NORMAL, None, None, id="unknown is not normal"),
        pytest.param(OVERLOAD, Phase.ACTIVE, nan, None, id="NaN is unknown"),
        pytest.param(Bounds(low=198, inner_low=200), Phase.NORMAL, 197, True, id="under a low one"),
        pytest.param(Bounds(low=198, inner_low=200), Phase.ACTIVE, 199, True, id="low deadband"),
        pytest.param(FIRE, Phase.NORMAL, 1, True, id="code"),
        pytest.param(FIRE, Phase.NORMAL, 2, False, id="another code"),
        pytest.param(FAULT, Phase.NORMAL, 52, True, id="none of"),
        pytest.param(FAULT, Phase.ACTIVE, 0, False, id="none of, normal"),
    ],
)
def test_when_a_rule_is_true(
    condition: Bounds | Codes, phase: Phase, value: float | None, truth: Truth
) -> None:
    assert decide.evaluate(condition, phase, value) is truth


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def run(rule_: Rule, *told: tuple[float, bool | None]) -> tuple[RuleState, list[Effect]]:
    state, effects = RuleState(), []
    for seconds, truth in told:
        state, effect = decide.step(rule_, state, truth, at(seconds))
        effects.append(effect)
    return state, [effect for effect in effects if effect is not Effect.NONE]


def test_without_a_delay_it_rings_at_once() -> None:
    state, effects = run(RING, (0, True))
    assert (state.phase, effects) == (Phase.ACTIVE, [Effect.RAISE])


def test_a_delay_ends_by_the_time_of_the_readings_too() -> None:
    assert run(SLOW, (0, True), (4.9, True))[1] == []
    assert run(SLOW, (0, True), (5, True))[1] == [Effect.RAISE]


def test_a_gap_freezes_a_delay_and_keeps_what_was_spent() -> None:
    state, effects = run(SLOW, (0, True), (3, None), (100, True), (101.9, True))
    assert (state.phase, effects) == (Phase.PENDING, [])
    assert run(SLOW, (0, True), (3, None), (100, True), (102, True))[1] == [Effect.RAISE]


def test_a_return_that_is_undone_says_nothing() -> None:
    state, effects = run(SLOW, (0, True), (5, True), (6, False), (7, True), (30, True))
    assert (state.phase, effects) == (Phase.ACTIVE, [Effect.RAISE])


def test_a_timer_of_an_older_state_changes_nothing() -> None:
    first, _ = run(SLOW, (0, True))
    second, _ = run(SLOW, (0, True), (1, False), (2, True))
    assert decide.expire(second, first.generation) == (second, Effect.NONE)
    assert decide.expire(second, second.generation)[1] is Effect.RAISE


Truths = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from([True, False, None])), min_size=1, max_size=30
)


@given(Truths)
def test_raise_and_return_alternate_and_moves_foresees_every_change(
    steps: list[tuple[float, bool | None]],
) -> None:
    state, now, effects = RuleState(), 0.0, []
    for pause, truth in steps:
        now += pause
        foreseen = decide.moves(state, truth)
        after, effect = decide.step(SLOW, state, truth, at(now))
        left = decide.left_s(SLOW, state)
        timer = left is not None and state.since is not None and at(now) >= state.since
        assert foreseen or after == state or timer, "only the end of a delay may be unforeseen"
        assert not foreseen or after != state
        state = after
        effects += [effect] if effect is not Effect.NONE else []
    assert effects == [Effect.RAISE, Effect.RETURN] * (len(effects) // 2) + [Effect.RAISE] * (
        len(effects) % 2
    )


@given(
    st.sampled_from(
        [OVERLOAD, Bounds(198, 235, 200, 233), Bounds(low=3, inner_low=4), FIRE, FAULT]
    ),
    st.sampled_from(list(Phase)),
    st.floats(0, 400),
    st.floats(0, 400),
)
@settings(max_examples=400)
def test_nothing_inside_the_quiet_band_changes_the_truth(
    condition: Bounds | Codes, phase: Phase, last: float, value: float
) -> None:
    low, high, _ = decide.quiet(condition, RuleState(phase), last)
    if low <= value <= high:
        truth = decide.evaluate(condition, phase, value)
        settled = phase in {Phase.PENDING, Phase.ACTIVE, Phase.SHIFTING}
        unchanged = decide.evaluate(condition, phase, last)
        assert truth == (unchanged if isinstance(condition, Codes) else settled)


def test_the_quiet_band_of_a_code_nobody_has_seen_is_empty() -> None:
    assert decide.quiet(FIRE, RuleState(), nan)[:2] == (inf, -inf)


def test_a_second_acknowledgement_is_told_who_was_first() -> None:
    seen = decide.acknowledge(RUNG, Acknowledge(RUNG.id, PersonId("li")), NOON)
    with pytest.raises(Refused, match=r"alarms\.not-unacknowledged") as refused:
        decide.acknowledge(seen, Acknowledge(RUNG.id, PersonId("wang")), NOON)
    assert refused.value.facts["by"] == "li"


def test_a_raise_soon_after_the_return_is_flapping_and_later_a_new_trouble() -> None:
    over = decide.returned(RUNG, at(10))
    assert decide.raised(over, at(20), 1.0, TEXT)[1] is True
    again, flapping = decide.raised(over, at(10 + 600), 1.0, TEXT)
    assert (flapping, again.count, again.returned_at) == (False, 2, None)


def test_the_first_run_of_an_alarm_stays_and_the_newest_order_shows() -> None:
    linked = decide.linked(decide.linked(RUNG, order="o1", run="r1"), order="o2", run="r2")
    assert (linked.order, linked.run) == ("o2", "r1")


class LifeOfAnAlarm(RuleBasedStateMachine):
    """No walk loses a raise, a return or an acknowledgement, and none is ever stuck."""

    def __init__(self) -> None:
        super().__init__()
        self.alarm, self.true, self.seen, self.raises = RUNG, True, False, 1

    @precondition(lambda self: self.alarm.life is not Life.NORMAL and not self.seen)
    @rule()
    def acknowledge(self) -> None:
        command = Acknowledge(self.alarm.id, PersonId("li"))
        self.alarm, self.seen = decide.acknowledge(self.alarm, command, NOON), True

    @precondition(lambda self: self.true)
    @rule()
    def goes(self) -> None:
        self.alarm, self.true = decide.returned(self.alarm, NOON), False

    @precondition(lambda self: not self.true)
    @rule()
    def comes(self) -> None:
        if self.alarm.life is Life.NORMAL:
            self.alarm, self.raises = replace(RUNG), 0
        else:
            self.alarm, _ = decide.raised(self.alarm, NOON, 1.0, TEXT)
        self.true, self.seen, self.raises = True, False, self.raises + 1

    @precondition(lambda self: self.alarm.life is Life.UNACKNOWLEDGED)
    @rule()
    def a_second_raise_is_refused(self) -> None:
        with pytest.raises(Refused):
            decide.raised(self.alarm, NOON, 1.0, TEXT)

    @invariant()
    def the_life_says_what_is_so(self) -> None:
        expected = {
            (True, False): Life.UNACKNOWLEDGED,
            (True, True): Life.ACKNOWLEDGED,
            (False, False): Life.RETURNED,
            (False, True): Life.NORMAL,
        }
        assert self.alarm.life is expected[self.true, self.seen]
        assert self.alarm.count == self.raises


TestLifeOfAnAlarm = LifeOfAnAlarm.TestCase
TestLifeOfAnAlarm.pytestmark = [pytest.mark.serves("C2")]
