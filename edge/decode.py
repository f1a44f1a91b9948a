"""Registers to numbers. Pure.

`decode` says what is right, one point at a time; `Decoder` is the same for a whole block in a few
vector operations. A property test holds that both agree.

Word order says which register of a value comes first, byte order which byte of a register:
of 0x0A0B0C0D big/big is 0A 0B 0C 0D, little words 0C 0D 0A 0B, little bytes 0B 0A 0D 0C.
"""

import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.plan import BITS, Block
from watchkeeper.batch import Floats
from watchkeeper.profile import Modbus, Point, TypeWord

_FORMATS: Final[dict[TypeWord, str]] = {
    "bool": "H", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q",
    "uint64": "Q", "float16": "e", "float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I",
}  # fmt: skip
_DTYPES: Final = {word: np.dtype(code).newbyteorder(">") for word, code in _FORMATS.items()}
_HIGHEST_DIGIT: Final = 9


def ratio(ct: str) -> float:
    """Return what a secondary-side value is multiplied by: "200/5" is 40; "" is 1.

    Raises ValueError: it is not of the form "primary/secondary".
    """
    if not ct:
        return 1.0
    primary, secondary = ct.split("/")
    return float(primary) / float(secondary)


def scale_of(point: Point, ct: float) -> float:
    """Return value per raw unit of a point on a unit with this CT ratio."""
    return point.scale * ct if point.through else point.scale


def ordered(data: bytes, point: Point, modbus: Modbus) -> bytes:
    """Return a point's bytes, big end first."""
    words = [data[n : n + 2] for n in range(0, len(data), 2)]
    if (point.byte_order or modbus.byte_order) == "little":
        words = [word[::-1] for word in words]
    if (point.word_order or modbus.word_order) == "little" and point.type != "string":
        words.reverse()
    return b"".join(words)


def decode(point: Point, data: bytes, modbus: Modbus, ct: float = 1.0) -> float:
    """Return the value of one point; NaN: the device says it has none, or it is no number.

    Args:
        point: What to read it as.
        data: Its registers as on the wire, two bytes each.
        modbus: The profile's orders, where the point has none of its own.
        ct: Ratio of the unit's current transformer.
    """
    (raw,) = struct.unpack(f">{_FORMATS[point.type]}", ordered(data, point, modbus))
    if (field := _field(point)) is not None:
        raw = raw >> field[0] & field[1]
    elif point.type == "bool":
        raw = int(raw != 0)
    elif point.type.startswith("bcd"):
        raw = _bcd(raw, 2 * len(data))
    if float(raw) in point.not_available:
        return float("nan")
    return float(raw) * scale_of(point, ct)


def _field(point: Point) -> tuple[int, int] | None:
    """Return the shift and mask of a point that is only some bits of its register."""
    if point.bit is not None:
        return point.bit, 1
    if point.bits is not None:
        low, high = point.bits
        return low, (1 << (high - low + 1)) - 1
    return None


def _bcd(raw: int, digits: int) -> float:
    """Return the number four bits a digit stand for; NaN where a digit is above 9."""
    text = f"{raw:0{digits}x}"
    return float(text) if text.isdecimal() else float("nan")


def text(point: Point, data: bytes, modbus: Modbus) -> str:
    """Return the text of a string point: up to its first NUL, without blanks at the ends."""
    return ordered(data, point, modbus).split(b"\0", 1)[0].decode("latin-1").strip()


@dataclass(frozen=True, slots=True)
class _Group:
    """The points of one type in a block."""

    type: TypeWord
    take: slice | npt.NDArray[np.intp]  # bytes of the answer, big end first
    put: slice | npt.NDArray[np.intp]  # positions in the block
    fields: npt.NDArray[np.uint16] | None  # (2, points): shift and mask, for bits of a register


class Decoder:
    """Decodes every answer to one block read."""

    def __init__(
        self, block: Block, points: Sequence[Point], modbus: Modbus, cts: Sequence[float]
    ) -> None:
        """Prepare; `points` and `cts` are those the block's positions refer to."""
        held = [points[position] for position in block.points]
        self._count, self._is_bits = len(held), block.function in BITS
        self._offsets = np.array([point.address - block.address for point in held], np.intp)
        self._groups = [] if self._is_bits else _grouped(block, held, modbus)
        scales = np.array([scale_of(points[each], cts[each]) for each in block.points], np.float64)
        self._scales = None if bool((scales == 1.0).all()) else scales
        self._absent = _absent(held)

    def __call__(self, data: bytes) -> Floats:
        """Return the values, (points,), NaN where there is none; `data` has `block.size` bytes."""
        octets = np.frombuffer(data, np.uint8)
        values = self._bits(octets) if self._is_bits else self._registers(octets)
        if self._absent is not None:
            values[(values[:, None] == self._absent).any(axis=1)] = np.nan
        if self._scales is not None:
            values *= self._scales
        return values

    def _bits(self, octets: npt.NDArray[np.uint8]) -> Floats:
        return np.unpackbits(octets, bitorder="little")[self._offsets].astype(np.float64)

    def _registers(self, octets: npt.NDArray[np.uint8]) -> Floats:
        if len(self._groups) == 1:
            return _values(self._groups[0], octets)
        values = np.empty(self._count)
        for group in self._groups:
            values[group.put] = _values(group, octets)
        return values


def _grouped(block: Block, held: list[Point], modbus: Modbus) -> list[_Group]:
    members: dict[tuple[TypeWord, bool], list[int]] = defaultdict(list)
    for position, point in enumerate(held):
        members[point.type, _field(point) is not None].append(position)
    groups = []
    for (word, partial), positions in members.items():
        octets: list[int] = []
        for position in positions:
            point = held[position]
            first = 2 * (point.address - block.address)
            places = ordered(bytes(range(2 * point.registers)), point, modbus)
            octets += [first + place for place in places]
        fields = np.array([_field(held[p]) for p in positions], np.uint16).T if partial else None
        groups.append(_Group(word, _run(octets), _run(positions), fields))
    return groups


def _run(numbers: list[int]) -> slice | npt.NDArray[np.intp]:
    """Return a slice where numbers follow each other: it copies nothing."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return np.array(numbers, np.intp)


def _values(group: _Group, octets: npt.NDArray[np.uint8]) -> Floats:
    raw: npt.NDArray[Any] = octets[group.take].view(_DTYPES[group.type])
    if group.fields is not None:
        shift, mask = group.fields
        raw = raw.astype(np.uint16) >> shift & mask
    elif group.type == "bool":
        raw = raw != 0
    elif group.type in {"bcd16", "bcd32"}:
        return _bcds(raw.astype(np.uint32), 4 if group.type == "bcd16" else 8)
    values: Floats = raw.astype(np.float64)
    return values


def _bcds(raw: npt.NDArray[np.uint32], digits: int) -> Floats:
    values, wrong = np.zeros(len(raw)), np.zeros(len(raw), np.bool_)
    for place in range(digits):
        digit = raw >> np.uint32(4 * place) & np.uint32(0xF)
        values += digit * 10.0**place
        wrong |= digit > _HIGHEST_DIGIT
    values[wrong] = np.nan
    return values


def _absent(held: list[Point]) -> Floats | None:
    """Return (points, most) of what means "no value", filled up with NaN; None where none has."""
    most = max(len(point.not_available) for point in held)
    if most == 0:
        return None
    return np.array(
        [[*point.not_available, *[np.nan] * (most - len(point.not_available))] for point in held]
    )
