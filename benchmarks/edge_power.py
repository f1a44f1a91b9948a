"""The power fails: the edge's folder is on an ext4 image, and the image is copied as it is.

What was never synced is in the memory of the kernel, not in the image; so the copy is what a disk
would hold after a power cut. The edge stands still (SIGSTOP flushes nothing) while the copy is
made; a copy during which the kernel wrote to the disk by itself is no instant and is made again.
"""

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from benchmarks.edge_kill_parts import CLOCK
from benchmarks.edge_kill_rig import LANES, Rig, Rows, kept, missing, reported
from edge.journal import Journal
from tests.disk import copied, mounted

IMAGE_MB: Final = 96
LONGEST_LOAD_S: Final = 1.5  # between two cuts,
ROWS_BETWEEN: Final = 20  # and at least so many rows


@dataclass(frozen=True, slots=True)
class Loss:
    """What the cuts cost."""

    reported: int  # rows the edge had said are committed, before the last cut
    lost: int
    damaged: int  # journals


def power_cuts(folder: Path, cuts: int, *, synchronous: str = "full") -> Loss:
    """Cut the power so often under load; every time it is another copy of the same disk.

    Lost is a row that was reported as committed and is not in the copy, and one that is marked
    there as acknowledged though it has not arrived.
    """
    pause, chance, lost, damaged = Event(), random.Random(3), 0, 0  # noqa: S311 - chance, no secret
    image, said, done = folder / "disk.img", Rows(), Rows()
    with (
        mounted(image, folder / "disk", size_mb=IMAGE_MB) as disk,
        Rig(folder, folder / "disk" / "edge", synchronous=synchronous) as rig,
    ):
        rig.start_edge()
        for number in range(cuts):  # the first as soon as there is anything to lose
            rig.commits(ROWS_BETWEEN if number else 1)
            rig.halt_edge()
            try:
                said = reported(Path(rig.load.reports).read_text("utf-8").splitlines())
                copied(disk, folder / "copy.img")
            finally:
                rig.resume_edge()
            found, acknowledged, broken = _after(folder / "copy.img", folder / "after")
            lost, damaged = lost + missing(said, found), damaged + broken
            done.update(acknowledged)
            pause.wait(chance.uniform(0, LONGEST_LOAD_S))
        rig.kill_edge()
        lost += missing(done, rig.came().rows)
    return Loss(len(said), lost, damaged)


def _after(image: Path, folder: Path) -> tuple[Rows, Rows, int]:
    """Return what the journals of the copy hold, what is acknowledged, how many are damaged."""
    found, acknowledged, broken = Rows(), Rows(), 0
    with mounted(image, folder):
        for lane in LANES:
            path = folder / "edge" / f"{lane}.db"
            with closing(sqlite3.connect(path)) as database:
                broken += database.execute("pragma integrity_check").fetchall() != [("ok",)]
            again = Journal(path, lambda: f"new-{CLOCK.tick()}", may_shed=lane == "data")
            broken += again.damaged
            again.close()
            found.update(kept(folder / "edge", lane))
            acknowledged.update(kept(folder / "edge", lane, acknowledged=True))
    return found, acknowledged, broken
