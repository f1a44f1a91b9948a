"""Conditions of rules bound to a point of the plant: words become numbers in its unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import TypeAlias

from server import formula
from server.calendars import Calendar
from server.conditions import (
    CELLS,
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Kind,
    Rate,
    Side,
    Stuck,
    Within,
)
from server.formula import Formula, FormulaError
from server.rule_check import bounds_given
from server.rule_place import Where, suggestion
from server.rule_words import PER_MS, Bound, Claim, Limit, Moving, Rule, State, Sticking
from watchkeeper.ids import PointId
from watchkeeper.site import SitePoint

_PER_KW = {"W": 1000.0, "kW": 1.0, "VA": 1000.0, "kVA": 1.0}  # rated_kw in a point's unit
Units: TypeAlias = tuple[tuple[str, str], ...]


class NotHereError(Exception):
    """The unit lacks a point the rule names: another unit may have it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What rules may refer to beside their own point."""

    points: Mapping[PointId, SitePoint]
    calendars: Mapping[str, Calendar] = field(default_factory=dict)


def condition(rule: Rule, item: SitePoint, ground: Ground, where: Where) -> Condition | None:
    """Return the rule's condition for this point; None when the unit lacks what it is rated by.

    Raises:
        ConfigError: it makes no sense for this point.
        NotHereError: the unit has not the points that are named.
    """
    found = _kind(rule, item, ground, where)
    if found is None or rule.when is None:
        return found
    name = rule.when.calendar or rule.when.outside
    if name not in ground.calendars:
        raise where.refuse(
            f"when: no calendar `{name}`", suggestion(name, ground.calendars), "when"
        )
    return Within(found, ground.calendars[name], inside=bool(rule.when.calendar))


def _kind(rule: Rule, item: SitePoint, ground: Ground, where: Where) -> Kind | None:
    match rule:
        case Rule(stale=stale) if stale is not None:
            after_s = stale.after_s or item.point.stale_after_s
            return Bounds(high=after_s, inner_high=after_s)
        case Rule(state=state) if state is not None:
            return _codes(state, rule, item, where)
        case Rule(limit=limit) if limit is not None:
            return _bounds(limit, rule, item, where)
        case Rule(count=count) if count is not None:
            of = (
                _codes(count.state, rule, item, where, "count")
                if count.state is not None
                else _bounds(count.limit or Limit(), rule, item, where, "count")
            )
            return of and Count(of, count.times, round(count.within_min * 60_000))
        case _:
            return _moving(rule, item, ground, where)


def _moving(rule: Rule, item: SitePoint, ground: Ground, where: Where) -> Kind | None:
    if rule.rate is not None:
        return _rate(rule.rate)
    if rule.jump is not None:
        return Jump(rule.jump.up or inf, rule.jump.down or inf)
    if rule.stuck is not None:
        after = round(rule.stuck.after_min * 60_000)
        if not rule.stuck.true_when:
            return Stuck(after)
        found, points = _formula(rule.stuck, item, ground, where, "stuck")
        return Stuck(after, found, points)
    if rule.expression is None:
        return None
    found, points = _formula(rule.expression, item, ground, where, "expression")
    return Expression(found, (item.id, *points))


def _rate(rate: Moving) -> Rate:
    window = max(round(rate.window_s * 1000 / CELLS), 1) * CELLS
    per = PER_MS[rate.per]
    return Rate((rate.rise or inf) / per, (rate.fall or inf) / per, window)


def _codes(state: State, rule: Rule, item: SitePoint, where: Where, *steps: str) -> Codes:
    values = state.any_of or state.none_of
    known = {float(word.value) for word in item.point.words}
    if item.point.type == "bool" or item.point.bit is not None:
        known |= {0.0, 1.0}
    if known and not known.issuperset(values):
        raise where.refuse(
            f"rule `{rule.key}`: {item.point.id} of {item.profile.id} has no word for "
            f"{sorted(set(values) - known)}",
            f"use one of {sorted(known)}", *steps, "state",
        )  # fmt: skip
    if known and state.any_of and known.issubset(values):
        raise where.refuse(
            f"rule `{rule.key}`: {item.point.id} has no other code: it would never clear",
            "leave out the codes that are normal", *steps, "state",
        )  # fmt: skip
    return Codes(frozenset(values), inverted=bool(state.none_of))


def _bounds(limit: Limit, rule: Rule, item: SitePoint, where: Where, *steps: str) -> Bounds | None:
    steps = (*steps, "limit")
    given = bounds_given(limit)
    found = {name: _number(getattr(limit, name), item, where, steps) for name in given}
    if None in found.values():
        return None
    at = {name: value for name, value in found.items() if value is not None}
    low, high = at.get("low", -inf), at.get("high", inf)
    if list(at.values()) != sorted(at.values()) or len(set(at.values())) != len(at):
        raise where.refuse(
            f"limit: {', '.join(f'{name} {value:g}' for name, value in at.items())}: out of order",
            "low_low < low < high < high_high", *steps,
        )  # fmt: skip
    inner = {
        name: value + _inside(limit, value) * (-1 if name.startswith("high") else 1)
        for name, value in at.items()
    }
    if not inner.get("low", -inf) <= high or not inner.get("high", inf) >= low:
        raise where.refuse("limit: the deadband is wider than the limits", "make it less", *steps)
    _clears(low, high, inner, item, where, steps)
    bounds = Bounds(low, high, inner.get("low", -inf), inner.get("high", inf))
    return _graded(bounds, limit, rule, at, inner)


def _inside(limit: Limit, bound: float) -> float:
    return limit.deadband + abs(bound) * limit.deadband_percent / 100


def _clears(
    low: float,
    high: float,
    inner: Mapping[str, float],
    item: SitePoint,
    where: Where,
    steps: tuple[str, ...],
) -> None:
    """Refuse bounds no possible value is on the good side of, or on the bad one."""
    if item.point.possible is None:
        return
    least, most = item.point.possible
    what = f"limit: {item.point.id} of {item.profile.id} is possible from {least:g} to {most:g}: "
    fix = "use limits inside that range"
    if inner.get("high", inf) < least or inner.get("low", -inf) > most:
        raise where.refuse(what + "it would never clear", fix, *steps)
    if high >= most and low <= least:
        raise where.refuse(what + "it could never ring", fix, *steps)


def _graded(
    bounds: Bounds,
    limit: Limit,
    rule: Rule,
    at: Mapping[str, float],
    inner: Mapping[str, float],
) -> Bounds:
    written = {name: getattr(limit, name) for name in at}
    own = {name: each.priority for name, each in written.items() if isinstance(each, Bound)}
    if not any(own.values()) and "high_high" not in at and "low_low" not in at:
        return bounds
    order = [name for name in ("high", "high_high", "low", "low_low") if name in at]
    sides = tuple(
        Side(name, at[name], inner[name], own.get(name) or _sharper(rule, name)) for name in order
    )
    return Bounds(bounds.low, bounds.high, bounds.inner_low, bounds.inner_high, sides)


def _sharper(rule: Rule, name: str) -> int:
    """Return the priority of a bound that says none: one more urgent for the outer ones."""
    return max(rule.priority - (name in {"high_high", "low_low"}), 1)


def _number(
    bound: float | Bound, item: SitePoint, where: Where, steps: tuple[str, ...]
) -> float | None:
    """Return a bound in the point's unit; None when the unit is not rated."""
    if not isinstance(bound, Bound):
        return bound
    if bound.at is not None:
        return bound.at
    if item.point.unit not in _PER_KW:
        raise where.refuse(
            f"limit: {item.point.id} is in `{item.point.unit}`, rated_kw is a power",
            f"use a point in {', '.join(_PER_KW)}", *steps,
        )  # fmt: skip
    return item.unit.rated_kw * bound.factor * _PER_KW[item.point.unit] or None


def _formula(
    claim: Claim | Sticking, item: SitePoint, ground: Ground, where: Where, kind: str
) -> tuple[Formula, tuple[PointId, ...]]:
    """Return the formula and the points of its names."""
    ids = {each.id: PointId(f"{item.unit.id}/{each.id}") for each in item.profile.points}
    names = ids | {
        alias: PointId(said if "/" in said else f"{item.unit.id}/{said}")
        for alias, said in claim.points.items()
    }
    for alias, said in claim.points.items():
        if names[alias] not in ground.points:
            known = ground.points if "/" in said else ids
            what = f"{kind}: there is no point `{said}`"
            error = where.refuse(what, suggestion(said, known), kind, "points", alias)
            raise error if "/" in said else NotHereError(error)
    units = {name: ground.points[point].point.unit for name, point in names.items()}
    try:
        found = _parsed(claim.true_when, tuple(units.items()))
    except FormulaError as error:
        told = where.refuse(
            f"{kind}: {error.what}, at character {error.column + 1} of `{claim.true_when}`",
            error.fix, kind, "true_when",
        )  # fmt: skip
        raise (NotHereError(told) if error.missing else told) from error
    points = tuple(names[name] for name in found.names)
    for point in points:
        if ground.points[point].point.point_class != "telemetry":
            raise where.refuse(
                f"{kind}: {point} comes by the event lane, formulas hear readings only",
                "write a rule with `state` for it", kind,
            )  # fmt: skip
    return found, points


@lru_cache(1024)
def _parsed(text: str, units: Units) -> Formula:
    return formula.parse(text, dict(units))
