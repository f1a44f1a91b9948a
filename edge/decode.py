"""Registers to numbers. Pure.

`decode` says what is right, one point at a time; `Decoder` is the same for a whole block in a few
vector operations. A property test holds that both agree.

Word order says which register of a value comes first, byte order which byte of a register:
of 0x0A0B0C0D big/big is 0A 0B 0C 0D, little words 0C 0D 0A 0B, little bytes 0B 0A 0D 0C.
"""

import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec
import numpy as np
import numpy.typing as npt

from edge.plan import BITS, Block
from watchkeeper.batch import Flags, Floats
from watchkeeper.profile import Modbus, Point, TypeWord

_FORMATS: Final[dict[TypeWord, str]] = {
    "bool": "H", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q",
    "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
_DTYPES: Final = {word: np.dtype(code).newbyteorder(">") for word, code in _FORMATS.items()}
_BCD_BYTES: Final[dict[TypeWord, int]] = {"bcd16": 2, "bcd32": 4, "bcd48": 6}
_ROUNDED: Final[dict[TypeWord, type[np.floating[Any]]]] = {
    "float16": np.float16, "float32": np.float32,
}  # fmt: skip
_HIGHEST_DIGIT: Final = 9
_CENTURY: Final = 2000  # of a calendar's two digits
_BEFORE_1970: Final = (_CENTURY - 1970) * 12  # months


def scale_of(point: Point, ratio: float) -> float:
    """Return value per raw unit of a point behind transformers of this ratio."""
    scale = point.scale / 2.0**point.fraction_bits
    return scale * ratio if point.through else scale


def factor(point: Point, found: Mapping[str, float]) -> float:
    """Return what a point is multiplied by; NaN: a point it is scaled by has no value.

    Args:
        point: Which one.
        found: Values of the device's points by id.
    """
    product = 1.0
    if point.scale_from:
        given = found[point.scale_from]
        product = 10.0**given if point.scale_kind == "exponent" else given
    for name in point.ratio_from:
        product *= found[name]
    return product


def ordered(data: bytes, point: Point, modbus: Modbus) -> bytes:
    """Return a point's bytes, big end first."""
    words = [data[n : n + 2] for n in range(0, len(data), 2)]
    if (point.byte_order or modbus.byte_order) == "little":
        words = [word[::-1] for word in words]
    if (point.word_order or modbus.word_order) == "little" and point.type != "string":
        words.reverse()
    return b"".join(words)


def decode(point: Point, data: bytes, modbus: Modbus, ratio: float = 1.0) -> float:
    """Return the value of one point; NaN: the device says it has none, or it is no number.

    Args:
        point: What to read it as.
        data: Its registers as on the wire, two bytes each.
        modbus: The profile's orders, where the point has none of its own.
        ratio: Of the transformers the point is measured through, `layout.transformed`.
    """
    octets = ordered(data, point, modbus)
    if point.time == "calendar":
        raw: float = _instant(octets)
    elif point.type.startswith("bcd"):
        raw = _bcd(octets)
    else:
        (raw,) = struct.unpack(f">{_FORMATS[point.type]}", octets)
        if (field := _field(point)) is not None:
            raw = int(raw) >> field[0] & field[1]
        elif point.type == "bool":
            raw = int(raw != 0)
    if float(raw) in _codes(point):
        return float("nan")
    return float(raw) * scale_of(point, ratio) + point.offset


def _codes(point: Point) -> list[float]:
    """Return what means "no value", as a register can hold it: 3.4028235e38 is no float32 yet."""
    if point.type in _ROUNDED:
        return [_ROUNDED[point.type](code).item() for code in point.not_available]
    return point.not_available


def _field(point: Point) -> tuple[int, int] | None:
    """Return the shift and mask of a point that is only some bits of its register."""
    if point.bit is not None:
        return point.bit, 1
    if point.bits is not None:
        low, high = point.bits
        return low, (1 << (high - low + 1)) - 1
    return None


def _bcd(octets: bytes) -> float:
    """Return the number four bits a digit stand for; NaN where a digit is above 9."""
    digits = octets.hex()
    return float(digits) if digits.isdecimal() else float("nan")


def _instant(octets: bytes) -> float:
    """Return Unix seconds of YYMMDDhhmmss; NaN where there is no such day or time."""
    try:
        year, *rest = (int(f"{octet:02x}") for octet in octets)
        return datetime(_CENTURY + year, *rest, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]
    except ValueError:
        return float("nan")


def text(point: Point, data: bytes, modbus: Modbus) -> str:
    """Return the text of a string point: up to its first NUL, without blanks at the ends."""
    return ordered(data, point, modbus).split(b"\0", 1)[0].decode("latin-1").strip()


@dataclass(frozen=True, slots=True)
class _Group:
    """The points of one type in a block."""

    type: TypeWord
    is_calendar: bool
    take: slice | npt.NDArray[np.intp]  # bytes of the answer, big end first
    put: slice | npt.NDArray[np.intp]  # positions in the block
    fields: npt.NDArray[np.uint16] | None  # (2, points): shift and mask, for bits of a register


class Decoder:
    """Decodes every answer to one block read."""

    def __init__(
        self, block: Block, points: Sequence[Point], modbus: Modbus, ratios: Sequence[float]
    ) -> None:
        """Prepare; `points` and `ratios` are those the block's positions refer to."""
        held = [points[position] for position in block.points]
        self._count, self._is_bits = len(held), block.function in BITS
        self._offsets = np.array([point.address - block.address for point in held], np.intp)
        self._groups = [] if self._is_bits else _grouped(block, held, modbus)
        scales = np.array(
            [scale_of(points[each], ratios[each]) for each in block.points], np.float64
        )
        self._scales = None if bool((scales == 1.0).all()) else scales
        shifts = np.array([point.offset for point in held])
        self._shifts = shifts if bool(shifts.any()) else None
        self._absent = _absent(held)

    def __call__(self, data: bytes) -> Floats:
        """Return the values, (points,), NaN where there is none; `data` has `block.size` bytes."""
        octets = np.frombuffer(data, np.uint8)
        values = self._bits(octets) if self._is_bits else self._registers(octets)
        if self._absent is not None:
            values[(values[:, None] == self._absent).any(axis=1)] = np.nan
        if self._scales is not None:
            values *= self._scales
        if self._shifts is not None:
            values += self._shifts
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


_decoders: WeakValueDictionary[bytes, Decoder] = WeakValueDictionary()


def decoder_of(
    block: Block, points: Sequence[Point], modbus: Modbus, ratios: Sequence[float]
) -> Decoder:
    """Return the decoder that blocks of a kind have in common; see edge/judge.py."""
    held = [(points[each], ratios[each]) for each in block.points]
    kind = msgspec.msgpack.encode((block.function, block.address, block.points, modbus, held))
    found = _decoders.get(kind)
    if found is None:
        found = _decoders[kind] = Decoder(block, points, modbus, ratios)
    return found


def _grouped(block: Block, held: list[Point], modbus: Modbus) -> list[_Group]:
    members: dict[tuple[TypeWord, bool, bool], list[int]] = defaultdict(list)
    for position, point in enumerate(held):
        kind = (point.type, _field(point) is not None, point.time == "calendar")
        members[kind].append(position)
    groups = []
    for (word, partial, is_calendar), positions in members.items():
        octets: list[int] = []
        for position in positions:
            point = held[position]
            first = 2 * (point.address - block.address)
            places = ordered(bytes(range(2 * point.registers)), point, modbus)
            octets += [first + place for place in places]
        fields = np.array([_field(held[p]) for p in positions], np.uint16).T if partial else None
        groups.append(_Group(word, is_calendar, _run(octets), _run(positions), fields))
    return groups


def _run(numbers: list[int]) -> slice | npt.NDArray[np.intp]:
    """Return a slice where numbers follow each other: it copies nothing."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return np.array(numbers, np.intp)


def _values(group: _Group, octets: npt.NDArray[np.uint8]) -> Floats:
    if group.type in _BCD_BYTES:
        pairs = octets[group.take].reshape(-1, _BCD_BYTES[group.type])
        return _instants(pairs) if group.is_calendar else _bcds(pairs)
    raw: npt.NDArray[Any] = octets[group.take].view(_DTYPES[group.type])
    if group.fields is not None:
        shift, mask = group.fields
        raw = raw.astype(np.uint16) >> shift & mask
    elif group.type == "bool":
        raw = raw != 0
    values: Floats = raw.astype(np.float64)
    return values


def _two_digits(pairs: npt.NDArray[np.uint8]) -> Floats:
    """Return the number each octet stands for; NaN where one of its digits is above 9."""
    high, low = pairs >> 4, pairs & 0xF
    wrong = (high > _HIGHEST_DIGIT) | (low > _HIGHEST_DIGIT)
    return np.where(wrong, np.nan, high * 10.0 + low)


def _bcds(pairs: npt.NDArray[np.uint8]) -> Floats:
    """Return the numbers of rows of octets; exact, because all are below 2^53."""
    places = 100.0 ** np.arange(pairs.shape[1] - 1, -1, -1)
    values: Floats = (_two_digits(pairs) * places).sum(axis=1)
    return values


def _instants(pairs: npt.NDArray[np.uint8]) -> Floats:
    """Return Unix seconds of rows of YYMMDDhhmmss; NaN where there is no such day or time."""
    fields = _two_digits(pairs)
    fine: Flags = np.array(np.isfinite(fields).all(axis=1))
    year, month, day, hour, minute, second = np.where(fine[:, None], fields, 1.0).T
    fine &= (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)  # noqa: PLR2004
    months = (_BEFORE_1970 + 12 * year + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    first, after = (each.astype("datetime64[D]").astype(np.int64) for each in (months, months + 1))
    fine &= (day >= 1) & (day <= after - first)
    seconds = ((first + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    return np.where(fine, seconds, np.nan)


def _absent(held: list[Point]) -> Floats | None:
    """Return (points, most) of what means "no value", filled up with NaN; None where none has."""
    most = max(len(point.not_available) for point in held)
    if most == 0:
        return None
    return np.array(
        [[*_codes(point), *[np.nan] * (most - len(point.not_available))] for point in held]
    )
