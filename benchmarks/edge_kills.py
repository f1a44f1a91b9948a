"""What an edge has journalled arrives, whatever dies: itself, the broker, the mains.

    python -m benchmarks.edge_kills [--short | --smoke]

The real edge and a real mosquitto, kill -9 of either at chance instants (the seed is fixed), half
of the edge's while the broker is down, some while it starts. 32 units are read four times a second,
and all they say changes from read to read: 7,808 readings and 128 events a second. A power cut is
an ext4 image copied as it is; see `benchmarks/edge_power.py`.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Final

from benchmarks.edge_kill_rig import Rig, Verdict
from benchmarks.edge_power import Loss, power_cuts
from ops.bench.figure import Figure
from tests import disk
from watchkeeper.settings import Settings

LONGEST_LOAD_S: Final = 1.5  # between the return of one that was killed and the next kill
DOWN_S: Final = 0.5  # of the broker
START_S: Final = 2.0  # an edge that is killed while it starts has at most so long


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return what was lost, invented and late."""
    edges, brokers, cuts = (20, 10, 20)
    if options.smoke:
        edges, brokers, cuts = 2, 1, 2
    elif options.short:
        edges, brokers, cuts = 5, 3, 5
    found = [*_edge_figures(edge_kills(edges), edges)]
    found += _broker_figures(broker_kills(brokers), brokers)
    if disk.can_mount():
        found += _power_figures(cuts)
    else:
        print("left out: edge.power_*: only root, with loop devices, can cut the power of a disk")
    return found


def edge_kills(kills: int) -> Verdict:
    """Kill the edge so often: in turn with the broker up, and while it is down."""
    pause, chance = Event(), random.Random(1)  # noqa: S311 - chance, no secret
    with TemporaryDirectory() as folder, Rig(Path(folder), Path(folder) / "var") as rig:
        rig.start_edge()
        for number in range(kills):
            rig.flows()
            pause.wait(chance.uniform(0, LONGEST_LOAD_S))
            if number % 2:
                rig.kill_broker()
                pause.wait(chance.uniform(0, DOWN_S))
            rig.kill_edge()
            rig.start_edge()
            if number % 2:
                rig.commits()
                rig.start_broker()
            elif number % 4 == 0:  # once more, before it has come to itself
                pause.wait(chance.uniform(0, START_S))
                rig.kill_edge(polled=False)
                rig.start_edge()
        rig.flows()
        rig.drain()
        return rig.verdict()


def broker_kills(kills: int) -> Verdict:
    """Kill mosquitto so often."""
    pause, chance = Event(), random.Random(2)  # noqa: S311 - chance, no secret
    with TemporaryDirectory() as folder, Rig(Path(folder), Path(folder) / "var") as rig:
        rig.start_edge()
        for _ in range(kills):
            rig.flows()
            pause.wait(chance.uniform(0, LONGEST_LOAD_S))
            rig.kill_broker()
            pause.wait(chance.uniform(0, 4 * DOWN_S))
            rig.start_broker()
        rig.flows()
        rig.drain()
        return rig.verdict()


def _edge_figures(found: Verdict, kills: int) -> Iterator[Figure]:
    load = f"kill -9 x{kills}, half while the broker is down; {_rows(found)}"
    yield Figure("edge.kill_lost", found.lost, "rows", 1, "<", load)
    yield Figure(
        "edge.kill_phantom", found.phantom, "rows", 1, "<",
        "arrived though not journalled, changed, an event under two names, or never read",
    )  # fmt: skip
    yield Figure(
        "edge.kill_gap_cycles", found.gap_cycles, "cycles", 1, "<",
        "latest read of 32 units, first after the connect of a new process or any other",
    )  # fmt: skip
    yield Figure(
        "edge.kill_back_s", found.back_s, "s", 10, "<",
        "from the start of a process, or of the broker, to a fresh row of each lane",
    )  # fmt: skip


def _broker_figures(found: Verdict, kills: int) -> Iterator[Figure]:
    load = f"kill -9 of mosquitto x{kills}; {_rows(found)}"
    yield Figure("broker.kill_lost", found.lost, "rows", 1, "<", load)
    yield Figure("broker.kill_phantom", found.phantom, "rows", 1, "<", load)
    yield Figure("broker.kill_gap_cycles", found.gap_cycles, "cycles", 1, "<", load)
    yield Figure("broker.kill_back_s", found.back_s, "s", 10, "<", load)


def _rows(found: Verdict) -> str:
    return f"{found.journalled:,} rows journalled of {found.readings:,} reads"


def _power_figures(cuts: int) -> Iterator[Figure]:
    found = _cut(cuts)
    load = f"power cut x{cuts}, ext4; {found.reported:,} rows reported as committed at the last"
    yield Figure("edge.power_lost", found.lost, "rows", 1, "<", load)
    yield Figure("edge.power_damaged", found.damaged, "journals", 1, "<", load)
    blind = _cut(2, synchronous="off")
    load = f"the same with synchronous=OFF, of {blind.reported:,}: the measurement can fail"
    yield Figure("edge.power_lost_unsynced", blind.lost, "rows", 1, ">=", load)


def _cut(cuts: int, *, synchronous: str = "full") -> Loss:
    with TemporaryDirectory() as folder:
        return power_cuts(Path(folder), cuts, synchronous=synchronous)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="40 s")
    parser.add_argument("--smoke", action="store_true", help="20 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>10,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
