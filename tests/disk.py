"""A disk of a test's own: a file system in a file, mounted. Root may, where loop devices are."""

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.parts import SBIN

TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted image."""

    image: Path
    folder: Path
    device: str  # its loop device, without /dev/


@contextlib.contextmanager
def mounted(image: Path, folder: Path, *, size_mb: int = 0) -> Iterator[Disk]:
    """Mount an ext4 image until the block ends; with a size it is made first.

    The mount owns its loop device: with the mount the device goes too.
    """
    if size_mb:
        with image.open("wb") as file:
            file.truncate(size_mb << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
    folder.mkdir(exist_ok=True)
    _run("mount", "-t", "ext4", "-o", "loop", str(image), str(folder))
    try:
        yield Disk(image, folder, _device(folder))
    finally:
        if subprocess.run([_found("umount"), folder], check=False, capture_output=True).returncode:
            _run("umount", "-l", str(folder))  # somebody is in there still


def copied(disk: Disk, to: Path) -> None:
    """Copy the image as it is at one instant: nothing is written to the disk while it is copied.

    Raises RuntimeError: it was written to all the time.
    """
    for _ in range(TRIES):
        before = _writes(disk)
        _run("cp", "--sparse=always", str(disk.image), str(to))
        if _writes(disk) == before:
            return
    raise RuntimeError(f"{disk.device} is written to without a pause")


@functools.cache
def can_mount() -> bool:
    """Return whether a disk can be mounted here; it is tried."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4", path=SBIN):
        return False
    try:
        with (
            TemporaryDirectory() as folder,
            mounted(Path(folder) / "image", Path(folder) / "disk", size_mb=4),
        ):
            return True
    except subprocess.CalledProcessError:
        return False


def _device(folder: Path) -> str:
    number = os.stat(folder).st_dev  # noqa: PTH116 - the mount, not what the path says
    link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    return link.resolve().name


def _writes(disk: Disk) -> tuple[str, ...]:
    """Return what was written to the disk so far, and what is on its way."""
    counts = Path(f"/sys/block/{disk.device}/stat").read_text("utf-8").split()
    return counts[4], counts[6], counts[8]  # writes, sectors written, in flight


def _found(program: str) -> str:
    return shutil.which(program, path=SBIN) or program


def _run(program: str, *words: str) -> None:
    subprocess.run([_found(program), *words], check=True, capture_output=True)
