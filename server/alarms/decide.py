"""Alarm decisions: is the rule true, has it been true long enough, what may happen to the alarm."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server import truth as truth_of
from server.alarms.model import (
    Acknowledge,
    Alarm,
    Effect,
    Hold,
    Life,
    Phase,
    Reset,
    Rule,
    RuleState,
    Sample,
    Truth,
    Watch,
)
from server.conditions import (
    EMPTY,
    NOTHING,
    Band,
    Bounds,
    Codes,
    Condition,
    Memory,
    Within,
    cell_around,
)
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.errors import Refused

FLAPPING = timedelta(minutes=10)  # a raise so soon after the return is the same trouble
CHATTER, CHATTER_RAISES = timedelta(minutes=1), 3  # so many raises within it are chattering
CALM = timedelta(minutes=5)  # without a raise: it chatters no more
FLEETING = timedelta(seconds=10)  # over by itself so soon: nobody can act on it
SETTLE = timedelta(minutes=1)  # a root explains for so long after it is over
FLOOD = timedelta(minutes=10)
FLOOD_BEGINS, FLOOD_ENDS = 10, 5  # alarms within it

# (life, what happens) -> life; everything else is refused
LIFE: dict[tuple[Life, str], Life] = {
    (Life.UNACKNOWLEDGED, "acknowledge"): Life.ACKNOWLEDGED,
    (Life.RETURNED, "acknowledge"): Life.NORMAL,
    (Life.LATCHED_UNACKNOWLEDGED, "acknowledge"): Life.LATCHED,
    (Life.LATCHED, "reset"): Life.NORMAL,
    (Life.RETURNED, "raise"): Life.UNACKNOWLEDGED,
    (Life.LATCHED_UNACKNOWLEDGED, "raise"): Life.UNACKNOWLEDGED,
    (Life.LATCHED, "raise"): Life.UNACKNOWLEDGED,
    (Life.UNACKNOWLEDGED, "worsen"): Life.UNACKNOWLEDGED,
    (Life.ACKNOWLEDGED, "worsen"): Life.UNACKNOWLEDGED,
}

# (life, latch, acknowledge) of the rule -> life when the rule is no longer true
RETURN: dict[tuple[Life, bool, bool], Life] = {
    (Life.UNACKNOWLEDGED, False, True): Life.RETURNED,
    (Life.UNACKNOWLEDGED, False, False): Life.NORMAL,
    (Life.UNACKNOWLEDGED, True, True): Life.LATCHED_UNACKNOWLEDGED,
    (Life.UNACKNOWLEDGED, True, False): Life.LATCHED,
    (Life.ACKNOWLEDGED, False, True): Life.NORMAL,
    (Life.ACKNOWLEDGED, False, False): Life.NORMAL,
    (Life.ACKNOWLEDGED, True, True): Life.LATCHED,
    (Life.ACKNOWLEDGED, True, False): Life.LATCHED,
}

HOLDS = frozenset({Phase.PENDING, Phase.ACTIVE, Phase.SHIFTING})  # it was true
_DELAYED = frozenset({Phase.PENDING, Phase.SHIFTING, Phase.LEAVING})


def evaluate(
    condition: Condition,
    phase: Phase,
    value: float | None,
    at: int = 0,
    memory: Memory = NOTHING,
) -> Truth:
    """Return whether the rule is true; None: unknown, which is not the same as normal.

    A limit that was true stays true until the value is a deadband inside the limit.

    Args:
        condition: Bound to its points.
        phase: Where the rule stands.
        value: Of its own point; None or NaN: unknown.
        at: Instant of the sample, Unix ms.
        memory: What the condition knows of the past, this reading included (truth.remember).
    """
    if isinstance(condition, Within):
        return condition.open(at) and evaluate(condition.inner, phase, value, at, memory)
    if isinstance(condition, Bounds | Codes):
        return truth_of.plain(condition, value, holding=phase in HOLDS)
    return truth_of.remembered(condition, at, memory)


def grade(condition: Condition, state: RuleState, value: float | None) -> int:
    """Return which of several limits counts for a value while the rule is true, else 0."""
    return truth_of.grade(condition, state.toward or state.grade, value)


def step(
    rule: Rule, state: RuleState, truth: Truth, at: datetime, grade: int = 0
) -> tuple[RuleState, Effect]:
    """Return the state after learning `truth` at `at`, and what that does to the alarm.

    A gap (truth None) freezes a running delay; knowing again lets it run on. Another grade of an
    active rule counts once it has stood for the on-delay.
    """
    if truth is None:
        return _frozen(state, at), Effect.NONE
    if truth and state.phase in {Phase.ACTIVE, Phase.SHIFTING}:
        return _shifted(rule, state, grade, at)
    if truth and state.phase in {Phase.NORMAL, Phase.PENDING} and state.grade != grade:
        state = replace(state, grade=grade)
    away = Phase.PENDING if truth else Phase.LEAVING  # where a delay starts
    if state.phase in ({Phase.NORMAL} if truth else {Phase.ACTIVE, Phase.SHIFTING}):
        return _waited(rule, _moved(state, away, at), at)
    if state.phase is (Phase.LEAVING if truth else Phase.PENDING):
        after = _moved(state, Phase.ACTIVE if truth else Phase.NORMAL)
        return _shifted(rule, after, grade, at) if truth else (after, Effect.NONE)
    return _waited(rule, _thawed(state, at), at)


def learn(
    watch: Watch, state: RuleState, sample: Sample, memory: Memory | None = None
) -> tuple[RuleState, Effect]:
    """Return the state after a sample, and what that does to the alarm.

    `memory` is of the condition with this sample; by default it is made from the state's.
    """
    at, condition = unix_ms(sample.at), watch.condition
    if memory is None:
        memory = truth_of.remember(condition, state.memory, at, sample.value)
    truth = evaluate(condition, state.phase, sample.value, at, memory)
    which = grade(condition, state, sample.value) if truth else 0
    known = state if memory is state.memory else replace(state, memory=memory)
    return step(watch.rule, known, truth, sample.at, which)


def instant(at: int) -> datetime:
    """Return Unix ms as the instant that samples carry."""
    return datetime.fromtimestamp(at / 1000, UTC)


def expire(state: RuleState, generation: int) -> tuple[RuleState, Effect]:
    """Return the state after a timer of `generation` fired; an old timer changes nothing."""
    if generation != state.generation or state.since is None:
        return state, Effect.NONE
    return _over(state)


def left_s(rule: Rule, state: RuleState) -> float | None:
    """Return the seconds the delay still has to run from `since`; None when none runs."""
    delay = _delay_s(rule, state.phase)
    return None if delay is None or state.since is None else max(delay - state.spent_s, 0.0)


def moves(state: RuleState, truth: Truth, grade: int = 0) -> bool:
    """Return whether learning `truth` changes the state; the end of a delay is a timer's matter."""
    delayed = state.phase in _DELAYED
    if truth is None:
        return delayed and state.since is not None
    if truth != (state.phase in HOLDS):
        return True
    if truth and grade != (state.toward or state.grade):
        return True
    return delayed and state.since is None


def quiet(condition: Bounds | Codes, state: RuleState, last: float) -> Band:
    """Return the interval in which no value changes truth or grade; `last` was judged last."""
    if isinstance(condition, Codes):
        return Band(last, last) if last == last else EMPTY  # noqa: PLR0124 - NaN
    if state.phase not in HOLDS:
        return Band(condition.low, condition.high)
    if condition.inner_low <= last <= condition.inner_high or last != last:  # noqa: PLR0124 - NaN
        return EMPTY
    above, below = [condition.inner_high], [condition.inner_low]
    for number, side in enumerate(condition.sides, 1):
        edge = truth_of.edge(condition, state.toward or state.grade, number)
        (above if side.above else below).append(edge)
    return cell_around(above, below, last)


def raised(
    alarm: Alarm, at: datetime, value: float | None, title: Text, priority: int | None = None
) -> tuple[Alarm, bool]:
    """Return the open alarm raised once more, and whether that is only flapping.

    It is not flapping when it is worse than before, or when nobody was told before.
    Raises Refused: it rings already.
    """
    soon = alarm.returned_at is not None and at - alarm.returned_at < FLAPPING
    now = alarm.priority if priority is None else priority
    again = replace(
        alarm, life=_life(alarm, "raise"), returned_at=None, value=value, title=title,
        count=alarm.count + 1, priority=now, priority_max=min(now, _worst(alarm)),
    )  # fmt: skip
    return again, soon and not alarm.untold and now >= alarm.priority


def returned(alarm: Alarm, at: datetime, *, latch: bool = False, acknowledge: bool = True) -> Alarm:
    """Return the alarm after its rule, which may latch or need no one to see it, is not true."""
    after = RETURN.get((alarm.life, latch, acknowledge))
    if after is None:
        raise Refused("alarms.no-return", alarm=alarm.id, state=alarm.life)
    alone = alarm.life is Life.UNACKNOWLEDGED and bool(alarm.raises)
    fleeting = alone and at - alarm.raises[-1] < FLEETING
    return replace(alarm, life=after, returned_at=at, fleeting=fleeting)


def acknowledge(alarm: Alarm, command: Acknowledge, at: datetime) -> Alarm:
    """Return the acknowledged alarm; Refused names who was first."""
    after = _life(alarm, "acknowledge")
    return replace(alarm, life=after, acknowledged_at=at, acknowledged_by=command.by, untold=False)


def reset(alarm: Alarm, _: Reset) -> Alarm:
    """Return the latched alarm let go. Refused: its rule is true, or nobody has seen it."""
    return replace(alarm, life=_life(alarm, "reset"))


def graded(alarm: Alarm, priority: int) -> tuple[Alarm, bool]:
    """Return the active alarm with the priority it has now, and whether that is worse.

    Worse: it must be seen again. Better: its life stays, and `priority_max` remembers.
    """
    if priority == alarm.priority or not alarm.active:
        return alarm, False
    worst = min(priority, _worst(alarm))
    if priority > alarm.priority:
        return replace(alarm, priority=priority, priority_max=worst), False
    after = _life(alarm, "worsen")
    return replace(alarm, priority=priority, priority_max=worst, life=after), True


def chattering(alarm: Alarm, before: Alarm | None, at: datetime) -> Alarm:
    """Return the alarm raised at `at`, with what is known of it chattering.

    Args:
        alarm: As raised.
        before: The newest alarm of the same watch, which may be this one.
        at: Source time of the raise.
    """
    raises = before.raises if before else ()
    recent = (*(each for each in raises if at - CHATTER < each <= at), at)[-CHATTER_RAISES:]
    since, count = (before.chatter_since, before.chatter_count) if before else (None, 0)
    if since is None and len(recent) == CHATTER_RAISES:
        since, count = recent[0], len(recent) - 1
    return replace(
        alarm, raises=recent, chatter_since=since, chatter_count=count + 1 if since else 0
    )


def calm(alarm: Alarm, now: datetime) -> datetime | None:
    """Return when a chattering alarm may be called calm, None when it is: now."""
    due = alarm.raises[-1] + CALM if alarm.raises else now
    return due if due > now else None


def calmed(alarm: Alarm) -> Alarm:
    """Return the alarm that chatters no more."""
    return replace(alarm, chatter_since=None, chatter_count=0, raises=())


def flagged(alarm: Alarm, holds: Sequence[Hold]) -> Alarm:
    """Return the alarm with the flags that stand."""
    until = [each.until for each in holds if each.kind == "shelved" and each.until is not None]
    return replace(
        alarm,
        flags=tuple(sorted({each.kind for each in holds})),
        shelved_until=max(until, default=None),
    )


def told(alarm: Alarm, *, rest: bool = False) -> Alarm:
    """Return the alarm of which there is news: people are told, unless a flag stands.

    Args:
        alarm: As it is now.
        rest: They need not be: they know already, or hear it from another alarm.
    """
    if alarm.flags:
        return replace(alarm, untold=alarm.untold or not rest)
    return replace(alarm, untold=False, tellings=alarm.tellings + (not rest))


def released(alarm: Alarm) -> tuple[Alarm, bool]:
    """Return the alarm after its last flag has ended, and whether people are told now.

    They are when it is active and was raised, or got worse, meanwhile, and nobody has seen it.
    """
    if alarm.flags or not alarm.untold or not alarm.active:
        return alarm, False
    return told(replace(alarm, life=Life.UNACKNOWLEDGED, test=False)), True


def flooded(*, standing: bool, recent: int) -> bool:
    """Return whether alarms come faster than a person can take them.

    From the 11th in FLOOD on, until fewer than 5 come in as long (EEMUA 191's guide; the end is
    ours: docs/incidents.md).

    Args:
        standing: It was so before.
        recent: Alarms in FLOOD, the one that comes now left out.
    """
    return recent >= (FLOOD_ENDS if standing else FLOOD_BEGINS)


def linked(alarm: Alarm, order: str | None = None, run: str | None = None) -> Alarm:
    """Return the alarm with what takes care of it: its newest order, its first run."""
    return replace(alarm, order=order or alarm.order, run=alarm.run or run)


def _life(alarm: Alarm, what: str) -> Life:
    after = LIFE.get((alarm.life, what))
    if after is None:
        code = "alarms.not-unacknowledged" if what == "acknowledge" else f"alarms.no-{what}"
        raise Refused(code, alarm=alarm.id, state=alarm.life, by=alarm.acknowledged_by)
    return after


def _worst(alarm: Alarm) -> int:
    return min(alarm.priority_max or alarm.priority, alarm.priority)


def _delay_s(rule: Rule, phase: Phase) -> float | None:
    if phase in {Phase.PENDING, Phase.SHIFTING}:
        return rule.on_delay_s
    return rule.off_delay_s if phase is Phase.LEAVING else None


def _moved(state: RuleState, phase: Phase, since: datetime | None = None) -> RuleState:
    return replace(
        state, phase=phase, since=since, spent_s=0.0, generation=state.generation + 1, toward=0,
        grade=0 if phase is Phase.NORMAL else state.grade,
    )  # fmt: skip


def _shifted(rule: Rule, state: RuleState, grade: int, at: datetime) -> tuple[RuleState, Effect]:
    """Return an active state of which this grade is true now."""
    if grade == state.grade:
        back = state.phase is Phase.SHIFTING
        return (_moved(state, Phase.ACTIVE) if back else state), Effect.NONE
    if state.toward != grade:
        state = replace(_moved(state, Phase.SHIFTING, at), toward=grade)
    return _waited(rule, _thawed(state, at), at)


def _frozen(state: RuleState, at: datetime) -> RuleState:
    if state.since is None:
        return state
    spent = state.spent_s + max((at - state.since).total_seconds(), 0.0)
    return replace(state, since=None, spent_s=spent, generation=state.generation + 1)


def _thawed(state: RuleState, at: datetime) -> RuleState:
    if state.phase in _DELAYED and state.since is None:
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
    if state.phase is Phase.SHIFTING:
        return _moved(replace(state, grade=state.toward), Phase.ACTIVE), Effect.GRADE
    return _moved(state, Phase.NORMAL), Effect.RETURN
