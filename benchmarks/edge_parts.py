"""The processes of the edge benchmark: the devices, the edge itself, who acknowledges."""

import asyncio
import multiprocessing
import resource
import secrets
import signal
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import uvloop
from typing_extensions import override

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from edge.agent import Agent, Means
from edge.journal import Journal
from edge.keep import Keeper
from edge.publish import Self
from edge.rows import data_rows
from watchkeeper import site, topics, wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.profile import Rate

POINTS = 62
ANSWERS = 200  # prepared; then they come again
CLOCK = SystemClock()
DRAIN_S = 120.0
PROFILE = """schema: wk.profile/1
id: bench
name: {zh: 测, en: Bench}
equipment: electricity_meter
source: benchmark
modbus: {function: 3, max_registers: 124}
points:
  - {id: "value-{n}", name: {zh: "{n}", en: "{n}"}, address: 0, type: float32, decimals: 2,
     possible: [-1000000, 1000000], repeat: {count: 62, step: 2}}
"""
SITE = """schema: wk.site/1
site: {{id: bench, name: {{zh: 测, en: Bench}}}}
places: [{{id: house, name: {{zh: 楼, en: House}}}}]
edges: [{{id: edge, buses: [{buses}], units: [{units}]}}]
"""
BUS = "{{id: bus-{n}, modbus_tcp: {{host: 127.0.0.1, port: {port}}}}}"
UNIT = "{{id: unit-{n}, profile: bench, bus: bus-{n}, unit: 1, place: house}}"

Answers: TypeAlias = "multiprocessing.Queue[dict[str, float]]"


@dataclass(frozen=True, slots=True)
class Job:
    """What one run of the edge does."""

    folder: str
    modbus: int  # port
    broker: int  # port
    devices: int
    change: float  # share of the values that change from poll to poll
    period_s: float  # from poll to poll; 0: at once
    seconds: float
    backlog: int = 0  # readings in the journal before it starts


class Device(asyncio.Protocol):
    """Answers every read with the next of the prepared answers."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers, self._turn = answers, secrets.randbelow(len(answers))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._turn = (self._turn + 1) % len(self._answers)
        answer = self._answers[self._turn]
        self._transport.write(data[:4] + answer[:2] + data[6:7] + answer[2:])


def serve(job: Job) -> None:
    """Be all devices, until ended."""
    rng = np.random.default_rng(1)
    values, answers = rng.uniform(100, 400, POINTS), []
    for _ in range(ANSWERS):
        step = rng.choice([-0.37, 0.37], POINTS)
        values = np.where(rng.random(POINTS) < job.change, values + step, values)
        body = struct.pack(">BB", 3, 4 * POINTS) + values.astype(">f4").tobytes()
        answers.append(struct.pack(">H", len(body) + 1) + body)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Device(answers), "127.0.0.1", job.modbus)
        await server.serve_forever()

    uvloop.run(main())


class Acker:
    """Acknowledges as a gateway does: what came within 50 ms together; counts what came."""

    def __init__(self, job: Job) -> None:
        self._came: dict[int, int] = {}
        self._twice, self._journal = 0, ""
        self._live_ms: list[float] = []
        self._waiting: list[int] = []
        self._lock = threading.Lock()
        self._bus = Mqtt("127.0.0.1", job.broker, "acker")
        self._bus.subscribe(topics.up("bench", "edge", "data"), self._receive)

    def _receive(self, _topic: str, payload: bytes) -> None:
        message, now = wire.decode_data(payload), unix_ms(CLOCK.now())
        with self._lock:
            self._journal = message.journal
            self._twice += message.sequence in self._came
            self._came[message.sequence] = len(message.aliases)
            self._waiting.append(message.sequence)
            if message.mode == "live":
                self._live_ms.append(now - message.start)

    def run(self, stop: threading.Event) -> dict[str, float]:
        """Acknowledge until told to stop; return the counts."""
        while not stop.wait(0.05):
            with self._lock:
                ready, self._waiting = self._waiting, []
            if ready:
                ack = wire.Ack("data", self._journal, [(q, q) for q in ready])
                self._bus.publish(topics.down("bench", "edge", "ack"), wire.encode(ack))
        self._bus.close()
        late = sorted(self._live_ms) or [0.0]
        return {
            "arrived": sum(self._came.values()),
            "twice": self._twice,
            "live_ms_p99": late[int(0.99 * (len(late) - 1))],
        }


def acknowledge(job: Job, out: Answers) -> None:
    """Be the acknowledger until SIGTERM; put the counts."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    out.put(Acker(job).run(stop))


def plant_of(job: Job) -> site.Plant:
    """Return a site of so many devices, each on a bus of its own."""
    folder = Path(job.folder)
    (folder / "bench.yaml").write_text(PROFILE, "utf-8")
    buses = ", ".join(BUS.format(n=n, port=job.modbus) for n in range(job.devices))
    units = ", ".join(UNIT.format(n=n) for n in range(job.devices))
    (folder / "site.yaml").write_text(SITE.format(buses=buses, units=units), "utf-8")
    return site.load(folder / "site.yaml", folder)


def run_edge(job: Job, out: Answers) -> None:
    """Be the edge for some seconds, then until its journal is empty; put what it cost."""
    plant = plant_of(job)
    points = site.born(plant.points())
    me = Self("bench", "edge", secrets.token_hex(4), "bench", "0", points, wire.birth_hash(points))
    periods: dict[Rate, float] = dict.fromkeys(("life_safety", "normal", "slow"), job.period_s)
    folder = Path(job.folder) / "var"
    means = Means(
        CLOCK, lambda: secrets.randbits(74), lambda: secrets.token_hex(4), folder, periods
    )
    if job.backlog:
        _fill(folder, me.birth, job)
    figures: dict[str, float] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        buses = (
            Mqtt("127.0.0.1", job.broker, "edge", loop=loop),
            Mqtt("127.0.0.1", job.broker, "edge.data", loop=loop),
        )
        agent = Agent(plant, plant.edge("edge"), me, means, buses)
        figures.update(await _measured(agent, job))
        for bus in buses:
            await loop.run_in_executor(None, bus.close)

    uvloop.run(main())
    figures["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out.put(figures)


def _fill(folder: Path, birth: str, job: Job) -> None:
    """Leave a journal as an outage would: 200 readings a second, committed every 5 s."""
    journal = Journal(folder / "data.db", lambda: "bench", may_shed=True)
    rng, end = np.random.default_rng(2), unix_ms(CLOCK.now()) - 3_600_000
    for start in range(0, job.backlog, 50_000):
        count = min(50_000, job.backlog - start)
        at = end - (job.backlog - start - np.arange(count, dtype=np.int64)) * 5
        batch = Batch(
            rng.integers(0, job.devices * POINTS, count).astype(np.uint32),
            at,
            np.round(rng.uniform(0, 400, count), 2),
            np.zeros(count, np.uint8),
        )
        journal.commit(list(data_rows(batch, birth, mode="live", synchronised=True)))
    journal.close()


async def _measured(agent: Agent, job: Job) -> dict[str, float]:
    stop = asyncio.Event()
    work = asyncio.create_task(agent.run(stop))
    keeper = agent._keepers[1]  # noqa: SLF001 - what is left in the journal is the point here
    if not job.backlog:
        await asyncio.sleep(1)
    reads = sum(poller.reads for poller in agent.pollers)
    cpu, wall = time.process_time(), time.perf_counter()
    if job.backlog:
        await _until(keeper, _has_left)
    else:
        await asyncio.sleep(job.seconds)
    figures = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "polled": (sum(poller.reads for poller in agent.pollers) - reads) * float(POINTS),
    }
    for poller in agent.pollers:  # quiet: what is left must leave, and be acknowledged
        poller._next = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
    await asyncio.sleep(0.5)
    await _until(keeper, lambda journal: journal.count() == 0)
    figures["reported"] = agent.collector.total + job.backlog
    figures["dropped"] = agent.collector.dropped
    stop.set()
    await work
    return figures


def _has_left(journal: Journal) -> bool:
    """Return whether the backlog is gone: the oldest row is a fresh one."""
    oldest = journal.after(0, 1)
    return not oldest or oldest[0].at > unix_ms(CLOCK.now()) - 60_000


async def _until(keeper: Keeper, true: Callable[[Journal], bool]) -> None:
    end = time.perf_counter() + DRAIN_S
    while (  # noqa: ASYNC110 - the journal belongs to another thread
        not await keeper.call(true, keeper.journal) and time.perf_counter() < end
    ):
        await asyncio.sleep(0.05)
