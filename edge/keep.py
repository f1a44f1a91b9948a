"""Group commit: rows are gathered, then committed together on the journal's own thread.

A commit waits for the disk (0.3 ms here, 25 ms on an SD card); the poll loop must not.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from edge.journal import Full, Journal, Range
from edge.rows import Row

AGAIN_S: Final = 1.0  # after a commit that found no room
FORGET_S: Final = 0.2  # acknowledged rows may wait this long: to forget late costs nothing
CARE_S: Final = 60.0

P = ParamSpec("P")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Keeper:
    """Writes one journal."""

    def __init__(
        self,
        journal: Journal,
        *,
        period_s: float,
        kept_from: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            journal: Where to.
            period_s: How long rows gather; 0: commit at once.
            kept_from: Gives the instant (Unix ms) before which acknowledged rows are forgotten.
        """
        self.journal, self._kept_from = journal, kept_from
        self._period_s = period_s
        self._stirred = asyncio.Event()
        self._urgent = False
        self._gone: list[Range] = []
        self._flushing: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, journal.path.stem)

    def stir(self) -> None:
        """Say that there is something to take."""
        self._urgent = True
        self._stirred.set()

    def forget(self, ranges: list[Range]) -> None:
        """Mark acknowledged rows with the next commit."""
        self._gone += ranges
        self._stirred.set()

    async def call(self, work: Callable[P, Result], *facts: P.args, **named: P.kwargs) -> Result:
        """Do work on the journal's thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*facts, **named))

    async def run(
        self, take: Callable[[], list[Row]], committed: Callable[[list[Row]], None]
    ) -> None:
        """Commit until cancelled; then once more.

        Args:
            take: Gives what has gathered since the last call.
            committed: Gets the rows with their q once they are durable.
        """
        try:
            while True:
                await self._stirred.wait()
                if not self._urgent:
                    await self._linger()
                elif self._period_s:
                    await asyncio.sleep(self._period_s)
                self._flushing = asyncio.ensure_future(self._flush(take, committed))
                await asyncio.shield(self._flushing)  # what it has taken is nowhere else
        finally:
            if self._flushing is not None and not self._flushing.done():
                await self._flushing
            await asyncio.shield(self._flush(take, committed))

    async def care(self) -> None:
        """Look after the journal, until cancelled."""
        while True:
            await asyncio.sleep(CARE_S)
            try:
                await self.call(self.journal.care, self._kept_from())
            except Full:
                log.exception("no room to look after it", extra={"file": str(self.journal.path)})

    async def _flush(
        self, take: Callable[[], list[Row]], committed: Callable[[list[Row]], None]
    ) -> None:
        """Commit what there is; without room it waits here, and what comes gathers."""
        self._stirred.clear()
        self._urgent = False
        rows, gone = take(), self._gone
        self._gone = []
        while rows or gone:
            try:
                kept = await self.call(self.journal.commit, rows, gone)
            except Full:
                log.exception("journal cannot commit", extra={"file": str(self.journal.path)})
                await asyncio.sleep(AGAIN_S)
                continue
            if kept:
                committed(kept)
            return

    async def close(self) -> None:
        """Close the journal and its thread."""
        await self.call(self.journal.close)
        self._thread.shutdown()

    async def _linger(self) -> None:
        """Gather acknowledgements, unless rows come."""
        for _ in range(4):
            await asyncio.sleep(FORGET_S / 4)
            if self._urgent:
                return
