"""What a rule would have raised in a period: the functions that decide live, over history.

`backtest` asks the columns where something may change and decides only there; `replay` decides
every reading. They give the same (tests/unit/server/test_backtest.py). Delays end at their instant,
as the timers of the live server do; gaps freeze them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from server import truth as truth_of
from server import truths
from server.alarms import decide
from server.alarms.model import Effect, Phase, RuleState, Truth, Watch
from server.conditions import Bounds, inner, lookback, others
from server.silence import silence
from watchkeeper.batch import Flags, Times
from watchkeeper.clock import unix_ms
from watchkeeper.history import Track
from watchkeeper.ids import PointId

Positions: TypeAlias = npt.NDArray[np.intp]
STEPS = 1_000  # between two questions whether there is still time


class Raised(NamedTuple):
    """One alarm a rule would have raised."""

    at: int  # Unix ms
    returned_at: int | None  # None: it was still active at the end
    value: float | None  # of the rule's own point when it rang
    priority: int  # the most urgent it was


class Played(NamedTuple):
    """What came of it, and where the rule stands at the end."""

    raised: list[Raised]
    state: RuleState
    ended: int | None = None  # when that was over which was active at the beginning, Unix ms


def points(watch: Watch) -> list[PointId]:
    """Return the points whose tracks a backtest of the watch needs, in their order."""
    return [watch.point, *others(watch.condition)]


def before(watch: Watch) -> int:
    """Return how much of the past, in ms, the first decision of a backtest may depend on."""
    silent = watch.condition if watch.rule.stale is not None else None
    more = round(silent.high * 1000) if isinstance(silent, Bounds) else 0
    return lookback(watch.condition) + more


def heard(watch: Watch, tracks: Sequence[Track]) -> list[Track]:
    """Return what the rule is decided on: the readings, or how long there was none."""
    if watch.rule.stale is not None and isinstance(watch.condition, Bounds):
        return [silence(tracks[0], watch.condition.high)]
    return list(tracks)


def backtest(
    watch: Watch,
    tracks: Sequence[Track],
    start: int,
    end: int,
    patient: Callable[[], None] = lambda: None,
) -> list[Raised]:
    """Return what the rule would have raised in start <= t < end, from normal on.

    Args:
        watch: The rule at a point.
        tracks: Of `points(watch)`; what lies before `start` (`before`) is only known.
        start: Unix ms.
        end: Unix ms.
        patient: Called every so many changes; it raises when that takes too long.
    """
    tracks = heard(watch, tracks)
    of = truths.columns(tracks)
    first, last = (int(each) for each in np.searchsorted(of.at, (start, end)))
    cases, look = _looks(watch, of, first, last)
    player, place = _Player(watch, tracks[0], RuleState()), first
    steps = 0
    while place < last:
        if (steps := steps + 1) % STEPS == 0:
            patient()
        at, value = int(of.at[place]), float(of.own[place])
        player.until(at)
        known = None if value != value else value  # noqa: PLR0124 - NaN
        phase = player.state.phase
        truth = (
            decide.evaluate(watch.condition, phase, known, at)
            if cases is None
            else _TRUTHS[int(cases[place - first])]
        )
        player.learn(truth, known, at)
        ahead = look.after(player.state)
        following = bisect_right(ahead, place)
        place = ahead[following] if following < len(ahead) else last
    player.until(end)
    return player.raised


_TRUTHS: dict[int, Truth] = {truths.UNKNOWN: None, 0: False, 1: True}


@dataclass(slots=True)
class _Looks:
    """Where readings may change a rule; between two of these places none can."""

    normal: list[int]  # while it is normal: where it becomes true, for longer than a moment
    leaving: list[int]  # while it is not true
    of_grade: Callable[[int], list[int]]  # while it was true, by the grade it has or is about to
    held: dict[int, list[int]] = field(default_factory=dict)  # those that were needed

    def after(self, state: RuleState) -> list[int]:
        """Return the places for where a rule stands."""
        if state.phase is Phase.NORMAL:
            return self.normal
        if state.phase not in decide.HOLDS:
            return self.leaving
        grade = state.toward or state.grade
        if grade not in self.held:
            self.held[grade] = self.of_grade(grade)
        return self.held[grade]


def _looks(
    watch: Watch, of: truths.Columns, first: int, last: int
) -> tuple[truths.Cases | None, _Looks]:
    """Return whether it is true from `first` on (None: ask), and where to look."""
    condition, kind = watch.condition, inner(watch.condition)
    delay, at = watch.rule.on_delay_s * 1000, of.at[first:last]
    if isinstance(kind, Bounds):

        def regions(grade: int) -> tuple[truths.Cases, truths.Cases]:
            return truths.regions(condition, kind, of.own[first:last], at, grade)

        free, held = regions(0)
        normal, leaving = _lasting(free > 0, held, at, delay), _changes(free)
        return None, _Looks(
            (normal + first).tolist(),
            (leaving + first).tolist(),
            lambda grade: (_changes(regions(grade)[1]) + first).tolist(),
        )
    found = truths.truths(condition, of)[first:last]
    cases = np.where(np.isnan(found), truths.UNKNOWN, found).astype(np.int8)
    places: list[int] = (_changes(cases) + first).tolist()
    normal = _lasting(cases > 0, cases, at, delay)
    return cases, _Looks((normal + first).tolist(), places, lambda _: places)


def _lasting(true: Flags, held: truths.Cases, at: Times, delay: float) -> Positions:
    """Return where it becomes true, unless it is known to be false again before the delay is over.

    A delay that begins and is broken off leaves a normal rule as it was.
    """
    begins = np.flatnonzero(true[1:] & ~true[:-1]) + 1
    ends = np.flatnonzero(held <= 0)  # not true any more, or unknown: that freezes the delay
    which = np.searchsorted(ends, begins, "right")
    over = np.append(ends, len(held) - 1)[which]
    known = (which < len(ends)) & (held[over] != truths.UNKNOWN)
    found: Positions = begins[~(known & (at[over] - at[begins] < delay))]
    return found


def _changes(cases: truths.Cases) -> Positions:
    """Return the places after the first that differ from the one before."""
    return np.flatnonzero(cases[1:] != cases[:-1]) + 1


def replay(
    watch: Watch, tracks: Sequence[Track], start: int, end: int, state: RuleState | None = None
) -> Played:
    """Return the same, every reading decided one by one, from a state on."""
    tracks = heard(watch, tracks)
    player = _Player(watch, tracks[0], state or RuleState())
    known = player.state.memory
    for at, values in _instants(tracks, end):
        known = truth_of.remember_all(watch.condition, known, at, values)
        if at >= start:
            player.until(at)
            value = truth_of.own(watch.condition, known, values.get(0))
            value = None if value is None or value != value else value  # noqa: PLR0124 - NaN
            phase = player.state.phase
            truth = decide.evaluate(watch.condition, phase, value, at, known)
            player.learn(truth, value, at)
    player.until(end)
    return Played(player.raised, player.state, player.ended)


def _instants(tracks: Sequence[Track], end: int) -> Iterable[tuple[int, dict[int, float]]]:
    """Yield every instant before `end` at which readings came, with them by input."""
    found: dict[int, dict[int, float]] = {}
    for which, track in enumerate(tracks):
        for at, value in zip(track.at.tolist(), track.value.tolist(), strict=True):
            if at < end:
                found.setdefault(at, {})[which] = value
    return sorted(found.items(), key=lambda each: each[0])


class _Player:
    """Takes a rule through time and writes down what it raises."""

    def __init__(self, watch: Watch, own: Track, state: RuleState) -> None:
        self._watch, self._own = watch, own
        self.state = state
        self.raised: list[Raised] = []
        self.ended: int | None = None

    def until(self, at: int) -> None:
        """Let the delay end that is over before an instant."""
        state, rule = self.state, self._watch.rule
        left = decide.left_s(rule, state)
        if left is None or state.since is None:
            return
        due = state.since + timedelta(seconds=left)
        if due < decide.instant(at):
            self.state, effect = decide.expire(state, state.generation)
            self._note(effect, due)

    def learn(self, truth: Truth, value: float | None, at: int) -> None:
        """Let the rule learn what is so at an instant."""
        grade = decide.grade(self._watch.condition, self.state, value) if truth else 0
        instant = decide.instant(at)
        self.state, effect = decide.step(self._watch.rule, self.state, truth, instant, grade)
        self._note(effect, instant)

    def _note(self, effect: Effect, instant: datetime) -> None:
        at, priority = unix_ms(instant), self._watch.priority_of(self.state.grade)
        if effect is Effect.RAISE:
            self.raised.append(Raised(at, None, self._value(at), priority))
        elif effect is Effect.RETURN and self.raised:
            self.raised[-1] = self.raised[-1]._replace(returned_at=at)
        elif effect is Effect.RETURN:
            self.ended = at
        elif effect is Effect.GRADE and self.raised:
            worst = min(priority, self.raised[-1].priority)
            self.raised[-1] = self.raised[-1]._replace(priority=worst)

    def _value(self, at: int) -> float | None:
        place = int(np.searchsorted(self._own.at, at, "right")) - 1
        value = float(self._own.value[place]) if place >= 0 else float("nan")
        return None if value != value else value  # noqa: PLR0124 - NaN
