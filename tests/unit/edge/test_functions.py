"""Functions 1 to 4 over real connections, and that nothing else but one coil is ever written."""

import ast
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge import plan
from edge.alone import Coil
from edge.decode import Decoder
from edge.drivers.modbus import _REQUESTS, Line, Request, request
from edge.plan import Block
from tests.fakes import FixedClock
from tests.fakes_modbus import FakeDevice, listening
from tests.fakes_rtu import on_serial, over_tcp
from watchkeeper import profile
from watchkeeper.documents import Text
from watchkeeper.profile import Modbus, Point
from watchkeeper.site import ModbusRtuTcp, ModbusTcp

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = ("adapters", "broker", "dashboard", "edge", "gateway", "ops", "server", "simulators",
           "watchkeeper")  # fmt: skip
# Where no answer begins or ends at a multiple of 8, and one bit stands at the last address.
BITS = {3: 1, 4: 0, 10: 1, 11: 1, 20: 0, 27: 1, 1999: 1, 65535: 1}
WORDS = {7: 0x0102, 8: 0xFFFE, 100: 0x4366, 101: 0x8000, 65535: 9}


@asynccontextmanager
async def line(kind: str, device: FakeDevice) -> AsyncIterator[Line]:
    """Give a connection of a kind to the device."""
    if kind == "tcp":
        async with listening(device) as port:
            made = Line(ModbusTcp("127.0.0.1", port))
            yield made
            made.close()
    elif kind == "rtu":
        async with on_serial(device) as where:
            made = Line(where)
            yield made
            made.close()
    else:
        async with over_tcp(device) as port:
            made = Line(ModbusRtuTcp("127.0.0.1", port))
            yield made
            made.close()


def point(address: int, word: str, function: int) -> Point:
    return Point(f"p{address}", Text("", ""), address, word, function=function)  # type: ignore[arg-type]


async def read(bus: Line, points: list[Point], modbus: Modbus) -> dict[str, float]:
    """Return the values of the points, block by block."""
    found: dict[str, float] = {}
    for block in plan.blocks(points, modbus):
        data = await bus.read(request(1, block, 1.0))
        values = Decoder(block, points, modbus, [1.0] * len(points))(data)
        found |= {points[n].id: v for n, v in zip(block.points, values.tolist(), strict=True)}
    return found


@pytest.mark.serves("A1")
@pytest.mark.parametrize("kind", ["tcp", "rtu", "rtu over tcp"])
@pytest.mark.parametrize("max_hole", [0, 2], ids=["apart", "together"])
async def test_each_function_reads_its_own_registers(kind: str, max_hole: int) -> None:
    device = FakeDevice()
    for function in (1, 2):
        for address in range(2000):
            # The other function and the bits between hold the opposite.
            device.put(1, address, BITS.get(address, 0) ^ (function - 1), function=function)
        device.put(1, 65535, 1 ^ (function - 1), function=function)
    for function in (3, 4):
        for address, word in WORDS.items():
            device.put(1, address, word ^ (function - 3), function=function)
    coils = [point(address, "bool", function) for function in (1, 2) for address in BITS]
    types = {7: "uint16", 8: "int16", 100: "float32", 65535: "uint16"}
    held = [
        point(address, word, function) for function in (3, 4) for address, word in types.items()
    ]
    modbus = Modbus(max_hole=max_hole)
    async with line(kind, device) as bus:
        assert await read(bus, coils[: len(BITS)], modbus) == {f"p{a}": b for a, b in BITS.items()}
        assert await read(bus, coils[len(BITS) :], modbus) == {
            f"p{a}": 1 - b for a, b in BITS.items()
        }
        assert await read(bus, held[:4], modbus) == {
            "p7": 258, "p8": -2, "p100": 230.5, "p65535": 9,
        }  # fmt: skip
        # In the lowest bit of every word: 0x0103, 0xFFFF, 0x43678001, 0x0008.
        assert await read(bus, held[4:], modbus) == {
            "p7": 259, "p8": -1, "p100": 231.50001525878906, "p65535": 8,
        }  # fmt: skip
    assert {function for _, function, *_ in device.asked} == {1, 2, 3, 4}
    if max_hole:
        assert (1, 1, 3, 25) in device.asked  # bits 3 to 27: 25 of them, in four bytes


@pytest.mark.parametrize("kind", ["tcp", "rtu", "rtu over tcp"])
@pytest.mark.parametrize("function", [1, 2])
async def test_the_longest_answer_of_bits_is_read(kind: str, function: int) -> None:
    device = FakeDevice()
    for address in range(5, 2005):
        device.put(1, address, address % 3 == 0, function=function)
    block = Block("normal", function, 5, 2000, ())
    async with line(kind, device) as bus:
        data = await bus.read(request(1, block, 1.0))
    assert len(data) == 250
    assert [data[n // 8] >> n % 8 & 1 for n in range(2000)] == [
        address % 3 == 0 for address in range(5, 2005)
    ]


# What follows is the promise that nothing is written: by no profile, no driver, no other code.
# Registers and coils of the maps that command a device, by profile, function and address.
COMMANDS = {
    "abb-acs": [(3, 0), (3, 1)],  # control word, reference
    "comap-intelilite4": [(1, 4700)],  # starts and stops
    "danfoss-fc102": [(3, 49999), (3, 50009)],  # bus control word, reference
    "dse-7320": [(3, 4104), (3, 4105)],  # control key and its complement
    "level-transmitter": [(3, 0), (3, 1), (3, 12), (3, 15)],  # address, speed, zero, save
    "monarch-nice3000": [(3, address) for address in (0x4000, *range(0x6000, 0x6005))],
    "schneider-pm5110": [(3, address) for address in range(4999, 6000)],
    "schneider-pm5300": [(3, address) for address in range(4999, 6000)],
    "xy-md02": [(3, address) for address in range(0x0101, 0x0105)],  # address, speed, corrections
    "ya-k300-s": [(3, 5), (3, 6), (3, 7)],  # range, thresholds
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_commands_a_device_is_no_point_of_its_profile(name: str) -> None:
    of = profile.load(ROOT / f"catalog/profiles/{name}.yaml")
    for each in of.points:
        function = each.function or of.modbus.function
        taken = {(function, each.address + n) for n in range(each.registers)}
        assert not taken & set(COMMANDS[name]), each.id


@pytest.mark.serves("A9")
def test_the_driver_reads_with_functions_1_to_4_and_knows_no_other() -> None:
    assert set(_REQUESTS) == {1, 2, 3, 4}
    for function in _REQUESTS:
        asked = request(7, Block("normal", function, 0x1234, 5, ()), 1.0)
        assert asked.pdu.function_code == function
        assert asked.pdu.encode() == b"\x12\x34\x00\x05"
    for function in (0, 5, 6, 15, 16, 22, 23, 43):
        with pytest.raises(KeyError):
            request(7, Block("normal", function, 0, 1, ()), 1.0)


@pytest.mark.serves("A9")
@pytest.mark.parametrize("address", [0, 4, 4700, 65535])
async def test_only_the_named_coil_is_written(address: int) -> None:
    asked: list[Request] = []
    held = [0]

    async def ask(request_: Request) -> bytes:
        asked.append(request_)
        if request_.function == 5:
            held[0] = int(request_.pdu.encode()[2:] == b"\xff\x00")
            return request_.pdu.encode()
        return bytes(held)

    coil = Coil(ask, FixedClock(), 9, address)
    for on in (False, True, True, False):
        await coil.switch(on=on)
    wire = address.to_bytes(2, "big")
    assert {each.unit for each in asked} == {9}
    assert {(each.function, each.pdu.encode()) for each in asked} == {
        (1, wire + b"\x00\x01"), (5, wire + b"\xff\x00"), (5, wire + b"\x00\x00"),
    }  # fmt: skip


def names(path: Path) -> set[str]:
    """Return every name a module speaks of: imported, called, an attribute."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {part for alias in node.names for part in (alias.name, alias.asname or "")}
    return found


def writes(name: str) -> bool:
    """Return whether a name is one that pymodbus, or our driver, writes a device with."""
    pdu = name.endswith("Request") and ("Write" in name or "Mask" in name)
    return pdu or name.startswith(("write_coil", "write_register", "mask_write", "readwrite_"))


@pytest.mark.serves("A9")
def test_no_other_code_can_write_a_device() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for package in PRODUCT
        for path in (ROOT / package).rglob("*.py")
        for name in names(path)
        if writes(name)
    }
    assert found == {
        ("edge/drivers/modbus.py", "WriteSingleCoilRequest"),
        ("edge/alone.py", "write_coil"),
    }
    # And the one there is is called at one place, in the coil that was named.
    calls = (ROOT / "edge/alone.py").read_text("utf-8").count("write_coil(")
    assert calls == 1
