"""Alarm types: rules as the catalog writes them, rules bound to a point, and what they raise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec import field as named

from server.events import Handling
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class OfUnit(Struct, frozen=True, forbid_unknown_fields=True):
    """A bound that each unit of the site brings itself."""

    of: Literal["rated_kw"]
    factor: Annotated[float, Meta(gt=0)] = 1.0


class Limit(Struct, frozen=True, forbid_unknown_fields=True):
    """True above `high` or below `low`; stays true until the value is a deadband inside again."""

    high: float | OfUnit | None = None  # in the point's unit
    low: float | OfUnit | None = None
    deadband: Annotated[float, Meta(ge=0)] = 0.0  # in the point's unit
    deadband_percent: Annotated[float, Meta(ge=0, lt=100)] = 0.0  # of the bound, added to it


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """True while the value is one of `any_of`, or is none of `none_of`."""

    any_of: list[float] = []
    none_of: list[float] = []


class Stale(Struct, frozen=True, forbid_unknown_fields=True):
    """True while nothing good came for so long."""

    after_s: Annotated[float, Meta(gt=0)] | None = None  # the point's own `stale_after_s`


class Applies(Struct, frozen=True, forbid_unknown_fields=True):
    """Which units a rule is for; everything given must fit."""

    equipment: str = ""
    profile: str = ""
    unit: str = ""  # may be a pattern: "lift-*"


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of the catalog; exactly one of limit, state, stale, signal says when it is true."""

    key: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
    revision: Annotated[int, Meta(ge=1)]
    priority: Annotated[int, Meta(ge=1, le=4)]  # 1 critical .. 4 advisory
    title: Text
    guidance: Text
    applies: Applies = Applies()
    point: str = ""  # of the profile; may be a pattern: "detector-*"
    limit: Limit | None = None
    state: State | None = None
    stale: Stale | None = None
    signal: bool = False  # raised by the server itself: edge-lost
    on_delay_s: Seconds = 0.0  # true for so long before it rings
    off_delay_s: Seconds = 0.0  # not true for so long before it is over
    handling: Handling = "normal"
    skill: str = ""
    echo_of: str = (
        ""  # the rule that pages for the same trouble of the same unit: this one then rests
    )
    wants_order: bool = named(name="order", default=False)
    plan: str = ""  # key of the emergency plan this is a signal for


class RuleFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of catalog/rules."""

    rules: list[Rule]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A limit for one point, in its unit: true outside [low, high], over again inside the inner."""

    low: float = float("-inf")
    high: float = float("inf")
    inner_low: float = float("-inf")
    inner_high: float = float("inf")


@dataclass(frozen=True, slots=True)
class Codes:
    """True while the value is in the set; `inverted`: while it is not."""

    values: frozenset[float]
    inverted: bool = False


Condition = Bounds | Codes


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule bound to a point: everything that is decided and said about it."""

    key: str  # "feeder-overload|hvac-1/active_power"; one open alarm each
    rule: Rule
    point: PointId
    unit: UnitId  # the equipment: of a monitoring board, the lift it belongs to
    place: str
    zone: str
    condition: Condition
    names: Mapping[str, Text] = field(default_factory=dict)  # equipment, point, place, zone
    words: Mapping[float, Text] = field(default_factory=dict)  # of an enumerated point
    decimals: int = 1
    symbol: str = ""

    @property
    def limit(self) -> float | None:
        """Return the bound a value is compared with; None for other conditions."""
        if isinstance(self.condition, Codes):
            return None
        bound = self.condition.high
        return bound if bound != float("inf") else self.condition.low


@dataclass(frozen=True, slots=True)
class Sample:
    """What a rule is decided on."""

    at: datetime  # source time
    value: float | None  # None: unknown; seconds of silence for a stale rule


class Phase(StrEnum):
    """Where a rule stands at one point."""

    NORMAL = "normal"
    PENDING = "pending"  # true, its on-delay runs or is frozen
    ACTIVE = "active"
    LEAVING = "leaving"  # active, no longer true, its off-delay runs or is frozen


@dataclass(frozen=True, slots=True)
class RuleState:
    """The state of a rule at one point; survives a restart."""

    phase: Phase = Phase.NORMAL
    since: datetime | None = None  # start of the running stretch of a delay; None: frozen
    spent_s: float = 0.0  # of the delay, before `since`
    generation: int = 0  # counts changes, so that an old timer is known as such


Truth: TypeAlias = bool | None  # of a rule; None: unknown, which is not the same as normal


class Effect(StrEnum):
    """What a step of a rule does to its alarm."""

    NONE = "none"
    RAISE = "raise"
    RETURN = "return"


class Life(StrEnum):
    """The life of an alarm (ISA-18.2)."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"  # over, and nobody has seen it yet
    NORMAL = "normal"  # over and seen


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, from its first raise to normal."""

    id: AlarmId
    rule: str
    revision: int
    point: PointId
    unit: UnitId
    place: str
    zone: str
    priority: int
    handling: Handling
    life: Life
    title: Text
    guidance: Text
    value: float | None
    limit: float | None
    unit_symbol: str
    raised_at: datetime  # source time
    recorded_at: datetime  # when the server wrote it
    returned_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: PersonId | None = None
    count: int = 1  # raises of this row
    late: bool = False  # found in backlog, when it was over already
    order: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Command: a person says the alarm is seen."""

    alarm: AlarmId
    by: PersonId


THOUSANDS = {"W": "kW", "VA": "kVA", "var": "kvar", "Wh": "kWh"}  # for people, from here on:
FROM = 10_000


def figure(value: float, decimals: int, symbol: str) -> str:
    """Return a number as a person reads it: "239.9 kW", "9,870 W", "185.4 V".

    Args:
        value: In the unit of `symbol`.
        decimals: Of the point; a number in thousands of its unit has one.
        symbol: Of the unit, "" for none.
    """
    if symbol in THOUSANDS and abs(value) >= FROM:
        value, decimals, symbol = value / 1000, 1, THOUSANDS[symbol]
    rounded = round(value, decimals) + 0.0  # no "-0"
    return f"{rounded:,.{decimals}f} {symbol}".strip()


def view(alarm: Alarm) -> dict[str, object]:
    """Return the alarm as routes, stream and snapshot show it (docs/api.md: AlarmView)."""
    shown: dict[str, object] = {}
    for each in fields(alarm):
        value = getattr(alarm, each.name)
        if isinstance(value, datetime):
            shown[each.name] = unix_ms(value)
        elif isinstance(value, Text):
            shown[each.name] = {"zh": value.zh, "en": value.en}
        else:
            shown[each.name] = value
    return shown
