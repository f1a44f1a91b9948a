"""What stands in a frame: type flag, number of objects, objects (GB/T 26875.3-2011, clause 8).

Pure. Nothing here refuses a frame: what cannot be read is named in `Told.odd` and the rest is
returned, because a maker's variant of one object must not hide the fire in the next.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, TypeAlias

from edge.drivers.gb26875.v2011.frame import stamp


class Flag(IntEnum):
    """Types of application data (table 3); those we read or send."""

    SYSTEM_STATE = 1
    COMPONENT_STATE = 2
    COMPONENT_VALUE = 3
    OPERATION = 4
    VERSION = 5
    CONFIG = 6
    COMPONENT_CONFIG = 7
    TIME = 8
    DEVICE_STATE = 21
    DEVICE_OPERATION = 24
    DEVICE_VERSION = 25
    DEVICE_CONFIG = 26
    DEVICE_TIME = 28
    READ_SYSTEM_STATE = 61
    READ_COMPONENT_STATE = 62
    READ_COMPONENT_VALUE = 63
    READ_DEVICE_STATE = 81
    SET_CLOCK = 90
    DUTY_CHECK = 91


DUTY_ANSWER: Final = 1 << 5  # of a device's operation flags (figure 14)
NORMAL, FIRE, FAULT, DISABLED, TEST = range(5)  # the words of a state, as of every fire panel
MOST_READS: Final = 22  # components asked for at once: their states must fit one answer


@dataclass(frozen=True, slots=True)
class State:
    """Bits of a system, a component or the device itself, as the protocol numbers them."""

    system: int | None  # type; None: the device
    panel: int  # address of the system
    type: int | None  # of the component; None: the system or the device
    address: int
    bits: int
    text: str  # what the panel calls the component
    time: bytes

    @property
    def word(self) -> int:
        """Return what the bits say together: 0 normal, 1 fire, 2 fault, 3 disabled, 4 test.

        What is wrong comes before TEST: bit 0 is 0 in test, and always with makers that do not
        use it. Whether somebody only tries a detector is for a person to say.
        """
        if self.bits & 1 << 1:
            return FIRE
        if self.bits & self._faults:
            return FAULT
        if self.system is not None and self.bits & 1 << 3:
            return DISABLED
        return NORMAL if self.bits & 1 else TEST

    @property
    def _faults(self) -> int:
        """Return the bits that are faults (figures 6, 7, 13)."""
        if self.system is None:
            return 0b0111_1100  # fault, mains, backup, link, watched line
        return 1 << 2 | (0b111 << 8 if self.type is None else 1 << 8)


@dataclass(frozen=True, slots=True)
class Value:
    """A measured value of a component, as it came; its unit follows from `kind` (table 6)."""

    system: int
    panel: int
    type: int
    address: int
    kind: int
    raw: int
    time: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """What somebody did at a panel, or at the device (no `system`)."""

    system: int | None
    panel: int
    flags: int
    operator: int
    time: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """Versions, descriptions and clocks: nothing the platform acts on."""

    flag: int
    text: str


Item: TypeAlias = State | Value | Operation | Note


@dataclass(frozen=True, slots=True)
class Told:
    """The objects of a frame."""

    flag: int  # type flag; NO_FLAG where there is none
    items: tuple[Item, ...] = ()
    odd: str = ""  # what could not be read


NO_FLAG: Final = -1


def decoded(data: bytes) -> Told:
    """Return what a frame's data says; never raises."""
    if len(data) < 2:  # noqa: PLR2004 - flag and count; makers send heartbeats of one byte
        return Told(data[0] if data else NO_FLAG)
    flag, count, rest = data[0], data[1], data[2:]
    if flag in _TEXTS:
        return _texts(flag, count, rest)
    if flag not in _OBJECTS:
        return Told(flag, (), "unknown type")
    layout, made = _OBJECTS[flag]
    fit = min(count, len(rest) // layout.size)
    items = tuple(made(*layout.unpack_from(rest, n * layout.size)) for n in range(fit))
    return Told(flag, items, _oddness(fit < count, len(rest) - fit * layout.size))


def _oddness(short: bool, left: int) -> str:  # noqa: FBT001 - the two ways a length is wrong
    return "fewer objects than announced" if short else "more bytes than objects" if left else ""


def _texts(flag: int, count: int, rest: bytes) -> Told:
    """Read objects of a length of their own: a description of a system or of the device."""
    start = _TEXTS[flag]  # bytes before the length
    items: list[Item] = []
    while len(items) < count and len(rest) > start and len(rest) > start + rest[start]:
        end = start + 1 + rest[start]
        items.append(Note(flag, _words(rest[start + 1 : end])))
        rest = rest[end:]
    return Told(flag, tuple(items), _oddness(len(items) < count, len(rest)))


def _words(octets: bytes) -> str:
    """Return GB 18030 text up to its padding; what is none of it is marked, not refused."""
    return octets.split(b"\0")[0].decode("gb18030", "replace")


def _component_state(  # noqa: PLR0913, PLR0917 - the fields of figure 7
    system: int, panel: int, kind: int, address: int, bits: int, text: bytes, time: bytes
) -> State:
    return State(system, panel, kind, address, bits, _words(text), time)


def _system_state(system: int, panel: int, bits: int, time: bytes) -> State:
    return State(system, panel, None, panel, bits, "", time)


def _device_state(bits: int, time: bytes) -> State:
    return State(None, 0, None, 0, bits, "", time)


def _device_operation(flags: int, operator: int, time: bytes) -> Operation:
    return Operation(None, 0, flags, operator, time)


def _version(flag: Flag) -> Callable[..., Note]:
    return lambda *facts: Note(flag, f"{facts[-2]}.{facts[-1]}")


def _clock(flag: Flag) -> Callable[..., Note]:
    return lambda *facts: Note(flag, facts[-1].hex(" "))


def _description(*facts: bytes) -> Note:
    return Note(Flag.COMPONENT_CONFIG, _words(facts[-1]))


_OBJECTS: Final[dict[int, tuple[struct.Struct, Callable[..., Item]]]] = {
    Flag.SYSTEM_STATE: (struct.Struct("<BBH6s"), _system_state),
    Flag.COMPONENT_STATE: (struct.Struct("<BBBIH31s6s"), _component_state),
    Flag.COMPONENT_VALUE: (struct.Struct("<BBBIBh6s"), Value),
    Flag.OPERATION: (struct.Struct("<BBBB6s"), Operation),
    Flag.VERSION: (struct.Struct("<BBBB"), _version(Flag.VERSION)),
    Flag.COMPONENT_CONFIG: (struct.Struct("<BBBI31s"), _description),
    Flag.TIME: (struct.Struct("<BB6s"), _clock(Flag.TIME)),
    Flag.DEVICE_STATE: (struct.Struct("<B6s"), _device_state),
    Flag.DEVICE_OPERATION: (struct.Struct("<BB6s"), _device_operation),
    Flag.DEVICE_VERSION: (struct.Struct("<BB"), _version(Flag.DEVICE_VERSION)),
    Flag.DEVICE_TIME: (struct.Struct("<6s"), _clock(Flag.DEVICE_TIME)),
}
_TEXTS: Final[dict[int, int]] = {Flag.CONFIG: 2, Flag.DEVICE_CONFIG: 0}


def set_clock(at: datetime) -> bytes:
    """Return the data of a control frame that sets the device's clock to a local time."""
    return bytes([Flag.SET_CLOCK, 1]) + stamp(at)


def duty_check(minutes: int) -> bytes:
    """Return the data of a control frame that asks who is there to press the button in time."""
    return bytes([Flag.DUTY_CHECK, 1, minutes])


def read_device() -> bytes:
    """Return the data of a request for the device's own state."""
    return bytes([Flag.READ_DEVICE_STATE, 1, 0])


def read_systems(systems: list[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the data of requests for the states of systems, (type, address) each."""
    yield from _reads(Flag.READ_SYSTEM_STATE, [bytes(each) for each in systems])


def read_components(flag: Flag, parts: list[tuple[int, int, int]]) -> Iterator[bytes]:
    """Yield the data of requests for components, (system, panel, address) each: no type there."""
    yield from _reads(flag, [struct.pack("<BBI", *part) for part in parts])


def _reads(flag: Flag, objects: list[bytes]) -> Iterator[bytes]:
    for first in range(0, len(objects), MOST_READS):
        some = objects[first : first + MOST_READS]
        yield bytes([flag, len(some)]) + b"".join(some)
