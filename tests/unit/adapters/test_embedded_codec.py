import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.history import embedded_codec, embedded_journal
from adapters.history.embedded_codec import FRAME_READINGS, SPAN_MS, decode, decode_one, encode
from adapters.history.embedded_journal import Tail
from watchkeeper.batch import Batch

ORIGIN = 20_000 * SPAN_MS
any_float = st.floats(width=64) | st.sampled_from(
    [0.0, -0.0, 5e-324, 1.7e308, 0.1 + 0.2, 2301 * 0.1]
)
row = st.tuples(
    st.sampled_from([0, 1, 2, 70_000, 2**32 - 1]),
    st.integers(0, SPAN_MS - 1),
    any_float | st.integers(-10_000, 10_000).map(lambda whole: whole / 100) | st.floats(width=32),
    st.sampled_from([0, 0, 0, 63, 64, 127, 128, 255]),
)


def batch_of(rows: list[tuple[int, int, float, int]]) -> Batch:
    """Return rows as the codec wants them: ascending, each once, NaN where bad."""
    single = sorted({(series, at): (value, quality) for series, at, value, quality in rows}.items())
    quality = np.array([each[1] for _, each in single], np.uint8)
    value = np.array([each[0] for _, each in single], np.float64)
    value[quality >= 128] = np.nan
    return Batch(
        np.array([key[0] for key, _ in single], np.uint32),
        np.array([key[1] for key, _ in single], np.int64) + ORIGIN,
        value,
        quality,
    )


def assert_same(one: Batch, other: Batch) -> None:
    assert one.series.tolist() == other.series.tolist()
    assert one.at.tolist() == other.at.tolist()
    assert one.quality.tolist() == other.quality.tolist()
    good = one.quality < 128
    # Bit for bit: -0.0 is not 0.0, and a NaN keeps its payload.
    assert one.value[good].view(np.int64).tolist() == other.value[good].view(np.int64).tolist()
    assert np.isnan(other.value[~good]).all()


@given(st.lists(row, min_size=1, max_size=60))
@settings(deadline=None)
def test_frames_keep_every_reading_bit_for_bit(rows: list[tuple[int, int, float, int]]) -> None:
    batch = batch_of(rows)
    frames = list(encode(batch, ORIGIN))
    assert_same(batch, Batch.joined([decode(frame.blob) for frame in frames]))
    for series in np.unique(batch.series).tolist():
        own = batch.take(batch.series == series)
        (frame,) = (frame for frame in frames if frame.first <= series <= frame.last)
        track = decode_one(frame.blob, series)
        assert track is not None
        assert_same(own, Batch(own.series, *track))


@given(st.lists(row, max_size=30))
@settings(deadline=None)
def test_journal_rows_keep_every_reading_in_order(rows: list[tuple[int, int, float, int]]) -> None:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    batch = Batch(
        np.array(columns[0], np.uint32),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.float64),
        np.array(columns[3], np.uint8),
    )
    found = embedded_journal.decode(embedded_journal.encode(batch))
    assert found.series.tolist() == batch.series.tolist()
    assert found.at.tolist() == batch.at.tolist()
    assert found.value.view(np.int64).tolist() == batch.value.view(np.int64).tolist()
    assert found.quality.tolist() == batch.quality.tolist()


def regular(series: int, each: int, value: float = 20.0) -> Batch:
    count = series * each
    walk = value + np.cumsum(np.random.default_rng(1).normal(0, 0.05, count))
    return Batch(
        np.repeat(np.arange(series, dtype=np.uint32), each),
        ORIGIN + np.tile(np.arange(each, dtype=np.int64) * (SPAN_MS // each), series),
        np.round(walk, 2),
        np.zeros(count, np.uint8),
    )


def test_a_frame_is_cut_between_series() -> None:
    frames = list(encode(regular(100, 360), ORIGIN))
    assert [frame.first for frame in frames] == [0, *(frame.last + 1 for frame in frames[:-1])]
    assert all(len(decode(frame.blob)) <= FRAME_READINGS for frame in frames)


def test_a_day_of_one_series_is_one_frame_however_long() -> None:
    batch = regular(1, 172_800)
    (frame,) = encode(batch, ORIGIN)
    assert_same(batch, decode(frame.blob))


@pytest.mark.parametrize(
    ("series", "each", "limit"), [(1, 8640, 1.0), (50, 360, 1.0), (3000, 7, 1.5)]
)
def test_two_decimals_are_small(series: int, each: int, limit: float) -> None:
    frames = list(encode(regular(series, each), ORIGIN))
    assert sum(len(frame.blob) for frame in frames) / (series * each) < limit


def test_a_bad_reading_does_not_spoil_its_series() -> None:
    batch = regular(1, 8640)
    quality = batch.quality.copy()
    quality[::50] = 130
    batch = Batch(batch.series, batch.at, np.where(quality, np.nan, batch.value), quality)
    (frame,) = encode(batch, ORIGIN)
    assert len(frame.blob) / 8640 < 1.0


def test_a_series_that_is_not_there_is_none() -> None:
    batch = regular(10, 5)
    (frame,) = encode(batch.take(batch.series != 4), ORIGIN)
    assert decode_one(frame.blob, 4) is None
    assert decode_one(frame.blob, 10) is None


def test_a_later_version_is_refused() -> None:
    (frame,) = encode(regular(1, 5), ORIGIN)
    with pytest.raises(ValueError, match="version 2"):
        decode(bytes([embedded_codec.VERSION + 1]) + frame.blob[1:])
    with pytest.raises(ValueError, match="version 9"):
        embedded_journal.decode(b"\x09")


def test_a_tail_grows_at_the_end_and_loses_rows_at_the_front() -> None:
    tail, rows = Tail(), [regular(1, 3000, float(n)) for n in range(5)]
    for number, batch in enumerate(rows, 1):
        tail.add(number, batch)
    before = tail.batch()
    tail.drop(2)
    assert (len(tail), tail.rows, tail.oldest, tail.newest) == (9000, 3, 3, 5)
    assert_same(tail.batch(), Batch.joined(rows[2:]))
    tail.add(6, rows[0])
    assert_same(tail.batch(9000), rows[0])
    assert_same(before, Batch.joined(rows))
    tail.drop(6)
    assert (len(tail), tail.oldest, tail.newest) == (0, 0, 0)
