"""What the rule book needs from outside."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from server.events import Event
from server.rulebook.model import Version
from watchkeeper.ids import NewId


class Versions(Protocol):
    """Versions of rules within one unit of work."""

    def get(self, version: str) -> Version:
        """Return a version; KeyError when unknown."""
        ...

    def newest(self, key: str) -> int:
        """Return the highest revision anybody wrote of a rule, 0 for none."""
        ...

    def in_effect(self, key: str) -> Version | None:
        """Return the approved version of a rule; None: the catalog's counts."""
        ...

    def add(self, version: Version) -> None:
        """Store a new version."""
        ...

    def save(self, version: Version, *happened: Event) -> None:
        """Store what became of a version, and tell what happened."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """What every handler works with."""

    versions: Versions
    now: datetime
    new_id: NewId
    catalog: Callable[[str], int]  # the revision of a rule of the catalog, 0 for none
