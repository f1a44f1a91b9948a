"""The embedded history store: how fast readings go in, how small they get, how fast a month is.

    python -m benchmarks.store [--short]

Per number of series: 30 days of 3 points every 10 s as history, then ticks of a random walk of two
decimals in commits of 5,000 readings, while a second process asks for a month at 1 h, over and
over: first as fast as they go in, which is the ingest figure (until all is sealed and merged), then
3 s at the bar's 500,000 a second, which is the load of the month figure.
"""

import argparse
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import numpy as np

from adapters.history.embedded import EmbeddedHistory
from adapters.system_clock import SystemClock
from ops.bench.figure import Figure, percentile
from watchkeeper.batch import Batch, Series
from watchkeeper.clock import unix_ms
from watchkeeper.ids import PointId
from watchkeeper.settings import Settings

HOUR, DAY, TICK = 3_600_000, 86_400_000, 10_000  # ms
DAYS, OLD = 30, 3  # of history, for so many points
COMMIT = 5_000
PACE, PACED = 500_000, 1_500_000  # readings a second, and readings, of the month figure
CLOCK = SystemClock()
# The second process: a month at 1 h of one point, until its standard input ends; prints ms.
READER = """
import sys, threading
from pathlib import Path
from adapters.history.embedded import EmbeddedHistory
from adapters.system_clock import SystemClock
path, start, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
clock, over = SystemClock(), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
history, n = EmbeddedHistory(path, clock=clock, writable=False), 0
while not over.is_set():
    began = clock.tick()
    found = history.buckets(f"unit-0/p{n % 3}", start, end, 3_600_000)
    print(began, (clock.tick() - began) * 1000, len(found.start), flush=True)
    n += 1
    over.wait(0.02)
"""


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the figures at 2,000 and at 100,000 series."""
    readings = 400_000 if options.smoke else 3_000_000 if options.short else 10_000_000
    return [figure for series in (2_000, 100_000) for figure in _one(series, readings)]


@dataclass
class _Run:
    """What one number of series gave."""

    series: int
    fast: int = 0  # readings written as fast as they go in
    all: int = 0  # readings in the store at the end
    acknowledged_s: float = 0.0
    settled_s: float = 0.0
    cpu_s: float = 0.0
    lost: int = 0
    live: int = 0  # bytes
    whole: int = 0
    hard_ms: list[float] = field(default_factory=list)  # months while writing at full speed
    easy_ms: list[float] = field(default_factory=list)  # at PACE


def _one(series: int, readings: int) -> Iterator[Figure]:
    run = _Run(series)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        history = EmbeddedHistory(path, clock=CLOCK, writable=True)
        numbers = history.series([PointId(f"unit-{n // 20}/p{n % 20}") for n in range(series)])
        today = unix_ms(CLOCK.now()) // DAY * DAY
        run.all = _write(history, _history(numbers[:OLD], today))
        history.settle()
        commits = list(_ticks(numbers, today, readings + PACED))
        _write_and_read(run, history, path, commits, today)
        history.settle()
        run.lost += _count_back(history, series, today, commits)
        history.close()
        run.live, run.whole = _sizes(path)
    yield from _figures(run)


def _write_and_read(
    run: _Run, history: EmbeddedHistory, path: Path, commits: list[Batch], today: int
) -> None:
    command = [sys.executable, "-c", READER, str(path), str(today - DAYS * DAY), str(today)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        if reader.stdout is not None:
            reader.stdout.readline()  # it is there
        cut = len(commits) - PACED * len(commits) // sum(map(len, commits))
        began, worked = CLOCK.tick(), resource.getrusage(resource.RUSAGE_SELF)
        run.fast = _write(history, iter(commits[:cut]))
        run.acknowledged_s = CLOCK.tick() - began
        history.settle()
        quiet, work = CLOCK.tick(), resource.getrusage(resource.RUSAGE_SELF)
        run.settled_s = quiet - began
        run.cpu_s = work.ru_utime + work.ru_stime - worked.ru_utime - worked.ru_stime
        run.all += run.fast + _write(history, _paced(commits[cut:]))
        answers, _ = reader.communicate(b"")
    for line in answers.splitlines():
        at, took_ms, hours = map(float, line.split())
        (run.hard_ms if at < quiet else run.easy_ms).append(took_ms)
        run.lost += hours != DAYS * 24


def _figures(run: _Run) -> Iterator[Figure]:
    size = f"{run.series:,} series"
    yield Figure(f"store.ingest_per_s_{run.series}", run.fast / run.settled_s, "1/s", 500_000, ">=",
                 f"{size}, {run.fast:,} readings sealed and merged; acknowledged "
                 f"{run.fast / run.acknowledged_s:,.0f}/s; "
                 f"{1e6 * run.cpu_s / run.fast:.2f} CPU us a reading",
                 "InfluxDB 1.6.7: 270,000")  # fmt: skip
    yield Figure(f"store.bytes_per_reading_{run.series}", run.live / run.all, "B", 3, "<",
                 f"{size}, live pages; whole file {run.whole / run.all:.2f} B",
                 "InfluxDB 1.6.7: 8.4")  # fmt: skip
    yield Figure(f"store.month_ms_p50_{run.series}", percentile(run.easy_ms, 0.5), "ms", 20, "<",
                 f"{size}, {len(run.easy_ms)} months at 1 h by another process while {PACE:,}/s "
                 f"are written, max {max(run.easy_ms):.0f} ms; at full speed p50 "
                 f"{percentile(run.hard_ms, 0.5):.0f}, max {max(run.hard_ms):.0f} ms")  # fmt: skip
    yield Figure(
        f"store.lost_{run.series}", run.lost, "readings", 1, "<", f"{size}, 200 compared whole"
    )


def _history(numbers: Series, today: int) -> Iterator[Batch]:
    rng, count = np.random.default_rng(1), DAY // TICK
    for day in range(DAYS):
        at = today - (DAYS - day) * DAY + np.arange(count) * TICK
        for number in numbers:
            value = np.round(20 + np.cumsum(rng.normal(0, 0.05, count)), 2)
            yield Batch(np.full(count, number), at, value, np.zeros(count, np.uint8))


def _ticks(numbers: Series, today: int, readings: int) -> Iterator[Batch]:
    rng, value = np.random.default_rng(2), np.round(np.linspace(10, 90, len(numbers)), 2)
    size = min(COMMIT, len(numbers))
    for tick in range(readings // len(numbers)):
        value = np.round(value + rng.normal(0, 0.05, len(value)), 2)
        for start in range(0, len(numbers), size):
            own = slice(start, start + size)
            yield Batch(
                numbers[own],
                np.full(size, today + tick * TICK),
                value[own],
                np.zeros(size, np.uint8),
            )


def _paced(batches: list[Batch]) -> Iterator[Batch]:
    """Yield the batches at PACE readings a second."""
    began, count, pause = CLOCK.tick(), 0, Event()
    for batch in batches:
        pause.wait(max(0.0, began + count / PACE - CLOCK.tick()))
        count += len(batch)
        yield batch


def _write(history: EmbeddedHistory, batches: Iterator[Batch]) -> int:
    count = 0
    for batch in batches:
        history.write(batch)
        count += len(batch)
    return count


def _count_back(history: EmbeddedHistory, series: int, today: int, commits: list[Batch]) -> int:
    """Return how many readings of a sample of 200 points are missing or wrong."""
    sent = Batch.joined(commits)
    points, wrong = history.points(), 0
    for number in np.linspace(0, series - 1, 200).astype(int).tolist():
        own = sent.series == number
        track = history.raw(points[number], today, today + DAY)
        same = len(track.at) == own.sum() and np.array_equal(track.value, sent.value[own])
        wrong += 0 if same else int(own.sum())
    return wrong


def _sizes(path: Path) -> tuple[int, int]:
    """Return the bytes of live pages and of the whole file."""
    db = sqlite3.connect(path)
    pages, free, size = (
        int(db.execute(f"pragma {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    db.close()
    return (pages - free) * size, pages * size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="3,000,000 readings, not 10,000,000")
    parser.add_argument("--smoke", action="store_true", help="400,000: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>12,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
