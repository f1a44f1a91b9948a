"""The edges of the transport's checker: 50 in one process, and the board on which all is noted.

Journal, keeper and data lane are the real ones of an edge; only the readings are made here. Each
value says which reading it is: step and series follow from it, and from the step its time. So
nothing can be lost, invented or doubled without being recognised.
"""

import asyncio
import ctypes
import logging
import random
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import uvloop

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from benchmarks.checker_poison import Kind, poisoned
from edge.flight import Range
from edge.journal import Journal
from edge.keep import Keeper
from edge.rows import Row, data_rows
from edge.sending import DataLane
from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms

EDGES: Final = 50
STEPS: Final = 5  # of a batch
STEP_MS: Final = 100
BATCH_MS: Final = STEPS * STEP_MS
SITE_ID: Final = "checked"
MOST: Final = 8_000  # batches of an edge: more than an hour
TEND_S: Final = 0.25  # as a real edge looks for what to send again
LOOK_S: Final = 0.02
SHUFFLE_S: Final = 0.3  # what is replayed gathers so long
COPIES: Final = 3
OK, BAD = 1, 2  # what the gateway said of a batch
CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class Load:
    """What all edges do."""

    folder: str  # of the journals
    broker: int  # port
    points: int  # of each edge
    start: int  # Unix ms of step 0
    accounts: bool = False  # each edge has to sign in
    site: str = SITE_ID

    @property
    def series(self) -> int:
        """Return how many points there are in all."""
        return EDGES * self.points

    def at(self, edge: int, batch: int) -> int:
        """Return when a batch begins, Unix ms; edges do not read in step."""
        return self.start + batch * BATCH_MS + edge * BATCH_MS // EDGES

    def point(self, edge: int, alias: int) -> str:
        """Return the name of a point."""
        return f"unit-{edge}/p-{alias}"

    def born(self, edge: int) -> list[wire.BornPoint]:
        """Return what the aliases of an edge stand for."""
        return [
            wire.BornPoint(alias, self.point(edge, alias), "float64", "W", "telemetry")
            for alias in range(self.points)
        ]


class Noted(NamedTuple):
    """What stood on the board at one instant."""

    made: npt.NDArray[np.int64]  # batches in the journal of each edge, (edges,)
    said: npt.NDArray[np.uint8]  # what the gateway said of each: 0, OK or BAD, (edges, MOST)
    kinds: npt.NDArray[np.uint8]  # what is wrong with each, (edges, MOST)

    def open(self) -> int:
        """Return how many batches nobody has stored or refused."""
        rows = zip(self.said, self.made.tolist(), strict=True)
        return sum(int(np.count_nonzero(row[:made] == 0)) for row, made in rows)


class Board:
    """Shared memory: what the edges have done, and what they are to do."""

    def __init__(self, context: SpawnContext) -> None:
        self._made: Any = context.RawArray(ctypes.c_int64, EDGES)
        self._newest: Any = context.RawArray(ctypes.c_int64, EDGES)
        self._said: Any = context.RawArray(ctypes.c_uint8, EDGES * MOST)
        self._kinds: Any = context.RawArray(ctypes.c_uint8, EDGES * MOST)
        self._orders: Any = context.RawArray(ctypes.c_uint8, 5)

    @property
    def made(self) -> npt.NDArray[np.int64]:
        """Return how many batches each edge has in its journal, (edges,)."""
        return np.frombuffer(self._made, np.int64)

    @property
    def newest(self) -> npt.NDArray[np.int64]:
        """Return when the newest acknowledged batch of each edge began, Unix ms, (edges,)."""
        return np.frombuffer(self._newest, np.int64)

    @property
    def said(self) -> npt.NDArray[np.uint8]:
        """Return what the gateway said of each batch: 0, OK or BAD, (edges, MOST)."""
        return np.frombuffer(self._said, np.uint8).reshape(EDGES, MOST)

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Return what is wrong with each batch, (edges, MOST)."""
        return np.frombuffer(self._kinds, np.uint8).reshape(EDGES, MOST)

    def order(self, what: str, *, on: bool) -> None:
        """Have the edges begin or end something."""
        self._orders[ORDERS.index(what)] = on

    def ordered(self, what: str) -> bool:
        """Return whether it is wanted now."""
        return bool(self._orders[ORDERS.index(what)])

    def noted(self) -> Noted:
        """Return what stands here now."""
        return Noted(self.made.copy(), self.said.copy(), self.kinds.copy())


# end: make no more; replay: send each three times, shuffled; again: all of it once more;
# poison: spoil some batches; ready: the edges are there.
ORDERS: Final = ("end", "replay", "again", "poison", "ready")


class Edge:
    """One edge: makes batches, and sends each until it is acknowledged."""

    def __init__(self, number: int, load: Load, board: Board, crowd: "Crowd") -> None:
        self._number, self._load, self._board, self._crowd = number, load, board, crowd
        self._name = f"edge-{number}"
        self._born = load.born(number)
        self._hash = wire.birth_hash(self._born)
        self._aliases = np.tile(np.arange(load.points, dtype=np.uint32), STEPS)
        self._offsets = np.repeat(np.arange(STEPS, dtype=np.int64), load.points)
        self._batch = 0
        self._waiting: list[Row] = []
        self._gateway: dict[str, tuple[str, int]] = {}
        path = Path(load.folder) / f"{self._name}.db"
        path.with_suffix(".ballast").touch()  # 50 of 4 MB are not needed here
        journal = Journal(path, lambda: f"j{number}", may_shed=True)
        journal._connection.execute("pragma synchronous=off")  # noqa: SLF001 - nobody kills this process
        self.keeper = Keeper(journal, period_s=0.01)
        self.lane = DataLane(self.keeper, self._send, CLOCK)
        user = self._name if load.accounts else ""
        self.bus = Mqtt(
            "127.0.0.1", load.broker, self._name, username=user, password=user or None,
            loop=asyncio.get_running_loop(),
        )  # fmt: skip
        self.bus.subscribe(topics.down(self._load.site, self._name, "ack"), self._on_ack)
        self.bus.subscribe(topics.down(self._load.site, self._name, "birth"), self._on_ask)
        self.bus.subscribe(topics.program_state("gateway", "+"), self._on_gateway)
        self.bus.on_connect(self._connected)

    def make(self, now: int) -> None:
        """Put into the journal what was read until now."""
        if self._load.at(self._number, self._batch + 1) > now or self._batch >= MOST:
            return
        steps = self._batch * STEPS + self._offsets
        own = self._number * self._load.points + self._aliases
        at = self._load.at(self._number, self._batch) + self._offsets * STEP_MS
        value = (steps * self._load.series + own).astype(np.float64)
        batch = Batch(self._aliases, at, value, np.zeros(len(at), np.uint8))
        (row,) = data_rows(batch, self._hash, mode="live", synchronised=True)
        kind = Kind.GOOD
        if self._board.ordered("poison"):
            kind = Kind.of(self._number, self._batch)
            row = poisoned(row, kind)
        self._board.kinds[self._number, self._batch] = kind
        self._batch += 1
        self._waiting.append(row)
        self.keeper.stir()

    def take(self) -> list[Row]:
        """Give the journal what was made."""
        rows, self._waiting = self._waiting, []
        return rows

    def committed(self, rows: list[Row]) -> None:
        """Send what is in the journal; its numbers are those of the batches, from 1."""
        self._board.made[self._number] = rows[-1].q
        self.lane.committed(rows)

    async def run(self) -> None:
        """Send what waits and send late ones again, as edge/publish.py does."""
        while True:
            more = self.bus.connected and await self.lane.tend()
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if more else TEND_S):
                    await self.lane.hungry.wait()
            self.lane.hungry.clear()

    def publish(self, message: bytes) -> bool:
        """Hand a batch to the broker."""
        return self.bus.publish(topics.up(self._load.site, self._name, "data"), message)

    def _send(self, message: bytes) -> bool:
        if self._board.ordered("replay"):
            self._crowd.keep(self, message)
            return True
        return self.publish(message)

    def _connected(self) -> None:
        for birth in wire.births(self._born, boot="b", software="1", config="c"):
            topic = topics.up(self._load.site, self._name, f"birth/{birth.part}")
            self.bus.publish(topic, wire.encode(birth), retain=True)
        self.lane.restart()

    def _on_ack(self, _topic: str, payload: bytes) -> None:
        ack = wire.decode_ack(payload)
        self._note(ack.ok)
        for q, _ in ack.bad:
            self._board.said[self._number, q - 1] = BAD
        if ack.bad:
            self._crowd.do(self.lane.set_aside(ack.bad))
        self.lane.acked(ack.ok)

    def _note(self, ranges: Iterable[Range]) -> None:
        for first, last in ranges:
            self._board.said[self._number, first - 1 : last] = OK
            newest = self._load.at(self._number, last - 1)
            self._board.newest[self._number] = max(newest, self._board.newest[self._number])

    def _on_ask(self, _topic: str, payload: bytes) -> None:
        asked = wire.decode_ask_birth(payload).hash
        for birth in wire.births(self._born, boot="b", software="1", config="c", name=asked):
            self.bus.publish(topics.up(self._load.site, self._name, "oldbirth"), wire.encode(birth))
        self.lane.explained(asked)

    def _on_gateway(self, topic: str, payload: bytes) -> None:
        state = wire.decode_state(payload)
        now = (state.boot, state.connection)
        if state.state == "online" and self._gateway.get(topic) != now:
            self._gateway[topic] = now
            self.lane.restart()


class Crowd:
    """All edges, and what is sent more than once."""

    def __init__(self, load: Load, board: Board) -> None:
        self._board = board
        self._tasks: set[asyncio.Task[Any]] = set()
        self._chance = random.Random(5)  # noqa: S311 - chance, no secret
        self._pool: list[tuple[Edge, bytes]] = []
        self._all: list[tuple[Edge, bytes]] = []
        self.edges = [Edge(number, load, board, self) for number in range(EDGES)]

    def do(self, work: Any) -> None:
        """Do it soon."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def keep(self, edge: Edge, message: bytes) -> None:
        """Send it several times, in no order."""
        self._pool += [(edge, message)] * COPIES
        self._all.append((edge, message))

    async def run(self) -> None:
        """Be the edges until the process is ended."""
        for edge in self.edges:
            self.do(edge.keeper.run(edge.take, edge.committed))
            self.do(edge.run())
        self.do(self._shuffle())
        while not self._board.ordered("ready"):
            self._board.order("ready", on=all(edge.bus.connected for edge in self.edges))
            await asyncio.sleep(LOOK_S)
        while not self._board.ordered("end"):
            now = unix_ms(CLOCK.now())
            for edge in self.edges:
                edge.make(now)
            await asyncio.sleep(LOOK_S)
        await asyncio.Event().wait()

    async def _shuffle(self) -> None:
        while True:
            await asyncio.sleep(SHUFFLE_S)
            out, self._pool = self._pool, []
            if self._board.ordered("again"):
                self._board.order("again", on=False)
                out += self._all
            self._chance.shuffle(out)
            for edge, message in out:
                edge.publish(message)


def be_edges(load: Load, board: Board) -> None:
    """Run all edges until the process is ended."""
    logging.getLogger().addHandler(logging.NullHandler())  # each of fifty would say the same
    threading.stack_size(256 << 10)

    async def main() -> None:
        await Crowd(load, board).run()

    uvloop.run(main())
