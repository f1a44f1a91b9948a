"""Device profiles: what a device offers, point by point (catalog/profiles, schema wk.profile/1)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from watchkeeper import documents
from watchkeeper.documents import Text
from watchkeeper.errors import ConfigError
from watchkeeper.wire import PointClass

SCHEMA = "wk.profile/1"

TypeWord: TypeAlias = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "bcd16", "bcd32", "string",
]  # fmt: skip
REGISTERS: dict[TypeWord, int] = {
    "bool": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4,
    "float16": 1, "float32": 2, "float64": 4, "bcd16": 1, "bcd32": 2,
}  # fmt: skip
EquipmentClass: TypeAlias = Literal[
    "electricity_meter", "water_meter", "elevator", "fire_panel", "pump", "environment"
]
Address: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Bit: TypeAlias = Annotated[int, Meta(ge=0, le=15)]  # 0 is the lowest, worth 1
Function: TypeAlias = Annotated[int, Meta(ge=1, le=4)]
WordOrder: TypeAlias = Literal["big", "little"]
Rate: TypeAlias = Literal["life_safety", "normal", "slow"]


class Word(Struct, frozen=True, forbid_unknown_fields=True):
    """The meaning of one code of an enumerated point."""

    value: int
    name: Text
    normal: bool = True  # False: shown as abnormal


class Repeat(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of equal points: `{n}` in id and names counts from 1."""

    count: Annotated[int, Meta(ge=1, le=2000)]
    step: Annotated[int, Meta(ge=1)] = 1  # registers from one to the next


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a device."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9_{}-]+$")]
    name: Text
    address: Address  # 0-based, as on the wire
    type: TypeWord
    unit: str = ""  # of the scaled value, a word of watchkeeper/units.py
    function: Function | None = None  # the profile's, where none is given
    length: Annotated[int, Meta(ge=1, le=64)] = 1  # registers of a string
    bit: Bit | None = None  # a single bit of the register, as 0 or 1
    bits: tuple[Bit, Bit] | None = None  # lowest and highest bit of a field, as a number from 0
    scale: float = 1.0  # value = register * scale
    word_order: WordOrder | None = None
    byte_order: WordOrder | None = None
    words: list[Word] = []  # of an enumerated point
    not_available: list[float] = []  # raw values that mean "no value"
    possible: tuple[float, float] | None = None  # outside it: bad
    usual: tuple[float, float] | None = None  # outside it: uncertain
    kind: Literal["gauge", "counter"] = "gauge"
    rollover: float | None = None  # the first value a counter cannot show
    point_class: PointClass = field(name="class", default="telemetry")
    rate: Rate | None = None  # life_safety for that class, else normal
    decimals: Annotated[int, Meta(ge=0, le=6)] = 1  # shown to people
    deadband: Annotated[float, Meta(ge=0)] = 0.0  # a smaller change is not reported
    through: bool = False  # scaled by the unit's CT ratio (secondary-side values)
    stale_after_s: Annotated[float, Meta(gt=0)] = 60.0  # older is UNKNOWN
    repeat: Repeat | None = None

    @property
    def registers(self) -> int:
        """Return how many registers (or coils) the point takes."""
        return self.length if self.type == "string" else REGISTERS[self.type]


class Modbus(Struct, frozen=True, forbid_unknown_fields=True):
    """How the device wants to be read."""

    function: Function = 4
    word_order: WordOrder = "big"
    byte_order: WordOrder = "big"
    max_registers: Annotated[int, Meta(ge=1, le=125)] = 120  # in one request
    max_hole: Annotated[int, Meta(ge=0, le=120)] = 16  # unused registers a request may cross
    timeout_s: Annotated[float, Meta(gt=0)] = 1.0


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """What one kind of device offers."""

    id: str
    name: Text
    equipment: EquipmentClass
    source: str  # where the register map was seen
    points: list[Point]
    modbus: Modbus = Modbus()


def load(path: Path) -> Profile:
    """Return the profile with its repeated points spelled out; ConfigError says what is wrong."""
    profile = documents.read(path, Profile, SCHEMA)
    points = [made for point in profile.points for made in _spelled_out(point)]
    _check(points, path)
    return msgspec.structs.replace(profile, points=points)


def _spelled_out(point: Point) -> Iterator[Point]:
    if point.repeat is None:
        yield point
        return
    for number in range(1, point.repeat.count + 1):
        yield msgspec.structs.replace(
            point,
            id=point.id.format(n=f"{number:0{len(str(point.repeat.count))}}"),
            name=Text(point.name.zh.format(n=number), point.name.en.format(n=number)),
            address=point.address + (number - 1) * point.repeat.step,
            repeat=None,
        )


def _check(points: list[Point], path: Path) -> None:
    """Refuse what each point allows but all together do not."""
    seen: set[str] = set()
    for point in points:
        if point.id in seen:
            _refuse(path, point, f"point `{point.id}` stands twice", "rename one of the two")
        if point.bit is not None and point.type not in {"bool", "uint16"}:
            _refuse(path, point, f"point `{point.id}`: a bit of a {point.type}", "use type: uint16")
        low, high = point.bits or (0, 0)
        if point.bits and (low > high or point.bit is not None or point.type != "uint16"):
            what = f"point `{point.id}`: bits {low} to {high} of a {point.type}"
            _refuse(path, point, what, "use type: uint16, bits: [lowest, highest] and no `bit`")
        if point.address + point.registers > 65536:  # noqa: PLR2004 - Modbus has 65,536 registers
            _refuse(path, point, f"point `{point.id}` ends past register 65535", "check `address`")
        seen.add(point.id)


def _refuse(path: Path, point: Point, what: str, fix: str) -> None:
    """Raise with the line on which the point (or its repeated row) stands."""
    stem = point.id.rstrip("0123456789")
    lines = path.read_text("utf-8").splitlines()
    line = next((n for n, text in enumerate(lines, 1) if f"id: {stem}" in text), 1)
    raise ConfigError(where=f"{path}:{line}", what=what, fix=fix)
