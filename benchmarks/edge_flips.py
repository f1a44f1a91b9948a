"""The processes of the latency benchmark: a fire panel whose registers flip, its edge, a server.

Each flip gives one of the panel's registers a value that no other flip has; so an event says by
itself which flip it is about. All of them read the clock that the processes of a machine share.
"""

import asyncio
import multiprocessing
import random
import secrets
import threading
from dataclasses import replace
from functools import partial
from multiprocessing.synchronize import Event as Signal
from pathlib import Path
from typing import Final, TypeAlias

import uvloop
from typing_extensions import override

from adapters import log as logs
from adapters import machine
from adapters.mqtt import Mqtt
from benchmarks import edge_parts
from benchmarks.edge_parts import BUS, CLOCK, PROFILE, SITE, UNIT, Answers, Device, Job, prepared
from edge.agent import Agent
from edge.plan import PERIODS_S
from watchkeeper import site, topics, wire
from watchkeeper.bus import Receive
from watchkeeper.clock import unix_ms

METERS: Final = 81  # 5,022 points
BUSES: Final = 16  # of the meters
DETECTORS: Final = 60
PANEL: Final = 200  # its unit number
PAUSE_S: Final = (0.01, 0.1)  # from flip to flip
PATIENCE_S: Final = 15.0  # for the last acknowledgement
STORED_PER_S: Final = 300_000  # readings the gateway takes: the bar of the whole chain
PANEL_PROFILE: Final = PROFILE.split("modbus:")[0].replace("id: bench", "id: panel", 1) + (
    "modbus: {function: 3, max_registers: 124}\n"
    'points: [{id: "detector-{n}", name: {zh: "{n}", en: "{n}"}, address: 0, type: uint16,\n'
    f"  class: life_safety, repeat: {{count: {DETECTORS}, step: 1}}}}]\n"
)

Ticks: TypeAlias = dict[int, float]  # flip -> when it happened, or when it was acknowledged
Told: TypeAlias = "multiprocessing.Queue[Ticks]"


def plant_of(job: Job) -> site.Plant:
    """Return a site of meters on some buses and a panel on its own."""
    folder = Path(job.folder)
    (folder / "bench.yaml").write_text(PROFILE, "utf-8")
    (folder / "panel.yaml").write_text(PANEL_PROFILE, "utf-8")
    buses = [BUS.format(n=n, port=job.modbus) for n in range(BUSES + 1)]
    units = [UNIT.format(n=n, bus=n % BUSES, unit=1 + n // BUSES) for n in range(job.devices)] + [
        UNIT.format(n="panel", bus=BUSES, unit=PANEL).replace("bench", "panel")
    ]
    described = SITE.format(buses=", ".join(buses), units=", ".join(units))
    (folder / "site.yaml").write_text(described, "utf-8")
    return site.load(folder / "site.yaml", folder)


class _Panel(Device):
    """The meters, and the panel among them."""

    words: bytearray

    @override
    def data_received(self, data: bytes) -> None:
        if data[6] != PANEL:
            super().data_received(data)
            return
        length = len(self.words) + 3
        head = data[:4] + length.to_bytes(2, "big") + bytes([PANEL, 3, len(self.words)])
        self._transport.write(head + self.words)


def serve(job: Job, flips: int, told: Told, go: Signal) -> None:
    """Be all devices until ended; once told to go flip registers, then put when."""
    answers, words = prepared(job.change), bytearray(2 * DETECTORS)

    def made() -> _Panel:
        panel = _Panel(answers)
        panel.words = words
        return panel

    async def main() -> None:
        loop, flipped, chance = asyncio.get_running_loop(), Ticks(), random.Random(3)  # noqa: S311 - no secret
        server = await loop.create_server(made, "127.0.0.1", job.modbus)
        await loop.run_in_executor(None, go.wait)
        for flip in range(1, flips + 1):
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            first = 2 * (flip % DETECTORS)
            words[first : first + 2] = flip.to_bytes(2, "big")
            flipped[flip] = CLOCK.tick()
        told.put(flipped)
        await server.serve_forever()

    uvloop.run(main())


def be_server(job: Job) -> None:
    """Acknowledge each event as it comes, until ended."""
    bus = Mqtt("127.0.0.1", job.broker, "server")

    def receive(_topic: str, payload: bytes) -> None:
        event = wire.decode_event(payload)
        if isinstance(event, wire.Event):
            ack = wire.Ack("event", event.journal, [(event.sequence, event.sequence)])
            bus.publish(topics.down("bench", "edge", "ack"), wire.encode(ack))

    def here() -> None:
        state = wire.State("online", boot, bus.connection, unix_ms(CLOCK.now()))
        bus.publish(topics.program_state("server", "main"), wire.encode(state), retain=True)

    boot = secrets.token_hex(4)
    bus.subscribe(topics.up("bench", "edge", "event"), receive)
    bus.on_connect(here)
    threading.Event().wait()


class _Noting(Mqtt):
    """Notes when the acknowledgement of each flip has been handled."""

    def __init__(self, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.acked = Ticks()
        self._flip: dict[int, int] = {}  # q -> which flip its event is about
        super().__init__("127.0.0.1", port, "edge", loop=loop)

    @override
    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> bool:
        if topic.endswith("/event"):
            event = wire.decode_event(payload)
            if isinstance(event, wire.Event) and event.after:
                self._flip[event.sequence] = int(event.after)
        return super().publish(topic, payload, qos, retain=retain)

    @override
    def subscribe(self, topic: str, receive: Receive, qos: int = 1) -> None:
        def handled(named: str, payload: bytes) -> None:
            receive(named, payload)
            if topic.endswith("/ack"):
                self._note(wire.decode_ack(payload))

        super().subscribe(topic, handled, qos)

    def _note(self, ack: wire.Ack) -> None:
        if ack.lane != "event":
            return
        for low, high in ack.ok:
            for q in range(low, high + 1):
                if q in self._flip:
                    self.acked.setdefault(self._flip[q], CLOCK.tick())


def run_edge(job: Job, out: Answers, flips: int, told: Told, go: Signal) -> None:
    """Be the edge until every flip is acknowledged, or much too late; put when each was."""
    logs.start("ERROR")
    plant, figures = plant_of(job), dict[str, float]()
    edge_parts.fill(job, plant)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        noting = _Noting(job.broker, loop)
        buses = (noting, Mqtt("127.0.0.1", job.broker, "edge.data", loop=loop))
        agent = edge_parts.agent_of(job, plant, buses, PERIODS_S)
        figures.update(await _flipped(agent, noting, flips, go))
        for bus in buses:
            await loop.run_in_executor(None, bus.close)
        told.put(noting.acked)

    uvloop.run(main())
    out.put(figures)


async def _flipped(agent: Agent, noting: _Noting, flips: int, go: Signal) -> dict[str, float]:
    stop = asyncio.Event()
    work = asyncio.create_task(agent.run(stop))
    while not all(poller.reads >= len(poller.units) for poller in agent.pollers):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    go.set()
    began, cpu_s = CLOCK.tick(), machine.cpu_s()
    last = began + flips * sum(PAUSE_S) / 2 + PATIENCE_S
    while len(noting.acked) < flips and CLOCK.tick() < last:  # noqa: ASYNC110 - all count by it
        await asyncio.sleep(0.05)
    wall_s = CLOCK.tick() - began
    figures = {"cpu_s": machine.cpu_s() - cpu_s, "wall_s": wall_s}
    stop.set()
    await work
    return figures


def run(flips: int, backlog: int) -> tuple[Ticks, Ticks, dict[str, float]]:
    """Return when each flip happened, when each was acknowledged, and what else was counted."""
    context = multiprocessing.get_context("spawn")
    flipped: Told = context.Queue()
    acked: Told = context.Queue()
    go = context.Event()
    job = Job("", 0, 0, METERS, 1.0, 0.0, flips * sum(PAUSE_S) / 2, backlog)
    job = replace(job, stored_per_s=STORED_PER_S)
    figures = edge_parts.run(
        job,
        partial(run_edge, flips=flips, told=acked, go=go),
        partial(serve, flips=flips, told=flipped, go=go),
        be_server,
    )
    return flipped.get(timeout=10), acked.get(timeout=10), figures
