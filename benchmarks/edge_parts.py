"""The processes of the edge benchmark: the devices, the edge itself, who acknowledges."""

import asyncio
import multiprocessing
import os
import resource
import secrets
import signal
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, cast

import numpy as np
import uvloop
from typing_extensions import override

from adapters import log as logs
from adapters import machine
from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from edge.agent import Agent, Means
from edge.journal import Journal
from edge.keep import Keeper
from edge.publish import Self
from edge.rows import data_rows
from tests import parts
from watchkeeper import site, topics, wire
from watchkeeper.batch import Batch
from watchkeeper.bus import Bus
from watchkeeper.clock import unix_ms
from watchkeeper.profile import Rate

POINTS = 62
ANSWERS = 200  # prepared; then they come again
CLOCK = SystemClock()
DRAIN_S = 120.0
COMMIT_S = 0.05  # of the gateway
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
UNIT = "{{id: unit-{n}, profile: bench, bus: bus-{bus}, unit: {unit}, place: house}}"

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
    buses: int = 0  # connections the devices share; 0: each has its own
    warm_s: float = 1.0  # polled so long before it counts
    stored_per_s: int = 0  # readings that are acknowledged in a second; 0: all that come


class Device(asyncio.Protocol):
    """Answers every read of a unit with the next of the prepared answers."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._turns = [secrets.randbelow(len(answers))] * 256

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        unit = data[6]
        turn = self._turns[unit] = (self._turns[unit] + 1) % len(self._answers)
        answer = self._answers[turn]
        self._transport.write(data[:4] + answer[:2] + data[6:7] + answer[2:])


def prepared(change: float) -> list[bytes]:
    """Return answers of a device (without transaction and unit) of which this share changes."""
    rng = np.random.default_rng(1)
    values, answers = rng.uniform(100, 400, POINTS), []
    for _ in range(ANSWERS):
        step = rng.choice([-0.37, 0.37], POINTS)
        values = np.where(rng.random(POINTS) < change, values + step, values)
        body = struct.pack(">BB", 3, 4 * POINTS) + values.astype(">f4").tobytes()
        answers.append(struct.pack(">H", len(body) + 1) + body)
    return answers + answers[-2:0:-1]  # there and back: each differs from the last as wanted


def serve(job: Job) -> None:
    """Be all devices, until ended."""
    answers = prepared(job.change)

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
        self._room = job.stored_per_s * COMMIT_S or float("inf")  # readings in a commit
        self._back = 0.0  # tick of the last message of the backlog
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
            else:
                self._back = CLOCK.tick()

    def _stored(self) -> list[int]:
        """Return what the next commit holds."""
        with self._lock:
            count = readings = 0
            while count < len(self._waiting) and readings < self._room:
                readings += self._came[self._waiting[count]]
                count += 1
            stored, self._waiting = self._waiting[:count], self._waiting[count:]
        return stored

    def run(self, stop: threading.Event) -> dict[str, float]:
        """Acknowledge until told to stop; return the counts."""
        while not stop.wait(COMMIT_S):
            stored = self._stored()
            if stored:
                ack = wire.Ack("data", self._journal, [(q, q) for q in stored])
                self._bus.publish(topics.down("bench", "edge", "ack"), wire.encode(ack))
        self._bus.close()
        late = sorted(self._live_ms) or [0.0]
        return {
            "arrived": sum(self._came.values()),
            "twice": self._twice,
            "live_ms_p99": late[int(0.99 * (len(late) - 1))],
            "back_until": self._back,
        }


def acknowledge(job: Job, out: Answers) -> None:
    """Be the acknowledger until SIGTERM; put the counts."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    out.put(Acker(job).run(stop))


def plant_of(job: Job) -> site.Plant:
    """Return a site of so many devices on so many buses."""
    folder, count = Path(job.folder), job.buses or job.devices
    (folder / "bench.yaml").write_text(PROFILE, "utf-8")
    buses = ", ".join(BUS.format(n=n, port=job.modbus) for n in range(count))
    units = ", ".join(
        UNIT.format(n=n, bus=n % count, unit=1 + n // count) for n in range(job.devices)
    )
    (folder / "site.yaml").write_text(SITE.format(buses=buses, units=units), "utf-8")
    return site.load(folder / "site.yaml", folder)


def agent_of(
    job: Job,
    plant: site.Plant,
    buses: tuple[Bus, Bus],
    periods_s: Mapping[Rate, float] | None = None,
) -> Agent:
    """Return the edge of a job, its journals in `var`; without `periods_s` all have the job's."""
    points = site.born(plant.points())
    me = Self("bench", "edge", secrets.token_hex(4), "bench", "0", points, wire.birth_hash(points))
    periods: dict[Rate, float] = dict.fromkeys(("life_safety", "normal", "slow"), job.period_s)
    periods.update(periods_s or {})
    folder = Path(job.folder) / "var"
    means = Means(
        CLOCK, lambda: secrets.randbits(74), lambda: secrets.token_hex(4), folder, periods
    )
    return Agent(plant, plant.edge("edge"), me, means, buses)


def run_edge(job: Job, out: Answers, plant: Callable[[Job], site.Plant] = plant_of) -> None:
    """Be the edge for some seconds, then until its journal is empty; put what it cost."""
    logs.start("ERROR")
    described, figures = plant(job), dict[str, float]()
    fill(job, described)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        buses = (
            Mqtt("127.0.0.1", job.broker, "edge", loop=loop),
            Mqtt("127.0.0.1", job.broker, "edge.data", loop=loop),
        )
        figures.update(await _measured(agent_of(job, described, buses), job))
        for bus in buses:
            await loop.run_in_executor(None, bus.close)

    uvloop.run(main())
    figures["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out.put(figures)


def fill(job: Job, plant: site.Plant) -> None:
    """Leave a journal as an outage would: 200 readings a second, committed every 5 s."""
    if not job.backlog:
        return
    birth = wire.birth_hash(site.born(plant.points()))
    journal = Journal(Path(job.folder) / "var" / "data.db", lambda: "bench", may_shed=True)
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
        await asyncio.sleep(job.warm_s)
    reads = sum(poller.reads for poller in agent.pollers)
    cpu, wall, began = time.process_time(), time.perf_counter(), CLOCK.tick()
    if job.backlog:
        await _until(keeper, _has_left)
    else:
        await asyncio.sleep(job.seconds)
    figures = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "polled": (sum(poller.reads for poller in agent.pollers) - reads) * float(POINTS),
        "began": began,  # by the clock that all processes of a machine share
        "ended": CLOCK.tick(),
        "rss_now_mb": machine.memory_bytes() / (1 << 20),
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


def run(
    job: Job,
    edge: Callable[[Job, Answers], None] = run_edge,
    devices: Callable[[Job], None] = serve,
    *others: Callable[[Job], None],
) -> dict[str, float]:
    """Run one load; return what the edge and the acknowledger counted.

    Args:
        job: Its folder and ports are chosen here.
        edge: The process of the edge.
        devices: That of the devices.
        others: More processes, started before the edge.
    """
    context = get_context("spawn")
    edge_out, acker_out = context.Queue(), context.Queue()
    with TemporaryDirectory() as folder:
        job = replace(job, folder=folder, modbus=parts.free_port(), broker=parts.free_port())
        config = f"listener {job.broker} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        with parts.mosquitto(Path(folder), config, job.broker):
            started = [context.Process(target=each, args=(job,)) for each in (devices, *others)]
            acker = context.Process(target=acknowledge, args=(job, acker_out))
            measured = context.Process(target=edge, args=(job, edge_out))
            try:
                for each in (*started, acker):
                    each.start()
                parts.until(lambda: parts.listens(job.modbus), "no devices")
                measured.start()
                parts.until(
                    lambda: not edge_out.empty() or measured.exitcode is not None,
                    "the edge does not end",
                    job.seconds + 2 * DRAIN_S,
                )
                figures: dict[str, float] = edge_out.get(timeout=1)
                os.kill(acker.pid or 0, signal.SIGTERM)
                return {**figures, **acker_out.get(timeout=10)}
            finally:
                for process in (measured, acker, *started):
                    process.terminate()
                    process.join(5)
