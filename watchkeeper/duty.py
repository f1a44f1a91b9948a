"""The duty check (查岗): is somebody at the fire panel? What its point says, on both ends."""

from enum import IntEnum


class Duty(IntEnum):
    """What became of the last one; the words stand in the profile."""

    ANSWERED = 0
    ASKED = 1  # the time a person has is running
    UNANSWERED = 2  # nobody pressed the button in time, or the device could not be asked
    NOT_ASKED = 3  # not since the edge started
