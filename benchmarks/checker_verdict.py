"""What became of every reading: the board of the edges held against history, point by point.

A reading counts for the part of the run in which it was read.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.history.embedded_codec import decode
from adapters.history.embedded_file import open_to_read
from benchmarks.checker_edges import EDGES, OK, STEP_MS, STEPS, Load, Noted
from benchmarks.checker_poison import Kind
from watchkeeper.batch import Batch
from watchkeeper.history import History, Track
from watchkeeper.ids import PointId

EVER_MS: Final = 9 * 10**12  # InfluxDB counts nanoseconds in 63 bits
PAGE: Final = 1_000

Steps = npt.NDArray[np.int64]


class Wrong(NamedTuple):
    """Steps of one point that are not as they should be."""

    lost: Steps  # made and not stored
    phantom: Steps  # stored though never made, or with another value or time
    twice: Steps  # stored more than once


@dataclass
class Part:
    """A stretch of the run: what was done, and what it cost."""

    name: str
    start: int  # Unix ms
    back_s: list[float] = field(default_factory=list)  # until live readings were acknowledged again
    lost: int = 0
    phantom: int = 0
    twice: int = 0
    readings: int = 0


def judged(track: Track, wanted: Steps, load: Load, edge: int, alias: int) -> Wrong:
    """Return what is wrong with the readings of one point.

    Args:
        track: What history has, in ascending time.
        wanted: Steps that must be there, ascending.
        load: What the edges did.
        edge: Whose point it is.
        alias: Which of its points.
    """
    begin = load.at(edge, 0)
    step = (track.at - begin) // STEP_MS
    value = (step * load.series + edge * load.points + alias).astype(np.float64)
    true = (track.at == begin + step * STEP_MS) & (track.value == value) & (track.quality == 0)
    true &= np.isin(step, wanted)
    found, counts = np.unique(step[true], return_counts=True)
    return Wrong(np.setdiff1d(wanted, found), step[~true], np.repeat(found, counts - 1))


def wanted(noted: Noted, edge: int, alias: int, *, acknowledged: bool = False) -> Steps:
    """Return which steps of a point must be stored; `acknowledged`: of those batches alone."""
    made = int(noted.made[edge])
    kinds, said = noted.kinds[edge, :made], noted.said[edge, :made]
    whole = [kind for kind in Kind if kind.whole]
    batches = np.flatnonzero(~np.isin(kinds, whole) & ((said == OK) if acknowledged else True))
    steps: Steps = (batches[:, None] * STEPS + np.arange(STEPS)).astype(np.int64)
    if alias == 0:  # the first reading of each of these is the spoilt one
        spoilt = [kind for kind in Kind if kind.reason and not kind.whole]
        keep = np.ones(steps.shape, np.bool_)
        keep[np.isin(kinds[batches], spoilt), 0] = False
        return steps[keep]
    return steps.reshape(-1)


def judge(history: History, noted: Noted, load: Load, parts: Sequence[Part]) -> None:
    """Add to each part what became of its readings."""
    starts = [part.start for part in parts]

    def add(what: str, steps: Steps, edge: int) -> None:
        at = load.at(edge, 0) + steps * STEP_MS
        places = np.maximum(np.searchsorted(starts, at, "right") - 1, 0)
        for place, count in zip(*np.unique(places, return_counts=True), strict=True):
            part = parts[int(place)]
            setattr(part, what, getattr(part, what) + int(count))

    for edge in range(EDGES):
        for alias in range(load.points):
            steps = wanted(noted, edge, alias)
            track = history.raw(PointId(load.point(edge, alias)), 0, EVER_MS)
            wrong = judged(track, steps, load, edge, alias)
            add("readings", steps, edge)
            add("lost", wrong.lost, edge)
            add("phantom", wrong.phantom, edge)
            add("twice", wrong.twice, edge)


def lost(history: History, noted: Noted, load: Load) -> int:
    """Return how many acknowledged readings are not stored, or not as they were made."""
    count = 0
    for edge in range(EDGES):
        for alias in range(load.points):
            steps = wanted(noted, edge, alias, acknowledged=True)
            track = history.raw(PointId(load.point(edge, alias)), 0, EVER_MS)
            count += len(judged(track, steps, load, edge, alias).lost)
    return count


def doubled(path: Path) -> int:
    """Return how many readings a segment of a settled embedded store holds more than once.

    Between segments it may be so: what was sent again after a seal overwrites when it is read.
    """
    database = open_to_read(path)
    if database is None:
        raise FileNotFoundError(path)
    count = 0
    for (segment,) in database.execute("select id from segment").fetchall():
        blobs = database.execute("select b from frame where segment = ?", (segment,))
        batch = Batch.joined([decode(blob) for (blob,) in blobs])
        pairs = np.stack((batch.series.astype(np.int64), batch.at), axis=1)
        count += len(pairs) - len(np.unique(pairs, axis=0))
    database.close()
    return count


def expected_aside(noted: Noted) -> Counter[str]:
    """Return how many items the quarantine must have, by reason."""
    kinds: Counter[str] = Counter()
    for row, made in zip(noted.kinds, noted.made.tolist(), strict=True):
        kinds.update(Kind(number).reason for number in row[:made].tolist())
    del kinds[""]
    return kinds


def aside(history: History) -> Counter[str]:
    """Return how many items the quarantine has, by reason."""
    return Counter(reason for reason in _reasons(history))


def _reasons(history: History) -> Iterator[str]:
    before: int | None = None
    while items := history.quarantined(PAGE, before):
        yield from (item.reason for item in items)
        before = items[-1].id


def acknowledged(noted: Noted, load: Load) -> int:
    """Return how many readings the gateway said are stored."""
    said = zip(noted.said, noted.made.tolist(), strict=True)
    return sum(int((row[:made] == OK).sum()) for row, made in said) * STEPS * load.points
