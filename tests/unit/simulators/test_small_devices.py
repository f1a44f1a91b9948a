import pytest

from simulators.devices.fire_panel import FAULT, FIRE, NORMAL, FirePanel
from simulators.devices.room import Room
from simulators.devices.sump import HIGH_M, START_M, STOP_M, Sump


def test_the_panel_says_the_worst_of_its_detectors() -> None:
    panel = FirePanel(4)
    assert panel.state == NORMAL
    panel.put(2, FAULT)
    assert panel.state == FAULT
    panel.put(3, FIRE)
    assert panel.state == FIRE
    panel.put(3, FAULT)  # a fire stays until the reset
    assert panel.detectors == [0, FAULT, FIRE, 0]
    panel.put(2, NORMAL)
    panel.end(FIRE)
    panel.end(FAULT)
    panel.reset()
    assert panel.state == NORMAL


def test_the_pump_keeps_the_sump_between_its_levels() -> None:
    sump, levels = Sump(level=1.1), []
    for _ in range(20_000):
        sump.step(1.0)
        levels.append(sump.level)
    assert STOP_M - 0.01 < min(levels) < max(levels) < START_M + 0.01


def test_a_tripped_pump_floods_the_sump() -> None:
    sump = Sump()
    sump.tripped, sump.inflow_m3h = True, 60.0
    for _ in range(2_000):
        sump.step(1.0)
    assert sump.high
    assert sump.level > HIGH_M
    assert not sump.running


def test_a_room_without_ventilation_warms_up_and_cools_down_again() -> None:
    room = Room("room-1", seed=1)
    usual, humid = room.at(0)
    room.heating = True
    for _ in range(600):
        room.step(1.0)
    assert room.at(0)[0] == pytest.approx(usual + 25, abs=0.1)
    assert room.at(0)[1] < humid
    room.heating = False
    for _ in range(600):
        room.step(1.0)
    assert room.at(0)[0] == pytest.approx(usual, abs=0.1)
