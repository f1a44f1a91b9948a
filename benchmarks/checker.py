"""The checker of the transport: every reading made against history, while everything is struck.

    python -m benchmarks.checker [--short | --smoke]

50 publishing edges, mosquitto or the embedded broker, the real gateway, the embedded store or
InfluxDB. Every value says which reading it is, so that each one that is lost, invented or doubled
is recognised. What is done and when follows from a seed. Power cuts and a full disk are in
`benchmarks/checker_power.py`.
"""

import argparse
import random
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from benchmarks.checker_power import disk_full, power_cuts
from benchmarks.checker_rig import Rig, Setting, Verdict
from benchmarks.checker_verdict import Part
from ops.bench.figure import Figure
from tests import disk
from watchkeeper.settings import Settings

BACK_S: Final = 10.0
SEED: Final = 11


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    kills: int
    every_s: float  # from kill to kill
    stop_s: float
    spell_s: float  # of replaying, and of poison


FULL: Final = Scale(kills=6, every_s=10.0, stop_s=60.0, spell_s=20.0)
SHORT: Final = Scale(kills=1, every_s=3.0, stop_s=5.0, spell_s=2.0)
SMOKE: Final = Scale(kills=1, every_s=2.0, stop_s=2.0, spell_s=1.0)

Strike: TypeAlias = Callable[[Rig, Scale], None]


def kill(name: str, down_s: float = 0.0) -> Strike:
    """Return a strike that kills a part again and again."""

    def strike(rig: Rig, scale: Scale) -> None:
        chance = random.Random(SEED)  # noqa: S311 - chance, no secret
        rig.begin(f"{name}_kill")
        for _ in range(scale.kills):
            rig.rest(chance.uniform(0.3, 1.0) * scale.every_s)
            rig.kill(name)
            rig.rest(chance.uniform(0, down_s))
            with rig.returning():
                rig.start(name)

    return strike


def away(name: str) -> Strike:
    """Return a strike that kills a part and starts it only after a while."""

    def strike(rig: Rig, scale: Scale) -> None:
        rig.begin(f"{name}_away")
        rig.kill(name)
        rig.rest(scale.stop_s)
        with rig.returning():
            rig.start(name)

    return strike


def halt(name: str) -> Strike:
    """Return a strike that stops a part where it stands, and lets it go on."""

    def strike(rig: Rig, scale: Scale) -> None:
        rig.begin(f"{name}_stop")
        rig.rest(0.2 * scale.every_s)
        rig.halt(name)
        rig.rest(scale.stop_s)
        with rig.returning():
            rig.resume(name)

    return strike


def replay(rig: Rig, scale: Scale) -> None:
    """Send each batch three times, shuffled; and once more to a gateway that has just started."""
    rig.begin("replay")
    _again_and_again(rig, scale)


def poison(rig: Rig, scale: Scale) -> None:
    """Spoil 1 % of the batches in each of eight ways, and replay them as all others."""
    rig.begin("poison")
    rig.board.order("poison", on=True)
    _again_and_again(rig, scale)
    rig.board.order("poison", on=False)


def _again_and_again(rig: Rig, scale: Scale) -> None:
    rig.board.order("replay", on=True)
    rig.rest(scale.spell_s)
    rig.kill("gateway")
    with rig.returning():
        rig.start("gateway")
    rig.board.order("again", on=True)
    rig.rest(scale.spell_s / 2)
    rig.board.order("replay", on=False)


GATEWAY: Final = (kill("gateway"), replay, poison)
BROKER: Final = (kill("broker", 2.0), halt("broker"), halt("gateway"))
STORE: Final = (kill("store", 2.0), away("store"), halt("store"))
RUNS: Final[dict[str, tuple[Scale, list[tuple[Setting, Sequence[Strike]]]]]] = {
    "smoke": (SMOKE, [(Setting("default", "embedded", 4), GATEWAY)]),
    "short": (
        SHORT,
        [
            (Setting("default", "embedded", 10), (*GATEWAY, *BROKER)),
            (Setting("ours", "influx", 4), (kill("gateway"), *STORE, poison)),
        ],
    ),
    "full": (
        FULL,
        [
            (Setting("default", "embedded", 20), (*GATEWAY, *BROKER)),
            (Setting("ours", "influx", 10), (*GATEWAY, *BROKER, *STORE)),
            (Setting("embedded", "embedded", 10), (*GATEWAY, *BROKER)),
            (Setting("embedded", "influx", 4), (*GATEWAY, *STORE)),
        ],
    ),
}


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return what was lost, invented, doubled, and how soon readings flowed again."""
    form = "smoke" if options.smoke else "short" if options.short else "full"
    scale, runs = RUNS[form]
    # The long form is judged, so each has the machine to itself.
    with ThreadPoolExecutor(1 if form == "full" else len(runs)) as threads:
        found = list(figures(list(threads.map(lambda each: run(each[0], each[1], scale), runs))))
    if form == "smoke":
        return found
    if not disk.can_mount():
        print("left out: power cuts, full disk: only root, with loop devices, can mount a disk")
        return found
    return [*found, *_disk_figures(3 if options.short else 20)]


def run(setting: Setting, strikes: Sequence[Strike], scale: Scale) -> Verdict:
    """Strike one set of parts in every way, one after the other."""
    with TemporaryDirectory() as folder, Rig(Path(folder), setting) as rig:
        rig.begin("quiet")
        for strike in strikes:
            strike(rig, scale)
        return rig.verdict(rig.drain())


def figures(verdicts: Sequence[Verdict]) -> Iterator[Figure]:
    """Yield the rows of all runs; the same strike of several runs is one."""
    names = dict.fromkeys(part.name for verdict in verdicts for part in verdict.parts)
    for name in names:
        found = [(v, part) for v in verdicts for part in v.parts if part.name == name]
        yield from _of_part(name, [part for _, part in found], [v.setting.named for v, _ in found])
    load = "items of the quarantine by reason, of spoilt batches"
    off = sum(
        abs(verdict.aside[reason] - verdict.wanted_aside[reason])
        for verdict in verdicts
        for reason in verdict.aside | verdict.wanted_aside
    )
    told = ", ".join(f"{dict(sorted(verdict.aside.items()))}" for verdict in verdicts)
    yield Figure("checker.quarantine_wrong", off, "items", 1, "<", f"{load}: {told}")
    yield Figure(
        "checker.unacknowledged", sum(each.unacknowledged for each in verdicts), "batches", 1, "<",
        "at the end",
    )  # fmt: skip
    yield Figure(
        "checker.segment_duplicates", sum(each.doubled for each in verdicts), "readings", 1, "<",
        "within one segment of the embedded store",
    )  # fmt: skip


def _of_part(name: str, of: Sequence[Part], where: Sequence[str]) -> Iterator[Figure]:
    readings = sum(part.readings for part in of)
    load = f"{readings:,} readings of 50 edges; {' and '.join(where)}"
    rows = (
        ("lost", sum(part.lost for part in of)),
        ("phantom", sum(part.phantom for part in of)),
        ("duplicates", sum(part.twice for part in of)),
    )
    for what, count in rows:
        yield Figure(f"checker.{name}_{what}", count, "readings", 1, "<", load)
    back_s = [each for part in of for each in part.back_s]
    if back_s:
        told = f"{len(back_s)} times: {', '.join(f'{each:.1f}' for each in back_s)}"
        yield Figure(f"checker.{name}_back_s", max(back_s), "s", BACK_S, "<", told)


def _disk_figures(cuts: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        cut = power_cuts(Path(folder), cuts)
    load = f"power cut x{cuts}, ext4, mosquitto as it is; {cut.acknowledged:,} acknowledged"
    yield Figure("checker.power_lost", cut.lost, "readings", 1, "<", load)
    yield Figure("checker.power_damaged", cut.damaged, "stores", 1, "<", load)
    with TemporaryDirectory() as folder:
        full = disk_full(Path(folder))
    load = f"{full.full_s:.0f} s without room on a disk of {full.size_mb} MB"
    yield Figure("checker.disk_full_lost", full.lost, "readings", 1, "<", load)
    yield Figure("checker.disk_full_phantom", full.phantom, "readings", 1, "<", load)
    yield Figure(
        "checker.disk_full_unstored", full.unstored, "readings", 1, "<",
        "acknowledged while there was no room, and not in the store then",
    )  # fmt: skip
    yield Figure("checker.disk_full_back_s", full.back_s, "s", BACK_S, "<", load)


def main() -> None:
    """Measure and print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is ended
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="at most 60 s")
    parser.add_argument("--smoke", action="store_true", help="15 s: it runs and loses nothing")
    for figure in measure(Settings(), parser.parse_args()):
        mark = "ok  " if figure.ok else "MISS"
        bar = f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:36} {figure.value:>10,.2f} {figure.unit}  {bar}  {figure.load}")


if __name__ == "__main__":
    main()
