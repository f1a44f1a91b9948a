"""Where every rule stands, in memory: the filter before the writer; the tables decide.

Each point of the live lane has a quiet band, in which no value can change the state of a rule that
hears it (architecture §6, server/bands.py). While a change of a rule is on its way to the table the
bands are those of the state it leads to. After an unknown value they are empty meanwhile: a timer
may be faster than the writer, and then every reading goes to the writer, in order.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, nan
from threading import Lock
from typing import NamedTuple, TypeAlias

import numpy as np

from server import truth as truth_of
from server.alarms import decide
from server.alarms.model import Effect, RuleState, Sample, Watch
from server.bands import bands
from server.conditions import (
    EMPTY,
    NEVER,
    NOTHING,
    WIDE,
    Band,
    Expression,
    Memory,
    inner,
    others,
    remembers,
)
from server.latest import Latest
from server.rules import by_point
from watchkeeper.batch import Batch, Flags, restless
from watchkeeper.clock import unix_ms
from watchkeeper.quality import FIRST_BAD
from watchkeeper.site import Plant

NEW = RuleState()
Inputs: TypeAlias = tuple[int, ...]  # of a watch, those that are one point
PACE_MS = 250  # an expression runs at most so often


class Move(NamedTuple):
    """A sample that may change where a watch stands."""

    watch: Watch
    sample: Sample
    memory: Memory | None  # of its condition, this sample included; None: it needs none


class Watching:
    """States and memories of rules by key, quiet bands by slot of `Latest`."""

    def __init__(
        self,
        plant: Plant,
        watches: Iterable[Watch],
        states: Mapping[str, RuleState],
        latest: Latest,
    ) -> None:
        """Begin with the states that stand in the table."""
        count = len(latest.names) + 1
        self._states = dict(states)
        self._memory = {key: state.memory for key, state in states.items()}
        self._flying: dict[str, int] = {}  # changes not yet in the table
        self._ahead: dict[str, RuleState] = {}  # where those lead to; absent: nobody can tell
        self._ran: dict[str, int] = {}  # when an expression was evaluated, ms
        self.due: dict[str, Watch] = {}  # expressions to be evaluated once their pace allows it
        self._fed: dict[int, tuple[int, float]] = {}  # the reading before those judged now
        self._last = np.full(count, nan)  # value judged last
        self._at = np.zeros(count, np.int64)  # newest reading, judged or not
        self._value = np.full(count, nan)
        self._quality = np.zeros(count, np.uint8)
        self._low, self._high = np.full(count, -inf), np.full(count, inf)
        self._until = np.full(count, NEVER, np.int64)
        self.held = False  # what was missed is evaluated first: server/late.py
        self._lock = Lock()
        self._live = np.zeros(count, np.bool_)
        for item in plant.points():
            self._live[latest.index[item.id]] = item.point.point_class == "telemetry"
        self._begin(list(watches), latest)

    def _begin(self, every: Sequence[Watch], latest: Latest) -> None:
        by_name = by_point(every)
        self.watches = [by_name.get(name, []) for name in latest.names] + [[]]  # on its values
        count = len(self.watches)
        self._slots: dict[str, tuple[int, ...]] = {}  # of the inputs of a watch
        self._hearing: list[list[tuple[Watch, Inputs]]] = [[] for _ in range(count)]
        self._bands: dict[str, list[Band]] = {}
        self._learning: set[str] = {w.key for w in every if remembers(w.condition)}
        self._paced = {w.key for w in every if isinstance(inner(w.condition), Expression)}
        self._keeps = np.zeros(count, np.bool_)  # somebody remembers its readings
        for watch in every:
            self._enter(watch, latest)
            if watch.key in self._flying:
                self._settle(watch, 0)
        self._narrow(range(count))

    def take(self, watches: Iterable[Watch], latest: Latest, changed: Iterable[str]) -> None:
        """Go on with other watches; those that changed begin with nothing remembered."""
        with self._lock:
            for key in changed:
                self._memory.pop(key, None)
            self.due = {}
            self._begin(list(watches), latest)

    def state(self, key: str) -> RuleState:
        """Return where a watch stands by the last commit."""
        return self._states.get(key, NEW)

    def seen(self, key: str) -> tuple[Memory, Band]:
        """Return what a watch remembers, and the band in which its point changes nothing at all."""
        with self._lock:
            slots = self._slots.get(key)
            if not slots:
                return NOTHING, WIDE
            low, high = float(self._low[slots[0]]), float(self._high[slots[0]])
            return self._memory.get(key, NOTHING), Band(low, high, int(self._until[slots[0]]))

    def follow(self, key: str, state: RuleState) -> None:
        """Take over what a commit made of a watch."""
        with self._lock:
            self._states[key] = state
            slots = self._slots.get(key)
            if not slots:
                return
            watch = next(w for w, _ in self._hearing[slots[0]] if w.key == key)
            if not self._live[slots[0]]:
                self._memory[key] = state.memory
            self._narrow(self._settle(watch, int(self._at[slots[0]])))

    def resume(self, key: str, memory: Memory) -> None:
        """Take over what the history before the first live reading makes a watch remember."""
        with self._lock:
            self._memory[key] = memory

    def restless(self, batch: Batch) -> Flags:
        """Return which readings of the live lane must be looked at one by one, (n,).

        A point with one restless reading has all of the batch looked at: its band moves with them,
        and so do those of the points it shares a formula with.
        """
        slots = batch.series
        with self._lock:
            same = batch.quality == self._quality[slots]
            found = restless(batch, self._low, self._high, self._quality)
            found &= ~((batch.quality >= FIRST_BAD) & same)
            found |= batch.at >= self._until[slots]  # a calendar closes on unknown values too
            found &= self._live[slots]
            self._quality[slots] = batch.quality
            hot = np.zeros(len(self.watches), np.bool_)
            hot[slots[found]] = True
            for slot in np.flatnonzero(hot & self._keeps).tolist():
                for watch, _ in self._hearing[slot]:  # inputs of one formula move together
                    hot[list(self._slots[watch.key])] = True
            for slot in np.flatnonzero(hot & self._keeps).tolist():
                self._fed[slot] = (int(self._at[slot]), float(self._value[slot]))
            self._at[slots], self._value[slots] = batch.at, batch.value
        chosen: Flags = hot[slots]
        return chosen

    def judge(self, slot: int, sample: Sample) -> list[Move]:
        """Return what this sample may change; each watch must then be `landed`."""
        at, moves = unix_ms(sample.at), []
        with self._lock:
            self._last[slot] = nan if sample.value is None else sample.value
            fed = self._fed.pop(slot, (0, nan))
            narrowed = {slot}
            for watch, inputs in self._hearing[slot]:
                if watch.key in self._learning:
                    self._learn(watch, inputs, at, sample.value, fed)
                if move := self._look(watch, at, sample):
                    moves.append(move)
                narrowed.update(self._settle(watch, at))
            self._narrow(narrowed)
        return moves

    def overdue(self, now: int) -> list[Move]:
        """Return what expressions change whose pace held them back; now: Unix ms."""
        moves = []
        with self._lock:
            for watch in list(self.due.values()):
                slots = self._slots[watch.key]
                at = max(int(self._at[slot]) for slot in slots)
                if now - self._ran.get(watch.key, 0) >= PACE_MS:
                    del self.due[watch.key]
                    self._ran.pop(watch.key, None)
                    self._refresh(watch, at)
                    sample = Sample(decide.instant(at), None)
                    if move := self._look(watch, at, sample):
                        moves.append(move)
                    self._narrow(self._settle(watch, at))
        return moves

    def moves(self, watch: Watch, sample: Sample) -> bool:
        """Return whether the sample changes where the watch stands by the last commit."""
        state, at = self.state(watch.key), unix_ms(sample.at)
        memory = truth_of.remember(watch.condition, state.memory, at, sample.value)
        return _moves(watch, state, sample, at, memory) or truth_of.worth_keeping(
            watch.condition, state.memory, memory
        )

    def landed(self, watch: Watch) -> None:
        """Say that a change is in the table, or failed to get there."""
        with self._lock:
            left = self._flying[watch.key] - 1
            if left:
                self._flying[watch.key] = left
            else:
                del self._flying[watch.key]
                self._ahead.pop(watch.key, None)
            slots = self._slots.get(watch.key)
            if slots:  # the rule may have left meanwhile
                now = next(w for w, _ in self._hearing[slots[0]] if w.key == watch.key)
                self._narrow(self._settle(now, int(self._at[slots[0]])))

    def _enter(self, watch: Watch, latest: Latest) -> None:
        points = (watch.point, *others(watch.condition))
        slots = tuple(latest.index.get(point, latest.nobody) for point in points)
        self._slots[watch.key] = slots
        for slot in dict.fromkeys(slots):
            own = tuple(which for which, each in enumerate(slots) if each == slot)
            self._hearing[slot].append((watch, own))
            self._keeps[slot] |= remembers(watch.condition)
        memory = self._memory.get(watch.key, NOTHING)
        self._bands[watch.key] = (
            [EMPTY] * len(slots)
            if remembers(watch.condition)
            else bands(watch.condition, self.state(watch.key), nan, 0, memory)
        )

    def _learn(
        self, watch: Watch, inputs: Inputs, at: int, value: float | None, fed: tuple[int, float]
    ) -> None:
        """Take a reading into the memory of a watch, with what came and was quiet before it."""
        condition, key = watch.condition, watch.key
        if fed[0]:
            before = dict.fromkeys(inputs, fed[1])
            memory = self._memory.get(key, NOTHING)
            self._memory[key] = truth_of.remember_all(condition, memory, fed[0], before)
        self._refresh(watch, at, but=inputs)
        values = dict.fromkeys(inputs, nan if value is None else value)
        self._memory[key] = truth_of.remember_all(
            condition, self._memory.get(key, NOTHING), at, values
        )

    def _refresh(self, watch: Watch, at: int, but: Inputs = ()) -> None:
        """Take the newest readings of its other inputs into the memory of a watch."""
        slots = self._slots[watch.key]
        for which, slot in enumerate(slots) if len(slots) > 1 else ():
            then = int(self._at[slot])
            if which not in but and 0 < then <= at:
                memory = self._memory.get(watch.key, NOTHING)
                value = float(self._value[slot])
                self._memory[watch.key] = truth_of.remember(
                    watch.condition, memory, then, value, which
                )

    def _look(self, watch: Watch, at: int, sample: Sample) -> Move | None:
        key, condition, memory = watch.key, watch.condition, None
        state = self._ahead.get(key) or self._states.get(key, NEW)
        if key in self._learning:
            if self._too_soon(watch, at):
                return None
            memory = self._memory[key]
            sample = Sample(sample.at, truth_of.own(condition, memory, sample.value))
        blind = key in self._flying and key not in self._ahead
        over = (  # the delay that is about to begin is over by this reading: no timer knows of it
            key in self._ahead and decide.learn(watch, state, sample, memory)[1] is not Effect.NONE
        )
        if blind or over or _moves(watch, state, sample, at, memory or NOTHING) or (
            memory is not None and truth_of.worth_keeping(condition, state.memory, memory)
        ):  # fmt: skip
            self._flying[key] = self._flying.get(key, 0) + 1
            if blind or sample.value is None:
                self._ahead.pop(key, None)
            else:
                self._ahead[key], _ = decide.learn(watch, state, sample, memory)
            return Move(watch, sample, memory)
        return None

    def _too_soon(self, watch: Watch, at: int) -> bool:
        if watch.key not in self._paced:
            return False
        if 0 <= at - self._ran.get(watch.key, -PACE_MS) < PACE_MS:
            self.due[watch.key] = watch
            return True
        self._ran[watch.key] = at
        self.due.pop(watch.key, None)
        return False

    def _settle(self, watch: Watch, at: int) -> tuple[int, ...]:
        """Give a watch the bands it has now; return the slots they are about."""
        key = watch.key
        slots = self._slots[key]
        if key in self._flying and key not in self._ahead:
            self._bands[key] = [EMPTY] * len(slots)
        elif key in self.due:
            self._bands[key] = [WIDE._replace(until=self._ran[key] + PACE_MS)] * len(slots)
        else:
            memory, last = self._memory.get(key, NOTHING), float(self._last[slots[0]])
            state = self._ahead.get(key) or self._states.get(key, NEW)
            self._bands[key] = bands(watch.condition, state, last, at, memory)
        return slots

    def _narrow(self, slots: Iterable[int]) -> None:
        """Let the band of a point be where all who hear it are quiet."""
        for slot in slots:
            low, high, until = -inf, inf, NEVER
            for watch, inputs in self._hearing[slot]:
                own_low, own_high, own_until = self._bands[watch.key][inputs[-1]]
                low = own_low if own_low > low else low  # noqa: FURB136 - twice as fast
                high = own_high if own_high < high else high  # noqa: FURB136
                until = own_until if own_until < until else until  # noqa: FURB136
            self._low[slot], self._high[slot], self._until[slot] = low, high, until


def _moves(watch: Watch, state: RuleState, sample: Sample, at: int, memory: Memory) -> bool:
    truth = decide.evaluate(watch.condition, state.phase, sample.value, at, memory)
    which = decide.grade(watch.condition, state, sample.value) if truth else 0
    return decide.moves(state, truth, which)
