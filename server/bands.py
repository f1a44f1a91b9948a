"""Quiet bands: for each input of a rule, where no reading can change anything (architecture §6).

A band is closed, holds until an instant, and is too narrow rather than too wide: what leaves it is
decided by `alarms/decide.py: evaluate`, what stays inside is never looked at.
"""

from math import isinf

from server.alarms import decide
from server.alarms.model import Phase, RuleState
from server.conditions import (
    EMPTY,
    NEVER,
    NOTHING,
    WIDE,
    Band,
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Kind,
    Memory,
    Rate,
    Stuck,
    Within,
    others,
)
from server.formula import Formula
from server.truth import OWN, SINCE, rate_reference, standing
from watchkeeper.history import HOLD_MS

SLACK = 1e-9  # of a sum of floats: a band ends this much earlier


def bands(
    condition: Condition, state: RuleState, last: float, at: int, memory: Memory
) -> list[Band]:
    """Return the band of each input: the rule's own point, then conditions.others.

    Args:
        condition: Of the rule.
        state: Where the rule stands.
        last: Value of its own point that was judged last; NaN: none, or unknown.
        at: When that was, Unix ms; 0: never.
        memory: What the condition knows.
    """
    if isinstance(condition, Within):
        return _within(condition, state, last, at, memory)
    if isinstance(condition, Bounds | Codes):
        return [decide.quiet(condition, state, last)]
    if memory == NOTHING or state.phase is not Phase.NORMAL:
        return [EMPTY] * (1 + len(others(condition)))  # seldom so, and then all counts
    return _remembering(condition, last, at, memory)


def met(first: Band, second: Band) -> Band:
    """Return where both are quiet."""
    return Band(
        max(first.low, second.low), min(first.high, second.high), min(first.until, second.until)
    )


def _within(
    condition: Within, state: RuleState, last: float, at: int, memory: Memory
) -> list[Band]:
    if not at:
        return [EMPTY] * (1 + len(others(condition)))
    until = Band(until=condition.calendar.until(at))
    if isinstance(condition.inner, Bounds | Codes) and not condition.open(at):
        return [until]
    return [met(each, until) for each in bands(condition.inner, state, last, at, memory)]


def _remembering(kind: Kind, last: float, at: int, memory: Memory) -> list[Band]:
    match kind:
        case Rate():
            return [_rate(kind, at, memory)]
        case Count():
            return [_count(kind, last, memory)]
        case Jump():
            half = min(kind.up, kind.down) / 2
            return [Band(memory.value[-1] - half, memory.value[-1] + half)]
        case Stuck():
            return _stuck(kind, at, memory)
        case Expression():
            return [WIDE, *_box(kind.formula, at, memory, 1)]
        case _:
            return [EMPTY]


def _rate(rate: Rate, at: int, memory: Memory) -> Band:
    """Return where the slope stays allowed until the reference moves on."""
    then, until = rate_reference(rate, at, memory), (at // rate.cell + 1) * rate.cell
    if then != then:  # noqa: PLR0124 - NaN: unknown until the reference moves
        return Band(until=until)
    low, high = then - rate.fall * rate.window, then + rate.rise * rate.window
    low = low if isinf(low) else low + SLACK * (abs(then) + abs(low))
    high = high if isinf(high) else high - SLACK * (abs(then) + abs(high))
    return Band(low, high, until)


def _count(count: Count, last: float, memory: Memory) -> Band:
    phase = Phase.ACTIVE if memory.value[0] == 1 else Phase.NORMAL
    low, high, _ = decide.quiet(count.of, RuleState(phase), last)
    full = len(memory.at) >= count.times
    return Band(low, high, memory.at[-count.times] + count.window if full else NEVER)


def _stuck(stuck: Stuck, at: int, memory: Memory) -> list[Band]:
    value, running = memory.value[OWN], memory.value[1] == 1
    due = memory.at[SINCE] + stuck.after if running else NEVER
    own = Band(value, value, due)
    box = _box(stuck.running, at, memory, OWN + 1) if stuck.running else []
    return [own, *(each._replace(until=min(each.until, due)) for each in box)]


def _box(formula: Formula, at: int, memory: Memory, first: int) -> list[Band]:
    values = standing(memory, at, first)
    if any(each != each for each in values):  # noqa: PLR0124 - NaN: whatever comes may change it
        return [EMPTY] * len(values)
    return [Band(low, high, at + HOLD_MS) for low, high in formula.box(values)]
