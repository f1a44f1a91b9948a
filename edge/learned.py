"""Registers that devices do not have, remembered over restarts: `<data>/edge/<id>/learned.json`.

A device is not asked at every start what it already refused. It is asked again after a minute, then
after twice as long, at last once a day; where life safety hangs on it, each minute.
"""

import logging
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from edge.plan import Block

FIRST_AGAIN_S: Final = 60.0
LONGEST_AGAIN_S: Final = 86_400.0
_SCHEMA: Final = "wk.learned/1"

log = logging.getLogger(__name__)


class Refusal(Struct, frozen=True):
    """A read that a unit refused because it does not have the registers."""

    unit: str
    function: int
    address: int
    count: int
    times: int  # in a row
    again: int  # Unix ms at which it is asked again

    def is_of(self, unit: str, block: Block) -> bool:
        """Return whether the block is the one refused."""
        mine = (self.unit, self.function, self.address, self.count)
        return mine == (unit, block.function, block.address, block.count)


class _File(Struct, frozen=True):
    schema: str
    refusals: list[Refusal]


class Learned:
    """What is known; kept in a file when there is one."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file; one that is damaged is forgotten: all in it can be learned again."""
        self._path = path
        self.refusals: list[Refusal] = []
        if path is not None and path.is_file():
            try:
                self.refusals = msgspec.json.decode(path.read_bytes(), type=_File).refusals
            except (msgspec.DecodeError, OSError) as error:
                log.warning("what was learned is lost", extra={"file": str(path), "why": error})

    def refused(self, unit: str, block: Block, at: int) -> float:
        """Remember a refusal seen at `at`, Unix ms; return the seconds until it is asked again."""
        before = next((each for each in self.refusals if each.is_of(unit, block)), None)
        times = before.times + 1 if before else 1
        longest = FIRST_AGAIN_S if block.rate == "life_safety" else LONGEST_AGAIN_S
        wait_s = min(FIRST_AGAIN_S * 2.0 ** min(times - 1, 20), longest)
        made = Refusal(
            unit, block.function, block.address, block.count, times, at + round(wait_s * 1000)
        )
        self.refusals = [each for each in self.refusals if each is not before] + [made]
        self._keep()
        return wait_s

    def answered(self, unit: str, block: Block) -> None:
        """Forget a refusal: the device has the registers after all."""
        left = [each for each in self.refusals if not each.is_of(unit, block)]
        if len(left) < len(self.refusals):
            self.refusals = left
            self._keep()

    def _keep(self) -> None:
        if self._path is None:
            return
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(msgspec.json.encode(_File(_SCHEMA, self.refusals)))
            new.replace(self._path)
        except OSError as error:  # a full disk: it is learned again after the next start
            log.warning("cannot be kept", extra={"file": str(self._path), "why": error})
