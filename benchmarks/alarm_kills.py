"""10,000 events while server, broker and edge are killed: is each an alarm, and only one?

    python -m benchmarks.alarm_kills [--short | --smoke]

A site of fire panels with 60 detectors each; each fault is at a detector of its own, so that rows
can be counted. The edge is a process with the product's journal, keeper and event lane; server,
mosquitto and edge are killed with SIGKILL by turns and started again at once.
"""

import argparse
import asyncio
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from getpass import getuser
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Pause
from typing import Any, Final

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from benchmarks.storm import DETECTORS, EDGE, FAULT, SITE_ID, people_of_demo, placed, server
from edge.journal import Journal
from edge.keep import Keeper
from edge.rows import Row, event_row
from edge.sending import EventLane
from ops.bench.figure import Figure
from ops.observe import Sink
from ops.programs import Program
from server.sql import open_engines
from tests import parts
from watchkeeper import site, topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings
from watchkeeper.site import born

CLOCK: Final = SystemClock()
A_SECOND: Final = 200  # events
TICK_S, STATE_S = 0.05, 5.0
BETWEEN_S: Final = 4.0  # from one kill to the next
DRAIN_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Job:
    """What the edge does."""

    folder: str
    port: int
    points: tuple[wire.BornPoint, ...]
    detectors: tuple[int, ...]  # their aliases, in the order of their faults


@dataclass(frozen=True, slots=True)
class Counted:
    """What the database holds."""

    found: int  # distinct points with an alarm
    double: int  # alarms too many
    phantom: int  # at points without a fault


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return how many alarms are missing, and how many are too many."""
    events = 10_000
    if options.smoke or options.short:
        events = 300 if options.smoke else 2_000
    with TemporaryDirectory() as folder:
        counted, kills = _run(settings, Path(folder), events)
    load = f"{events:,} events, kill -9 of server, broker and edge by turns, {kills} in all"
    return [
        Figure("alarm.kills_lost", events - counted.found, "alarms", 1, "<", load),
        Figure("alarm.kills_double", counted.double, "alarms", 1, "<", load),
        Figure("alarm.kills_phantom", counted.phantom, "alarms", 1, "<", load),
    ]


def _run(settings: Settings, folder: Path, events: int) -> tuple[Counted, int]:
    with ExitStack() as stack:
        mine = placed(settings, folder, -(-events // DETECTORS))
        broker = _Broker(folder, mine.mqtt.port, stack)
        people_of_demo(mine)
        sink = Sink(CLOCK)
        stack.callback(sink.close)
        program = server(mine, sink.url)
        stack.callback(program.stop, 60)
        program.start()
        parts.until(program.ready, "the server is not ready", 120)
        edge = _EdgeProcess(_job(mine, folder, broker.port, events), stack)
        turns = [program_killed(program), broker.kill, edge.kill]
        pause, kills = Pause(), 0
        ends = CLOCK.tick() + max(events / A_SECOND, len(turns) * BETWEEN_S)
        while CLOCK.tick() < ends:
            pause.wait(BETWEEN_S)
            turns[kills % len(turns)]()
            kills += 1
        parts.until(lambda: _counted(mine, edge.job).found == events, "events are missing", DRAIN_S)
        return _counted(mine, edge.job), kills


def program_killed(program: Program) -> Any:
    """Return what kills a program and starts it again."""

    def kill() -> None:
        program.signal(signal.SIGKILL)
        if program.process is not None:
            program.process.wait()
        program.start()

    return kill


class _Broker:
    """Mosquitto, which comes back on its port."""

    def __init__(self, folder: Path, port: int, stack: ExitStack) -> None:
        self.port, self._file, self._log = port, folder / "mosquitto.conf", folder / "broker.log"
        self._file.write_text(
            f"user {getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous true\n", "utf-8"
        )
        self._start()
        stack.callback(self.end)

    def end(self) -> None:
        """Kill it for good."""
        self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """Kill it; it has nothing on disk."""
        self.end()
        self._start()

    def _start(self) -> None:
        command = [parts.program("mosquitto"), "-c", str(self._file)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        parts.until(lambda: parts.listens(self.port), "the broker does not listen")


class _EdgeProcess:
    """The edge, which goes on where its journal ends."""

    def __init__(self, job: Job, stack: ExitStack) -> None:
        self.job, self._context = job, get_context("spawn")
        self._start()
        stack.callback(self.end)

    def end(self) -> None:
        """Kill it for good."""
        self._process.kill()
        self._process.join()

    def kill(self) -> None:
        """Kill it."""
        self.end()
        self._start()

    def _start(self) -> None:
        self._process = self._context.Process(target=be_edge, args=(self.job,), daemon=True)
        self._process.start()


def be_edge(job: Job) -> None:
    """Be the edge until the process is killed."""
    asyncio.run(_Edge(job).run())


class _Edge:
    """Makes events, keeps them in the journal, and sends each until it is acknowledged."""

    def __init__(self, job: Job) -> None:
        self._job, self._hash = job, wire.birth_hash(list(job.points))
        journal = Journal(Path(job.folder) / "event.db", lambda: "kills", may_shed=False)
        self._made = journal.newest()
        self._keeper = Keeper(journal, period_s=0.01)
        self._lane = EventLane(self._keeper, self._send, CLOCK)
        self._waiting: list[Row] = []
        self._boot = f"b{unix_ms(CLOCK.now())}"
        self._connections, self._server = 0, ("", 0)
        self._panels = dict.fromkeys({each.point.partition("/")[0] for each in job.points}, 0.0)

    async def run(self) -> None:
        """Go on until killed."""
        self._bus = Mqtt("127.0.0.1", self._job.port, EDGE, loop=asyncio.get_running_loop())
        self._bus.subscribe(topics.down(SITE_ID, EDGE, "ack"), self._acked)
        self._bus.subscribe(topics.down(SITE_ID, EDGE, "birth"), self._asked)
        self._bus.subscribe(topics.program_state("server", "+"), self._heard)
        self._bus.on_connect(self._connected)
        tasks = [
            asyncio.create_task(each)
            for each in (self._keeper.run(self._take, self._lane.committed), self._told())
        ]
        began, before = CLOCK.tick(), self._made
        while True:
            due = min(len(self._job.detectors), before + int(A_SECOND * (CLOCK.tick() - began)))
            self._make(due)
            if self._bus.connected:
                await self._lane.tend()
            await asyncio.sleep(TICK_S)
            if any(task.done() for task in tasks):
                raise RuntimeError("a task of the edge has ended")

    def _make(self, due: int) -> None:
        for number in range(self._made, due):
            event = wire.Event(
                journal="", sequence=0, birth=self._hash, id=f"kill-{number}",
                kind="life_safety", at=unix_ms(CLOCK.now()), synchronised=1,
                alias=self._job.detectors[number], before=0.0, after=FAULT, quality=0,
            )  # fmt: skip
            self._waiting.append(event_row(event, self._hash, synchronised=True))
        if due > self._made:
            self._made = due
            self._keeper.stir()

    def _take(self) -> list[Row]:
        rows, self._waiting = self._waiting, []
        return rows

    async def _told(self) -> None:
        """Say again and again that every panel answers."""
        while True:
            await asyncio.sleep(STATE_S)
            self._state()

    def _state(self) -> None:
        now = unix_ms(CLOCK.now())
        state = wire.State("online", self._boot, self._connections, now, {}, self._panels)
        self._bus.publish(topics.up(SITE_ID, EDGE, "state"), wire.encode(state), retain=True)

    def _send(self, message: bytes) -> bool:
        return self._bus.publish(topics.up(SITE_ID, EDGE, "event"), message)

    def _connected(self) -> None:
        self._connections += 1
        self._state()
        self._born("birth/")
        self._lane.restart()

    def _asked(self, _: str, __: bytes) -> None:
        self._born("oldbirth")

    def _born(self, lane: str) -> None:
        points = list(self._job.points)
        for birth in wire.births(points, boot=self._boot, software="0", config="c"):
            topic = f"{lane}{birth.part}" if lane.endswith("/") else lane
            message, retain = wire.encode(birth), lane.endswith("/")
            self._bus.publish(topics.up(SITE_ID, EDGE, topic), message, retain=retain)

    def _acked(self, _: str, payload: bytes) -> None:
        self._lane.acked(wire.decode_ack(payload).ok)

    def _heard(self, _: str, payload: bytes) -> None:
        state = wire.decode_state(payload)
        now = (state.boot, state.connection)
        if state.state == "online" and now != self._server:
            self._server = now
            self._lane.restart()


def _job(settings: Settings, folder: Path, port: int, events: int) -> Job:
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    known = born(plant.points())
    detectors = [each.alias for each in known if "/detector-" in each.point]
    return Job(str(folder), port, tuple(known), tuple(detectors[:events]))


def _counted(settings: Settings, job: Job) -> Counted:
    engines = open_engines(f"sqlite:///{settings.data / 'watchkeeper.db'}")
    query = "select point, count(*) as n from alarm where rule = 'detector-fault' group by point"
    with engines.read.connect() as connection:
        rows = {row.point: row.n for row in connection.exec_driver_sql(query)}
    for engine in set(engines):
        engine.dispose()
    names = {each.alias: each.point for each in job.points}
    wanted = {names[alias] for alias in job.detectors}
    double = sum(rows.values()) - len(rows)
    return Counted(len(rows.keys() & wanted), double, len(rows.keys() - wanted))
