"""The edge when it has much to poll: what a reading costs then, and what dead devices cost others.

    python -m benchmarks.edge_scale [--short | --smoke]

The same change and the same connections at 1,000 and at 100,000 points: once as fast as the edge
can, once at the same 100,000 readings a second. Then 200 devices on connections of their own, of
which 5 refuse the connection and 5 never answer: the others note when they are asked.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from typing import Final

from benchmarks import edge_neighbours, edge_parts
from benchmarks.edge_parts import POINTS, Job
from ops.bench.figure import Figure
from watchkeeper.settings import Settings

FEW: Final = 16  # devices: 992 points
MANY: Final = 1_613  # 100,006 points
BUSES: Final = 16
FLAT: Final = 1.25
CYCLE_S: Final = 1.0


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the cost of scale and of dead neighbours."""
    many = FEW * 10 if options.smoke else MANY
    seconds = 0.5 if options.smoke else 1.0 if options.short else 10.0
    rounds = 1 if options.smoke else 3
    figures = [*_cost("edge.cost_flat_ratio", (0.0, 0.0), many, seconds, rounds)]
    if not options.smoke:
        slow = (CYCLE_S * FEW / many, CYCLE_S)
        figures += _cost("edge.cost_flat_ratio_100k_per_s", slow, many, 2 * seconds, 1)
    neighbours = 1.5 if options.smoke else 10.0 if options.short else 60.0
    return [*figures, *_neighbours(neighbours)]


def _cost(
    name: str, periods_s: tuple[float, float], many: int, seconds: float, rounds: int
) -> Iterator[Figure]:
    """Measure few and many points in turn: other programs disturb both; the median counts."""
    job = Job("", 0, 0, FEW, 0.2, periods_s[0], seconds, buses=BUSES)
    most = replace(
        job, devices=many, period_s=periods_s[1], warm_s=max(seconds, min(2.0, many / 500))
    )
    runs = [(edge_parts.run(job), edge_parts.run(most)) for _ in range(rounds)]
    costs = [(_us(few), _us(large)) for few, large in runs]
    last = runs[-1][1]
    load = (
        f"{FEW * POINTS:,} points {median(few for few, _ in costs):.2f} us, "
        f"{many * POINTS:,} points {median(large for _, large in costs):.2f} us of CPU a reading, "
        f"{BUSES} connections, 20% change, {last['polled'] / last['wall_s']:,.0f}/s on "
        f"{last['cpu_s'] / last['wall_s']:.2f} core"
    )
    yield Figure(name, median(large / few for few, large in costs), "x", FLAT, "<", load)
    if periods_s[1]:
        points = f"{many * POINTS:,} points at {periods_s[1]:g} s, 20% change"
        rss = median(large["rss_mb"] for _, large in runs)
        yield Figure("edge.rss_mb_100k_points", rss, "MB", None, "<", points)
        share = median(large["cpu_s"] / large["wall_s"] for _, large in runs)
        yield Figure("edge.core_share_100k_points", share, "cores", None, "<", points)
    lost = sum(run["reported"] - run["arrived"] for pair in runs for run in pair)
    yield Figure(f"{name}_lost", lost, "readings", 1, "<", "reported, never acknowledged")


def _us(run: dict[str, float]) -> float:
    return 1e6 * run["cpu_s"] / run["polled"]


def _neighbours(seconds: float) -> Iterator[Figure]:
    run = edge_neighbours.run(seconds, CYCLE_S)
    dead, all_ = edge_neighbours.DEAD, edge_neighbours.DEVICES
    load = f"{all_} devices of {POINTS} points on as many connections, {dead} dead, {CYCLE_S:g} s"
    share = run["late"] / run["cycles"]
    of = f"{run['late']:.0f} of {run['cycles']:,.0f} cycles later than 1.5 periods; {load}"
    yield Figure("edge.dead_neighbours_late", share, "share", 0.001, "<", of)
    core = run["cpu_s"] / run["wall_s"]
    yield Figure("edge.dead_neighbours_core_share", core, "cores", None, "<", load)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="10 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:34} {figure.value:>10,.4f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
