"""The rule book: catalog/rules read, checked with file and line, bound to the points of a site."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, partial
from math import inf
from pathlib import Path
from string import Formatter

from server.alarms.model import (
    Bounds,
    Codes,
    Condition,
    Limit,
    OfUnit,
    Rule,
    RuleFile,
    Watch,
)
from watchkeeper import documents
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError
from watchkeeper.ids import PointId, UnitId
from watchkeeper.site import Plant, SitePoint, Unit
from watchkeeper.units import SYMBOLS

SCHEMA = "wk.rules/1"
PLACEHOLDERS = frozenset({"equipment", "point", "place", "zone", "value", "limit"})
_PER_KW = {"W": 1000.0, "kW": 1.0, "VA": 1000.0, "kVA": 1.0}  # rated_kw in a point's unit
_SEEN = Codes(frozenset({0.0}), inverted=True)  # of a signal: anything but 0


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Every watch of a site."""

    rules: Mapping[str, Rule]
    watches: Mapping[str, Watch]  # by key; those on values
    stale: Mapping[str, Watch]  # by key; those on silence
    plant: Plant

    def get(self, key: str) -> Watch | None:
        """Return a watch of either kind, or of a signal; None when a rule has gone since."""
        if found := self.watches.get(key) or self.stale.get(key):
            return found
        rule, _, point = key.partition("|")
        known = rule in self.rules and self.rules[rule].signal
        return self.signal(rule, PointId(point)) if known else None

    def signal(self, rule: str, point: PointId) -> Watch:
        """Return the watch of something the server itself sees: edge-lost of "plant-b1/state"."""
        unit, _, part = point.partition("/")
        names = {"equipment": Text(unit, unit), "point": Text(part, part)}
        blank = {name: Text("", "") for name in ("place", "zone")}
        return Watch(
            f"{rule}|{point}", self.rules[rule], point, UnitId(unit), "", "", _SEEN, names | blank
        )


def load_file(path: Path) -> list[Rule]:
    """Return the rules of a file, each checked by itself; ConfigError: file, line and field."""
    return [rule for rule, _ in _read(path)]


def load(folder: Path, plant: Plant) -> Rulebook:
    """Return the rules of a folder bound to the plant; ConfigError says file, line and field."""
    rules: dict[str, Rule] = {}
    watches: dict[str, Watch] = {}
    stale: dict[str, Watch] = {}
    echoes: list[tuple[str, _Where]] = []
    for path in sorted(folder.glob("*.yaml")):
        for rule, where in _read(path):
            if rule.key in rules:
                raise where.refuse(f"rule `{rule.key}` stands twice", "rename one of them", "key")
            rules[rule.key] = rule
            kind = watches if rule.stale is None else stale
            kind.update({watch.key: watch for watch in _bound(rule, plant, where)})
            echoes += [(rule.echo_of, where)] if rule.echo_of else []
    for echo_of, where in echoes:
        if echo_of not in rules:
            raise where.refuse(f"echo_of: no rule `{echo_of}`", "correct the name", "echo_of")
    return Rulebook(rules, watches, stale, plant)


def _read(path: Path) -> "list[tuple[Rule, _Where]]":
    rules = documents.read(path, RuleFile, SCHEMA).rules
    text = path.read_text("utf-8")
    found = [(rule, _Where(path, text, number)) for number, rule in enumerate(rules)]
    for rule, where in found:
        _check(rule, where)
    return found


@dataclass(frozen=True, slots=True)
class _Where:
    """The place of a rule in its file, for errors."""

    path: Path
    text: str
    number: int

    def refuse(self, what: str, fix: str, *steps: str) -> ConfigError:
        line = documents.line_of(self.text, "rules", str(self.number), *steps)
        return ConfigError(where=f"{self.path}:{line}", what=what, fix=fix)


def _check(rule: Rule, where: _Where) -> None:
    """Refuse what each field allows but all together do not."""
    kinds = [rule.limit, rule.state, rule.stale, rule.signal or None]
    if sum(kind is not None for kind in kinds) != 1:
        raise where.refuse(
            f"rule `{rule.key}` must have exactly one of limit, state, stale, signal",
            "keep one of them",
        )
    if not rule.signal and not rule.point:
        raise where.refuse(f"rule `{rule.key}` names no point", "add `point:`")
    if rule.limit is not None and rule.limit.high is None and rule.limit.low is None:
        raise where.refuse(f"rule `{rule.key}`: limit without bound", "add high or low", "limit")
    if rule.state is not None and bool(rule.state.any_of) == bool(rule.state.none_of):
        raise where.refuse(
            f"rule `{rule.key}`: state needs any_of or none_of", "keep one of them", "state"
        )
    for name, text in (("title", rule.title), ("guidance", rule.guidance)):
        for language in ("zh", "en"):
            _check_text(getattr(text, language), where, name, language)


def _check_text(text: str, where: _Where, name: str, language: str) -> None:
    try:
        used = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
    except ValueError as error:
        raise where.refuse(
            f"{name}.{language}: {error}", "write { and } in pairs", name, language
        ) from error
    for wrong in sorted(used - PLACEHOLDERS):
        raise where.refuse(
            f"{name}.{language}: nothing fills {{{wrong}}}",
            f"use {', '.join(sorted(PLACEHOLDERS))}",
            name,
            language,
        )


def _bound(rule: Rule, plant: Plant, where: _Where) -> Iterator[Watch]:
    """Yield a watch for every point of the site the rule applies to."""
    if rule.signal:
        return
    units = {unit.id: unit for unit in plant.units()}
    called = cache(partial(place_name, plant=plant))  # thousands of points share a few
    for item in plant.points():
        if not _applies(rule, item):
            continue
        condition = _condition(rule, item, where)
        if condition is not None:
            yield _watch(rule, item, condition, units, called)


def _applies(rule: Rule, item: SitePoint) -> bool:
    to = rule.applies
    return (
        fnmatchcase(item.point.id, rule.point)
        and (not to.equipment or to.equipment == item.profile.equipment)
        and (not to.profile or to.profile == item.profile.id)
        and (not to.unit or fnmatchcase(item.unit.id, to.unit))
    )


def _condition(rule: Rule, item: SitePoint, where: _Where) -> Condition | None:
    """Return the rule's condition for this point; None when the unit lacks what it is rated by."""
    if rule.stale is not None:
        after_s = rule.stale.after_s or item.point.stale_after_s
        return Bounds(high=after_s, inner_high=after_s)
    if rule.state is not None:
        return _codes(rule, item, where)
    return None if rule.limit is None else _bounds(rule.limit, item, where)


def _codes(rule: Rule, item: SitePoint, where: _Where) -> Codes:
    state = rule.state
    values = (state.any_of or state.none_of) if state else []
    known = {float(word.value) for word in item.point.words}
    if known and not known.issuperset(values):
        raise where.refuse(
            f"rule `{rule.key}`: {item.point.id} of {item.profile.id} has no word for "
            f"{sorted(set(values) - known)}",
            f"use one of {sorted(known)}",
            "state",
        )
    return Codes(frozenset(values), inverted=state is not None and bool(state.none_of))


def _bounds(limit: Limit, item: SitePoint, where: _Where) -> Bounds | None:
    high, low = (_number(bound, item, where) for bound in (limit.high, limit.low))
    if (limit.high is not None and high is None) or (limit.low is not None and low is None):
        return None
    high, low = inf if high is None else high, -inf if low is None else low
    inside = [
        limit.deadband + (abs(bound) * limit.deadband_percent / 100 if abs(bound) != inf else 0)
        for bound in (low, high)
    ]
    if low + inside[0] > high or high - inside[1] < low:
        raise where.refuse("limit: the deadband is wider than the limits", "make it less", "limit")
    return Bounds(low, high, low + inside[0], high - inside[1])


def _number(bound: float | OfUnit | None, item: SitePoint, where: _Where) -> float | None:
    """Return a bound in the point's unit; None when there is none or the unit is not rated."""
    if not isinstance(bound, OfUnit):
        return bound
    if item.point.unit not in _PER_KW:
        raise where.refuse(
            f"limit: {item.point.id} is in `{item.point.unit}`, rated_kw is a power",
            f"use a point in {', '.join(_PER_KW)}",
            "limit",
        )
    return item.unit.rated_kw * bound.factor * _PER_KW[item.point.unit] or None


_NO_ZONE = Text("", "")
_NO_WORDS: Mapping[float, Text] = {}


def _watch(
    rule: Rule,
    item: SitePoint,
    condition: Condition,
    units: Mapping[str, Unit],
    called: Callable[[str], Text],
) -> Watch:
    equipment = units.get(item.unit.part_of, item.unit)
    zone = next((each for each in item.unit.zones if _guards(item, each.detectors)), None)
    place = zone.place if zone else equipment.place
    names = {
        "equipment": equipment.name or Text(equipment.id, equipment.id),
        "point": item.point.name,
        "place": called(place),
        "zone": zone.name if zone else _NO_ZONE,
    }
    return Watch(
        key=f"{rule.key}|{item.id}",
        rule=rule,
        point=item.id,
        unit=UnitId(equipment.id),
        place=place,
        zone=zone.id if zone else "",
        condition=condition,
        names=names,
        words=_NO_WORDS
        if rule.stale or not item.point.words
        else {float(word.value): word.name for word in item.point.words},
        decimals=0 if rule.stale else item.point.decimals,
        symbol="s" if rule.stale else SYMBOLS.get(item.point.unit, item.point.unit),
    )


def _guards(item: SitePoint, detectors: tuple[int, int]) -> bool:
    """Return whether the point is one of a zone's detectors: "detector-07" is number 7."""
    name, _, number = item.point.id.rpartition("-")
    return name == "detector" and number.isdecimal() and (
        detectors[0] <= int(number) <= detectors[1]
    )  # fmt: skip


def place_name(place: str, plant: Plant) -> Text:
    """Return "tower-a/12" as people say it."""
    head, _, floor = place.partition("/")
    name = next((each.name for each in plant.site.places if each.id == head), Text(head, head))
    return Text(f"{name.zh} {floor}".strip(), f"{name.en} {floor}".strip())


def by_point(watches: Iterable[Watch]) -> dict[PointId, list[Watch]]:
    """Return the watches of each point."""
    found: dict[PointId, list[Watch]] = {}
    for watch in watches:
        found.setdefault(watch.point, []).append(watch)
    return found
