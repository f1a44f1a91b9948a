"""Where every rule stands, in memory: the filter before the writer; the tables decide.

Each point of the live lane has a quiet band, in which no value can change the state of a rule on it
(architecture §6). While a change of a point is on its way to the table its band is empty: every
reading of it goes to the writer, in order, so that none is judged by a state that is out of date.
"""

from collections.abc import Iterable, Mapping
from math import inf
from threading import Lock

import numpy as np

from server.alarms import decide
from server.alarms.model import RuleState, Sample, Watch
from server.latest import Latest
from server.rules import by_point
from watchkeeper.batch import Batch, Flags, restless
from watchkeeper.quality import FIRST_BAD
from watchkeeper.site import Plant

NEW = RuleState()


class Watching:
    """States of rules by key, quiet bands by slot of `Latest`."""

    def __init__(
        self,
        plant: Plant,
        watches: Iterable[Watch],
        states: Mapping[str, RuleState],
        latest: Latest,
    ) -> None:
        """Begin with the states that stand in the table."""
        by_name = by_point(watches)
        self.watches = [by_name.get(name, []) for name in latest.names] + [[]]
        self._slot = {w.key: slot for slot, all_ in enumerate(self.watches) for w in all_}
        self._states = dict(states)
        self._last = np.full(len(self.watches), np.nan)  # value judged last
        self._quality = np.zeros(len(self.watches), np.uint8)
        self._low = np.full(len(self.watches), -inf)
        self._high = np.full(len(self.watches), inf)
        self._flying = np.zeros(len(self.watches), np.int32)  # changes not yet in the table
        self._lock = Lock()
        self._live = np.zeros(len(self.watches), np.bool_)
        for item in plant.points():
            self._live[latest.index[item.id]] = item.point.point_class == "telemetry"
        for slot in range(len(self.watches)):
            self._band(slot)

    def state(self, key: str) -> RuleState:
        """Return where a watch stands by the last commit."""
        return self._states.get(key, NEW)

    def follow(self, key: str, state: RuleState) -> None:
        """Take over what a commit made of a watch."""
        with self._lock:
            self._states[key] = state
            if key in self._slot:
                self._band(self._slot[key])

    def restless(self, batch: Batch) -> Flags:
        """Return which readings of the live lane must be looked at one by one, (n,).

        A point with one restless reading has all of the batch looked at: its band moves with them.
        """
        slots = batch.series
        with self._lock:
            same = batch.quality == self._quality[slots]
            found = restless(batch, self._low, self._high, self._quality)
            found &= self._live[slots] & ~((batch.quality >= FIRST_BAD) & same)
            self._quality[slots] = batch.quality
        hot = np.zeros(len(self.watches), np.bool_)
        hot[slots[found]] = True
        chosen: Flags = hot[slots]
        return chosen

    def judge(self, slot: int, sample: Sample) -> list[Watch]:
        """Return the watches whose state this sample may change; each must then be `landed`."""
        with self._lock:
            waiting = self._flying[slot] > 0
            moving = [w for w in self.watches[slot] if waiting or self.moves(w, sample)]
            self._flying[slot] += len(moving)
            self._last[slot] = np.nan if sample.value is None else sample.value
            self._band(slot)
        return moving

    def moves(self, watch: Watch, sample: Sample) -> bool:
        """Return whether the sample changes where the watch stands by the last commit."""
        state = self.state(watch.key)
        return decide.moves(state, decide.evaluate(watch.condition, state.phase, sample.value))

    def landed(self, slot: int) -> None:
        """Say that a change is in the table, or failed to get there."""
        with self._lock:
            self._flying[slot] -= 1
            self._band(slot)

    def _band(self, slot: int) -> None:
        if self._flying[slot]:
            self._low[slot], self._high[slot] = inf, -inf
            return
        low, high = -inf, inf
        for watch in self.watches[slot]:
            phase = self.state(watch.key).phase
            each = decide.quiet(watch.condition, phase, float(self._last[slot]))
            low, high = max(low, each[0]), min(high, each[1])
        self._low[slot], self._high[slot] = low, high
