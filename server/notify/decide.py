"""Decisions about messages and deliveries. Pure."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from server.events import AlarmRaised, OrderMoved
from server.notify.model import (
    ARRIVED,
    UNSENT,
    Delivery,
    Gathered,
    Message,
    Reach,
    Recipient,
    State,
)
from watchkeeper.channel import Answer, Outcome
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible
from watchkeeper.texts import Texts

LEASE = timedelta(seconds=30)  # longer than any attempt
WAITS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
SOON = timedelta(seconds=2)  # life safety: the first retry, and the repeat
DIGEST = "flood"  # kind of the message about many
DIGEST_LINES = 5  # alarms a digest names
MINUTE = timedelta(minutes=1)
MOST, MOST_CRITICAL = 10, 14  # messages a channel takes in it: any, and of priority 1
URGENT = 2  # alarms of this priority and above are told to people
NOBODY_REACHED = "delivery-exhausted"  # the alarm about it is told by a message of its own
QUIET_KINDS = frozenset({"order-accepted", "order-done", "order-on_hold"})  # never mailed


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a message, before it has a reader."""

    kind: str
    subject: str
    occasion: str  # tells two messages of one kind and subject apart
    title: Text
    text: Text
    priority: int
    life_safety: bool = False
    exercise: bool = False


def duty(people: Sequence[Recipient]) -> list[Recipient]:
    """Return who must know: operators on shift, else all operators, else administrators."""
    operators = [person for person in people if "operator" in person.roles]
    on_shift = [person for person in operators if person.on_shift]
    return on_shift or operators or [person for person in people if "admin" in person.roles]


def worth_telling(event: AlarmRaised) -> bool:
    """Return whether people are told of an alarm and do not only see it.

    A late one is history: only where life is at stake it is told all the same. An echo is told by
    the alarm it repeats.
    """
    if event.rule == NOBODY_REACHED or event.echo or event.repeat:
        return False
    if event.handling == "life_safety":
        return True
    return event.priority <= URGENT and not event.late


def most(said: Said) -> int | None:
    """Return how many messages of a minute a channel may carry before this one; None: any.

    A bot takes 20 a minute and then nothing for ten. Digests are two a minute for each reader, so
    the rest is held to less. Life safety is never held back, and a drill leaves nowhere.
    """
    if said.life_safety or said.exercise or said.kind == DIGEST:
        return None
    return MOST_CRITICAL if said.priority == 1 else MOST


def bundled(deliveries: Sequence[Delivery], full: Collection[str]) -> list[Delivery]:
    """Return the deliveries; those by a channel that is full wait for the digest."""
    return [
        replace(each, state=State.BUNDLED)
        if each.state is State.PENDING and each.channel in full
        else each
        for each in deliveries
    ]


def digest(found: Sequence[Gathered], texts: Texts, place: Callable[[str], Text], at: int) -> Said:
    """Return the words about alarms of a flood, or messages: how many, the most urgent first."""
    words_of = "notify.bundled" if any(each.person for each in found) else "notify.flood"
    ranked = sorted(found, key=lambda each: each.priority)
    counts = Counter(each.priority for each in ranked)
    split = [
        words(texts, "notify.flood.split", count=str(number),
              priority=words(texts, f"notify.priority-{priority}"))
        for priority, number in counts.items()
    ]  # fmt: skip
    lines = [
        words(texts, "notify.flood.line", title=each.title, place=place(each.place))
        if each.place
        else each.title
        for each in ranked[:DIGEST_LINES]
    ]
    facts: dict[str, Text | str] = {
        "count": str(len(found)),
        "split": Text("，".join(each.zh for each in split), ", ".join(each.en for each in split)),
        "lines": Text("；".join(each.zh for each in lines), "; ".join(each.en for each in lines)),
    }
    return Said(
        DIGEST, DIGEST, str(at), words(texts, f"{words_of}.title", **facts),
        words(texts, f"{words_of}.text", **facts), ranked[0].priority,
    )  # fmt: skip


def news(event: OrderMoved) -> tuple[str, bool] | None:
    """Return the kind of message a move is worth and whether it goes to the technician."""
    if event.after == "in_progress" and event.before in {"done", "verified"}:
        return "order-rejected", True
    if event.after == "cancelled":
        return "order-cancelled", True
    if event.after in {"accepted", "on_hold", "done"} and event.before != "on_hold":
        return f"order-{event.after}", False
    return None


def words(texts: Texts, key: str, **facts: Text | str) -> Text:
    """Return a text of the catalog with facts that have two languages themselves."""
    zh = {name: fact.zh if isinstance(fact, Text) else fact for name, fact in facts.items()}
    en = {name: fact.en if isinstance(fact, Text) else fact for name, fact in facts.items()}
    return Text(texts.both(key, **zh).zh, texts.both(key, **en).en)


def outward(
    message: Message, reader: Recipient, reach: Reach, without: Sequence[str] = ()
) -> list[tuple[str, str, State]]:
    """Return channel, address and first state of each way a message leaves the house."""
    state = State.SIMULATED if message.exercise else State.PENDING
    mail = reach.mail and bool(reader.email) and message.kind not in QUIET_KINDS
    ways = [("webhook", "")] if reach.webhook else []
    ways += [("mail", reader.email)] if mail else []
    return [(name, address, state) for name, address in ways if name not in without]


def attempted(delivery: Delivery, answer: Answer, now: datetime, *, urgent: bool) -> Delivery:
    """Return the delivery after an attempt.

    An unknown outcome is no failure: only where life is at stake it is sent once more, marked.
    """
    tried = replace(delivery, attempts=delivery.attempts + 1, error=answer.error, lease_until=None)
    match answer.outcome:
        case Outcome.ACCEPTED:
            return replace(tried, state=State.ACCEPTED, next_at=now)
        case Outcome.FAILED:
            return replace(tried, state=State.FAILED, next_at=now)
        case Outcome.UNKNOWN if urgent and not delivery.repeat:
            return replace(tried, state=State.RETRY, repeat=True, next_at=now + SOON)
        case Outcome.UNKNOWN:
            return replace(tried, state=State.UNKNOWN, next_at=now)
        case Outcome.RETRY:
            waits = (SOON, *WAITS) if urgent else WAITS
            if tried.attempts > len(waits):
                return replace(tried, state=State.FAILED, next_at=now)
            return replace(tried, state=State.RETRY, next_at=now + waits[tried.attempts - 1])


def lost(delivery: Delivery, now: datetime, *, urgent: bool) -> Delivery:
    """Return a delivery whose sender died while it was sending."""
    return attempted(delivery, Answer(Outcome.UNKNOWN, "the sender stopped"), now, urgent=urgent)


def settled(delivery: Delivery, *, answered: bool) -> Delivery:
    """Return a delivery whose matter is settled: what has not left stays here.

    Args:
        delivery: As it stands.
        answered: Its own reader settled it.
    """
    if delivery.state in UNSENT or delivery.state is State.BUNDLED:
        return replace(delivery, state=State.CANCELLED)
    if answered and delivery.state in ARRIVED:
        return replace(delivery, state=State.ANSWERED)
    return delivery


RECEIPTS = {"delivered": State.DELIVERED, "read": State.READ}
_ORDER = (State.UNKNOWN, State.ACCEPTED, State.DELIVERED, State.READ)


def receipt(delivery: Delivery, kind: str) -> Delivery:
    """Return the delivery after a carrier's receipt; one that comes late or twice is no news.

    Raises NotPossible: no such kind of receipt.
    """
    state = RECEIPTS.get(kind)
    if state is None:
        raise NotPossible("notify.receipt-kind", field="kind", known=sorted(RECEIPTS))
    if delivery.state not in _ORDER or _ORDER.index(delivery.state) >= _ORDER.index(state):
        return delivery
    return replace(delivery, state=state, error="")


def exhausted(deliveries: Sequence[Delivery]) -> bool:
    """Return whether every way to the reader has failed."""
    return bool(deliveries) and all(each.state is State.FAILED for each in deliveries)
