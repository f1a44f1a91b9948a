"""The disk the journals stand on, and what is held ready for when it is full."""

import logging
import os
from pathlib import Path
from typing import Final

BALLAST_BYTES: Final = 4 << 20
_SHARE: Final = 16  # ballast and reserve take at most one in so many bytes of a disk

log = logging.getLogger(__name__)


def disk(folder: Path) -> tuple[int, int]:
    """Return the bytes that are free on the disk of a folder, and all it has."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def part_of_disk(folder: Path, wanted: int) -> int:
    """Return how many of the bytes wanted a disk of this size can spare."""
    return min(wanted, disk(folder)[1] // _SHARE)


class Ballast:
    """A file that does nothing but take room, until there is none."""

    def __init__(self, path: Path) -> None:
        """Name the file; `lay` writes it."""
        self.path = path

    def lay(self) -> None:
        """Write it where there is room for it."""
        size = part_of_disk(self.path.parent, BALLAST_BYTES)
        if self.path.exists() or disk(self.path.parent)[0] < 2 * size:
            return
        try:
            self.path.write_bytes(b"\xff" * size)
        except OSError:
            self.path.unlink(missing_ok=True)

    def give_up(self) -> bool:
        """Delete it; False: there is none."""
        if not self.path.exists():
            return False
        self.path.unlink()
        log.error("disk is full, ballast given up", extra={"file": str(self.path)})
        return True
