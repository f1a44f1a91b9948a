"""A register of a fire panel flips; when does its edge know that the server has the event?

    python -m benchmarks.edge_latency [--short | --smoke]

60 life-safety points polled every 250 ms flip at random instants, some 18 a second, while 5,022
points are polled at 1 s, all of them changing, and an hour of their readings leaves the journal as
fast as a gateway that stores 300,000 readings a second takes them. Broker: mosquitto. The one who
acknowledges events does so as they come: what a server adds is in `bench alarm`.
"""

import argparse
from typing import Final

from benchmarks import edge_flips
from edge.plan import PERIODS_S
from ops.bench.figure import Figure, percentile
from watchkeeper.settings import Settings

HOUR: Final = edge_flips.METERS * 62 * 3_600  # readings
BAR_MS: Final = 1_000 * PERIODS_S["life_safety"] / 2 + 40  # the mean wait for the poll, and ours


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return how long flips took and how many were lost."""
    flips = 10 if options.smoke else 100 if options.short else 1_000
    backlog = 500_000 if options.smoke else 3_000_000 if options.short else HOUR
    flipped, acked, run = edge_flips.run(flips, backlog)
    took = [1_000 * (acked[flip] - at) for flip, at in flipped.items() if flip in acked]
    during = sum(at < run["back_until"] for at in flipped.values())
    load = (
        f"{flips} flips, {during} of them while {backlog:,} readings of backlog leave, "
        f"{edge_flips.METERS * 62:,} points at 1 s, {run['cpu_s'] / run['wall_s']:.2f} core"
    )
    return [
        Figure("edge.flip_ack_ms_p50", percentile(took or [1e9], 0.5), "ms", BAR_MS, "<", load),
        Figure("edge.flip_ack_ms_p99", percentile(took or [1e9], 0.99), "ms", None, "<", load),
        Figure("edge.flip_lost", len(flipped) - len(took), "flips", 1, "<", load),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="10 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:24} {figure.value:>10,.1f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
