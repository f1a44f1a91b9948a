"""Decisions about versions of rules. Pure."""

from dataclasses import replace
from datetime import datetime

from server.events import RuleApproved
from server.rulebook.model import Actor, Draft, State, Verb, Version
from watchkeeper.errors import Forbidden, NotPossible, Refused

AUTHORS = frozenset({"operator", "manager", "admin"})
JUDGES = frozenset({"manager", "admin"})

# (state, what a person does) -> state; everything else is refused
WAYS: dict[tuple[State, Verb], State] = {
    (State.DRAFT, Verb.SUBMIT): State.REVIEW,
    (State.REVIEW, Verb.APPROVE): State.APPROVED,
    (State.REVIEW, Verb.REJECT): State.REJECTED,
}


def begin(new: str, draft: Draft, newest: int, actor: Actor, at: datetime) -> Version:
    """Return a new draft.

    Args:
        new: Its id.
        draft: What is wanted.
        newest: The highest revision of the key there is or was, 0 for none.
        actor: Who wants it.
        at: When.

    Raises:
        Forbidden: a technician may not.
        NotPossible: no reason is given, or the revision is no new one.
    """
    if not actor.roles & AUTHORS:
        raise Forbidden("people.role-needed", roles=sorted(AUTHORS))
    if not draft.note.strip():
        raise NotPossible("rules.note-missing", field="note")
    if draft.revision <= newest:
        raise NotPossible("rules.revision-old", key=draft.key, newest=newest, least=newest + 1)
    return Version(
        new, draft.key, draft.revision, draft.text, draft.life_safety, State.DRAFT, draft.note,
        actor.id, at,
    )  # fmt: skip


def move(
    version: Version, verb: Verb, actor: Actor, at: datetime, note: str = ""
) -> tuple[Version, list[RuleApproved]]:
    """Return the version after a person did something with it, and what happened.

    Nobody approves what is their own: a slip of one person must not silence an alarm.

    Raises:
        Refused: its state does not allow it.
        Forbidden: this person may not.
        NotPossible: a rejection says why.
    """
    after = WAYS.get((version.state, verb))
    if after is None:
        raise Refused("rules.not-now", verb=verb.value, state=version.state.value)
    if verb is Verb.SUBMIT:
        if not actor.roles & AUTHORS:
            raise Forbidden("people.role-needed", roles=sorted(AUTHORS))
        return replace(version, state=after), []
    if not actor.roles & JUDGES:
        raise Forbidden("people.role-needed", roles=sorted(JUDGES))
    if verb is Verb.APPROVE and actor.id == version.author:
        raise Forbidden("rules.own", key=version.key)
    if verb is Verb.REJECT and not note.strip():
        raise NotPossible("rules.note-missing", field="note")
    judged = replace(version, state=after, judge=actor.id, judged_at=at, judged_note=note)
    if verb is Verb.REJECT:
        return judged, []
    return judged, [RuleApproved(version.key, version.revision, actor.id, at)]


def replaced(version: Version) -> Version:
    """Return the version after a newer one came into effect."""
    return replace(version, state=State.REPLACED)
