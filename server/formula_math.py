"""What the operations of a formula mean: of numbers, of columns, of intervals.

True is 1, false 0, unknown NaN. The three agree: tests/unit/server/test_formula.py shows it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from watchkeeper.batch import Floats

Interval: TypeAlias = tuple[float, float]  # of all values it may have; none of them NaN
NAN = float("nan")


def _known(of: Callable[[float, float], float]) -> Callable[[float, float], float]:
    """Return the operation with unknown kept unknown."""
    return lambda a, b: NAN if a != a or b != b else float(of(a, b))  # noqa: PLR0124 - NaN


def _divided(a: float, b: float) -> float:
    return a / b if b else NAN


def _and(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _or(a: float, b: float) -> float:
    return 1.0 if a == 1 or b == 1 else a + b


SCALAR: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "neg": lambda a: -a,
    "abs": abs,
    "min": _known(min),
    "max": _known(max),
    ">": _known(lambda a, b: a > b),
    "<": _known(lambda a, b: a < b),
    ">=": _known(lambda a, b: a >= b),
    "<=": _known(lambda a, b: a <= b),
    "==": _known(lambda a, b: a == b),
    "!=": _known(lambda a, b: a != b),
    "and": _and,
    "or": _or,
    "not": lambda a: 1 - a,
}


def _compared(by: Callable[[Any, Any], Any]) -> Callable[[Floats, Floats], Floats]:
    return lambda a, b: np.where(np.isnan(a) | np.isnan(b), NAN, by(a, b))


VECTOR: dict[str, Callable[..., Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": lambda a, b: np.where(b == 0, NAN, np.divide(a, b)),
    "neg": np.negative,
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    ">": _compared(np.greater),
    "<": _compared(np.less),
    ">=": _compared(np.greater_equal),
    "<=": _compared(np.less_equal),
    "==": _compared(np.equal),
    "!=": _compared(np.not_equal),
    "and": lambda a, b: np.where((a == 0) | (b == 0), 0.0, a * b),
    "or": lambda a, b: np.where((a == 1) | (b == 1), 1.0, a + b),
    "not": lambda a: 1 - a,
}

FALSE, TRUE = (0.0, 0.0), (1.0, 1.0)


def _greater(a: Interval, b: Interval) -> Interval:
    return float(a[0] > b[1]), float(a[1] > b[0])


def _no_less(a: Interval, b: Interval) -> Interval:
    return float(a[0] >= b[1]), float(a[1] >= b[0])


def _not(a: Interval) -> Interval:
    return 1 - a[1], 1 - a[0]


def _equal(a: Interval, b: Interval) -> Interval:
    return float(a[0] == a[1] == b[0] == b[1]), float(a[0] <= b[1] and b[0] <= a[1])


def _ends(of: Callable[[float, float], float], a: Interval, b: Interval) -> Interval:
    found = [of(one, two) for one in a for two in b]
    return (NAN, NAN) if any(e != e for e in found) else (min(found), max(found))  # noqa: PLR0124


def _quotient(a: Interval, b: Interval) -> Interval:
    return (NAN, NAN) if b[0] <= 0 <= b[1] else _ends(_divided, a, b)


def _absolute(a: Interval) -> Interval:
    ends = abs(a[0]), abs(a[1])
    return 0.0 if a[0] <= 0 <= a[1] else min(ends), max(ends)


SPANS: dict[str, Callable[..., Interval]] = {
    "+": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "-": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "*": lambda a, b: _ends(lambda one, two: one * two, a, b),
    "/": _quotient,
    "neg": lambda a: (-a[1], -a[0]),
    "abs": _absolute,
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    ">": _greater,
    "<": lambda a, b: _greater(b, a),
    ">=": _no_less,
    "<=": lambda a, b: _no_less(b, a),
    "==": _equal,
    "!=": lambda a, b: _not(_equal(a, b)),
    "and": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "or": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "not": _not,
}


def spanned(name: str, of: Sequence[Interval | None]) -> Interval | None:
    """Return all values the operation may have; None: it may be unknown."""
    if name == "and" and FALSE in of:
        return FALSE
    if name == "or" and TRUE in of:
        return TRUE
    if None in of:
        return None
    found = SPANS[name](*of)
    return None if found[0] != found[0] or found[1] != found[1] else found
