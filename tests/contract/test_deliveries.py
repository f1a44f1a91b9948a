"""Messages and their way out: the real store and the fake pass the same tests; then the sender."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event as Flag
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session
from typing_extensions import override

from server.bell import Bell
from server.deliveries import Post, Sender
from server.events import (
    AlarmAcknowledged,
    AlarmRaised,
    DeliveryExhausted,
    OrderAssigned,
    OrderMoved,
    OrderOverdue,
    OrderUnclaimed,
    RoleCalled,
)
from server.migrate import upgrade
from server.notify import handlers
from server.notify.model import Delivery, Message, Reach, Recipient, State
from server.notify.ports import Basket, Messages, Office
from server.notify.store import SqlBasket, SqlMessages, inbox
from server.sql import open_engines
from server.unit import Unit
from server.writer import Writer
from tests.fakes import FixedClock
from tests.fakes_dispatch import FakeChannel, MemoryBasket, MemoryMessages
from watchkeeper import texts
from watchkeeper.channel import Answer, Letter, Outcome
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, OrderId, PersonId, PointId, RunId, UnitId
from watchkeeper.settings import Settings

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHEN, WANG, ADMIN = PersonId("chenlei"), PersonId("wangqiang"), PersonId("admin")
PEOPLE = [
    Recipient(ADMIN, "管理员", frozenset({"admin"}), on_shift=False, language="zh", email=""),
    Recipient(CHEN, "陈磊", frozenset({"operator"}), on_shift=True, language="zh", email="c@x"),
    Recipient(WANG, "王强", frozenset({"technician"}), on_shift=True, language="en", email="w@x"),
]
TEXTS = texts.load(Settings().catalog_folder() / "i18n")
FIRE = Text("1 层火警", "Fire on floor 1")
RAISED = AlarmRaised(
    AlarmId("alm_1"), "detector-fire", 1, PointId("panel/d-1"), UnitId("panel"), "tower-a/1", "",
    1, "life_safety", FIRE, Text("核实", "Verify"), order=True, plan="", skill="fire", value=1.0,
    at=NOON,
)  # fmt: skip
ASSIGNED = OrderAssigned(OrderId("ord_1"), WANG, 2, FIRE, "tower-a/1", (), NOON)
MOVED = OrderMoved(
    OrderId("ord_1"), None, "assigned", "accepted", WANG, NOON, WANG, 2, FIRE, "tower-a/1"
)
CALLED = RoleCalled(
    RunId("run_1"), "commander", Text("指挥", "commander"), WANG, FIRE, Text("到场", "Go there"),
    "actual", NOON,
)  # fmt: skip


@dataclass
class Bureau:
    """An office, and how to look at what it wrote."""

    office: Office
    happened: Any

    def of(self, subject: str) -> list[tuple[Message, list[Delivery]]]:
        return self.office.messages.about(subject)

    def one(self, subject: str) -> tuple[Message, list[Delivery]]:
        (found,) = self.of(subject)
        return found

    def states(self, subject: str) -> list[str]:
        return [each.state.value for _, ways in self.of(subject) for each in ways]


def office(messages: Messages, basket: Basket) -> Office:
    names = count(1)
    return Office(
        messages=messages,
        basket=basket,
        people=lambda: PEOPLE,
        new_link=lambda order, person: f"nonce-of-{order}-{person}",
        place=lambda place: Text(place, place),
        texts=TEXTS,
        reach=Reach(webhook=True, mail=True),
        new_id=lambda prefix: f"{prefix}_{next(names):03}",
        now=NOON,
    )


@contextmanager
def memory() -> Iterator[Bureau]:
    messages = MemoryMessages()
    yield Bureau(office(messages, MemoryBasket()), messages.events)


@contextmanager
def sql(url: str) -> Iterator[Bureau]:
    engines = open_engines(url)
    upgrade(engines.write)
    with Session(engines.write) as session:
        unit = Unit(session, lambda _: {}, NOON)
        yield Bureau(office(SqlMessages(unit, lambda: None), SqlBasket(unit)), unit.seen)
    for engine in engines:
        engine.dispose()


@pytest.fixture
def bureau(store_url: str) -> Iterator[Bureau]:
    with sql(store_url) if store_url else memory() as made:
        yield made


def offered(number: int, priority: int = 2) -> OrderAssigned:
    return replace(ASSIGNED, order=OrderId(f"ord_{number}"), priority=priority)


@pytest.mark.serves("C3")
def test_a_channel_that_carried_enough_in_a_minute_leaves_the_rest_to_a_digest(
    bureau: Bureau,
) -> None:
    for number in range(12):
        handlers.order_assigned(offered(number), bureau.office)
    states = [bureau.states(f"ord_{number}") for number in range(12)]
    assert states == [["pending"] * 2] * 10 + [["bundled"] * 2] * 2
    handlers.alarm_raised(RAISED, bureau.office)
    assert set(bureau.states(RAISED.alarm)) == {"pending"}
    handlers.flood_told(bureau.office)
    ((digest, ways),) = bureau.of("flood")
    assert (digest.person, digest.title.en) == (WANG, "2 more messages in your inbox")
    assert [each.state.value for each in ways] == ["pending"] * 2
    handlers.flood_told(bureau.office)
    assert len(bureau.of("flood")) == 1


def test_what_is_over_before_its_digest_is_not_counted_in_it(bureau: Bureau) -> None:
    for number in range(11):
        handlers.order_assigned(offered(number), bureau.office)
    taken = replace(MOVED, order=OrderId("ord_10"))
    handlers.order_moved(taken, bureau.office)
    (message,) = [each for each in bureau.of("ord_10") if each[0].kind == "order-offer"]
    assert {each.state.value for each in message[1]} == {"cancelled"}
    assert message[0].id not in {each.alarm for each in bureau.office.basket.empty()}


def test_what_is_unknown_is_a_key_error(bureau: Bureau) -> None:
    assert bureau.of("alm_1") == []
    for ask in (bureau.office.messages.get, bureau.office.messages.of_delivery):
        with pytest.raises(KeyError):
            ask("no")


@pytest.mark.serves("D5")
def test_whoever_is_on_duty_is_told_of_an_alarm_once(bureau: Bureau) -> None:
    for _ in range(2):
        handlers.alarm_raised(RAISED, bureau.office)
    message, ways = bureau.one("alm_1")
    assert (message.person, message.life_safety, message.nonce) == (CHEN, True, "")
    assert message.title == Text("特急报警：1 层火警", "Critical alarm: Fire on floor 1")
    assert [(each.channel, each.address) for each in ways] == [("webhook", ""), ("mail", "c@x")]
    assert bureau.states("alm_1") == ["pending", "pending"]
    assert bureau.office.messages.get(message.id) == (message, ways)
    assert bureau.office.messages.of_delivery(ways[1].id) == (message, ways)


def test_a_minor_alarm_is_not_told(bureau: Bureau) -> None:
    handlers.alarm_raised(replace(RAISED, priority=3, handling="normal"), bureau.office)
    assert bureau.of("alm_1") == []


def test_an_acknowledged_alarm_is_not_sent_any_more(bureau: Bureau) -> None:
    handlers.alarm_raised(RAISED, bureau.office)
    handlers.alarm_acknowledged(AlarmAcknowledged(RAISED.alarm, WANG, NOON), bureau.office)
    assert bureau.states("alm_1") == ["cancelled", "cancelled"]


@pytest.mark.serves("D5")
def test_a_technician_gets_a_link_and_answers_by_accepting(bureau: Bureau) -> None:
    handlers.order_assigned(ASSIGNED, bureau.office)
    message, ways = bureau.one("ord_1")
    assert (message.person, message.nonce) == (WANG, "nonce-of-ord_1-wangqiang")
    sent = [replace(each, state=State.ACCEPTED) for each in ways]
    bureau.office.messages.change(message, sent)
    handlers.order_moved(MOVED, bureau.office)
    told = {each.kind: [way.state.value for way in ways] for each, ways in bureau.of("ord_1")}
    assert told == {"order-offer": ["answered", "answered"], "order-accepted": ["pending"]}


def test_a_withdrawn_offer_is_not_sent_any_more(bureau: Bureau) -> None:
    handlers.order_assigned(ASSIGNED, bureau.office)
    moved = replace(MOVED, after="triaged", by=PersonId("dispatch"))
    handlers.order_moved(moved, bureau.office)
    assert bureau.states("ord_1") == ["cancelled", "cancelled"]


def test_work_sent_back_is_told_to_who_did_it(bureau: Bureau) -> None:
    handlers.order_moved(replace(MOVED, before="done", after="in_progress"), bureau.office)
    assert bureau.one("ord_1")[0].person == WANG


@pytest.mark.parametrize("limit", ["respond", "restore"])
def test_what_operators_must_act_on_is_told_to_them(bureau: Bureau, limit: Any) -> None:
    handlers.order_unclaimed(
        OrderUnclaimed(OrderId("ord_1"), 1, FIRE, "tower-a/1", NOON), bureau.office
    )
    handlers.order_overdue(
        OrderOverdue(OrderId("ord_1"), None, limit, 2, FIRE, "tower-a/1", NOON), bureau.office
    )
    assert {(each.kind, each.person) for each, _ in bureau.of("ord_1")} == {
        ("order-unclaimed", CHEN), (f"order-overdue-{limit}", CHEN),
    }  # fmt: skip


@pytest.mark.serves("E3")
def test_a_drill_is_marked_and_stays_in_the_house(bureau: Bureau) -> None:
    handlers.role_called(CALLED, bureau.office)
    handlers.role_called(replace(CALLED, run=RunId("run_2"), mode="exercise"), bureau.office)
    real, drill = bureau.one("run_1")[0], bureau.one("run_2")[0]
    assert real.title.en == "Fire on floor 1: you are commander"
    assert drill.title.zh.startswith("【演练】")
    assert bureau.states("run_1") == ["pending", "pending"]
    assert bureau.states("run_2") == ["simulated", "simulated"]


@pytest.mark.serves("D5")
def test_when_every_way_has_failed_others_are_told(bureau: Bureau) -> None:
    handlers.order_assigned(ASSIGNED, bureau.office)
    failed = Answer(Outcome.FAILED, "no")
    for way in bureau.one("ord_1")[1]:
        handlers.attempted(way.id, failed, bureau.office.messages, NOON)
    assert bureau.happened == []  # nobody was sending it
    message, ways = bureau.one("ord_1")
    bureau.office.messages.change(message, [replace(w, state=State.SENDING) for w in ways])
    for way in ways:
        handlers.attempted(way.id, failed, bureau.office.messages, NOON)
    (gone,) = bureau.happened
    assert gone == DeliveryExhausted(WANG, "ord_1", ("webhook", "mail"), NOON)
    handlers.nobody_reached(gone, bureau.office)
    told = [(each, ways) for each, ways in bureau.of("ord_1") if each.kind == "undelivered"]
    assert {each.person for each, _ in told} == {CHEN, ADMIN}
    assert [ways for _, ways in told] == [[], []]  # not by the channels that just failed
    assert told[0][0].title.zh == "消息未送达：王强"


def test_reading_is_for_oneself_and_noted_once(bureau: Bureau) -> None:
    handlers.alarm_raised(RAISED, bureau.office)
    message, ways = bureau.one("alm_1")
    bureau.office.messages.change(message, [replace(w, state=State.ACCEPTED) for w in ways])
    with pytest.raises(KeyError):
        handlers.read(message.id, WANG, bureau.office.messages, NOON)
    for minutes in (1, 2):
        later = NOON + timedelta(minutes=minutes)
        handlers.read(message.id, CHEN, bureau.office.messages, later)
    assert bureau.one("alm_1")[0].read_at == NOON + timedelta(minutes=1)
    assert bureau.states("alm_1") == ["read", "read"]


def test_a_receipt_moves_its_own_delivery(bureau: Bureau) -> None:
    handlers.alarm_raised(RAISED, bureau.office)
    message, ways = bureau.one("alm_1")
    bureau.office.messages.change(message, [replace(w, state=State.ACCEPTED) for w in ways])
    handlers.receipt(ways[0].id, "delivered", bureau.office.messages)
    assert bureau.states("alm_1") == ["delivered", "accepted"]


class Sending:
    """A sender with a real writer between a clock and a channel of ours."""

    def __init__(self, url: str, *channels: Any) -> None:
        self.engines = open_engines(url)
        upgrade(self.engines.write)
        self.clock, self.bell, self.channels = FixedClock(NOON), Bell(), channels
        self.names, self.happened = count(1), list[Any]()
        table = {DeliveryExhausted: (self.happened.append,)}
        self.writer = Writer(self.engines.write, lambda _: table, self.clock)
        self.sender = Sender(
            channels,
            Post(
                self.writer, self.engines.read, self.bell, self.clock, self.messages,
                lambda nonce: f"http://go/{nonce}",
            ),
        )  # fmt: skip

    def messages(self, unit: Unit) -> SqlMessages:
        return SqlMessages(unit, self.bell.ring)

    def tell(self, event: Any) -> None:
        def work(unit: Unit) -> None:
            desk = replace(
                office(self.messages(unit), SqlBasket(unit)),
                now=unit.now, reach=Reach(webhook=True),
                new_id=lambda prefix: f"{prefix}_{next(self.names):03}",
            )  # fmt: skip
            tell = handlers.alarm_raised if isinstance(event, AlarmRaised) else _assigned
            tell(event, desk)

        self.writer.do(work).result(5)

    def states(self) -> list[str]:
        found = [*inbox(self.engines.read, CHEN, 99), *inbox(self.engines.read, WANG, 99)]
        return [each.state.value for _, ways in found for each in ways]

    def until(self, *states: str) -> None:
        """Wait for the deliveries to stand so; each look waits for a commit of the writer."""
        for _ in range(2_000):
            if self.states() == list(states):
                return
            self.writer.do(lambda _: None).result(5)
            self.pause.wait(0.002)
        assert self.states() == list(states)

    pause = Flag()  # never set

    def pass_(self, seconds: float) -> None:
        self.clock.pass_(seconds)
        self.bell.ring()

    def close(self) -> None:
        self.sender.close()
        self.writer.close()
        for engine in self.engines:
            engine.dispose()


def _assigned(event: OrderAssigned, desk: Office) -> None:
    handlers.order_assigned(event, desk)


@contextmanager
def sending(url: str, *channels: Any) -> Iterator[Sending]:
    made = Sending(url, *channels)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.serves("D5")
def test_a_message_leaves_at_once_after_its_commit(url: str) -> None:
    channel = FakeChannel()
    with sending(url, channel) as here:
        here.sender.start()
        here.tell(ASSIGNED)
        (letter,) = channel.wait(1)
        assert letter.link == "http://go/nonce-of-ord_1-wangqiang"
        assert (letter.person_name, letter.address, letter.repeat) == ("王强", "", False)
        here.until("accepted")


def test_what_waited_while_nobody_sent_leaves_at_the_start(url: str) -> None:
    channel = FakeChannel()
    with sending(url, channel) as here:
        here.tell(ASSIGNED)
        here.tell(RAISED)
        here.sender.start()
        assert {letter.kind for letter in channel.wait(2)} == {"alarm", "order-offer"}


@pytest.mark.serves("D5")
def test_a_retry_waits_for_its_time(url: str) -> None:
    channel = FakeChannel(answers=[Answer(Outcome.RETRY, "busy")])
    with sending(url, channel) as here:
        here.sender.start()
        here.tell(ASSIGNED)
        here.until("retry")
        here.pass_(14)
        assert len(channel.wait(1)) == 1
        here.pass_(1)
        first, second = channel.wait(2)
        assert first.key == second.key  # who had it already may drop it
        here.until("accepted")


@pytest.mark.serves("D5")
def test_a_fire_is_repeated_soon_when_nobody_knows(url: str) -> None:
    channel = FakeChannel(answers=[Answer(Outcome.UNKNOWN, "timeout")] * 2)
    with sending(url, channel) as here:
        here.sender.start()
        here.tell(RAISED)
        here.until("retry")
        here.pass_(2)
        assert [letter.repeat for letter in channel.wait(2)] == [False, True]
        here.until("unknown")


def test_a_channel_that_breaks_does_not_break_the_sender(url: str) -> None:
    class Broken(FakeChannel):
        @override
        def send(self, letter: Letter) -> Answer:
            super().send(letter)
            raise RuntimeError("a mistake of ours")

    channel = Broken()
    with sending(url, channel) as here:
        here.sender.start()
        here.tell(ASSIGNED)
        here.until("unknown")
        here.tell(replace(ASSIGNED, order=OrderId("ord_2")))
        here.until("unknown", "unknown")


def test_a_fire_overtakes_a_receiver_that_hangs(url: str) -> None:
    class Hanging(FakeChannel):
        hung, free = Flag(), Flag()

        @override
        def send(self, letter: Letter) -> Answer:
            if not letter.life_safety:
                self.hung.set()
                assert self.free.wait(10)
            return super().send(letter)

    channel = Hanging()
    with sending(url, channel) as here:
        here.sender.start()
        here.tell(ASSIGNED)
        assert channel.hung.wait(5)
        here.tell(RAISED)
        assert [letter.kind for letter in channel.wait(1)] == ["alarm"]
        channel.free.set()
        here.until("accepted", "accepted")


def test_nobody_knows_what_a_dead_sender_had_sent(url: str) -> None:
    channel = FakeChannel()
    with sending(url, channel) as here:
        here.tell(ASSIGNED)
        here.tell(RAISED)
        for urgent in (True, False):
            here.writer.do(
                lambda unit, urgent=urgent: here.messages(unit).claim("webhook", urgent=urgent)
            ).result(5)
        assert here.states() == ["sending", "sending"]
        here.sender.start()
        here.until("retry", "unknown")
        here.pass_(2)
        assert [letter.repeat for letter in channel.wait(1)] == [True]


def test_a_delivery_that_is_cancelled_is_not_claimed(url: str) -> None:
    with sending(url) as here:
        here.tell(RAISED)

        def work(unit: Unit) -> str | None:
            messages = here.messages(unit)
            by = AlarmAcknowledged(RAISED.alarm, CHEN, NOON)
            handlers.alarm_acknowledged(by, office(messages, SqlBasket(unit)))
            return messages.claim("webhook", urgent=True)

        assert here.writer.do(work).result(5) is None


def test_the_last_failure_is_an_event_of_the_same_commit(url: str) -> None:
    with sending(url, FakeChannel(answers=[Answer(Outcome.FAILED, "HTTP 410")])) as here:
        here.sender.start()
        here.tell(ASSIGNED)
        here.until("failed")
        assert here.happened == [DeliveryExhausted(WANG, "ord_1", ("webhook",), NOON)]


def test_the_change_log_never_holds_a_one_tap_link(url: str) -> None:
    with sending(url, FakeChannel()) as here:
        here.sender.start()
        here.tell(ASSIGNED)
        here.until("accepted")
        with here.engines.read.connect() as connection:
            bodies = connection.execute(sa.text("select body from change")).scalars().all()
        assert bodies
        assert not any("nonce" in body or "/go/" in body for body in bodies)
