"""A site file: what stands where (catalog/sites, schema wk.site/1).

Edge, simulators and server read the same one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from watchkeeper import documents, profile
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError
from watchkeeper.ids import PointId
from watchkeeper.profile import Point, Profile
from watchkeeper.wire import BornPoint

SCHEMA = "wk.site/1"
Id = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Port = Annotated[int, Meta(ge=1, le=65535)]
NOT_GIVEN = -1
LAST_RTU_UNIT = 247  # 0 is everybody, who never answers; above are reserved


class About(Struct, frozen=True, forbid_unknown_fields=True):
    """The site itself."""

    id: Id
    name: Text
    time_zone: str = "Asia/Shanghai"
    area_m2: float = 0.0


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """A building or part of one; `tower-a/B1` in a unit names a floor of it."""

    id: Id
    name: Text
    floors: str = ""  # "B3..28"


class ModbusTcp(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a Modbus TCP bus or gateway answers."""

    host: str
    port: Port = 502


class ModbusRtu(Struct, frozen=True, forbid_unknown_fields=True):
    """A serial line (RS-485) of this machine, eight data bits."""

    port: str  # /dev/ttyUSB0
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop: Literal[1, 2] = 1


class ModbusRtuTcp(Struct, frozen=True, forbid_unknown_fields=True):
    """A serial server that passes RTU frames through unchanged."""

    host: str
    port: Port


class Gb26875(Struct, frozen=True, forbid_unknown_fields=True):
    """Where fire transmission devices (GB/T 26875.3) connect to: a port of ours."""

    host: str  # the address of this machine they reach
    port: Port
    version: Literal["2011"] = "2011"
    silence_s: Annotated[float, Meta(ge=1)] = 45.0  # a device quiet for longer is NO_ANSWER


class Bus(Struct, frozen=True, forbid_unknown_fields=True):
    """A connection that several units share; exactly one kind of it is given."""

    id: Id
    modbus_tcp: ModbusTcp | None = None
    modbus_rtu: ModbusRtu | None = None
    modbus_rtu_tcp: ModbusRtuTcp | None = None
    gb26875: Gb26875 | None = None

    @property
    def kinds(self) -> list[str]:
        """Return the kinds that are given."""
        return [name for name in self.__struct_fields__[1:] if getattr(self, name) is not None]


class Zone(Struct, frozen=True, forbid_unknown_fields=True):
    """A fire zone of a panel: which of its detectors guard which place."""

    id: Id
    name: Text
    place: str
    detectors: tuple[int, int]  # first and last, inclusive


class Unit(Struct, frozen=True, forbid_unknown_fields=True):
    """A device on a bus."""

    id: Id
    profile: str
    bus: str
    unit: Annotated[int, Meta(ge=0, le=255)] = NOT_GIVEN  # number on a Modbus bus
    place: str = ""
    name: Text | None = None
    feeds: list[str] = []  # meters or equipment this one feeds
    part_of: str = ""  # the equipment it belongs to (a lift's monitoring board)
    ct: str = ""  # "200/5"
    rated_kw: float = 0.0  # 0: not rated
    zones: list[Zone] = []
    source: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$")] = ""  # as on a gb26875 wire, hex


class Alone(Struct, frozen=True, forbid_unknown_fields=True):
    """What an edge switches on, and whom it tells, while the platform does not hear its events."""

    bus: Id
    unit: Annotated[int, Meta(ge=0, le=255)]
    coil: Annotated[int, Meta(ge=0, le=65535)]  # 0-based, as on the wire
    webhook: str = ""  # told by HTTP POST as well, signed


class Edge(Struct, frozen=True, forbid_unknown_fields=True):
    """One edge agent."""

    id: Id
    buses: list[Bus]
    units: list[Unit]
    alone: Alone | None = None


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands where."""

    site: About
    places: list[Place]
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class SitePoint:
    """A point of a unit: everything later stages need to know about it."""

    id: PointId
    unit: Unit
    profile: Profile
    point: Point


@dataclass(frozen=True, slots=True)
class Plant:
    """A site with its profiles resolved."""

    site: Site
    profiles: Mapping[str, Profile]

    def units(self) -> list[Unit]:
        """Return all units of all edges."""
        return [unit for edge in self.site.edges for unit in edge.units]

    def points(self, edge: Edge | None = None) -> list[SitePoint]:
        """Return the points of one edge, or of all, in the order of the file."""
        edges: Iterable[Edge] = self.site.edges if edge is None else [edge]
        return [
            SitePoint(PointId(f"{unit.id}/{point.id}"), unit, self.profiles[unit.profile], point)
            for each in edges
            for unit in each.units
            for point in self.profiles[unit.profile].points
        ]

    def edge(self, name: str) -> Edge:
        """Return the edge of this id; ConfigError when the site has none."""
        for edge in self.site.edges:
            if edge.id == name:
                return edge
        names = ", ".join(edge.id for edge in self.site.edges)
        raise ConfigError(where=self.site.site.id, what=f"has no edge `{name}`", fix=f"use {names}")


def born(points: Iterable[SitePoint]) -> list[BornPoint]:
    """Return the birth list of an edge: aliases count from 0 in the order given."""
    return [
        BornPoint(alias, item.id, item.point.type, item.point.unit, item.point.point_class)
        for alias, item in enumerate(points)
    ]


def load(path: Path, profiles: Path) -> Plant:
    """Return the site with the profiles its units name; ConfigError says file, line and field.

    Args:
        path: The site file.
        profiles: The folder the profiles stand in, one `<id>.yaml` each.
    """
    text = path.read_text("utf-8") if path.is_file() else ""
    site = documents.read(path, Site, SCHEMA)
    _check(site, text, path)
    found: dict[str, Profile] = {}
    for number, edge in enumerate(site.edges):
        for position, unit in enumerate(edge.units):
            if unit.profile in found:
                continue
            file = profiles / f"{unit.profile}.yaml"
            if not file.is_file():
                line = documents.line_of(
                    text, "edges", str(number), "units", str(position), "profile"
                )
                known = ", ".join(sorted(each.stem for each in profiles.glob("*.yaml")))
                raise ConfigError(
                    where=f"{path}:{line}",
                    what=f"units.profile: no profile `{unit.profile}`",
                    fix=f"use one of {known}, or add {file.name} to the profiles",
                )
            found[unit.profile] = profile.load(file)
    _check_addresses(site, found, text, path)
    return Plant(site, found)


def _check(site: Site, text: str, path: Path) -> None:
    """Refuse what each line allows but all together do not: unknown names, doubles."""
    try:
        ZoneInfo(site.site.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        line = documents.line_of(text, "site", "time_zone")
        raise ConfigError(
            where=f"{path}:{line}",
            what=f"site.time_zone: no time zone `{site.site.time_zone}`",
            fix="use a name such as Asia/Shanghai",
        ) from error
    _check_buses(site, text, path)
    _check_alone(site, text, path)
    places = {place.id for place in site.places}
    seen: set[str] = set()
    for number, edge in enumerate(site.edges):
        buses = {bus.id for bus in edge.buses}
        for position, unit in enumerate(edge.units):
            where = ("edges", str(number), "units", str(position))
            for wrong, key, what, fix in (
                (unit.id in seen, "id", f"unit `{unit.id}` stands twice", "rename one of the two"),
                (unit.bus not in buses, "bus", f"no bus `{unit.bus}`", f"use {', '.join(buses)}"),
                (
                    unit.place.split("/")[0] not in places,
                    "place",
                    f"no place `{unit.place}`",
                    f"use {', '.join(sorted(places))}, with /floor where it has floors",
                ),
            ):
                if wrong:
                    line = documents.line_of(text, *where, key)
                    raise ConfigError(where=f"{path}:{line}", what=f"units.{key}: {what}", fix=fix)
            seen.add(unit.id)


def _check_alone(site: Site, text: str, path: Path) -> None:
    """Refuse a local output on a bus that cannot have one."""
    for number, edge in enumerate(site.edges):
        buses = [bus.id for bus in edge.buses if bus.gb26875 is None]
        if edge.alone is not None and edge.alone.bus not in buses:
            line = documents.line_of(text, "edges", str(number), "alone", "bus")
            raise ConfigError(
                where=f"{path}:{line}",
                what=f"alone.bus: no Modbus bus `{edge.alone.bus}`",
                fix=f"use {', '.join(buses)}",
            )


def _check_buses(site: Site, text: str, path: Path) -> None:
    """Refuse a bus of no kind or of two, and numbers nobody has on a serial line."""
    for number, edge in enumerate(site.edges):
        serial = {bus.id for bus in edge.buses if bus.modbus_rtu or bus.modbus_rtu_tcp}
        for position, bus in enumerate(edge.buses):
            if len(bus.kinds) != 1:
                line = documents.line_of(text, "edges", str(number), "buses", str(position), "id")
                known = ", ".join(Bus.__struct_fields__[1:])
                what = f"buses: `{bus.id}` is {' and '.join(bus.kinds) or 'of no kind'}"
                raise ConfigError(where=f"{path}:{line}", what=what, fix=f"give one of {known}")
        for position, unit in enumerate(edge.units):
            if unit.bus in serial and not 1 <= unit.unit <= LAST_RTU_UNIT:
                line = documents.line_of(text, "edges", str(number), "units", str(position), "unit")
                what = f"units.unit: nobody answers as {unit.unit} on a serial line"
                fix = f"use the device's number, 1 to {LAST_RTU_UNIT}"
                raise ConfigError(where=f"{path}:{line}", what=what, fix=fix)


def _check_addresses(site: Site, profiles: Mapping[str, Profile], text: str, path: Path) -> None:
    """Refuse a unit that is not named the way its bus names units, or speaks something else."""
    for number, edge in enumerate(site.edges):
        fire = {bus.id for bus in edge.buses if bus.gb26875}
        taken: set[tuple[str, str]] = set()
        for position, unit in enumerate(edge.units):
            is_fire, key = unit.bus in fire, (unit.bus, unit.source)
            for wrong, name, what, fix in (
                (
                    profiles[unit.profile].of_components is not is_fire,
                    "profile",
                    f"`{unit.profile}` is not for bus `{unit.bus}`",
                    "profiles with `component` need a gb26875 bus, all others a Modbus one",
                ),
                (
                    not is_fire and (unit.unit == NOT_GIVEN or unit.source != ""),
                    "unit",
                    f"`{unit.id}` is on a Modbus bus",
                    "give its number there as `unit`, and no `source`",
                ),
                (
                    is_fire and (unit.source == "" or unit.unit != NOT_GIVEN),
                    "source",
                    f"`{unit.id}` is on a gb26875 bus",
                    'give the source address of its frames, `source: "010000000000"`, no `unit`',
                ),
                (is_fire and key in taken, "source", "stands twice", "give each device its own"),
            ):
                if wrong:
                    line = documents.line_of(
                        text, "edges", str(number), "units", str(position), name
                    )
                    raise ConfigError(where=f"{path}:{line}", what=f"units.{name}: {what}", fix=fix)
            taken.add(key)
