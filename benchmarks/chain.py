"""The chain: 50 publishers, mosquitto, gateway, embedded store, the alarm server attached.

    python -m benchmarks.chain [--short | --smoke] [--json FILE]

Each a process of its own, the product's programs as a user starts them. A random walk over 1,000
distinct batches a publisher, 1 % of the readings cross the limit of a rule. Afterwards the store is
counted, reading by reading: number and sum of every series must be what was sent.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Final, Self, TypeAlias

import numpy as np
import psutil

from adapters.history.embedded import EmbeddedHistory
from adapters.history.influx_http import Database
from adapters.history.influx_lines import READING
from adapters.system_clock import SystemClock
from benchmarks.chain_parts import SITE_ID, Job, Totals, catalog, publish, stored
from ops.bench.figure import Figure
from ops.programs import Program, answers
from tests import parts
from watchkeeper.settings import HistorySettings, Settings

CLOCK: Final = SystemClock()
BARS: Final = {200: 300_000, 2_000: 150_000}  # points of each of 50 edges: readings a second
NAMES: Final = {200: "10k", 2_000: "100k"}
PEER: Final = "ThingsBoard CE: 15,000 points/s on 2 vCPU"
OURS: Final = ("gateway", "server")
SLOPE_AFTER_S: Final = 60.0  # shorter runs say nothing about growth


Driven: TypeAlias = "tuple[dict[str, float], Totals, Watch, int]"


@dataclass
class Watch:
    """What the processes used while the load ran: CPU seconds, and memory over time."""

    pids: dict[str, int]
    cpu_s: dict[str, float] = field(default_factory=dict)
    memory: list[tuple[float, dict[str, float]]] = field(default_factory=list)  # s, MB by name
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        """Begin."""
        self._before = {name: _cpu(pid) for name, pid in self.pids.items()}
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Add up."""
        self.cpu_s = {name: _cpu(pid) - self._before[name] for name, pid in self.pids.items()}
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        began = CLOCK.tick()
        while True:
            now = {
                name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in self.pids.items()
            }
            self.memory.append((CLOCK.tick() - began, now))
            if self._stop.wait(1.0):
                return

    def rss_mb(self) -> dict[str, float]:
        """Return the most that each process had."""
        return {name: max(now[name] for _, now in self.memory) for name in self.pids}

    def slope_mb_min(self) -> float:
        """Return how fast the fastest growing process grew in the last half."""
        half = self.memory[len(self.memory) // 2 :]
        at = [second for second, _ in half]
        return max(
            60 * linear_regression(at, [now[name] for _, now in half]).slope for name in OURS
        )


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the figures at 10,000 and at 100,000 series, and into InfluxDB at 10,000."""
    seconds = 4.0 if options.smoke else 12.0 if options.short else 600.0
    sizes = (200,) if options.smoke else (200, 2_000)
    figures = [each for points in sizes for each in _run(settings, points, seconds)]
    if not options.smoke:
        with TemporaryDirectory() as folder, parts.influxd(Path(folder)) as url:
            figures += _run(settings, 200, min(seconds, 60.0), url)
    return figures


def _run(settings: Settings, points: int, seconds: float, influx: str = "") -> Iterator[Figure]:
    """Run one load; `influx` is the address of a database instead of the embedded store."""
    with TemporaryDirectory() as folder:
        job = Job(folder, parts.free_port(), points, seconds)
        mine = _settings(settings, job, influx)
        config = (
            f"listener {job.broker} 127.0.0.1\nallow_anonymous true\n"
            "max_inflight_messages 1000\nmax_queued_messages 20000\nset_tcp_nodelay true\n"
        )
        with parts.mosquitto(Path(folder), config, job.broker) as broker:
            cost, totals, watch, dropped = _driven(mine, job, broker.pid)
        lost, more = _missing(mine, job, totals)
    name, bar = (f"{NAMES[points]}_influx", None) if influx else (NAMES[points], BARS[points])
    per_reading = ", ".join(
        f"{program} {1e6 * cpu_s / cost['sent']:.2f}" for program, cpu_s in watch.cpu_s.items()
    )
    load = f"{job.series:,} series, {cost['sent']:,.0f} readings in {cost['wall_s']:.0f} s"
    yield Figure(
        f"chain.readings_per_s_{name}", cost["sent"] / cost["wall_s"], "1/s", bar, ">=",
        f"{load}; CPU us a reading: {per_reading}; the alarm server left {dropped:,} messages",
        PEER,
    )  # fmt: skip
    left = cost["unacknowledged"]
    yield Figure(f"chain.lost_{name}", lost + left, "readings", 1, "<", f"{load}, counted")
    yield Figure(f"chain.duplicates_{name}", more, "readings", 1, "<", f"{load}, count and sum")
    most = watch.rss_mb()
    told = ", ".join(f"{each} {megabytes:.0f}" for each, megabytes in most.items())
    largest = max(most[each] for each in OURS)
    yield Figure(f"chain.rss_mb_{name}", largest, "MB", 400, "<", f"the largest of ours; {told}")
    if seconds >= SLOPE_AFTER_S:
        slope = watch.slope_mb_min()
        yield Figure(f"chain.rss_slope_{name}", slope, "MB/min", 1, "<", "in the last half")


def _settings(settings: Settings, job: Job, influx: str) -> Settings:
    folder = Path(job.folder)
    catalog(job, settings.catalog_folder())
    return settings.model_copy(
        update={
            "data": folder / "var",
            "catalog": folder / "catalog",
            "site": folder / "catalog/sites/chain.yaml",
            "mqtt": settings.mqtt.model_copy(update={"port": job.broker}),
            "ports": settings.ports.model_copy(update={"api": parts.free_port()}),
            "history": HistorySettings(store="influx", url=influx, write_path="v1")
            if influx
            else HistorySettings(),
        }
    )


def _driven(settings: Settings, job: Job, broker: int) -> Driven:
    """Run gateway and server under the load; return its cost and what must be stored."""
    context = get_context("spawn")
    cost, totals = context.Queue(), context.Queue()
    health = f"http://127.0.0.1:{settings.ports.api}/api/v1/health"
    programs: list[Program] = [
        _program(settings, "gateway", lambda: "gateway serves" in programs[0].last_lines()),
        _program(settings, "server", lambda: answers(health)),
    ]
    publisher = context.Process(target=publish, args=(job, cost, totals))
    try:
        for program in programs:
            program.start()
            parts.until(program.ready, f"{program.name} is not ready", 120)
        publisher.start()
        pids = {each.name: each.process.pid for each in programs if each.process}
        pids |= {"mosquitto": broker, "publishers": publisher.pid or os.getpid()}
        children = {each.name(): each.pid for each in psutil.Process().children()}
        pids |= {name: pid for name, pid in children.items() if name == "influxd"}
        with Watch(pids) as watch:
            spent = cost.get(timeout=job.seconds + 120)
        return spent, totals.get(timeout=60), watch, _dropped(programs[1])
    finally:
        if publisher.pid is not None:
            publisher.terminate()
            publisher.join(5)
        for program in reversed(programs):
            program.stop(60)


def _program(settings: Settings, name: str, ready: object) -> Program:
    environment = {
        "WATCHKEEPER_DATA": str(settings.data),
        "WATCHKEEPER_CATALOG": str(settings.catalog),
        "WATCHKEEPER_SITE": str(settings.site),
        "WATCHKEEPER_MQTT__PORT": str(settings.mqtt.port),
        "WATCHKEEPER_PORTS__API": str(settings.ports.api),
        "WATCHKEEPER_HISTORY__STORE": settings.history.store,
        "WATCHKEEPER_HISTORY__URL": settings.history.url,
        "WATCHKEEPER_HISTORY__WRITE_PATH": settings.history.write_path,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    if not callable(ready):
        raise TypeError(name)
    return Program(name, [name], ready, environment, settings.data / "log" / f"{name}.log")


def _dropped(server: Program) -> int:
    """Return how many live messages the alarm server said it could not judge in time."""
    lines = server.log_file.read_text("utf-8", "replace").splitlines()
    told = [line.split("behind: ")[1] for line in lines if "live lane is behind: " in line]
    return int(told[-1].split()[0]) if told else 0


def _missing(settings: Settings, job: Job, totals: Totals) -> tuple[float, float]:
    """Return how many readings are missing, and how many are too many or wrong."""
    found_in = _in_influx if settings.history.store == "influx" else _in_file
    counts, sums = found_in(settings, job)
    wanted, total = totals
    short = np.maximum(wanted - counts, 0).sum()
    wrong = np.abs(sums - total) > 0.005 * np.maximum(wanted, 1)
    more = np.maximum(counts - wanted, 0).sum() + (wrong & (counts == wanted)).sum()
    return float(short), float(more)


def _in_file(settings: Settings, job: Job) -> Totals:
    path = settings.data / "history" / f"{SITE_ID}.db"
    history = EmbeddedHistory(path, clock=CLOCK, writable=True)
    history.settle()
    history.close()
    return stored(path, job)


def _in_influx(settings: Settings, job: Job) -> Totals:
    counts, sums = np.zeros((2, job.series))
    database = Database(settings.history, CLOCK)
    places = job.places()
    for found in database.ask(f"SELECT COUNT(v), SUM(v) FROM {READING} GROUP BY point"):  # noqa: S608 - a constant
        place = places[found.tags["point"]]
        counts[place], sums[place] = found.rows[0][1:]
    database.close()
    return counts.reshape(-1, job.points), sums.reshape(-1, job.points)


def _cpu(pid: int) -> float:
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="10 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>12,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
