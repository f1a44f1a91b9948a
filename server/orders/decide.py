"""Decisions about work orders. Pure."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias

from server.events import Event, OrderAssigned, OrderJoined, OrderMoved, OrderOpened
from server.orders.model import (
    DISPATCH,
    ENDED,
    LIMITS,
    NOTED,
    PAUSES,
    REOPEN_WITHIN,
    SYSTEM_ROLE,
    TELEMETRY,
    Actor,
    Candidate,
    Due,
    Hold,
    Move,
    Note,
    OpenOrder,
    Order,
    State,
    Technician,
    Verb,
    system,
)
from watchkeeper.errors import Forbidden, NotPossible, Refused
from watchkeeper.ids import AlarmId, OrderId, PersonId

Happened: TypeAlias = list[Event]  # as lists: they are handed on to a unit of work

BEFORE_DONE = frozenset(State) - ENDED - {State.DONE, State.VERIFIED}
GOING = frozenset({State.ACCEPTED, State.EN_ROUTE, State.ON_SITE, State.IN_PROGRESS})
OPERATOR, TECHNICIAN = "operator", "technician"


@dataclass(frozen=True, slots=True)
class Way:
    """One line of the table: from where, to where, who may, and what must be said."""

    start: frozenset[State]
    end: State | None  # None: where the hold began
    who: frozenset[str]
    own: bool = False  # a technician only with an order of his own
    reason: bool = False  # none is not possible


def _way(start: frozenset[State] | State, end: State | None, *who: str, own: bool = False,
         reason: bool = False) -> Way:  # fmt: skip
    begins = frozenset({start}) if isinstance(start, State) else start
    return Way(begins, end, frozenset(who), own, reason)


# Source: docs/dispatch.md, table of states; whatever has no line here is refused.
WAYS: dict[Verb, Way] = {
    Verb.TRIAGE: _way(State.NEW, State.TRIAGED, OPERATOR, SYSTEM_ROLE),
    Verb.ASSIGN: _way(BEFORE_DONE - {State.NEW}, State.ASSIGNED, OPERATOR),
    Verb.ACCEPT: _way(
        frozenset({State.TRIAGED, State.ASSIGNED}), State.ACCEPTED, TECHNICIAN, own=True
    ),
    Verb.DECLINE: _way(
        frozenset({State.ASSIGNED, State.ACCEPTED}), State.TRIAGED, TECHNICIAN, own=True
    ),
    Verb.DEPART: _way(State.ACCEPTED, State.EN_ROUTE, TECHNICIAN, own=True),
    Verb.ARRIVE: _way(State.EN_ROUTE, State.ON_SITE, TECHNICIAN, own=True),
    Verb.START: _way(State.ON_SITE, State.IN_PROGRESS, TECHNICIAN, own=True),
    Verb.HOLD: _way(GOING, State.ON_HOLD, TECHNICIAN, OPERATOR, own=True, reason=True),
    Verb.RESUME: _way(State.ON_HOLD, None, TECHNICIAN, OPERATOR, own=True),
    Verb.DONE: _way(State.IN_PROGRESS, State.DONE, TECHNICIAN, own=True),
    Verb.VERIFY: _way(State.DONE, State.VERIFIED, OPERATOR, SYSTEM_ROLE),
    Verb.REJECT: _way(
        frozenset({State.DONE, State.VERIFIED}), State.IN_PROGRESS, OPERATOR, reason=True
    ),
    Verb.CLOSE: _way(State.VERIFIED, State.CLOSED, OPERATOR, SYSTEM_ROLE),
    Verb.CANCEL: _way(BEFORE_DONE, State.CANCELLED, OPERATOR, reason=True),
    Verb.DUPLICATE: _way(BEFORE_DONE, State.DUPLICATE, OPERATOR, SYSTEM_ROLE, reason=True),
    Verb.OFFER: _way(State.TRIAGED, State.ASSIGNED, SYSTEM_ROLE),
    Verb.TIME_OUT: _way(State.ASSIGNED, State.TRIAGED, SYSTEM_ROLE),
    Verb.REOPEN: _way(
        frozenset({State.DONE, State.VERIFIED, State.CLOSED}), State.TRIAGED, SYSTEM_ROLE
    ),
}
BY_PEOPLE = tuple(
    verb for verb, way in WAYS.items() if way.who != {SYSTEM_ROLE} and verb is not Verb.TRIAGE
)


def may(
    state: State, person: PersonId | None, actor: Actor, *, life_safety: bool
) -> tuple[str, ...]:
    """Return the verbs this actor may use on an order in this state of this person."""
    return tuple(
        verb.value
        for verb in BY_PEOPLE
        if state in WAYS[verb].start
        and not (verb is Verb.HOLD and life_safety)
        and _allowed(person, verb, actor)
    )


def move(order: Order, cmd: Move, actor: Actor, now: datetime) -> tuple[Order, Happened]:
    """Return the order after the move, and what happened.

    Raises:
        Refused: the order's state does not allow it; facts: state, person (who has it).
        Forbidden: this person may not.
        NotPossible: a reason or a person is missing, or makes no sense.
    """
    way = WAYS[cmd.verb]
    if order.state not in way.start:
        taken = cmd.verb is Verb.ACCEPT and order.person not in {None, actor.id}
        code = "orders.taken" if taken else "orders.not-now"
        raise Refused(code, verb=cmd.verb.value, state=order.state.value, person=order.person)
    if not _allowed(order.person, cmd.verb, actor):
        raise Forbidden("orders.not-yours", verb=cmd.verb.value, person=order.person)
    _check(order, cmd)
    end = way.end or order.held_in or State.ACCEPTED
    moved = _changed(order, cmd, actor, now)
    moved = replace(moved, state=end, moved_at=now, notes=(*order.notes, _noted(cmd, actor, now)))
    happened: Happened = [moved_event(order, moved, actor.id, now)]
    if end is State.ASSIGNED and moved.person is not None:
        about = (order.priority, order.title, order.place)
        happened.append(OrderAssigned(order.id, moved.person, *about, moved.reasons, now))
    return moved, happened


def _allowed(person: PersonId | None, verb: Verb, actor: Actor) -> bool:
    way = WAYS[verb]
    roles = actor.roles | ({OPERATOR} if "admin" in actor.roles else frozenset())
    if roles & way.who - {TECHNICIAN}:
        return True
    if TECHNICIAN not in roles & way.who:
        return False
    free = verb is Verb.ACCEPT and person is None
    return not way.own or person == actor.id or free


def _check(order: Order, cmd: Move) -> None:
    """Refuse what the state allows but the command does not say rightly."""
    if cmd.verb is Verb.HOLD and order.life_safety:
        raise Refused("orders.no-hold-for-life-safety", state=order.state.value)
    if WAYS[cmd.verb].reason and not cmd.reason.strip():
        raise NotPossible("orders.reason-missing", field="reason")
    if cmd.verb in {Verb.ASSIGN, Verb.OFFER} and cmd.person is None:
        raise NotPossible("orders.person-missing", field="person")


def _changed(order: Order, cmd: Move, actor: Actor, now: datetime) -> Order:
    """Return the order with what the verb changes beside its state."""
    match cmd.verb:
        case Verb.ASSIGN | Verb.OFFER:
            reasons = cmd.reasons or ("orders.reason.by-operator",)
            offer = replace(_resumed(order, now), person=cmd.person, reasons=reasons)
            changed = replace(offer, offers=order.offers + 1, accepted_at=None)
        case Verb.ACCEPT:
            changed = replace(order, person=actor.id, accepted_at=now)
        case Verb.DECLINE | Verb.TIME_OUT:
            tried = (*order.tried, order.person) if order.person else order.tried
            changed = replace(order, person=None, reasons=(), tried=tried, accepted_at=None)
        case Verb.HOLD:
            holds = (*order.holds, Hold(now, None, cmd.reason)) if cmd.reason in PAUSES else ()
            changed = replace(order, held_in=order.state, holds=holds or order.holds)
        case Verb.RESUME | Verb.CANCEL | Verb.DUPLICATE:
            changed = _resumed(order, now)
        case Verb.DONE:
            changed = replace(order, done_at=now, cause=cmd.cause, remedy=cmd.remedy)
        case _:
            changed = _back_to_work(order, cmd.verb, now)
    return changed


def _back_to_work(order: Order, verb: Verb, now: datetime) -> Order:
    """Return the order as it is after work that was done turned out not to be."""
    if verb not in {Verb.REJECT, Verb.REOPEN}:
        return order
    again = replace(order, done_at=None, reopened=order.reopened + 1)
    if verb is Verb.REJECT:
        return again
    free = replace(again, person=None, reasons=(), tried=(), accepted_at=None)
    return replace(free, since=now, holds=())


def _resumed(order: Order, now: datetime) -> Order:
    """Return the order with its last hold ended."""
    if not order.holds or order.holds[-1].until is not None:
        return replace(order, held_in=None)
    ended = replace(order.holds[-1], until=now)
    return replace(order, held_in=None, holds=(*order.holds[:-1], ended))


def _noted(cmd: Move, actor: Actor, now: datetime) -> Note:
    """Return the line of history: what was done, to whom, and what was said with it."""
    said = "; ".join(
        word.strip() for word in (cmd.reason, cmd.note, cmd.cause, cmd.remedy) if word.strip()
    )
    return Note(now, actor.id, f"orders.did.{cmd.verb.value}", said, cmd.person)


def moved_event(before: Order, after: Order, by: PersonId, at: datetime) -> OrderMoved:
    """Return what the rest of the platform hears of a move."""
    return OrderMoved(
        after.id, after.alarm, before.state.value, after.state.value, by, at,
        person=after.person or before.person, priority=after.priority,
        title=after.title, place=after.place,
    )  # fmt: skip


def open_order(cmd: OpenOrder, new: OrderId, now: datetime) -> tuple[Order, Happened]:
    """Return a new order, triaged at once: a rule has said priority and skill."""
    order = Order(
        id=new, key=cmd.key, alarm=cmd.alarm, unit=cmd.unit, place=cmd.place,
        priority=cmd.priority, skill=cmd.skill, title=cmd.title, life_safety=cmd.life_safety,
        opened_at=now, since=now, moved_at=now,
    )  # fmt: skip
    opened = OrderOpened(
        new, cmd.alarm, cmd.unit, cmd.priority, cmd.title, cmd.place, cmd.skill, now
    )
    triaged, happened = move(order, Move(Verb.TRIAGE), system(DISPATCH), now)
    return triaged, [opened, *happened]


def join(order: Order, cmd: OpenOrder, now: datetime) -> tuple[Order, Happened]:
    """Return the order with one more alarm that rings; one that was done goes back to work.

    The more urgent priority of the two stays.
    """
    happened: Happened = []
    if cmd.alarm is not None:
        order = _heard(order, Note(now, TELEMETRY, "orders.did.joined", cmd.alarm))
        happened = [OrderJoined(order.id, cmd.alarm, now)]
    order = replace(order, priority=min(order.priority, cmd.priority))
    if order.state in WAYS[Verb.REOPEN].start:
        order, reopened = move(order, Move(Verb.REOPEN), system(DISPATCH), now)
        happened += reopened
    return order, happened


def same_fault(order: Order, now: datetime) -> bool:
    """Return whether a new alarm of the same fault belongs to this order."""
    if order.open:
        return True
    recent = order.done_at is not None and now - order.done_at <= REOPEN_WITHIN
    return order.state is State.CLOSED and recent


def returned(order: Order, alarm: AlarmId, now: datetime, *, quiet: bool) -> tuple[
    Order, Happened
]:  # fmt: skip
    """Note that an alarm is over; an order that is done is verified and closed by the last.

    The return alone never ends an order that nobody has worked on.

    Args:
        order: The order of the alarm.
        alarm: What has returned.
        now: When.
        quiet: No other alarm of the order rings.
    """
    noted = _heard(order, Note(now, TELEMETRY, "orders.did.returned", alarm))
    return settle(noted, now, quiet=quiet)


def settle(order: Order, now: datetime, *, quiet: bool) -> tuple[Order, Happened]:
    """Verify and close an order of alarms that is done, once all its points are back to normal."""
    if order.state is not State.DONE or order.alarm is None or not quiet:
        return order, []
    verified, first = move(order, Move(Verb.VERIFY), system(TELEMETRY), now)
    closed, second = move(verified, Move(Verb.CLOSE), system(TELEMETRY), now)
    return closed, [*first, *second]


def _heard(order: Order, note: Note) -> Order:
    """Return the order with a note of an alarm; a storm does not fill its history."""
    if sum(each.by == TELEMETRY for each in order.notes) >= NOTED:
        return order
    return replace(order, notes=(*order.notes, note))


def timed_out(order: Order, offer: int, now: datetime) -> tuple[Order, Happened]:
    """Withdraw an offer that nobody answered; an older offer's time-out means nothing."""
    if order.state is not State.ASSIGNED or order.offers != offer:
        return order, []
    return move(order, Move(Verb.TIME_OUT), system(DISPATCH), now)


def assign(order: Order, people: Sequence[Technician], now: datetime) -> tuple[
    Order, Happened
]:  # fmt: skip
    """Offer a triaged order to the best technician left; unchanged when nobody is left."""
    best = next(iter(rank(order, people)), None)
    if order.state is not State.TRIAGED or best is None:
        return order, []
    offer = Move(Verb.OFFER, person=best.id, reasons=best.reasons)
    return move(order, offer, system(DISPATCH), now)


def rank(order: Order, people: Sequence[Technician]) -> list[Candidate]:
    """Return who may be asked, the best first.

    The skill is a must. Whoever is on shift comes first, then the one with the fewest orders in
    hand, then by name so that the same question has the same answer. Off shift is asked only for
    priority 1. Who declined or let the offer time out is not asked again.
    """
    fit = [
        person
        for person in people
        if (not order.skill or order.skill in person.skills)
        and (person.on_shift or order.priority == 1)
        and person.id not in order.tried
    ]
    fit.sort(key=lambda person: (not person.on_shift, person.load, person.id))
    return [Candidate(person.id, _reasons(order, person)) for person in fit]


def _reasons(order: Order, person: Technician) -> tuple[str, ...]:
    shift = "on-shift" if person.on_shift else "off-shift"
    load = "free" if person.load == 0 else "fewest-orders"
    skill = [f"orders.reason.skill-{order.skill}"] if order.skill else []
    return (*skill, f"orders.reason.{shift}", f"orders.reason.{load}")


def due(order: Order, now: datetime) -> Due:
    """Return when the order must be accepted and mended.

    The restore clock is replayed over all holds, the running one counted to `now`; a hold that
    begins after the due time no longer moves it. A clock that has stopped has no due time.
    """
    limits = LIMITS[order.priority]
    waiting = order.accepted_at is None and order.open and order.done_at is None
    working = order.open and order.done_at is None
    mended = order.since + limits.restore
    for hold in order.holds:
        if hold.since < mended:
            mended += (hold.until or now) - hold.since
    return Due(
        order.since + limits.respond if waiting else None,
        mended if working else None,
    )


def offer_ends(order: Order) -> datetime:
    """Return when an offer made at the order's last move is withdrawn."""
    return order.moved_at + LIMITS[order.priority].offer


def link_token(key: bytes, nonce: str) -> str:
    """Return the secret of an accept link, 128 bits in hex; only its hash is stored.

    Args:
        key: The installation's key for links.
        nonce: 128 random bits, made for this link.
    """
    return hmac.new(key, f"accept/{nonce}".encode(), sha256).hexdigest()[:32]


def link_hash(token: str) -> str:
    """Return what the table holds of a token."""
    return sha256(token.encode()).hexdigest()
