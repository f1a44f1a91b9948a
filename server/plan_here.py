"""What emergency works with on this site: people from the accounts, names from the site file."""

from collections.abc import Callable, Sequence
from functools import cached_property

from server.emergency.model import Person
from server.emergency.ports import Here
from server.emergency.store import SqlRuns, SqlTimers
from server.parts import Parts
from server.people.model import Person as Account
from server.people.store import SqlPeople
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
        self._names: dict[str, Text] = {}
        for unit in [*plant.retired, *plant.units()]:
            if unit.name is not None:
                self._names[unit.id] = unit.name
            self._names.update({zone.id: zone.name for zone in unit.zones})
        for item in [*plant.past_points(), *plant.points()]:
            unit_name, point = self.of(item.unit.id), item.point.name
            names = (f"{unit_name.zh} {point.zh}", f"{unit_name.en}: {point.en}")
            self._names[item.id] = Text(*names)

    def of(self, place: str) -> Text:
        """Return the name of a place, zone, unit or point; what is unknown is called by its id."""
        return self._names.get(place) or place_name(place, self._plant)


def maker(parts: Parts) -> Callable[[Unit], Here]:
    """Return what makes, for a unit of work, all that the handlers of emergency need."""
    names = PlantNames(parts.plant)

    def here(unit: Unit) -> Here:
        people = SqlPeople(unit.session.connection())
        return Here(
            runs=SqlRuns(unit),
            plans=parts.plans,
            timers=SqlTimers(unit),
            people=Staff(people.all),
            names=names,
            words=parts.texts.by_key,
            site=parts.plant.site.site.id,
            now=unit.now,
            new_id=parts.new_id,
        )

    return here
