"""An edge whose right to publish is taken away: it says so itself, keeps all, and catches up."""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from logging import WARNING
from pathlib import Path

import pytest

from edge.agent import Agent, Means
from edge.publish import STATE_S, Self
from edge.unheard import UNHEARD_S
from tests.brokers import Broker, mosquitto
from tests.fakes_modbus import FakeDevice, listening
from tests.fakes_modbus import until as soon
from tests.parts import until
from tests.unit.edge.test_agent import PERIODS, PROFILE, SITE, Skewed
from watchkeeper import site, topics, wire
from watchkeeper.bus import Version
from watchkeeper.topics import up

pytestmark = pytest.mark.part("mosquitto")

EDGE = "plant-b1"
RIGHT = "pattern write wk/1/riverside/%u/up/"


class Platform:
    """Server and gateway as far as the edge sees them: they acknowledge what they get."""

    def __init__(self, broker: Broker) -> None:
        self.values: list[float] = []
        self.events: list[float | None] = []
        self.states: list[wire.State] = []
        self.server = broker.connect("server-1", "server")
        self.gateway = broker.connect("gateway-1", "gateway")
        self.server.subscribe(up("riverside", EDGE, "event"), self._event)
        self.server.subscribe(
            up("riverside", EDGE, "state"),
            lambda _, payload: self.states.append(wire.decode_state(payload)),
        )
        self.gateway.subscribe(up("riverside", EDGE, "data"), self._data)

    def _event(self, _: str, payload: bytes) -> None:
        event = wire.decode_event(payload)
        if isinstance(event, wire.Event):
            self.events.append(event.after)
            ack = wire.Ack("event", event.journal, [(event.sequence, event.sequence)])
            self.server.publish(topics.down("riverside", EDGE, "ack"), wire.encode(ack))

    def _data(self, _: str, payload: bytes) -> None:
        data = wire.decode_data(payload)
        self.values += data.values
        ack = wire.Ack("data", data.journal, [(data.sequence, data.sequence)])
        self.gateway.publish(topics.down("riverside", EDGE, "ack"), wire.encode(ack))

    def shows(self, **figures: float) -> bool:
        """Return whether the newest state says so."""
        return bool(self.states) and figures.items() <= self.states[-1].health.items()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, mosquitto, accounts=True)
    yield made
    made.close()


@pytest.fixture
def platform(broker: Broker) -> Iterator[Platform]:
    made = Platform(broker)
    yield made
    made.server.close()
    made.gateway.close()


class Rights:
    """What the edges may publish; each change has taken effect when the call ends."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._broker, self._acl = broker, folder / "acl"
        self._all = self._acl.read_text("utf-8")

    def revoke(self) -> None:
        """Let them publish nothing but their states."""
        self._write(self._all.replace(f"{RIGHT}#", f"{RIGHT}state"), denied=True)

    def restore(self) -> None:
        self._write(self._all, denied=False)

    def _write(self, text: str, *, denied: bool) -> None:
        heard, topic = list[bytes](), up("riverside", EDGE, "probe")
        probe, server = self._broker.connect("probe", EDGE), self._broker.connect("ear", "server")
        server.subscribe(topic, lambda _, payload: heard.append(payload))
        until(lambda: probe.connected and server.connected, "not connected")

        def changed() -> bool:
            probe.publish(topic, b"")
            return probe.denied > 0 if denied else bool(heard)

        self._acl.write_text(text, "utf-8")
        self._broker.process.send_signal(signal.SIGHUP)
        until(changed, "the rights have not changed")
        probe.close()
        server.close()


@asynccontextmanager
async def running(
    broker: Broker, folder: Path, device: FakeDevice, clock: Skewed, protocol: Version
) -> AsyncIterator[Agent]:
    """Run a real edge on the broker."""
    (folder / "tested.yaml").write_text(PROFILE, "utf-8")
    loop, stop, numbers = asyncio.get_running_loop(), asyncio.Event(), itertools.count(1)
    async with listening(device) as port:
        text = SITE.format(port=port).replace("id: here", "id: riverside")
        (folder / "site.yaml").write_text(text.replace("id: plant", f"id: {EDGE}"), "utf-8")
        plant = site.load(folder / "site.yaml", folder)
        points = site.born(plant.points())
        me = Self("riverside", EDGE, "boot", "1", "c", points, wire.birth_hash(points))
        means = Means(
            clock, lambda: next(numbers), lambda: f"j{next(numbers)}", folder / "var", PERIODS
        )
        buses = (
            broker.connect(EDGE, EDGE, loop=loop, protocol=protocol),
            broker.connect(f"{EDGE}.data", EDGE, loop=loop, protocol=protocol),
        )
        agent = Agent(plant, plant.edge(EDGE), me, means, buses)
        work = asyncio.create_task(agent.run(stop))
        try:
            yield agent
        finally:
            stop.set()
            await work
            for bus in buses:
                await loop.run_in_executor(None, bus.close)


class Case:
    """A real edge between a device, a real broker and who acknowledges."""

    def __init__(self, agent: Agent, device: FakeDevice, clock: Skewed) -> None:
        self.agent, self.device, self.clock = agent, device, clock

    def kept(self, events: int, data: int) -> bool:
        """Return whether so many rows are in the journals."""
        return [each.journal.count() for each in self.agent._keepers] == [events, data]  # noqa: SLF001

    def unheard(self) -> bool:
        health = self.agent.health()
        return bool(health["events_unheard"] and health["readings_unheard"])

    async def wait_unheard(self) -> None:
        """Let almost as much time pass as is allowed, then the rest."""
        await soon(lambda: self.agent.health()["data_silence_s"] > 1.5)
        self.clock.ahead_s = UNHEARD_S - 8
        await soon(lambda: self.agent.health()["data_silence_s"] > UNHEARD_S - 5)
        assert not self.unheard()
        self.clock.ahead_s = UNHEARD_S + STATE_S
        await soon(self.unheard)


@pytest.fixture(params=["5", "3.1.1"])
async def case(
    request: pytest.FixtureRequest, broker: Broker, tmp_path: Path
) -> AsyncIterator[Case]:
    device, clock = FakeDevice(), Skewed()
    device.put(1, 0, 0)
    device.put(1, 4, 0, function=1)
    async with running(broker, tmp_path, device, clock, request.param) as agent:
        yield Case(agent, device, clock)


@pytest.mark.serves("A6")
async def test_a_right_that_is_taken_away_is_noticed_within_a_minute_and_costs_nothing(
    case: Case, broker: Broker, platform: Platform, tmp_path: Path
) -> None:
    await soon(lambda: platform.values == [0.0] and case.kept(0, 0))
    rights = Rights(broker, tmp_path)
    rights.revoke()
    case.device.put(1, 0, 1)
    await soon(lambda: case.kept(1, 1))
    await case.wait_unheard()
    await soon(lambda: platform.shows(events_unheard=1, readings_unheard=1))
    assert case.kept(1, 1)
    assert case.agent._publisher._bus.connection == 1, "it is there, it is not heard"  # noqa: SLF001
    assert (platform.values, platform.events) == ([0.0], [])

    rights.restore()
    case.clock.ahead_s += 60
    await soon(lambda: case.kept(0, 0))
    await soon(lambda: not case.unheard())
    assert platform.values[-1] == 1.0
    assert set(platform.events) == {1.0}


@pytest.mark.serves("B1")
async def test_the_edge_logs_it_once_and_at_once_where_the_broker_tells(
    case: Case, broker: Broker, platform: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await soon(lambda: platform.values == [0.0])
    protocol = case.agent._publisher._bus.protocol  # noqa: SLF001
    assert platform.shows(mqtt_3=float(protocol == "3.1.1"))
    Rights(broker, tmp_path).revoke()
    case.device.put(1, 0, 1)
    if protocol == "5":
        await soon(lambda: case.agent.health()["publishes_denied"] >= 2)
    await case.wait_unheard()
    told = [
        each.message
        for each in caplog.records
        if each.name in {"adapters.mqtt", "edge.unheard"} and each.levelno >= WARNING
    ]
    silent = 2 * ["no acknowledgement: nobody stores what is sent, all of it is kept"]
    denied = 2 * ["the broker refuses what we publish"]  # a line for each connection
    assert [each for each in told if "3.1.1" not in each] == (
        [denied[0], *denied, *silent] if protocol == "5" else [denied[0], *silent]
    )
