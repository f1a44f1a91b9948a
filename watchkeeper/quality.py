"""How far a value can be trusted: one table for the wire, the stores, the API and the screens.

The codes with their words, and who sets which: docs/quality.md.
"""

from enum import IntEnum


class Quality(IntEnum):
    """Trust in one reading: one byte, set once at the edge, never raised downstream.

    0-63 good, 64-127 uncertain (has a value), 128-255 bad (has none).
    """

    GOOD = 0
    LATE = 1  # good, read later than its rate asks: its bus is behind
    UNCERTAIN = 64
    CLOCK_UNSYNCHRONISED = 65  # the value is right, its time may not be
    OUTSIDE_USUAL = 66  # outside the profile's usual range, inside the possible one
    BAD = 128
    NO_ANSWER = 129  # time-out, connection lost
    REFUSED = 130  # the device answered with a Modbus exception
    OUTSIDE_POSSIBLE = 131  # outside the profile's possible range
    NOT_AVAILABLE = 132  # the device's own "no value" pattern, or NaN
    STALE = 133  # nothing fresh for longer than the point allows; set by who looks


FIRST_UNCERTAIN = 64
FIRST_BAD = 128


def is_bad(quality: int) -> bool:
    """Return whether a reading of this quality has no value."""
    return quality >= FIRST_BAD


def third(quality: int) -> Quality:
    """Return GOOD, UNCERTAIN or BAD: what a code means to who does not know it."""
    if is_bad(quality):
        return Quality.BAD
    return Quality.GOOD if is_good(quality) else Quality.UNCERTAIN


def is_good(quality: int) -> bool:
    """Return whether a reading counts in summaries and reports without a mark."""
    return quality < FIRST_UNCERTAIN
