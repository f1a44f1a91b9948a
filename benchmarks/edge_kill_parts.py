"""The processes that are killed: devices that count, the edge that reports, who acknowledges.

A device answers each read with the number of that read; so a reading says by itself when it was
made, and nobody can invent one. The edge writes to a file what it has committed, after the commit.
"""

import asyncio
import functools
import os
import secrets
import signal
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias, cast

import uvloop
from typing_extensions import override

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from edge.agent import Agent, Means
from edge.journal import Journal, Range
from edge.publish import Self
from edge.rows import Row, data_message, event_message
from watchkeeper import site, topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.profile import Rate

UNITS: Final = 32
FLOATS: Final = 60  # points of a unit beside its life-safety one
PERIOD_S: Final = 0.25  # of life safety; here of all
ANSWER_S: Final = 0.003  # unit n takes n times as long: so something is always being committed
CLOCK: Final = SystemClock()
PROFILE: Final = f"""schema: wk.profile/1
id: counted
name: {{zh: 测, en: Counted}}
equipment: electricity_meter
source: benchmark
modbus: {{function: 3, max_registers: 124}}
points:
  - {{id: alarm, name: {{zh: 警, en: Alarm}}, address: 0, type: uint16, class: life_safety}}
  - {{id: "value-{{n}}", name: {{zh: "{{n}}", en: "{{n}}"}}, address: 10, type: float32,
     decimals: 2, repeat: {{count: {FLOATS}, step: 2}}}}
"""
SITE: Final = """schema: wk.site/1
site: {{id: bench, name: {{zh: 测, en: Bench}}}}
places: [{{id: house, name: {{zh: 楼, en: House}}}}]
edges: [{{id: edge, buses: [{buses}], units: [{units}]}}]
"""
BUS: Final = "{{id: bus-{n}, modbus_tcp: {{host: 127.0.0.1, port: {port}}}}}"
UNIT: Final = "{{id: unit-{n}, profile: counted, bus: bus-{n}, unit: {address}, place: house}}"

Lane: TypeAlias = Literal["event", "data"]
Block: TypeAlias = tuple[int, int]  # unit, and 0 for its life-safety point or 1 for the others


class Key(NamedTuple):
    """What names a row for ever."""

    lane: Lane
    journal: str
    q: int


class Fact(NamedTuple):
    """A reading that arrived."""

    block: Block
    turn: int  # the number of its read
    at: int  # Unix ms


@dataclass(frozen=True, slots=True)
class Load:
    """Where an edge works, and how."""

    folder: str  # of its journals
    reports: str  # file that outlives it
    modbus: int  # port
    broker: int  # port
    synchronous: str = "full"  # of SQLite
    quiet: bool = False  # polls nothing, only sends what is kept


@dataclass(slots=True)
class Served:
    """What the devices answered."""

    connected: list[float] = field(default_factory=list)  # ticks
    read: dict[Block, list[tuple[float, int]]] = field(default_factory=dict)  # tick and Unix ms


@dataclass(slots=True)
class Came:
    """What arrived at the acknowledger."""

    rows: dict[Key, set[str]] = field(default_factory=dict)  # what they held
    ids: dict[str, set[Key]] = field(default_factory=dict)  # of events
    facts: set[Fact] = field(default_factory=set)
    newest: list[tuple[float, Lane, int]] = field(default_factory=list)  # tick, lane, read at


def digest(tail: bytes) -> str:
    """Return what stands for the content of a row."""
    return blake2b(tail, digest_size=8).hexdigest()


class Device(asyncio.Protocol):
    """One connection to the units: the answer to the n-th read of a block is n."""

    def __init__(self, served: Served) -> None:
        self._served = served

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._served.connected.append(CLOCK.tick())

    @override
    def data_received(self, data: bytes) -> None:
        unit, _, address, count = struct.unpack(">BBHH", data[6:12])
        reads = self._served.read.setdefault((unit, int(address > 0)), [])
        reads.append((CLOCK.tick(), unix_ms(CLOCK.now())))
        turn = len(reads)
        body = struct.pack(f">{count // 2}f", *[turn] * (count // 2))
        if count == 1:
            body = struct.pack(">H", turn)
        head = struct.pack(">HBBB", len(body) + 3, unit, data[7], len(body))
        asyncio.get_running_loop().call_later(unit * ANSWER_S, self._answer, data[:4] + head + body)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def serve(port: int, out: "Queue[Served]") -> None:
    """Be all devices until SIGTERM; put what was served."""
    served = Served()

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        server = await loop.create_server(lambda: Device(served), "127.0.0.1", port)
        await stop.wait()
        server.close()

    uvloop.run(main())
    out.put(served)


class Acker:
    """Acknowledges as server and gateway do, what came within 50 ms together; remembers all."""

    def __init__(self, broker: int) -> None:
        self.came = Came()
        self._waiting: list[Key] = []
        self._lock = threading.Lock()
        self._boot = secrets.token_hex(4)
        self._bus = Mqtt("127.0.0.1", broker, "acker")
        self._bus.subscribe(topics.up("bench", "edge", "data"), self._on_data)
        self._bus.subscribe(topics.up("bench", "edge", "event"), self._on_event)
        self._bus.on_connect(self._tell)

    def _tell(self) -> None:
        """Say that we are here: what the broker had for us before is to be sent again."""
        now = unix_ms(CLOCK.now())
        state = wire.encode(wire.State("online", self._boot, self._bus.connection, now))
        for program in ("server", "gateway"):
            self._bus.publish(topics.program_state(program, "bench"), state, retain=True)

    def _on_data(self, _topic: str, payload: bytes) -> None:
        message = wire.decode_data(payload)
        row = Row(message.sequence, message.birth, "", 0, b"")
        tail = payload[len(data_message(message.journal, row, message.mode)) :]
        batch = wire.columns(message)
        good = batch.quality == 0
        facts = zip(
            batch.series[good].tolist(), batch.value[good].tolist(), batch.at[good].tolist(),
            strict=True,
        )  # fmt: skip
        key = Key("data", message.journal, message.sequence)
        self._keep(key, tail, (_fact(*each) for each in facts), int(batch.at[-1]))

    def _on_event(self, _topic: str, payload: bytes) -> None:
        message = wire.decode_event(payload)
        if isinstance(message, wire.Snapshot):
            return
        row = Row(message.sequence, message.birth, "", 0, b"")
        tail = payload[len(event_message(message.journal, row)) :]
        key = Key("event", message.journal, message.sequence)
        good = message.after is not None and message.quality == 0
        facts = [_fact(message.alias, message.after or 0.0, message.at)] if good else []
        self._keep(key, tail, facts, message.at)
        with self._lock:
            self.came.ids.setdefault(message.id, set()).add(key)

    def _keep(self, key: Key, tail: bytes, facts: Iterable[Fact], at: int) -> None:
        with self._lock:
            self.came.rows.setdefault(key, set()).add(digest(tail))
            self.came.facts.update(facts)
            self.came.newest.append((CLOCK.tick(), key.lane, at))
            self._waiting.append(key)

    def run(self, stop: threading.Event) -> Came:
        """Acknowledge until told to stop; return what came."""
        while not stop.wait(0.05):
            with self._lock:
                ready, self._waiting = self._waiting, []
            for lane, journal in {(key.lane, key.journal) for key in ready}:
                done = [(q, q) for *of, q in ready if of == [lane, journal]]
                ack = wire.Ack(lane, journal, done)
                self._bus.publish(topics.down("bench", "edge", "ack"), wire.encode(ack))
        self._bus.close()
        return self.came


def _fact(alias: int, value: float, at: int) -> Fact:
    unit, point = divmod(alias, FLOATS + 1)
    return Fact((unit + 1, int(point > 0)), int(value), at)


def acknowledge(broker: int, out: "Queue[Came]") -> None:
    """Be the acknowledger until SIGTERM; put what came."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    out.put(Acker(broker).run(stop))


def plant_of(load: Load) -> site.Plant:
    """Return a site of units, each on a bus of its own; its files stand beside the reports."""
    folder = Path(load.reports).parent
    (folder / "counted.yaml").write_text(PROFILE, "utf-8")
    buses = ", ".join(BUS.format(n=n, port=load.modbus) for n in range(UNITS))
    units = ", ".join(UNIT.format(n=n, address=n + 1) for n in range(UNITS))
    (folder / "site.yaml").write_text(SITE.format(buses=buses, units=units), "utf-8")
    return site.load(folder / "site.yaml", folder)


def run_edge(load: Load) -> None:
    """Be the edge until SIGTERM, or whatever comes first."""
    plant = plant_of(load)
    points = site.born(plant.points())
    me = Self("bench", "edge", secrets.token_hex(4), "bench", "0", points, wire.birth_hash(points))
    periods: dict[Rate, float] = dict.fromkeys(("life_safety", "normal", "slow"), PERIOD_S)
    folder = Path(load.folder)
    means = Means(
        CLOCK, lambda: secrets.randbits(74), lambda: secrets.token_hex(4), folder, periods
    )

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        buses = (
            Mqtt("127.0.0.1", load.broker, "edge", loop=loop),
            Mqtt("127.0.0.1", load.broker, "edge.data", loop=loop),
        )
        agent = Agent(plant, plant.edge("edge"), me, means, buses)
        _prepare(agent, load)
        await agent.run(stop)
        for bus in buses:
            await loop.run_in_executor(None, bus.close)

    uvloop.run(main())


def _prepare(agent: Agent, load: Load) -> None:
    """Have it report what it has committed; the edge itself is as it always is."""
    reports = os.open(load.reports, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for keeper in agent._keepers:  # noqa: SLF001 - nobody else needs to look in there
        journal = keeper.journal
        if load.synchronous != "full":
            journal._connection.execute(f"pragma synchronous={load.synchronous}")  # noqa: SLF001
        journal.commit = functools.partial(  # type: ignore[method-assign]
            _commit_and_report, journal, journal.commit, reports
        )
    if load.quiet:
        for poller in agent.pollers:
            poller._next = lambda: None  # type: ignore[method-assign]  # noqa: SLF001


def _commit_and_report(
    journal: Journal,
    commit: Callable[[Sequence[Row], Iterable[Range]], list[Row]],
    reports: int,
    rows: Sequence[Row] = (),
    gone: Iterable[Range] = (),
) -> list[Row]:
    kept = commit(rows, gone)
    lines = [f"{journal.path.stem} {journal.id} {row.q} {digest(row.tail)}\n" for row in kept]
    if lines:
        os.write(reports, "".join(lines).encode())
    return kept
