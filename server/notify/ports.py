"""What notifying needs from outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from server.events import Event
from server.notify.model import Delivery, Gathered, Message, Reach, Recipient
from watchkeeper.documents import Text
from watchkeeper.ids import NewId, OrderId, PersonId
from watchkeeper.texts import Texts

People: TypeAlias = Callable[[], Sequence[Recipient]]
NewLink: TypeAlias = Callable[[OrderId, PersonId], str]  # the nonce of a one-tap link


class Messages(Protocol):
    """Messages and deliveries within one unit of work."""

    def add(self, message: Message, deliveries: Sequence[Delivery]) -> bool:
        """Store a new message; False, and nothing stored, when there is one of its key."""
        ...

    def about(self, subject: str) -> list[tuple[Message, list[Delivery]]]:
        """Return the messages about an alarm, order or run."""
        ...

    def get(self, message: str) -> tuple[Message, list[Delivery]]:
        """Return a message; KeyError when unknown."""
        ...

    def of_delivery(self, delivery: str) -> tuple[Message, list[Delivery]]:
        """Return the message of a delivery; KeyError when unknown."""
        ...

    def sent(self, channel: str, since: datetime, most: int) -> int:
        """Return how many left by a channel since, or will, no life safety; `most` is enough."""
        ...

    def change(self, message: Message, deliveries: Sequence[Delivery], *happened: Event) -> None:
        """Store what has changed of a message and its deliveries."""
        ...


class Basket(Protocol):
    """Alarms of a flood that people are told of together, within one unit of work."""

    def put(self, item: Gathered) -> None:
        """Add one, once; the first of them sets the timer that ends the gathering."""
        ...

    def drop(self, alarms: Sequence[str]) -> None:
        """Take out what people need not be told of any more."""
        ...

    def empty(self) -> list[Gathered]:
        """Return all, the first first, and forget them."""
        ...


@dataclass(frozen=True, slots=True)
class Office:
    """Everything needed to tell people, within one unit of work."""

    messages: Messages
    basket: Basket
    people: People
    new_link: NewLink
    place: Callable[[str], Text]
    texts: Texts
    reach: Reach
    new_id: NewId
    now: datetime
