"""What a site says otherwise of rules (catalog/overrides/<site>.yaml, schema wk.overrides/1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from server.rule_check import check
from server.rule_place import Where, suggestion
from server.rule_words import Override, OverrideFile, Rule
from watchkeeper import documents
from watchkeeper.site import Plant, SitePoint

SCHEMA = "wk.overrides/1"
FIELDS = ("priority", "on_delay_s", "off_delay_s", "limit", "rate", "count", "jump", "when")
KINDS = ("limit", "rate", "count", "jump")  # may be said otherwise only where the rule has them


@dataclass(frozen=True, slots=True)
class Said:
    """An override and where it stands."""

    words: Override
    where: Where

    @property
    def off(self) -> bool:
        """Return whether the rule does not count there."""
        return self.words.off

    @property
    def revision(self) -> int:
        """Return the revision of the override, from 1."""
        return self.words.revision

    def applied(self, rule: Rule) -> Rule:
        """Return the rule with what the site says otherwise."""
        return msgspec.structs.replace(rule, **_given(self.words))

    def place(self, of_rule: Where) -> Where:
        """Return where a mistake of the condition stands: here, if the condition does."""
        here = any(name in _given(self.words) for name in (*KINDS, "when"))
        return self.where if here else of_rule

    def fits(self, rule: str, item: SitePoint) -> bool:
        """Return whether it is about this rule at this point."""
        words = self.words
        return (
            words.rule == rule
            and (not words.unit or fnmatchcase(item.unit.id, words.unit))
            and (not words.point or fnmatchcase(item.point.id, words.point))
        )


@dataclass(frozen=True, slots=True)
class Site:
    """All overrides of a site."""

    every: Sequence[Said] = ()

    def of(self, rule: Rule, item: SitePoint) -> Said | None:
        """Return what is said of a rule at a point; ConfigError: twice, so nobody knows which."""
        found = [each for each in self.every if each.fits(rule.key, item)]
        if len(found) > 1:
            raise found[1].where.refuse(
                f"`{rule.key}` at {item.id} is overridden twice",
                "narrow one of them by unit or point", "rule",
            )  # fmt: skip
        return found[0] if found else None


def check_file(path: Path) -> OverrideFile:
    """Return a file of overrides; ConfigError: file, line, field and what to do."""
    return documents.read(path, OverrideFile, SCHEMA)


def read_site(path: Path, rules: Mapping[str, Rule], plant: Plant) -> Site:
    """Return the overrides of a site, none where it has no file. ConfigError: a mistake."""
    if not path.exists():
        return Site()
    text = path.read_text("utf-8")
    words = check_file(path).overrides
    every = [
        Said(each, Where(str(path), text, number, "overrides")) for number, each in enumerate(words)
    ]
    for said in every:
        _check(said, rules, plant)
    return Site(every)


def _check(said: Said, rules: Mapping[str, Rule], plant: Plant) -> None:
    words, where = said.words, said.where
    if words.rule not in rules:
        raise where.refuse(
            f"there is no rule `{words.rule}`", suggestion(words.rule, rules), "rule"
        )
    rule, given = rules[words.rule], _given(words)
    if words.off == bool(given):
        raise where.refuse("an override is `off: true` or says something", "say one of them")
    for name in KINDS:
        if name in given and getattr(rule, name) is None:
            raise where.refuse(
                f"rule `{rule.key}` has no {name}", "override what the rule has", name
            )
    units = [unit.id for unit in plant.units()]
    if words.unit and not any(fnmatchcase(each, words.unit) for each in units):
        raise where.refuse(
            f"there is no unit `{words.unit}`", suggestion(words.unit, units), "unit"
        )
    if not any(said.fits(rule.key, item) for item in plant.points()):
        known = {item.point.id for item in plant.points()}
        raise where.refuse(
            f"there is no point `{words.point}`", suggestion(words.point, known), "point"
        )
    check(said.applied(rule), where)


def _given(words: Override) -> dict[str, object]:
    return {name: each for name in FIELDS if (each := getattr(words, name)) is not None}
