"""How a rule is checked on this site, and how an approved one takes effect without a restart."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import msgspec
import yaml

from server import rules
from server.alarms import decide
from server.alarms import handlers as alarms
from server.alarms.api import here as alarms_here
from server.alarms.model import Phase, RuleState, Watch
from server.events import AlarmReturned, RuleApproved
from server.http import Do
from server.parts import Parts
from server.rule_check import check_echoes
from server.rule_place import Where, suggestion
from server.rule_words import KINDS, Rule
from server.rulebook import store
from server.rulebook.api import Shelf
from server.rulebook.model import Draft
from server.rulebook.ports import Here
from server.rulebook.store import SqlVersions
from server.rules import Rulebook
from server.unit import Unit
from watchkeeper.errors import ConfigError, NotPossible

SHOWN = 50  # watches of a rule


def loaded(parts: Parts, approved: Mapping[str, str]) -> Rulebook:
    """Return the rules of the catalog with what was approved. ConfigError: they make no sense."""
    return rules.load(parts.settings.catalog_folder() / "rules", parts.plant, approved)


def rule_approved(event: RuleApproved, unit: Unit, parts: Parts) -> None:
    """What was approved counts from the commit on, for the next reading. Safe to run twice.

    A rule that has left, or a point it is no longer for, leaves no alarm hanging. A condition that
    changed begins anew: a delay that ran is dropped, an active alarm stands until a reading says
    otherwise. Raises NotPossible: with all others it makes no sense.
    """
    connection = unit.session.connection()
    approved = {key: each.text for key, each in store.approved(connection).items()}
    try:
        book = loaded(parts, approved)
    except ConfigError as error:
        raise _mistake(error) from error
    old = _every(parts.rules)
    new = _every(book)
    changed = [key for key, watch in old.items() if key not in new or _differs(watch, new[key])]
    ours = alarms_here(unit, parts.new_id, parts.watching.follow)
    for key in changed:
        state = ours.alarms.state(key)
        if key not in new:
            _gone(old[key], ours, event.by)
        if key not in new or state.phase in {Phase.NORMAL, Phase.PENDING}:
            ours.alarms.keep(key, RuleState(generation=state.generation + 1), None)
    unit.afterwards(partial(_take, parts, book, changed))


def _gone(watch: Watch, ours: alarms.Here, by: str) -> None:
    """End the alarm of a watch that is no more."""
    found = ours.alarms.open_of(watch.key)
    if found is None or not found.active:
        return
    after = decide.returned(found, ours.now, acknowledge=watch.rule.acknowledge)
    happened = AlarmReturned(after.id, after.rule, after.point, after.unit, ours.now)
    ours.alarms.save(after, "rule-left", by, happened)


def _take(parts: Parts, book: Rulebook, changed: Sequence[str]) -> None:
    parts.rules.take(book)
    parts.watching.take(book.watches.values(), parts.latest, changed)


def _every(book: Rulebook) -> dict[str, Watch]:
    return {**book.watches, **book.stale}


def _differs(one: Watch, other: Watch) -> bool:
    of = (one.rule.on_delay_s, one.rule.off_delay_s, one.condition)
    return of != (other.rule.on_delay_s, other.rule.off_delay_s, other.condition)


def shelf(parts: Parts, do: Do) -> Shelf:
    """Return what the routes of the rule book work with."""
    return Shelf(
        do=do,
        read=parts.read,
        here=lambda unit: Here(SqlVersions(unit), unit.now, parts.new_id, partial(_known, parts)),
        check=partial(_checked, parts),
        drafts=partial(_drafts, parts),
        leaving=partial(_leaving, parts),
        rules=lambda: [_row(parts, rule) for rule in parts.rules.rules.values()],
        rule=partial(_one, parts),
        export=lambda: _written(parts.rules.rules.values()),
    )


def _known(parts: Parts, key: str) -> int:
    found = parts.rules.rules.get(key)
    return found.revision if found else 0


def _read(parts: Parts, text: str) -> tuple[list[Rule], list[Watch]]:
    """Return the rules of a text and what they watch here; ConfigError: a mistake.

    They are tried with all others in effect, so that an echo or a circle shows.
    """
    profiles = parts.settings.catalog_folder() / "profiles"
    watches = rules.drafted(text, parts.rules, profiles)
    found = rules.read(text)
    every = {**parts.rules.rules, **{rule.key: rule for rule in found}}
    for number, rule in enumerate(found):
        where = Where("rule", text, number)
        _check_unit(parts, rule, where)
        if rule.echo_of:
            check_echoes(every, [(rule.key, where)])
    with parts.read.connect() as connection:
        approved = {key: each.text for key, each in store.approved(connection).items()}
    loaded(parts, approved | {rule.key: _written([rule]) for rule in found})
    return found, watches


def _check_unit(parts: Parts, rule: Rule, where: Where) -> None:
    """Refuse a unit this site has not; a file of the catalog may be for other sites."""
    unit, known = rule.applies.unit, [each.id for each in parts.plant.units()]
    if unit and not any(fnmatchcase(each, unit) for each in known):
        raise where.refuse(f"there is no unit `{unit}`", suggestion(unit, known), "applies", "unit")


def _checked(parts: Parts, text: str) -> dict[str, Any]:
    try:
        found, watches = _read(parts, text)
    except ConfigError as error:
        mistakes = [
            {"where": each.where, "line": each.line, "what": each.what, "fix": each.fix}
            for each in error.all
        ]
        return {"ok": False, "mistakes": mistakes, "rules": []}
    shown = [
        {"key": rule.key, "revision": rule.revision} | _watched(watches, rule.key) for rule in found
    ]
    return {"ok": True, "mistakes": [], "rules": shown}


def _watched(watches: Sequence[Watch], key: str) -> dict[str, Any]:
    own = [watch for watch in watches if watch.rule.key == key]
    listed = [
        {"point": each.point, "limit": each.limit, "unit_symbol": each.symbol}
        for each in own[:SHOWN]
    ]
    return {"points": len(own), "watches": listed}


def _drafts(parts: Parts, text: str, note: str) -> list[Draft]:
    try:
        found, _ = _read(parts, text)
    except ConfigError as error:
        raise _mistake(error) from error
    return [
        Draft(rule.key, rule.revision, _written([rule]), note, rule.handling == "life_safety")
        for rule in found
    ]


def _mistake(error: ConfigError) -> NotPossible:
    return NotPossible(
        "rules.mistake", field="text", line=error.line, where=error.where, what=error.what,
        fix=error.fix,
    )  # fmt: skip


def _leaving(parts: Parts, key: str, note: str) -> Draft:
    rule = parts.rules.rules[key]
    with parts.read.connect() as connection:
        approved = {name: each.text for name, each in store.approved(connection).items()}
    try:
        loaded(parts, approved | {key: ""})
    except ConfigError as error:  # another rule echoes it
        raise _mistake(error) from error
    return Draft(key, rule.revision + 1, "", note, rule.handling == "life_safety")


def _row(parts: Parts, rule: Rule) -> dict[str, Any]:
    with parts.read.connect() as connection:
        approved = store.approved(connection)
    return _shown(parts, rule, approved.get(rule.key) is not None)


def _shown(parts: Parts, rule: Rule, edited: bool) -> dict[str, Any]:  # noqa: FBT001 - its origin
    kind = "signal" if rule.signal else next(k for k in KINDS if getattr(rule, k) is not None)
    points = sum(watch.rule.key == rule.key for watch in _every(parts.rules).values())
    return {
        "key": rule.key, "revision": rule.revision,
        "title": {"zh": rule.title.zh, "en": rule.title.en}, "priority": rule.priority,
        "handling": rule.handling, "kind": kind, "points": points,
        "origin": "editor" if edited else "catalog",
    }  # fmt: skip


def _one(parts: Parts, key: str) -> dict[str, Any]:
    rule = parts.rules.rules[key]
    return (
        _row(parts, rule)
        | {"text": _written([rule])}
        | _watched(list(_every(parts.rules).values()), key)
    )


def _written(found: Iterable[Rule]) -> str:
    """Return rules as a file of the catalog says them, what is usual left out."""
    body = yaml.safe_dump(
        {"rules": [_plain(each) for each in found]}, allow_unicode=True, sort_keys=False, width=120
    )
    return f"schema: {rules.SCHEMA}\n{body}"


def _plain(value: Any) -> Any:
    """Return a value as YAML has it, without what is not said."""
    if isinstance(value, msgspec.Struct):
        said = ((each, getattr(value, each.name)) for each in msgspec.structs.fields(value))
        return {each.encode_name: _plain(one) for each, one in said if one != _usual(each)}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _usual(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


TextOf = Callable[[str, int], str | None]


def text_of(parts: Parts) -> TextOf:
    """Return the look-up of what a revision said, for backtests."""
    return partial(store.text_of, parts.read)
