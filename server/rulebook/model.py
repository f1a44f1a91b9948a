"""Versions of rules."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watchkeeper.clock import unix_ms
from watchkeeper.ids import PersonId


class State(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    REVIEW = "review"
    APPROVED = "approved"  # in effect, the newest of its key
    REPLACED = "replaced"  # by a newer one
    REJECTED = "rejected"


class Verb(StrEnum):
    """What a person can do with a version."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and as what."""

    id: PersonId
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule as somebody wants it."""

    key: str
    revision: int
    text: str  # YAML, schema wk.rules/1, this rule alone; "": the rule is to leave
    note: str
    life_safety: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """A rule as it was written; its text never changes."""

    id: str
    key: str
    revision: int
    text: str
    life_safety: bool
    state: State
    note: str
    author: PersonId
    at: datetime
    judge: PersonId | None = None  # who approved or rejected it
    judged_at: datetime | None = None
    judged_note: str = ""


def view(version: Version) -> dict[str, object]:
    """Return the version as the API shows it."""
    judged = version.judged_at
    return {
        "id": version.id, "key": version.key, "revision": version.revision, "text": version.text,
        "leaves": not version.text, "life_safety": version.life_safety,
        "state": version.state.value, "note": version.note, "author": version.author,
        "at": unix_ms(version.at), "judge": version.judge,
        "judged_at": None if judged is None else unix_ms(judged),
        "judged_note": version.judged_note,
    }  # fmt: skip
