"""Every device profile against registers written from the map, not from the profile.

A golden file says what stands in the registers, word by word in hexadecimal, and what a person
reads from it; the arithmetic is beside each word. Nothing of it was made by the decoder.
"""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import Struct
from typing_extensions import override

from adapters.system_clock import SystemClock
from edge.channel import Out
from edge.decode import Decoder, decode
from edge.drivers.modbus import Line
from edge.judge import Judge
from edge.plan import BITS, Block, blocks
from edge.poll import Poller
from tests.fakes_modbus import FakeDevice, listening, until
from watchkeeper import documents, profile
from watchkeeper.batch import Floats, Marks, Series
from watchkeeper.profile import Profile, Rate
from watchkeeper.quality import FIRST_BAD
from watchkeeper.site import ModbusTcp, Unit, transformed
from watchkeeper.wire import Event

FOLDER = Path(__file__).parent / "profiles"
CATALOG = Path(__file__).resolve().parents[2] / "catalog/profiles"
FOUND = {path.stem: profile.load(path) for path in sorted(CATALOG.glob("*.yaml"))}
PROFILES = {name: each for name, each in FOUND.items() if not each.of_components}
ONCE: dict[Rate, float] = dict.fromkeys(("life_safety", "normal", "slow"), 3600.0)
UNUSED = 0xA55A  # what stands between the registers of the map: read by mistake, it shows


class Golden(Struct, frozen=True, forbid_unknown_fields=True):
    """Registers of a device and what they mean."""

    profile: str
    registers: dict[int, dict[int, str]]  # by function and address, words in hexadecimal
    values: dict[str, float]  # of every point
    absent: dict[str, list[str]] = {}  # point: registers that mean "no value"
    ct: str = ""  # of the unit

    def words(self) -> dict[tuple[int, int], int]:
        """Return what stands at each function and address."""
        return {
            (function, address + n): int(word, 16)
            for function, rows in self.registers.items()
            for address, row in rows.items()
            for n, word in enumerate(row.split())
        }


class Heard(Out):
    """Keeps what the poller reports, by alias."""

    def __init__(self) -> None:
        self.value: dict[int, float] = {}
        self.quality: dict[int, int] = {}

    @override
    def readings(self, at: int, aliases: Series, values: Floats, quality: Marks) -> None:
        self.value |= dict(zip(aliases.tolist(), values.tolist(), strict=True))
        self.quality |= dict(zip(aliases.tolist(), quality.tolist(), strict=True))

    @override
    def events(self, events: Sequence[Event]) -> None:
        """Leave them: what they say is in the readings too."""


def golden(name: str) -> Golden:
    return documents.read(FOLDER / f"{name}.yaml", Golden, "wk.golden/1")


def device(name: str, planned: Sequence[Block]) -> FakeDevice:
    """Return a device, unit 1, with the golden registers; other planned ones hold a wrong word."""
    made, words = FakeDevice(), golden(name).words()
    for block in planned:
        for address in range(block.address, block.address + block.count):
            unused = 0 if block.function in BITS else UNUSED
            word = words.get((block.function, address), unused)
            made.put(1, address, word, function=block.function)
    return made


def decoded(name: str) -> dict[str, float]:
    """Return what the edge makes of the golden registers, block by block as it plans them."""
    of, unit = PROFILES[name], Unit("device", name, ct=golden(name).ct)
    planned = blocks(of.points, of.modbus)
    fake = device(name, planned)
    values: dict[str, float] = {}
    for block in planned:
        data = fake.body(1, block.function, block.address, block.count)[2:]
        made = Decoder(block, of.points, of.modbus, [transformed(p, unit) for p in of.points])(data)
        points = [of.points[position] for position in block.points]
        assert (Judge(points)(made) < FIRST_BAD).all()
        values |= dict(zip((point.id for point in points), made.tolist(), strict=True))
    return values


def test_there_are_enough_devices_and_each_has_its_registers() -> None:
    assert len(PROFILES) >= 25
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(PROFILES)


@pytest.mark.serves("A2")
@pytest.mark.parametrize("name", PROFILES)
def test_every_point_is_what_the_makers_map_says(name: str) -> None:
    expected = golden(name)
    assert expected.profile == PROFILES[name].id == name
    assert decoded(name) == pytest.approx(expected.values, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in PROFILES if golden(name).absent])
def test_what_the_device_says_when_it_has_no_value_is_none(name: str) -> None:
    of, absent = PROFILES[name], golden(name).absent
    points = {point.id: point for point in of.points}
    for key, codes in absent.items():
        for code in codes:
            assert math.isnan(decode(points[key], bytes.fromhex(code), of.modbus)), (key, code)
        assert len(codes) == len(points[key].not_available), key


@pytest.mark.parametrize("name", PROFILES)
def test_no_code_for_no_value_goes_without_its_registers(name: str) -> None:
    coded = {point.id for point in PROFILES[name].points if point.not_available}
    assert set(golden(name).absent) == coded


async def read_once(name: str, of: Profile) -> tuple[Heard, FakeDevice]:
    """Poll a device with the golden registers over a socket until each block was read."""
    heard, aliases = Heard(), range(len(of.points))
    fake = device(name, blocks(of.points, of.modbus))
    async with listening(fake) as port:
        line = Line(ModbusTcp("127.0.0.1", port))
        poller = Poller(line, SystemClock(), heard, lambda *_: "id", periods_s=ONCE)
        unit = Unit("device", name, "lan", 1, "house", ct=golden(name).ct)
        poller.add(unit, of, aliases)
        task = asyncio.create_task(poller.run())
        try:
            await until(lambda: len(heard.value) == len(aliases))
        finally:
            task.cancel()
            await asyncio.wait([task])
    return heard, fake


@pytest.mark.serves("A1")
@pytest.mark.parametrize("name", PROFILES)
async def test_the_edge_reads_it_once_over_modbus(name: str) -> None:
    of = PROFILES[name]
    heard, fake = await read_once(name, of)
    values = [golden(name).values[point.id] for point in of.points]
    assert [heard.value[alias] for alias in range(len(values))] == pytest.approx(values, rel=1e-12)
    assert set(heard.quality.values()) == {0}
    planned = blocks(of.points, of.modbus)
    assert sorted(fake.asked) == sorted((1, b.function, b.address, b.count) for b in planned)
