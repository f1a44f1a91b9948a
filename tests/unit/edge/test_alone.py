import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.system_clock import SystemClock
from edge.alone import SILENT_S, Alone, Coil, Facts, is_alone
from edge.drivers.modbus import line_of
from edge.poll import Poller
from tests.fakes import FixedClock
from tests.fakes_modbus import FakeDevice, listening, until
from tests.unit.edge.test_poll import PERIODS, Recorder, point, profile
from watchkeeper.site import Bus, ModbusTcp, Unit

RELAY = 9


@pytest.mark.parametrize(
    ("events", "open_s", "platform_s", "alone"),
    [
        (0, 0.0, 0.0, False),
        (0, 0.0, 3600.0, False),  # nothing to say
        (1, 5.0, 3.0, False),
        (1, 59.9, 59.9, False),
        (1, 60.0, 3.0, True),  # the platform lives but does not take it
        (1, 0.0, 60.0, True),  # it has been silent for long already
        (3, 600.0, 600.0, True),
    ],
)
def test_alone_when_an_event_waits_and_nobody_takes_it(
    events: int,
    open_s: float,
    platform_s: float,
    alone: bool,  # noqa: FBT001 - a table
) -> None:
    assert is_alone(Facts(events, open_s, platform_s)) == alone


class Told:
    """A second route that can be closed."""

    def __init__(self) -> None:
        self.open, self.said = True, list[tuple[bool, int]]()

    def tell(self, *, alone: bool, events: int) -> bool:
        if self.open:
            self.said.append((alone, events))
        return self.open


@asynccontextmanager
async def a_bus(device: FakeDevice) -> AsyncIterator[Poller]:
    device.put(1, 0, 7)
    device.put(RELAY, 4, 0, function=1)
    async with listening(device) as port:
        line = line_of(Bus("lan", ModbusTcp("127.0.0.1", port)))
        poller = Poller(line, SystemClock(), Recorder(), lambda *_: "id", periods_s=PERIODS)
        poller.add(Unit("meter", "test", "lan", 1, "house"), profile(point(0)), [0])
        task = asyncio.create_task(poller.run())
        try:
            yield poller
        finally:
            task.cancel()
            await asyncio.wait([task])


def writes(device: FakeDevice) -> list[tuple[int, int, int, int]]:
    return [each for each in device.asked if each[1] == 5]


@pytest.mark.serves("A9")
async def test_the_coil_is_written_read_back_and_released_by_the_owner_of_its_bus(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device, clock, facts = FakeDevice(), FixedClock(), [Facts(0, 0.0, 0.0)]
    async with a_bus(device) as poller:
        coil = Coil(poller.ask, clock, RELAY, 4)
        alone = Alone(lambda: facts[0], coil, [], clock)
        running = asyncio.create_task(alone.run_output(0.01))
        await until(lambda: coil.on is False)
        assert writes(device) == []

        facts[0] = Facts(1, SILENT_S, 0.0)
        await until(lambda: coil.on is True)
        assert device.registers[RELAY, 1, 4] == 1
        assert device.connections == 1
        position = device.asked.index((RELAY, 5, 4, 0xFF00))
        assert (RELAY, 1, 4, 1) in device.asked[position:]

        facts[0] = Facts(0, 0.0, 0.0)
        await until(lambda: coil.on is False)
        assert device.registers[RELAY, 1, 4] == 0
        assert writes(device) == [(RELAY, 5, 4, 0xFF00), (RELAY, 5, 4, 0)]
        running.cancel()
        await asyncio.wait([running])
    assert [each.message for each in caplog.records].count("local output: writing") == 2
    assert "local output: written and read back" in caplog.messages


async def test_a_relay_that_does_not_answer_or_forgets_is_written_again() -> None:
    device, clock = FakeDevice(), FixedClock()
    async with a_bus(device) as poller:
        coil = Coil(poller.ask, clock, RELAY, 4)
        device.silent.add(RELAY)
        await coil.switch(on=True)
        assert coil.on is None
        device.silent.clear()
        await coil.switch(on=True)
        assert coil.on is True

        device.put(RELAY, 4, 0, function=1)
        await coil.switch(on=True)
        assert device.registers[RELAY, 1, 4] == 0, "not looked at so soon"
        clock.pass_(31)
        await coil.switch(on=True)
        assert device.registers[RELAY, 1, 4] == 1


async def test_the_output_an_earlier_run_left_on_is_released() -> None:
    device = FakeDevice()
    async with a_bus(device) as poller:
        device.put(RELAY, 4, 1, function=1)
        await Coil(poller.ask, FixedClock(), RELAY, 4).switch(on=False)
        assert device.registers[RELAY, 1, 4] == 0


@pytest.mark.serves("A9")
async def test_the_second_route_is_told_once_it_answers_and_once_it_is_over() -> None:
    device, clock, facts, told = FakeDevice(), FixedClock(), [Facts(2, 70.0, 0.0)], Told()
    async with a_bus(device) as poller:
        alone = Alone(lambda: facts[0], Coil(poller.ask, clock, RELAY, 4), [told], clock)
        (way,) = alone.ways
        told.open = False
        alone.decide()
        await alone.tell(way)
        told.open = True
        await alone.tell(way)
        assert told.said == [], "not again so soon"
        clock.pass_(6)
        await alone.tell(way)
        await alone.tell(way)
        facts[0] = Facts(0, 0.0, 0.0)
        alone.decide()
        await alone.tell(way)
    assert told.said == [(True, 2), (False, 0)]


async def test_a_way_that_refuses_holds_no_other_back_and_is_tried_ever_more_rarely() -> None:
    device, clock, refusing, taking = FakeDevice(), FixedClock(), Told(), Told()
    facts, rests = [Facts(2, 70.0, 0.0)], []
    refusing.open = False
    async with a_bus(device) as poller:
        coil = Coil(poller.ask, clock, RELAY, 4)
        alone = Alone(lambda: facts[0], coil, [refusing, taking], clock)
        alone.decide()
        for _ in range(6):
            await asyncio.gather(*(alone.tell(way) for way in alone.ways))
            rests.append(alone.ways[0].next - clock.tick())
            clock.pass_(rests[-1])
        facts[0] = Facts(0, 0.0, 0.0)
        alone.decide()
        await asyncio.gather(*(alone.tell(way) for way in alone.ways))
    assert taking.said == [(True, 2), (False, 0)]
    assert rests == [5, 10, 20, 40, 60, 60]
    assert refusing.said == [], "what was never said need not be taken back"
