"""Decisions about sessions and wrong passwords. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from server.people.model import (
    FIRST_WAIT,
    FREE_TRIES,
    LONGEST_WAIT,
    RESERVED,
    SESSION_LIFE,
    SHORTEST_PASSWORD,
    TOUCH_EVERY,
    Account,
    Person,
    Session,
    Tries,
)
from watchkeeper.errors import NotPossible
from watchkeeper.ids import PersonId


def wait(tries: Tries, now: datetime) -> timedelta:
    """Return how long this account must not be tried from this address; zero when it may."""
    if tries.last_at is None or tries.failed < FREE_TRIES:
        return timedelta()
    doubled = FIRST_WAIT * (1 << min(tries.failed - FREE_TRIES, 16))
    return max(tries.last_at + min(doubled, LONGEST_WAIT) - now, timedelta())


def failed(tries: Tries, now: datetime) -> Tries:
    """Return the tries with one more; a long pause forgives the earlier ones."""
    forgiven = tries.last_at is None or now - tries.last_at > LONGEST_WAIT
    return Tries(1 if forgiven else tries.failed + 1, now)


def begun(person: PersonId, now: datetime) -> Session:
    """Return a new session."""
    return Session(person, now, now + SESSION_LIFE)


def used(session: Session, now: datetime) -> Session | None:
    """Return the session as it stands after a use; None when it is over.

    The last use is moved in steps, so that not every request writes.
    """
    if session.expires_at <= now:
        return None
    if now - session.seen_at < TOUCH_EVERY:
        return session
    return replace(session, seen_at=now, expires_at=now + SESSION_LIFE)


def digest(token: str) -> str:
    """Return what the table holds of a session's token."""
    return sha256(token.encode()).hexdigest()


def csrf(token: str) -> str:
    """Return the word our own page sends back with every write; it follows from the session."""
    return sha256(f"csrf/{token}".encode()).hexdigest()[:32]


def person_of(account: Account) -> Person:
    """Return the person of a line of an accounts file."""
    return Person(
        PersonId(account.id),
        account.name,
        frozenset(account.roles),
        frozenset(account.skills),
        account.on_shift,
        account.language,
        account.email,
    )


def check(account: str, password: str) -> None:
    """Raise NotPossible when an account of this name or password is not to be made."""
    if account in RESERVED:
        raise NotPossible("people.reserved-name", field="account", account=account)
    if len(password) < SHORTEST_PASSWORD:
        raise NotPossible("people.short-password", field="password", least=SHORTEST_PASSWORD)
