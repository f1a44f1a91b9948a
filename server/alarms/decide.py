"""Alarm decisions: is the rule true, has it been true long enough, what may happen to the alarm."""

from dataclasses import replace
from datetime import datetime, timedelta
from math import inf, nextafter

from server.alarms.model import (
    Acknowledge,
    Alarm,
    Codes,
    Condition,
    Effect,
    Life,
    Phase,
    Rule,
    RuleState,
    Truth,
)
from watchkeeper.documents import Text
from watchkeeper.errors import Refused

FLAPPING = timedelta(minutes=10)  # a raise so soon after the return is the same trouble

# (life, what happens) -> life; everything else is refused
LIFE: dict[tuple[Life, str], Life] = {
    (Life.UNACKNOWLEDGED, "acknowledge"): Life.ACKNOWLEDGED,
    (Life.UNACKNOWLEDGED, "return"): Life.RETURNED,
    (Life.ACKNOWLEDGED, "return"): Life.NORMAL,
    (Life.RETURNED, "acknowledge"): Life.NORMAL,
    (Life.RETURNED, "raise"): Life.UNACKNOWLEDGED,
}

_RINGS = frozenset({Phase.ACTIVE, Phase.LEAVING})
_HOLDS = frozenset({Phase.PENDING, Phase.ACTIVE})


def evaluate(condition: Condition, phase: Phase, value: float | None) -> Truth:
    """Return whether the rule is true; None: unknown, which is not the same as normal.

    A limit that was true stays true until the value is a deadband inside the limit.
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(condition, Codes):
        return (value in condition.values) != condition.inverted
    if phase in _HOLDS:
        return value > condition.inner_high or value < condition.inner_low
    return value > condition.high or value < condition.low


def step(rule: Rule, state: RuleState, truth: Truth, at: datetime) -> tuple[RuleState, Effect]:
    """Return the state after learning `truth` at `at`, and what that does to the alarm.

    A gap (truth None) freezes a running delay; knowing again lets it run on.
    """
    if truth is None:
        return _frozen(state, at), Effect.NONE
    away = Phase.PENDING if truth else Phase.LEAVING  # where a delay starts
    if state.phase is (Phase.NORMAL if truth else Phase.ACTIVE):
        return _waited(rule, _moved(state, away, at), at)
    if state.phase is (Phase.LEAVING if truth else Phase.PENDING):
        return _moved(state, Phase.ACTIVE if truth else Phase.NORMAL), Effect.NONE
    return _waited(rule, _thawed(state, at), at)


def expire(state: RuleState, generation: int) -> tuple[RuleState, Effect]:
    """Return the state after a timer of `generation` fired; an old timer changes nothing."""
    if generation != state.generation or state.since is None:
        return state, Effect.NONE
    return _over(state)


def left_s(rule: Rule, state: RuleState) -> float | None:
    """Return the seconds the delay still has to run from `since`; None when none runs."""
    delay = _delay_s(rule, state.phase)
    return None if delay is None or state.since is None else max(delay - state.spent_s, 0.0)


def moves(state: RuleState, truth: Truth) -> bool:
    """Return whether learning `truth` changes the state; the end of a delay is a timer's matter."""
    delayed = state.phase in {Phase.PENDING, Phase.LEAVING}
    if truth is None:
        return delayed and state.since is not None
    if truth != (state.phase in _HOLDS):
        return True
    return delayed and state.since is None


def quiet(condition: Condition, phase: Phase, last: float) -> tuple[float, float]:
    """Return the interval in which no value changes the truth; `last` is the value judged last.

    An empty interval is (inf, -inf).
    """
    if isinstance(condition, Codes):
        return (last, last) if last == last else (inf, -inf)  # noqa: PLR0124 - NaN
    if phase not in _HOLDS:
        return condition.low, condition.high
    if last > condition.inner_high:
        return nextafter(condition.inner_high, inf), inf
    if last < condition.inner_low:
        return -inf, nextafter(condition.inner_low, -inf)
    return inf, -inf


def raised(alarm: Alarm, at: datetime, value: float | None, title: Text) -> tuple[Alarm, bool]:
    """Return the open alarm raised once more, and whether that is only flapping.

    Raises Refused: it rings already.
    """
    flapping = alarm.returned_at is not None and at - alarm.returned_at < FLAPPING
    again = replace(
        alarm, life=_life(alarm, "raise"), returned_at=None, value=value, title=title,
        count=alarm.count + 1,
    )  # fmt: skip
    return again, flapping


def returned(alarm: Alarm, at: datetime) -> Alarm:
    """Return the alarm after its rule is no longer true."""
    return replace(alarm, life=_life(alarm, "return"), returned_at=at)


def acknowledge(alarm: Alarm, command: Acknowledge, at: datetime) -> Alarm:
    """Return the acknowledged alarm; Refused names who was first."""
    after = _life(alarm, "acknowledge")
    return replace(alarm, life=after, acknowledged_at=at, acknowledged_by=command.by)


def linked(alarm: Alarm, order: str | None = None, run: str | None = None) -> Alarm:
    """Return the alarm with what takes care of it: its newest order, its first run."""
    return replace(alarm, order=order or alarm.order, run=alarm.run or run)


def _life(alarm: Alarm, what: str) -> Life:
    after = LIFE.get((alarm.life, what))
    if after is None:
        code = "alarms.not-unacknowledged" if what == "acknowledge" else f"alarms.no-{what}"
        raise Refused(code, alarm=alarm.id, state=alarm.life, by=alarm.acknowledged_by)
    return after


def _delay_s(rule: Rule, phase: Phase) -> float | None:
    if phase is Phase.PENDING:
        return rule.on_delay_s
    return rule.off_delay_s if phase is Phase.LEAVING else None


def _moved(state: RuleState, phase: Phase, since: datetime | None = None) -> RuleState:
    return RuleState(phase, since, 0.0, state.generation + 1)


def _frozen(state: RuleState, at: datetime) -> RuleState:
    if state.since is None:
        return state
    spent = state.spent_s + max((at - state.since).total_seconds(), 0.0)
    return RuleState(state.phase, None, spent, state.generation + 1)


def _thawed(state: RuleState, at: datetime) -> RuleState:
    if state.phase in {Phase.PENDING, Phase.LEAVING} and state.since is None:
        return replace(state, since=at, generation=state.generation + 1)
    return state


def _waited(rule: Rule, state: RuleState, at: datetime) -> tuple[RuleState, Effect]:
    """End a delay that is over by the time of the readings."""
    left = left_s(rule, state)
    if left is None or state.since is None or (at - state.since).total_seconds() < left:
        return state, Effect.NONE
    return _over(state)


def _over(state: RuleState) -> tuple[RuleState, Effect]:
    if state.phase is Phase.PENDING:
        return _moved(state, Phase.ACTIVE), Effect.RAISE
    return _moved(state, Phase.NORMAL), Effect.RETURN
