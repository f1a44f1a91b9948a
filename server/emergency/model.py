"""Emergency plans as they are written (wk.plan/1) and runs of them as they happen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Meta, Struct

from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId, RunId

SCHEMA = "wk.plan/1"
Key = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Seconds = Annotated[int, Meta(ge=1, le=604_800)]
Mode = Literal["actual", "exercise"]  # CAP status: Actual, or Exercise for a drill
AccountRole = Literal["operator", "technician", "manager", "admin"]


class Cap(Struct, frozen=True, forbid_unknown_fields=True):
    """What kind of emergency, in the words of CAP 1.2."""

    category: list[
        Literal["Fire", "Rescue", "Safety", "Health", "Infra", "Met", "Geo", "Security", "Env"]
    ]
    urgency: Literal["Immediate", "Expected", "Future"]
    severity: Literal["Extreme", "Severe", "Moderate", "Minor"]
    certainty: Literal["Observed", "Likely", "Possible"]


class Trigger(Struct, frozen=True, forbid_unknown_fields=True):
    """What starts the plan, and what it takes to believe a signal."""

    signals: list[Key]  # the plan words of alarm rules this plan answers
    within: Literal["zone", "unit"]  # what one run is about: a fire zone, or one equipment
    sources: Annotated[int, Meta(ge=1, le=5)]  # different points that confirm each other
    verify: Key  # the role that looks, while there are fewer sources
    unanswered_s: Seconds  # nobody answered for so long: it goes on as real


class Level(Struct, frozen=True, forbid_unknown_fields=True):
    """A level of response; the list goes from the lowest to the highest."""

    key: Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,4}$")]
    name: Text
    means: Text


class Role(Struct, frozen=True, forbid_unknown_fields=True):
    """A part one person plays in a run."""

    key: Key
    name: Text
    duty: Text  # what to do first
    any_of: list[AccountRole]
    deputy: Key  # the role whose people are asked when this one's does not answer
    ack_within_s: Seconds
    skills: list[Key] = []  # one of these, where given


class Resource(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that is needed, and where it stands."""

    name: Text
    place: Text
    quantity: Annotated[int, Meta(ge=1)]


class Contact(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to call."""

    name: Text
    phone: str


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """Who must be told, in what time after the start, and what."""

    to: Text
    within_s: Seconds
    fields: list[Text]


class Clock(Struct, frozen=True, forbid_unknown_fields=True):
    """A time limit that runs from the start of the run; law or contract of the site sets it."""

    key: Key
    seconds: Seconds
    source: str  # where the number comes from
    sites: dict[str, Seconds] = {}  # site id -> its own number


class Start(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="start"):
    """Where the steps begin."""

    key: Key
    on_completion: Key


class End(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="end"):
    """Where a branch, or the whole plan, ends."""

    key: Key


class Action(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="action"):
    """Something a person does."""

    key: Key
    owner: Key
    do: Text
    on_success: Key
    note: Text | None = None  # how, or what to mind
    timeout_s: Seconds | None = None  # from when it is ready; either this or a clock
    clock: Key | None = None  # from the start of the run
    life_safety: bool = False
    skippable: Literal["no", "with_reason"] = "no"
    on_failure: Key | None = None  # absent: the plan goes on as after success
    evidence: list[Literal["note", "headcount"]] = []  # what must be given with "done"


class Parallel(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="parallel"):
    """Branches at the same time; it is complete when each has reached its end."""

    key: Key
    next_steps: Annotated[list[Key], Meta(min_length=2)]
    on_completion: Key


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """One fact, one comparison, one value: no expressions."""

    fact: Literal["level", "zone", "place", "mode"]
    op: Literal["is", "is_not", "at_least"]  # at_least only for levels
    value: str


class Branch(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="if-condition"):
    """One way or the other, by a fact of the run."""

    key: Key
    condition: Condition
    on_true: Key
    on_false: Key


Step: TypeAlias = Start | End | Action | Parallel | Branch


class Close(Struct, frozen=True, forbid_unknown_fields=True):
    """What the end procedure asks for."""

    all_clear_by: Key  # the role in command: its holder gives the all-clear
    headcount: bool  # people counted, nobody missing


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """An emergency plan, as published; a run keeps its own copy."""

    key: Key
    version: Annotated[int, Meta(ge=1)]
    title: Text
    risk: Text
    review: date  # when it must be looked at again
    cap: Cap
    life_safety: bool  # two persons are needed to call it a false alarm
    trigger: Trigger
    start_level: str
    levels: Annotated[list[Level], Meta(min_length=1)]
    roles: Annotated[list[Role], Meta(min_length=1)]
    resources: list[Resource]
    contacts: list[Contact]
    reports: list[Report]
    steps: Annotated[list[Step], Meta(min_length=3)]
    close: Close
    clocks: list[Clock] = []

    def role(self, key: str) -> Role:
        """Return the role; KeyError: the plan has none of this key."""
        return _of(self.roles, key)

    def step(self, key: str) -> Step:
        """Return the step; KeyError: the plan has none of this key."""
        return _of(self.steps, key)

    def first(self) -> Start:
        """Return the step where all begins."""
        return next(step for step in self.steps if isinstance(step, Start))

    def rank(self, level: str) -> int:
        """Return the place of a level, 0 the lowest; KeyError: the plan has no such level."""
        return self.levels.index(_of(self.levels, level))

    def limit(self, clock: str, site: str) -> int:
        """Return the seconds a clock of this plan gives at a site."""
        found = _of(self.clocks, clock)
        return found.sites.get(site, found.seconds)

    def reached(self, keys: Iterable[str]) -> frozenset[str]:
        """Return the keys of these steps and of all that can follow them."""
        seen, waiting = set[str](), list(keys)
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                waiting += ways(self.step(key))
        return frozenset(seen)


def ways(step: Step) -> tuple[str, ...]:
    """Return the keys of the steps that may follow this one."""
    match step:
        case Start():
            return (step.on_completion,)
        case End():
            return ()
        case Action():
            return (step.on_success, *([step.on_failure] if step.on_failure else []))
        case Parallel():
            return (*step.next_steps, step.on_completion)
        case Branch():
            return (step.on_true, step.on_false)


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


_Item = TypeVar("_Item", bound=_Keyed)


def _of(items: Iterable[_Item], key: str) -> _Item:
    for item in items:
        if item.key == key:
            return item
    raise KeyError(key)


class State(StrEnum):
    """Where a run stands."""

    WARNING = "warning"  # a signal that nobody has confirmed yet
    RUNNING = "running"
    STABLE = "stable"  # no further harm; people may still be at work
    CLOSED = "closed"
    ABORTED = "aborted"  # a false alarm


OVER = frozenset({State.CLOSED, State.ABORTED})


class StepState(StrEnum):
    """Where a step stands; whether its owner was told and answered stands in the owner's call."""

    WAITING = "waiting"
    READY = "ready"
    DOING = "doing"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


LIVE = frozenset({StepState.READY, StepState.DOING})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can fill a role, or who does something to a run."""

    id: PersonId
    name: str
    roles: frozenset[str] = frozenset()  # of admin, operator, technician, manager
    names: Text | None = None  # in both languages, where they are known


Roster: TypeAlias = Mapping[str, tuple[Person, ...]]  # role -> who could fill it, best first


@dataclass(frozen=True, slots=True)
class Call:
    """A role of a run: who was asked, who took it."""

    role: str
    asked: tuple[PersonId, ...] = ()  # each once, who was called last at the end
    person: PersonId | None = None  # who was asked last, or who took it
    person_name: str = ""
    called_at: datetime | None = None
    acknowledged_at: datetime | None = None
    generation: int = 0  # of its timer: an older one that fires is stale


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step of a run."""

    key: str
    state: StepState = StepState.WAITING
    due_at: datetime | None = None
    overdue: bool = False  # a flag only: time never makes a step done
    started_at: datetime | None = None
    ended_at: datetime | None = None
    by: str = ""  # name of who moved it last
    note: str = ""
    generation: int = 0  # how often it became ready


EntryKind = Literal["signal", "person", "system", "step"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the timeline; a correction is a new line."""

    seq: int
    at: datetime
    kind: EntryKind
    actor: str  # name; "" for the system
    text: Text
    pinned: bool
    prev_hash: str
    hash: str  # SHA-256 over this line and prev_hash: a changed or missing line shows


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many were counted at the assembly point, and how many are missing."""

    found: int
    missing: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a plan, from the first signal to the end procedure."""

    id: RunId
    plan: Plan  # the snapshot taken at the start: a newer version changes nothing here
    sha256: str  # of the file the snapshot was read from
    site: str
    mode: Mode
    scope: str  # what it is about: fire zone, equipment, or the place a person named
    place: str
    zone: str
    title: Text
    level: str
    state: State
    started_at: datetime
    alarms: tuple[AlarmId, ...] = ()
    sources: tuple[str, ...] = ()  # points that signalled
    stable_at: datetime | None = None
    ended_at: datetime | None = None
    warning_due: datetime | None = None
    warning_generation: int = 0
    doubted_by: PersonId | None = None  # the first of two who call it a false alarm
    headcount: Headcount | None = None
    paused_at: datetime | None = None  # a drill, while something real happens on the site
    calls: Mapping[str, Call] = field(default_factory=dict)
    steps: Mapping[str, StepRun] = field(default_factory=dict)
    log: tuple[Entry, ...] = ()

    @property
    def over(self) -> bool:
        """Tell whether it has ended."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new run is made of."""

    id: RunId
    plan: Plan
    sha256: str
    site: str
    mode: Mode
    scope: str
    place: str
    zone: str
    title: Text


@dataclass(frozen=True, slots=True)
class Timer:
    """Something must happen at an instant; fires once, `generation` tells a stale one."""

    kind: Literal["emergency.warning", "emergency.role", "emergency.step"]
    subject: str  # "run" or "run/role" or "run/step"
    generation: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """What a person gave with a command."""

    reason: str = ""
    note: str = ""
    headcount: Headcount | None = None
