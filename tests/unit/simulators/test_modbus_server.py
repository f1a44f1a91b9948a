"""Over a real socket, against pymodbus's client."""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators import modbus_server, slots
from simulators.building import Building
from simulators.slots import Line, Slot

SLOTS = {
    1: Slot("meter", 1, "lan", {(4, 0): struct.pack(">4H", 1, 2, 3, 4), (4, 10): b"\0\x09"}),
    2: Slot("pump", 2, "lan", {(2, 0): bytes([1, 0, 0, 0, 0, 0, 0, 0, 1])}),
    3: Slot("gone", 3, "lan", {(4, 0): b"\0\1"}, silent=True),
    4: Slot("dark", 4, "lan", {(4, 0): b"\0\1"}, dead=True),
}


@pytest.fixture
async def client() -> AsyncIterator[AsyncModbusTcpClient]:
    server = await modbus_server.serve(SLOTS, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=0.3, retries=0)
    await made.connect()
    yield made
    made.close()
    server.close()


async def test_registers_are_read(client: AsyncModbusTcpClient) -> None:
    answer = await client.read_input_registers(1, count=3, device_id=1)
    assert answer.registers == [2, 3, 4]


async def test_bits_are_read(client: AsyncModbusTcpClient) -> None:
    answer = await client.read_discrete_inputs(0, count=9, device_id=2)
    assert answer.bits[:9] == [True, False, False, False, False, False, False, False, True]


@pytest.mark.parametrize(
    ("address", "count", "device", "code"),
    [
        pytest.param(0, 5, 1, 2, id="past the end"),
        pytest.param(3, 8, 1, 2, id="across a hole the device does not have"),
        pytest.param(0, 1, 9, 11, id="no such unit on the bus"),
    ],
)
async def test_what_is_not_there_is_an_exception(
    client: AsyncModbusTcpClient, address: int, count: int, device: int, code: int
) -> None:
    answer = await client.read_input_registers(address, count=count, device_id=device)
    assert answer.exception_code == code


async def test_nothing_can_be_written(client: AsyncModbusTcpClient) -> None:
    for answer in (
        await client.write_register(0, 1, device_id=1),
        await client.write_registers(0, [1, 2], device_id=1),
        await client.write_coil(0, value=True, device_id=1),
    ):
        assert answer.exception_code == 1


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        pytest.param("0400000000", "8403", id="no register"),
        pytest.param("040000007e", "8403", id="126 registers"),
        pytest.param("0400", "8403", id="cut short"),
        pytest.param("2b0e0100", "ab01", id="device identification"),
        pytest.param("0400010002", "040400020003", id="two registers"),
    ],
)
def test_answers(request_: str, answer: str) -> None:
    found = modbus_server.answer(SLOTS, 1, bytes.fromhex(request_))
    assert found is not None
    assert found.hex() == answer


async def test_a_silent_unit_holds_up_nobody_else() -> None:
    server = await modbus_server.serve(SLOTS, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    to_silent, to_meter = (
        struct.pack(">HHHBBHH", number, 0, 6, unit, 4, 0, 1) for number, unit in ((1, 3), (2, 1))
    )
    writer.write(to_silent + to_meter[:5])  # the second request comes in two pieces
    await writer.drain()
    writer.write(to_meter[5:])
    assert (await reader.readexactly(11)).hex() == "0002000000050104020001"
    writer.close()
    server.close()


async def test_what_is_no_modbus_is_hung_up_on() -> None:
    server = await modbus_server.serve(SLOTS, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.read() == b""
    writer.close()
    server.close()


@pytest.mark.serves("A10")
async def test_every_unit_of_a_bus_answers_under_its_number(building: Building) -> None:
    server = await modbus_server.serve(building.bus("meters"), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    answer = await client.read_input_registers(0x34, count=2, device_id=1)
    (watts,) = struct.unpack(">f", struct.pack(">2H", *answer.registers))
    assert watts == pytest.approx(building.power_w("main-1", building.at_ms), rel=1e-6)
    client.close()
    server.close()


def test_a_device_without_power_answers_nothing() -> None:
    assert modbus_server.answer(SLOTS, 4, bytes.fromhex("0400000001")) is None


async def test_a_slow_device_answers_late_and_holds_up_nobody_else() -> None:
    slots = {
        1: Slot("slow", 1, "lan", {(4, 0): b"\0\7"}, delay_ms=200),
        2: Slot("quick", 2, "lan", {(4, 0): b"\0\x08"}),
    }
    server = await modbus_server.serve(slots, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    began = asyncio.get_running_loop().time()
    writer.write(b"".join(struct.pack(">HHHBBHH", unit, 0, 6, unit, 4, 0, 1) for unit in (1, 2)))
    assert (await reader.readexactly(11)).hex() == "0002000000050204020008"
    assert (await reader.readexactly(11)).hex() == "0001000000050104020007"
    assert asyncio.get_running_loop().time() - began >= 0.19
    writer.close()
    server.close()


def test_noise_spoils_its_share_of_answers_in_every_way_and_seeded() -> None:
    line, same = Line("lan", seed=3), Line("lan", seed=3)
    assert [line.spoil() for _ in range(100)] == [None] * 100
    line.share = same.share = 0.3
    spoilt = [line.spoil() for _ in range(2_000)]
    assert spoilt == [same.spoil() for _ in range(2_000)]
    counts = Counter(spoilt)
    assert 0.25 < 1 - counts[None] / 2_000 < 0.35
    assert set(counts) == {None, "lost", "late", "short", "foreign", "gateway"}
    assert line.spoilt == 2_000 - counts[None]


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        pytest.param("lost", "", id="lost"),
        pytest.param("late", "00070000000701040400010002", id="late"),
        pytest.param("short", "00070000000401040400", id="short: its byte count is too high"),
        pytest.param("foreign", "55520000000701040400010002", id="of another request"),
        pytest.param("gateway", "00070000000301840b", id="the gateway heard nothing"),
    ],
)
def test_what_noise_makes_of_an_answer(how: slots.Spoilt, answer: str) -> None:
    whole = bytes.fromhex("00070000000701040400010002")
    assert modbus_server.spoilt(how, whole).hex() == answer


async def test_a_noisy_line_spoils_what_the_server_answers() -> None:
    line = Line("lan", seed=1)
    line.share, line.choices = 1.0, ("foreign",)
    server = await modbus_server.serve(SLOTS, "127.0.0.1", 0, line)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(struct.pack(">HHHBBHH", 7, 0, 6, 1, 4, 0, 1))
    assert (await reader.readexactly(11)).hex() == "5552000000050104020001"
    line.share = 0.0
    writer.write(struct.pack(">HHHBBHH", 7, 0, 6, 1, 4, 0, 1))
    assert (await reader.readexactly(11)).hex() == "0007000000050104020001"
    writer.close()
    server.close()
