"""People: accounts, sessions, wrong passwords."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from watchkeeper.documents import Text
from watchkeeper.ids import PersonId

SCHEMA = "wk.people/1"
SESSION_LIFE = timedelta(hours=12)  # after the last use
TOUCH_EVERY = timedelta(minutes=10)  # so often the last use is written down
SHORTEST_PASSWORD = 10
FREE_TRIES = 5  # wrong passwords before one has to wait
FIRST_WAIT = timedelta(seconds=30)  # doubled by each further wrong password
LONGEST_WAIT = timedelta(minutes=15)  # also: after so long without a try all is forgotten

# Who acts for the platform in orders, runs and the log: no account may be called so.
RESERVED = frozenset({"telemetry", "dispatch", "system", "timer", "watchkeeper"})

Role = Literal["admin", "operator", "technician", "manager"]
Skill = Literal["electrical", "elevator", "fire", "plumbing", "hvac"]
Id = Annotated[str, Meta(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=40)]


class Account(Struct, frozen=True, forbid_unknown_fields=True):
    """An account of an accounts file."""

    id: Id
    name: Text
    roles: list[Role]
    skills: list[Skill] = []
    on_shift: bool = True
    language: Literal["zh", "en"] = "zh"
    email: str = ""


class Accounts(Struct, frozen=True, forbid_unknown_fields=True):
    """An accounts file; its password is everybody's, so it is for demonstrations only."""

    password: Annotated[str, Meta(min_length=SHORTEST_PASSWORD)]
    people: list[Account]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works on the site."""

    id: PersonId
    name: Text
    roles: frozenset[str]
    skills: frozenset[str] = frozenset()
    on_shift: bool = True
    language: str = "zh"
    email: str = ""

    @property
    def called(self) -> str:
        """Return the name as its owner writes it."""
        return self.name.zh if self.language == "zh" else self.name.en


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser or program."""

    person: PersonId
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong passwords of one account from one address."""

    failed: int = 0
    last_at: datetime | None = None


def told(person: Person) -> dict[str, object]:
    """Return a person as the API tells of them."""
    return {
        "id": person.id,
        "name": person.called,
        "names": {"zh": person.name.zh, "en": person.name.en},
        "roles": sorted(person.roles),
        "skills": sorted(person.skills),
        "on_shift": person.on_shift,
    }
