import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from adapters.system_clock import SystemClock
from edge import plan
from edge.channel import Out
from edge.drivers.modbus import Line
from edge.learned import Learned
from edge.poll import LONGEST_REST_S, PolledUnit, Poller
from tests.fakes_modbus import FakeDevice, frame, listening, until
from watchkeeper.batch import Floats, Marks, Series
from watchkeeper.documents import Text
from watchkeeper.profile import Modbus, Point, Profile, Rate
from watchkeeper.quality import Quality
from watchkeeper.site import ModbusTcp, Unit
from watchkeeper.wire import Event

PERIODS: dict[Rate, float] = {"life_safety": 0.02, "normal": 0.05, "slow": 0.5}


class Recorder(Out):
    """Keeps what is reported: the newest per alias, and all events."""

    def __init__(self) -> None:
        self.value: dict[int, float] = {}
        self.quality: dict[int, int] = {}
        self.history: list[tuple[int, float, int]] = []
        self.seen: list[Event] = []
        self.newest = 0

    @override
    def readings(self, at: int, aliases: Series, values: Floats, quality: Marks) -> None:
        for alias, value, code in zip(
            aliases.tolist(), values.tolist(), quality.tolist(), strict=True
        ):
            self.value[alias], self.quality[alias] = value, code
            self.history.append((alias, value, code))
        self.newest = at

    @override
    def events(self, events: Sequence[Event]) -> None:
        self.seen += events


def profile(*points: Point, timeout_s: float = 0.1) -> Profile:
    return Profile(
        "test", Text("", ""), "electricity_meter", "test", list(points),
        Modbus(function=3, timeout_s=timeout_s),
    )  # fmt: skip


def point(address: int, **more: object) -> Point:
    return Point(f"p{address}", Text("", ""), address, "uint16", **more)  # type: ignore[arg-type]


@asynccontextmanager
async def polling(
    device: FakeDevice, units: dict[int, Profile], learned: Learned | None = None
) -> AsyncIterator[tuple[Recorder, Poller]]:
    """Poll units 1, 2, … of a device; aliases count from 100 times the unit."""
    out = Recorder()
    async with listening(device) as port:
        poller = Poller(
            Line(ModbusTcp("127.0.0.1", port)),
            SystemClock(),
            out,
            lambda *_: "id",
            periods_s=PERIODS,
            learned=learned,
        )
        for number, each in units.items():
            unit = Unit(f"unit-{number}", "test", "lan", number, "house")
            poller.add(unit, each, range(100 * number, 100 * number + len(each.points)))
        task = asyncio.create_task(poller.run())
        try:
            yield out, poller
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def device() -> FakeDevice:
    made = FakeDevice()
    for unit in (1, 2, 3):
        made.put(unit, 0, *range(10, 20))
    return made


@pytest.mark.serves("A1")
async def test_reports_values_and_their_changes(device: FakeDevice) -> None:
    async with polling(device, {1: profile(point(0), point(1))}) as (out, _):
        await until(lambda: out.value == {100: 10, 101: 11})
        device.put(1, 1, 99)
        await until(lambda: out.value[101] == 99)
        assert [each for each in out.history if each[0] == 100] == [(100, 10, 0)]


@pytest.mark.serves("A4")
async def test_a_silent_unit_becomes_unknown_and_the_others_go_on(device: FakeDevice) -> None:
    units = {number: profile(point(0)) for number in (1, 2)}
    async with polling(device, units) as (out, poller):
        await until(lambda: len(out.value) == 2)
        device.silent.add(1)
        await until(lambda: out.quality[100] == Quality.NO_ANSWER)
        before = poller.reads
        await until(lambda: poller.reads > before + 10)
        assert out.quality[200] == Quality.GOOD
        assert poller.ages()["unit-1"] > 1.0
        device.silent.clear()
        await until(lambda: out.quality[100] == Quality.GOOD)


@pytest.mark.serves("A3")
async def test_a_silent_unit_is_asked_ever_more_rarely(device: FakeDevice) -> None:
    device.silent.add(1)
    async with polling(device, {1: profile(point(0)), 2: profile(point(0))}) as (_, poller):
        await until(lambda: poller.units[0].misses == 4)
        assert poller.units[0].resume - SystemClock().tick() > 1.5
        asked = [each for each in device.asked if each[0] == 1]
        assert len(asked) == 4


@pytest.mark.serves("A4")
async def test_one_lost_answer_is_no_fault(device: FakeDevice) -> None:
    lost: list[bytes] = []

    def lose_one(question: bytes, right: bytes) -> bytes | None:
        if question[6] == 1 and not lost:
            lost.append(question)
            return None
        return right

    async with polling(device, {1: profile(point(0, point_class="life_safety"))}) as (out, poller):
        await until(lambda: 100 in out.value)
        device.trouble = lose_one
        await until(lambda: bool(lost) and poller.units[0].misses == 1)
        await until(lambda: poller.units[0].misses == 0)
        assert set(out.quality.values()) == {0}
        assert len(out.seen) == 1  # its first value, 10, is abnormal


@pytest.mark.serves("A3")
async def test_registers_a_device_does_not_have_cost_only_their_own_points(
    device: FakeDevice,
) -> None:
    del device.registers[1, 3, 4]
    points = [point(0), point(1), point(4), point(8), point(9)]
    async with polling(device, {1: profile(*points)}) as (out, _):
        await until(lambda: len(out.quality) == 5)
        assert out.quality == {100: 0, 101: 0, 102: Quality.REFUSED, 103: 0, 104: 0}
        device.asked.clear()
        await until(lambda: len(device.asked) > 6)
        assert all(address != 4 for _, _, address, _ in device.asked)


@pytest.mark.serves("A3")
async def test_what_a_device_does_not_have_is_known_after_a_restart(
    device: FakeDevice, tmp_path: Path
) -> None:
    del device.registers[1, 3, 4]
    each = {1: profile(point(0), point(4), point(9))}
    path = tmp_path / "learned.json"
    async with polling(device, each, Learned(path)) as (out, _):
        await until(lambda: len(out.quality) == 3)
    device.asked.clear()
    async with polling(device, each, Learned(path)) as (out, _):
        await until(lambda: len(out.quality) == 3 and len(device.asked) > 6)
    assert out.quality == {100: 0, 101: Quality.REFUSED, 102: 0}
    assert all(not address <= 4 < address + count for _, _, address, count in device.asked)


async def test_a_register_that_appears_is_read_when_its_time_comes(device: FakeDevice) -> None:
    learned, each = Learned(), {1: profile(point(0), point(4))}
    learned.refused("unit-1", plan.Block("normal", 3, 4, 1, (1,)), 0)
    async with polling(device, each, learned) as (out, _):
        await until(lambda: out.quality == {100: 0, 101: 0})
    assert learned.refusals == []
    assert (101, 14.0, 0) in out.history


async def test_a_refusal_of_another_profile_is_ignored(device: FakeDevice) -> None:
    learned = Learned()
    learned.refused("unit-1", plan.Block("normal", 3, 0, 7, (0,)), 1 << 50)
    async with polling(device, {1: profile(point(0), point(4))}, learned) as (out, _):
        await until(lambda: out.quality == {100: 0, 101: 0})


@pytest.mark.serves("A3")
def test_the_rest_of_a_silent_unit_grows_to_five_minutes() -> None:
    unit = PolledUnit(Unit("u", "test", "lan", 1, "house"), profile(), [], [], 0.0, LONGEST_REST_S)
    rests = []
    for _ in range(12):
        unit.missed(0.0)
        unit.rest(0.0)
        rests.append(unit.resume)
    assert rests[:5] == [1, 1, 2, 4, 8]
    assert rests[-1] == 300


async def test_a_unit_is_not_left_alone_for_longer_while_no_other_answers_either() -> None:
    unit = PolledUnit(Unit("u", "test", "lan", 1, "house"), profile(), [], [], 0.0, LONGEST_REST_S)
    for _ in range(12):
        unit.rest(5.0, others=False)
    assert unit.resume == 6.0


@pytest.mark.serves("A1")
async def test_a_lost_connection_is_no_dead_unit_and_is_made_again_at_once(
    device: FakeDevice,
) -> None:
    def hang_up(_question: bytes, _right: bytes) -> None:
        device.trouble = None
        device.hang_up()

    async with polling(device, {1: profile(point(0))}) as (out, poller):
        await until(lambda: out.quality == {100: 0})
        before = poller.reads
        device.trouble = hang_up
        await until(lambda: device.connections == 2 and poller.reads > before + 1)
        assert poller.units[0].resume == 0.0
        assert poller.units[0].misses == 0


async def test_a_unit_that_always_hangs_up_is_asked_ever_more_rarely(device: FakeDevice) -> None:
    def hang_up(question: bytes, right: bytes) -> bytes | None:
        return device.hang_up() if question[6] == 1 else right

    device.trouble = hang_up
    async with polling(device, {1: profile(point(0)), 2: profile(point(0))}) as (_, poller):
        await until(lambda: poller.units[0].rests == 3)
        assert len([each for each in device.asked if each[0] == 1]) <= 6
        assert poller.units[0].resume - SystemClock().tick() > 1.5


async def test_a_busy_device_keeps_its_block(device: FakeDevice) -> None:
    device.trouble = lambda question, _: frame(question, b"\x83\x06")
    async with polling(device, {1: profile(point(0), point(5))}) as (out, poller):
        await until(lambda: out.quality == {100: Quality.REFUSED, 101: Quality.REFUSED})
        device.trouble = None
        await until(lambda: out.quality == {100: 0, 101: 0})
        assert len(list(poller.channels())) == 1


@pytest.mark.serves("A7")
async def test_life_safety_is_read_first_and_most_often(device: FakeDevice) -> None:
    units = {1: profile(point(0)), 2: profile(point(0, point_class="life_safety"))}
    async with polling(device, units) as (_, poller):
        await until(lambda: poller.reads > 30)
    order = [unit for unit, *_ in device.asked]
    assert order[0] == 2
    assert order.count(2) > order.count(1)


@pytest.mark.serves("A7")
async def test_a_change_of_a_life_safety_point_is_an_event(device: FakeDevice) -> None:
    device.put(1, 0, 0)
    async with polling(device, {1: profile(point(0, point_class="life_safety"))}) as (out, _):
        await until(lambda: 100 in out.value)
        device.put(1, 0, 1)
        await until(lambda: len(out.seen) == 1)
        assert (out.seen[0].before, out.seen[0].after, out.seen[0].alias) == (0, 1, 100)


async def test_a_bus_that_goes_away_and_comes_back(device: FakeDevice) -> None:
    out = Recorder()
    async with listening(device) as port:
        poller = Poller(
            Line(ModbusTcp("127.0.0.1", port)),
            SystemClock(),
            out,
            lambda *_: "id",
            periods_s=PERIODS,
        )
        poller.add(Unit("unit-1", "test", "lan", 1, "house"), profile(point(0)), [7])
        task = asyncio.create_task(poller.run())
        await until(lambda: out.quality == {7: 0})
    await until(lambda: out.quality == {7: Quality.NO_ANSWER})
    assert SystemClock().tick() - poller.beat < 2.0
    async with listening(device, port):
        await until(lambda: out.quality == {7: 0})
        task.cancel()
        await asyncio.wait([task])
