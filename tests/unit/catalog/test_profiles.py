"""Every profile of the sample site is read off the simulated device by the edge's own decoder.

The other profiles are held by tests/golden/test_profiles.py.

The simulator's addresses and byte orders are written by hand from the manuals (simulators/
registers.py), so a wrong one in the profile or the decoder shows here.
"""

import math
from pathlib import Path

import pytest

from edge.decode import decode
from edge.plan import blocks
from simulators import modbus_server
from simulators.building import Building
from simulators.extras import Extras
from simulators.scenarios.stage import Request, Stage
from watchkeeper import profile, site
from watchkeeper.errors import ConfigError
from watchkeeper.profile import Point, Profile
from watchkeeper.site import Unit

CATALOG = Path(__file__).resolve().parents[3] / "catalog"
PLANT = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
NOON_MS = 1_780_459_200_000  # 3 June 2026, 12 o'clock in Shanghai
BITS = 2  # the highest function that reads bits


@pytest.fixture(scope="module")
def building() -> Building:
    return Building(PLANT, seed=7, start_ms=NOON_MS, extras=Extras())


def ask(building: Building, unit: Unit, function: int, address: int, count: int) -> bytes | None:
    """Return the data a unit answers, None where it answers an exception."""
    request = bytes([function]) + address.to_bytes(2, "big") + count.to_bytes(2, "big")
    answer = modbus_server.answer(building.bus(unit.bus), unit.unit, request)
    assert answer is not None
    return None if answer[0] & 0x80 else answer[2:]


def value(building: Building, unit: str, point_id: str) -> float:
    """Return what the edge makes of one point of a simulated unit."""
    where = next(each for each in PLANT.units() if each.id == unit)
    of = PLANT.profiles[where.profile]
    point = next(point for point in of.points if point.id == point_id)
    function = point.function or of.modbus.function
    count = 1 if function <= BITS else point.registers
    data = ask(building, where, function, point.address, count)
    assert data is not None, point_id
    return float(data[0] & 1) if function <= BITS else decode(point, data, of.modbus)


def inside(point: Point, seen: float) -> bool:
    low, high = point.usual or point.possible or (-math.inf, math.inf)
    return low <= seen <= high


@pytest.mark.serves("A2")
@pytest.mark.parametrize("unit", PLANT.units(), ids=lambda unit: unit.id)
def test_every_point_reads_as_a_usual_value_of_the_device(building: Building, unit: Unit) -> None:
    for point in PLANT.profiles[unit.profile].points:
        seen = value(building, unit.id, point.id)
        assert inside(point, seen), (point.id, seen)
        codes = {word.value for word in point.words}
        if point.words and point.id != "floor_code":  # words only for basements
            assert seen in codes, (point.id, seen)


@pytest.mark.parametrize("unit", PLANT.units(), ids=lambda unit: unit.id)
def test_every_planned_read_is_one_the_device_answers(building: Building, unit: Unit) -> None:
    of = PLANT.profiles[unit.profile]
    for block in blocks(of.points, of.modbus):
        assert ask(building, unit, block.function, block.address, block.count) is not None, block


@pytest.mark.parametrize(
    "unit", [u.id for u in PLANT.units() if u.profile in {"eastron-sdm630", "schneider-iem3000"}]
)
def test_power_and_energy_are_those_of_the_physics(building: Building, unit: str) -> None:
    true = building.power_w(unit, NOON_MS)
    assert value(building, unit, "active_power") == pytest.approx(true, rel=1e-6)
    phases = [value(building, unit, f"active_power_l{n}") for n in (1, 2, 3)]
    assert sum(phases) == pytest.approx(true, rel=1e-6)
    volts, amperes = (value(building, unit, f"{what}_l1") for what in ("voltage", "current"))
    assert volts * amperes >= phases[0] * 0.999
    later = Building(PLANT, seed=7, start_ms=NOON_MS + 3_600_000, extras=Extras())
    counted = value(later, unit, "import_energy") - value(building, unit, "import_energy")
    drawn = building.energy_kwh(unit, NOON_MS, NOON_MS + 3_600_000)
    assert counted == pytest.approx(drawn, abs=0.14)  # two float32 steps near 1,000,000


def test_what_happens_to_lift_fire_and_pump_is_read(building: Building) -> None:
    own = Stage(Building(PLANT, seed=7, start_ms=NOON_MS, extras=Extras()))
    for name in ("fire", "entrapment", "sump-flood", "sensor-fault"):
        own.play(Request(name), NOON_MS)
    for second in range(1, 61):
        own.advance(NOON_MS + 1000 * second)
    expected = {
        ("fire-panel", "detector-07"): 1,
        ("fire-panel", "panel_state"): 1,
        ("lift-1-board", "trapped_between_floors"): 1,
        ("lift-1-board", "trapped_at_floor"): 0,
        ("lift-1-board", "level"): 0,
        ("lift-1-board", "person"): 1,
        ("lift-1", "fault_code"): 41,
        ("lift-1", "mode"): 5,
        ("lift-1", "car_state"): 6,
        ("lift-1", "direction"): 3,
        ("lift-1", "speed"): 0,
        ("sump-1", "tripped"): 1,
        ("room-transformer", "temperature"): 3276.7,  # impossible: judged bad by the edge
    }
    seen = {key: value(own.building, *key) for key in expected}
    assert seen == pytest.approx(expected)
    floor = value(own.building, "lift-1", "floor")
    code = value(own.building, "lift-1-board", "floor_code")
    assert (floor if floor > 0 else 0xE0 - floor) == code
    assert value(building, "fire-panel", "panel_state") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("type: uint16, bits: [7, 4]", id="wrong way round"),
        pytest.param("type: float32, bits: [4, 7]", id="bits of a float"),
        pytest.param("type: uint16, bit: 3, bits: [4, 7]", id="bit and bits"),
    ],
)
def test_impossible_bit_fields_are_refused(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "schema: wk.profile/1\nid: x\nname: {zh: x, en: x}\nequipment: pump\nsource: x\npoints:\n"
        f"  - {{id: a, name: {{zh: a, en: a}}, address: 0, {wrong}}}\n",
        "utf-8",
    )
    with pytest.raises(ConfigError, match=r"x\.yaml:7.*bits"):
        profile.load(file)


def test_names_are_given_in_both_languages() -> None:
    loaded: list[Profile] = list(PLANT.profiles.values())
    for text in [point.name for each in loaded for point in each.points]:
        assert text.zh
        assert text.en
