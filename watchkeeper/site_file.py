"""Reads a site file and sorts its mistakes: those of one device, and those of the whole file.

The whole file is refused for what nobody can work around: it cannot be read, a bus is of no kind,
two devices have one id. A device with a mistake can be left out: it alone is not there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from watchkeeper import documents, profile
from watchkeeper.documents import Source
from watchkeeper.errors import ConfigError, together
from watchkeeper.faults import Steps, named
from watchkeeper.layout import LAST_RTU_UNIT, NOT_GIVEN, SCHEMA, Bus, Edge, Site, Unit, ratio
from watchkeeper.profile import Profile

_UNIT = 4  # steps to a unit: edges, its number, units, its number
_Units: TypeAlias = dict[Steps, Unit]
_Broken: TypeAlias = dict[Steps, list[ConfigError]]  # what is wrong with each unit
_Fields: TypeAlias = dict[Steps, set[str]]  # which fields of a unit do not fit
_Told: TypeAlias = tuple[str, str, str]  # a field, what is wrong with it, how to mend it
_Rule: TypeAlias = tuple[bool, str, str, str]  # whether it is broken, its key, what, how to mend it


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A device that the site file names and nobody polls, because of a mistake."""

    id: str  # its place in the file, where not even the id can be read
    edge: str
    mistake: ConfigError  # the first, with the others
    feeds: Sequence[str] = ()

    @property
    def facts(self) -> dict[str, object]:
        """Return what a line of the log says of it."""
        first, more = self.mistake, len(self.mistake.others)
        said: dict[str, object] = {"unit": self.id, "where": first.where, "what": first.what}
        return said | {"fix": first.fix} | ({"more_mistakes": more} if more else {})


@dataclass(frozen=True, slots=True)
class Sited:
    """A site file, sorted."""

    site: Site  # with the units that work
    profiles: Mapping[str, Profile]
    left_out: Sequence[LeftOut]
    retired: Sequence[Unit]


def opened(path: Path, profiles: Path | None, *, strict: bool) -> Sited:
    """Return a site file, sorted; see `site.load`. Without `profiles` none is asked for."""
    source = documents.opened(path, SCHEMA)
    whole, broken, fields = _shaped(source)
    if whole:
        raise together([*whole, *(each for own in broken.values() for each in own if strict)])
    site, units = _readable(source, broken)
    whole = [*_doubles(source), *_of_site(source, site), *_successions(source, units)]
    shelf = _Shelf(profiles)
    for steps, mistake in _faulty(source, site, units | _partial(source, fields), fields, shelf):
        broken.setdefault(steps, []).append(mistake)
    if strict:
        whole += [each for own in broken.values() for each in own]
    if whole:
        raise together(sorted(whole, key=lambda each: (each.file != str(path), each.line)))
    return _sorted(source, site, units, broken, shelf)


def _faulty(
    source: Source, site: Site, units: _Units, fields: _Fields, shelf: "_Shelf"
) -> Iterator[tuple[Steps, ConfigError]]:
    """Yield what is wrong with units, apart from the fields that are known not to fit."""
    for steps, (key, what, fix) in (*_of_units(site, units), *shelf.faults(site, units)):
        if key not in fields.get(steps, ()):
            at = (*steps, key)
            yield steps, source.mistake(at, f"{named(at)}: {what}", fix)
    for steps, unit in units.items():
        found = None if unit.replaced_by else shelf.get(unit.profile)
        if isinstance(found, ConfigError):
            yield steps, found


def _shaped(source: Source) -> tuple[list[ConfigError], _Broken, _Fields]:
    """Return what does not fit the shape of a site file: of the whole, and of each unit."""
    whole: list[ConfigError] = []
    broken: _Broken = {}
    fields: _Fields = {}
    for steps, mistake in source.misfits(Site):
        if len(steps) >= _UNIT and steps[0] == "edges" and steps[2] == "units":
            broken.setdefault(steps[:_UNIT], []).append(mistake)
            fields.setdefault(steps[:_UNIT], set()).update(map(str, steps[_UNIT : _UNIT + 1]))
        else:
            whole.append(mistake)
    return whole, broken, fields


def _places(source: Source) -> Iterator[tuple[Steps, Any]]:
    """Yield where each unit stands, and what was written there."""
    for number, edge in enumerate(source.plain["edges"]):
        for position, raw in enumerate(edge["units"]):
            yield ("edges", number, "units", position), raw


def _readable(source: Source, broken: _Broken) -> tuple[Site, _Units]:
    """Return the site without units, and the units whose shape is right."""
    edges = [{**edge, "units": []} for edge in source.plain["edges"]]
    site = msgspec.convert({**source.plain, "edges": edges}, Site)
    found = _places(source)
    return site, {at: msgspec.convert(raw, Unit) for at, raw in found if at not in broken}


def _partial(source: Source, fields: _Fields) -> _Units:
    """Return units without the fields that do not fit, to check the others as well."""
    found: _Units = {}
    for steps, raw in _places(source):
        if steps in fields and isinstance(raw, dict):
            with suppress(msgspec.ValidationError):
                good = {key: each for key, each in raw.items() if key not in fields[steps]}
                found[steps] = msgspec.convert(good, Unit)
    return found


def _name(raw: Any, steps: Steps) -> str:
    """Return the id of a unit, where it has one."""
    name = raw.get("id") if isinstance(raw, dict) else None
    return name if isinstance(name, str) else named(steps)


def _doubles(source: Source) -> Iterator[ConfigError]:
    """Yield ids that stand twice: nobody could say which of the two is meant."""
    plain = source.plain
    groups: list[tuple[str, Iterable[tuple[Steps, str]]]] = [
        ("place", ((("places", n), each["id"]) for n, each in enumerate(plain["places"]))),
        ("edge", ((("edges", n), each["id"]) for n, each in enumerate(plain["edges"]))),
        ("unit", ((steps, _name(raw, steps)) for steps, raw in _places(source))),
    ]
    for number, edge in enumerate(plain["edges"]):
        buses = enumerate(edge["buses"])
        own = [(("edges", number, "buses", n), each["id"]) for n, each in buses]
        groups.append(("bus", own))
    for kind, entries in groups:
        seen: set[str] = set()
        for steps, name in entries:
            if name in seen:
                what = f"{named(steps)}.id: {kind} `{name}` stands twice"
                yield source.mistake((*steps, "id"), what, "rename one of the two")
            seen.add(name)


def _of_site(source: Source, site: Site) -> Iterator[ConfigError]:
    """Yield what is wrong with the time zone, the buses and the local outputs."""
    try:
        ZoneInfo(site.site.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield source.mistake(
            ("site", "time_zone"),
            f"site.time_zone: no time zone `{site.site.time_zone}`",
            "use a name such as Asia/Shanghai",
        )
    if not site.edges:
        yield source.mistake(("edges",), "edges: there is none", "describe one, with its buses")
    for number, edge in enumerate(site.edges):
        for position, bus in enumerate(edge.buses):
            if len(bus.kinds) != 1:
                steps = ("edges", number, "buses", position)
                what = f"{named(steps)}: `{bus.id}` is {' and '.join(bus.kinds) or 'of no kind'}"
                known = ", ".join(Bus.__struct_fields__[1:])
                yield source.mistake((*steps, "id"), what, f"give one of {known}")
        modbus = [bus.id for bus in edge.buses if bus.gb26875 is None]
        if edge.alone is not None and edge.alone.bus not in modbus:
            at = ("edges", number, "alone", "bus")
            what = f"{named(at)}: no Modbus bus `{edge.alone.bus}`"
            yield source.mistake(at, what, f"use {_words(modbus)}")


def _successions(source: Source, units: _Units) -> Iterator[ConfigError]:
    """Yield `replaced_by` that leads nowhere, in a circle, or twice to the same unit."""
    known = {_name(raw, steps) for steps, raw in _places(source)}
    after = {unit.id: unit.replaced_by for unit in units.values() if unit.replaced_by}
    taken: dict[str, str] = {}
    for steps, unit in units.items():
        to = unit.replaced_by
        if not to:
            continue
        earlier = taken.setdefault(to, unit.id)
        for wrong, what, fix in (
            (to not in known, f"no unit `{to}`", "name the unit that stands there now"),
            (_circles(unit.id, after), "leads in a circle", "the newest unit has none"),
            (
                earlier != unit.id,
                f"`{to}` takes over from `{earlier}` already",
                "a unit continues one other: remove this line, or the one of the other unit",
            ),
        ):
            if wrong:
                at = (*steps, "replaced_by")
                yield source.mistake(at, f"{named(at)}: {what}", fix)


def _circles(unit: str, after: Mapping[str, str]) -> bool:
    seen, to = {unit}, after.get(unit)
    while to is not None and to not in seen:
        seen.add(to)
        to = after.get(to)
    return to == unit


def _of_units(site: Site, units: _Units) -> Iterator[tuple[Steps, _Told]]:
    """Yield what is wrong with single units, apart from their profiles."""
    places = {place.id for place in site.places}
    for steps, unit in units.items():
        if not unit.replaced_by:
            edge = site.edges[int(steps[1])]
            yield from _told(steps, _wired(unit, edge, places))


def _told(steps: Steps, rules: Iterable[_Rule]) -> Iterator[tuple[Steps, _Told]]:
    return ((steps, rule[1:]) for rule in rules if rule[0])


def _wired(unit: Unit, edge: Edge, places: Collection[str]) -> Iterator[_Rule]:
    buses = [bus.id for bus in edge.buses]
    yield unit.bus not in buses, "bus", f"no bus `{unit.bus}`", f"use {_words(buses)}"
    yield (
        unit.place.split("/")[0] not in places,
        "place",
        f"no place `{unit.place}`",
        f"use {_words(sorted(places))}, with /floor where it has floors",
    )
    serial = {bus.id for bus in edge.buses if bus.modbus_rtu or bus.modbus_rtu_tcp}
    yield (
        unit.bus in serial and unit.unit != NOT_GIVEN and not 1 <= unit.unit <= LAST_RTU_UNIT,
        "unit",
        f"nobody answers as {unit.unit} on a serial line",
        f"use the device's number, 1 to {LAST_RTU_UNIT}",
    )
    for key, text in (("ct", unit.ct), ("pt", unit.pt)):
        wanted = 'write primary/secondary as on its plate, "200/5" or "10000/100"'
        yield not _is_ratio(text), key, f"`{text}` is no ratio", wanted
    fire = {bus.id for bus in edge.buses if bus.gb26875}
    yield (
        unit.bus in buses
        and unit.bus not in fire
        and (unit.unit == NOT_GIVEN or unit.source != ""),
        "unit",
        f"`{unit.id}` is on a Modbus bus",
        "give its number there as `unit`, and no `source`",
    )
    yield (
        unit.bus in fire and (unit.source == "" or unit.unit != NOT_GIVEN),
        "source",
        f"`{unit.id}` is on a gb26875 bus",
        'give the source address of its frames, `source: "010000000000"`, no `unit`',
    )


def _is_ratio(text: str) -> bool:
    try:
        ratio(text)
    except ValueError:
        return False
    return True


def _words(names: Iterable[str]) -> str:
    return ", ".join(names) or "(there is none)"


class _Shelf:
    """The profiles of the catalog, each read once, when a unit names it."""

    def __init__(self, folder: Path | None) -> None:
        files = None if folder is None else sorted(folder.glob("*.yaml"))
        self._files = None if files is None else {each.stem: each for each in files}
        self._read: dict[str, Profile | ConfigError] = {}

    def get(self, name: str) -> Profile | ConfigError | None:
        """Return a profile, what is wrong with it, or None: there is none of this name."""
        if name not in self._read and name in (self._files or {}):
            try:
                self._read[name] = profile.load((self._files or {})[name])
            except ConfigError as error:
                self._read[name] = error
        return self._read.get(name)

    def faults(self, site: Site, units: _Units) -> Iterator[tuple[Steps, _Told]]:
        """Yield units whose profile is not there, or not for their bus."""
        taken: set[tuple[str | int, str, str]] = set()
        for steps, unit in units.items():
            if self._files is not None and not unit.replaced_by:
                edge, key = site.edges[int(steps[1])], (steps[1], unit.bus, unit.source)
                rules = self._rules(unit, edge)
                twice = unit.source != "" and key in taken
                again = (twice, "source", f"`{unit.source}` stands twice", "give each its own")
                yield from _told(steps, (*rules, again))
                taken.add(key)

    def _rules(self, unit: Unit, edge: Edge) -> Iterator[_Rule]:
        found, buses = self.get(unit.profile), {bus.id for bus in edge.buses}
        fire = {bus.id for bus in edge.buses if bus.gb26875}
        yield (
            found is None,
            "profile",
            f"no profile `{unit.profile}`",
            f"use one of {_words(self._files or ())}, or add {unit.profile}.yaml to the profiles",
        )
        yield (
            isinstance(found, Profile)
            and unit.bus in buses
            and found.of_components is not (unit.bus in fire),
            "profile",
            f"`{unit.profile}` is not for bus `{unit.bus}`",
            "profiles with `component` need a gb26875 bus, all others a Modbus one",
        )

    def known(self, names: Iterable[str]) -> dict[str, Profile]:
        """Return those of the profiles that can be used."""
        found = {name: self.get(name) for name in dict.fromkeys(names)}
        return {name: each for name, each in found.items() if isinstance(each, Profile)}


def _sorted(source: Source, site: Site, units: _Units, broken: _Broken, shelf: _Shelf) -> Sited:
    retired = [unit for steps, unit in units.items() if unit.replaced_by and steps not in broken]
    working = {
        steps: unit for steps, unit in units.items() if not unit.replaced_by and steps not in broken
    }
    edges = [
        msgspec.structs.replace(
            edge, units=[unit for steps, unit in working.items() if steps[1] == number]
        )
        for number, edge in enumerate(site.edges)
    ]
    left_out = [
        LeftOut(
            _name(raw, steps),
            site.edges[int(steps[1])].id,
            together(broken[steps]),
            units[steps].feeds if steps in units else (),
        )
        for steps, raw in _places(source)
        if steps in broken
    ]
    known = shelf.known(unit.profile for unit in [*working.values(), *retired])
    return Sited(msgspec.structs.replace(site, edges=edges), known, left_out, retired)
