"""The rule book: catalog/rules read, checked with file and line, bound to the points of a site."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path

from server import calendars
from server.alarms.model import Codes, Condition, Watch
from server.calendars import Calendar
from server.dependencies import Dependencies
from server.rule_binding import Ground, NotHereError, condition
from server.rule_check import check, check_echoes
from server.rule_known import Known
from server.rule_place import Where
from server.rule_site import Site, read_site
from server.rule_words import Rule, RuleFile
from watchkeeper import documents
from watchkeeper.documents import Source, Text
from watchkeeper.ids import PointId, UnitId
from watchkeeper.site import Plant, SitePoint, Unit
from watchkeeper.units import SYMBOLS

SCHEMA = "wk.rules/1"
_SEEN = Codes(frozenset({0.0}), inverted=True)  # of a signal: anything but 0


@dataclass(slots=True)
class Rulebook:
    """Every watch of a site; each part is replaced whole when a rule changes."""

    rules: Mapping[str, Rule]
    watches: Mapping[str, Watch]  # by key; those on values
    stale: Mapping[str, Watch]  # by key; those on silence
    plant: Plant
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    hanging: Dependencies | None = None

    def get(self, key: str) -> Watch | None:
        """Return a watch of either kind, or of a signal; None when a rule has gone since."""
        if found := self.watches.get(key) or self.stale.get(key):
            return found
        rule, _, point = key.partition("|")
        known = rule in self.rules and self.rules[rule].signal
        return self.signal(rule, PointId(point)) if known else None

    def take(self, new: "Rulebook") -> None:
        """Be what another book says from now on."""
        self.rules, self.watches, self.stale = new.rules, new.watches, new.stale
        self.calendars, self.hanging = new.calendars, new.hanging

    def signal(self, rule: str, point: PointId) -> Watch:
        """Return the watch of something the server itself sees: edge-lost of "plant-b1/state"."""
        unit, _, part = point.partition("/")
        names = {"equipment": Text(unit, unit), "point": Text(part, part)}
        blank = {name: Text("", "") for name in ("place", "zone")}
        watch = Watch(
            f"{rule}|{point}", self.rules[rule], point, UnitId(unit), "", "", _SEEN, names | blank
        )
        return watch if self.hanging is None else self.hanging.bound({"": watch})[""]


def check_file(path: Path, catalog: Path) -> list[Rule]:
    """Return the rules of a file, checked against the profiles of a catalog, without a site.

    Raises ConfigError: file, line, field and what to do.
    """
    found = _read(documents.opened(path, SCHEMA), path.read_text("utf-8"))
    known = Known({}, catalog / "profiles")
    for rule, where in found:
        known.check(rule, where)
    return [rule for rule, _ in found]


def load(folder: Path, plant: Plant, approved: Mapping[str, str] | None = None) -> Rulebook:
    """Return the rules of a folder bound to the plant; ConfigError says file, line and field.

    `approved` has texts in place of rules of the folder, by key; "": the rule has left.
    Beside the folder stand `profiles`, `calendars` and `overrides/<site>.yaml`, where it has them.
    """
    rules: dict[str, Rule] = {}
    found: list[tuple[Rule, Where]] = []
    for path in sorted(folder.glob("*.yaml")):
        for rule, where in _read(documents.opened(path, SCHEMA), path.read_text("utf-8")):
            if rule.key in rules:
                raise where.refuse(f"rule `{rule.key}` stands twice", "rename one of them", "key")
            rules[rule.key] = rule
            found.append((rule, where))
    found = _with(approved or {}, found)
    rules = {rule.key: rule for rule, _ in found}
    check_echoes(rules, [(rule.key, where) for rule, where in found if rule.echo_of])
    about = plant.site.site
    binder = _Binder(
        plant,
        calendars.load(folder.parent / "calendars", about.time_zone),
        read_site(folder.parent / "overrides" / f"{about.id}.yaml", rules, plant),
        Known(plant.profiles, folder.parent / "profiles"),
    )
    watches: dict[str, Watch] = {}
    stale: dict[str, Watch] = {}
    for rule, where in found:
        kind = watches if rule.stale is None else stale
        kind.update({watch.key: watch for watch in binder.bound(rule, where)})
    hanging = Dependencies(plant, rules, [*watches.values(), *stale.values()])
    return Rulebook(
        rules, hanging.bound(watches), hanging.bound(stale), plant, binder.calendars, hanging
    )


def _with(
    approved: Mapping[str, str], found: Sequence[tuple[Rule, Where]]
) -> list[tuple[Rule, Where]]:
    """Return the rules with what was approved in place of older ones of the same key."""
    of_file = {rule.key: rule.revision for rule, _ in found}
    texts = {
        key: _read(documents.source(text, SCHEMA, where=f"rule {key}"), text) if text else []
        for key, text in approved.items()
    }
    newer = {
        key: read
        for key, read in texts.items()
        if not read or read[0][0].revision > of_file.get(key, 0)  # a newer catalog counts
    }
    kept = [each for each in found if each[0].key not in newer]
    return kept + [each for read in newer.values() for each in read]


def drafted(text: str, book: Rulebook, profiles: Path) -> list[Watch]:
    """Return the watches of rules that are not in the catalog; no override of the site counts.

    Raises ConfigError: `rule:<line>`, field and what to do.
    """
    source = documents.source(text, SCHEMA, where="rule")
    binder = _Binder(book.plant, book.calendars, Site(), Known(book.plant.profiles, profiles))
    return [watch for rule, where in _read(source, text) for watch in binder.bound(rule, where)]


def read(text: str) -> list[Rule]:
    """Return the rules of a text that is not in the catalog; ConfigError: a mistake."""
    source = documents.source(text, SCHEMA, where="rule")
    return [rule for rule, _ in _read(source, text)]


def _read(source: Source, text: str) -> list[tuple[Rule, Where]]:
    rules = documents.converted(source, RuleFile).rules
    found = [(rule, Where(source.where, text, number)) for number, rule in enumerate(rules)]
    for rule, where in found:
        check(rule, where)
    return found


class _Binder:
    """Binds rules to the points of a plant."""

    def __init__(
        self, plant: Plant, calendars_: Mapping[str, Calendar], site: Site, known: Known
    ) -> None:
        self.calendars, self._site, self._known = calendars_, site, known
        self._items = plant.points()
        self._ground = Ground({item.id: item for item in self._items}, calendars_)
        self._units = {unit.id: unit for unit in plant.units()}
        self._called = cache(partial(place_name, plant=plant))  # thousands of points share a few

    def bound(self, rule: Rule, where: Where) -> Iterator[Watch]:
        """Yield a watch for every point of the site the rule applies to."""
        if rule.signal:
            return
        fitting = [item for item in self._items if _applies(rule, item)]
        if not fitting:
            self._known.check(rule, where)
        absent: list[NotHereError] = []
        for item in fitting:
            said = self._site.of(rule, item)
            if said is not None and said.off:
                continue
            meant = rule if said is None else said.applied(rule)
            place = where if said is None else said.place(where)
            try:
                found = condition(meant, item, self._ground, place)
            except NotHereError as error:
                absent.append(error)
                continue
            if found is not None:
                revision = 0 if said is None else said.revision
                yield _watch(meant, item, found, self._units, self._called, revision)
        if fitting and len(absent) == len(fitting) and not self._known.elsewhere(rule):
            raise absent[0].args[0]


def _applies(rule: Rule, item: SitePoint) -> bool:
    to = rule.applies
    return (
        fnmatchcase(item.point.id, rule.point)
        and (not to.equipment or to.equipment == item.profile.equipment)
        and (not to.profile or to.profile == item.profile.id)
        and (not to.unit or fnmatchcase(item.unit.id, to.unit))
    )


_NO_ZONE = Text("", "")
_NO_WORDS: Mapping[float, Text] = {}


def _watch(
    rule: Rule,
    item: SitePoint,
    when: Condition,
    units: Mapping[str, Unit],
    called: Callable[[str], Text],
    override: int,
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
        condition=when,
        names=names,
        words=_NO_WORDS
        if rule.stale or not item.point.words
        else {float(word.value): word.name for word in item.point.words},
        decimals=0 if rule.stale else item.point.decimals,
        symbol="s" if rule.stale else SYMBOLS.get(item.point.unit, item.point.unit),
        override=override,
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
