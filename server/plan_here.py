"""What emergency works with on this site: people from the accounts, names from the site file."""

from collections.abc import Callable, Sequence
from functools import cached_property

from server.emergency.model import Person
from server.emergency.ports import Here
from server.emergency.store import SqlRuns, SqlTimers
from server.parts import Parts
from server.people.model import Person as Account
from server.people.store import everybody
from server.rules import place_name
from server.unit import Unit
from watchkeeper.documents import Text
from watchkeeper.ids import PersonId
from watchkeeper.site import Plant


class Staff:
    """The accounts, as those who can fill a role."""

    def __init__(self, accounts: Callable[[], Sequence[Account]]) -> None:
        """`accounts` is asked once, when somebody is needed."""
        self._read = accounts

    @cached_property
    def _accounts(self) -> Sequence[Account]:
        return sorted(self._read(), key=lambda account: not account.on_shift)

    def candidates(self, any_of: Sequence[str], skills: Sequence[str]) -> Sequence[Person]:
        """Return people with one of the roles and one of the skills; those on shift first."""
        return [
            Person(account.id, account.called, account.roles, account.name)
            for account in self._accounts
            if account.roles & set(any_of) and (not skills or account.skills & set(skills))
        ]

    def named(self, person: PersonId) -> Person:
        """Return a person by id; one who is gone has the id as name."""
        for account in self._accounts:
            if account.id == person:
                return Person(account.id, account.called, account.roles, account.name)
        return Person(person, person)


class PlantNames:
    """How the site file calls places, zones, units and their points."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._units = {unit.id: unit for unit in [*plant.retired, *plant.units()]}
        self._names = {unit.id: unit.name for unit in self._units.values() if unit.name}
        self._names |= {zone.id: zone.name for unit in self._units.values() for zone in unit.zones}

    def of(self, place: str) -> Text:
        """Return the name of a place, zone, unit or point; what is unknown is called by its id."""
        return self._names.get(place) or self._of_point(place) or place_name(place, self._plant)

    def _of_point(self, point: str) -> Text | None:
        unit_id, _, name = point.partition("/")
        unit = self._units.get(unit_id)
        profile = self._plant.profiles.get(unit.profile) if unit else None
        found = (
            next((each for each in profile.points if each.id == name), None) if profile else None
        )
        if found is None:
            return None
        of_unit = self.of(unit_id)
        return Text(f"{of_unit.zh} {found.name.zh}", f"{of_unit.en}: {found.name.en}")


def maker(parts: Parts) -> Callable[[Unit], Here]:
    """Return what makes, for a unit of work, all that the handlers of emergency need."""
    names = PlantNames(parts.plant)

    def here(unit: Unit) -> Here:
        return Here(
            runs=SqlRuns(unit),
            plans=parts.plans,
            timers=SqlTimers(unit),
            people=Staff(lambda: everybody(unit)),
            names=names,
            words=parts.texts.by_key,
            site=parts.plant.site.site.id,
            now=unit.now,
            new_id=parts.new_id,
        )

    return here
