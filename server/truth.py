"""What the kinds of conditions make of readings: one at a time, from what they remember.

`alarms/decide.py: evaluate` is the one who asks. `server/truths.py` says the same of whole columns.
"""

from collections.abc import Mapping
from math import nan

from server.conditions import (
    NOTHING,
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Kind,
    Memory,
    Rate,
    Side,
    Stuck,
    inner,
)
from watchkeeper.history import HOLD_MS

SINCE, RUNNING, OWN = 0, 1, 2  # columns of the memory of a Stuck


def plain(condition: Bounds | Codes, value: float | None, *, holding: bool) -> bool | None:
    """Return whether a value makes it true, None where the value is unknown.

    Args:
        condition: A limit or a list of codes.
        value: In the point's unit; None or NaN: unknown.
        holding: It was true: a limit then stays so until the value is a deadband inside.
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    if isinstance(condition, Codes):
        return (value in condition.values) != condition.inverted
    if holding:
        return value > condition.inner_high or value < condition.inner_low
    return value > condition.high or value < condition.low


def grade(condition: Condition, now: int, value: float | None) -> int:
    """Return which of several limits counts, 0 where there are none: an index of `sides` + 1.

    Args:
        condition: That is true.
        now: The grade it has: it stays until the value is a deadband inside.
        value: In the point's unit.
    """
    kind = inner(condition)
    if not isinstance(kind, Bounds) or not kind.sides or value is None:
        return 0
    for number in range(len(kind.sides), 0, -1):
        side = kind.sides[number - 1]
        if _over(side, value, edge(kind, now, number)):
            return number
    return now


def edge(bounds: Bounds, now: int, number: int) -> float:
    """Return the bound that decides on a grade: a deadband inside where it is reached already."""
    side = bounds.sides[number - 1]
    reached = 0 < number <= now and side.above == bounds.sides[now - 1].above
    return side.inner if reached else side.bound


def _over(side: Side, value: float, bound: float) -> bool:
    return value > bound if side.above else value < bound


def remember(
    condition: Condition, memory: Memory, at: int, value: float | None, which: int = 0
) -> Memory:
    """Return what is kept after a reading of one input; 0 is the rule's own point."""
    return remember_all(condition, memory, at, {which: nan if value is None else value})


def remember_all(
    condition: Condition, memory: Memory, at: int, values: Mapping[int, float]
) -> Memory:
    """Return what is kept after the readings of an instant.

    Args:
        condition: Whose memory it is.
        memory: So far.
        at: Unix ms.
        values: By input; 0 is the rule's own point, then conditions.others. NaN: unknown.
    """
    number = values.get(0, nan)
    match inner(condition):
        case Rate() as rate:
            return _window(rate, memory, at, number)
        case Count() as count:
            return _hits(count, memory, at, number)
        case Jump():
            return Memory((*memory.at[-1:], at), (*memory.value[-1:], number))
        case Stuck() as stuck:
            return _unchanged(stuck, memory, at, values)
        case Expression(points=points):
            return _held(memory if memory.at else _blank(len(points)), at, values, 0)
        case _:
            return memory


def remembered(kind: Kind, at: int, memory: Memory) -> bool | None:
    """Return whether it is true by what is remembered, at an instant; None: unknown."""
    found: bool | None = None
    match kind:
        case _ if memory == NOTHING:
            pass
        case Rate():
            found = _moving(kind, at, memory)
        case Count():
            found = _often(kind, at, memory)
        case Jump():
            found = _jumped(kind, memory)
        case Stuck():
            value = standing(memory, at, OWN)[0]
            known = value == value  # noqa: PLR0124 - not NaN
            found = at - memory.at[SINCE] >= kind.after if known else None
        case Expression():
            found = kind.formula.truth(standing(memory, at, 1))
        case _:
            pass
    return found


def own(condition: Condition, memory: Memory, value: float | None) -> float | None:
    """Return the value of the rule's own point, where a reading of another one was the last."""
    match inner(condition):
        case Stuck():
            found = memory.value[OWN]
        case Expression():
            found = memory.value[0]
        case _:
            return value
    return None if found != found else found  # noqa: PLR0124 - NaN


def worth_keeping(condition: Condition, before: Memory, after: Memory) -> bool:
    """Return whether the memory must not wait for the next change of the rule: a hit counts."""
    return isinstance(inner(condition), Count) and after.at[-1:] not in {(), before.at[-1:]}


def standing(memory: Memory, at: int, first: int) -> list[float]:
    """Return the values of the inputs from `first` on, NaN of those nothing vouches for any more.

    A reading stands for HOLD_MS: its edge sends every one again within that time.
    """
    return [
        value if at - then <= HOLD_MS else nan
        for then, value in zip(memory.at[first:], memory.value[first:], strict=True)
    ]


def _window(rate: Rate, memory: Memory, at: int, value: float) -> Memory:
    """Keep the last reading of each twelfth, as far back as the reference may need."""
    times, values = memory
    if times and at // rate.cell == times[-1] // rate.cell:
        times, values = times[:-1], values[:-1]
    reference = rate.reference(at)
    old = max((n for n, each in enumerate(times) if each < reference), default=0)
    return Memory((*times[old:], at), (*values[old:], value))


def _moving(rate: Rate, at: int, memory: Memory) -> bool | None:
    then, passed = rate_reference(rate, at, memory), at - rate.reference(at)
    change = memory.value[-1] - then
    if change != change:  # noqa: PLR0124 - NaN
        return None
    return change > rate.rise * passed or change < -rate.fall * passed


def rate_reference(rate: Rate, at: int, memory: Memory) -> float:
    """Return the value that stood a window ago; NaN where nothing says so."""
    reference = rate.reference(at)
    before = [n for n, each in enumerate(memory.at) if reference - HOLD_MS <= each < reference]
    return memory.value[before[-1]] if before else nan


def _hits(count: Count, memory: Memory, at: int, value: float) -> Memory:
    before = memory.value[0] if memory.value else nan
    truth = plain(count.of, value, holding=before == 1)
    if truth is None:
        return Memory(memory.at, (before, nan))
    began = truth and before == 0
    hits = tuple(each for each in memory.at if each > at - count.window)
    return Memory((*hits, at)[-count.times :] if began else hits, (float(truth),) * 2)


def _often(count: Count, at: int, memory: Memory) -> bool | None:
    if memory.value[1] != memory.value[1]:
        return None
    return sum(each > at - count.window for each in memory.at) >= count.times


def _jumped(jump: Jump, memory: Memory) -> bool | None:
    if len(memory.at) < 2 or memory.at[1] - memory.at[0] > HOLD_MS:  # noqa: PLR2004 - a step
        return None
    step = memory.value[1] - memory.value[0]
    return None if step != step else step > jump.up or step < -jump.down  # noqa: PLR0124 - NaN


def _unchanged(stuck: Stuck, memory: Memory, at: int, values: Mapping[int, float]) -> Memory:
    if memory == NOTHING:
        others = len(stuck.points)
        memory = Memory((at, at, 0, *(0,) * others), (nan, 0.0, nan, *(nan,) * others))
    held = _held(memory, at, values, OWN)
    times, (last, was, now, *rest) = held
    running = stuck.running is None or stuck.running.truth(standing(held, at, OWN + 1)) is True
    known = now == now  # noqa: PLR0124 - not NaN
    began = (known and now != last) or not running or not was
    return Memory(
        (at if began else times[SINCE], at, *times[OWN:]),
        (now if known else last, float(running), now, *rest),
    )


def _held(memory: Memory, at: int, values: Mapping[int, float], first: int) -> Memory:
    times, held = list(memory.at), list(memory.value)
    for which, value in values.items():
        times[first + which], held[first + which] = at, value
    return Memory(tuple(times), tuple(held))


def _blank(inputs: int) -> Memory:
    """Return the memory of inputs nothing is known of."""
    return Memory((0,) * inputs, (nan,) * inputs)
