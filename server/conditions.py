"""When a rule is true, bound to its points: what `alarms/decide.py: evaluate` decides on.

Instants are Unix ms here. What a kind must know of the past stands in a `Memory` beside the state
of the rule; it is a function of the readings alone, so it is the same live and in a backtest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nextafter
from typing import NamedTuple, TypeAlias

from server.calendars import Calendar
from server.formula import Formula
from watchkeeper.history import HOLD_MS
from watchkeeper.ids import PointId

CELLS = 12  # parts of the window of a rate: its reference moves from one to the next
NEVER = 1 << 62  # ms: no end


@dataclass(frozen=True, slots=True)
class Side:
    """One of several limits, with a priority of its own."""

    name: str  # high_high, high, low, low_low
    bound: float  # in the point's unit
    inner: float  # where it is over again
    priority: int

    @property
    def above(self) -> bool:
        """Return whether it is a limit upwards."""
        return self.name.startswith("high")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A limit for one point, in its unit: true outside [low, high], over again inside the inner."""

    low: float = -inf
    high: float = inf
    inner_low: float = -inf
    inner_high: float = inf
    sides: tuple[Side, ...] = ()  # grade n is sides[n - 1]; the sharper of a direction comes later


@dataclass(frozen=True, slots=True)
class Codes:
    """True while the value is in the set; `inverted`: while it is not."""

    values: frozenset[float]
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """True while the value rises or falls faster than allowed, seen over a window.

    The reference is the value that stood at T, the beginning of the twelfth of the window that lies
    a whole window back: now - T is between one window and 13/12 of it.
    """

    rise: float  # units a ms; inf: any
    fall: float  # units a ms, positive
    window: int  # ms, a multiple of CELLS

    @property
    def cell(self) -> int:
        """Return the ms of a twelfth."""
        return self.window // CELLS

    def reference(self, at: int) -> int:
        """Return T for an instant."""
        return (at // self.cell - CELLS) * self.cell


@dataclass(frozen=True, slots=True)
class Count:
    """True while something became so `times` times within the window."""

    of: Bounds | Codes
    times: int
    window: int  # ms


@dataclass(frozen=True, slots=True)
class Jump:
    """True when the value differs from the reading before by more than allowed."""

    up: float
    down: float  # positive


@dataclass(frozen=True, slots=True)
class Stuck:
    """True when the value has not changed for so long while something else was so."""

    after: int  # ms
    running: Formula | None = None
    points: tuple[PointId, ...] = ()  # of the names of the formula, in their order


@dataclass(frozen=True, slots=True)
class Expression:
    """True while the formula is."""

    formula: Formula
    points: tuple[PointId, ...]  # the rule's own, then those of the names in their order


Kind: TypeAlias = Bounds | Codes | Rate | Count | Jump | Stuck | Expression


@dataclass(frozen=True, slots=True)
class Within:
    """A condition that only counts while a calendar says so, or while it does not."""

    inner: Kind
    calendar: Calendar
    inside: bool = True

    def open(self, at: int) -> bool:
        """Return whether it counts at an instant."""
        return self.calendar.holds(at) == self.inside


Condition: TypeAlias = Kind | Within


class Memory(NamedTuple):
    """What a kind keeps of the past; what the columns mean is the kind's own matter."""

    at: tuple[int, ...] = ()
    value: tuple[float, ...] = ()


NOTHING = Memory()


class Band(NamedTuple):
    """An interval in which no reading changes anything, until an instant; closed on both ends."""

    low: float = -inf
    high: float = inf
    until: int = NEVER


WIDE = Band()
EMPTY = Band(inf, -inf)


def inner(condition: Condition) -> Kind:
    """Return the condition without its calendar."""
    return condition.inner if isinstance(condition, Within) else condition


def others(condition: Condition) -> tuple[PointId, ...]:
    """Return the points of its inputs from 1 on; 0 is the rule's own."""
    match inner(condition):
        case Stuck(points=points):
            return points
        case Expression(points=points):
            return points[1:]
        case _:
            return ()


def remembers(condition: Condition) -> bool:
    """Return whether the condition needs to know what was before."""
    return not isinstance(inner(condition), Bounds | Codes)


def lookback(condition: Condition) -> int:
    """Return how much of the past, in ms, a decision may depend on."""
    match inner(condition):
        case Rate(window=window):
            return 2 * window + HOLD_MS
        case Count(window=span) | Stuck(after=span):
            return span
        case _:
            return HOLD_MS


def cell_around(above: Sequence[float], below: Sequence[float], last: float) -> Band:
    """Return the interval around `last` that no threshold cuts.

    Args:
        above: A value greater than one of these is another case than one that is not.
        below: Likewise, less.
        last: Any number.
    """
    low = max(
        [nextafter(each, inf) for each in above if last > each]
        + [each for each in below if last >= each],
        default=-inf,
    )
    high = min(
        [each for each in above if last <= each]
        + [nextafter(each, -inf) for each in below if last < each],
        default=inf,
    )
    return Band(low, high)
