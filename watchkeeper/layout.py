"""The shapes of a site file, piece by piece; `watchkeeper/site.py` reads one and hands them on."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from watchkeeper.documents import Text
from watchkeeper.profile import Point

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
    supervision_s: Annotated[float, Meta(ge=20, le=100)] = (
        30.0  # without a word from an edge it is lost; EN 54-21 allows 100 s
    )


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """A building or part of one; `tower-a/B1` in a unit names a floor of it."""

    id: Id
    name: Text
    floors: Annotated[str, Meta(pattern=r"^(B?[0-9]+\.\.B?[0-9]+)?$")] = ""  # "B3..28"


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
    """A device on a bus; one that another has replaced is retired, and only its past is left."""

    id: Id
    profile: str
    bus: str = ""  # a retired one needs none
    unit: Annotated[int, Meta(ge=0, le=255)] = NOT_GIVEN  # number on a Modbus bus
    place: str = ""
    name: Text | None = None
    feeds: list[str] = []  # meters or equipment this one feeds
    serves: list[str] = []  # an air handler: the climate sensors of the rooms it cools
    part_of: str = ""  # the equipment it belongs to (a lift's monitoring board)
    ct: str = ""  # current transformer, "200/5"
    pt: str = ""  # voltage transformer, "10000/100"
    rated_kw: float = 0.0  # 0: not rated
    zones: list[Zone] = []
    source: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$")] = ""  # as on a gb26875 wire, hex
    replaced_by: str = ""  # the unit that stands in its place now: history goes on there


_RATIO = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)/([0-9]{1,7}(?:\.[0-9]{1,6})?)")


def ratio(text: str) -> float:
    """Return what a secondary-side value is multiplied by: "200/5" is 40; "" is 1.

    Raises ValueError: it is not of the form "primary/secondary", both above 0.
    """
    if not text:
        return 1.0
    found = _RATIO.fullmatch(text)
    primary, secondary = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if not (primary and secondary):
        raise ValueError(text)
    return primary / secondary


def transformed(point: Point, unit: Unit) -> float:
    """Return what a point of a unit is multiplied by for its transformers; 1 where it has none.

    A voltage by that of voltage, a current by that of current, power and energy by both.
    """
    if not point.through:
        return 1.0
    by_pt = ratio(unit.pt) if point.unit != "A" else 1.0
    return by_pt * (ratio(unit.ct) if point.unit != "V" else 1.0)


def at_primary(point: Point, unit: Unit) -> Point:
    """Return a point with the limits it has behind the unit's voltage transformer.

    A profile gives them for a meter without one: what is possible and the deadband grow with it,
    and what is usual in a 400 V network says nothing.
    """
    times = ratio(unit.pt)
    if not point.through or times == 1.0 or point.unit == "A":
        return point
    possible = point.possible and (point.possible[0] * times, point.possible[1] * times)
    deadband = point.deadband * times
    return msgspec.structs.replace(point, possible=possible, usual=None, deadband=deadband)


Address = Annotated[str, Meta(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$", max_length=200)]


class Alone(Struct, frozen=True, forbid_unknown_fields=True):
    """What an edge switches on, and whom it tells, while the platform does not hear its events."""

    bus: Id
    unit: Annotated[int, Meta(ge=0, le=255)]
    coil: Annotated[int, Meta(ge=0, le=65535)]  # 0-based, as on the wire
    webhook: str = ""  # told by HTTP POST as well, signed
    mail: list[Address] = []  # and these people, by the relay of the edge's own [smtp]


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
