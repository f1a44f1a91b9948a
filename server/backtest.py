"""What a rule would have raised in a period: the functions that decide live, over history.

`backtest` asks the columns where something may change and decides only there; `replay` decides
every reading. They give the same (tests/unit/server/test_backtest.py). Delays end at their instant,
as the timers of the live server do; gaps freeze them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from server import truth as truth_of
from server import truths
from server.alarms import decide
from server.alarms.model import Effect, RuleState, Truth, Watch
from server.conditions import Bounds, inner, lookback, others
from server.silence import silence
from watchkeeper.clock import unix_ms
from watchkeeper.history import Track
from watchkeeper.ids import PointId

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
    cases, free, held = _cases(watch, of, first, last)
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
        ahead = held if player.state.phase in decide.HOLDS else free
        following = bisect_right(ahead, place)
        place = ahead[following] if following < len(ahead) else last
    player.until(end)
    return player.raised


_TRUTHS: dict[int, Truth] = {truths.UNKNOWN: None, 0: False, 1: True}


def _cases(
    watch: Watch, of: truths.Columns, first: int, last: int
) -> tuple[truths.Cases | None, list[int], list[int]]:
    """Return whether it is true (None: ask), and where a rule may change that is not, or is, true.

    Between two of these places nothing a reading says can change anything.
    """
    condition, kind = watch.condition, inner(watch.condition)
    if isinstance(kind, Bounds):
        free, held = truths.regions(condition, kind, of.own, of.at)
        return None, _changes(free, first, last), _changes(held, first, last)
    found = truths.truths(condition, of)[first:last]
    cases = np.where(np.isnan(found), truths.UNKNOWN, found).astype(np.int8)
    places = _changes(cases, 0, last - first, first)
    return cases, places, places


def _changes(cases: truths.Cases, first: int, last: int, offset: int = 0) -> list[int]:
    """Return the places after the first that differ from the one before."""
    own = cases[first:last]
    places: list[int] = (np.flatnonzero(own[1:] != own[:-1]) + (1 + first + offset)).tolist()
    return places


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
