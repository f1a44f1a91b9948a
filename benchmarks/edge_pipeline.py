"""The edge: poll, decode, judge, journal (fsync), publish, acknowledged, deleted; what it costs.

    python -m benchmarks.edge_pipeline [--short | --smoke] [--json FILE]

The real edge against fast Modbus TCP devices, a real mosquitto and an acknowledger, each a process
of its own. CPU seconds are those of the edge process, all its threads. Readings polled count for
the rate, whether they changed or not; every reported one must arrive. Backlog: a journal full of an
outage leaves while polling goes on.
"""

import argparse
from collections.abc import Iterator
from typing import Final

from benchmarks import edge_parts
from benchmarks.edge_parts import Job
from ops.bench.figure import Figure
from watchkeeper.settings import Settings

PEER: Final = "thingsboard-gateway 3.8.5 at its best: 44,000-56,000 (bench edge-peer)"


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return rate, idle cost and backlog."""
    seconds = 2.0 if options.smoke else 5.0 if options.short else 20.0
    backlog = 200_000 if options.smoke else 2_000_000 if options.short else 17_280_000
    shares = (0.2,) if options.smoke else (0.0, 0.2, 1.0)
    return [
        *(figure for share in shares for figure in _rate(share, seconds)),
        *_idle(max(seconds, 5.0)),
        *_backlog(backlog),
    ]


def _rate(change: float, seconds: float) -> Iterator[Figure]:
    run = _run(devices=20, change=change, period_s=0.0, seconds=seconds)
    barred = change == 0.2  # noqa: PLR2004 - the load of the bar
    name = "edge.readings_per_cpu_s" + ("" if barred else f"_{change:.0%}".rstrip("%"))
    yield Figure(
        name, run["polled"] / run["cpu_s"], "1/s", 250_000 if barred else None, ">=",
        f"20 devices x 62 float32, {change:.0%} change, {run['polled'] / run['wall_s']:,.0f}/s "
        f"polled on {run['cpu_s'] / run['wall_s']:.2f} core, {run['rss_mb']:.0f} MB", PEER,
    )  # fmt: skip
    yield _lost(f"edge.lost_{change:.0%}".rstrip("%"), run)


def _lost(name: str, run: dict[str, float]) -> Figure:
    lost = run["reported"] - run["dropped"] - run["arrived"]
    load = f"of {run['reported']:,.0f} reported; no room for {run['dropped']:,.0f}"
    return Figure(name, lost, "readings", 1, "<", f"{load}, {run['twice']:,.0f} batches twice")


def _idle(seconds: float) -> Iterator[Figure]:
    run = _run(devices=16, change=0.2, period_s=1.0, seconds=seconds)
    load = "992 points at 1 s, 20% change"
    yield Figure("edge.idle_core_share", run["cpu_s"] / run["wall_s"], "cores", 0.05, "<", load)
    yield Figure("edge.idle_rss_mb", run["rss_mb"], "MB", 120, "<", load)


def _backlog(readings: int) -> Iterator[Figure]:
    run = _run(devices=16, change=0.2, period_s=1.0, seconds=0.0, backlog=readings)
    load = f"{readings:,} readings kept over an outage, 16 devices polled at 1 s meanwhile"
    yield Figure("edge.backlog_per_s", readings / run["wall_s"], "1/s", 10_000, ">=", load)
    yield Figure("edge.backlog_live_ms_p99", run["live_ms_p99"], "ms", 2_000, "<", load)
    yield _lost("edge.backlog_lost", run)


def _run(
    *, devices: int, change: float, period_s: float, seconds: float, backlog: int = 0
) -> dict[str, float]:
    """Run one load; return what the edge and the acknowledger counted."""
    return edge_parts.run(Job("", 0, 0, devices, change, period_s, seconds, backlog))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="10 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>12,.3f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
