"""Device profiles: what a device offers, point by point (catalog/profiles, schema wk.profile/1)."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from watchkeeper import documents
from watchkeeper.documents import Source, Text
from watchkeeper.errors import ConfigError, together
from watchkeeper.faults import Steps
from watchkeeper.wire import PointClass

SCHEMA = "wk.profile/1"

TypeWord: TypeAlias = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "bcd16", "bcd32", "bcd48", "string",
]  # fmt: skip
REGISTERS: dict[TypeWord, int] = {
    "bool": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4,
    "float16": 1, "float32": 2, "float64": 4, "bcd16": 1, "bcd32": 2,
    "bcd48": 3,
}  # fmt: skip
WHOLE: frozenset[TypeWord] = frozenset({"int16", "uint16", "int32", "uint32", "int64", "uint64"})
# Units of what transformers change: a voltage by `pt`, a current by `ct`, all others by both.
TRANSFORMED = frozenset({
    "V", "A", "W", "kW", "VA", "kVA", "var", "kvar", "Wh", "kWh", "kvarh",
})  # fmt: skip
LAST_OF_BITS = 2  # functions 1 and 2 read coils and discrete inputs
EquipmentClass: TypeAlias = Literal[
    "electricity_meter", "water_meter", "elevator", "fire_panel", "pump", "environment",
    "sensor", "drive", "generator", "ups",
]  # fmt: skip
Address: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Octet: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
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


class Component(Struct, frozen=True, forbid_unknown_fields=True):
    """Where in a fire system a value comes from, numbered as in GB/T 26875.3-2011, tables 4 to 6.

    The point's `address` is that of the component; of the system, where `type` is not given; 0
    for the transmission device itself (no `system`).
    """

    system: Octet | None = None  # type: 1 fire alarm, 12 sprinklers, ...
    panel: Octet = 1  # address of the system the component belongs to
    type: Octet | None = None  # of the component: 42 point-type smoke detector, ...
    analog: Octet | None = None  # type of a measured value: 2 height; not given: the state
    duty: bool = False  # what became of the last duty check (查岗): watchkeeper/duty.py


class Point(Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a device."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9_{}-]+$")]
    name: Text
    address: Address  # 0-based, as on the wire; a register's is at most 65535
    type: TypeWord
    unit: str = ""  # of the scaled value, a word of watchkeeper/units.py
    function: Function | None = None  # the profile's, where none is given
    length: Annotated[int, Meta(ge=1, le=64)] = 1  # registers of a string
    bit: Bit | None = None  # a single bit of the register, as 0 or 1
    bits: tuple[Bit, Bit] | None = None  # lowest and highest bit of a field, as a number from 0
    scale: float = 1.0  # value = register * scale + offset
    offset: float = 0.0
    fraction_bits: Annotated[int, Meta(ge=0, le=63)] = 0  # fixed point: register / 2^n
    # Unix seconds. epoch: the register counts from 1970; calendar: bcd48 of YYMMDDhhmmss. A device
    # that keeps local time needs an offset: -28800 where it is eight hours ahead of UTC.
    time: Literal["epoch", "calendar"] | None = None
    scale_from: str = ""  # the point of the same device that says how this one is scaled
    scale_kind: Literal["exponent", "factor"] = "exponent"  # value * 10^n, or value * n
    ratio_from: list[str] = []  # points this one is multiplied by: the CT and PT ratio of a meter
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
    deadband_percent: Annotated[float, Meta(ge=0, le=100)] = 0.0  # of what was last reported
    through: bool = False  # a secondary-side value: scaled by the unit's `ct` and `pt`
    stale_after_s: Annotated[float, Meta(gt=0)] = 60.0  # older is UNKNOWN
    repeat: Repeat | None = None
    component: Component | None = None  # of a fire system, in place of a register

    @property
    def registers(self) -> int:
        """Return how many registers (or coils) the point takes."""
        return self.length if self.type == "string" else REGISTERS[self.type]

    @property
    def factors(self) -> list[str]:
        """Return the points whose values this one is scaled by."""
        return [self.scale_from, *self.ratio_from] if self.scale_from else self.ratio_from


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
    verified: bool = False  # two independent sources, or a list of the maker, agree on the map

    @property
    def of_components(self) -> bool:
        """Return whether the points are parts of a fire system, not registers."""
        return any(point.component for point in self.points)


def load(path: Path) -> Profile:
    """Return the profile with its repeated points spelled out; ConfigError tells all its mistakes.

    Points whose shape is right are checked as well where another one's is not.
    """
    source = documents.opened(path, SCHEMA)
    misfits = source.misfits(Profile)
    mistakes = [mistake for _, mistake in misfits]
    rows = list(_rows(source, {steps[:2] for steps, _ in misfits}, mistakes))
    fits = all(steps[0] != "modbus" for steps, _ in misfits if steps)
    modbus = msgspec.convert(source.plain.get("modbus", {}), Modbus) if fits else Modbus(function=3)
    mistakes += _mistakes(source, rows, modbus, complete=not mistakes)
    if mistakes:
        raise together(mistakes)
    profile = msgspec.convert(source.plain, Profile)
    return msgspec.structs.replace(profile, points=[point for _, point in rows])


def _rows(
    source: Source, wrong: Collection[Steps], mistakes: list[ConfigError]
) -> Iterator[tuple[int, Point]]:
    """Yield each point of the right shape, spelled out, with its row in the file."""
    written = source.plain.get("points")
    for row, raw in enumerate(written if isinstance(written, list) else []):
        if ("points", row) in wrong:
            continue
        try:
            for point in _spelled_out(msgspec.convert(raw, Point)):
                yield row, point
        except (KeyError, ValueError, IndexError, AttributeError):
            mistakes.append(_mistake(source, row, *_BRACES))


_BRACES = ("id", "braces stand for nothing", "only `{n}`, the number of a repeated point, is known")


def _spelled_out(point: Point) -> Iterator[Point]:
    """Yield a row of points one by one. ValueError and the like: braces that say nothing."""
    if point.repeat is None:
        if "{" in point.id or "}" in point.id:
            raise ValueError(point.id)
        yield point
        return
    for number in range(1, point.repeat.count + 1):
        yield msgspec.structs.replace(
            point,
            id=point.id.format(n=f"{number:0{len(str(point.repeat.count))}}"),
            name=Text(point.name.zh.format(n=number), point.name.en.format(n=number)),
            address=point.address + (number - 1) * point.repeat.step,
            scale_from=point.scale_from.format(n=f"{number:0{len(str(point.repeat.count))}}"),
            repeat=None,
        )


def _mistake(source: Source, row: int, key: str, what: str, fix: str) -> ConfigError:
    return source.mistake(("points", row, key), f"points[{row}].{key}: {what}", fix)


def _mistakes(
    source: Source, rows: Sequence[tuple[int, Point]], modbus: Modbus, *, complete: bool
) -> Iterator[ConfigError]:
    """Yield what each point allows but all together do not; each rule once a row.

    Args:
        source: The profile's file.
        rows: Points of the right shape, spelled out, with the row of the file each comes from.
        modbus: Of the profile.
        complete: Whether these are all, so that what they name must be among them.
    """
    by_id: dict[str, Point] = {}
    told: set[tuple[int, str, str]] = set()
    for row, point in rows:
        if point.id in by_id and (row, "id", "") not in told:
            told.add((row, "id", ""))
            what = f"point `{point.id}` stands twice"
            yield _mistake(source, row, "id", what, "rename one of the two")
        by_id[point.id] = point
    for row, point in rows:
        rules = [*_shape(point), *_meaning(point)]
        rules += _coil(point, point.function or modbus.function)
        rules += [*_factors(point, by_id), *_part(point, by_id)] if complete else []
        for wrong, key, what, fix in rules:
            if wrong and (row, key, fix) not in told:
                told.add((row, key, fix))
                yield _mistake(source, row, key, f"point `{point.id}`{what}", fix)


_Rule: TypeAlias = tuple[bool, str, str, str]  # whether it is broken, its key, what, what to do


def _shape(point: Point) -> Iterator[_Rule]:
    """Yield the rules about registers and bits."""
    yield (
        point.bit is not None and point.type not in {"bool", "uint16"},
        "bit",
        f": a bit of a {point.type}",
        "use type: uint16",
    )
    low, high = point.bits or (0, 0)
    yield (
        point.bits is not None and (low > high or point.bit is not None or point.type != "uint16"),
        "bits",
        f": bits {low} to {high} of a {point.type}",
        "use type: uint16, bits: [lowest, highest] and no `bit`",
    )
    yield (
        point.component is None and point.address + point.registers > 65536,  # noqa: PLR2004 - Modbus has 65,536 registers
        "address",
        " ends past register 65535",
        "check `address`",
    )
    partial = point.bit is not None or point.bits is not None
    yield (
        point.fraction_bits > 0 and (point.type not in WHOLE or partial),
        "fraction_bits",
        f": fraction bits of a {point.type}{' field' if partial else ''}",
        f"use a whole type ({', '.join(sorted(WHOLE))}) or `scale`",
    )
    is_number = point.words or point.factors or point.time or point.point_class != "telemetry"
    yield (
        point.type == "string" and bool(is_number or partial),
        "type",
        " is a text: it has no words, bits, time, scale or alarm class",
        "remove them, or use a type of a number",
    )


def _coil(point: Point, function: int) -> Iterator[_Rule]:
    """Yield the rule about functions 1 and 2: their answers hold single bits, no registers."""
    yield (
        function <= LAST_OF_BITS and (point.type != "bool" or point.bit is not None),
        "type",
        f": a {point.type}{'' if point.bit is None else ' with a bit'} of function {function}",
        "use type: bool without `bit`, or function 3 or 4",
    )


def _meaning(point: Point) -> Iterator[_Rule]:
    """Yield the rules about times, counters and deadbands."""
    epochs = WHOLE - {"int16", "uint16"}
    yield (
        point.time == "epoch" and (point.type not in epochs or point.fraction_bits > 0),
        "time",
        f": seconds since 1970 in a {point.type}",
        f"use one of {', '.join(sorted(epochs))}, without fraction bits",
    )
    yield (
        point.time == "calendar" and (point.type != "bcd48" or point.scale != 1.0),
        "time",
        f": a calendar in a {point.type}",
        "use type: bcd48 (YYMMDDhhmmss) without `scale`",
    )
    yield (
        point.time is not None and (point.unit != "s" or point.kind == "counter"),
        "time",
        " is an instant: Unix seconds",
        "write `unit: s` and no `kind: counter`",
    )
    yield (
        point.deadband_percent > 0 and point.kind == "counter",
        "deadband_percent",
        ": a percentage of a counter",
        "use `deadband`, or none: energy is settled by every change",
    )
    for key, limits in (("possible", point.possible), ("usual", point.usual)):
        low, high = limits or (0.0, 0.0)
        yield not low <= high, key, f": from {low:g} up to {high:g}", "write [lowest, highest]"
    yield (
        point.kind == "counter" and point.rollover is not None and not point.rollover > 0,
        "rollover",
        f": a counter that ends at {point.rollover}",
        "give the first value it cannot show, or none",
    )
    yield (
        point.through and point.unit not in TRANSFORMED,
        "through",
        f": no transformer changes `{point.unit}`",
        f"`through` is for {', '.join(sorted(TRANSFORMED))}",
    )


def _factors(point: Point, by_id: dict[str, Point]) -> Iterator[_Rule]:
    """Yield the rules about being scaled by other points."""
    for name in point.factors:
        source = by_id.get(name)
        key = "scale_from" if name == point.scale_from else "ratio_from"
        yield source is None, key, f": no point `{name}` to be scaled by", "check the id"
        yield (
            source is not None and (bool(source.factors or source.time) or source.type == "string"),
            key,
            f": `{name}` is scaled itself, a time or a text",
            "scale by a plain number of the device",
        )
    scaled = bool(point.factors)
    yield (
        scaled and (point.through or point.offset != 0 or point.time is not None),
        "through" if point.through else "offset" if point.offset else "time",
        " is scaled by a point and by `through`, `offset` or `time`",
        "keep one of them",
    )
    yield (
        scaled and point.rollover is not None,
        "rollover",
        ": where it rolls over depends on another point",
        "remove `rollover`, or scale by the `ct` of the site file (`through: true`)",
    )


def _part(point: Point, by_id: dict[str, Point]) -> Iterator[_Rule]:
    """Yield the rules about parts of a fire system: only what a frame of it can carry."""
    part = point.component
    if part is None:
        among = any(each.component for each in by_id.values())
        yield among, "address", " is a register among components", "give it a profile of its own"
        return
    key = "component"
    yield part.system is None and part.type is not None, key, ": part of no system", "give `system`"
    yield part.analog is not None and part.type is None, key, ": a system measures", "give `type`"
    other = part.system is not None or point.bit is not None
    yield part.duty and other, key, ": a duty check is of the whole device", "give `duty` alone"
    wanted = "uint16" if part.analog is None else "int16"
    odd = point.bits or point.factors or point.time or point.fraction_bits or point.through
    yield (
        point.type != wanted or bool(odd),
        "component",
        f": a component has one {wanted}, whole or one `bit` of it",
        f"use type: {wanted} with `scale` at most",
    )
