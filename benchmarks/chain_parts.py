"""The processes of the chain benchmark: 50 publishing edges in one process, and who counts back."""

import multiprocessing
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from adapters.history.embedded_codec import decode
from adapters.history.embedded_file import open_to_read
from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from watchkeeper import site, topics, wire
from watchkeeper.batch import Floats
from watchkeeper.clock import unix_ms

EDGES = 50
MOST = 500  # readings of a message
STEP_MS = 10  # from batch to batch of an edge, at least
WALKS = 1_000  # distinct batches; each is sent again and again, at new times
SITE_ID = "chain"
CLOCK = SystemClock()
LEAVES = 0.01  # share of readings that cross the limit of their rule
PROFILE = """schema: wk.profile/1
id: chain
name: {{zh: 测, en: Chain}}
equipment: electricity_meter
source: benchmark
modbus: {{function: 3, max_registers: 124}}
points:
  - {{id: "p-{{n}}", name: {{zh: "{{n}}", en: "{{n}}"}}, address: 0, type: float32, decimals: 2,
     unit: W, possible: [-1000000, 1000000], repeat: {{count: {points}, step: 2}}}}
"""
RULES = """schema: wk.rules/1
rules:
  - key: chain-high
    revision: 1
    applies: {equipment: electricity_meter}
    point: p-*
    limit: {high: 100}
    on_delay_s: 3600
    priority: 4
    title: {zh: "{equipment} 偏高", en: "{equipment} high"}
    guidance: {zh: 无, en: None.}
"""
EDGE = (
    "{{id: edge-{n}, buses: [{{id: lan-{n}, modbus_tcp: {{host: 127.0.0.1, port: 1}}}}],"
    " units: [{{id: unit-{n}, profile: chain, bus: lan-{n}, unit: 1, place: house}}]}}"
)

Aliases: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = "multiprocessing.Queue[dict[str, float]]"
Totals: TypeAlias = tuple[Floats, Floats]  # readings and sum of their values, by edge and alias


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    folder: str
    broker: int  # port
    points: int  # of each edge
    seconds: float
    rate: float = 0.0  # readings a second; 0: as many as are acknowledged

    @property
    def batch(self) -> int:
        """Return the readings of a message: whole rounds over some points."""
        size = min(MOST, self.points)
        return size * (MOST // size)

    def places(self) -> dict[str, int]:
        """Return where each point stands among all of them: edge by edge, alias by alias."""
        width = len(str(self.points))
        return {
            f"unit-{edge}/p-{alias + 1:0{width}}": edge * self.points + alias
            for edge in range(EDGES)
            for alias in range(self.points)
        }

    @property
    def series(self) -> int:
        """Return how many points there are in all."""
        return EDGES * self.points


def catalog(job: Job, original: Path) -> Path:
    """Write a site of 50 edges and its profile and rule; return the folder of the catalog."""
    folder = Path(job.folder) / "catalog"
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("*.py*", "__pycache__"))
    for rules in (folder / "rules").glob("*.yaml"):
        if rules.name != "platform.yaml":
            rules.unlink()
    (folder / "rules/chain.yaml").write_text(RULES, "utf-8")
    (folder / "profiles/chain.yaml").write_text(PROFILE.format(points=job.points), "utf-8")
    edges = ", ".join(EDGE.format(n=n) for n in range(EDGES))
    (folder / "sites/chain.yaml").write_text(
        f"schema: wk.site/1\nsite: {{id: {SITE_ID}, name: {{zh: 测, en: Chain}}}}\n"
        f"places: [{{id: house, name: {{zh: 楼, en: House}}}}]\nedges: [{edges}]\n",
        "utf-8",
    )
    return folder


class Publisher:
    """All edges: keeps a window of batches under way, as edges do, and knows what was sent."""

    WINDOW = 400  # batches

    def __init__(self, job: Job) -> None:
        self._job = job
        plant = site.load(
            Path(job.folder) / "catalog/sites/chain.yaml", Path(job.folder) / "catalog/profiles"
        )
        self._born = [site.born(plant.points(edge)) for edge in plant.site.edges]
        self._hash = [wire.birth_hash(points) for points in self._born]
        self._bodies, self._values = _walks(job)
        self._at = [0] * EDGES  # time of each edge's last batch
        self._open: set[tuple[int, int]] = set()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self.sent = np.zeros((EDGES, WALKS), np.int64)  # how often each walk was sent
        self._bus = Mqtt("127.0.0.1", job.broker, "edges")
        self._bus.subscribe(topics.down(SITE_ID, "+", "ack"), self._acknowledged)

    def _acknowledged(self, topic: str, payload: bytes) -> None:
        edge = int(topic.split("/")[3].removeprefix("edge-"))
        ack = wire.decode_ack(payload)
        with self._lock:
            for first, last in ack.ok:
                self._open -= {(edge, number) for number in range(first, last + 1)}
        self._room.set()

    def run(self) -> dict[str, float]:
        """Publish for some seconds and wait for the last acknowledgement; return what it cost."""
        _until(lambda: self._bus.connected, 20)
        self._say_births()
        began, number = CLOCK.tick(), 0
        while (passed := CLOCK.tick() - began) < self._job.seconds:
            if self._job.rate and number * self._job.batch > passed * self._job.rate:
                time.sleep(0.001)
                continue
            if len(self._open) >= self.WINDOW:
                self._room.clear()
                self._room.wait(0.05)
                continue
            self._send(number)
            number += 1
        wall_s = CLOCK.tick() - began
        all_there = _until(lambda: not self._open, 60)
        self._bus.close()
        return {
            "sent": float(number * self._job.batch),
            "wall_s": wall_s,
            "unacknowledged": 0.0 if all_there else float(len(self._open) * self._job.batch),
        }

    def _say_births(self) -> None:
        for edge, points in enumerate(self._born):
            for birth in wire.births(points, boot="b", software="1", config="c"):
                topic = topics.up(SITE_ID, f"edge-{edge}", f"birth/{birth.part}")
                self._bus.publish(topic, wire.encode(birth), retain=True)

    def _send(self, number: int) -> None:
        edge, turn = number % EDGES, number // EDGES
        walk = turn % WALKS
        with self._lock:
            self._open.add((edge, turn))
        self.sent[edge, walk] += 1
        # Every batch of an edge has a time of its own, so that none overwrites another.
        self._at[edge] = max(self._at[edge] + STEP_MS, unix_ms(CLOCK.now()))
        head = b'{"v":1,"j":"J","q":%d,"h":"%s","m":"live","t":%d,"c":1,' % (
            turn, self._hash[edge].encode(), self._at[edge],
        )  # fmt: skip
        self._bus.publish(topics.up(SITE_ID, f"edge-{edge}", "data"), head + self._bodies[walk])

    def totals(self) -> Totals:
        """Return what must be in the store."""
        counts = np.zeros((EDGES, self._job.points))
        sums = np.zeros_like(counts)
        for walk, (aliases, values) in enumerate(self._values):
            times = self.sent[:, walk]
            counts += np.outer(times, np.bincount(aliases, minlength=self._job.points))
            sums += np.outer(times, np.bincount(aliases, values, minlength=self._job.points))
        return counts, sums


def _walks(job: Job) -> tuple[list[bytes], list[tuple[Aliases, Floats]]]:
    """Return so many messages without their heads, and what each carries: a random walk."""
    rng = np.random.default_rng(4)
    level = rng.uniform(20, 80, job.points)
    size, rounds = min(MOST, job.points), job.batch // min(MOST, job.points)
    bodies, values = [], []
    for walk in range(WALKS):
        own = np.arange(walk * size, (walk + 1) * size, dtype=np.int64) % job.points
        level[own] += rng.normal(0, 0.05, size)
        value = np.round(np.tile(level[own], rounds), 2)
        value[rng.random(job.batch) < LEAVES / 2] += 100  # above the limit once, and back again
        body = {
            "a": np.tile(own, rounds).tolist(),
            "d": np.repeat(np.arange(rounds), size).tolist(),
            "y": value.tolist(),
            "x": [],
        }
        bodies.append(wire.encode(body)[1:])
        values.append((np.tile(own, rounds), value.astype(np.float64)))
    return bodies, values


def publish(job: Job, out: Counts, totals: "multiprocessing.Queue[Totals]") -> None:
    """Be the edges; put what it cost, then what must be in the store."""
    publisher = Publisher(job)
    out.put(publisher.run())
    totals.put(publisher.totals())


def stored(path: Path, job: Job) -> Totals:
    """Return what is in a settled embedded store, by edge and alias, frame by frame."""
    db = open_to_read(path)
    if db is None:
        raise FileNotFoundError(path)
    points, order = job.points, job.places()
    place = np.zeros(len(order), np.int64)
    for number, key in db.execute("select number, key from series"):
        place[number] = order[key]
    counts, sums = np.zeros(EDGES * points), np.zeros(EDGES * points)
    for (blob,) in db.execute("select b from frame"):
        batch = decode(blob)
        where = place[batch.series]
        counts += np.bincount(where, minlength=len(counts))
        sums += np.bincount(where, np.nan_to_num(batch.value), minlength=len(sums))
    db.close()
    return counts.reshape(EDGES, points), sums.reshape(EDGES, points)


def _until(true: Callable[[], bool], seconds: float) -> bool:
    end = CLOCK.tick() + seconds
    while not true() and CLOCK.tick() < end:
        time.sleep(0.01)
    return true()
