"""Sending again what was acknowledged long ago: some rows now and then, behind everything else."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from edge.flight import Range, within
from edge.keep import Keeper
from edge.rows import Row

ROWS: Final = 20  # read at a time
EVERY_S: Final = 0.25  # so at most 80 rows, 40,000 readings, a second


class Replay:
    """One lane's; done when the last row is acknowledged again."""

    def __init__(self, keeper: Keeper) -> None:
        """Read from the keeper's journal."""
        self._keeper = keeper
        self._since: int | None = None  # Unix ms; None: nothing was asked for
        self._had = (0, 0)  # time and q of the last row read
        self._next = 0.0  # tick
        self._at_end = False
        self._waiting: deque[Row] = deque()
        self._under_way: set[int] = set()

    def ask(self, since: int) -> None:
        """Send again what is kept since an instant; a question under way is widened."""
        self._since = since if self._since is None else min(since, self._since)
        self.restart()

    def restart(self) -> None:
        """Begin again: whoever had a part of it may have lost it."""
        self._had, self._at_end = (0, 0), False
        self._waiting.clear()
        self._under_way.clear()

    async def tend(self, tick: float) -> None:
        """Read on, when it is time and what was read has left."""
        if self._since is None or self._at_end or self._waiting or tick < self._next:
            return
        self._next, before = tick + EVERY_S, self._had
        rows = await self._keeper.call(self._keeper.journal.kept, self._since, before, ROWS)
        if before != self._had:
            return  # asked anew meanwhile
        self._waiting.extend(rows)
        self._at_end = len(rows) < ROWS
        if rows:
            self._had = rows[-1].at, rows[-1].q
        self._look()

    def take(self) -> Row | None:
        """Return the next row to send."""
        if not self._waiting:
            return None
        row = self._waiting.popleft()
        self._under_way.add(row.q)
        return row

    def give_back(self, row: Row) -> bool:
        """Take a row that could not be sent now; False: it is none of these."""
        if row.q not in self._under_way:
            return False
        self._under_way.discard(row.q)
        self._waiting.appendleft(row)
        return True

    def acked(self, ranges: Iterable[Range]) -> None:
        """Note what arrived."""
        self._under_way.difference_update(within(self._under_way, ranges))
        self._look()

    def _look(self) -> None:
        if self._at_end and not self._waiting and not self._under_way:
            self._since = None
