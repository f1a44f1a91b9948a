from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.decimate import FEWEST, lttb, min_max
from watchkeeper.history import Track

Thin = Callable[[Track, int], Track]
both = pytest.mark.parametrize("thin", [min_max, lttb])

steps = st.lists(
    st.tuples(
        st.integers(1, 5_000), st.one_of(st.integers(-9, 9).map(float), st.just(float("nan")))
    ),
    min_size=1,
    max_size=200,
)


def track(rows: list[tuple[int, float]]) -> Track:
    """Return readings of (ms since the one before, value)."""
    at = np.cumsum([step for step, _ in rows], dtype=np.int64)
    value = np.array([value for _, value in rows], np.float64)
    return Track(at, value, np.where(np.isnan(value), 129, 0).astype(np.uint8))


@both
@given(rows=steps, n=st.integers(FEWEST, 60))
@settings(deadline=None)
def test_few_readings_of_the_track_in_its_order_with_both_ends(
    thin: Thin, rows: list[tuple[int, float]], n: int
) -> None:
    whole = track(rows)
    found = thin(whole, n)
    assert len(found.at) <= max(n, 0)
    assert found.at[0] == whole.at[0]
    assert found.at[-1] == whole.at[-1]
    place = np.searchsorted(whole.at, found.at)
    assert np.all(np.diff(place) > 0)
    assert found.at.tolist() == whole.at[place].tolist()
    assert np.array_equal(found.value, whole.value[place], equal_nan=True)
    assert found.quality.tolist() == whole.quality[place].tolist()


@given(rows=steps, n=st.integers(FEWEST, 60))
@settings(deadline=None)
def test_min_max_keeps_the_extremes(rows: list[tuple[int, float]], n: int) -> None:
    whole, found = track(rows), min_max(track(rows), n)
    if not np.isnan(whole.value).all():
        assert np.nanmin(found.value) == np.nanmin(whole.value)
        assert np.nanmax(found.value) == np.nanmax(whole.value)


@both
@given(rows=steps, n=st.integers(FEWEST, 60))
@settings(deadline=None)
def test_a_break_stays_a_break(thin: Thin, rows: list[tuple[int, float]], n: int) -> None:
    whole, found = track(rows), thin(track(rows), n)
    assert np.isnan(found.value).any() == np.isnan(whole.value).any()


@both
def test_few_enough_readings_stay_as_they_are(thin: Thin) -> None:
    whole = track([(1, 1.0), (1, float("nan")), (1, 2.0)])
    assert thin(whole, 5) is whole
    empty = track([])
    assert thin(empty, 5) is empty


@both
def test_fewer_than_five_points_are_no_plot(thin: Thin) -> None:
    with pytest.raises(ValueError, match="at least 5"):
        thin(track([(1, 1.0)]), 4)


def test_a_spike_of_one_reading_in_a_month_is_seen() -> None:
    value = np.sin(np.arange(259_200) / 1_000)
    value[123_456] = 99.0
    at = np.arange(259_200) * 10_000
    found = min_max(Track(at, value, np.zeros(len(at), np.uint8)), 1_000)
    assert len(found.at) <= 1_000
    assert found.at[np.argmax(found.value)] == at[123_456]


def test_every_stretch_without_an_answer_longer_than_a_point_is_seen() -> None:
    value = np.arange(10_000.0)
    for begin in range(500, 10_000, 1_000):
        value[begin : begin + 100] = np.nan
    whole = Track(np.arange(10_000) * 1_000, value, np.where(np.isnan(value), 129, 0).astype("u1"))
    for thin in (min_max, lttb):
        found = thin(whole, 300)
        lost = found.at[np.isnan(found.value)] // 1_000
        assert sorted(set((lost // 1_000).tolist())) == list(range(10))


def test_the_shape_keeps_the_corners_of_a_trapezium() -> None:
    value = np.concatenate((np.zeros(100), np.linspace(0, 50, 100), np.full(100, 50.0)))
    found = lttb(Track(np.arange(300) * 1_000, value, np.zeros(300, np.uint8)), 12)
    assert len(found.at) == 12
    again = np.interp(np.arange(300) * 1_000, found.at, found.value)
    assert np.abs(again - value).max() < 5.0


def test_the_triangles_are_those_of_the_source() -> None:
    """One reading a stretch, worked out by hand: three stretches of two."""
    whole = track([(1, v) for v in (0.0, 1.0, 9.0, 2.0, 3.0, 0.0, 8.0, 0.0)])
    assert lttb(whole, 5).value.tolist() == [0.0, 9.0, 2.0, 8.0, 0.0]
