"""Accounts, sessions and wrong passwords in SQL; who a session belongs to."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import msgspec
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlmodel import Field, SQLModel

from server.http import User
from server.people import decide
from server.people.model import LONGEST_WAIT, SCHEMA, Accounts, Person, Session, Tries
from server.people.ports import Passwords
from server.sql import Instant
from server.unit import Unit
from watchkeeper import documents
from watchkeeper.clock import Clock
from watchkeeper.documents import Text
from watchkeeper.errors import Refused
from watchkeeper.ids import PersonId

REMEMBER_S = 5.0  # so long a look-up is not repeated
REMEMBER = 1_000  # sessions in memory
AT_ONCE = 2  # passwords checked at the same time: each takes 64 MiB

log = logging.getLogger(__name__)


class PersonRow(SQLModel, table=True):
    """A row; never leaves this file. Lists are JSON."""

    __tablename__ = "person"

    id: str = Field(primary_key=True)
    name: str
    roles: str
    skills: str
    on_shift: bool
    language: str
    email: str
    password_hash: str


class SessionRow(SQLModel, table=True):
    """A session; its token is nowhere."""

    __tablename__ = "session"

    token_hash: str = Field(primary_key=True)
    person: str = Field(index=True)
    seen_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant, index=True)


class TryRow(SQLModel, table=True):
    """Wrong passwords."""

    __tablename__ = "login_try"

    account: str = Field(primary_key=True)
    address: str = Field(primary_key=True)
    failed: int
    last_at: datetime = Field(sa_type=Instant, index=True)


PEOPLE = SQLModel.metadata.tables["person"]
SESSIONS = SQLModel.metadata.tables["session"]
TRIES = SQLModel.metadata.tables["login_try"]


class Argon2:
    """Passwords as argon2id hashes."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = BoundedSemaphore(AT_ONCE)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Return what may be stored."""
        with self._room:
            return self._hasher.hash(password)

    def verify(self, stored: str, password: str) -> bool:
        """Return whether it is this password; takes as long for an account that is not there."""
        with self._room:
            try:
                self._hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return bool(stored)


REMEMBERED = "people"  # what units of work keep everybody under


def everybody(unit: Unit) -> Sequence[Person]:
    """Return all accounts, read once a commit: every alarm asks who is on duty."""
    return unit.remembered(REMEMBERED, SqlPeople(unit.session.connection()).all)


class SqlPeople:
    """Accounts and sessions on one connection: a unit's to write, any to read."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> list[Person]:
        """Return everybody, by id."""
        return [_person(row) for row in self._connection.execute(sa.select(PEOPLE).order_by("id"))]

    def get(self, person: PersonId) -> Person:
        """Return a person; KeyError when unknown."""
        found = self._connection.execute(sa.select(PEOPLE).where(PEOPLE.c.id == person)).first()
        if found is None:
            raise KeyError(person)
        return _person(found)

    def password(self, account: str) -> str:
        """Return the stored hash of an account's password, "" when there is no such account."""
        found = self._connection.execute(
            sa.select(PEOPLE.c.password_hash).where(PEOPLE.c.id == account)
        ).scalar()
        return found or ""

    def add(self, person: Person, password_hash: str) -> None:
        """Add an account. Raises Refused: there is one of this id."""
        if self.password(person.id):
            raise Refused("people.account-exists", account=person.id)
        self._connection.execute(
            sa.insert(PersonRow).values(
                id=person.id,
                name=_json(person.name),
                roles=_json(sorted(person.roles)),
                skills=_json(sorted(person.skills)),
                on_shift=person.on_shift,
                language=person.language,
                email=person.email,
                password_hash=password_hash,
            )
        )

    def shift(self, person: PersonId, *, on: bool) -> None:
        """Note who is on shift; KeyError when unknown."""
        done = self._connection.execute(
            sa.update(PersonRow).where(PEOPLE.c.id == person).values(on_shift=on)
        )
        if done.rowcount == 0:
            raise KeyError(person)

    def open(self, token_hash: str, session: Session) -> None:
        """Store a new or used session."""
        values = {"seen_at": session.seen_at, "expires_at": session.expires_at}
        moved = self._connection.execute(
            sa.update(SessionRow).where(SESSIONS.c.token_hash == token_hash).values(**values)
        )
        if moved.rowcount == 0:
            self._connection.execute(
                sa.insert(SessionRow).values(token_hash=token_hash, person=session.person, **values)
            )

    def close(self, token_hash: str) -> None:
        """Forget a session; none is no error."""
        self._connection.execute(sa.delete(SessionRow).where(SESSIONS.c.token_hash == token_hash))

    def session(self, token_hash: str) -> Session | None:
        """Return a session, None when there is none."""
        found = self._connection.execute(
            sa.select(SESSIONS).where(SESSIONS.c.token_hash == token_hash)
        ).first()
        if found is None:
            return None
        return Session(PersonId(found.person), found.seen_at, found.expires_at)

    def tries(self, account: str, address: str) -> Tries:
        """Return the wrong passwords of this account from this address."""
        found = self._connection.execute(
            sa.select(TRIES).where(TRIES.c.account == account, TRIES.c.address == address)
        ).first()
        return Tries() if found is None else Tries(found.failed, found.last_at)

    def tried(self, account: str, address: str, tries: Tries | None) -> None:
        """Note them; None forgets them."""
        self._connection.execute(
            sa.delete(TryRow).where(TRIES.c.account == account, TRIES.c.address == address)
        )
        if tries is not None:
            self._connection.execute(
                sa.insert(TryRow).values(
                    account=account, address=address, failed=tries.failed, last_at=tries.last_at
                )
            )

    def sweep(self, now: datetime) -> None:
        """Forget sessions and tries that are over."""
        self._connection.execute(sa.delete(SessionRow).where(SESSIONS.c.expires_at <= now))
        self._connection.execute(sa.delete(TryRow).where(TRIES.c.last_at < now - 2 * LONGEST_WAIT))


class Doorman:
    """Says who a session belongs to; remembers it for a few seconds."""

    def __init__(self, engine: sa.Engine, clock: Clock, touch: Callable[[str], object]) -> None:
        """`engine` is for reading; `touch` writes down that a session was used."""
        self._engine, self._clock, self._touch = engine, clock, touch
        self._known: dict[str, _Known] = {}

    def __call__(self, token: str) -> User | None:
        """Return the person of a session, None when nobody is signed in with it."""
        if not token:
            return None
        key = decide.digest(token)
        known = self._known.get(key)
        if known is None or known.until < self._clock.tick():
            known = self._look(key)
        session = known and decide.used(known.session, self._clock.now())
        if known is None or session is None:
            return None
        if session != known.session:
            self._touch(token)
            self.forget(token)
        return known.user

    def forget(self, token: str) -> None:
        """Look again at the next question: the session has changed or is over."""
        self._known.pop(decide.digest(token), None)

    def _look(self, key: str) -> "_Known | None":
        with self._engine.connect() as connection:
            people = SqlPeople(connection)
            session = people.session(key)
            person = people.get(session.person) if session else None
        self._known.pop(key, None)
        if person is None or session is None:
            return None
        if len(self._known) >= REMEMBER:
            self._known.clear()
        user = User(person.id, person.called, person.roles, person.language, person.name)
        self._known[key] = _Known(user, session, self._clock.tick() + REMEMBER_S)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class _Known:
    user: User
    session: Session
    until: float  # tick


def load(path: Path) -> Accounts:
    """Return an accounts file; ConfigError says file, line and field."""
    return documents.read(path, Accounts, SCHEMA)


def create_account(engine: sa.Engine, person: Person, password: str, passwords: Passwords) -> None:
    """Add an account to a database whose server may be running.

    Raises:
        NotPossible: the name is the platform's own, or the password is too short.
        Refused: there is an account of this name.
    """
    decide.check(person.id, password)
    stored = passwords.hash(password)
    with engine.begin() as connection:
        SqlPeople(connection).add(person, stored)


def seed(engine: sa.Engine, path: Path, passwords: Passwords) -> Sequence[Person]:
    """Add the accounts of a file when there are none at all; return those added."""
    accounts = load(path)
    with engine.begin() as connection:
        people = SqlPeople(connection)
        if people.all():
            return []
        stored = passwords.hash(accounts.password)  # one for all: the file shows it anyway
        added = [decide.person_of(account) for account in accounts.people]
        for person in added:
            people.add(person, stored)
    log.warning("%d demonstration accounts were made; their password is public", len(added))
    return added


def _person(row: Any) -> Person:
    return Person(
        PersonId(row.id),
        _name(row.name),
        _strings(row.roles),
        _strings(row.skills),
        row.on_shift,
        row.language,
        row.email,
    )


# Read for every alarm, changed by nobody for days.
@lru_cache(1024)
def _name(written: str) -> Text:
    return msgspec.json.decode(written, type=Text)


@lru_cache(1024)
def _strings(written: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(written, type=list[str]))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
