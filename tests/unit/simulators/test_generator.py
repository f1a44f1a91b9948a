"""The order of a start and a stop, and what is burnt meanwhile."""

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import registers_power
from simulators.devices.generator import CRANK_V, CRANKS, FLOAT_V, Engine, Generator, Phase


def pass_(generator: Generator, seconds: float) -> list[Phase]:
    """Let time pass; return the phases gone through, each once."""
    phases = []
    for _ in range(round(seconds * 10)):
        generator.step(0.1)
        phases.append(generator.phase)
    return [phase for phase, _ in groupby(phases)]


@pytest.mark.serves("A10")
def test_it_starts_takes_the_load_gives_it_back_cools_and_stops() -> None:
    generator = Generator()
    generator.mains = False
    assert pass_(generator, 30) == [
        Phase.DELAY, Phase.PREHEAT, Phase.CRANK, Phase.WARM, Phase.LOADED,
    ]  # fmt: skip
    assert generator.carries
    assert (generator.engine, generator.starts) == (Engine.RUNNING, 138)
    assert generator.voltage == pytest.approx(231, abs=1)
    assert generator.frequency == pytest.approx(50, abs=0.2)
    generator.mains = True
    assert pass_(generator, 120) == [Phase.RETURN, Phase.COOL, Phase.RUN_DOWN, Phase.IDLE]
    assert (generator.engine, generator.rpm) == (Engine.ENDED, 0)


def test_the_load_is_taken_within_a_quarter_of_a_minute() -> None:
    generator = Generator()
    generator.mains = False
    seconds = 0
    while not generator.carries:
        pass_(generator, 1)
        seconds += 1
    assert 8 <= seconds <= 15  # fire rules ask for 30 s at most


@pytest.mark.parametrize(
    ("seconds", "then"),
    [
        pytest.param(2.0, Phase.IDLE, id="a dip does not start it"),
        pytest.param(4.0, Phase.IDLE, id="back while it pre-heats"),
        pytest.param(9.0, Phase.COOL, id="back while it warms up"),
    ],
)
def test_the_mains_comes_back_early(seconds: float, then: Phase) -> None:
    generator = Generator()
    generator.mains = False
    pass_(generator, seconds)
    generator.mains = True
    pass_(generator, 0.2)
    assert generator.phase == then


def test_the_mains_fails_again_while_it_cools() -> None:
    generator = Generator()
    generator.mains = False
    pass_(generator, 30)
    generator.mains = True
    pass_(generator, 30)
    assert generator.phase == Phase.COOL
    generator.mains = False
    pass_(generator, 0.1)
    assert generator.carries


def test_a_broken_starter_is_tried_three_times_and_never_again_until_it_is_reset() -> None:
    generator = Generator()
    generator.starter_broken, generator.mains = True, False
    phases = pass_(generator, 120)
    assert phases.count(Phase.CRANK) == CRANKS
    assert phases[-1] == Phase.FAILED
    assert (generator.rpm, generator.starts) == (0, 137)
    generator.starter_broken = False
    pass_(generator, 60)
    assert generator.phase == Phase.FAILED
    generator.reset()
    pass_(generator, 30)
    assert generator.carries


def test_switched_off_automatic_it_stays_where_it_is() -> None:
    generator = Generator()
    generator.automatic, generator.mains = False, False
    assert pass_(generator, 60) == [Phase.IDLE]


def test_the_starter_pulls_the_battery_down_and_the_alternator_charges_it() -> None:
    generator = Generator()
    generator.mains = False
    lowest = FLOAT_V
    while not generator.carries:
        pass_(generator, 0.1)
        lowest = min(lowest, generator.battery_v)
    assert lowest == CRANK_V
    pass_(generator, 120)
    assert generator.battery_v == pytest.approx(28.2, abs=0.1)


def test_an_hour_at_a_hundred_kilowatts_burns_what_the_rating_says() -> None:
    generator = Generator(rated_kw=250, tank_l=500)
    generator.mains, generator.demand_kw = False, 100.0
    pass_(generator, 30)
    before, counted, ran = generator.fuel_l, generator.energy_kwh, generator.run_s
    for _ in range(3600):
        generator.step(1.0)
    assert before - generator.fuel_l == pytest.approx(0.022 * 250 + 0.25 * 100, rel=1e-3)
    assert generator.energy_kwh - counted == pytest.approx(100.0)
    assert generator.run_s - ran == pytest.approx(3600)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 250), st.floats(0, 250))
def test_more_load_burns_more(one: float, two: float) -> None:
    burnt = []
    for load in sorted((one, two)):
        generator = Generator()
        generator.mains, generator.demand_kw = False, load
        pass_(generator, 60)
        burnt.append(0.85 * generator.tank_l - generator.fuel_l)
    assert 0 < burnt[0] <= burnt[1]


def test_an_empty_tank_stops_it() -> None:
    generator = Generator()
    generator.mains, generator.fuel_l, generator.demand_kw = False, 0.05, 200.0
    pass_(generator, 120)
    assert generator.phase == Phase.FAILED
    assert generator.fuel_l == 0
    assert generator.voltage == 0


def at(data: bytes, page: int, address: int, size: int) -> str:
    first = 2 * (address - 256 * page)
    return data[first : first + size].hex()


def test_gencomm_at_rest_worked_out_by_hand() -> None:
    blocks = registers_power.dse7320(Generator(tank_l=500))
    page3, page4 = blocks[3, 768], blocks[3, 1024]
    assert at(page3, 3, 768, 4) == "00011c98"  # maker 1, model 7320
    assert at(page3, 3, 772, 2) == "0001"  # automatic
    assert at(page4, 4, 1025, 2) == "002a"  # 42 degC
    assert at(page4, 4, 1027, 4) == "0055ffff"  # 85 %; 1028 is not there
    assert at(page4, 4, 1029, 2) == "0110"  # 27.2 V
    assert at(page4, 4, 1059, 6) == "01f4000008b6"  # 50.0 Hz, 223.0 V in two registers
    assert blocks[3, 1408].hex() == "0000"
    assert at(blocks[3, 1792], 7, 1798, 4) == "00064960"  # 412,000 s
    assert at(blocks[3, 1792], 7, 1800, 4) == "0002cec0"  # 18,400.0 kWh
    assert at(blocks[3, 1792], 7, 1808, 4) == "00000089"  # 137 starts


def test_gencomm_under_load_worked_out_by_hand() -> None:
    generator = Generator(rated_kw=250)
    generator.mains, generator.demand_kw = False, 75.0
    pass_(generator, 60)
    generator.rpm, generator.battery_v = 1500.0, 28.2
    blocks = registers_power.dse7320(generator)
    page4 = blocks[3, 1024]
    assert at(page4, 4, 1030, 4) == "05dc01f4"  # 1,500 rpm, 50.0 Hz
    assert at(page4, 4, 1032, 4) == "00000906"  # 231.0 V
    assert at(page4, 4, 1038, 4) == "00000fa1"  # 400.1 V between lines
    assert at(page4, 4, 1044, 4) == "000004b3"  # 25 kW at 231 V and 0.9: 120.3 A
    assert at(page4, 4, 1052, 4) == "000061a8"  # 25,000 W
    assert at(page4, 4, 1060, 4) == "00000000"  # no mains
    assert blocks[3, 1408].hex() == "0003"
    assert at(blocks[3, 1536], 6, 1536, 4) == "000124f8"  # 75,000 W
    assert at(blocks[3, 1536], 6, 1558, 2) == "012c"  # 30.0 %
