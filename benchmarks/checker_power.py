"""The store's disk: the power fails, or there is no room left.

The data folder of the gateway is on an ext4 image. A power cut is a copy of the image as it is,
while the gateway stands still (as in `benchmarks/edge_power.py`); what was acknowledged until then
must be in the copy.
"""

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.history.embedded import EmbeddedHistory
from benchmarks.checker_edges import CLOCK, SITE_ID, Noted
from benchmarks.checker_rig import Rig, Setting
from benchmarks.checker_verdict import acknowledged, lost
from tests import parts
from tests.disk import copied, mounted

IMAGE_MB: Final = 96
LONGEST_LOAD_S: Final = 1.5  # between two cuts
SMALL_MB: Final = 32
LEFT: Final = 256 << 10  # bytes of the small disk when the room is taken
FULL_S: Final = 5.0
# Before the gateway starts: SQLite that waits for no disk. To see that the measurement can fail.
UNSYNCED: Final = """import sqlite3
_connect = sqlite3.connect


class _Unsynced(sqlite3.Connection):
    def execute(self, statement, *facts):
        return super().execute(statement.replace("synchronous=full", "synchronous=off"), *facts)


def _connected(*words, **named):
    connection = _connect(*words, factory=_Unsynced, **named)
    connection.execute("pragma synchronous=off")
    return connection


sqlite3.connect = _connected
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """What the cuts cost."""

    acknowledged: int  # readings, before the last cut
    lost: int
    damaged: int  # stores


@dataclass(frozen=True, slots=True)
class NoRoom:
    """What a full disk cost."""

    size_mb: int
    full_s: float  # without room
    unstored: int  # acknowledged though not stored, while there was no room
    lost: int
    phantom: int
    back_s: float


def power_cuts(folder: Path, cuts: int, *, points: int = 10, synchronous: bool = True) -> Cut:
    """Cut the power so often under load; every time it is another copy of the same disk."""
    chance, missing, damaged, count = random.Random(3), 0, 0, 0  # noqa: S311 - chance, no secret
    environment = {} if synchronous else {"PYTHONPATH": str(_unsynced(folder))}
    with mounted(folder / "disk.img", folder / "disk", size_mb=IMAGE_MB) as disk:
        setting = Setting(points=points, data=folder / "disk" / "var", environment=environment)
        with Rig(folder, setting) as rig:
            for _ in range(cuts):
                rig.rest(chance.uniform(0, LONGEST_LOAD_S))
                rig.halt("gateway")
                try:
                    rig.rest(0.1)  # what it said last is still under way
                    noted = rig.board.noted()
                    copied(disk, folder / "copy.img")
                finally:
                    rig.resume("gateway")
                count = acknowledged(noted, rig.load)
                found = _after(folder / "copy.img", folder / "after", rig, noted)
                missing, damaged = missing + found[0], damaged + found[1]
    return Cut(count, missing, damaged)


def _after(image: Path, folder: Path, rig: Rig, noted: Noted) -> tuple[int, int]:
    """Return how many readings are missing in the copy, and how many stores are damaged."""
    with mounted(image, folder):
        path = folder / "var" / "history" / f"{SITE_ID}.db"
        with closing(sqlite3.connect(path)) as database:
            damaged = database.execute("pragma integrity_check").fetchall() != [("ok",)]
        history = EmbeddedHistory(path, clock=CLOCK, writable=True)
        try:
            return lost(history, noted, rig.load), int(damaged)
        finally:
            history.close()


def _unsynced(folder: Path) -> Path:
    (folder / "unsynced").mkdir()
    (folder / "unsynced" / "sitecustomize.py").write_text(UNSYNCED, "utf-8")
    return folder / "unsynced"


def disk_full(folder: Path, *, full_s: float = FULL_S) -> NoRoom:
    """Take all room of the store's disk, see what is acknowledged then, and give it back."""
    with mounted(folder / "disk.img", folder / "disk", size_mb=SMALL_MB):
        setting = Setting(points=20, data=folder / "disk" / "var")
        with Rig(folder, setting) as rig:
            rig.begin("disk_full")
            room = folder / "disk" / "taken"
            taken(room)
            parts.until(lambda: "store is away" in rig.gateway.last_lines(50), "it is not full", 60)
            began = CLOCK.tick()
            rig.rest(full_s)
            seconds = CLOCK.tick() - began
            rig.halt("gateway")
            try:
                rig.rest(0.1)  # what it said last is still under way
                unstored = _unstored(rig)
            finally:
                rig.resume("gateway")
            with rig.returning():
                room.unlink()
            verdict = rig.verdict(rig.drain())
    return NoRoom(
        SMALL_MB, seconds, unstored,
        sum(part.lost for part in verdict.parts), sum(part.phantom for part in verdict.parts),
        max(verdict.parts[0].back_s),
    )  # fmt: skip


def _unstored(rig: Rig) -> int:
    history = EmbeddedHistory(rig.store_file, clock=CLOCK, writable=False)
    try:
        return lost(history, rig.board.noted(), rig.load)
    finally:
        history.close()


def taken(file: Path) -> None:
    """Write a file until the disk has next to nothing left."""
    with file.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * LEFT)
        except OSError:
            return
