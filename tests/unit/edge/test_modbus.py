import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from edge.drivers.modbus import Broken, Line, LineDown, NoAnswer, Refused, Request, request
from edge.plan import Block
from tests.fakes_modbus import FakeDevice, frame, listening
from tests.parts import free_port
from watchkeeper.site import ModbusTcp

BLOCK = Block("normal", 3, 100, 2, (0, 1))


def asked(timeout_s: float = 0.2, block: Block = BLOCK) -> Request:
    return request(1, block, timeout_s)


@asynccontextmanager
async def line(device: FakeDevice) -> AsyncIterator[Line]:
    async with listening(device) as port:
        made = Line(ModbusTcp("127.0.0.1", port))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def device() -> FakeDevice:
    made = FakeDevice()
    made.put(1, 100, 0x0102, 0x0304)
    return made


@pytest.mark.serves("A1")
async def test_gives_the_bytes_of_the_answer(device: FakeDevice) -> None:
    async with line(device) as bus:
        assert await bus.read(asked()) == b"\1\2\3\4"


@pytest.mark.parametrize("function", [1, 2])
async def test_reads_bits(device: FakeDevice, function: int) -> None:
    device.put(1, 7, 1, 0, 0, 0, 0, 0, 0, 0, 1, function=function)
    async with line(device) as bus:
        block = Block("normal", function, 7, 9, (0,))
        assert await bus.read(asked(block=block)) == b"\1\1"


async def test_says_which_exception_a_device_answered(device: FakeDevice) -> None:
    device.registers.clear()
    async with line(device) as bus:
        with pytest.raises(Refused) as refused:
            await bus.read(asked())
        assert refused.value.code == 2
        with pytest.raises(Refused):
            await bus.read(asked())
    assert device.connections == 1


async def test_a_gateway_that_cannot_reach_the_device_is_no_answer(device: FakeDevice) -> None:
    device.trouble = lambda question, _: frame(question, b"\x83\x0b")
    async with line(device) as bus:
        with pytest.raises(NoAnswer):
            await bus.read(asked())


def other_transaction(question: bytes, right: bytes) -> bytes:
    return struct.pack(">H", struct.unpack(">H", question[:2])[0] + 1 & 0xFFFF) + right[2:]


WRONG = [
    pytest.param(lambda _q, _r: None, id="silence"),
    pytest.param(other_transaction, id="other transaction"),
    pytest.param(lambda _q, r: b"\0\0" + r[2:], id="no transaction"),
    pytest.param(lambda _q, r: r[:6] + b"\2" + r[7:], id="other unit"),
    pytest.param(lambda q, _r: frame(q, b"\x03\x02\1\2"), id="short"),
    pytest.param(lambda q, _r: frame(q, b"\x03\x06" + b"\1" * 6), id="long"),
    pytest.param(lambda q, _r: frame(q, b"\x03\x04\1\2"), id="says more"),
    pytest.param(lambda q, _r: frame(q, b"\x04\x04\1\2\3\4"), id="other function"),
    pytest.param(lambda _q, r: r[:10], id="cut"),
]


@pytest.mark.serves("A1")
@pytest.mark.parametrize("wrong", WRONG)
async def test_no_wrong_answer_is_taken_and_the_next_is_asked_on_a_new_connection(
    device: FakeDevice, wrong: Callable[[bytes, bytes], bytes | None]
) -> None:
    device.trouble = wrong
    async with line(device) as bus:
        with pytest.raises(NoAnswer):
            await bus.read(asked())
        device.trouble = None
        assert await bus.read(asked()) == b"\1\2\3\4"
    assert device.connections == 2


@pytest.mark.serves("A1")
async def test_an_answer_cut_short_is_not_filled_up_from_the_next_one(device: FakeDevice) -> None:
    device.trouble = lambda question, right: right[:-2] + other_transaction(question, right)
    async with line(device) as bus:
        with pytest.raises(Broken, match="more than an answer"):
            await bus.read(asked())


async def test_an_answer_that_comes_twice_is_taken_once(device: FakeDevice) -> None:
    device.trouble = lambda _question, right: right + right
    async with line(device) as bus:
        assert await bus.read(asked()) == b"\1\2\3\4"
        assert await bus.read(asked()) == b"\1\2\3\4"
    assert device.connections == 1


async def test_a_late_answer_is_not_taken_for_the_next_one(device: FakeDevice) -> None:
    late: list[bytes] = []

    def hold(_question: bytes, right: bytes) -> bytes | None:
        late.append(right)
        return None if len(late) == 1 else late[0] + right

    device.trouble = hold
    async with line(device) as bus:
        with pytest.raises(NoAnswer):
            await bus.read(asked())
        device.put(1, 100, 0x0909, 0x0909)
        assert await bus.read(asked()) == b"\x09\x09\x09\x09"


async def test_a_device_that_hangs_up_is_noticed_before_the_time_out(device: FakeDevice) -> None:
    def hang_up(_question: bytes, _right: bytes) -> None:
        device.hang_up()

    device.trouble = hang_up
    async with line(device) as bus:
        with pytest.raises(Broken):
            await bus.read(asked(timeout_s=50))


async def test_a_bus_nobody_listens_on_is_down() -> None:
    with pytest.raises(LineDown):
        await Line(ModbusTcp("127.0.0.1", free_port())).read(asked())
