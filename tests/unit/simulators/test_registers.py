"""Golden bytes: worked out by hand, so that the encoder itself cannot be wrong unseen."""

import numpy as np
import pytest

from simulators import registers
from simulators.devices.electricity import Measures
from simulators.devices.fire_panel import FirePanel
from simulators.devices.lift import Lift
from simulators.devices.lift_board import LiftBoard
from simulators.devices.sump import Sump
from simulators.devices.water import Flows


def one(value: float, *shape: int) -> np.ndarray:
    return np.full(shape, value)


def measures(energy: float) -> Measures:
    return Measures(
        voltage=one(230.0, 1, 1, 3),
        power=one(1000.0, 1, 1, 3),
        reactive=one(0.0, 1, 1, 3),
        frequency=one(50.0, 1, 1),
        energy=one(energy, 1, 1),
        reactive_energy=one(0.5, 1, 1),
        distortion=one(2.0, 1, 1, 3),
    )


def block(columns: registers.Columns, function: int, first: int) -> bytes:
    return bytes(columns[function, first][0, 0].tobytes())


def at(data: bytes, first: int, address: int, size: int) -> str:
    return data[2 * (address - first) : 2 * (address - first) + size].hex()


@pytest.mark.serves("A10")
def test_sdm630_is_float32_with_the_high_word_first() -> None:
    data = block(registers.sdm630(measures(131.25)), 4, 0)
    assert len(data) == 2 * 0x50
    assert at(data, 0, 0x00, 4) == "43660000"  # 230.0 V
    assert at(data, 0, 0x34, 4) == "453b8000"  # 3,000.0 W
    assert at(data, 0, 0x46, 4) == "42480000"  # 50.0 Hz
    assert at(data, 0, 0x48, 4) == "43034000"  # 131.25 kWh


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        pytest.param(12.349, 12.34, id="cut, not rounded"),
        pytest.param(1_000_005.5, 5.5, id="rolled over"),
        pytest.param(999_999.99, 0.0, id="float32 would show the rollover value"),
        pytest.param(200_000.01, 200_000.015625, id="a step of float32"),
    ],
)
def test_a_counter_shows_what_the_meter_can_show(amount: float, shown: float) -> None:
    assert registers.counter(np.array([amount]))[0] == pytest.approx(shown, abs=1e-5)


def test_iem3000_is_kilowatts_and_int64_watt_hours() -> None:
    columns = registers.iem3000(measures(131.25))
    assert at(block(columns, 3, 0x0BB7), 0x0BB7, 0x0BF3, 4) == "40400000"  # 3.0 kW
    assert at(block(columns, 3, 0x0C83), 0x0C83, 0x0C83, 8) == "00000000000200b2"  # 131,250 Wh
    assert at(block(columns, 3, 0x0BB7), 0x0BB7, 0x0BB9 + 4, 4)[:3] in {"7fc", "ffc"}  # unused: NaN


def test_the_water_meter_reverses_all_four_bytes() -> None:
    columns = registers.water_meter(
        Flows(one(1.0, 1, 1), one(131.25, 1, 1), one(0.5, 1, 1), one(18.0, 1, 1))
    )
    data = block(columns, 3, 1)
    assert len(data) == 2 * 28
    assert at(data, 1, 0x01, 4) == "00400343"  # 131.25 m3, ABCD would be 43 03 40 00
    assert at(data, 1, 0x05, 4) == "0000803f"
    assert at(data, 1, 0x07, 2) == "00aa"
    assert at(data, 1, 0x1C, 2) == "0001"


def test_a_lift_in_a_basement_moving_up() -> None:
    lift = Lift([-2, -1, 1], seed="x")
    lift.height, lift.speed, lift.persons = 1.0, 1.5, 2
    blocks = registers.lift(lift)
    data = blocks[3, 0x1010]
    assert at(data, 0x1010, 0x1010, 4) == "05dc09c4"  # 1.500 and 2.500 m/s
    assert at(data, 0x1010, 0x1018, 4) == "fffe000a"  # B2, 1.0 m
    assert at(data, 0x1010, 0x101A, 2) == "008c"  # 14.0 %
    assert at(data, 0x1010, 0x101D, 2) == "0070"  # automatic, waiting
    assert blocks[3, 0x3000].hex() == "0001"
    lift.trip(41)
    assert at(registers.lift(lift)[3, 0x1010], 0x1010, 0x101D, 2) == "0650"  # fault, stopped
    assert registers.lift(lift)[3, 0x8000].hex() == "0029"


def test_a_board_with_a_person_trapped_between_floors_in_a_basement() -> None:
    lift = Lift([-2, -1, 1], seed="x")
    board = LiftBoard(lift)
    board.faults["trapped_between_floors"] = True
    board.up = board.down = board.level = board.door_open = board.inspection = False
    board.person, board.alarm_key, board.floor, board.speed = True, True, -2, 0.0
    data = registers.lift_board(board)[3, 0]
    assert len(data) == 2 * 19
    assert data[:6].hex() == "0002" + "5000" + "e200"


def test_the_panel_and_its_detectors() -> None:
    panel = FirePanel(3)
    panel.put(2, 1)
    assert registers.fire_panel(panel)[3, 256].hex() == "0001000000010000"


def test_the_sump_and_its_contacts() -> None:
    sump = Sump(level=1.23)
    sump.tripped = True
    blocks = registers.sump(sump)
    assert blocks[3, 0][6:10].hex() == "0002007b"  # 2 decimals, 123
    assert blocks[2, 0] == b"\0\1\0\1"


@pytest.mark.parametrize(
    ("temperature", "broken", "words"),
    [
        pytest.param(23.4, False, "00ea0226", id="warm"),
        pytest.param(-5.1, False, "ffcd0226", id="frost"),
        pytest.param(23.4, True, "7fffffff", id="broken"),
    ],
)
def test_the_room_sensor_speaks_in_tenths(temperature: float, *, broken: bool, words: str) -> None:
    assert registers.room_sensor(temperature, 55.0, broken=broken)[4, 1].hex() == words
