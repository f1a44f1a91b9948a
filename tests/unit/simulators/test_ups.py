"""How long it lasts, how it charges again, what its own test finds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import registers_power
from simulators.devices.ups import IMMINENT_S, Ups


def until_off(ups: Ups) -> int:
    """Let seconds pass until it shuts down; return how many."""
    for second in range(36_000):
        if not ups.output:
            return second
        ups.step(1.0)
    raise AssertionError("it lasts for ever")


@pytest.mark.serves("A10")
def test_it_lasts_as_long_as_it_says_warns_before_and_comes_back() -> None:
    ups = Ups()
    ups.input_v = 0.0
    assert ups.on_battery
    said = ups.runtime_s
    assert 1_500 < said < 3_600
    for _ in range(round(said - IMMINENT_S) + 1):
        assert not ups.imminent
        ups.step(1.0)
    ups.step(1.0)
    assert ups.imminent
    assert until_off(ups) == pytest.approx(IMMINENT_S, abs=3)
    assert (ups.on_battery, ups.load_percent) == (False, 0)
    ups.input_v = 222.0
    ups.step(1.0)
    assert ups.output
    for _ in range(3 * 3600):
        ups.step(1.0)
    assert 0.5 < ups.charge < 1


@settings(max_examples=25, deadline=None)
@given(st.floats(200, 2_700), st.floats(200, 2_700))
def test_more_load_lasts_shorter_and_the_charge_only_falls(one: float, two: float) -> None:
    lasted = []
    for load in sorted((one, two)):
        ups = Ups(load_w=load)
        ups.input_v = 0.0
        before = ups.charge
        for _ in range(100):
            ups.step(1.0)
            assert ups.charge <= before
            before = ups.charge
        lasted.append(ups.runtime_s)
    assert lasted[0] >= lasted[1] * 0.999


@pytest.mark.parametrize(
    ("health", "passed"), [pytest.param(1.0, True, id="new"), pytest.param(0.35, False, id="worn")]
)
def test_its_own_test_tells_a_worn_battery(health: float, *, passed: bool) -> None:
    ups = Ups()
    ups.health = health
    quiet = ups.battery_v
    ups.test()
    assert ups.testing
    assert ups.battery_v < quiet
    assert not ups.on_battery
    for _ in range(200):
        ups.step(0.1)
    assert not ups.testing
    assert (ups.test_passed, ups.test_failed, ups.replace) == (passed, not passed, not passed)


def test_a_mains_failure_ends_the_test_without_a_verdict() -> None:
    ups = Ups()
    ups.test()
    ups.step(1.0)
    ups.input_v = 0.0
    ups.step(1.0)
    assert ups.on_battery
    assert (ups.testing, ups.test_passed, ups.test_failed) == (False, False, False)
    ups.test()
    assert not ups.testing  # nothing to go back to


def at(data: bytes, first: int, address: int, size: int) -> str:
    return data[2 * (address - first) : 2 * (address - first) + size].hex()


def test_an176_worked_out_by_hand() -> None:
    ups = Ups(load_w=1_350.0)
    ups.charge, ups.input_v = 0.75, 0.0
    blocks = registers_power.smart_ups(ups)
    states, measured = blocks[3, 0], blocks[3, 128]
    assert at(states, 0, 0, 4) == "00000044"  # on battery, input bad
    assert at(states, 0, 18, 2) == "0001"  # power failure
    assert at(measured, 128, 128, 4) == "00000690"  # 960 Wh x 0.75 x 0.875 / 1,350 W: 1,680 s
    assert at(measured, 128, 130, 2) == "9600"  # 75 % x 512
    assert at(measured, 128, 136, 2) == "3200"  # 50 % x 256
    assert at(measured, 128, 142, 2) == "3980"  # 230 V x 64
    assert at(measured, 128, 144, 2) == "1900"  # 50 Hz x 128
    assert at(measured, 128, 145, 4) == "0012ebc0"  # 1,240,000 Wh
    assert at(measured, 128, 150, 4) == "00040000"  # input low, 0 V
    ups.input_v = 222.0
    blocks = registers_power.smart_ups(ups)
    assert at(blocks[3, 0], 0, 0, 4) == "00000002"  # on line
    assert at(blocks[3, 128], 128, 150, 4) == "00013780"  # acceptable, 222 V x 64


def test_a_test_that_failed_and_an_empty_battery_in_the_registers() -> None:
    ups = Ups()
    ups.test_failed = True
    assert at(registers_power.smart_ups(ups)[3, 0], 0, 22, 4) == "00040008"  # replace; failed
    ups.input_v, ups.charge = 0.0, 0.0
    ups.step(1.0)
    blocks = registers_power.smart_ups(ups)
    assert at(blocks[3, 0], 0, 0, 4) == "00000050"  # output off, input bad
    assert at(blocks[3, 128], 128, 136, 2) == "0000"
    assert at(blocks[3, 128], 128, 142, 2) == "0000"
