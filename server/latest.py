"""The newest value of each point, in columns: for rules, the stream and the API.

A point without fresh data is UNKNOWN, never its last good value.
"""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Batch, Flags, Floats
from watchkeeper.clock import unix_ms
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.quality import FIRST_BAD, Quality
from watchkeeper.reading import Reading
from watchkeeper.site import Plant

Positions = npt.NDArray[np.intp]
NEVER = np.iinfo(np.int64).min // 2  # Unix ms of what was never seen
STALE = int(Quality.STALE)
_NONE: Positions = np.empty(0, np.intp)


class Latest:
    """One slot a point of the site, and one more for points nobody here knows."""

    def __init__(self, plant: Plant, now: int) -> None:
        """Begin at `now` (Unix ms): until a point is due, its silence is no news."""
        points = plant.points()
        self.names = [item.id for item in points]
        self.index: Mapping[PointId, int] = {name: slot for slot, name in enumerate(self.names)}
        self.nobody = count = len(points)
        self.edge_slots: dict[EdgeId, Positions] = {
            EdgeId(edge.id): np.array([self.index[p.id] for p in plant.points(edge)], np.intp)
            for edge in plant.site.edges
        }
        units: dict[str, list[int]] = {}
        for slot, item in enumerate(points):
            units.setdefault(item.unit.id, []).append(slot)
        self._unit_slots = {unit: np.array(own, np.intp) for unit, own in units.items()}
        self.at = np.full(count + 1, NEVER, np.int64)  # source time, Unix ms
        self.value = np.full(count + 1, np.nan)
        self.quality = np.full(count + 1, STALE, np.uint8)  # as it came; STALE: never came
        self.seen = np.full(count + 1, now, np.int64)  # when something good came, our time
        self.heard = np.full(count + 1, now, np.int64)  # when its edge said it is there, our time
        self.met = np.zeros(count + 1, np.bool_)  # its edge has spoken since we began
        self.stale = np.zeros(count + 1, np.bool_)
        self.cut_off = np.zeros(count + 1, np.bool_)  # its edge is lost: nothing is known of it
        self.patience = np.array(
            [round(item.point.stale_after_s * 1000) for item in points] + [NEVER * -1], np.int64
        )  # ms of silence a point is allowed
        self.touched = np.zeros(count + 1, np.int64)  # the step that changed what is shown
        self.step = 0
        self._lock = Lock()

    def take(self, batch: Batch, now: int) -> Flags:
        """Keep what is newer than what is kept; return which readings of the batch were, (n,).

        Args:
            batch: Its series are slots; time ascends.
            now: When it arrived, Unix ms.
        """
        slots = batch.series
        with self._lock:
            newer: Flags = (batch.at > self.at[slots]) & (slots != self.nobody)
            chosen = slots[newer]
            self.at[chosen] = batch.at[newer]
            self.value[chosen] = batch.value[newer]
            self.quality[chosen] = batch.quality[newer]
            heard = chosen[batch.quality[newer] < FIRST_BAD]
            self.seen[heard] = now
            self.stale[heard] = False
            self._touch(chosen)
        return newer

    def sweep(self, now: int) -> Positions:
        """Mark what has been silent for too long; return the slots that became stale."""
        with self._lock:
            silent = (now - self.seen > self.patience) | self.cut_off
            fresh: Positions = np.flatnonzero(silent & ~self.stale)
            self.stale[fresh] = True
            self._touch(fresh)
        return fresh

    def cut(self, edge: EdgeId, *, lost: bool) -> None:
        """Say that an edge is lost, or is there again; its points are stale at once."""
        slots = self.edge_slots.get(edge)
        if slots is not None:
            with self._lock:
                self.cut_off[slots] = lost

    def hear(self, edge: EdgeId, ages: Mapping[str, float], now: int) -> None:
        """Note that an edge is there, and how many seconds ago each of its units answered.

        A value is reported when it changes: an answer without a report says that the last value
        stands. It keeps what is fresh fresh; what is stale waits for a reading.
        """
        slots = self.edge_slots.get(edge)
        if slots is None:
            return
        with self._lock:
            self.heard[slots], self.met[slots] = now, True
            for unit, age_s in ages.items():
                own = self._unit_slots.get(unit, _NONE)
                own = own[(self.quality[own] < FIRST_BAD) | (self.at[own] == NEVER)]
                answered = now - round(age_s * 1000)
                never = self.at[own] == NEVER  # the edge knows of the time before we began
                self.seen[own] = np.where(never, answered, np.maximum(self.seen[own], answered))

    def prime(self, readings: Iterable[Reading], now: int) -> None:
        """Begin with what the history store has that is fresh; no rule is decided on it."""
        for reading in readings:
            slot, at = self.index.get(reading.point, self.nobody), unix_ms(reading.at)
            if slot != self.nobody and 0 <= now - at <= self.patience[slot]:
                value = np.nan if reading.value is None else reading.value
                quality = np.array([reading.quality], np.uint8)
                one = Batch(np.array([slot], np.uint32), np.array([at]), np.array([value]), quality)
                self.take(one, at)

    def silence_s(self, slots: Positions) -> Floats:
        """Return for how long nothing good had come when the edge was heard last, (n,) seconds.

        So the silence of a device is told from that of its edge or of the broker. NaN: edge lost,
        or not heard since we began: a restart ends no silence.
        """
        silence = np.maximum(self.heard[slots] - self.seen[slots], 0) / 1000
        return np.where(self.cut_off[slots] | ~self.met[slots], np.nan, silence)

    def slots(self, points: Iterable[str]) -> Positions:
        """Return the slots of those points that the site has."""
        found = [self.index[PointId(name)] for name in points if PointId(name) in self.index]
        return np.array(found, np.intp)

    def since(self, slots: Positions, step: int) -> tuple[dict[str, list[Any]], int]:
        """Return {point: [at, value, quality]} of what changed after `step`, and the step now."""
        with self._lock:
            changed = slots[self.touched[slots] > step]
            return {self.names[slot]: list(self._shown(slot)) for slot in changed}, self.step

    def show(self, points: Sequence[str]) -> list[dict[str, Any]]:
        """Return the points as the API shows them; a KeyError names one the site has not."""
        shown = []
        with self._lock:
            for name in points:
                slot = self.index[PointId(name)]
                at, value, quality = self._shown(slot)
                is_stale = quality == STALE
                shown.append(
                    {"point": name, "at": at, "value": value, "quality": quality, "stale": is_stale}
                )
        return shown

    def value_of(self, point: PointId) -> float | None:
        """Return the newest value of a point; None: unknown, or not a point of the site."""
        slot = self.index.get(point)
        return None if slot is None else self._shown(slot)[1]

    def _shown(self, slot: int) -> tuple[int | None, float | None, int]:
        at = int(self.at[slot])
        quality = STALE if self.stale[slot] else int(self.quality[slot])
        value = None if quality >= FIRST_BAD else float(self.value[slot])
        return (None if at == NEVER else at), value, quality

    def _touch(self, slots: Positions | npt.NDArray[np.uint32]) -> None:
        if len(slots):
            self.step += 1
            self.touched[slots] = self.step
