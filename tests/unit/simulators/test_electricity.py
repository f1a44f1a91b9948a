from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from simulators.building import Building
from simulators.devices.electricity import Tree
from simulators.extras import Extras
from watchkeeper.errors import ConfigError
from watchkeeper.site import Plant, Unit

WEEK = np.arange(0, 7 * 86_400_000, 900_000)


def meters(plant: Plant) -> list[Unit]:
    kinds = {name: each.equipment for name, each in plant.profiles.items()}
    return [unit for unit in plant.units() if kinds[unit.profile] == "electricity_meter"]


def own_loads(tree: Tree, units: list[Unit], at: np.ndarray) -> np.ndarray:
    """Return (n, meters) what each meter sees that none of the meters below it sees."""
    seen = tree.energy(at)
    place = {unit.id: n for n, unit in enumerate(units)}
    fed = [[place[each] for each in unit.feeds if each in place] for unit in units]
    return np.array([seen[:, n] - seen[:, below].sum(1) for n, below in enumerate(fed)]).T


@pytest.mark.serves("A10")
def test_the_tree_balances_with_a_small_load_of_its_own(building: Building, noon: int) -> None:
    own = own_loads(building.tree, building.meters, noon + WEEK)
    drawn = own[-1] - own[0]
    total = building.tree.energy(noon + WEEK[[0, -1]])
    roots = [n for n, unit in enumerate(building.meters) if unit.id.startswith("main")]
    assert (drawn > 0).all()
    assert drawn.sum() == pytest.approx((total[1] - total[0])[roots].sum(), rel=1e-12)


def test_no_feeder_is_overloaded_by_an_ordinary_week(building: Building, noon: int) -> None:
    summer = noon + 45 * 86_400_000 + WEEK
    power = building.tree.power(summer).max(axis=0) / 1000
    for most, unit in zip(power, building.meters, strict=True):
        assert unit.rated_kw == 0 or most < 0.9 * unit.rated_kw, unit.id


def test_phases_add_up_to_the_total(building: Building, noon: int) -> None:
    seen = building.tree.at(np.array([noon]))
    assert seen.power.sum(2) == pytest.approx(building.tree.power(np.array([noon])), rel=1e-9)


def test_an_extra_is_seen_by_every_meter_above_it(building: Building, noon: int) -> None:
    before = {unit: building.power_w(unit, noon + 1000) for unit in ("tenant-a1", "main-1")}
    building.extras.start("tenants-a", 50_000.0, noon)
    building.extras.stop("tenants-a", noon + 7_200_000)
    assert building.power_w("main-1", noon + 1000) == pytest.approx(before["main-1"] + 50_000)
    assert building.power_w("tenant-a1", noon + 1000) == before["tenant-a1"]
    plain = Building(building.plant, seed=7, start_ms=noon, extras=Extras())
    more = building.energy_kwh("main-1", noon, noon + 86_400_000)
    assert more - plain.energy_kwh("main-1", noon, noon + 86_400_000) == pytest.approx(100.0)


def test_extras_outlive_the_program_and_counters_never_fall(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "extras.json"
    first = Extras(file)
    first.start("hvac-1", 3_600_000.0, 0)
    first.start("hvac-1", 7_200_000.0, 1_000)  # a second one replaces the first
    again = Extras(file)
    again.stop("hvac-1", 2_000)
    amounts = [again.amount("hvac-1", at) for at in range(0, 4_000, 100)]
    assert all(late >= early for early, late in pairwise(amounts))
    assert amounts[-1] == pytest.approx(1_000 + 2_000)
    assert Extras(file).amount("hvac-1", 9_000) == amounts[-1]


@pytest.mark.parametrize(
    ("feeds", "what"),
    [
        pytest.param({"main-1": ["hvac-1"], "hvac-1": ["main-1"]}, "feeds itself", id="circle"),
        pytest.param({"main-1": ["hvac-1", "hvac-1"]}, "on two ways", id="twice"),
    ],
)
def test_a_wrong_tree_is_refused(plant: Plant, feeds: dict[str, list[str]], what: str) -> None:
    units = [
        msgspec.structs.replace(unit, feeds=feeds.get(unit.id, []))
        for unit in meters(plant)
        if unit.id in {"main-1", "hvac-1"}
    ]
    with pytest.raises(ConfigError, match=what):
        Tree(units, seed=1, zone="Asia/Shanghai", extras=Extras())
