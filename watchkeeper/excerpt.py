"""What is taken out of a history: spans read piece by piece, so that no year is ever in memory.

Who asks hands in how a point is read: straight from a store (`straight`), or together with the
devices its own has replaced (server/continued.py).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.spans import DAY_MS

PIECE_READINGS: Final = 200_000  # about so many are read at once, at least a day
LONGEST_PIECE_D: Final = 16
# What a person calls a column of a summary -> what the store calls it.
AGGREGATES: Final = {
    "mean": "mean",
    "min": "low",
    "max": "high",
    "first": "first",
    "last": "last",
    "count": "counts",
    "coverage": "coverage",
}
Columns: TypeAlias = dict[str, npt.NDArray[Any]]  # equally long; the first is time, Unix ms
# A point, start, end (Unix ms) and width (ms) -> readings (width 0: at, value, quality) or
# summaries (start, counts, …). Raises Unreachable; ValueError: there are no summaries so wide.
Read: TypeAlias = Callable[[PointId, int, int, int], Columns]


class Span(NamedTuple):
    """What is asked of a point."""

    start: int  # Unix ms, inclusive
    end: int  # exclusive
    width: int = 0  # of a summary, ms; 0: readings
    columns: tuple[str, ...] = ()  # of AGGREGATES; none: all the store has, in its own words


def straight(history: History) -> Read:
    """Return how a point is read as the store has it."""

    def read(point: PointId, start: int, end: int, width: int) -> Columns:
        if width:
            return history.buckets(point, start, end, width)._asdict()
        return history.raw(point, start, end)._asdict()

    return read


def pieces(read: Read, point: PointId, span: Span) -> Iterator[Columns]:
    """Yield the span piece by piece in the order of time, at least one; pieces may be empty.

    Pieces end at days (UTC), where the store's frames do, and never within a summary; they grow
    where there is little to read.
    """
    days, start = 1, span.start
    end = -1
    while end < span.end:
        end = min(_boundary(start, days, span.width), span.end)
        found = read(point, start, end, span.width)
        readings = int(found["counts"].sum()) if span.width else len(found["at"])
        if span.columns and span.width:
            found = _chosen(found, span.columns)
        yield found
        if readings * 2 <= PIECE_READINGS:
            days = min(days * 2, LONGEST_PIECE_D)
        elif readings > PIECE_READINGS:
            days = max(days // 2, 1)
        start = end


def whole(read: Read, point: PointId, span: Span, most: int) -> Columns | int:
    """Return all of the span; how many rows there were when they became more than `most`."""
    found: list[Columns] = []
    rows = 0
    for piece in pieces(read, point, span):
        found.append(piece)
        rows += rows_of(piece)
        if rows > most:
            return rows
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def rows_of(columns: Columns) -> int:
    """Return how many rows the columns have."""
    return len(next(iter(columns.values())))


def _boundary(start: int, days: int, width: int) -> int:
    """Return where a piece of so many days ends: between two summaries, at a day if it can."""
    unit = DAY_MS
    if width and DAY_MS % width:
        unit = width * max(1, DAY_MS // width)
    return (start // unit + max(1, days * DAY_MS // unit)) * unit


def _chosen(found: Columns, chosen: tuple[str, ...]) -> Columns:
    return {"start": found["start"]} | {name: found[AGGREGATES[name]] for name in chosen}


def names(text: str) -> list[str]:
    """Return the names of "a, b,a": each once, in their order."""
    return list(dict.fromkeys(name for each in text.split(",") if (name := each.strip())))


def unknown(asked: Sequence[str]) -> list[str]:
    """Return which of the columns asked for there are not."""
    return [name for name in asked if name not in AGGREGATES]
