"""People from the accounts and names from the site file, as emergency asks for them."""

import pytest

from server.people.model import Person as Account
from server.plan_here import PlantNames, Staff
from tests.unit.server.emergency.cast import CATALOG
from watchkeeper import site
from watchkeeper.documents import Text
from watchkeeper.ids import PersonId


def account(key: str, role: str, *skills: str, on_shift: bool = True) -> Account:
    name = Text(f"{key} 中", f"{key} en")
    return Account(PersonId(key), name, frozenset({role}), frozenset(skills), on_shift)


STAFF = Staff(
    lambda: [
        account("asleep", "technician", "fire", on_shift=False),
        account("here", "technician", "fire", "elevator"),
        account("wires", "technician", "electrical"),
        account("desk", "operator"),
    ]
)


@pytest.mark.parametrize(
    ("any_of", "skills", "people"),
    [
        pytest.param(["technician"], ["fire"], ["here", "asleep"], id="on shift first"),
        pytest.param(["technician"], ["fire", "electrical"], ["here", "wires", "asleep"], id="any"),
        pytest.param(["operator"], [], ["desk"], id="no skill asked"),
        pytest.param(["operator"], ["fire"], [], id="nobody"),
    ],
)
def test_who_could_fill_a_role(any_of: list[str], skills: list[str], people: list[str]) -> None:
    assert [each.id for each in STAFF.candidates(any_of, skills)] == people


def test_who_is_gone_is_called_by_the_id() -> None:
    assert STAFF.named(PersonId("here")).name == "here 中"
    assert STAFF.named(PersonId("gone")).name == "gone"


@pytest.mark.parametrize(
    ("place", "english"),
    [
        ("zone-1", "Zone 1 Tower A"),
        ("lift-3", "Tower B lift 3"),
        ("tower-a/12", "Tower A 12"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_places_zones_and_units_have_names(place: str, english: str) -> None:
    plant = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
    assert PlantNames(plant).of(place).en == english
