"""Messages and their deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import PersonId


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"  # with a lease: who holds it may have died
    RETRY = "retry"
    ACCEPTED = "accepted"  # the carrier has it
    DELIVERED = "delivered"
    READ = "read"
    ANSWERED = "answered"  # the person has done what it asked for
    UNKNOWN = "unknown"  # nobody knows whether it arrived
    FAILED = "failed"
    CANCELLED = "cancelled"  # no longer needed before it left
    BUNDLED = "bundled"  # too many at once: the next digest counts it
    SIMULATED = "simulated"  # a drill: nothing left the house


@dataclass(frozen=True, slots=True)
class Gathered:
    """An alarm of a flood, or a message too many, waiting to be told with others."""

    alarm: str  # or the message
    priority: int
    title: Text
    place: str
    person: str = ""  # whoever is on duty


UNSENT = frozenset({State.PENDING, State.RETRY})
WITHDRAWN = frozenset({State.CANCELLED, State.BUNDLED, State.SIMULATED})  # never left the house
ARRIVED = frozenset({State.ACCEPTED, State.DELIVERED, State.READ, State.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody a message can go to."""

    id: PersonId
    name: str
    roles: frozenset[str]
    on_shift: bool
    language: str
    email: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Which channels this installation has."""

    webhook: bool = False
    mail: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """Something one person should know; it stands in the inbox."""

    id: str
    key: str  # kind, subject, person, occasion: the same twice is one message
    person: PersonId
    person_name: str
    language: str
    subject: str  # alarm, order or run id
    kind: str  # alarm, order-offer, order-…, role, undelivered
    title: Text
    text: Text
    priority: int
    life_safety: bool  # retried sooner, and again when nobody knows whether it arrived
    at: datetime
    nonce: str = ""  # of a one-tap link, "" for none
    exercise: bool = False
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way out by one channel."""

    id: str
    message: str
    channel: str
    address: str
    state: State
    next_at: datetime  # not before
    attempts: int = 0
    error: str = ""
    repeat: bool = False  # the next attempt may be a second copy
    lease_until: datetime | None = None


def reached(message: Message, deliveries: Sequence[Delivery]) -> dict[str, object]:
    """Return whom a message is for and where it stands on each channel, without its words."""
    seen = {
        "channel": "inbox",
        "state": (State.READ if message.read_at else State.DELIVERED).value,
        "at": unix_ms(message.read_at or message.at),
    }
    ways = [
        {"channel": each.channel, "state": each.state.value, "at": unix_ms(each.next_at)}
        for each in deliveries
    ]
    return {
        "person": message.person,
        "name": message.person_name,
        "at": unix_ms(message.at),
        "channels": [seen, *ways],
    }


def told(message: Message, deliveries: Sequence[Delivery], link: str) -> dict[str, object]:
    """Return a message as the API tells it (MessageView); times are Unix ms."""
    return {
        "id": message.id,
        "person": message.person,
        "subject": message.subject,
        "kind": message.kind,
        "priority": message.priority,
        "exercise": message.exercise,
        "title": {"zh": message.title.zh, "en": message.title.en},
        "text": {"zh": message.text.zh, "en": message.text.en},
        "link": link or None,
        "at": unix_ms(message.at),
        "read_at": message.read_at and unix_ms(message.read_at),
        "deliveries": [
            {
                "id": delivery.id,
                "channel": delivery.channel,
                "state": delivery.state.value,
                "attempts": delivery.attempts,
                "at": unix_ms(delivery.next_at),
                "error": delivery.error,
            }
            for delivery in deliveries
        ],
    }
