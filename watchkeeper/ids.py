"""Names of things that more than one subject speaks of, and how new ones are made."""

from collections.abc import Callable
from typing import NewType

PointId = NewType("PointId", str)  # "main-1/active_power": unit id and point of its profile
UnitId = NewType("UnitId", str)  # "lift-3": a device of the site file
EdgeId = NewType("EdgeId", str)  # "plant-b1"
EventId = NewType("EventId", str)  # UUIDv7, made by the edge when the change was seen
AlarmId = NewType("AlarmId", str)  # "alm_…", sortable by time
OrderId = NewType("OrderId", str)  # "ord_…"
PersonId = NewType("PersonId", str)  # the login name
RunId = NewType("RunId", str)  # "run_…": one run of an emergency plan

NewId = Callable[[str], str]  # "alm" -> "alm_0197…": passed in where things are made


def uuid7(unix_ms: int, random_bits: int) -> str:
    """Return a UUIDv7 in its canonical text form (RFC 9562, 5.7): sortable by time.

    Args:
        unix_ms: When, Unix ms, 48 bits are used.
        random_bits: At least 74 random bits.
    """
    value = (unix_ms & (1 << 48) - 1) << 80 | 7 << 76
    value |= (random_bits >> 62 & 0xFFF) << 64 | 0b10 << 62 | random_bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def sortable(prefix: str, unix_ms: int, random_bits: int) -> str:
    """Return "prefix_…": 12 hex digits of time and 12 of chance, sortable by time."""
    return f"{prefix}_{unix_ms & (1 << 48) - 1:012x}{random_bits & (1 << 48) - 1:012x}"
