"""One function per command of the rule book: load, decide, save."""

from collections.abc import Sequence

from server.rulebook import decide
from server.rulebook.model import Actor, Draft, Verb, Version
from server.rulebook.ports import Here


def draft(wanted: Sequence[Draft], actor: Actor, here: Here) -> list[Version]:
    """Store drafts, all or none; they are not in effect."""
    made = []
    for each in wanted:
        newest = max(here.versions.newest(each.key), here.catalog(each.key))
        version = decide.begin(here.new_id("rul"), each, newest, actor, here.now)
        here.versions.add(version)
        made.append(version)
    return made


def move(version: str, verb: Verb, actor: Actor, here: Here, note: str = "") -> Version:
    """Submit, approve or reject; what is approved replaces what was in effect."""
    before = here.versions.get(version)
    after, happened = decide.move(before, verb, actor, here.now, note)
    if happened and (old := here.versions.in_effect(before.key)) is not None:
        here.versions.save(decide.replaced(old))
    here.versions.save(after, *happened)
    return after
