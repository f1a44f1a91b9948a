"""A duty check from the platform's word to the point that says what became of it."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.system_clock import SystemClock
from edge.commands import Commands
from edge.drivers.gb26875.hearing import Hearing, Times
from edge.drivers.gb26875.listener import Listener
from simulators import transmitter
from simulators.building import Building
from simulators.devices.fire_panel import FirePanel
from simulators.extras import Extras
from simulators.transmitter import Transmitter
from tests import parts
from tests.fakes_bus import FakeBus
from tests.fakes_modbus import until
from tests.unit.edge.gb26875 import test_agent, test_listener
from tests.unit.edge.gb26875.test_listener import SOURCE, ZONE, Recorder
from watchkeeper import profile, topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.duty import Duty
from watchkeeper.errors import ConfigError
from watchkeeper.site import Gb26875, Plant, Unit
from watchkeeper.wire import Command

CATALOG = Path(__file__).resolve().parents[4] / "catalog"
FIRE = profile.load(CATALOG / "profiles/fire-gb26875.yaml")
DUTY = [point.id for point in FIRE.points].index("duty_check")
TIMES = Times(look=0.02, back=0.2, ask=0.1, refresh=0.1, answer=0.05, minute=0.3)
plant = test_agent.plant


class Line:
    """A listener with the catalog's profile, a device, and what the platform hears."""

    def __init__(self) -> None:
        self.port, self.out = parts.free_port(), Recorder()
        clock, numbers = SystemClock(), itertools.count()
        self.listener = Listener(
            Gb26875("127.0.0.1", self.port),
            clock,
            lambda _at, kind: f"{kind} {next(numbers)}",
            Hearing(ZONE, clock, self.out, lambda: True, TIMES),
        )
        unit = Unit("panel", "fire-gb26875", "fire", source=SOURCE.hex())
        self.listener.add(unit, FIRE, range(len(FIRE.points)))
        self.device = Transmitter(FirePanel(60), SOURCE, test_listener.Line.now, beat_s=0.05)
        self.commands = Commands([self.listener])

    def says(self, number: str = "cmd_1", unit: str = "panel") -> None:
        self.commands.take(Command(number, unit, "duty_check", 1))

    def word(self) -> Duty | None:
        return Duty(int(self.out.now[DUTY][0])) if DUTY in self.out.now else None

    def words(self) -> list[Duty]:
        """Return what the event lane was told."""
        return [Duty(int(each.after or 0)) for each in self.out.seen if each.alias == DUTY]


@asynccontextmanager
async def listening(*, connect: bool = True) -> AsyncIterator[Line]:
    line = Line()
    works = [asyncio.create_task(line.listener.run()), asyncio.create_task(line.commands.run())]
    await until(lambda: line.listener.is_open)
    if connect:
        works.append(asyncio.create_task(line.device.run("127.0.0.1", line.port)))
        await until(lambda: line.listener.counts["frames"] > 3)
    await until(lambda: line.word() is Duty.NOT_ASKED)
    try:
        yield line
    finally:
        for work in reversed(works):
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


@pytest.mark.serves("A7")
async def test_somebody_who_presses_the_button_has_answered() -> None:
    async with listening() as line:
        line.says()
        await until(lambda: line.word() is Duty.ANSWERED)
        assert line.words() == [Duty.ASKED, Duty.ANSWERED]
        asked, answered = (each for each in line.out.seen if each.alias == DUTY)
        assert asked.kind == "fault"
        assert answered.at > asked.at, "or the platform could not tell which is the newer"


@pytest.mark.serves("A7")
async def test_nobody_in_time_is_told_and_the_next_one_may_be_answered() -> None:
    async with listening() as line:
        line.device.guard = None
        line.says()
        await until(lambda: line.word() is Duty.ASKED)
        await until(lambda: line.word() is Duty.UNANSWERED)
        line.device.guard = 4
        line.says("cmd_2")
        await until(lambda: line.word() is Duty.ANSWERED)
        assert line.words() == [Duty.ASKED, Duty.UNANSWERED, Duty.ASKED, Duty.ANSWERED]


async def test_a_device_that_is_away_has_not_answered() -> None:
    async with listening(connect=False) as line:
        line.says()
        await until(lambda: line.words() == [Duty.ASKED, Duty.UNANSWERED])
        await until(lambda: line.listener.ages()["panel"] > 0.3)
        assert line.word() is Duty.UNANSWERED, "the edge knows it, silent device or not"


async def test_a_command_that_comes_twice_or_while_one_runs_is_done_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening() as line:
        line.device.guard = None
        line.says()
        line.says()
        line.says("cmd_2")
        line.says("cmd_3", unit="meter")
        await until(lambda: line.word() is Duty.UNANSWERED)
        assert line.words() == [Duty.ASKED, Duty.UNANSWERED]
    assert "a command for a unit that cannot do it" in caplog.messages


@pytest.mark.serves("A7")
async def test_a_whole_edge_obeys_and_keeps_what_became_of_it(plant: Plant, tmp_path: Path) -> None:
    now = unix_ms(SystemClock().now())
    building = Building(plant, seed=7, start_ms=now, extras=Extras())
    names = {n: each.id for n, each in enumerate(plant.points())}
    async with test_agent.running(plant, tmp_path / "edge") as agent:
        bus = agent._publisher._bus  # noqa: SLF001 - the fake broker it was given
        assert isinstance(bus, FakeBus)
        (work,) = transmitter.lines(building)
        device = asyncio.create_task(work)
        await until(lambda: agent.collector.total >= len(names))
        topic = topics.down("lakeside", "gate", "cmd")
        bus.deliver(topic, b'{"id": "x", "unit": "fire-panel", "what": "reset", "minutes": 1}')
        bus.deliver(topic, wire.encode(Command("cmd_1", "fire-panel", "duty_check", 1)))
        await until(lambda: len(test_agent.kept(agent)) == 2)
        assert [(names[each.alias], each.after) for each in test_agent.kept(agent)] == [
            ("fire-panel/duty_check", Duty.ASKED), ("fire-panel/duty_check", Duty.ANSWERED),
        ]  # fmt: skip
        device.cancel()
        await asyncio.gather(device, return_exceptions=True)


def test_the_profile_has_a_word_for_each_outcome() -> None:
    assert {word.value for word in FIRE.points[DUTY].words} == set(Duty)
    assert [word.value for word in FIRE.points[DUTY].words if not word.normal] == [Duty.UNANSWERED]


def test_a_duty_check_of_a_component_is_refused(tmp_path: Path) -> None:
    text = (CATALOG / "profiles/fire-gb26875.yaml").read_text("utf-8")
    file = tmp_path / "fire-gb26875.yaml"
    file.write_text(text.replace("{duty: true}", "{duty: true, system: 1}"), "utf-8")
    with pytest.raises(ConfigError, match="of the whole device"):
        profile.load(file)
