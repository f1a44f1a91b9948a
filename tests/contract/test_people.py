"""What every store of people does; the accounts file; who a session belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.migrate import upgrade
from server.people import handlers
from server.people.decide import digest
from server.people.model import SESSION_LIFE, TOUCH_EVERY, Person, Tries
from server.people.ports import Passwords, People
from server.people.store import Argon2, Doorman, SqlPeople, create_account, seed
from server.sql import open_engines
from tests.fakes import FixedClock
from tests.fakes_dispatch import MemoryPeople, PlainPasswords
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible, Refused
from watchkeeper.ids import PersonId
from watchkeeper.settings import Settings

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LI = Person(PersonId("li"), Text("李", "Li"), frozenset({"operator"}), frozenset({"fire"}))
DEMO = Settings().catalog_folder() / "people/demo.yaml"


@contextmanager
def memory() -> Iterator[People]:
    yield MemoryPeople()


@contextmanager
def sql(url: str) -> Iterator[People]:
    with database(url) as engine, engine.begin() as connection:
        yield SqlPeople(connection)


@contextmanager
def database(url: str) -> Iterator[sa.Engine]:
    engines = open_engines(url)
    upgrade(engines.write)
    engines.read.dispose()
    yield engines.write
    engines.write.dispose()


@pytest.fixture
def people(store_url: str) -> Iterator[People]:
    with sql(store_url) if store_url else memory() as store:
        yield store


def test_an_account_is_made_once(people: People) -> None:
    people.add(LI, "hash")
    with pytest.raises(Refused, match=r"people\.account-exists"):
        people.add(LI, "hash")


def test_a_shift_is_noted(people: People) -> None:
    people.add(LI, "hash")
    people.shift(LI.id, on=False)
    with pytest.raises(KeyError):
        people.shift(PersonId("nobody"), on=True)
    if isinstance(people, SqlPeople | MemoryPeople):
        assert [person.on_shift for person in people.all()] == [False]


def test_a_session_begins_lives_and_ends(people: People) -> None:
    people.tried(LI.id, "::1", Tries(3, NOON))
    handlers.sign_in(LI.id, "token", "::1", people, NOON)
    key = digest("token")
    assert people.session("token") is None  # the token itself is not stored
    session = people.session(key)
    assert session is not None
    assert people.tries(LI.id, "::1") == Tries()
    later = NOON + TOUCH_EVERY
    handlers.touch("token", people, later)
    moved = people.session(key)
    assert moved is not None
    assert moved.expires_at == later + SESSION_LIFE
    handlers.sign_out("token", people)
    handlers.sign_out("token", people)
    handlers.touch("token", people, later)
    assert people.session(key) is None


def test_old_sessions_are_swept_by_the_next_sign_in(people: People) -> None:
    handlers.sign_in(LI.id, "old", "::1", people, NOON)
    handlers.sign_in(LI.id, "new", "::1", people, NOON + SESSION_LIFE)
    assert people.session(digest("old")) is None


def test_wrong_passwords_are_counted_by_account_and_address(people: People) -> None:
    for _ in range(2):
        handlers.wrong_password("li", "10.0.0.1", people, NOON)
    assert people.tries("li", "10.0.0.1") == Tries(2, NOON)
    assert people.tries("li", "10.0.0.2") == people.tries("wang", "10.0.0.1") == Tries()


@pytest.mark.parametrize(
    "passwords",
    [PlainPasswords(), Argon2(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))],
    ids=["plain", "argon2"],
)
def test_passwords(passwords: Passwords) -> None:
    stored = passwords.hash("watch-the-house")
    assert passwords.verify(stored, "watch-the-house")
    assert not passwords.verify(stored, "watch-the-horse")
    assert not passwords.verify("", "watch-the-house")
    assert not passwords.verify("no hash at all", "watch-the-house")


def test_an_argon2_hash_says_nothing() -> None:
    stored = Argon2(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)).hash("secret word")
    assert stored.startswith("$argon2id$")
    assert "secret word" not in stored


@pytest.mark.serves("H2")
def test_demonstration_accounts_are_made_only_where_there_are_none(url: str) -> None:
    with database(url) as engine:
        made = seed(engine, DEMO, PlainPasswords())
        names = ["admin", "chenlei", "wangqiang", "liumin", "zhaoyan"]
        assert [person.id for person in made] == names
        assert seed(engine, DEMO, PlainPasswords()) == []
        with engine.begin() as connection:
            people = SqlPeople(connection)
            assert people.get(PersonId("liumin")).skills == {"elevator", "fire"}
            assert people.get(PersonId("chenlei")).called == "陈磊"
            assert people.password("chenlei") == "plain:watch-the-house"
            with pytest.raises(KeyError):
                people.get(PersonId("nobody"))


def test_an_account_needs_a_free_name_and_a_long_password(url: str) -> None:
    with database(url) as engine:
        create_account(engine, LI, "long enough", PlainPasswords())
        with pytest.raises(Refused):
            create_account(engine, LI, "long enough", PlainPasswords())
        with pytest.raises(NotPossible):
            create_account(engine, LI, "short", PlainPasswords())


def test_who_is_remembered_but_signing_out_counts_at_once(url: str) -> None:
    clock, touched = FixedClock(NOON), list[str]()
    with database(url) as engine:
        with engine.begin() as connection:
            SqlPeople(connection).add(LI, "hash")
            handlers.sign_in(LI.id, "token", "", SqlPeople(connection), clock.now())
        who = Doorman(engine, clock, touched.append)
        user = who("token")
        assert user is not None
        assert (user.id, user.name, user.roles) == ("li", "李", {"operator"})
        assert who("") is None
        assert who("other") is None
        with engine.begin() as connection:
            handlers.sign_out("token", SqlPeople(connection))
        assert who("token") == user  # remembered for some seconds
        who.forget("token")
        assert who("token") is None
        assert touched == []


def test_a_used_session_is_touched_and_an_old_one_is_over(url: str) -> None:
    clock, touched = FixedClock(NOON), list[str]()
    with database(url) as engine:
        with engine.begin() as connection:
            SqlPeople(connection).add(LI, "hash")
            handlers.sign_in(LI.id, "token", "", SqlPeople(connection), clock.now())
        who = Doorman(engine, clock, touched.append)
        clock.pass_(TOUCH_EVERY / timedelta(seconds=1))
        assert who("token") is not None
        assert touched == ["token"]
        clock.pass_(SESSION_LIFE / timedelta(seconds=1))
        assert who("token") is None
