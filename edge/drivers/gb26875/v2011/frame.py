"""The frame of GB/T 26875.3-2011 (clause 6.2): cut from a stream of bytes, checked, built. Pure.

    40 40 | serial 2 | version 2 | time 6 | source 6 | destination 6 | length 2 | command 1
    | data 0..1024 | checksum 1 | 23 23

Numbers are little-endian; the checksum is the sum of everything from the serial to the data. The
user's version byte differs from maker to maker and is never a reason to refuse a frame.
"""

import struct
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import IntEnum
from typing import Final

START: Final = b"@@"
END: Final = b"##"
LONGEST: Final = 1024  # bytes of data
_HEAD: Final = struct.Struct("<2sH2s6s6s6sHB")
_TAIL: Final = 3  # checksum and end
_LONGEST_FRAME: Final = _HEAD.size + LONGEST + _TAIL
_CENTURY: Final = 2000


class Command(IntEnum):
    """What a frame wants (table 2)."""

    CONTROL = 1
    SEND = 2
    CONFIRM = 3
    REQUEST = 4
    RESPONSE = 5
    DENY = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; addresses and time as on the wire."""

    serial: int
    command: int
    source: bytes  # 6
    destination: bytes  # 6
    data: bytes = b""
    time: bytes = bytes(6)  # see `when`
    version: bytes = b"\x01\x00"


@dataclass(frozen=True, slots=True)
class Bad:
    """What began like a frame and was none; the head is as good as its bytes."""

    why: str  # length, end or checksum
    head: Frame


class Frames:
    """Cuts a stream into frames; what is none is skipped and counted, never fatal."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._held = b""
        self.skipped = 0  # bytes that belonged to no frame

    def feed(self, data: bytes) -> list[Frame | Bad]:
        """Return what is complete now; the rest waits for more, at most one frame's length.

        A start whose frame is not complete may be chance within other bytes: a good frame behind
        it is taken at once and does not wait for the length that chance gave.
        """
        held, done, start = self._held + data, 0, 0
        found: list[Frame | Bad] = []
        waiting = -1  # the first start whose frame is not complete
        while (start := held.find(START, start)) >= 0:
            size = _size(held, start)
            if size is None or start + size > len(held) or size > _LONGEST_FRAME:
                if size is None or size <= _LONGEST_FRAME:
                    waiting = start if waiting < 0 else waiting
                elif waiting < 0:
                    found.append(Bad("length", _headed(held, start)))
                start += 1
                continue
            each = _read(held[start : start + size])
            if isinstance(each, Frame) or waiting < 0:  # within what waits only a good one counts
                found.append(each)
            if isinstance(each, Bad):
                start += 1
                continue
            self.skipped += start - done
            start = done = start + size
            waiting = -1
        keep = waiting if waiting >= 0 else len(held) - held.endswith(START[:1])
        keep = max(keep, done)
        self.skipped += keep - done
        self._held = held[keep:]
        return found


def encoded(frame: Frame) -> bytes:
    """Return the frame's bytes. ValueError: more data than a frame may have."""
    if len(frame.data) > LONGEST:
        raise ValueError(f"{len(frame.data)} bytes of data")
    head = _HEAD.pack(
        START,
        frame.serial,
        frame.version,
        frame.time,
        frame.source,
        frame.destination,
        len(frame.data),
        frame.command,
    )
    summed = head[len(START) :] + frame.data
    return START + summed + bytes([sum(summed) & 0xFF]) + END


def when(time: bytes, zone: tzinfo) -> datetime | None:
    """Return a time of the protocol (second to year, plain binary); None where it is no date."""
    second, minute, hour, day, month, year = time
    try:
        return datetime(_CENTURY + year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def stamp(at: datetime) -> bytes:
    """Return the six bytes of a local time."""
    return bytes([at.second, at.minute, at.hour, at.day, at.month, at.year - _CENTURY])


def _size(held: bytes, start: int) -> int | None:
    """Return how long the frame that starts there says it is; None where that is not there yet."""
    if len(held) - start < _HEAD.size:
        return None
    length = int.from_bytes(held[start + 24 : start + 26], "little")
    return _HEAD.size + length + _TAIL


def _read(octets: bytes) -> Frame | Bad:
    frame = _headed(octets, 0)
    if not octets.endswith(END):
        return Bad("end", frame)
    if sum(octets[len(START) : -_TAIL]) & 0xFF != octets[-_TAIL]:
        return Bad("checksum", frame)
    return Frame(
        frame.serial,
        frame.command,
        frame.source,
        frame.destination,
        octets[_HEAD.size : -_TAIL],
        frame.time,
        frame.version,
    )


def _headed(held: bytes, start: int) -> Frame:
    _, serial, version, time, source, destination, _, command = _HEAD.unpack_from(held, start)
    return Frame(serial, command, source, destination, b"", time, version)
