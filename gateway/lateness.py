"""Which minutes of an edge came too late to be shown: a point of its own, `<edge>/late_s`.

A mark is a reading like any other: at the minute, how many seconds after its time the first of that
minute's late readings came. It is written in the same commit as those readings, so that neither is
there without the other, and the same minute overwrites itself. Of messages in time nothing is
asked but their first time.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from gateway.checks import KEPT_MS
from watchkeeper.batch import Batch
from watchkeeper.completeness import late_point
from watchkeeper.history import HOLD_MS, History
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.spans import MINUTE_MS

DECIDED: Final = 20_000  # minutes of an edge kept in memory; more are looked up again


class Lateness:
    """Remembers of which minutes it has decided, so that each costs one look into the store."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._decided: dict[str, set[int]] = {}

    def forget(self) -> None:
        """Decide anew: what was decided last has not been written."""
        self._decided.clear()

    def marks(
        self, edge: str, batch: Batch, name: Callable[[int], PointId | None], now: int
    ) -> Batch | None:
        """Return the marks of a message, None where it is in time.

        A reading the store has already is no late one: it was sent twice. Raises Unreachable.

        Args:
            edge: Whose message it is.
            batch: Its readings by alias, ascending in time.
            name: The point of an alias; None: nobody knows it.
            now: Unix ms.
        """
        if not len(batch) or now - int(batch.at[0]) <= HOLD_MS:
            return None
        decided = self._decided.setdefault(edge, set())
        if len(decided) > DECIDED:
            decided.clear()
        minutes, first = np.unique(batch.at // MINUTE_MS, return_index=True)
        fresh: list[int] = []
        rows: list[tuple[int, float]] = []
        for minute, row in zip(minutes.tolist(), first.tolist(), strict=True):
            late_ms = now - int(batch.at[row])
            if not HOLD_MS < late_ms <= KEPT_MS or minute in decided:
                continue
            point = name(int(batch.series[row]))
            if point is not None and not self._has(point, int(batch.at[row])):
                rows.append((minute * MINUTE_MS, late_ms / 1000))
            fresh.append(minute)
        made = self._batch(edge, rows) if rows else None
        decided.update(fresh)
        return made

    def _has(self, point: PointId, at: int) -> bool:
        return len(self._history.raw(point, at, at + 1).at) > 0

    def _batch(self, edge: str, rows: list[tuple[int, float]]) -> Batch:
        (number,) = self._history.series([late_point(EdgeId(edge))])
        return Batch(
            np.full(len(rows), number, np.uint32),
            np.array([at for at, _ in rows], np.int64),
            np.array([late_s for _, late_s in rows]),
            np.zeros(len(rows), np.uint8),
        )
