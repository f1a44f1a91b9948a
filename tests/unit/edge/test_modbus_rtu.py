import asyncio
import os
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from adapters.system_clock import SystemClock
from edge.drivers.modbus import Line, LineDown, NoAnswer, Refused, Request, line_of, request
from edge.drivers.modbus_serial import control_flags
from edge.plan import Block
from edge.poll import Poller
from tests.fakes_modbus import FakeDevice, until
from tests.fakes_rtu import on_serial, over_tcp, rtu
from tests.unit.edge.test_poll import PERIODS, Recorder, point, profile
from watchkeeper.site import Bus, ModbusRtu, ModbusRtuTcp, Unit

BLOCK = Block("normal", 3, 100, 2, (0, 1))


def asked(timeout_s: float = 0.2, unit: int = 1, block: Block = BLOCK) -> Request:
    return request(unit, block, timeout_s)


@asynccontextmanager
async def line(kind: str, device: FakeDevice) -> AsyncIterator[Line]:
    """Give a line of a kind to the device."""
    if kind == "serial":
        async with on_serial(device) as where:
            made = Line(where)
            yield made
            made.close()
    else:
        async with over_tcp(device) as port:
            made = Line(ModbusRtuTcp("127.0.0.1", port))
            yield made
            made.close()


@pytest.fixture(params=["serial", "tcp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def device() -> FakeDevice:
    made = FakeDevice()
    made.put(1, 100, 0x0102, 0x0304)
    made.put(2, 100, 0x0A0B, 0x0C0D)
    return made


@pytest.mark.serves("A1")
async def test_reads_the_units_of_a_line(kind: str, device: FakeDevice) -> None:
    async with line(kind, device) as bus:
        assert await bus.read(asked()) == b"\1\2\3\4"
        assert await bus.read(asked(unit=2)) == b"\x0a\x0b\x0c\x0d"


async def test_reads_the_longest_answer(kind: str, device: FakeDevice) -> None:
    device.put(1, 0, *range(125))
    block = Block("normal", 3, 0, 125, (0,))
    async with line(kind, device) as bus:
        assert len(await bus.read(asked(block=block))) == 250


async def test_says_which_exception_a_device_answered(kind: str, device: FakeDevice) -> None:
    async with line(kind, device) as bus:
        with pytest.raises(Refused) as refused:
            await bus.read(asked(block=Block("normal", 3, 7, 1, (0,))))
        assert refused.value.code == 2
        assert await bus.read(asked()) == b"\1\2\3\4"


WRONG = [
    pytest.param(lambda _q, _r: None, id="silence"),
    pytest.param(lambda _q, r: r[:-1] + bytes([r[-1] ^ 1]), id="checksum"),
    pytest.param(lambda _q, r: rtu(b"\2" + r[1:-2]), id="other unit"),
    pytest.param(lambda _q, _r: rtu(b"\1\3\2\1\2"), id="short"),
    pytest.param(lambda _q, _r: rtu(b"\1\3\6" + bytes(6)), id="long"),
    pytest.param(lambda _q, _r: rtu(b"\1\4\4\1\2\3\4"), id="other function"),
    pytest.param(lambda _q, r: r[:5], id="cut"),
    pytest.param(lambda _q, _r: b"\xff" * 30, id="noise"),
]


@pytest.mark.serves("A1")
@pytest.mark.parametrize("wrong", WRONG)
async def test_no_wrong_answer_is_taken_and_the_next_one_is(
    kind: str, device: FakeDevice, wrong: Callable[[bytes, bytes], bytes | None]
) -> None:
    device.trouble = wrong
    async with line(kind, device) as bus:
        with pytest.raises(NoAnswer):
            await bus.read(asked(0.05))
        device.trouble = None
        assert await bus.read(asked()) == b"\1\2\3\4"


async def test_what_came_while_nobody_asked_is_thrown_away(device: FakeDevice) -> None:
    late: list[bytes] = []

    def hold(_question: bytes, right: bytes) -> bytes | None:
        late.append(right)
        return None if len(late) == 1 else late[0] + right

    device.trouble = hold
    async with line("serial", device) as bus:
        with pytest.raises(NoAnswer):
            await bus.read(asked(0.05))
        # The late answer of unit 1 stands before the one of unit 2.
        with pytest.raises(NoAnswer):
            await bus.read(asked(0.05, unit=2))
        device.trouble = None
        assert await bus.read(asked(unit=2)) == b"\x0a\x0b\x0c\x0d"


async def test_a_port_that_is_not_there_is_a_line_that_is_down() -> None:
    with pytest.raises(LineDown):
        await Line(ModbusRtu("/dev/no-such-port")).read(asked())


async def test_a_file_is_no_port() -> None:
    with pytest.raises(LineDown):
        await Line(ModbusRtu(os.devnull)).read(asked())


async def test_a_port_belongs_to_one_program(device: FakeDevice) -> None:
    async with on_serial(device) as where:
        first, second = Line(where), Line(where)
        await first.read(asked())
        with pytest.raises(LineDown):
            await second.read(asked())
        first.close()
        assert await second.read(asked()) == b"\1\2\3\4"
        second.close()


async def test_a_cable_that_is_pulled_is_noticed_before_the_time_out() -> None:
    near, far = os.openpty()
    bus = Line(ModbusRtu(os.ttyname(far)))
    asking = asyncio.create_task(bus.read(asked(timeout_s=50)))
    os.set_blocking(near, False)
    got: list[bytes] = []
    asyncio.get_running_loop().add_reader(near, lambda: got.append(os.read(near, 64)))
    await until(lambda: bool(got))
    asyncio.get_running_loop().remove_reader(near)
    os.close(near)
    with pytest.raises(NoAnswer):
        await asking
    os.close(far)


@pytest.mark.parametrize(
    ("parity", "stop", "flags"),
    [
        ("N", 1, 0),
        ("E", 1, termios.PARENB),
        ("O", 1, termios.PARENB | termios.PARODD),
        ("N", 2, termios.CSTOPB),
    ],
)
def test_parity_and_stop_bits_are_set(
    parity: Literal["N", "E", "O"], stop: Literal[1, 2], flags: int
) -> None:
    # A pseudo-terminal takes no parity: here are the flags a real port gets.
    found = control_flags(ModbusRtu("/dev/ttyUSB0", 9600, parity, stop))
    assert found & ~(termios.CREAD | termios.CLOCAL) == termios.CS8 | flags


@pytest.mark.parametrize("stop", [1, 2])
async def test_each_speed_is_known_to_the_system(device: FakeDevice, stop: Literal[1, 2]) -> None:
    async with on_serial(device) as where:
        for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200):
            bus = Line(ModbusRtu(where.port, baud, "N", stop))
            assert await bus.read(asked()) == b"\1\2\3\4"
            bus.close()


def test_a_bus_says_what_its_line_is() -> None:
    made = line_of(Bus("b1", modbus_rtu=ModbusRtu("/dev/ttyUSB0")))
    assert (made.name, made.where) == ("b1", ModbusRtu("/dev/ttyUSB0"))
    with pytest.raises(ValueError, match="no Modbus bus"):
        line_of(Bus("b2"))


@pytest.mark.serves("A3")
async def test_a_slow_line_is_shared_fairly(device: FakeDevice) -> None:
    for unit in (1, 2, 3):
        device.put(unit, 0, *range(10))
    async with on_serial(device) as where:
        out = Recorder()
        poller = Poller(Line(where), SystemClock(), out, lambda *_: "id", periods_s=PERIODS | {
            "life_safety": 0.001, "normal": 0.001,
        })  # fmt: skip
        for number in (1, 2, 3):
            unit = Unit(f"unit-{number}", "test", "rs485", number, "house")
            poller.add(unit, profile(point(0)), [number])
        task = asyncio.create_task(poller.run())
        await until(lambda: poller.reads > 60)
        task.cancel()
        await asyncio.wait([task])
    order = [unit for unit, *_ in device.asked[:60]]
    assert [order.count(unit) for unit in (1, 2, 3)] == [20, 20, 20]
