"""A whole edge on a site with a transmission device: from the detector to the event journal."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from adapters.system_clock import SystemClock
from edge.agent import Agent, Means
from edge.plan import PERIODS_S
from edge.publish import Self
from edge.rows import Row, event_message
from simulators import transmitter
from simulators.building import Building
from simulators.devices.fire_panel import FIRE
from simulators.extras import Extras
from tests import parts
from tests.fakes_bus import FakeBus
from tests.fakes_modbus import until
from watchkeeper import site, wire
from watchkeeper.clock import unix_ms
from watchkeeper.site import Plant
from watchkeeper.wire import Event

CATALOG = Path(__file__).resolve().parents[4] / "catalog"


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    text = (CATALOG / "sites/lakeside-school.yaml").read_text("utf-8")
    path = tmp_path / "site.yaml"
    path.write_text(text.replace("15030", str(parts.free_port())), "utf-8")
    return site.load(path, CATALOG / "profiles")


@asynccontextmanager
async def running(plant: Plant, folder: Path) -> AsyncIterator[Agent]:
    points, numbers = site.born(plant.points()), itertools.count(1)
    me = Self("lakeside", "gate", "boot", "1", "c", points, wire.birth_hash(points))
    means = Means(
        SystemClock(), lambda: next(numbers), lambda: f"j{next(numbers)}", folder, PERIODS_S
    )
    buses = (FakeBus(connected=False), FakeBus(connected=False))
    agent, stop = Agent(plant, plant.edge("gate"), me, means, buses), asyncio.Event()
    work = asyncio.create_task(agent.run(stop))
    try:
        yield agent
    finally:
        stop.set()
        await work


def kept(agent: Agent) -> list[Event]:
    """Return what the event journal holds."""
    journal = agent._keepers[0].journal  # noqa: SLF001 - what is on disk is the promise
    rows: list[Row] = journal.after(0, 999)
    return [msgspec.json.decode(event_message(journal.id, row), type=Event) for row in rows]


@pytest.mark.serves("A7")
async def test_a_detector_that_rings_is_an_event_in_the_journal(
    plant: Plant, tmp_path: Path
) -> None:
    now = unix_ms(SystemClock().now())
    building = Building(plant, seed=7, start_ms=now, extras=Extras())
    panel = building.panels["fire-panel"]
    names = {n: each.id for n, each in enumerate(plant.points())}
    async with running(plant, tmp_path / "edge") as agent:
        (work,) = transmitter.lines(building)
        device = asyncio.create_task(work)
        await until(lambda: agent.collector.total >= len(names))
        assert kept(agent) == []
        panel.put(7, FIRE)
        await until(lambda: len(kept(agent)) >= 2)
        told = {names[event.alias]: (event.before, event.after) for event in kept(agent)}
        assert told == {"fire-panel/detector-07": (0, 1), "fire-panel/panel_state": (0, 1)}
        assert agent.listeners[0].counts["frames"] > 0
        assert set(agent.listeners[0].ages()) == {"fire-panel"}
        device.cancel()
        await asyncio.gather(device, return_exceptions=True)


async def test_every_point_of_the_profile_reads_as_usual_and_is_in_the_snapshot(
    plant: Plant, tmp_path: Path
) -> None:
    building = Building(plant, seed=7, start_ms=unix_ms(SystemClock().now()), extras=Extras())
    points = plant.points()
    async with running(plant, tmp_path / "edge") as agent:
        (work,) = transmitter.lines(building)
        device = asyncio.create_task(work)
        safety = [each for each in points if each.point.point_class == "life_safety"]
        await until(lambda: len(agent._now("life_safety")) == len(safety))  # noqa: SLF001
        assert {(value, code) for _, value, code in agent._now("life_safety")} == {(0, 0)}  # noqa: SLF001
        await until(lambda: agent.collector.total >= len(points))
        device.cancel()
        await asyncio.gather(device, return_exceptions=True)
