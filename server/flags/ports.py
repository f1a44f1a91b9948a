"""What flags need from outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from server.events import Event
from server.flags.model import Flag, Kind, SetOff, Target
from watchkeeper.ids import AlarmId, NewId, PointId, UnitId


class Flags(Protocol):
    """Flags within one unit of work."""

    def get(self, flag: str) -> Flag:
        """Return a flag; KeyError when unknown."""
        ...

    def standing(self, kind: Kind, subjects: Sequence[str]) -> list[Flag]:
        """Return the flags of a kind that stand on any of these subjects; at most one each."""
        ...

    def add(self, flag: Flag, *happened: Event) -> None:
        """Store a new flag."""
        ...

    def save(self, flag: Flag, *happened: Event) -> None:
        """Store what became of a flag, and tell what happened."""
        ...

    def went(self, flag: Flag, tested: SetOff) -> bool:
        """Store that a point was set off; False when it was before."""
        ...

    def tested(self, flag: str) -> list[SetOff]:
        """Return what was set off, the first first."""
        ...


class Ends(Protocol):
    """Timers that end flags."""

    def end_at(self, flag: Flag) -> None:
        """Let the flag end at its instant, and not at an earlier one; without one, never."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """What every handler works with."""

    flags: Flags
    ends: Ends
    now: datetime
    new_id: NewId


@dataclass(frozen=True, slots=True)
class Targets:
    """What can be flagged on this site; each raises KeyError when there is none."""

    of_alarm: Callable[[AlarmId], Target]
    of_point: Callable[[PointId], Target]
    of_unit: Callable[[UnitId], Target]
    of_zone: Callable[[str], Target]
    point_of: Callable[[AlarmId], PointId]
    unit_of: Callable[[AlarmId], UnitId]
