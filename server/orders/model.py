"""Work orders: types, commands, time limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, OrderId, PersonId, UnitId
from watchkeeper.texts import Texts

TELEMETRY = PersonId("telemetry")  # the point itself says that the fault is over
DISPATCH = PersonId("dispatch")  # the platform assigns, withdraws and reopens
SYSTEM = frozenset({TELEMETRY, DISPATCH})  # no account may have these names

NOTED = 20  # joined and returned alarms of an order that are noted one by one
REOPEN_WITHIN = timedelta(minutes=30)  # the same fault this soon after "done" is the same order
LINK_LIFE = timedelta(hours=12)  # an accept link, one shift


class State(StrEnum):
    """Where an order stands (dispatch table "work_order")."""

    NEW = "new"
    TRIAGED = "triaged"
    ASSIGNED = "assigned"  # offered to a technician, not accepted yet
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SITE = "on_site"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    DONE = "done"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    DUPLICATE = "duplicate"


ENDED = frozenset({State.CLOSED, State.CANCELLED, State.DUPLICATE})
HELD_BY_SOMEBODY = frozenset(  # counts as load of the technician
    {State.ASSIGNED, State.ACCEPTED, State.EN_ROUTE, State.ON_SITE, State.IN_PROGRESS,
     State.ON_HOLD}
)  # fmt: skip


class Verb(StrEnum):
    """What can be done to an order; the last three only the platform does."""

    TRIAGE = "triage"
    ASSIGN = "assign"
    ACCEPT = "accept"
    DECLINE = "decline"
    DEPART = "depart"
    ARRIVE = "arrive"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    DONE = "done"
    VERIFY = "verify"
    REJECT = "reject"
    CLOSE = "close"
    CANCEL = "cancel"
    DUPLICATE = "duplicate"
    OFFER = "offer"
    TIME_OUT = "time_out"
    REOPEN = "reopen"


# Holds for these reasons stop the restore clock; any other hold only says why.
PAUSES = frozenset({"part", "access", "customer", "contractor", "weather", "force-majeure"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an order of a priority may wait."""

    offer: timedelta  # to accept, before the next technician is asked
    respond: timedelta  # from opening to acceptance
    restore: timedelta  # from opening to "done", holds not counted


LIMITS = {  # by priority; runs around the clock
    1: Limits(timedelta(seconds=60), timedelta(minutes=3), timedelta(hours=2)),
    2: Limits(timedelta(seconds=180), timedelta(minutes=15), timedelta(hours=4)),
    3: Limits(timedelta(seconds=180), timedelta(hours=1), timedelta(hours=24)),
    4: Limits(timedelta(seconds=180), timedelta(hours=8), timedelta(hours=72)),
}


@dataclass(frozen=True, slots=True)
class Note:
    """A line of an order's history."""

    at: datetime
    by: PersonId
    what: str  # key of catalog/i18n
    said: str = ""  # free text, as it was written
    person: PersonId | None = None  # to whom


@dataclass(frozen=True, slots=True)
class Hold:
    """A pause: the restore clock does not run."""

    since: datetime
    until: datetime | None  # None while it lasts
    reason: str  # of PAUSES


@dataclass(frozen=True, slots=True)
class Technician:
    """Somebody an order can be offered to."""

    id: PersonId
    skills: frozenset[str]
    on_shift: bool
    load: int  # orders in hand


@dataclass(frozen=True, slots=True)
class Candidate:
    """A technician and why it is this one, as keys of catalog/i18n."""

    id: PersonId
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a move."""

    id: PersonId
    roles: frozenset[str]


SYSTEM_ROLE = "system"


def system(name: PersonId) -> Actor:
    """Return the platform itself as an actor."""
    return Actor(name, frozenset({SYSTEM_ROLE}))


@dataclass(frozen=True, slots=True)
class Move:
    """Command: do this to an order."""

    verb: Verb
    reason: str = ""  # hold: of PAUSES or free text; decline, reject, cancel: free text
    note: str = ""
    cause: str = ""
    remedy: str = ""
    person: PersonId | None = None  # assign, offer: to whom
    reasons: tuple[str, ...] = ()  # offer: why this person


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Command: open an order, or join the open one of the same fault."""

    key: str  # unit and rule: one open order each
    alarm: AlarmId | None
    unit: UnitId
    place: str
    priority: int
    skill: str
    title: Text
    life_safety: bool


@dataclass(frozen=True, slots=True)
class Order:
    """A work order."""

    id: OrderId
    key: str
    alarm: AlarmId | None  # the first that rang
    unit: UnitId
    place: str
    priority: int  # 1 critical .. 4 advisory
    skill: str  # "" = anybody
    title: Text
    life_safety: bool  # its clocks never pause
    opened_at: datetime
    since: datetime  # the time limits count from here: opened, or opened again
    moved_at: datetime
    state: State = State.NEW
    person: PersonId | None = None
    tried: tuple[PersonId, ...] = ()  # declined or let it time out, since the last (re)opening
    reasons: tuple[str, ...] = ()  # why this person
    offers: int = 0  # number of the present offer: older time-outs mean nothing
    held_in: State | None = None  # where it goes on after the hold
    holds: tuple[Hold, ...] = ()
    accepted_at: datetime | None = None
    done_at: datetime | None = None
    reopened: int = 0
    cause: str = ""
    remedy: str = ""
    notes: tuple[Note, ...] = ()

    @property
    def open(self) -> bool:
        """Return whether somebody still has to do something."""
        return self.state not in ENDED


@dataclass(frozen=True, slots=True)
class Due:
    """When an order must be accepted and mended; None when that clock has stopped."""

    respond: datetime | None
    restore: datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """A one-tap accept link of one person for one order; its token is stored as a hash only."""

    token_hash: str
    order: OrderId
    person: PersonId
    expires_at: datetime
    used_at: datetime | None = None


class Words:
    """What turns an order into words: the catalog's texts and the names of people."""

    def __init__(self, texts: Texts, name: Callable[[PersonId], str]) -> None:
        self._texts, self._name = texts, name

    def name(self, person: PersonId | None) -> str:
        """Return a person's name, "" for nobody."""
        return "" if person is None else self._name(person)

    def both(self, key: str) -> dict[str, str]:
        """Return a text of the catalog in both languages."""
        text = self._texts.by_key[key]
        return {"zh": text.zh, "en": text.en}

    def note(self, note: Note) -> dict[str, str]:
        """Return a line of history in both languages."""
        text = self._texts.both(note.what, person=self.name(note.person))
        said = (f"：{note.said}", f": {note.said}") if note.said else ("", "")
        return {"zh": text.zh + said[0], "en": text.en + said[1]}


def told(order: Order, words: Words, due: Due, may: Sequence[str]) -> dict[str, object]:
    """Return the order as the API tells it (OrderView); times are Unix ms."""
    return {
        "id": order.id,
        "alarm": order.alarm,
        "unit": order.unit,
        "place": order.place,
        "priority": order.priority,
        "skill": order.skill,
        "life_safety": order.life_safety,
        "title": {"zh": order.title.zh, "en": order.title.en},
        "state": order.state.value,
        "person": order.person,
        "person_name": words.name(order.person),
        "opened_at": unix_ms(order.opened_at),
        "moved_at": unix_ms(order.moved_at),
        "respond_due": due.respond and unix_ms(due.respond),
        "restore_due": due.restore and unix_ms(due.restore),
        "reasons": [words.both(reason) for reason in order.reasons],
        "cause": order.cause,
        "remedy": order.remedy,
        "reopened": order.reopened,
        "notes": [
            {"at": unix_ms(note.at), "by": note.by, "text": words.note(note)}
            for note in order.notes
        ],
        "may": list(may),
    }
