import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.history.embedded_order import ascending, one_track, to_merge
from watchkeeper.batch import Batch
from watchkeeper.history import Track

arrivals = st.lists(
    st.tuples(st.sampled_from([0, 1, 70_000, 140_000]), st.integers(0, 9)), max_size=40
)


@given(arrivals)
def test_ascending_keeps_the_last_arrival_of_each(rows: list[tuple[int, int]]) -> None:
    batch = Batch(
        np.array([series for series, _ in rows], np.uint32),
        np.array([at for _, at in rows], np.int64),
        np.arange(len(rows), dtype=np.float64),
        np.zeros(len(rows), np.uint8),
    )
    found = ascending(batch)
    wanted = sorted({key: float(n) for n, key in enumerate(rows)}.items())
    assert list(zip(found.series.tolist(), found.at.tolist(), strict=True)) == [
        k for k, _ in wanted
    ]
    assert found.value.tolist() == [value for _, value in wanted]


@given(st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=5))
def test_tracks_join_so_that_the_later_one_wins(times: list[list[int]]) -> None:
    tracks, wanted, n = [], {}, 0.0
    for own in times:
        values = [n + k for k in range(len(own))]
        n += len(own)
        wanted |= dict(zip(own, values, strict=True))
        tracks.append(
            Track(np.array(own, np.int64), np.array(values), np.zeros(len(own), np.uint8))
        )
    found = one_track(tracks)
    assert dict(zip(found.at.tolist(), found.value.tolist(), strict=True)) == wanted
    assert found.at.tolist() == sorted(wanted)


@pytest.mark.parametrize(
    ("sizes", "cold", "first"),
    [
        pytest.param([], True, None, id="nothing"),
        pytest.param([5] * 7, False, None, id="a running day waits"),
        pytest.param([5] * 8, False, 0, id="then all become one"),
        pytest.param([100, 5, 5, 5, 5, 5, 5, 5], False, 1, id="a large one is left in peace"),
        pytest.param([100, 100], True, 0, id="a finished day becomes one"),
        pytest.param([1000, 1, 1], True, 1, id="late trickles join each other"),
        pytest.param([1000, 2], True, None, id="and rewrite no large day"),
        pytest.param([1000, 2, 70], True, 0, id="until they are worth it"),
    ],
)
def test_which_segments_are_merged(sizes: list[int], cold: bool, first: int | None) -> None:  # noqa: FBT001
    assert to_merge(sizes, cold=cold) == first


@given(st.lists(st.integers(1, 100), min_size=1, max_size=300))
def test_merging_leaves_few_segments_and_rewrites_little(seals: list[int]) -> None:
    sizes: list[int] = []
    rewritten = 0
    for seal in seals:
        sizes.append(seal)
        while (first := to_merge(sizes, cold=False)) is not None:
            rewritten += sum(sizes[first:])
            sizes = [*sizes[:first], sum(sizes[first:])]
    assert len(sizes) < 24
    assert rewritten <= 12 * sum(seals)
    while (first := to_merge(sizes, cold=True)) is not None:
        sizes = [*sizes[:first], sum(sizes[first:])]
    assert len(sizes) <= 3
