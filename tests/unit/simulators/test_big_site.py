"""Five hundred units in one process: all of them answer all that the edge would ask."""

import struct

import pytest

from benchmarks import big_site
from edge.plan import blocks
from simulators import modbus_server
from simulators.building import Building
from simulators.extras import Extras
from simulators.scenarios.stage import Request, Stage

PORTS = list(range(20_000, 20_010))


@pytest.fixture(scope="module")
def stage() -> Stage:
    plant = big_site.plant(500, PORTS)
    return Stage(Building(plant, seed=1, start_ms=1_780_459_200_000, extras=Extras()))


def silent(stage: Stage) -> set[str]:
    """Return the profiles of the units that do not answer all their blocks."""
    building, found = stage.building, set[str]()
    buses = {unit.bus: building.bus(unit.bus) for unit in building.plant.units()}
    for unit in building.plant.units():
        known = building.plant.profiles[unit.profile]
        for block in blocks(known.points, known.modbus):
            request = struct.pack(">BHH", block.function, block.address, block.count)
            answer = modbus_server.answer(buses[unit.bus], unit.unit, request)
            if answer is None or answer[0] & 0x80:
                found.add(unit.profile)
    return found


@pytest.mark.serves("A10")
def test_every_unit_answers_every_block(stage: Stage) -> None:
    units = stage.building.plant.units()
    assert len({unit.id for unit in units}) == 500
    assert {unit.profile for unit in units} == set(big_site.KINDS)
    assert silent(stage) == set()


def test_an_outage_of_every_tower_and_its_end(stage: Stage) -> None:
    incoming, at = stage.building.supply.incoming, stage.building.at_ms
    assert len(incoming) == len(PORTS)
    for meter in incoming:
        stage.play(Request("outage", meter), at)
    stage.advance(at + 1_000)
    assert silent(stage) == {"monarch-nice3000", "abb-acs"}
    for meter in incoming:
        stage.play(Request("outage", meter, clear=True), at + 2_000)
    stage.advance(at + 3_000)
    assert silent(stage) == set()
