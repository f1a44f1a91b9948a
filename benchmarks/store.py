"""The embedded history store: how fast, how small, how soon read, and how long a commit takes.

    python -m benchmarks.store [--short]

Per number of series: as history 30 days of 3 points and 7 days of 47 more, every 10 s; then ticks
of a random walk of two decimals in commits of 5,000 readings, while a second process asks for
months at 1 h, the latest of 2,000 points and 50 points of 7 days at 15 min, over and over. First as
fast as they go in, which is the ingest figure (until all is sealed and merged); then 3 s at the
bar of 500,000 a second, the load of the month figure; then 20,000 a second in commits of 1,000,
the load of the other two. The longest commit is that of both paces; beside it stands what
the disk itself takes, measured by the second process on a file of its own.
"""

import argparse
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

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
WIDE_DAYS, WIDE = 7, 50  # and for so many
COMMIT = 5_000
PACE, PACED = 500_000, 1_500_000  # readings a second, and readings, of the month figure
LIVE_PACE, LIVE, LIVE_COMMIT = 20_000, 100_000, 1_000
CLOCK = SystemClock()
# The second process, until its standard input ends: prints what was asked, when, ms, rows found;
# at last the fdatasyncs of 20 KB that a thread of it did meanwhile.
READER = """
import os, sys, threading
from pathlib import Path
from adapters.history.embedded import EmbeddedHistory
from adapters.system_clock import SystemClock
path, today, hour = Path(sys.argv[1]), int(sys.argv[2]), 3_600_000
day, names = 24 * hour, [f"unit-{n // 20}/p{n % 20}" for n in range(2_000)]
clock, over = SystemClock(), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
history, n, synced = EmbeddedHistory(path, clock=clock, writable=False), 0, []
def month():
    return len(history.buckets(names[n % 3], today - 30 * day, today, hour).start)
def latest():
    return len(history.latest(names))
def wide():
    spans = [history.buckets(name, today - 7 * day, today, hour // 4) for name in names[:50]]
    return sum(len(found.start) for found in spans)
def sync():
    with path.with_name("probe").open("wb") as probe:
        while not over.wait(0.05):
            probe.seek(20_000 * (len(synced) % 100))
            probe.write(os.urandom(20_000))
            probe.flush()
            began = clock.tick()
            os.fdatasync(probe.fileno())
            synced.append((clock.tick() - began) * 1000)
syncing = threading.Thread(target=sync)
syncing.start()
while not over.is_set():
    ask = (month, month, latest, month, month, wide)[n % 6]
    began = clock.tick()
    try:
        found = ask()
    except Exception:
        found = -1
    print(ask.__name__, began, (clock.tick() - began) * 1000, found, flush=True)
    n += 1
    over.wait(0.02)
syncing.join()
for took in synced:
    print("sync", 0, took, 0)
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
    rss_mb: float = 0.0  # above what the process had before it wrote
    failed: int = 0  # questions that got no answer or a wrong one
    hard_ms: list[float] = field(default_factory=list)  # months while writing at full speed
    easy_ms: list[float] = field(default_factory=list)  # and later
    latest_ms: list[float] = field(default_factory=list)  # at LIVE_PACE
    wide_ms: list[float] = field(default_factory=list)
    hard_commit_ms: list[float] = field(default_factory=list)
    commit_ms: list[float] = field(default_factory=list)
    sync_ms: list[float] = field(default_factory=list)


def _one(series: int, readings: int) -> Iterator[Figure]:
    run = _Run(series)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        history = EmbeddedHistory(path, clock=CLOCK, writable=True)
        numbers = history.series([PointId(f"unit-{n // 20}/p{n % 20}") for n in range(series)])
        today = unix_ms(CLOCK.now()) // DAY * DAY
        run.all = _write(history, _history(numbers, today))
        history.settle()
        commits = list(_ticks(numbers, today, readings + PACED + LIVE))
        with _memory(run):
            _write_and_read(run, history, path, commits, today)
            history.settle()
        run.lost += _count_back(history, series, today, commits)
        history.close()
        run.live, run.whole = _sizes(path)
    yield from _figures(run)


@contextmanager
def _memory(run: _Run) -> Iterator[None]:
    """Note the most memory that is held meanwhile, above what is held now."""
    before, over = _rss_mb(), Event()

    def watch() -> None:
        while not over.wait(0.02):
            run.rss_mb = max(run.rss_mb, _rss_mb() - before)

    watching = Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def _write_and_read(
    run: _Run, history: EmbeddedHistory, path: Path, commits: list[Batch], today: int
) -> None:
    command = [sys.executable, "-c", READER, str(path), str(today)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        if reader.stdout is not None:
            reader.stdout.readline()  # it is there
        many = len(commits) / sum(map(len, commits))
        live = len(commits) - round(LIVE * many)
        paced = live - round(PACED * many)
        began, worked = CLOCK.tick(), resource.getrusage(resource.RUSAGE_SELF)
        run.fast = _write(history, iter(commits[:paced]), run.hard_commit_ms)
        run.acknowledged_s = CLOCK.tick() - began
        history.settle()
        quiet, work = CLOCK.tick(), resource.getrusage(resource.RUSAGE_SELF)
        run.settled_s = quiet - began
        run.cpu_s = work.ru_utime + work.ru_stime - worked.ru_utime - worked.ru_stime
        run.all += run.fast
        run.all += _write(history, _paced(commits[paced:live], PACE), run.commit_ms)
        calm, small = CLOCK.tick(), list(_small(commits[live:]))
        run.all += _write(history, _paced(small, LIVE_PACE), run.commit_ms)
        answers, _ = reader.communicate(b"")
    _take_answers(run, answers.decode().splitlines(), quiet, calm)


def _take_answers(run: _Run, lines: list[str], quiet: float, calm: float) -> None:
    rows = {"month": DAYS * 24, "latest": min(run.series, 2_000), "wide": WIDE * WIDE_DAYS * 96}
    for line in lines:
        what, at, took_ms, found = line.split()
        if what == "sync":
            run.sync_ms.append(float(took_ms))
            continue
        enough = int(found) == rows[what] or (what == "latest" and 0 < int(found) <= rows[what])
        run.failed += not enough
        if what == "month":
            (run.hard_ms if float(at) < quiet else run.easy_ms).append(float(took_ms))
        elif float(at) >= calm:
            (run.latest_ms if what == "latest" else run.wide_ms).append(float(took_ms))


def _small(batches: list[Batch]) -> Iterator[Batch]:
    for batch in batches:
        for start in range(0, len(batch), LIVE_COMMIT):
            yield batch.take(np.arange(start, min(start + LIVE_COMMIT, len(batch))))


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
    yield from _live_figures(run, size)
    yield Figure(
        f"store.lost_{run.series}", run.lost, "readings", 1, "<", f"{size}, 200 compared whole"
    )


def _live_figures(run: _Run, size: str) -> Iterator[Figure]:
    yield Figure(f"store.latest_ms_p50_{run.series}", percentile(run.latest_ms, 0.5), "ms", 20, "<",
                 f"{size}, {len(run.latest_ms)} times the latest of 2,000 points while "
                 f"{LIVE_PACE:,}/s are written, max {max(run.latest_ms):.0f} ms")  # fmt: skip
    yield Figure(f"store.wide_ms_p50_{run.series}", percentile(run.wide_ms, 0.5), "ms", 150, "<",
                 f"{size}, {len(run.wide_ms)} times {WIDE} points x {WIDE_DAYS} days at 15 min, "
                 f"likewise, max {max(run.wide_ms):.0f} ms")  # fmt: skip
    yield Figure(f"store.readers_failed_{run.series}", run.failed, "answers", 1, "<",
                 f"{size}, {len(run.hard_ms + run.easy_ms):,} months and the others")  # fmt: skip
    yield Figure(f"store.commit_ms_max_{run.series}", max(run.commit_ms), "ms", 50, "<",
                 f"{size}, of {len(run.commit_ms):,} at {PACE:,}/s and {LIVE_PACE:,}/s, p50 "
                 f"{percentile(run.commit_ms, 0.5):.1f}; at full speed max "
                 f"{max(run.hard_commit_ms):.0f}; the disk's own fdatasync beside it p50 "
                 f"{percentile(run.sync_ms, 0.5):.1f}, max {max(run.sync_ms):.0f} ms")  # fmt: skip
    yield Figure(f"store.rss_mb_{run.series}", run.rss_mb, "MB", 200, "<",
                 f"{size}, the most the writing process took while it wrote")  # fmt: skip


def _history(numbers: Series, today: int) -> Iterator[Batch]:
    rng, count = np.random.default_rng(1), DAY // TICK
    for day in range(DAYS):
        at = today - (DAYS - day) * DAY + np.arange(count) * TICK
        for number in numbers[: OLD if day < DAYS - WIDE_DAYS else WIDE]:
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


def _paced(batches: list[Batch], pace: int) -> Iterator[Batch]:
    """Yield the batches at so many readings a second."""
    began, count, pause = CLOCK.tick(), 0, Event()
    for batch in batches:
        pause.wait(max(0.0, began + count / pace - CLOCK.tick()))
        count += len(batch)
        yield batch


def _write(
    history: EmbeddedHistory, batches: Iterator[Batch], took_ms: list[float] | None = None
) -> int:
    count = 0
    for batch in batches:
        began = CLOCK.tick()
        history.write(batch)
        if took_ms is not None:
            took_ms.append((CLOCK.tick() - began) * 1000)
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
