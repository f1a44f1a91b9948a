"""Reactions that tell people, and what they do with it: load, decide, save."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from server.events import (
    AlarmAcknowledged,
    AlarmCalmed,
    AlarmRaised,
    AlarmsExplained,
    AlarmWorsened,
    DeliveryExhausted,
    OrderAssigned,
    OrderMoved,
    OrderOverdue,
    OrderUnclaimed,
    RoleCalled,
    WalkTestEnded,
)
from server.notify import decide
from server.notify.decide import Said
from server.notify.model import Delivery, Gathered, Message, Recipient, State
from server.notify.ports import Messages, Office
from watchkeeper.channel import Answer
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import OrderId, PersonId

OrderEvent: TypeAlias = OrderAssigned | OrderMoved | OrderUnclaimed | OrderOverdue


def alarm_raised(event: AlarmRaised, office: Office) -> None:
    """Whoever is on duty has a message about a life-safety or urgent alarm. Safe to run twice."""
    if not decide.worth_telling(event):
        return
    if event.flood and not event.root:
        office.basket.put(Gathered(event.alarm, event.priority, event.title, event.place))
    else:
        _tell(decide.duty(office.people()), _alarm(event, "alarm", office), office)


def flood_told(office: Office) -> None:
    """Each reader has one message about all that was too much for single ones since the last."""
    found = office.basket.empty()
    people = office.people() if found else []
    on_duty = {each.id for each in decide.duty(people)}
    for reader in people:
        own = [each for each in found if each.person == (reader.id if each.person else "")]
        if reader.id not in on_duty:
            own = [each for each in own if each.person]
        if own:
            said = decide.digest(own, office.texts, office.place, unix_ms(office.now))
            _tell([reader], said, office)


def explained(event: AlarmsExplained, office: Office) -> None:
    """What is explained need not be told; whoever was told of it knows why. Safe to run twice."""
    office.basket.drop(event.alarms)
    told = 0
    for alarm in event.alarms:
        told += any(message.kind == "alarm" for message, _ in office.messages.about(alarm))
        _settle(alarm, "alarm", PersonId(""), office)
    if not told:
        return
    facts: dict[str, Text | str] = {
        "count": str(told), "title": event.title, "place": office.place(event.place),
    }  # fmt: skip
    said = Said(
        "explained",
        event.root,
        str(unix_ms(event.at)),
        decide.words(office.texts, "notify.explained.title", **facts),
        decide.words(office.texts, "notify.explained.text", **facts),
        event.priority,
    )
    _tell(decide.duty(office.people()), said, office)


def alarm_worsened(event: AlarmWorsened, office: Office) -> None:
    """Whoever is on duty has a message that an alarm is more urgent now. Safe to run twice."""
    if decide.worth_telling(event.now):
        was = decide.words(office.texts, f"notify.priority-{event.was}")
        said = _alarm(event.now, "alarm-worsened", office, was=was)
        _tell(decide.duty(office.people()), said, office)


def alarm_calmed(event: AlarmCalmed, office: Office) -> None:
    """Whoever was told of an alarm that came and went knows how often. Safe to run twice."""
    if decide.worth_telling(event.raised):
        state = "active" if event.active else "over"
        facts: dict[str, Text | str] = {
            "count": str(event.count),
            "state": decide.words(office.texts, f"notify.digest.{state}"),
        }
        said = _alarm(event.raised, "digest", office, **facts)
        said = replace(said, kind="digest", occasion=str(unix_ms(event.since)), life_safety=False)
        _tell(decide.duty(office.people()), said, office)


def walk_test_ended(event: WalkTestEnded, office: Office) -> None:
    """Whoever is on duty, and who began it, knows that test mode is over. Safe to run twice."""
    facts: dict[str, Text | str] = {
        "name": event.name,
        "tested": str(event.tested),
        "total": str(event.total),
    }
    said = Said(
        "test-ended",
        event.flag,
        "",
        decide.words(office.texts, "notify.test-ended.title", **facts),
        decide.words(office.texts, "notify.test-ended.text", **facts),
        priority=3,
    )
    people = office.people()
    began = [each for each in people if each.id == event.by]
    readers = {each.id: each for each in (*decide.duty(people), *began)}
    _tell(list(readers.values()), said, office)


def alarm_acknowledged(event: AlarmAcknowledged, office: Office) -> None:
    """Nobody is told any more of an alarm that somebody has."""
    office.basket.drop([event.alarm])
    _settle(event.alarm, "alarm", event.by, office)


def order_assigned(event: OrderAssigned, office: Office) -> None:
    """The technician has a message with a one-tap link. Safe to run twice."""
    reader = _reader(event.person, office)
    if reader is not None:
        said = _about(event, "order-offer", str(unix_ms(event.at)), office)
        said = replace(said, life_safety=event.priority == 1)
        _tell([reader], said, office, link_to=event.order)


def order_moved(event: OrderMoved, office: Office) -> None:
    """What is open is withdrawn, and a move of note is told to who waits for it."""
    if event.before in {"triaged", "assigned"}:
        _settle(event.order, "order-offer", event.by, office)
    news = decide.news(event)
    if news is None:
        return
    kind, to_technician = news
    actor = _reader(event.by, office)
    occasion = f"{event.after}/{unix_ms(event.at)}"
    said = _about(event, kind, occasion, office, person=actor.name if actor else event.by)
    if to_technician:
        technician = _reader(event.person, office) if event.person else None
        _tell([technician] if technician else [], said, office)
    else:
        _tell(decide.duty(office.people()), said, office)


def order_unclaimed(event: OrderUnclaimed, office: Office) -> None:
    """Whoever is on duty knows that nobody is left to ask."""
    said = _about(event, "order-unclaimed", str(unix_ms(event.at)), office)
    urgent = replace(said, life_safety=event.priority == 1)
    _tell(decide.duty(office.people()), urgent, office)


def order_overdue(event: OrderOverdue, office: Office) -> None:
    """Whoever is on duty knows that a time limit has passed."""
    said = _about(event, f"order-overdue-{event.limit}", str(unix_ms(event.at)), office)
    _tell(decide.duty(office.people()), said, office)


def role_called(event: RoleCalled, office: Office) -> None:
    """The person has a message that says which role and what to do first."""
    reader = _reader(event.person, office)
    if reader is None:
        return
    drill = event.mode == "exercise"
    mark = decide.words(office.texts, "notify.drill") if drill else ""
    said = Said(
        "role",
        event.run,
        f"{event.role}/{unix_ms(event.at)}",
        decide.words(
            office.texts, "notify.role.title", drill=mark, title=event.title, role=event.role_name
        ),
        decide.words(office.texts, "notify.role.text", duty=event.duty),
        priority=1,
        life_safety=not drill,
        exercise=drill,
    )
    _tell([reader], said, office)


def nobody_reached(event: DeliveryExhausted, office: Office) -> None:
    """Administrators and whoever is on duty know whom no channel could reach."""
    people = office.people()
    admins = [person for person in people if "admin" in person.roles]
    readers = {person.id: person for person in (*decide.duty(people), *admins)}
    readers.pop(event.person, None)
    lost = _reader(event.person, office)
    facts: dict[str, Text | str] = {
        "person": lost.name if lost else event.person,
        "subject": event.subject,
        "channels": ", ".join(event.channels),
    }
    said = Said(
        "undelivered",
        event.subject,
        event.person,
        decide.words(office.texts, "notify.undelivered.title", **facts),
        decide.words(office.texts, "notify.undelivered.text", **facts),
        priority=1,
    )
    _tell(list(readers.values()), said, office, without=event.channels)


def attempted(delivery: str, answer: Answer, messages: Messages, now: datetime) -> None:
    """Note what became of an attempt; when it was the last way to somebody, that happened too."""
    _moved(
        delivery,
        lambda each, urgent: decide.attempted(each, answer, now, urgent=urgent),
        messages,
        now,
    )


def lost(delivery: str, messages: Messages, now: datetime) -> None:
    """Note that whoever was sending this has died."""
    _moved(delivery, lambda each, urgent: decide.lost(each, now, urgent=urgent), messages, now)


def read(message: str, by: PersonId, messages: Messages, now: datetime) -> None:
    """Note that a person has read a message; KeyError when it is not theirs."""
    found, deliveries = messages.get(message)
    if found.person != by:
        raise KeyError(message)
    if found.read_at is None:
        seen = [decide.receipt(each, "read") for each in deliveries]
        messages.change(replace(found, read_at=now), seen)


def receipt(delivery: str, kind: str, messages: Messages) -> None:
    """Note a carrier's receipt; KeyError when there is no such delivery."""
    message, deliveries = messages.of_delivery(delivery)
    after = [decide.receipt(each, kind) if each.id == delivery else each for each in deliveries]
    messages.change(message, after)


def _moved(
    delivery: str,
    step: Callable[[Delivery, bool], Delivery],
    messages: Messages,
    now: datetime,
) -> None:
    message, before = messages.of_delivery(delivery)
    after = [
        step(each, message.life_safety)
        if each.id == delivery and each.state is State.SENDING
        else each
        for each in before
    ]
    if after == before:
        return
    happened: list[DeliveryExhausted] = []
    if decide.exhausted(after) and message.kind != "undelivered":
        channels = tuple(each.channel for each in after)
        happened = [DeliveryExhausted(message.person, message.subject, channels, now)]
    messages.change(message, after, *happened)


def _tell(
    readers: Sequence[Recipient],
    said: Said,
    office: Office,
    *,
    link_to: OrderId | None = None,
    without: Sequence[str] = (),
) -> None:
    """Give each reader a message, and start it on each way out of the house."""
    for reader in readers:
        message = Message(
            id=office.new_id("msg"),
            key=f"{said.kind}|{said.subject}|{reader.id}|{said.occasion}",
            person=reader.id,
            person_name=reader.name,
            language=reader.language,
            subject=said.subject,
            kind=said.kind,
            title=said.title,
            text=said.text,
            priority=said.priority,
            life_safety=said.life_safety,
            at=office.now,
            nonce=office.new_link(link_to, reader.id) if link_to else "",
            exercise=said.exercise,
        )
        ways = decide.outward(message, reader, office.reach, without)
        deliveries = decide.bundled(
            [
                Delivery(office.new_id("dlv"), message.id, channel, address, state, office.now)
                for channel, address, state in ways
            ],
            _full([channel for channel, _, _ in ways], said, office),
        )
        new = office.messages.add(message, deliveries)
        if new and any(each.state is State.BUNDLED for each in deliveries):
            office.basket.put(Gathered(message.id, said.priority, said.title, "", reader.id))


def _full(channels: Sequence[str], said: Said, office: Office) -> list[str]:
    """Return the channels that have carried enough in the last minute."""
    most = decide.most(said)
    since = office.now - decide.MINUTE
    return [
        channel
        for channel in channels
        if most is not None and office.messages.sent(channel, since, most) >= most
    ]


def _alarm(event: AlarmRaised, words: str, office: Office, **more: Text | str) -> Said:
    """Return the words about an alarm; each telling of it is a message of its own."""
    facts: dict[str, Text | str] = {
        "priority": decide.words(office.texts, f"notify.priority-{event.priority}"),
        "title": event.title,
        "place": office.place(event.place),
        "guidance": event.guidance,
    }
    return Said(
        "alarm",
        event.alarm,
        "" if event.telling <= 1 else str(event.telling),
        decide.words(office.texts, f"notify.{words}.title", **facts, **more),
        decide.words(office.texts, f"notify.{words}.text", **facts, **more),
        event.priority,
        life_safety=event.handling == "life_safety",
    )


def _about(event: OrderEvent, kind: str, occasion: str, office: Office, person: str = "") -> Said:
    """Return the words about an order."""
    facts: dict[str, Text | str] = {
        "priority": decide.words(office.texts, f"notify.priority-{event.priority}"),
        "title": event.title,
        "place": office.place(event.place),
        "person": person,
    }
    return Said(
        kind,
        event.order,
        occasion,
        decide.words(office.texts, f"notify.{kind}.title", **facts),
        decide.words(office.texts, f"notify.{kind}.text", **facts),
        event.priority,
    )


def _settle(subject: str, kind: str, by: PersonId, office: Office) -> None:
    messages = office.messages
    for message, before in messages.about(subject):
        if message.kind != kind:
            continue
        if any(each.state is State.BUNDLED for each in before):
            office.basket.drop([message.id])
        after = [decide.settled(each, answered=message.person == by) for each in before]
        if after != before:
            messages.change(message, after)


def _reader(person: PersonId, office: Office) -> Recipient | None:
    return next((each for each in office.people() if each.id == person), None)
