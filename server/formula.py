"""Formulas of rules: a small safe grammar, read with Python's own parser and a whitelist.

Numbers, names of points, `+ - * /`, `min max abs`, comparisons, `and or not`; nothing else, and
nothing is ever executed. Units are checked when it is read: watts and amperes are not added.
Unknown (NaN) stays unknown, and so does a division by zero; `false and unknown` is false.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

import numpy as np

from server import formula_math as math
from watchkeeper.batch import Floats

Measure: TypeAlias = frozenset[tuple[str, int]]  # V*A: {("V", 1), ("A", 1)}; none of a bare number
TRUTH: Measure = frozenset({("true or false", 1)})
FREE: Measure = frozenset({("any", 0)})  # of a written number: it takes the unit of its neighbour
PLAIN: Measure = frozenset()
NO_UNIT = frozenset({"", "pf"})
LONGEST = 500  # characters
LARGEST = 1e300
DEEPEST = 40  # nested operations
SHRINK = (0.5, 0.2, 0.05, 0.01, 0.002)  # of an input: how far it may go without being looked at

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.Lt: "<", ast.GtE: ">=", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


class FormulaError(ValueError):
    """A formula makes no sense: what, what to do, and from which character (0) on."""

    def __init__(self, what: str, fix: str, column: int = 0, *, missing: bool = False) -> None:
        super().__init__(what)
        self.what, self.fix, self.column = what, fix, column
        self.missing = missing  # a name, which may be known elsewhere


@dataclass(frozen=True, slots=True)
class Number:
    """A written number."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """The value of a point: its place among the names."""

    index: int


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of formula_math on one or two others."""

    name: str
    of: tuple["Node", ...]


Node: TypeAlias = Number | Name | Operation


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that is true, false or unknown, of the values of its names."""

    text: str
    names: tuple[str, ...]  # in the order of first use
    root: Node

    def truth(self, values: Sequence[float]) -> bool | None:
        """Return whether it is true of these values; NaN is unknown."""
        found = _one(self.root, values)
        return None if found != found else found != 0  # noqa: PLR0124 - NaN

    def truths(self, columns: Sequence[Floats]) -> Floats:
        """Return 1 true, 0 false, NaN unknown for each row of the columns, (n,)."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(_many(self.root, columns), columns[0].shape)

    def box(self, values: Sequence[float]) -> list[tuple[float, float]]:
        """Return for each name an interval: while all stay inside, the truth does not change.

        Interval arithmetic shows it; rounding keeps order, so what holds of the ends holds inside.
        """
        now = self.truth(values)
        for share in SHRINK if now is not None else ():
            box = [(v - share * max(abs(v), 1.0), v + share * max(abs(v), 1.0)) for v in values]
            if _span(self.root, box) == (float(bool(now)),) * 2:
                return box
        return [(each, each) for each in values]


def parse(text: str, units: Mapping[str, str]) -> Formula:
    """Return the formula.

    Args:
        text: As it was written.
        units: Unit of each name it may use, a word of watchkeeper/units.py.

    Raises FormulaError: it is none, uses what there is not, mixes units, or divides by nothing.
    """
    if len(text) > LONGEST:
        raise FormulaError("too long", f"at most {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", 1) or 1
        raise FormulaError("not readable", "check brackets and signs", column - 1) from error
    reader = _Reader(units)
    root, measure = reader.read(tree.body)
    if measure != TRUTH:
        raise FormulaError("is a number, not true or false", "compare it: … > 5")
    if not reader.names:
        raise FormulaError("is always the same: it names no point", "name a point of the unit")
    return Formula(text.strip(), tuple(reader.names), root)


class _Reader:
    """Turns Python's tree into ours, checking each step."""

    def __init__(self, units: Mapping[str, str]) -> None:
        self._units, self._depth = units, 0
        self.names: list[str] = []

    def read(self, node: ast.expr) -> tuple[Node, Measure]:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaError("nested too deeply", "write it simpler", node.col_offset)
        try:
            return self._read(node)
        finally:
            self._depth -= 1

    def _read(self, node: ast.expr) -> tuple[Node, Measure]:
        match node:
            case ast.Constant():
                return Number(_finite(node)), FREE
            case ast.Name(id=name):
                return self._name(name, node)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self._binary(_BINARY[type(op)], left, right)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                found, measure = self._number(inner)
                return Operation("neg", (found,)), measure
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self._logic(node), TRUTH
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments, node)
            case _:
                raise FormulaError(
                    f"`{ast.unparse(node)}` is not allowed",
                    "use + - * /, min max abs, comparisons, and or not", node.col_offset,
                )  # fmt: skip

    def _name(self, name: str, node: ast.expr) -> tuple[Node, Measure]:
        if name not in self._units:
            near = get_close_matches(name, self._units, 1)
            known = ", ".join(sorted(self._units)[:12])
            raise FormulaError(
                f"there is no point `{name}`",
                f"did you mean `{near[0]}`?" if near else f"use one of {known}, or name it",
                node.col_offset, missing=True,
            )  # fmt: skip
        if name not in self.names:
            self.names.append(name)
        unit = self._units[name]
        measure = PLAIN if unit in NO_UNIT else frozenset({(unit, 1)})
        return Name(self.names.index(name)), measure

    def _number(self, node: ast.expr) -> tuple[Node, Measure]:
        found, measure = self.read(node)
        if measure == TRUTH:
            raise FormulaError(
                f"`{ast.unparse(node)}` is true or false, not a number", "compare numbers",
                node.col_offset,
            )  # fmt: skip
        return found, measure

    def _truth(self, node: ast.expr) -> Node:
        found, measure = self.read(node)
        if measure != TRUTH:
            raise FormulaError(
                f"`{ast.unparse(node)}` is a number, not true or false", "compare it: … > 0",
                node.col_offset,
            )  # fmt: skip
        return found

    def _binary(self, sign: str, left: ast.expr, right: ast.expr) -> tuple[Node, Measure]:
        (one, first), (two, second) = self._number(left), self._number(right)
        if sign in "+-":
            return Operation(sign, (one, two)), _same(first, second, sign, right)
        if sign == "/" and _constant(two) and not _one(two, ()):
            raise FormulaError(
                f"`{ast.unparse(right)}` is zero: it divides by nothing", "divide by a point or a "
                "number that is not zero", right.col_offset,
            )  # fmt: skip
        if first == second == FREE:
            return Operation(sign, (one, two)), FREE
        return Operation(sign, (one, two)), _product(first, second, 1 if sign == "*" else -1)

    def _logic(self, node: ast.Compare | ast.BoolOp | ast.UnaryOp) -> Node:
        if isinstance(node, ast.UnaryOp):
            return Operation("not", (self._truth(node.operand),))
        if isinstance(node, ast.BoolOp):
            name = "and" if isinstance(node.op, ast.And) else "or"
            return _chained(name, [self._truth(each) for each in node.values])
        if len(node.ops) > 1 or type(node.ops[0]) not in _COMPARED:
            raise FormulaError(
                f"`{ast.unparse(node)}` is not allowed", "write one comparison: a < b and b < c",
                node.col_offset,
            )  # fmt: skip
        (one, first), (two, second) = self._number(node.left), self._number(node.comparators[0])
        sign = _COMPARED[type(node.ops[0])]
        _same(first, second, sign, node.comparators[0])
        return Operation(sign, (one, two))

    def _call(self, name: str, arguments: list[ast.expr], node: ast.expr) -> tuple[Node, Measure]:
        if name not in {"min", "max", "abs"}:
            near = get_close_matches(name, ["min", "max", "abs"], 1)
            raise FormulaError(
                f"there is no `{name}(…)`", f"use {near[0] if near else 'min, max or abs'}",
                node.col_offset,
            )  # fmt: skip
        if len(arguments) != 1 if name == "abs" else len(arguments) < 2:  # noqa: PLR2004 - of two
            wanted = "one number" if name == "abs" else "two numbers or more"
            raise FormulaError(f"{name} takes {wanted}", "correct the list", node.col_offset)
        found = [self._number(each) for each in arguments]
        measure = found[0][1]
        for (_, other), argument in zip(found[1:], arguments[1:], strict=True):
            measure = _same(measure, other, name, argument)
        if name == "abs":
            return Operation(name, (found[0][0],)), measure
        return _chained(name, [each for each, _ in found]), measure


def _finite(node: ast.Constant) -> float:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormulaError(f"`{ast.unparse(node)}` is no number", "write a number", node.col_offset)
    if abs(value) > LARGEST:
        raise FormulaError("too large a number", "write a smaller one", node.col_offset)
    return float(value)


def _chained(name: str, found: Sequence[Node]) -> Node:
    root = found[0]
    for each in found[1:]:
        root = Operation(name, (root, each))
    return root


def _same(first: Measure, second: Measure, sign: str, node: ast.expr) -> Measure:
    if FREE in {first, second}:
        return second if first == FREE else first
    if first != second:
        raise FormulaError(
            f"{sign} mixes {_written(first)} and {_written(second)}",
            "compare and add only what has one unit; a factor changes the number, not the unit",
            node.col_offset,
        )
    return first


def _product(first: Measure, second: Measure, sign: int) -> Measure:
    powers = {} if first == FREE else dict(first)
    for unit, power in () if second == FREE else second:
        powers[unit] = powers.get(unit, 0) + sign * power
    return frozenset((unit, power) for unit, power in powers.items() if power)


def _written(measure: Measure) -> str:
    words = (unit if power == 1 else f"{unit}^{power}" for unit, power in sorted(measure))
    return "*".join(words) or "a number without unit"


def _constant(node: Node) -> bool:
    match node:
        case Number():
            return True
        case Name():
            return False
        case Operation(of=of):
            return all(map(_constant, of))


def _one(node: Node, values: Sequence[float]) -> float:
    match node:
        case Number(value=value):
            return value
        case Name(index=index):
            return values[index]
        case Operation(name=name, of=of):
            return math.SCALAR[name](*[_one(each, values) for each in of])


def _many(node: Node, columns: Sequence[Floats]) -> Floats:
    match node:
        case Number(value=value):
            return np.array(value)
        case Name(index=index):
            return columns[index]
        case Operation(name=name, of=of):
            return math.VECTOR[name](*[_many(each, columns) for each in of])


def _span(node: Node, box: Sequence[math.Interval]) -> math.Interval | None:
    match node:
        case Number(value=value):
            return (value, value)
        case Name(index=index):
            return box[index]
        case Operation(name=name, of=of):
            return math.spanned(name, [_span(each, box) for each in of])
