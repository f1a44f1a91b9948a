"""An edge under load, its broker and its neighbours, all of which may be killed; and the verdict.

What is journalled is known from three sides: what the edge has reported after each commit, what
stood in the journals at each kill, and what stands there at the end. All of it must have arrived
with the same content; what arrived must be one of these, and what the devices have answered.
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Final, Self, TypeVar

from benchmarks.edge_kill_parts import (
    CLOCK,
    PERIOD_S,
    UNITS,
    Came,
    Key,
    Lane,
    Load,
    Served,
    acknowledge,
    digest,
    run_edge,
    serve,
)
from tests import parts
from watchkeeper.clock import unix_ms

LANES: Final[tuple[Lane, ...]] = ("event", "data")
READ_BEFORE_MS: Final = 2_000  # an answer is stamped at most so long after it was given
LONGEST_S: Final = 30.0  # is waited for what should come in 10
NEVER_S: Final = 999.0  # stands for what did not come back at all

Rows = dict[Key, set[str]]  # what each row held
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, on both clocks."""

    tick: float
    at: int  # Unix ms


@dataclass(frozen=True, slots=True)
class Life:
    """One edge process, from its start to its kill."""

    started: float  # tick
    ended: float
    polled: bool  # it lived long enough to read every unit


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of all rows."""

    journalled: int
    lost: int
    phantom: int
    gap_cycles: float  # longest a read of a unit came late, in its periods
    back_s: float  # longest from a return of edge or broker to the first row read after it
    readings: int


class Rig:
    """All processes; ended when the block ends."""

    def __init__(self, folder: Path, journals: Path, *, synchronous: str = "full") -> None:
        """Prepare.

        Args:
            folder: For files that no kill and no power cut may touch.
            journals: Folder of the edge.
            synchronous: How the edge's SQLite writes.
        """
        self._folder, self._port = folder, parts.free_port()
        self.load = Load(
            str(journals), str(folder / "reports"), parts.free_port(), self._port, synchronous
        )
        self._context = get_context("spawn")
        self._served: Queue[Served] = self._context.Queue()
        self._came: Queue[Came] = self._context.Queue()
        self._processes: list[BaseProcess] = []
        self._broker: ExitStack | None = None
        self._edge: BaseProcess | None = None
        self._edge_started = 0.0
        self.snapshots: Rows = {}
        self.lives: list[Life] = []
        self.returns: list[Instant] = []
        (folder / "reports").touch()

    def __enter__(self) -> Self:
        """Start the devices, who acknowledges, the broker; not the edge."""
        self._devices = self._started(serve, self.load.modbus, self._served)
        self._acker = self._started(acknowledge, self._port, self._came)
        parts.until(lambda: parts.listens(self.load.modbus), "no devices")
        self.start_broker()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        for process in self._processes:
            if process.is_alive():
                process.kill()
            process.join(5)
        if self._broker is not None:
            self._broker.close()

    def start_broker(self) -> None:
        """Start mosquitto, as it is without settings."""
        self._broker = ExitStack()
        config = f"listener {self._port} 127.0.0.1\nallow_anonymous true\n"
        self._mosquitto = self._broker.enter_context(
            parts.mosquitto(self._folder, config, self._port)
        )
        if self._edge is not None:
            self.returns.append(_now())

    def kill_broker(self) -> None:
        """Kill -9."""
        self._mosquitto.kill()
        self._mosquitto.wait(5)
        if self._broker is not None:
            self._broker.close()
            self._broker = None

    def start_edge(self) -> None:
        """Start it; it returns before it reads."""
        self._edge_started = CLOCK.tick()
        if self._broker is not None:
            self.returns.append(_now())
        self._edge = self._started(run_edge, self.load)

    def kill_edge(self, *, polled: bool = True) -> None:
        """Kill -9, and see what is in its journals; `polled`: it lived long enough to be judged."""
        self._edge_pid_gets(signal.SIGKILL)
        self._ended(polled=polled)
        if not polled:
            self.returns.pop()
        for lane in LANES:
            copy = self._folder / "copy"
            copy.mkdir()
            for tail in ("", "-wal"):
                file = Path(self.load.folder) / f"{lane}.db{tail}"
                if file.exists():
                    shutil.copy(file, copy / file.name)
            _add(self.snapshots, kept(copy, lane))
            shutil.rmtree(copy)

    def halt_edge(self) -> None:
        """Stop it where it stands."""
        self._edge_pid_gets(signal.SIGSTOP)

    def resume_edge(self) -> None:
        """Let it go on."""
        self._edge_pid_gets(signal.SIGCONT)

    def commits(self, least: int = 1) -> None:
        """Wait until the edge has committed so many rows more."""
        wanted = self._reported() + least
        parts.until(lambda: self._reported() >= wanted, "the edge commits too little")

    def flows(self) -> None:
        """Wait until what was read after the last return is acknowledged; not for ever."""
        since = self.returns[-1].at
        with suppress(AssertionError):  # the verdict tells how long it took
            parts.until(lambda: self._acknowledged() >= since, "nothing flows", LONGEST_S)

    def drain(self) -> None:
        """Stop reading, and wait until all that is kept is acknowledged."""
        self._edge_pid_gets(signal.SIGTERM)
        self._ended(polled=True)
        self._edge = self._started(run_edge, replace(self.load, quiet=True))
        folder = Path(self.load.folder)
        parts.until(lambda: not any(_open(folder, lane) for lane in LANES), "rows stay", 60)
        self._edge_pid_gets(signal.SIGTERM)
        self._edge.join(10)

    def _acknowledged(self) -> int:
        """Return up to when both lanes' rows are, Unix ms."""
        return min(_newest(Path(self.load.folder), lane) for lane in LANES)

    def verdict(self) -> Verdict:
        """Return what became of all rows; call it once, at the end."""
        came, served = self.came(), self._ended_with(self._devices, self._served)
        rows = reported(Path(self.load.reports).read_text("utf-8").splitlines())
        _add(rows, self.snapshots)
        for lane in LANES:
            _add(rows, kept(Path(self.load.folder), lane))
        twice = sum(len(keys) - 1 for keys in came.ids.values())
        changed = sum(len(held) - 1 for held in rows.values())
        return Verdict(
            len(rows),
            missing(rows, came.rows),
            missing(came.rows, rows) + twice + changed + _invented(came, served),
            max([0.0, *(_late(served, life) for life in self.lives if life.polled)]),
            max(_back_s(came, self.returns), default=0.0),
            sum(len(reads) for reads in served.read.values()),
        )

    def came(self) -> Came:
        """End who acknowledges; return what came to it."""
        return self._ended_with(self._acker, self._came)

    def _started(self, target: object, *facts: object) -> BaseProcess:
        process = self._context.Process(target=target, args=facts, daemon=True)  # type: ignore[arg-type]
        process.start()
        self._processes.append(process)
        return process

    def _ended_with(self, process: BaseProcess, out: "Queue[Found]") -> Found:
        os.kill(process.pid or 0, signal.SIGTERM)
        found = out.get(timeout=30)
        process.join(5)
        return found

    def _edge_pid_gets(self, number: signal.Signals) -> None:
        if self._edge is None or self._edge.pid is None:
            raise RuntimeError("no edge runs")
        os.kill(self._edge.pid, number)

    def _ended(self, *, polled: bool) -> None:
        if self._edge is not None:
            self._edge.join(15)
        self.lives.append(Life(self._edge_started, CLOCK.tick(), polled))

    def _reported(self) -> int:
        return Path(self.load.reports).read_bytes().count(b"\n")


def _now() -> Instant:
    return Instant(CLOCK.tick(), unix_ms(CLOCK.now()))


def _add(rows: Rows, more: Rows) -> None:
    for key, held in more.items():
        rows.setdefault(key, set()).update(held)


def missing(wanted: Rows, there: Rows) -> int:
    """Return how many rows are not there, or not with this content."""
    return sum(not held <= there.get(key, set()) for key, held in wanted.items())


def reported(lines: Iterable[str]) -> Rows:
    """Return what the edge said it has committed."""
    rows: Rows = {}
    for line in lines:
        lane, journal, q, held = line.split()
        rows[Key("event" if lane == "event" else "data", journal, int(q))] = {held}
    return rows


def kept(folder: Path, lane: Lane, *, acknowledged: bool = False) -> Rows:
    """Return the rows in a journal.

    Args:
        folder: Where it stands.
        lane: Of which lane.
        acknowledged: Only those that are marked so.
    """
    rows: Rows = {}
    question = "select q, blob from row where acked >= ?"
    path = folder / f"{lane}.db"
    if not path.exists():
        return rows
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("select 1 from sqlite_master where name = 'row'").fetchone():
            return rows  # killed before it had a table
        about = database.execute("select value from about where key = 'id'").fetchone()
        for q, tail in database.execute(question, (int(acknowledged),)):
            rows[Key(lane, about[0], q)] = {digest(tail)}
    return rows


def _open(folder: Path, lane: Lane) -> int:
    """Return how many rows are not acknowledged."""
    with closing(sqlite3.connect(folder / f"{lane}.db", timeout=10)) as database:
        found: int = database.execute("select count(*) from row where acked = 0").fetchone()[0]
        return found


def _newest(folder: Path, lane: Lane) -> int:
    """Return when the newest acknowledged row was read, Unix ms."""
    path = folder / f"{lane}.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, timeout=10)) as database, suppress(sqlite3.OperationalError):
        question = "select coalesce(max(time), 0) from row where acked = 1"
        found: int = database.execute(question).fetchone()[0]
        return found
    return 0  # it has no table yet


def _invented(came: Came, served: Served) -> int:
    """Return how many readings no device has given, or not then."""
    wrong = 0
    for block, turn, at in came.facts:
        reads = served.read.get(block, [])
        told = reads[turn - 1][1] if 0 < turn <= len(reads) else 0
        wrong += not 0 <= at - told <= READ_BEFORE_MS
    return wrong


def _late(served: Served, life: Life) -> float:
    """Return by how many periods a read came late: the first after the connect, or any other."""
    within = [tick for tick in served.connected if life.started < tick < life.ended]
    if not within:
        return NEVER_S
    longest = 0.0
    for unit in range(1, UNITS + 1):
        for part in (0, 1):
            ticks = [t for t, _ in served.read[unit, part] if life.started < t < life.ended]
            first = ticks[0] - within[0] if ticks else NEVER_S
            gaps = [then - now - PERIOD_S for now, then in pairwise(ticks)]
            longest = max(longest, first, *gaps)
    return longest / PERIOD_S


def _back_s(came: Came, returns: list[Instant]) -> Iterable[float]:
    """Yield how long each lane took to bring what was read after a return."""
    ends = [*(back.tick for back in returns[1:]), float("inf")]
    for lane in LANES:
        rows = sorted((tick, at) for tick, of, at in came.newest if of == lane)
        for back, end in zip(returns, ends, strict=True):
            ticks = (tick for tick, at in rows if back.tick < tick < end and at >= back.at)
            yield next(ticks, back.tick + NEVER_S) - back.tick
