"""GB/T 26875.3-2011 as a transmission device writes it, by hand from the standard."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

CONTROL, SEND, CONFIRM, REQUEST, RESPONSE, DENY = 1, 2, 3, 4, 5, 6
HEAD_BYTES = 27
HEARTBEAT = b"\x00"  # makers send data of one byte
MOST_STATES = 22  # component states in a frame
FIRE_ALARM, SPRINKLERS, SMOKE_DETECTOR, WATER_TANK, HEIGHT = 1, 12, 42, 92, 2
# State bits by what the panel says; bit 0 is normal operation, 0 means in test. Above them come the
# supplies of a system: bit 8 its mains, bit 9 its battery.
BITS = {0: 0b0001, 1: 0b0011, 2: 0b0101, 3: 0b1001, 4: 0b0000}


@dataclass(frozen=True, slots=True)
class Head:
    """What matters of a frame that came."""

    serial: int
    source: bytes
    length: int  # of the data
    command: int


def time(at: datetime) -> bytes:
    """Return six bytes of local time: second first, year from 2000, plain binary."""
    return bytes((at.second, at.minute, at.hour, at.day, at.month, at.year % 100))


def frame(
    serial: int, command: int, at: datetime, data: bytes = b"", *, source: bytes, to: bytes
) -> bytes:
    """Return a frame, checksum and all."""
    body = struct.pack("<H", serial) + bytes((1, 0)) + time(at) + source + to
    body += struct.pack("<HB", len(data), command) + data
    return b"\x40\x40" + body + bytes((sum(body) % 256,)) + b"\x23\x23"


def head(octets: bytes) -> Head:
    """Return the head of a frame of the centre; ValueError: it is none."""
    if not octets.startswith(b"\x40\x40"):
        raise ValueError(octets.hex())
    (serial,) = struct.unpack_from("<H", octets, 2)
    length, command = struct.unpack_from("<HB", octets, 24)
    return Head(serial, octets[12:18], length, command)


def system_state(code: int, at: datetime) -> bytes:
    """Return the state of fire alarm system 1, type flag 1; `code` may carry supply faults."""
    bits = BITS[code & 0xFF] | code & 0xFF00
    return bytes((1, 1, FIRE_ALARM, 1)) + struct.pack("<H", bits) + time(at)


def operation(flags: int, operator: int, at: datetime) -> bytes:
    """Return what somebody did at fire alarm system 1 (bit 0 reset, bit 1 mute), type flag 4."""
    return bytes((4, 1, FIRE_ALARM, 1, flags, operator)) + time(at)


def component_states(states: Sequence[tuple[int, int]], at: datetime) -> Iterator[bytes]:
    """Yield the states of detectors, (address, code) each, type flag 2."""
    for first in range(0, len(states), MOST_STATES):
        some = states[first : first + MOST_STATES]
        yield bytes((2, len(some))) + b"".join(_component(*each, at) for each in some)


def _component(address: int, code: int, at: datetime) -> bytes:
    text = f"{address >> 8}回路{address & 255}号感烟".encode("gb18030")
    fixed = struct.pack("<BBBIH", FIRE_ALARM, 1, SMOKE_DETECTOR, address, BITS[code])
    return fixed + text.ljust(31, b"\x00") + time(at)


def tank_level(metres: float, at: datetime) -> bytes:
    """Return the level of the fire water tank, type flag 3."""
    fixed = struct.pack("<BBBIBh", SPRINKLERS, 1, WATER_TANK, 1, HEIGHT, round(metres * 100))
    return bytes((3, 1)) + fixed + time(at)


def device_state(at: datetime) -> bytes:
    """Return the device's own state, in normal operation, type flag 21."""
    return bytes((21, 1, 0b1)) + time(at)


def duty_answer(operator: int, at: datetime) -> bytes:
    """Return that somebody answered the duty check, type flag 24."""
    return bytes((24, 1, 1 << 5, operator)) + time(at)


def asked_components(data: bytes) -> list[int]:
    """Return the addresses a request of type 62 or 63 names (system type, system, address 4)."""
    return [struct.unpack_from("<I", data, 4 + 6 * n)[0] for n in range(data[1])]
