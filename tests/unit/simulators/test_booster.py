"""A pump behind a drive: it keeps its pressure, trips, and says so in the maker's registers."""

from pathlib import Path

import pytest

from simulators import registers_power
from simulators.building import Building
from simulators.devices.booster import SET_BAR, Booster
from simulators.extras import Extras
from simulators.scenarios.stage import Request, Stage
from watchkeeper import profile
from watchkeeper.documents import Text
from watchkeeper.site import About, Bus, Edge, ModbusTcp, Place, Plant, Site, Unit

CATALOG = Path(__file__).resolve().parents[3] / "catalog"


def pass_(booster: Booster, seconds: int) -> list[float]:
    """Let time pass; return the pressures."""
    pressures = []
    for _ in range(seconds * 10):
        booster.step(0.1)
        pressures.append(booster.bar)
    return pressures


def test_it_keeps_the_pressure_whatever_is_drawn() -> None:
    booster = Booster("b", seed=1)
    pass_(booster, 120)
    pressures = pass_(booster, 7200)
    assert SET_BAR - 0.4 < min(pressures) < max(pressures) < SET_BAR + 0.4


def test_more_water_needs_more_speed_and_power() -> None:
    booster = Booster("b", seed=1)
    seen = []
    for _ in range(86_400 // 60):
        for _ in range(60):
            booster.step(1.0)
        seen.append((booster.demand_m3h, booster.hertz, booster.kilowatts, booster.amperes))
    least, most = min(seen), max(seen)
    assert all(high > low for high, low in zip(most, least, strict=True))


@pytest.mark.parametrize("why", ["powered", "tripped"])
def test_without_power_or_tripped_it_runs_down_and_comes_back(why: str) -> None:
    booster = Booster("b")
    setattr(booster, why, why == "tripped")
    pass_(booster, 30)
    assert (booster.running, booster.kilowatts) == (False, pytest.approx(0, abs=1e-9))
    assert booster.bar < 0.1
    setattr(booster, why, why == "powered")
    pass_(booster, 120)
    assert booster.bar == pytest.approx(SET_BAR, abs=0.4)


def at(data: bytes, first: int, address: int) -> str:
    return data[2 * (address - first) :][:2].hex()


def test_registers_worked_out_by_hand() -> None:
    booster = Booster("b")
    booster.hertz, booster.demand_m3h = 40.0, 15.0
    blocks = registers_power.abb_acs(booster)
    assert blocks[3, 50].hex() == "03073e80"  # ready, operating, at reference, remote; 80 %
    assert at(blocks[3, 100], 100, 105) == "0fa0"  # 40.00 Hz
    assert at(blocks[3, 100], 100, 113) == "0103"  # 7.5 kW x 0.8^3 x 0.675: 2.59 kW
    booster.trip()
    blocks = registers_power.abb_acs(booster)
    assert blocks[3, 50][:2].hex() == "0208"  # fault, remote
    assert blocks[3, 410].hex() == "2310"


@pytest.mark.serves("A10")
def test_on_a_site_it_trips_and_is_reset(noon: int) -> None:
    unit = Unit("booster-1", "abb-acs", "water", 1, place="hall")
    bus = Bus("water", modbus_tcp=ModbusTcp("127.0.0.1", 15020))
    here = Site(
        About("test", Text("试", "Test")), [Place("hall", Text("厅", "Hall"))],
        [Edge("e1", [bus], [unit])],
    )  # fmt: skip
    known = {"abb-acs": profile.load(CATALOG / "profiles/abb-acs.yaml")}
    stage = Stage(Building(Plant(here, known), seed=1, start_ms=noon, extras=Extras()))
    stage.play(Request("booster-trip"), noon)
    stage.advance(noon + 20_000)
    slot = stage.building.slots["booster-1"]
    assert slot.blocks[3, 50][:2].hex() == "0208"
    stage.play(Request("booster-trip", clear=True), noon + 21_000)
    stage.advance(noon + 60_000)
    assert slot.blocks[3, 410].hex() == "2310"
    assert stage.building.boosters["booster-1"].running
