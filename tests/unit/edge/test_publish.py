"""The whole edge between a Modbus device, a real broker and somebody who acknowledges."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from edge.agent import Agent, Means
from edge.lanes import Lane
from edge.publish import Self
from edge.rows import Row
from tests import parts
from tests.fakes_modbus import FakeDevice, listening, until
from watchkeeper import site, topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.wire import Ack, Data, Event, Snapshot, State

pytestmark = pytest.mark.part("mosquitto")

PROFILE = """schema: wk.profile/1
id: tested
name: {zh: 测, en: Tested}
equipment: fire_panel
source: test
modbus: {function: 3, timeout_s: 0.2}
points:
  - {id: detector-1, name: {zh: a, en: a}, address: 0, type: uint16, class: life_safety}
  - {id: detector-2, name: {zh: b, en: b}, address: 1, type: uint16, class: life_safety}
  - {id: trouble, name: {zh: c, en: c}, address: 2, type: uint16, class: fault}
  - {id: power, name: {zh: d, en: d}, address: 3, type: uint16, scale: 0.1, unit: kW}
"""
SITE = """schema: wk.site/1
site: {{id: here, name: {{zh: 此, en: Here}}}}
places: [{{id: house, name: {{zh: 楼, en: House}}}}]
edges:
  - id: plant
    buses: [{{id: lan, modbus_tcp: {{host: 127.0.0.1, port: {port}}}}}]
    units: [{{id: panel, profile: tested, bus: lan, unit: 1, place: house}}]
"""
PERIODS: dict[str, float] = {"life_safety": 0.05, "normal": 0.1, "slow": 1.0}


class Platform:
    """Hears what the edge says; acknowledges when told to."""

    def __init__(self, port: int) -> None:
        self.data: list[Data] = []
        self.events: list[Event] = []
        self.snapshots: list[Snapshot] = []
        self.states: list[State] = []
        self.births: dict[str, list[wire.Birth]] = {"birth": [], "oldbirth": []}
        self.acknowledges = True
        loop = asyncio.get_running_loop()
        self.bus = Mqtt("127.0.0.1", port, "platform", loop=loop)
        for lane, receive in (
            ("data", self._on_data),
            ("event", self._on_event),
            ("state", lambda _, payload: self.states.append(wire.decode_state(payload))),
            ("birth", lambda _, payload: self.births["birth"].append(wire.decode_birth(payload))),
            ("oldbirth", lambda _, each: self.births["oldbirth"].append(wire.decode_birth(each))),
        ):
            self.bus.subscribe(topics.all_up(lane, "here"), receive)
        self.bus.on_connect(self._says_it_is_here)

    def _says_it_is_here(self) -> None:
        for program in ("server", "gateway"):
            self.starts(program, "main")

    def _on_data(self, _topic: str, payload: bytes) -> None:
        message = wire.decode_data(payload)
        self.data.append(message)
        if self.acknowledges:
            self.acknowledge("data", message.journal, message.sequence)

    def _on_event(self, _topic: str, payload: bytes) -> None:
        message = wire.decode_event(payload)
        if isinstance(message, Snapshot):
            self.snapshots.append(message)
            return
        self.events.append(message)
        if self.acknowledges:
            self.acknowledge("event", message.journal, message.sequence)

    def acknowledge(
        self, lane: Lane, journal: str, *numbers: int, bad: tuple[tuple[int, str], ...] = ()
    ) -> None:
        ack = Ack(lane, journal, [(q, q) for q in numbers], list(bad))
        self.tell("ack", ack)

    def tell(self, lane: str, message: msgspec.Struct) -> None:
        self.bus.publish(topics.down("here", "plant", lane), wire.encode(message))

    def starts(self, program: str, boot: str) -> None:
        state = State("online", boot, self.bus.connection, 0)
        self.bus.publish(topics.program_state(program, "main"), wire.encode(state), retain=True)

    def latest(self, alias: int) -> float | None:
        """Return the value of the newest instant; what is sent again arrives later."""
        seen = [
            (message.start + message.offsets[n], message.values[n])
            for message in self.data
            for n, each in enumerate(message.aliases)
            if each == alias
        ]
        return max(seen)[1] if seen else None


class Chain:
    """Device, edge and platform; the edge can be stopped and started again."""

    def __init__(self, folder: Path, broker: int, device: FakeDevice) -> None:
        self.folder, self.broker, self.device = folder, broker, device
        self.platform = Platform(broker)
        self.boots = itertools.count(1)

    def rows(self, lane: int) -> Callable[[], bool]:
        """Return a condition: the journal of a lane (0 events, 1 data) is empty."""
        return lambda: self.agent._keepers[lane].journal.count() == 0  # noqa: SLF001

    @asynccontextmanager
    async def edge(self) -> AsyncIterator[Agent]:
        plant = site.load(self.folder / "site.yaml", self.folder)
        points = site.born(plant.points())
        boot = f"boot-{next(self.boots)}"
        me = Self("here", "plant", boot, "1", "c", points, wire.birth_hash(points))
        numbers = itertools.count(1)
        means = Means(
            SystemClock(), lambda: next(numbers), lambda: f"j{next(numbers)}",
            self.folder / "var", PERIODS,  # type: ignore[arg-type]
        )  # fmt: skip
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        buses = (
            Mqtt("127.0.0.1", self.broker, "plant", loop=loop),
            Mqtt("127.0.0.1", self.broker, "plant.data", loop=loop),
        )
        self.agent = Agent(plant, plant.edge("plant"), me, means, buses)
        work = asyncio.create_task(self.agent.run(stop))
        try:
            yield self.agent
        finally:
            stop.set()
            await work
            for bus in buses:
                await loop.run_in_executor(None, bus.close)


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    device, port = FakeDevice(), parts.free_port()
    device.put(1, 0, 0, 0, 0, 237)
    (tmp_path / "tested.yaml").write_text(PROFILE, "utf-8")
    config = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    with parts.mosquitto(tmp_path, config, port):
        async with listening(device) as modbus:
            (tmp_path / "site.yaml").write_text(SITE.format(port=modbus), "utf-8")
            made = Chain(tmp_path, port, device)
            yield made
            await asyncio.get_running_loop().run_in_executor(None, made.platform.bus.close)


@pytest.mark.serves("A6")
async def test_a_row_leaves_only_when_it_is_acknowledged(chain: Chain) -> None:
    platform = chain.platform
    platform.acknowledges = False
    async with chain.edge() as agent:
        await until(lambda: platform.latest(3) == 23.7)
        first = platform.data[0]
        platform.acknowledge("data", "somebody else's", first.sequence)
        chain.device.put(1, 3, 240)
        await until(lambda: platform.latest(3) == 24.0)
        last = max(platform.data, key=lambda message: message.start)

        platform.acknowledge("data", last.journal, last.sequence)

        journal = agent._keepers[1].journal  # noqa: SLF001
        kept = lambda: [row.q for row in journal.after(0, 99)]  # noqa: E731
        await until(lambda: last.sequence not in kept())
        assert first.sequence in kept(), "PUBACKed long ago"
        platform.acknowledge("data", last.journal, *kept())
        await until(lambda: not kept())


@pytest.mark.serves("A7")
async def test_a_change_arrives_as_an_event_and_as_a_reading(chain: Chain) -> None:
    platform = chain.platform
    async with chain.edge():
        await until(lambda: platform.latest(0) == 0)
        chain.device.put(1, 0, 1)
        await until(lambda: bool(platform.events) and platform.latest(0) == 1)
        (event,) = platform.events
        assert (event.alias, event.before, event.after, event.kind) == (0, 0, 1, "life_safety")
        await until(chain.rows(0))


async def test_says_who_it_is_and_what_is_after_each_connect(chain: Chain) -> None:
    platform = chain.platform
    async with chain.edge():
        await until(lambda: bool(platform.snapshots) and bool(platform.births["birth"]))
        await until(lambda: len(platform.snapshots[-1].now) == 2)
        assert [point.point for point in platform.births["birth"][0].points] == [
            "panel/detector-1",
            "panel/detector-2",
            "panel/trouble",
            "panel/power",
        ]
        await until(lambda: bool(platform.states))
        state = platform.states[0]
        assert (state.state, state.boot, state.connection) == ("online", "boot-1", 1)
        assert set(state.ages) == {"panel"}
    await until(lambda: platform.states[-1].state == "lost")


@pytest.mark.serves("A6")
async def test_what_was_not_acknowledged_is_sent_again_by_the_next_start(chain: Chain) -> None:
    platform = chain.platform
    platform.acknowledges = False
    chain.device.put(1, 0, 1)
    async with chain.edge():
        await until(lambda: len(platform.events) > 0 and len(platform.data) > 0)
    first, sent = platform.events[0], platform.data[0]
    platform.events.clear()
    platform.data.clear()
    platform.acknowledges = True
    async with chain.edge():
        await until(lambda: first in platform.events)
        await until(lambda: sent.sequence in [each.sequence for each in platform.data])
        again = next(each for each in platform.data if each.sequence == sent.sequence)
        assert (again.journal, again.values) == (sent.journal, sent.values)
        await until(chain.rows(0))


@pytest.mark.serves("A6")
@pytest.mark.parametrize("program", ["server", "gateway"])
async def test_a_new_start_of_who_acknowledges_gets_everything_at_once(
    chain: Chain, program: str
) -> None:
    platform = chain.platform
    platform.acknowledges = False
    chain.device.put(1, 0, 1)
    platform.starts(program, "first")
    async with chain.edge() as agent:
        sent = platform.events if program == "server" else platform.data
        lane = agent._lanes[0 if program == "server" else 1]  # noqa: SLF001
        await until(lambda: len(sent) > 0 and len(lane.flight) > 0)
        number = sent[0].sequence
        before = [each.sequence for each in sent].count(number)
        platform.starts(program, "second")
        began = SystemClock().tick()
        await until(lambda: [each.sequence for each in sent].count(number) > before)
        assert SystemClock().tick() - began < 1.5


async def test_a_row_the_platform_cannot_read_is_set_aside_and_counted(chain: Chain) -> None:
    platform = chain.platform
    platform.acknowledges = False
    async with chain.edge() as agent:
        await until(lambda: len(platform.data) > 0)
        message = platform.data[0]
        platform.acknowledge("data", message.journal, bad=((message.sequence, "unreadable"),))
        lane = agent._lanes[1]  # noqa: SLF001
        await until(lambda: lane.refused == 1 and message.sequence not in lane.flight)


async def test_explains_a_birth_it_is_asked_for(chain: Chain) -> None:
    platform = chain.platform
    async with chain.edge() as agent:
        await until(lambda: bool(platform.births["birth"]))
        born = platform.births["birth"][0]
        platform.tell("birth", wire.AskBirth("unknown"))
        platform.tell("birth", wire.AskBirth(born.hash))
        await until(lambda: bool(platform.births["oldbirth"]))
        (told,) = platform.births["oldbirth"]
        assert (told.hash, told.points) == (born.hash, born.points)
        assert agent.collector.total > 0


async def test_sends_again_what_it_keeps_when_asked(chain: Chain) -> None:
    platform = chain.platform
    platform.acknowledges = False
    async with chain.edge():
        await until(lambda: len(platform.data) > 0)
        before = len(platform.data)
        platform.tell("replay", wire.Replay(0))
        await until(lambda: len(platform.data) > before)


async def test_old_rows_are_marked_as_backlog(chain: Chain) -> None:
    platform = chain.platform
    async with chain.edge() as agent:
        await until(lambda: len(platform.data) > 0)
        assert platform.data[0].mode == "live"
        journal = agent._keepers[1].journal  # noqa: SLF001
        (row,) = platform.data[:1]
        old = msgspec.structs.replace(row, start=unix_ms(SystemClock().now()) - 3_600_000)
        tail = wire.encode(old).split(b'"m":"live",')[1]
        await agent._keepers[1].call(  # noqa: SLF001 - as another process would
            journal.commit, [Row(0, row.birth, "live", old.start, tail)]
        )
        await until(lambda: any(each.start == old.start for each in platform.data))
        assert {each.mode for each in platform.data if each.start == old.start} == {"back"}


async def test_nothing_is_lost_over_a_restart_of_the_broker(tmp_path: Path) -> None:
    device, port = FakeDevice(), parts.free_port()
    device.put(1, 0, 0, 0, 0, 237)
    (tmp_path / "tested.yaml").write_text(PROFILE, "utf-8")
    config = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    async with listening(device) as modbus:
        (tmp_path / "site.yaml").write_text(SITE.format(port=modbus), "utf-8")
        with parts.mosquitto(tmp_path, config, port):
            chain = Chain(tmp_path, port, device)
            running = chain.edge()
            await running.__aenter__()
            await until(lambda: chain.platform.latest(0) == 0)
        device.put(1, 0, 1)
        agent = chain.agent
        await until(lambda: agent._keepers[0].journal.count() == 1)  # noqa: SLF001
        with parts.mosquitto(tmp_path, config, port):
            await until(lambda: [each.after for each in chain.platform.events] == [1])
            await until(lambda: chain.platform.latest(0) == 1)
            await until(lambda: chain.platform.states[-1].connection == 2)
            await until(chain.rows(0))
            await running.__aexit__(None, None, None)
            await asyncio.get_running_loop().run_in_executor(None, chain.platform.bus.close)
