"""The edge in one process, with a device on a socket and a broker the test holds in its hands."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from adapters.system_clock import SystemClock
from edge.agent import Agent, Means
from edge.publish import Self
from tests.fakes_bus import FakeBus
from tests.fakes_modbus import FakeDevice, listening, until
from watchkeeper import site, topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.profile import Rate

PERIODS: dict[Rate, float] = {"life_safety": 0.05, "normal": 0.05, "slow": 1.0}
PROFILE = """schema: wk.profile/1
id: tested
name: {zh: 测, en: Tested}
equipment: fire_panel
source: test
modbus: {function: 3, timeout_s: 0.2}
points:
  - {id: detector, name: {zh: a, en: a}, address: 0, type: uint16, class: life_safety}
"""
SITE = """schema: wk.site/1
site: {{id: here, name: {{zh: 此, en: Here}}}}
places: [{{id: house, name: {{zh: 楼, en: House}}}}]
edges:
  - id: plant
    buses: [{{id: lan, modbus_tcp: {{host: 127.0.0.1, port: {port}}}}}]
    units: [{{id: panel, profile: tested, bus: lan, unit: 1, place: house}}]
    alone: {{bus: lan, unit: 1, coil: 4}}
"""


class Skewed(SystemClock):
    """The computer's clock, wrong by as much as the test likes."""

    def __init__(self) -> None:
        self.wrong, self.ahead_s, self.known = timedelta(), 0.0, True

    @override
    def now(self) -> datetime:
        return super().now() + self.wrong

    @override
    def tick(self) -> float:
        return super().tick() + self.ahead_s


@asynccontextmanager
async def running(
    folder: Path, device: FakeDevice, clock: Skewed, more: str = ""
) -> AsyncIterator[tuple[Agent, FakeBus, FakeBus]]:
    (folder / "tested.yaml").write_text(PROFILE, "utf-8")
    async with listening(device) as port:
        text = SITE.format(port=port).replace("place: house}]", f"place: house}}{more}]")
        (folder / "site.yaml").write_text(text, "utf-8")
        plant = site.load(folder / "site.yaml", folder)
        points = site.born(plant.points())
        me = Self("here", "plant", "boot", "1", "c", points, wire.birth_hash(points))
        numbers = itertools.count(1)
        means = Means(
            clock, lambda: next(numbers), lambda: f"j{next(numbers)}", folder / "var", PERIODS,
            lambda: clock.known,
        )  # fmt: skip
        buses, stop = (FakeBus(), FakeBus()), asyncio.Event()
        agent = Agent(plant, plant.edge("plant"), me, means, buses)
        work = asyncio.create_task(agent.run(stop))
        try:
            yield agent, *buses
        finally:
            stop.set()
            await work


@pytest.fixture
def device() -> FakeDevice:
    made = FakeDevice()
    made.put(1, 0, 0)
    made.put(1, 4, 0, function=1)
    return made


@pytest.mark.serves("A9")
async def test_an_edge_nobody_hears_switches_its_output_until_it_is_heard(
    tmp_path: Path, device: FakeDevice
) -> None:
    clock = Skewed()
    async with running(tmp_path, device, clock) as (agent, bus, _):
        device.put(1, 0, 1)
        await until(lambda: agent.health()["events_open"] == 1)
        clock.ahead_s = 61.0
        await until(lambda: device.registers[1, 1, 4] == 1)
        assert agent.health()["alone"] == 1

        event = wire.decode_event(bus.sent("up/event")[-1])
        while not isinstance(event, wire.Event):
            bus.published.pop()
            event = wire.decode_event(bus.sent("up/event")[-1])
        ack = wire.Ack("event", event.journal, [(event.sequence, event.sequence)])
        bus.deliver(topics.down("here", "plant", "ack"), wire.encode(ack))

        await until(lambda: device.registers[1, 1, 4] == 0)
        assert (agent.health()["alone"], agent.health()["events_open"]) == (0, 0)
        assert {"behind/lan", "late_lan", "devices_left_out"} <= agent.health().keys()
        assert 'watchkeeper_edge_unit_age_s{of="panel"}' in agent.metrics()


@pytest.mark.serves("A6")
async def test_readings_wait_for_an_unset_clock_and_events_do_not(
    tmp_path: Path, device: FakeDevice
) -> None:
    clock = Skewed()
    clock.known, clock.wrong = False, datetime(1970, 1, 1, tzinfo=UTC) - clock.now()
    async with running(tmp_path, device, clock) as (agent, bus, data_bus):
        await until(lambda: agent._keepers[1].journal.newest() > 0)  # noqa: SLF001
        device.put(1, 0, 1)
        await until(lambda: b'"id":' in b"".join(bus.sent("up/event")))
        assert data_bus.sent("up/data") == []

        clock.known, clock.wrong = True, timedelta()
        await until(lambda: len(data_bus.sent("up/data")) > 0)
        told = [wire.decode_data(each) for each in data_bus.sent("up/data")]
        assert all(each.synchronised == 1 for each in told)
        assert all(abs(each.start - unix_ms(clock.now())) < 20_000 for each in told)
        assert [each.qualities for each in told] == [[]] * len(told)


@pytest.mark.serves("A6")
@pytest.mark.parametrize("hours", [2, -2])
async def test_a_clock_that_jumps_holds_nothing_up(
    tmp_path: Path, device: FakeDevice, hours: int
) -> None:
    clock = Skewed()
    async with running(tmp_path, device, clock) as (agent, _, data_bus):
        await until(lambda: len(data_bus.sent("up/data")) > 0)
        clock.wrong = timedelta(hours=hours)
        total = agent.collector.total
        device.put(1, 0, 1)
        await until(lambda: agent.collector.total > total)
        before = len(data_bus.sent("up/data"))
        device.put(1, 0, 2)
        await until(lambda: len(data_bus.sent("up/data")) > before)
        newest = wire.decode_data(data_bus.sent("up/data")[-1])
        assert abs(newest.start - unix_ms(clock.now())) < 20_000
        assert agent._alive()  # noqa: SLF001


@pytest.mark.serves("A2")
async def test_a_device_with_a_mistake_is_left_out_and_told_and_the_others_are_read(
    tmp_path: Path, device: FakeDevice
) -> None:
    wrong = ", {id: other, profile: nobody, bus: lan, unit: 2, place: house}"
    async with running(tmp_path, device, Skewed(), wrong) as (agent, bus, data_bus):
        await until(lambda: len(data_bus.sent("up/data")) > 0)
        await until(lambda: len(bus.sent("up/state")) > 0)
        told = wire.decode_state(bus.sent("up/state")[-1])
        assert (told.health["devices_left_out"], told.health["left_out/other"]) == (1, 1)
        assert list(told.ages) == ["panel"]
        assert 'watchkeeper_edge_left_out{of="other"} 1' in agent.metrics()
        assert [each.point for each in agent._me.points] == ["panel/detector"]  # noqa: SLF001


async def test_an_edge_whose_devices_are_all_left_out_runs_and_says_so(
    tmp_path: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.PROFILE", PROFILE.replace("uint16", "uint17"))
    retired = ", {id: old, profile: none, replaced_by: panel}"
    async with running(tmp_path, device, Skewed(), retired) as (agent, bus, _):
        await until(lambda: len(bus.sent("up/state")) > 0)
        assert agent.health()["devices_left_out"] == 1
        assert agent.ages() == {}
        assert agent._alive()  # noqa: SLF001
