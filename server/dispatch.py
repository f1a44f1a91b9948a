"""What dispatch and notifying work with on this site: people from the accounts, names, links."""

from collections.abc import Callable, Sequence
from functools import cached_property

from server.deliveries import Post, Sender
from server.http import Do, User
from server.notify import handlers as notify
from server.notify.model import Reach, Recipient
from server.notify.ports import Office
from server.notify.store import SqlBasket, SqlMessages
from server.orders import decide
from server.orders.api import Counter
from server.orders.model import SYSTEM, Technician, Words
from server.orders.ports import Desk
from server.orders.store import SqlBook, SqlLinks, SqlOrders
from server.parts import Parts
from server.people import handlers as people_handlers
from server.people.api import Door
from server.people.model import Person
from server.people.store import Doorman, SqlPeople, everybody
from server.rules import place_name
from server.timers import Action, Timer, Timers
from server.unit import Unit
from server.writer import Writer
from watchkeeper.ids import PersonId
from watchkeeper.texts import Texts


class Staff:
    """The accounts, as each subject needs them."""

    def __init__(self, accounts: Callable[[], Sequence[Person]], texts: Texts) -> None:
        """`accounts` is asked once, when somebody is needed."""
        self._read, self._texts = accounts, texts

    @cached_property
    def _accounts(self) -> dict[PersonId, Person]:
        return {account.id: account for account in self._read()}

    def name(self, person: PersonId) -> str:
        """Return how somebody is called; who is gone is called by the id."""
        if person in SYSTEM:
            return self._texts("orders.platform", "zh")
        account = self._accounts.get(person)
        return account.called if account else person

    def crew(self) -> list[Technician]:
        """Return who can be sent; how much each has in hand is not known here."""
        return [
            Technician(account.id, account.skills, account.on_shift, 0)
            for account in self._accounts.values()
            if "technician" in account.roles
        ]

    def recipients(self) -> list[Recipient]:
        """Return who can be told."""
        return [
            Recipient(each.id, each.called, each.roles, each.on_shift, each.language, each.email)
            for each in self._accounts.values()
        ]


def desk(unit: Unit, parts: Parts) -> Desk:
    """Return what the handlers of orders need within a unit of work."""
    staff = _staff(unit, parts)
    return Desk(
        orders=SqlOrders(unit, Words(parts.texts, staff.name)),
        links=links(unit, parts),
        crew=staff.crew,
        timers=Timers(unit),
        new_id=parts.new_id,
        now=unit.now,
    )


def office(unit: Unit, parts: Parts) -> Office:
    """Return what the handlers of messages need within a unit of work."""
    names = {channel.name for channel in parts.outward.channels}
    return Office(
        messages=messages(unit, parts),
        basket=SqlBasket(unit),
        people=_staff(unit, parts).recipients,
        new_link=links(unit, parts).make,
        place=lambda place: place_name(place, parts.plant),
        texts=parts.texts,
        reach=Reach("webhook" in names, "mail" in names),
        new_id=parts.new_id,
        now=unit.now,
    )


def messages(unit: Unit, parts: Parts) -> SqlMessages:
    """Return the messages of a unit of work; its commit wakes the sender."""
    return SqlMessages(unit, parts.outward.bell.ring)


def digest(parts: Parts) -> Action:
    """Return what the timer does that tells of a flood's alarms together."""

    def act(unit: Unit, _: Timer) -> None:
        notify.flood_told(office(unit, parts))

    return act


def links(unit: Unit, parts: Parts) -> SqlLinks:
    """Return the one-tap links of a unit of work."""
    return SqlLinks(unit, parts.outward.link_key, parts.outward.new_nonce)


def url(parts: Parts) -> Callable[[str], str]:
    """Return what makes the address of a one-tap link from its nonce."""
    base = parts.settings.server.public_url.rstrip("/")
    return lambda nonce: f"{base}/go/{decide.link_token(parts.outward.link_key, nonce)}"


def sender(parts: Parts, writer: Writer) -> Sender:
    """Return the threads that carry messages out of the house."""
    post = Post(
        writer=writer,
        read=parts.read,
        bell=parts.outward.bell,
        clock=parts.clock,
        messages=lambda unit: messages(unit, parts),
        url=url(parts),
    )
    return Sender(parts.outward.channels, post)


def counter(parts: Parts, do: Do) -> Counter:
    """Return what the routes of orders work with."""

    def words() -> Words:
        return Words(parts.texts, Staff(lambda: _accounts(parts), parts.texts).name)

    return Counter(
        do=do,
        book=SqlBook(parts.read),
        desk=lambda unit: desk(unit, parts),
        words=words,
        place=lambda place: place_name(place, parts.plant),
        texts=parts.texts,
        clock=parts.clock,
        home=parts.settings.server.public_url.rstrip("/"),
    )


def door(parts: Parts, do: Do) -> Door:
    """Return what signing in needs."""
    return Door(
        do=do,
        read=parts.read,
        clock=parts.clock,
        passwords=parts.outward.passwords,
        new_token=parts.outward.new_token,
        secure=parts.settings.server.public_url.startswith("https:"),
    )


def doorman(parts: Parts, do: Do) -> Callable[[str], User | None]:
    """Return the look-up from a session to its person."""

    def touch(token: str) -> None:
        do(
            lambda unit: people_handlers.touch(
                token, SqlPeople(unit.session.connection()), unit.now
            )
        )

    return Doorman(parts.read, parts.clock, touch)


def _staff(unit: Unit, parts: Parts) -> Staff:
    return Staff(lambda: everybody(unit), parts.texts)


def _accounts(parts: Parts) -> list[Person]:
    with parts.read.connect() as connection:
        return SqlPeople(connection).all()
