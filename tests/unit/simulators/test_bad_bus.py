from random import Random

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, sampled_from
from pymodbus.framer.rtu import FramerRTU

from edge.drivers.modbus import Line, NoAnswer, Refused, request
from edge.plan import Block
from simulators.bad_bus import (
    EXCEPTIONS,
    KINDS,
    Asked,
    BadBus,
    Framing,
    Kind,
    Trouble,
    checksum,
    frame,
    steps,
)
from watchkeeper.site import ModbusRtuTcp, ModbusTcp

ASKED = Asked(transaction=700, unit=5, function=3, address=100, registers=2)
DATA = b"\x01\x02\x03\x04"
RIGHT: dict[Framing, bytes] = {
    "tcp": b"\x02\xbc\0\0\0\x07\x05\x03\x04" + DATA,
    "rtu": b"\x05\x03\x04" + DATA + checksum(b"\x05\x03\x04" + DATA),
}
WHOLE = {"dribble", "duplicate"}  # these say what is right
FRAMINGS: tuple[Framing, ...] = ("tcp", "rtu")


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a simulation, not a secret


@given(binary(max_size=300))
def test_the_checksum_is_that_of_modbus(data: bytes) -> None:
    assert checksum(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_right_answer_is_framed_as_the_standard_says(framing: Framing) -> None:
    assert frame(framing, ASKED, b"\x03\x04" + DATA) == RIGHT[framing]


@given(integers(), sampled_from(FRAMINGS), sampled_from(KINDS["tcp"]))
def test_a_wrong_answer_is_wrong(seed: int, framing: Framing, kind: Kind) -> None:
    if kind == "transaction" and framing == "rtu":
        return
    sent = b"".join(step.data for step in steps(kind, framing, ASKED, DATA, seeded(seed)))
    right = RIGHT[framing]
    expected = {"dribble": right, "duplicate": right + right}
    assert sent == expected[kind] if kind in WHOLE else sent != right


@given(integers())
def test_exceptions_that_say_a_register_is_missing_are_not_made(seed: int) -> None:
    (step,) = steps("exception", "tcp", ASKED, DATA, seeded(seed))
    assert step.data[7] == 0x83
    assert step.data[8] in EXCEPTIONS
    assert not {2, 3} & set(EXCEPTIONS)


def test_a_dribble_takes_its_time_and_a_reset_ends_the_line() -> None:
    waits = [step.wait_s for step in steps("dribble", "tcp", ASKED, DATA, seeded(1))]
    assert waits == sorted(waits)
    assert waits[-1] > 0
    assert steps("reset", "tcp", ASKED, DATA, seeded(1))[-1].reset


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_the_edge_reads_it_while_it_is_right_and_takes_nothing_wrong(
    framing: Framing,
) -> None:
    bus = BadBus(framing, lambda unit, _, __: DATA if unit == 5 else None, seeded(1))
    await bus.listen()
    where = ModbusTcp if framing == "tcp" else ModbusRtuTcp
    line = Line(where("127.0.0.1", bus.port))
    asked = request(5, Block("normal", 3, 100, 2, (0, 1)), 0.1)
    for kind in KINDS[framing]:
        bus.trouble = Trouble(1.0, (kind,), late_s=60.0)
        if kind in WHOLE or (kind == "earlier" and framing == "rtu"):
            continue
        with pytest.raises((NoAnswer, Refused)):
            await line.read(asked)
        bus.trouble = Trouble()
        assert await line.read(asked) == DATA
    line.close()
    await bus.close()
    assert bus.done[""] > 5


async def test_a_silent_unit_is_silent() -> None:
    bus = BadBus("tcp", lambda *_: None, seeded(1))
    assert bus.answer(ASKED) == []
    assert not bus.done
