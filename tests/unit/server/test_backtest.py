"""A backtest finds exactly what deciding every reading finds, for every kind of rule."""

from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.alarms.model import Rule, Watch
from server.backtest import Raised, backtest, replay
from server.calendars import Calendar
from server.conditions import (
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Rate,
    Side,
    Stuck,
    Within,
)
from server.formula import parse
from server.rule_words import Stale
from server.silence import silence
from watchkeeper.documents import Text
from watchkeeper.history import Track
from watchkeeper.ids import PointId, UnitId

TEXT = Text("热", "Hot")
OWN, OTHER, THIRD = PointId("u/a"), PointId("u/b"), PointId("u/c")
MONDAY = 1_780_272_000_000  # 2026-06-01, 08:00 in Shanghai
HOURS = Calendar("office", "Asia/Shanghai", (((480, 482), (483, 484)),) * 7)  # two spans of minutes
LIMIT = Bounds(-5, 5, -3, 3)
FOUR = Bounds(
    -4, 4, -3, 3,
    (Side("high", 4, 3, 3), Side("high_high", 7, 6, 1), Side("low", -4, -3, 4),
     Side("low_low", -8, -7, 2)),
)  # fmt: skip
SUM = parse("a + b > 5 and not c == 2", {"a": "", "b": "", "c": ""})
SHARE = parse("a / b > 0.5 or max(a, c) > 8", {"a": "W", "b": "W", "c": "W"})
KINDS: dict[str, Condition] = {
    "limit": LIMIT,
    "four limits": FOUR,
    "one limit": Bounds(high=5, inner_high=5),
    "codes": Codes(frozenset({1.0, 2.0})),
    "none of": Codes(frozenset({0.0}), inverted=True),
    "rate": Rate(5 / 60_000, 8 / 60_000, 60_000),
    "rising only": Rate(1 / 12_000, inf, 12_000),
    "count": Count(LIMIT, 2, 90_000),
    "count codes": Count(Codes(frozenset({1.0})), 3, 120_000),
    "jump": Jump(4, inf),
    "jump both": Jump(6, 3),
    "stuck": Stuck(40_000),
    "stuck while": Stuck(30_000, parse("b > 0", {"b": ""}), (OTHER,)),
    "expression": Expression(SUM, (OWN, OWN, OTHER, THIRD)),
    "quotient": Expression(SHARE, (OWN, OWN, OTHER, THIRD)),
    "in office hours": Within(LIMIT, HOURS),
    "outside office hours": Within(Rate(5 / 60_000, 8 / 60_000, 60_000), HOURS, inside=False),
}
Steps = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 30_000), st.integers(1, 400_000)),
        st.one_of(st.integers(-10, 10).map(float), st.floats(-10, 10), st.just(nan)),
    ),
    max_size=40,
)


def watch(
    condition: Condition, on_s: float = 0, off_s: float = 0, stale: Stale | None = None
) -> Watch:
    rule = Rule(
        key="hot", revision=1, priority=3, title=TEXT, guidance=TEXT, on_delay_s=on_s,
        off_delay_s=off_s, stale=stale,
    )  # fmt: skip
    return Watch("hot|u/a", rule, OWN, UnitId("u"), "", "", condition)


def track(steps: list[tuple[int, float]], start: int = MONDAY) -> Track:
    at = start + np.cumsum([pause for pause, _ in steps], dtype=np.int64)
    value = np.array([value for _, value in steps], np.float64)
    return Track(at.astype(np.int64), value, np.where(np.isnan(value), 128, 0).astype(np.uint8))


def tracks_of(condition: Condition, steps: list[list[tuple[int, float]]]) -> list[Track]:
    own, other, third = map(track, steps)
    by_name = {OWN: own, OTHER: other, THIRD: third}
    kind = condition.inner if isinstance(condition, Within) else condition
    match kind:
        case Stuck(points=points):
            return [own, *(by_name[each] for each in points)]
        case Expression(points=points):
            return [by_name[each] for each in points]
        case _:
            return [own]


@pytest.mark.parametrize("name", KINDS)
@given(
    st.lists(Steps, min_size=3, max_size=3),
    st.sampled_from([0, 1.5, 30, 61]),
    st.sampled_from([0, 20]),
    st.integers(0, 300_000),
)
@settings(max_examples=600, deadline=None)
def test_columns_and_single_readings_agree(
    name: str, steps: list[list[tuple[int, float]]], on_s: float, off_s: float, skipped: int
) -> None:
    rule, tracks = watch(KINDS[name], on_s, off_s), tracks_of(KINDS[name], steps)
    start, end = MONDAY + skipped, MONDAY + 5_000_000
    assert backtest(rule, tracks, start, end) == replay(rule, tracks, start, end).raised


@given(Steps, st.sampled_from([0, 1.5, 30]), st.sampled_from([5.0, 90.0, 400.0]))
@settings(max_examples=600, deadline=None)
def test_of_silence_they_agree_too(
    steps: list[tuple[int, float]], on_s: float, after_s: float
) -> None:
    limit = Bounds(high=after_s, inner_high=after_s)
    rule, own = watch(limit, on_s, 0, Stale(after_s)), [track(steps)]
    found = backtest(rule, own, MONDAY, MONDAY + 5_000_000)
    assert found == replay(rule, own, MONDAY, MONDAY + 5_000_000).raised
    for each in found:  # it never rings while the device answers
        place = int(np.searchsorted(own[0].at, each.at, "right")) - 1
        assert place >= 0
        assert own[0].quality[place] != 0


def test_silence_counts_from_the_first_bad_reading_and_stands_still_without_any() -> None:
    own = track([(60_000, v) for v in (1, nan, nan, nan, 1)] + [(600_000, 1.0), (1_000, nan)])
    found = silence(own, 90)
    at = ((found.at - MONDAY) / 1000).tolist()
    told = dict(zip(at, found.value.tolist(), strict=True))
    assert (told[60], told[120], told[180], told[210.001], told[240]) == (0, 0, 60, 90.001, 120)
    assert isnan(told[480.001])  # nothing came since 300 s: nobody was there to hear
    assert told[900] == told[901] == 0


def minutes(*values: float) -> Track:
    return track([(60_000, value) for value in values])


@pytest.mark.serves("C5")
def test_it_says_when_how_long_and_by_which_value() -> None:
    found = backtest(watch(LIMIT, on_s=90), [minutes(0, 6, 8, 4, 2, 9)], MONDAY, MONDAY + 10**6)
    assert found == [
        Raised(MONDAY + 120_000 + 90_000, MONDAY + 300_000, 8, 3),
        Raised(MONDAY + 360_000 + 90_000, None, 9, 3),
    ]


def test_the_sharpest_limit_that_was_reached_is_told() -> None:
    assert [each.priority for each in backtest(
        watch(FOUR), [minutes(0, 5, 8, 0, 5, 0)], MONDAY, MONDAY + 10**6
    )] == [1, 3]  # fmt: skip


def test_a_gap_freezes_a_delay() -> None:
    rule = watch(LIMIT, on_s=100)
    assert backtest(rule, [minutes(6, nan, nan, 6, 6)], MONDAY, MONDAY + 10**6) == [
        Raised(MONDAY + 240_000 + 40_000, None, 6, 3)
    ]


def test_a_replay_goes_on_where_a_rule_stands() -> None:
    rule, whole = watch(LIMIT, on_s=90), minutes(0, 6, 8, 4, 2, 9)
    first = replay(rule, [whole], MONDAY, MONDAY + 190_000)
    rest = replay(rule, [whole], MONDAY + 190_000, MONDAY + 10**6, first.state)
    assert first.raised == []
    assert rest.raised == backtest(rule, [whole], MONDAY, MONDAY + 10**6)


def test_no_readings_raise_nothing() -> None:
    nothing = track([])
    for condition in KINDS.values():
        tracks = [nothing] * len(tracks_of(condition, [[], [], []]))
        assert backtest(watch(condition), tracks, MONDAY, MONDAY + 1) == []


def test_another_revision_is_another_result() -> None:
    before, whole = watch(LIMIT), minutes(0, 6, 0, 9, 0)
    after = replace(before, condition=Bounds(high=7, inner_high=7))
    counts = [len(backtest(each, [whole], MONDAY, MONDAY + 10**6)) for each in (before, after)]
    assert counts == [2, 1]
