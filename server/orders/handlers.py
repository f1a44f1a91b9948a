"""Reactions and commands of dispatch: load, decide, save."""

from dataclasses import replace
from datetime import timedelta

from server.events import (
    AlarmRaised,
    AlarmReturned,
    AlarmsExplained,
    OrderAssigned,
    OrderOverdue,
    OrderUnclaimed,
)
from server.orders import decide
from server.orders.decide import Happened
from server.orders.model import (
    DISPATCH,
    Actor,
    Move,
    OpenOrder,
    Order,
    State,
    Verb,
    system,
)
from server.orders.ports import Desk
from server.timers import Timer
from watchkeeper.errors import NotPossible, Refused
from watchkeeper.ids import OrderId

OFFER = "order-offer"  # timer: nobody accepted in time
OFFER_LATER = "order-offer-later"  # timer: nobody on duty has said who goes
LATER = timedelta(minutes=10)
RESPOND = "order-respond"  # timer: nobody has accepted when somebody should have
UNACCEPTED = frozenset({State.NEW, State.TRIAGED, State.ASSIGNED})
RESTORE = "order-restore"  # timer: not mended when it should be


def order_for_alarm(event: AlarmRaised, desk: Desk) -> None:
    """Every alarm whose rule wants an order has exactly one open order. Safe to run twice.

    In a flood all of a unit are one order: a technician goes there once, and whoever is on duty
    says who goes where first; what is left after a while is offered as any other.
    """
    if not event.order:
        return
    together = event.flood and not event.root
    fault = f"flood/{event.skill}" if together else event.rule
    open_or_join(
        OpenOrder(
            key=f"{event.unit}/{fault}", alarm=event.alarm, unit=event.unit,
            place=event.place, priority=event.priority, skill=event.skill, title=event.title,
            life_safety=event.handling == "life_safety",
        ),
        desk,
        later=together,
    )  # fmt: skip


def open_or_join(cmd: OpenOrder, desk: Desk, *, later: bool = False) -> OrderId:
    """Open an order and offer it, or join the one of the same fault; return its id.

    `later`: it waits for whoever is on duty, and is offered after LATER.
    """
    found = desk.orders.latest(cmd.key)
    if found is None or not decide.same_fault(found, desk.now):
        return _opened(cmd, desk, later=later)
    if cmd.alarm is not None and not desk.orders.ring(found.id, cmd.alarm):
        return found.id
    order, happened = decide.join(found, cmd, desk.now)
    if order.reopened != found.reopened:
        _limits(order, desk)
        order, happened = _offered(order, happened, desk)
    return _save(found, (order, happened), desk).id


def _opened(cmd: OpenOrder, desk: Desk, *, later: bool) -> OrderId:
    order, happened = decide.open_order(cmd, OrderId(desk.new_id("ord")), desk.now)
    if cmd.alarm is not None:
        desk.orders.ring(order.id, cmd.alarm)
    _limits(order, desk)
    if later:
        desk.timers.set(Timer(OFFER_LATER, order.id, 0, desk.now + LATER))
        return _save(None, (order, happened), desk).id
    return _save(None, _offered(order, happened, desk), desk).id


def note_return(event: AlarmReturned, desk: Desk) -> None:
    """An alarm that is over is noted on its order; a finished order is verified by it."""
    order = desk.orders.of_alarm(event.alarm)
    if order is None or not desk.orders.quiet(order.id, event.alarm) or not order.open:
        return
    quiet = desk.orders.ringing(order.id) == 0
    _save(order, decide.returned(order, event.alarm, desk.now, quiet=quiet), desk)


def explained(event: AlarmsExplained, desk: Desk) -> None:
    """Nobody is sent for what a root explains: its order is of the root unless it is accepted."""
    for alarm in event.alarms:
        order = desk.orders.of_alarm(alarm)
        if order is None or order.state not in UNACCEPTED:
            continue
        desk.orders.quiet(order.id, alarm)
        if desk.orders.ringing(order.id) == 0:
            cmd = Move(Verb.DUPLICATE, reason=event.title.zh + " / " + event.title.en)
            _save(order, decide.move(order, cmd, system(DISPATCH), desk.now), desk)


def move(order: OrderId, cmd: Move, actor: Actor, desk: Desk) -> Order:
    """Do what a person asks; return the order as it stands after all that follows from it."""
    if cmd.verb is Verb.ASSIGN and cmd.person not in {person.id for person in desk.crew()}:
        raise NotPossible("orders.not-a-technician", field="person", person=cmd.person)
    before = desk.orders.get(order)
    after, happened = decide.move(before, cmd, actor, desk.now)
    if cmd.verb is Verb.DECLINE:
        after, happened = _offered(after, happened, desk)
    elif cmd.verb is Verb.REJECT:
        _limits(after, desk)
    elif cmd.verb is Verb.DONE:
        quiet = desk.orders.ringing(order) == 0
        after, settled = decide.settle(after, desk.now, quiet=quiet)
        happened = [*happened, *settled]
    return _save(before, (after, happened), desk)


def accept_by_link(token: str, desk: Desk) -> Order:
    """Accept as the person the link was made for.

    Raises:
        KeyError: no such link.
        Refused: it is used or too old, or the order's state does not allow it.
    """
    link = desk.links.get(decide.link_hash(token))
    if link.used_at is not None:
        raise Refused("orders.link-used", order=link.order)
    if link.expires_at <= desk.now:
        raise Refused("orders.link-expired", order=link.order)
    if link.person not in {person.id for person in desk.crew()}:
        raise Refused("orders.link-expired", order=link.order)
    found = desk.orders.get(link.order)
    if found.person not in {None, link.person}:
        raise Refused("orders.taken", state=found.state.value, person=found.person)
    actor = Actor(link.person, frozenset({decide.TECHNICIAN}))
    order = move(link.order, Move(Verb.ACCEPT), actor, desk)
    desk.links.use(link.token_hash, desk.now)
    return order


def offer_later(timer: Timer, desk: Desk) -> None:
    """Offer an order of a flood that nobody has assigned meanwhile."""
    order = desk.orders.get(OrderId(timer.subject))
    if order.state is State.TRIAGED:
        _save(order, _offered(order, [], desk), desk)


def offer_over(timer: Timer, desk: Desk) -> None:
    """Withdraw an offer that was not accepted in time and ask the next technician."""
    order = desk.orders.get(OrderId(timer.subject))
    after, happened = decide.timed_out(order, timer.generation, desk.now)
    if happened:
        _save(order, _offered(after, happened, desk), desk)


def limit_over(timer: Timer, desk: Desk) -> None:
    """Say that a time limit has passed, unless its clock has stopped or was paused meanwhile."""
    order = desk.orders.get(OrderId(timer.subject))
    due = decide.due(order, desk.now)
    instant = due.respond if timer.kind == RESPOND else due.restore
    if instant is None:
        return
    if instant > desk.now:
        desk.timers.set(replace(timer, due=instant))
        return
    desk.orders.save(
        order,
        OrderOverdue(
            order.id, order.person, "respond" if timer.kind == RESPOND else "restore",
            order.priority, order.title, order.place, desk.now,
        ),
    )  # fmt: skip


def _limits(order: Order, desk: Desk) -> None:
    due = decide.due(order, desk.now)
    for kind, instant in ((RESPOND, due.respond), (RESTORE, due.restore)):
        if instant is not None:
            desk.timers.set(Timer(kind, order.id, 0, instant))


def _offered(order: Order, happened: Happened, desk: Desk) -> tuple[Order, Happened]:
    """Offer a triaged order to the best technician; say so when nobody is left."""
    loads = desk.orders.loads()
    people = [replace(person, load=loads.get(person.id, 0)) for person in desk.crew()]
    after, offered = decide.assign(order, people, desk.now)
    if after.state is not State.TRIAGED:
        return after, [*happened, *offered]
    nobody = OrderUnclaimed(order.id, order.priority, order.title, order.place, desk.now)
    return after, [*happened, nobody]


def _save(before: Order | None, decided: tuple[Order, Happened], desk: Desk) -> Order:
    """Store what was decided and let the offer's clock follow it."""
    after, happened = decided
    if after == before:  # nothing to show; what happened may still matter to others
        desk.orders.tell(*happened)
        return after
    offered = any(isinstance(event, OrderAssigned) for event in happened)
    if before is not None and (offered or after.state is not State.ASSIGNED):
        desk.timers.cancel(OFFER, after.id)
    if offered:
        desk.timers.set(Timer(OFFER, after.id, after.offers, decide.offer_ends(after)))
    desk.orders.save(after, *happened)
    return after
