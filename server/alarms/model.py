"""Alarm types: rules bound to a point, where they stand, and what they raise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from server.conditions import (
    NOTHING,
    Bounds,
    Codes,
    Condition,
    Memory,
    inner,
)
from server.events import Handling
from server.rule_words import Applies, Limit, Rule, RuleFile, Stale, State
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

__all__ = [
    "Applies",
    "Bounds",
    "Codes",
    "Condition",
    "Limit",
    "Memory",
    "Rule",
    "RuleFile",
    "Stale",
    "State",
]  # fmt: skip - of the rules: server/rule_words.py as written, server/conditions.py as bound


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
    override: int = 0  # revision of what the site says otherwise; 0: nothing
    roots: tuple[str, ...] = ()  # watches whose alarm explains one of this: server/dependencies.py

    @property
    def limit(self) -> float | None:
        """Return the bound a value is compared with; None for other conditions."""
        return self.limit_of(0)

    def limit_of(self, grade: int) -> float | None:
        """Return the bound of a grade, where the rule has several."""
        kind = inner(self.condition)
        if not isinstance(kind, Bounds):
            return None
        if grade:
            return kind.sides[grade - 1].bound
        return kind.high if kind.high != float("inf") else kind.low

    def priority_of(self, grade: int) -> int:
        """Return the priority of a grade; without grades the rule's."""
        kind = inner(self.condition)
        if grade and isinstance(kind, Bounds):
            return kind.sides[grade - 1].priority
        return self.rule.priority


@dataclass(frozen=True, slots=True)
class Sample:
    """What a rule is decided on."""

    at: datetime  # source time
    value: float | None  # None: unknown; seconds of silence for a stale rule
    late: bool = False  # nobody looked at the time


@dataclass(frozen=True, slots=True)
class Missed:
    """What was so while nobody looked, by the time of the readings."""

    at: datetime
    value: float | None
    returned_at: datetime | None  # None: it still is
    priority: int


class Phase(StrEnum):
    """Where a rule stands at one point."""

    NORMAL = "normal"
    PENDING = "pending"  # true, its on-delay runs or is frozen
    ACTIVE = "active"
    SHIFTING = "shifting"  # active, another of its limits counts, the on-delay runs or is frozen
    LEAVING = "leaving"  # active, no longer true, its off-delay runs or is frozen


@dataclass(frozen=True, slots=True)
class RuleState:
    """The state of a rule at one point; survives a restart."""

    phase: Phase = Phase.NORMAL
    since: datetime | None = None  # start of the running stretch of a delay; None: frozen
    spent_s: float = 0.0  # of the delay, before `since`
    generation: int = 0  # counts changes, so that an old timer is known as such
    grade: int = 0  # which of several limits counts: Bounds.sides
    toward: int = 0  # while shifting: which is about to
    memory: Memory = NOTHING  # what the condition knows of the past


Truth: TypeAlias = bool | None  # of a rule; None: unknown, which is not the same as normal


class Effect(StrEnum):
    """What a step of a rule does to its alarm."""

    NONE = "none"
    RAISE = "raise"
    RETURN = "return"
    GRADE = "grade"  # another of its limits counts: more or less urgent


class Life(StrEnum):
    """The life of an alarm (ISA-18.2)."""

    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"  # over, and nobody has seen it yet
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"  # likewise, and then it must be reset
    LATCHED = "latched"  # over and seen; stays until a person resets it
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
    late: bool = False  # it became so while nobody looked; found afterwards
    order: str | None = None
    run: str | None = None
    override: int = 0  # revision of what the site said otherwise of the rule; 0: nothing
    priority_max: int = 0  # the most urgent this row has been; 0: as `priority`
    flags: tuple[str, ...] = ()  # what holds back telling people: docs/alarms.md
    shelved_until: datetime | None = None
    untold: bool = False  # raised or worse under a flag, and nobody was told of it
    tellings: int = 0  # how often people were told: each time is a message of its own
    raises: tuple[datetime, ...] = ()  # the newest instants, for `chattering`
    chatter_since: datetime | None = None  # comes and goes too often for people
    chatter_count: int = 0  # raises since then, over all rows of the rule at the point
    fleeting: bool = False  # was over by itself before anybody could act
    test: bool = False  # raised in test mode: no alarm of the house
    cause: AlarmId | None = None  # the alarm that explains it: the root of its incident

    @property
    def active(self) -> bool:
        """Return whether its rule is still true."""
        return self.returned_at is None

    @property
    def key(self) -> str:
        """Return the key of its watch."""
        return f"{self.rule}|{self.point}"


@dataclass(frozen=True, slots=True)
class Hold:
    """A flag, as far as alarms must know it: of its subject nobody is told while it stands."""

    flag: str
    kind: str  # shelved, suppressed, out_of_service, test
    subject: str  # "alarm:<watch>", "point:…", "unit:…", "zone:…"
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Command: a person says the alarm is seen."""

    alarm: AlarmId
    by: PersonId


@dataclass(frozen=True, slots=True)
class Reset:
    """Command: a person lets a latched alarm go."""

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


def said(watch: Watch, text: Text, value: float | None) -> Text:
    """Return a rule's text with {equipment}, {point}, {place}, {zone}, {value}, {limit} filled."""
    facts = {
        name: (words.zh, words.en)
        for name, words in {
            **watch.names,
            "value": _written(watch, value),
            "limit": _written(watch, watch.limit),
        }.items()
    }
    return Text(
        text.zh.format(**{name: zh for name, (zh, _) in facts.items()}),
        text.en.format(**{name: en for name, (_, en) in facts.items()}),
    )


def _written(watch: Watch, value: float | None) -> Text:
    if value is None:
        return Text("—", "—")
    if value in watch.words:
        return watch.words[value]
    number = figure(value, watch.decimals, watch.symbol)
    return Text(number, number)


_OURS = frozenset({"raises", "tellings"})  # not for screens


def subjects(unit: str, point: str, zone: str, key: str) -> list[str]:
    """Return what a flag may be about that touches this alarm (Hold.subject).

    A monitoring board speaks for the lift it belongs to: a flag of either touches it.
    """
    found = [f"alarm:{key}", f"point:{point}", f"unit:{unit}", f"unit:{point.partition('/')[0]}"]
    return found + ([f"zone:{zone}"] if zone else [])


def view(alarm: Alarm) -> dict[str, object]:
    """Return the alarm as routes, stream and snapshot show it (docs/api.md: AlarmView)."""
    shown: dict[str, object] = {"active": alarm.active}
    for each in fields(alarm):
        value = getattr(alarm, each.name)
        if each.name in _OURS:
            continue
        if isinstance(value, datetime):
            shown[each.name] = unix_ms(value)
        elif isinstance(value, Text):
            shown[each.name] = {"zh": value.zh, "en": value.en}
        elif isinstance(value, tuple):
            shown[each.name] = list(value)
        else:
            shown[each.name] = value
    return shown
