"""What emergency needs from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from server.emergency.model import Person, Plan, Run, Timer
from server.events import Event
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, NewId, PersonId, RunId


@dataclass(frozen=True, slots=True)
class Published:
    """A plan as it stands in the catalog now."""

    plan: Plan
    sha256: str  # of its file


class Plans(Protocol):
    """The plans of the catalog."""

    def get(self, key: str) -> Published:
        """Return the plan; KeyError: there is none of this key."""
        ...

    def of_signal(self, word: str) -> Published | None:
        """Return the plan that answers an alarm's plan word, None when there is none."""
        ...

    def all(self) -> Sequence[Published]:
        """Return every plan, by key."""
        ...


class Runs(Protocol):
    """Runs within one unit of work."""

    def get(self, run: RunId) -> Run:
        """Return the run; KeyError when unknown."""
        ...

    def active(self) -> Sequence[Run]:
        """Return the runs that have not ended, oldest first."""
        ...

    def of_alarm(self, alarm: AlarmId) -> Run | None:
        """Return the newest run this alarm is a signal of, None when there is none."""
        ...

    def save(self, run: Run, view: Mapping[str, Any], *happened: Event) -> None:
        """Store the run, show it to the screens as `view`, tell what happened: all or nothing.

        The timeline only grows. Raises IntegrityError when the plan already runs there.
        """
        ...


class Timers(Protocol):
    """Timers within one unit of work; each fires once."""

    def set(self, timer: Timer) -> None:
        """Let it fire at its instant."""
        ...


class People(Protocol):
    """Who works on the site."""

    def candidates(self, any_of: Sequence[str], skills: Sequence[str]) -> Sequence[Person]:
        """Return active people with one of the roles and, if skills are given, one of these.

        Those on shift come first.
        """
        ...

    def named(self, person: PersonId) -> Person:
        """Return a person by id; one who is gone has the id as name."""
        ...


class Names(Protocol):
    """How places, equipment and points are called."""

    def of(self, place: str) -> Text:
        """Return the name of a place, zone, unit or point; what is unknown is called by its id."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """What every handler works with, within one unit of work."""

    runs: Runs
    plans: Plans
    timers: Timers
    people: People
    names: Names
    words: Mapping[str, Text]  # catalog/i18n
    site: str
    now: datetime
    new_id: NewId
