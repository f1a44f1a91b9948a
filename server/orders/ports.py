"""What dispatch needs from outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from server.events import Event
from server.orders.model import Link, Order, Technician
from server.timers import Timer
from watchkeeper.ids import AlarmId, NewId, OrderId, PersonId

# Who could be sent: loads are filled in from the orders themselves.
Crew: TypeAlias = Callable[[], Sequence[Technician]]


class Orders(Protocol):
    """Work orders within one unit of work: state, history and events together, or none."""

    def get(self, order: OrderId) -> Order:
        """Return the order; KeyError when unknown."""
        ...

    def latest(self, key: str) -> Order | None:
        """Return the open order of this fault, or else the one that ended last."""
        ...

    def of_alarm(self, alarm: AlarmId) -> Order | None:
        """Return the order for which an alarm rings; None: for none."""
        ...

    def save(self, order: Order, *happened: Event) -> None:
        """Store a new or changed order; at most one open order a key is possible."""
        ...

    def tell(self, *happened: Event) -> None:
        """Tell what happened around an order that is itself as before."""
        ...

    def ring(self, order: OrderId, alarm: AlarmId) -> bool:
        """Note that an alarm of the order rings; False when it did already."""
        ...

    def quiet(self, order: OrderId, alarm: AlarmId) -> bool:
        """Note that it is over; False when it did not ring."""
        ...

    def ringing(self, order: OrderId) -> int:
        """Return how many alarms of the order ring."""
        ...

    def loads(self) -> Mapping[PersonId, int]:
        """Return how many orders each person has in hand; nobody with none."""
        ...


class Links(Protocol):
    """One-tap accept links within one unit of work."""

    def make(self, order: OrderId, person: PersonId) -> str:
        """Return the nonce of a new link; decide.link_token turns it into the secret."""
        ...

    def get(self, token_hash: str) -> Link:
        """Return the link; KeyError when there is none."""
        ...

    def use(self, token_hash: str, at: datetime) -> None:
        """Note that the link was used."""
        ...


class Timing(Protocol):
    """Timers that survive a stop (server/timers.py)."""

    def set(self, timer: Timer) -> None:
        """Let it fire at its instant."""
        ...

    def cancel(self, kind: str, subject: str) -> None:
        """Forget it; none is no error."""
        ...


class Book(Protocol):
    """Orders as they are committed, for those who only look."""

    def get(self, order: OrderId) -> Order:
        """Return the order; KeyError when unknown."""
        ...

    def find(self, *, only_open: bool, person: PersonId | None) -> list[Order]:
        """Return orders, the most urgent and oldest first; of one person, or of all."""
        ...

    def link(self, token_hash: str) -> Link:
        """Return the link; KeyError when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a dispatcher has within one unit of work."""

    orders: Orders
    links: Links
    crew: Crew
    timers: Timing
    new_id: NewId
    now: datetime
