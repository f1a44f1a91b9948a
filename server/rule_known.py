"""What the profiles know: a rule for a device this site has not is right, one for none is not."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import get_args

from server import formula
from server.formula import FormulaError
from server.rule_place import Where, suggestion
from server.rule_words import Rule
from watchkeeper import profile
from watchkeeper.errors import ConfigError
from watchkeeper.profile import EquipmentClass, Profile


class Known:
    """The profiles of the site, and where they do not help those of the catalog beside it."""

    def __init__(self, here: Mapping[str, Profile], folder: Path) -> None:
        self._here, self._folder = here, folder

    def check(self, rule: Rule, where: Where) -> None:
        """Refuse a rule that no device there is could ever fit."""
        if rule.signal or any(_fits(rule, each) for each in self._here.values()):
            return
        every = {each.id: each for each in self._every()}
        to = rule.applies
        if to.profile and to.profile not in every:
            raise where.refuse(
                f"applies: there is no profile `{to.profile}`", suggestion(to.profile, every),
                "applies", "profile",
            )  # fmt: skip
        if to.equipment and to.equipment not in get_args(EquipmentClass):
            raise where.refuse(
                f"applies: there is no equipment `{to.equipment}`",
                suggestion(to.equipment, get_args(EquipmentClass)), "applies", "equipment",
            )  # fmt: skip
        meant = [each for each in every.values() if _meant(rule, each)]
        if not any(_fits(rule, each) for each in meant):
            known = [point.id for each in meant for point in each.points]
            raise where.refuse(
                f"rule `{rule.key}`: no profile it is for has a point `{rule.point}`",
                suggestion(rule.point, known), "point",
            )  # fmt: skip

    def elsewhere(self, rule: Rule) -> bool:
        """Return whether a device that is not here has all points a rule names."""
        return any(
            _fits(rule, each) and each.id not in self._here and _names(rule, each)
            for each in self._every()
        )

    def _every(self) -> Iterator[Profile]:
        yield from self._here.values()
        for path in sorted(self._folder.glob("*.yaml")):
            if path.stem not in self._here and (found := _loaded(path)) is not None:
                yield found


@lru_cache(256)
def _loaded(path: Path) -> Profile | None:
    try:
        return profile.load(path)
    except ConfigError:  # a mistake of that file, which is told where it is used
        return None


def _meant(rule: Rule, of: Profile) -> bool:
    to = rule.applies
    return (not to.equipment or to.equipment == of.equipment) and (
        not to.profile or to.profile == of.id
    )


def _fits(rule: Rule, of: Profile) -> bool:
    return _meant(rule, of) and any(fnmatchcase(point.id, rule.point) for point in of.points)


def _names(rule: Rule, of: Profile) -> bool:
    """Return whether a device has all the points a formula names."""
    claim = rule.expression or rule.stuck
    units = {point.id: point.unit for point in of.points}
    if claim is None or not all("/" in each or each in units for each in claim.points.values()):
        return False
    known = units | {alias: units.get(said, "") for alias, said in claim.points.items()}
    try:
        formula.parse(claim.true_when, known)
    except FormulaError as error:
        return not error.missing
    return True
