"""Consumption from counters: the golden cases of docs/energy.md, and what always holds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.energy import decide
from server.energy.model import ABSENT, INTERPOLATED, MEASURED, QUARTER_MS, Counter, Exchange, Facts
from tests.fakes_energy import made_track

HOUR = 3_600_000
PULSES = 2**32 * 0.01


@dataclass(frozen=True)
class Case:
    at_h: Sequence[float]
    value: Sequence[float]
    kwh: str
    coverage: float = 1.0
    bounded: float = 1.0
    breaks: int = 0
    counter: Counter = field(default_factory=lambda: Counter(gap_ms=HOUR // 2))
    exchanges: Sequence[Exchange] = ()
    quality: Sequence[int] = ()


def ms(hours: float) -> int:
    return round(hours * HOUR)


def passed(case: Case) -> Facts:
    track = made_track([ms(at) for at in case.at_h], case.value, case.quality)
    edges = np.arange(ms(case.at_h[0]), ms(case.at_h[-1]) + 1, QUARTER_MS, dtype=np.int64)
    return decide.consumption(track, edges, case.counter, case.exchanges)


CASES = {
    "E01-display": Case([0, 0.25], [99998.7, 3.4], "4.7", counter=Counter(1, 100_000.0)),
    "E01-pulses": Case(
        [0, 0.25], [4294967290, 15], "0.21", counter=Counter(0.01, PULSES, ceiling_kw=100)
    ),
    "E01-not-near-the-top": Case(
        [0, 0.25, 0.5], [60_000, 3.4, 4.4], "1.0", 0.5, 0.5, 1, Counter(1, 100_000.0)
    ),
    "E01-not-plausible": Case(
        [0, 0.25, 0.5], [95_000, 900, 901], "1.0", 0.5, 0.5, 1,
        Counter(1, 100_000.0, ceiling_kw=100),
    ),
    "E02-zero-that-passes": Case(
        [0, 0.25, 6, 12, 12.25], [397.11, 0, 0, 0, 413.50], "16.39", 0.0, 1.0
    ),
    "E02-brief": Case([0, 0.25, 0.5], [397.11, 0.0, 397.50], "0.39"),
    "E02-near-the-top-is-no-rollover": Case(
        [0, 0.25, 0.5], [99_990.0, 0.0, 99_991.0], "1.0", counter=Counter(1, 1e5, gap_ms=HOUR)
    ),
    "E02-spike": Case(
        [0, 0.25, 0.5], [397.0, 1e8, 398.0], "1.0", counter=Counter(gap_ms=HOUR)
    ),
    "E02-a-dead-register-says-nothing": Case(
        [0, 0.25, 0.5, 0.75, 1], [10, 11, 0, 0, 0], "1.0", 0.25, 0.25
    ),
    "E03-unconfirmed-reset": Case([0, 0.25, 0.5], [5000.0, 0.0, 12.5], "12.5", 0.5, 0.5, 1),
    "E03-reset-with-event": Case(
        [0, 0.25, 0.5], [5000.0, 0.0, 12.5], "12.5", 1.0, 1.0,
        exchanges=[Exchange(ms(0.25), 5000.0, ms(0.25), 0.0)],
    ),
    "E04-replacement": Case(
        [10, 11], [84211.2, 5.1], "7.2", 0.75, 0.75,
        exchanges=[Exchange(ms(10 + 20 / 60), 84213.6, ms(10 + 35 / 60), 0.3)],
    ),
    "E05-new-ratio": Case(
        [0, 0.25, 0.5], [120.0, 152.4, 165.1], "1156.0", counter=Counter(20.0, gap_ms=HOUR),
        exchanges=[Exchange(ms(0.25), 152.4, ms(0.25), 152.4, factor=2.0)],
    ),
    "E19-unit-flip-is-no-energy": Case(
        [0, 0.25, 0.5], [6239433.0, 6239.432, 6239.5], "0.07", 0.5, 0.5, 1
    ),
}  # fmt: skip


@pytest.mark.serves("F2")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_golden(case: Case) -> None:
    facts = passed(case)
    whole = float(np.sum(facts.span_ms))
    assert decide.kwh(int(np.sum(facts.energy))) == Decimal(case.kwh)
    assert np.sum(facts.measured_ms) / whole == pytest.approx(case.coverage)
    assert np.sum(facts.bounded_ms) / whole == pytest.approx(case.bounded)
    assert len(facts.breaks) == case.breaks


def a_day_with_a_gap() -> Facts:
    at = [*range(10), *range(12, 25)]
    value = [4910.0 + 10 * hour for hour in range(9)]
    value += [5000.0, *(5027.0 + 10 * (hour - 12) for hour in range(12, 25))]
    track = made_track([ms(hour) for hour in at], value)
    edges = np.arange(0, ms(24) + 1, HOUR, dtype=np.int64)
    return decide.consumption(track, edges, Counter(gap_ms=HOUR))


@pytest.mark.parametrize("case", ["E06"])
def test_a_gap_is_spread_and_marked(case: str) -> None:
    facts = a_day_with_a_gap()
    assert case == "E06"
    assert facts.energy[9:12].tolist() == [900, 900, 900]
    assert facts.interpolated.sum() == 2700
    assert facts.energy.sum() == 23_700
    assert facts.method.tolist() == [MEASURED] * 9 + [INTERPOLATED] * 3 + [MEASURED] * 12
    assert facts.measured_ms.sum() / ms(24) == pytest.approx(0.875)
    assert facts.bounded_ms.sum() == ms(24)


@pytest.mark.parametrize("case", ["E07"])
def test_a_gap_over_the_end_of_the_month_is_split_by_time(case: str) -> None:
    at = [*range(743), 746, 747]
    value = [8000.0 - (742 - hour) for hour in range(743)] + [8040.0, 8041.0]
    track = made_track([ms(hour) for hour in at], value)
    october, november = (
        decide.consumption(track, np.array([ms(a), ms(b)], np.int64), Counter(gap_ms=HOUR))
        for a, b in ((0, 744), (744, 747))
    )
    assert case == "E07"
    assert int(october.interpolated[0]) == int(november.interpolated[0]) == 2000
    assert decide.share(float(october.measured_ms[0]), ms(744)) == 0.9973


def test_the_reading_after_the_hour_counts_by_interpolation() -> None:
    track = made_track([ms(8), ms(9) + 13_000, ms(10)], [0.0, 60.0 + 13 / 60, 120.0])
    facts = decide.consumption(
        track, np.array([ms(8), ms(9), ms(10)], np.int64), Counter(gap_ms=2 * HOUR)
    )
    assert facts.energy.tolist() == [6000, 6000]  # E18


def test_missing_is_absent_and_never_zero() -> None:
    track = made_track([ms(1), ms(1.25)], [5.0, 6.0])
    facts = decide.consumption(track, np.array([0, ms(0.5), ms(1), ms(2)], np.int64), Counter())
    assert facts.method.tolist() == [ABSENT, ABSENT, MEASURED]
    assert facts.bounded_ms.tolist() == [0, 0, ms(0.25)]


def test_nothing_read_is_nothing_known() -> None:
    for track in (made_track([], []), made_track([0, HOUR], [1.0, 2.0], [129, 64])):
        facts = decide.consumption(track, np.array([0, HOUR], np.int64), Counter())
        assert facts.method.tolist() == [ABSENT]


def test_readings_that_are_not_good_do_not_count() -> None:
    case = Case([0, 0.25, 0.5], [10.0, 99.0, 12.0], "2.0", quality=[0, 66, 0])
    assert passed(case).energy.sum() == 200


steps = st.lists(
    st.tuples(st.integers(1, 4 * QUARTER_MS), st.floats(0, 50)), min_size=1, max_size=40
)


@given(steps, st.integers(0, QUARTER_MS))
@settings(max_examples=60, deadline=None)
def test_the_buckets_add_up_to_the_difference_of_the_counter(
    made: list[tuple[int, float]], start: int
) -> None:
    at = start + np.concatenate([[0], np.cumsum([step for step, _ in made])])
    value = 1000 + np.concatenate([[0.0], np.cumsum([kwh for _, kwh in made])])
    edges = np.arange(0, at[-1] + 2 * QUARTER_MS, QUARTER_MS, dtype=np.int64)
    facts = decide.consumption(made_track(at.tolist(), value.tolist()), edges, Counter())
    assert facts.energy.sum() == pytest.approx((value[-1] - value[0]) * 100, abs=1)
    assert (facts.energy >= 0).all()
    assert (facts.interpolated <= facts.energy + 1).all()
    assert ((facts.measured_ms >= 0) & (facts.measured_ms <= facts.bounded_ms + 1)).all()
    assert (facts.bounded_ms <= facts.span_ms).all()


@given(st.lists(st.floats(0, 100_000), min_size=1, max_size=30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_register_however_wild_makes_negative_energy(value: list[float], rolls: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    at = [number * QUARTER_MS // 3 for number in range(len(value))]
    edges = np.arange(0, at[-1] + QUARTER_MS + 1, QUARTER_MS, dtype=np.int64)
    counter = Counter(rollover_kwh=100_000.0 if rolls else None, ceiling_kw=500)
    facts = decide.consumption(made_track(at, value), edges, counter)
    most = 500 * (at[-1] / HOUR + len(value) * 0.25)
    assert (facts.energy >= 0).all()
    assert facts.energy.sum() <= most * 100 + 1
    assert ((facts.bounded_ms >= 0) & (facts.bounded_ms <= facts.span_ms)).all()
