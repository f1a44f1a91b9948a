"""Flags and the commands that set them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from server.events import Handling
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId, PointId


class Kind(StrEnum):
    """Why nobody is told."""

    SHELVED = "shelved"  # a person has heard it often enough, for a while
    SUPPRESSED = "suppressed"  # by design: a mode of the plant, or a root alarm, explains it
    OUT_OF_SERVICE = "out_of_service"  # somebody works on it, by permit
    TEST = "test"  # somebody sets it off on purpose


TIMER = "flag"  # kind of the timers that end a flag

_H, _D = timedelta(hours=1), timedelta(days=1)
# How long at most, from now on; what has no line here is refused.
LONGEST: Mapping[tuple[Kind, Handling], timedelta] = {
    (Kind.SHELVED, "highly_managed"): 8 * _H,
    (Kind.SHELVED, "normal"): 24 * _H,
    (Kind.SUPPRESSED, "highly_managed"): 30 * _D,
    (Kind.SUPPRESSED, "normal"): 30 * _D,
    (Kind.OUT_OF_SERVICE, "life_safety"): 4 * _H,
    (Kind.OUT_OF_SERVICE, "highly_managed"): 7 * _D,
    (Kind.OUT_OF_SERVICE, "normal"): 30 * _D,
    (Kind.TEST, "life_safety"): 4 * _H,
    (Kind.TEST, "highly_managed"): 8 * _H,
    (Kind.TEST, "normal"): 8 * _H,
}

# Which roles; an admin may always, a manager is the dispatcher of the house.
_DESK = frozenset({"operator", "manager"})
MAY: Mapping[tuple[Kind, Handling], frozenset[str]] = {
    **dict.fromkeys(LONGEST, _DESK),
    (Kind.SHELVED, "normal"): _DESK | {"technician"},
    (Kind.OUT_OF_SERVICE, "life_safety"): frozenset({"manager"}),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a flag is about, as the plant and the rules know it."""

    subject: str  # "alarm:<rule>|<point>", "point:…", "unit:…", "zone:…"
    handling: Handling  # the most serious of its rules
    name: Text
    alarm: AlarmId | None = None  # it was asked for from this one
    points: tuple[PointId, ...] = ()  # to be set off in test mode


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks."""

    id: PersonId
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ask:
    """Command: let a flag stand, or stand for longer."""

    kind: Kind
    until: datetime | None  # None: until it is ended; only what is suppressed by design
    reason: str
    one_shot: bool = False  # a shelf that ends when the alarm is over
    cause: str = ""  # of what is suppressed: a mode, or the id of the root alarm
    permit: str = ""  # of what is out of service: the number of the work permit
    company: str = ""  # who sets it off in test mode


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag, from its beginning to its end."""

    id: str
    kind: Kind
    subject: str
    handling: Handling
    name: Text
    reason: str
    by: PersonId
    since: datetime
    until: datetime | None
    one_shot: bool = False
    cause: str = ""
    permit: str = ""
    company: str = ""
    points: tuple[PointId, ...] = ()
    generation: int = 0  # of its timer
    ended_at: datetime | None = None
    ended_by: PersonId | None = None
    ended_why: str = ""  # expired, returned, ended


@dataclass(frozen=True, slots=True)
class SetOff:
    """A point that was set off in test mode."""

    point: PointId
    alarm: AlarmId
    at: datetime  # source time of the first


def view(flag: Flag, tested: int) -> dict[str, object]:
    """Return a flag as the API and the stream tell it; times are Unix ms.

    Args:
        flag: As it stands.
        tested: How many of its points were set off; only shown of test mode.
    """
    shown: dict[str, object] = {}
    for each in fields(flag):
        value = getattr(flag, each.name)
        if isinstance(value, datetime):
            shown[each.name] = unix_ms(value)
        elif isinstance(value, Text):
            shown[each.name] = {"zh": value.zh, "en": value.en}
        elif each.name not in {"points", "generation"}:
            shown[each.name] = value
    if flag.kind is Kind.TEST:
        shown |= {"tested": tested, "total": len(flag.points)}
    return shown
