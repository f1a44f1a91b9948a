"""Fakes of dispatch and notifying; each behaves as its port says (tests/contract)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Condition

from server.events import Event
from server.notify.model import WITHDRAWN, Delivery, Gathered, Message
from server.orders.model import HELD_BY_SOMEBODY, LINK_LIFE, Link, Order
from server.people.model import Person, Session, Tries
from server.timers import Timer
from watchkeeper.channel import Answer, Letter, Outcome
from watchkeeper.errors import Refused
from watchkeeper.ids import AlarmId, OrderId, PersonId


class MemoryBasket:
    """Alarms of a flood in memory."""

    def __init__(self) -> None:
        self.items: dict[str, Gathered] = {}

    def put(self, item: Gathered) -> None:
        self.items.setdefault(item.alarm, item)

    def drop(self, alarms: Sequence[str]) -> None:
        for alarm in alarms:
            self.items.pop(alarm, None)

    def empty(self) -> list[Gathered]:
        found = list(self.items.values())
        self.items.clear()
        return found


class MemoryOrders:
    """Orders in memory."""

    def __init__(self) -> None:
        self.rows: dict[OrderId, Order] = {}
        self.events: list[Event] = []
        self.rings: set[tuple[OrderId, AlarmId]] = set()

    def tell(self, *happened: Event) -> None:
        self.events += happened

    def ring(self, order: OrderId, alarm: AlarmId) -> bool:
        known = (order, alarm) in self.rings
        self.rings.add((order, alarm))
        return not known

    def quiet(self, order: OrderId, alarm: AlarmId) -> bool:
        known = (order, alarm) in self.rings
        self.rings.discard((order, alarm))
        return known

    def ringing(self, order: OrderId) -> int:
        return sum(name == order for name, _ in self.rings)

    def get(self, order: OrderId) -> Order:
        return self.rows[order]

    def latest(self, key: str) -> Order | None:
        found = [order for order in self.rows.values() if order.key == key]
        return max(found, key=lambda order: (order.open, order.moved_at), default=None)

    def of_alarm(self, alarm: AlarmId) -> Order | None:
        found = sorted((order for order, name in self.rings if name == alarm), reverse=True)
        return self.rows[found[0]] if found else None

    def save(self, order: Order, *happened: Event) -> None:
        others = [each for each in self.rows.values() if each.id != order.id and each.open]
        if order.open and order.key in {each.key for each in others}:
            raise ValueError(f"two open orders of {order.key}")
        self.rows[order.id] = order
        self.events += happened

    def loads(self) -> Mapping[PersonId, int]:
        found: dict[PersonId, int] = {}
        for order in self.rows.values():
            if order.person is not None and order.state in HELD_BY_SOMEBODY:
                found[order.person] = found.get(order.person, 0) + 1
        return found


class MemoryLinks:
    """Links in memory; the nonce is the token and its own hash."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.rows: dict[str, Link] = {}

    def make(self, order: OrderId, person: PersonId) -> str:
        name = f"link-{len(self.rows)}"
        self.rows[name] = Link(name, order, person, self.now + LINK_LIFE)
        return name

    def get(self, token_hash: str) -> Link:
        return self.rows[token_hash]

    def use(self, token_hash: str, at: datetime) -> None:
        self.rows[token_hash] = replace(self.rows[token_hash], used_at=at)


class MemoryTimers:
    """Timers in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Timer] = {}

    def set(self, timer: Timer) -> None:
        self.rows[timer.kind, timer.subject] = timer

    def cancel(self, kind: str, subject: str) -> None:
        self.rows.pop((kind, subject), None)


class MemoryMessages:
    """Messages in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Message, list[Delivery]]] = {}
        self.events: list[Event] = []

    def add(self, message: Message, deliveries: Sequence[Delivery]) -> bool:
        if message.key in {each.key for each, _ in self.rows.values()}:
            return False
        self.rows[message.id] = (message, list(deliveries))
        return True

    def about(self, subject: str) -> list[tuple[Message, list[Delivery]]]:
        found = [row for row in self.rows.values() if row[0].subject == subject]
        return sorted(found, key=lambda row: (row[0].at, row[0].id), reverse=True)

    def get(self, message: str) -> tuple[Message, list[Delivery]]:
        return self.rows[message]

    def sent(self, channel: str, since: datetime, most: int) -> int:
        found = [
            each
            for message, ways in self.rows.values()
            for each in ways
            if each.channel == channel
            and not message.life_safety
            and each.next_at > since
            and each.state not in WITHDRAWN
        ]
        return min(len(found), most)

    def of_delivery(self, delivery: str) -> tuple[Message, list[Delivery]]:
        for row in self.rows.values():
            if delivery in {each.id for each in row[1]}:
                return row
        raise KeyError(delivery)

    def change(self, message: Message, deliveries: Sequence[Delivery], *happened: Event) -> None:
        self.rows[message.id] = (message, list(deliveries))
        self.events += happened


class MemoryPeople:
    """Accounts, sessions and tries in memory."""

    def __init__(self) -> None:
        self.people: dict[PersonId, tuple[Person, str]] = {}
        self.sessions: dict[str, Session] = {}
        self.failed: dict[tuple[str, str], Tries] = {}

    def all(self) -> list[Person]:
        return [self.people[name][0] for name in sorted(self.people)]

    def add(self, person: Person, password_hash: str) -> None:
        if person.id in self.people:
            raise Refused("people.account-exists", account=person.id)
        self.people[person.id] = (person, password_hash)

    def shift(self, person: PersonId, *, on: bool) -> None:
        known, stored = self.people[person]
        self.people[person] = (replace(known, on_shift=on), stored)

    def open(self, token_hash: str, session: Session) -> None:
        self.sessions[token_hash] = session

    def close(self, token_hash: str) -> None:
        self.sessions.pop(token_hash, None)

    def session(self, token_hash: str) -> Session | None:
        return self.sessions.get(token_hash)

    def tries(self, account: str, address: str) -> Tries:
        return self.failed.get((account, address), Tries())

    def tried(self, account: str, address: str, tries: Tries | None) -> None:
        self.failed.pop((account, address), None)
        if tries is not None:
            self.failed[account, address] = tries

    def sweep(self, now: datetime) -> None:
        self.sessions = {
            name: each for name, each in self.sessions.items() if each.expires_at > now
        }


class PlainPasswords:
    """Passwords that take no time; only for tests."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, stored: str, password: str) -> bool:
        return stored == f"plain:{password}"


@dataclass
class FakeChannel:
    """Carries letters into a list; answers what it is told to, then `accepted`."""

    name: str = "webhook"
    answers: list[Answer] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    news: Condition = field(default_factory=Condition)

    def send(self, letter: Letter) -> Answer:
        with self.news:
            self.letters.append(letter)
            self.news.notify_all()
            return self.answers.pop(0) if self.answers else Answer(Outcome.ACCEPTED)

    def close(self) -> None:
        """Nothing is open."""

    def wait(self, count: int, within_s: float = 5.0) -> list[Letter]:
        """Return the letters once there are so many."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.letters) >= count, within_s), self.letters
            return list(self.letters)
