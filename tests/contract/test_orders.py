"""What every store of orders does: the real one and the fake pass the same tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from sqlmodel import Session

from server.events import (
    AlarmRaised,
    AlarmReturned,
    OrderAssigned,
    OrderJoined,
    OrderMoved,
    OrderOpened,
    OrderOverdue,
    OrderUnclaimed,
)
from server.migrate import upgrade
from server.orders import decide, handlers
from server.orders.model import LIMITS, Actor, Move, Order, State, Technician, Verb, Words
from server.orders.ports import Desk
from server.orders.store import SqlBook, SqlLinks, SqlOrders
from server.sql import open_engines
from server.timers import Timer, Timers
from server.unit import Unit
from tests.fakes_dispatch import MemoryLinks, MemoryOrders, MemoryTimers
from watchkeeper import texts
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible, Refused
from watchkeeper.ids import AlarmId, OrderId, PersonId, PointId, UnitId
from watchkeeper.settings import Settings

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WANG, LIU = PersonId("wangqiang"), PersonId("liumin")
CREW = [
    Technician(WANG, frozenset({"electrical"}), on_shift=True, load=0),
    Technician(LIU, frozenset({"electrical", "fire"}), on_shift=True, load=0),
]
TITLE = Text("空调 1 过载", "HVAC 1: overload")
RAISED = AlarmRaised(
    AlarmId("alm_1"), "overload", 1, PointId("hvac-1/active_power"), UnitId("hvac-1"),
    "tower-a/B1", "", 2, "normal", TITLE, TITLE, order=True, plan="", skill="electrical",
    value=9.0, at=NOON,
)  # fmt: skip
RETURNED = AlarmReturned(RAISED.alarm, RAISED.rule, RAISED.point, RAISED.unit, NOON)


@dataclass
class Place:
    """A desk, and what happened at it."""

    desk: Desk
    happened: Any  # a list that grows
    commit: Any = None
    engine: Any = None

    def only(self) -> Order:
        found = self.desk.orders.latest("hvac-1/overload")
        assert found is not None
        return found

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.happened]

    def at(self, now: datetime) -> Desk:
        return replace(self.desk, now=now)

    def do(self, verb: Verb, person: PersonId = WANG, **said: Any) -> Order:
        return handlers.move(
            self.only().id, Move(verb, **said), Actor(person, frozenset({"technician"})), self.desk
        )


@contextmanager
def sql(url: str) -> Iterator[Place]:
    engines = open_engines(url)
    upgrade(engines.write)
    catalog = texts.load(Settings().catalog_folder() / "i18n")
    with Session(engines.write) as session:
        unit, names = Unit(session, lambda _: {}, NOON), count(1)
        orders = SqlOrders(unit, Words(catalog, lambda person: person))
        links = SqlLinks(unit, b"key", lambda: f"nonce-{next(names)}")
        desk = Desk(
            orders, links, lambda: CREW, Timers(unit), lambda p: f"{p}_{next(names):03}", NOON
        )
        yield Place(desk, unit.seen, session.commit, engines.read)
    for engine in engines:
        engine.dispose()


@contextmanager
def memory() -> Iterator[Place]:
    orders, names = MemoryOrders(), count(1)
    desk = Desk(
        orders, MemoryLinks(NOON), lambda: CREW, MemoryTimers(),
        lambda p: f"{p}_{next(names):03}", NOON,
    )  # fmt: skip
    yield Place(desk, orders.events)


@pytest.fixture
def place(store_url: str) -> Iterator[Place]:
    with sql(store_url) if store_url else memory() as made:
        yield made


def test_an_unknown_order_is_a_key_error(place: Place) -> None:
    assert place.desk.orders.latest("hvac-1/overload") is None
    for ask in (lambda: place.desk.orders.get(OrderId("no")), lambda: place.desk.links.get("no")):
        with pytest.raises(KeyError):
            ask()


@pytest.mark.serves("D1")
def test_an_alarm_opens_one_order_and_offers_it(place: Place) -> None:
    for _ in range(2):
        handlers.order_for_alarm(RAISED, place.desk)
    order = place.only()
    assert (order.state, order.person, order.alarm) == (State.ASSIGNED, LIU, "alm_1")
    assert place.kinds() == ["OrderOpened", "OrderMoved", "OrderMoved", "OrderAssigned"]
    assert place.desk.orders.loads() == {LIU: 1}


def test_what_is_saved_is_found_unchanged(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    for verb in (Verb.ACCEPT, Verb.DEPART):
        place.do(verb, LIU)
    order = place.do(Verb.HOLD, LIU, reason="part", note="等电机")
    assert place.desk.orders.get(order.id) == order == place.only()
    assert order.holds[0].since == NOON


@pytest.mark.serves("D1")
def test_an_order_of_two_alarms_waits_for_both(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    second = replace(RAISED, alarm=AlarmId("alm_2"))
    for _ in range(2):
        handlers.order_for_alarm(second, place.desk)
    assert place.happened[-1] == OrderJoined(place.only().id, second.alarm, NOON)
    assert place.kinds().count("OrderJoined") == 1
    for verb in (Verb.ACCEPT, Verb.DEPART, Verb.ARRIVE, Verb.START, Verb.DONE):
        place.do(verb, LIU)
    for _ in range(2):
        handlers.note_return(RETURNED, place.desk)
    assert place.only().state is State.DONE
    handlers.note_return(replace(RETURNED, alarm=second.alarm), place.desk)
    assert place.only().state is State.CLOSED


def test_a_hundred_alarms_of_one_fault_are_one_order(place: Place) -> None:
    for number in range(100):
        handlers.order_for_alarm(replace(RAISED, alarm=AlarmId(f"alm_{number}")), place.desk)
    order = place.only()
    assert place.desk.orders.ringing(order.id) == 100
    assert place.kinds().count("OrderAssigned") == 1
    assert len(order.notes) < 30


def test_a_rule_that_wants_no_order_gets_none(place: Place) -> None:
    handlers.order_for_alarm(replace(RAISED, order=False), place.desk)
    assert place.happened == []


@pytest.mark.serves("D3")
def test_an_offer_nobody_accepts_goes_round_until_nobody_is_left(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    order = place.only()
    handlers.offer_over(Timer(handlers.OFFER, order.id, 7, NOON), place.desk)
    assert place.only() == order  # of an offer that is not the present one
    handlers.offer_over(Timer(handlers.OFFER, order.id, 1, NOON), place.desk)
    assert (place.only().person, place.only().tried) == (WANG, (LIU,))
    handlers.offer_over(Timer(handlers.OFFER, order.id, 2, NOON), place.desk)
    assert (place.only().state, place.only().person) == (State.TRIAGED, None)
    assert isinstance(place.happened[-1], OrderUnclaimed)


def test_declining_asks_the_next(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    order = place.do(Verb.DECLINE, LIU, reason="busy")
    assert (order.state, order.person) == (State.ASSIGNED, WANG)
    assert [type(event) for event in place.happened[-2:]] == [OrderMoved, OrderAssigned]


@pytest.mark.serves("D2")
def test_from_alarm_to_closed_by_telemetry(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    for verb in (Verb.ACCEPT, Verb.DEPART, Verb.ARRIVE, Verb.START):
        place.do(verb, LIU)
    handlers.note_return(RETURNED, place.desk)
    assert place.only().state is State.IN_PROGRESS
    order = place.do(Verb.DONE, LIU, cause="overload", remedy="load shed")
    assert (order.state, order.cause) == (State.CLOSED, "overload")
    assert place.desk.orders.loads() == {}
    handlers.note_return(RETURNED, place.desk)
    assert place.only() == order  # nothing happens to what is closed


@pytest.mark.serves("D1")
def test_the_same_fault_soon_after_reopens_and_later_is_a_new_order(place: Place) -> None:
    test_from_alarm_to_closed_by_telemetry(place)
    first, again = place.only().id, replace(RAISED, alarm=AlarmId("alm_2"))
    handlers.order_for_alarm(again, place.at(NOON + timedelta(minutes=20)))
    assert (place.only().id, place.only().state) == (first, State.ASSIGNED)
    assert place.only().reopened == 1
    assert place.only().since == NOON + timedelta(minutes=20)  # its limits count anew
    for verb in (Verb.ACCEPT, Verb.DEPART, Verb.ARRIVE, Verb.START, Verb.DONE):
        place.do(verb, LIU)
    handlers.note_return(replace(RETURNED, alarm=again.alarm), place.desk)
    later = place.at(NOON + timedelta(minutes=31))
    handlers.order_for_alarm(replace(RAISED, alarm=AlarmId("alm_3")), later)
    assert place.only().id != first
    assert sum(isinstance(event, OrderOpened) for event in place.happened) == 2


def test_an_operator_sends_only_technicians(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    operator = Actor(PersonId("chenlei"), frozenset({"operator"}))
    for person in (PersonId("chenlei"), None):
        with pytest.raises(NotPossible, match=r"orders\.not-a-technician"):
            handlers.move(place.only().id, Move(Verb.ASSIGN, person=person), operator, place.desk)
    order = handlers.move(place.only().id, Move(Verb.ASSIGN, person=WANG), operator, place.desk)
    assert (order.person, order.reasons) == (WANG, ("orders.reason.by-operator",))


@pytest.mark.serves("D2")
@pytest.mark.parametrize(
    ("kind", "limit", "verbs"),
    [(handlers.RESPOND, LIMITS[2].respond, ()), (handlers.RESTORE, LIMITS[2].restore, ("accept",))],
)
def test_a_limit_that_passes_is_told(
    place: Place, kind: str, limit: timedelta, verbs: tuple[str, ...]
) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    for verb in verbs:
        place.do(Verb(verb), LIU)
    timer = Timer(kind, place.only().id, 0, NOON + limit)
    handlers.limit_over(timer, place.at(NOON))  # its clock was moved meanwhile: not yet
    assert not any(isinstance(event, OrderOverdue) for event in place.happened)
    handlers.limit_over(timer, place.at(NOON + limit))
    assert place.happened[-1] == OrderOverdue(
        place.only().id, LIU, kind.removeprefix("order-"), 2, TITLE, "tower-a/B1", NOON + limit
    )


def test_a_limit_whose_clock_has_stopped_is_silent(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    place.do(Verb.ACCEPT, LIU)
    before = place.kinds()
    late = place.at(NOON + timedelta(days=1))
    handlers.limit_over(Timer(handlers.RESPOND, place.only().id, 0, NOON), late)
    assert place.kinds() == before


@pytest.mark.serves("D5")
def test_a_link_accepts_once(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    token = _link(place, place.only().id, LIU)
    assert handlers.accept_by_link(token, place.desk).state is State.ACCEPTED
    with pytest.raises(Refused, match=r"orders\.link-used"):
        handlers.accept_by_link(token, place.desk)
    with pytest.raises(KeyError):
        handlers.accept_by_link(f"{token}0", place.desk)


def test_a_link_that_is_too_old_or_of_somebody_gone_accepts_nothing(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    token = _link(place, place.only().id, LIU)
    with pytest.raises(Refused, match=r"orders\.link-expired"):
        handlers.accept_by_link(token, place.at(NOON + timedelta(hours=12)))
    gone = _link(place, place.only().id, PersonId("gone"))
    with pytest.raises(Refused, match=r"orders\.link-expired"):
        handlers.accept_by_link(gone, place.desk)
    assert place.only().state is State.ASSIGNED


def test_a_link_of_a_withdrawn_offer_hears_who_has_the_order(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    token = _link(place, place.only().id, LIU)
    handlers.offer_over(Timer(handlers.OFFER, place.only().id, 1, NOON), place.desk)
    place.do(Verb.ACCEPT, WANG)
    with pytest.raises(Refused, match=r"orders\.taken") as told:
        handlers.accept_by_link(token, place.desk)
    assert told.value.facts["person"] == WANG


def test_two_open_orders_of_one_fault_are_impossible(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    double = replace(place.only(), id=OrderId("ord_double"))
    with pytest.raises(Exception, match=r"(?i)two open|unique"):
        place.desk.orders.save(double)


def test_the_board_is_sorted_by_urgency_then_age(url: str) -> None:
    with sql(url) as place:
        for name, priority, minutes in (("a", 3, 0), ("b", 1, 2), ("c", 1, 1)):
            desk = place.at(NOON + timedelta(minutes=minutes))
            raised = replace(RAISED, unit=UnitId(name), priority=priority, alarm=AlarmId(name))
            handlers.order_for_alarm(raised, desk)
        place.commit()
        book = SqlBook(place.engine)
        found = book.find(only_open=True, person=None)
        assert [order.unit for order in found] == ["c", "b", "a"]
        assert {order.person for order in book.find(only_open=False, person=WANG)} == {WANG}
        assert msgspec.to_builtins(book.get(found[0].id)) == msgspec.to_builtins(found[0])


def _link(place: Place, order: OrderId, person: PersonId) -> str:
    nonce = place.desk.links.make(order, person)
    if isinstance(place.desk.links, SqlLinks):
        return decide.link_token(b"key", nonce)
    rows = place.desk.links.rows  # type: ignore[attr-defined] # the fake stores what it was given
    rows[decide.link_hash(nonce)] = replace(rows.pop(nonce), token_hash=decide.link_hash(nonce))
    return nonce


def test_work_sent_back_has_its_limit_again(place: Place) -> None:
    handlers.order_for_alarm(RAISED, place.desk)
    for verb in (Verb.ACCEPT, Verb.DEPART, Verb.ARRIVE, Verb.START, Verb.DONE):
        place.do(verb, LIU)
    operator = Actor(PersonId("chenlei"), frozenset({"operator"}))
    place.desk.timers.cancel(handlers.RESTORE, place.only().id)
    order = handlers.move(
        place.only().id, Move(Verb.REJECT, reason="still hot"), operator, place.desk
    )
    assert (order.state, order.person, order.done_at) == (State.IN_PROGRESS, LIU, None)
    late = Timer(handlers.RESTORE, order.id, 0, NOON + LIMITS[2].restore)
    handlers.limit_over(late, place.at(NOON + LIMITS[2].restore))
    assert isinstance(place.happened[-1], OrderOverdue)
