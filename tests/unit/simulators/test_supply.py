"""An outage from the meters to the lifts: who is dark, who carries on, and what is counted."""

import struct
from pathlib import Path

import numpy as np
import pytest

from simulators.building import Building
from simulators.devices.generator import Phase
from simulators.devices.lift import Mode
from simulators.extras import Extras
from simulators.history import register_history
from simulators.scenarios.stage import Request, Stage
from watchkeeper.site import Plant

BOTH = ("main-1", "main-2")


def pass_(stage: Stage, seconds: int) -> None:
    for _ in range(seconds):
        stage.advance(stage.building.at_ms + 1000)


def cut(stage: Stage, *units: str, clear: bool = False) -> None:
    for unit in units:
        stage.play(Request("outage", unit=unit, clear=clear), stage.building.at_ms)


def volts(building: Building, meter: str) -> float:
    return float(struct.unpack_from(">f", building.slots[meter].blocks[4, 0])[0])


@pytest.mark.serves("A10")
def test_the_whole_course_of_an_outage(stage: Stage) -> None:
    building = stage.building
    generator, ups = building.generators["gen-1"], building.upses["ups-1"]
    cut(stage, *BOTH)
    pass_(stage, 2)
    assert [volts(building, meter) for meter in (*BOTH, "lifts", "tenant-a1")] == [0, 0, 0, 0]
    assert building.power_w("main-1", building.at_ms) == 0
    assert not building.slots["main-1"].dead  # its electronics hang on the UPS
    assert building.slots["lift-1"].dead
    assert building.boards["lift-1-board"].faults["power_off"]
    assert ups.on_battery
    assert building.panels["fire-panel"].state == 2  # its mains is gone
    pass_(stage, 20)
    assert generator.carries
    carried = sum(building.power_w(meter, building.at_ms) for meter in ("lifts", "pumps"))
    assert generator.load_kw * 1000 == pytest.approx(carried, rel=0.02)
    assert carried > 10_000
    lit = [volts(building, meter) > 200 for meter in ("main-1", "lifts", "pumps", "hvac-1")]
    assert lit == [False, True, True, False]
    assert not building.slots["lift-1"].dead
    assert not ups.on_battery
    cut(stage, *BOTH, clear=True)
    pass_(stage, 150)
    assert generator.phase == Phase.IDLE
    assert volts(building, "main-1") > 200
    assert building.panels["fire-panel"].state == 0
    assert {lift.mode for lift in building.lifts.values()} == {Mode.AUTOMATIC}


def test_one_transformer_alone_darkens_its_own_half(stage: Stage) -> None:
    cut(stage, "main-2")
    pass_(stage, 3)
    at = stage.building.at_ms
    dark = {meter.id for meter in stage.building.meters if not stage.building.power_w(meter.id, at)}
    assert {"main-2", "hvac-2", "pumps", "podium"} <= dark
    assert not dark & {"main-1", "lifts", "tenant-a1"}
    assert not stage.building.upses["ups-1"].on_battery
    pass_(stage, 20)
    assert stage.building.supply.carried() == ["pumps"]


def test_without_generator_the_ups_empties_and_the_meters_fall_silent(stage: Stage) -> None:
    building = stage.building
    stage.play(Request("generator-fails"), building.at_ms)
    building.upses["ups-1"].charge = 0.02
    cut(stage, *BOTH)
    pass_(stage, 60)
    assert building.generators["gen-1"].phase == Phase.FAILED
    dead = {unit for unit, slot in building.slots.items() if slot.dead}
    assert {"ups-1", "main-1", "tenant-b2", "sump-1", "room-control", "lift-4"} <= dead
    assert not dead & {"gen-1", "fire-panel", "lift-1-board", "water-a"}
    cut(stage, *BOTH, clear=True)
    pass_(stage, 2)
    assert not any(slot.dead for slot in building.slots.values())


def test_a_lift_stops_where_it_is_and_creeps_on_with_power(stage: Stage) -> None:
    building = stage.building
    lift, board = building.lifts["lift-1"], building.boards["lift-1-board"]
    lift.calls_per_min = 0.0
    lift.call(0, 20, 2)
    while not (lift.speed and lift.persons and not lift.level):
        pass_(stage, 1)
    cut(stage, *BOTH)
    stage.advance(building.at_ms + 100)
    height = lift.height
    for _ in range(8):
        stage.advance(building.at_ms + 1000)
    assert (lift.height, lift.speed) == (height, 0)
    assert board.faults["trapped_between_floors"]
    assert board.alarm_key
    pass_(stage, 60)  # the generator has the lifts now
    assert lift.persons == 0
    assert not board.faults["trapped_between_floors"]


def test_nothing_is_counted_in_the_dark_and_all_of_it_behind_the_transfer_switch(
    stage: Stage, noon: int
) -> None:
    building = stage.building
    plain = Building(building.plant, seed=7, start_ms=noon, extras=Extras())
    cut(stage, *BOTH)
    pass_(stage, 60)
    dark_ms = building.at_ms
    cut(stage, *BOTH, clear=True)
    pass_(stage, 10)
    assert building.energy_kwh("main-1", noon, dark_ms) == 0
    after = [each.energy_kwh("main-1", dark_ms, dark_ms + 3_600_000) for each in (building, plain)]
    assert after[0] == pytest.approx(after[1])
    carried, usual = (each.energy_kwh("lifts", noon, dark_ms) for each in (building, plain))
    assert 0.6 * usual < carried < 0.95 * usual  # all but the seconds until the generator came
    (span,) = building.extras.books.dark["lifts"]
    assert span.end_ms is not None
    assert carried == pytest.approx(usual - plain.energy_kwh("lifts", noon, span.end_ms))


def test_the_past_knows_outages_and_exchanged_counters_too(
    plant: Plant, tmp_path: Path, noon: int
) -> None:
    file = tmp_path / "extras.json"
    stage = Stage(Building(plant, seed=7, start_ms=noon, extras=Extras(file)))
    cut(stage, *BOTH)
    pass_(stage, 30)
    stage.play(Request("meter-replaced", unit="tenant-a2"), stage.building.at_ms)
    cut(stage, *BOTH, clear=True)
    pass_(stage, 30)
    live = stage.building
    ((at, past),) = register_history(plant, 7, live.at_ms, live.at_ms, 60, Extras(file))
    assert at == live.at_ms
    for unit in ("main-1", "lifts", "tenant-a2", "tenant-a4"):
        for start, words in past[unit].items():
            assert words == list(struct.unpack(f">{len(words)}H", live.slots[unit].blocks[start]))


def shown(building: Building, meter: str) -> float:
    return float(struct.unpack_from(">f", building.slots[meter].blocks[4, 0x156])[0])


@pytest.mark.serves("F2")
def test_a_replaced_meter_counts_from_zero_and_a_full_one_wraps(stage: Stage) -> None:
    building = stage.building
    for name, unit in (("meter-replaced", "tenant-a1"), ("counter-rollover", "tenant-a2")):
        stage.play(Request(name, unit=unit), building.at_ms)
    pass_(stage, 1)
    assert 0 <= shown(building, "tenant-a1") < 0.1
    assert 999_999 < shown(building, "tenant-a2") < 1_000_000
    before = building.at_ms
    pass_(stage, 120)
    drawn = building.energy_kwh("tenant-a1", before - 1000, building.at_ms)
    assert shown(building, "tenant-a1") == pytest.approx(drawn, abs=0.02)
    assert shown(building, "tenant-a2") < 100
    assert building.energy_kwh("tenant-a2", before, building.at_ms) > 0  # the truth goes on


def test_currents_of_a_dark_meter_are_nothing_and_no_nan(stage: Stage) -> None:
    cut(stage, *BOTH)
    pass_(stage, 1)
    for meter in ("main-1", "tenant-a4"):
        for (_, first), data in stage.building.slots[meter].blocks.items():
            if meter == "main-1" and first == 0:
                values = np.frombuffer(data, ">f4")
                assert np.isfinite(values).all()
                assert (values[:15] == 0).all()
