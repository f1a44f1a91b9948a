"""What people needs from outside."""

from datetime import datetime
from typing import Protocol

from server.people.model import Person, Session, Tries
from watchkeeper.ids import PersonId


class Passwords(Protocol):
    """Keeps passwords so that nobody can read them."""

    def hash(self, password: str) -> str:
        """Return what may be stored."""
        ...

    def verify(self, stored: str, password: str) -> bool:
        """Return whether it is this password; takes as long for an empty `stored`."""
        ...


class People(Protocol):
    """Accounts and sessions within one unit of work."""

    def add(self, person: Person, password_hash: str) -> None:
        """Add an account. Raises Refused: there is one of this id."""
        ...

    def shift(self, person: PersonId, *, on: bool) -> None:
        """Note who is on shift; KeyError when unknown."""
        ...

    def open(self, token_hash: str, session: Session) -> None:
        """Store a new or used session."""
        ...

    def close(self, token_hash: str) -> None:
        """Forget a session; none is no error."""
        ...

    def session(self, token_hash: str) -> Session | None:
        """Return a session, None when there is none."""
        ...

    def tries(self, account: str, address: str) -> Tries:
        """Return the wrong passwords of this account from this address."""
        ...

    def tried(self, account: str, address: str, tries: Tries | None) -> None:
        """Note them; None forgets them."""
        ...

    def sweep(self, now: datetime) -> None:
        """Forget sessions and tries that are over."""
        ...
