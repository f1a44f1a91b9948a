"""Commands of people: load, decide, save. Passwords are checked before, outside the writer."""

from datetime import datetime

from server.people import decide
from server.people.model import Tries
from server.people.ports import People
from watchkeeper.ids import PersonId


def wrong_password(account: str, address: str, people: People, now: datetime) -> Tries:
    """Count a wrong password; return how many there are now."""
    tries = decide.failed(people.tries(account, address), now)
    people.tried(account, address, tries)
    return tries


def sign_in(person: PersonId, token: str, address: str, people: People, now: datetime) -> None:
    """Begin a session; wrong passwords before it are forgotten."""
    people.sweep(now)
    people.tried(person, address, None)
    people.open(decide.digest(token), decide.begun(person, now))


def sign_out(token: str, people: People) -> None:
    """End a session at once."""
    people.close(decide.digest(token))


def touch(token: str, people: People, now: datetime) -> None:
    """Note that a session was used: it lives on from now."""
    key = decide.digest(token)
    session = people.session(key)
    if session is not None and (after := decide.used(session, now)) is not None:
        people.open(key, after)
