"""Everything that can happen on the server: one class an event, said in the past tense.

Subjects meet here and in wiring.py, never in an import. Every event is handled inside the unit of
work that caused it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, OrderId, PersonId, PointId, RunId, UnitId

Handling = Literal["life_safety", "highly_managed", "normal"]


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """A rule became true and stayed true for its on-delay."""

    alarm: AlarmId
    rule: str
    revision: int
    point: PointId
    unit: UnitId  # the equipment: of a monitoring board, the lift it belongs to
    place: str  # "tower-a/12"
    zone: str  # fire zone id, "" where there is none
    priority: int  # 1 critical .. 4 advisory
    handling: Handling
    title: Text  # "{equipment}: {fault}", ready to be read
    guidance: Text
    order: bool  # the rule wants a work order
    plan: str  # key of the emergency plan this alarm is a signal for, "" for none
    skill: str  # who can mend it: electrical, elevator, fire, plumbing, hvac
    value: float | None
    at: datetime  # source time
    late: bool = False  # found in backlog: recorded, not paged when it is over
    echo: bool = False  # people are paged for the same trouble by another alarm just now
    repeat: bool = False  # flapping: back within ten minutes, people were told already
    held: tuple[str, ...] = ()  # flags that stand: recorded, and nobody is told or sent
    telling: int = 1  # how often people were told of this alarm, with this time
    root: bool = False  # it may explain others: never one of many
    flood: bool = False  # one of too many for a person: told and sent with others


@dataclass(frozen=True, slots=True)
class AlarmWorsened:
    """An active alarm has a more urgent priority than before: it must be seen again."""

    now: AlarmRaised  # as it is said now
    was: int  # its priority before


@dataclass(frozen=True, slots=True)
class AlarmCalmed:
    """An alarm that came and went too often for people has been quiet for a while."""

    raised: AlarmRaised  # as it was said last
    count: int  # raises of the whole stretch
    since: datetime  # source time of the first
    active: bool  # it is still true, or is over


@dataclass(frozen=True, slots=True)
class FlagStands:
    """From now on nobody is told of the alarms of something; said again when it is extended."""

    flag: str
    kind: str  # shelved, suppressed, out_of_service, test
    subject: str  # "alarm:<rule>|<point>", "point:…", "unit:…", "zone:…"
    until: datetime | None
    reason: str
    by: PersonId
    at: datetime
    alarm: AlarmId | None = None  # it was asked for from this one


@dataclass(frozen=True, slots=True)
class FlagEnded:
    """A flag stands no more."""

    flag: str
    kind: str
    subject: str
    why: str  # expired, returned, ended
    by: PersonId
    at: datetime


@dataclass(frozen=True, slots=True)
class WalkTestEnded:
    """Test mode is over: alarms there are real again."""

    flag: str
    name: Text  # of the zone or unit
    tested: int
    total: int
    missing: tuple[str, ...]  # points that never went active
    by: PersonId  # who began it
    at: datetime


@dataclass(frozen=True, slots=True)
class AlarmsExplained:
    """A root came after its symptoms: they are one incident now."""

    root: AlarmId
    title: Text  # of the root
    priority: int
    place: str
    alarms: tuple[AlarmId, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class RuleApproved:
    """A revision of a rule is to be in effect."""

    key: str
    revision: int
    by: PersonId
    at: datetime


@dataclass(frozen=True, slots=True)
class AlarmAcknowledged:
    """A person said: seen, mine."""

    alarm: AlarmId
    by: PersonId
    at: datetime


@dataclass(frozen=True, slots=True)
class AlarmReturned:
    """The point is back to normal for the rule's off-delay."""

    alarm: AlarmId
    rule: str
    point: PointId
    unit: UnitId
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderOpened:
    """A work order exists."""

    order: OrderId
    alarm: AlarmId | None
    unit: UnitId
    priority: int
    title: Text
    place: str
    skill: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderJoined:
    """An alarm belongs to a work order that stood already."""

    order: OrderId
    alarm: AlarmId
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderAssigned:
    """A work order was offered to a technician, with the reasons."""

    order: OrderId
    person: PersonId
    priority: int
    title: Text
    place: str
    reasons: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderMoved:
    """A work order changed its state."""

    order: OrderId
    alarm: AlarmId | None
    before: str
    after: str
    by: PersonId
    at: datetime
    person: PersonId | None  # whose order it is, or was until this move
    priority: int
    title: Text
    place: str


@dataclass(frozen=True, slots=True)
class OrderUnclaimed:
    """Nobody is left to offer a work order to: an operator must find somebody."""

    order: OrderId
    priority: int
    title: Text
    place: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderOverdue:
    """A time limit of a work order has passed."""

    order: OrderId
    person: PersonId | None
    limit: Literal["respond", "restore"]
    priority: int
    title: Text
    place: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RunStarted:
    """An emergency plan runs."""

    run: RunId
    plan: str
    title: Text
    place: str
    level: str
    mode: Literal["actual", "exercise"]
    alarms: tuple[AlarmId, ...]
    at: datetime
    state: str = "running"  # or "warning": signalled, not confirmed


@dataclass(frozen=True, slots=True)
class RoleCalled:
    """A run needs a person in a role now."""

    run: RunId
    role: str
    role_name: Text
    person: PersonId
    title: Text  # of the run
    duty: Text  # what to do first
    mode: Literal["actual", "exercise"]
    at: datetime


@dataclass(frozen=True, slots=True)
class RunMoved:
    """A run changed its state or level, or one of its steps did."""

    run: RunId
    state: str
    step: str  # "" when the run itself moved
    step_state: str
    by: PersonId  # "" for the system
    at: datetime
    mode: Literal["actual", "exercise"] = "actual"
    alarms: tuple[AlarmId, ...] = ()  # those that joined the run just now
    tell: tuple[PersonId, ...] = ()  # who must hear of it: a step is ready, or overdue
    text: Text | None = None  # of the step


@dataclass(frozen=True, slots=True)
class DeliveryExhausted:
    """No channel could reach a person: somebody else must know."""

    person: PersonId
    subject: str  # alarm, order or run id
    channels: tuple[str, ...] = field(default=())
    at: datetime | None = None


Event = (
    AlarmRaised
    | AlarmWorsened
    | AlarmCalmed
    | FlagStands
    | FlagEnded
    | WalkTestEnded
    | AlarmsExplained
    | RuleApproved
    | AlarmAcknowledged
    | AlarmReturned
    | OrderOpened
    | OrderJoined
    | OrderAssigned
    | OrderMoved
    | OrderUnclaimed
    | OrderOverdue
    | RunStarted
    | RoleCalled
    | RunMoved
    | DeliveryExhausted
)
