from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.history import Buckets
from watchkeeper.spans import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    QUARTER_MS,
    WIDTHS,
    gathered,
    local_days,
    width_for,
)

S = 1_000


@pytest.mark.parametrize(
    ("span_ms", "wanted", "step_ms", "width"),
    [
        pytest.param(HOUR_MS, 1_000, 10 * S, 0, id="an hour as it is"),
        pytest.param(HOUR_MS, 1_000, S, 10 * S, id="an hour every second"),
        pytest.param(DAY_MS, 1_000, 10 * S, 5 * MINUTE_MS, id="a day"),
        pytest.param(7 * DAY_MS, 1_000, 10 * S, QUARTER_MS, id="a week"),
        pytest.param(30 * DAY_MS, 1_000, 10 * S, HOUR_MS, id="a month"),
        pytest.param(365 * DAY_MS, 1_000, 10 * S, DAY_MS, id="a year"),
        pytest.param(3650 * DAY_MS, 1_000, 10 * S, 4 * DAY_MS, id="ten years"),
        pytest.param(DAY_MS, 24, HOUR_MS, 0, id="exactly as many"),
        pytest.param(DAY_MS, 23, HOUR_MS, DAY_MS, id="no width of one step"),
        pytest.param(0, 100, 10 * S, 0, id="nothing"),
    ],
)
def test_the_width_to_ask_for(span_ms: int, wanted: int, step_ms: int, width: int) -> None:
    assert width_for(span_ms, wanted, step_ms) == width


@given(st.integers(0, 10**12), st.integers(1, 5_000), st.integers(1, 10**7))
def test_it_never_gives_more_spans_than_wanted(span_ms: int, wanted: int, step_ms: int) -> None:
    width = width_for(span_ms, wanted, step_ms)
    assert -(-span_ms // (width or step_ms)) <= wanted
    assert width in {0, *WIDTHS} or width % DAY_MS == 0


def ms(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


def test_a_local_day_begins_at_local_midnight_and_may_have_23_or_25_hours() -> None:
    shanghai = local_days(date(2026, 6, 1), 2, ZoneInfo("Asia/Shanghai"))
    assert shanghai.tolist() == [ms(2026, 5, 31, 16), ms(2026, 6, 1, 16), ms(2026, 6, 2, 16)]
    spring = local_days(date(2026, 3, 28), 3, ZoneInfo("Europe/London"))
    assert (np.diff(spring) // HOUR_MS).tolist() == [24, 23, 24]
    autumn = local_days(date(2026, 10, 25), 1, ZoneInfo("Europe/London"))
    assert (np.diff(autumn) // HOUR_MS).tolist() == [25]


def quarters(*rows: tuple[int, int, float, float]) -> Buckets:
    """Return rows of (quarter hour, readings, mean, coverage); low and high 1 beside the mean."""
    table = np.array(rows, float).reshape(-1, 4)
    start, counts = (table[:, 0] * QUARTER_MS).astype(np.int64), table[:, 1].astype(np.int64)
    mean, cover = table[:, 2], table[:, 3]
    return Buckets(start, counts, mean, mean - 1, mean + 1, mean - 0.5, mean + 0.5, cover)


def test_quarter_hours_become_hours_and_days() -> None:
    found = quarters(
        (0, 10, 1.0, 1.0), (1, 30, 2.0, 0.5), (3, 0, np.nan, 0.25), (4, 5, 7.0, 1.0), (9, 1, 3.0, 1)
    )  # fmt: skip
    edges = np.array([0, 4, 8, 9]) * QUARTER_MS
    hours = gathered(found, QUARTER_MS, edges)
    assert hours.start.tolist() == [0, 4 * QUARTER_MS]
    assert hours.counts.tolist() == [40, 5]
    assert hours.mean.tolist() == [1.75, 7.0]
    assert (hours.low.tolist(), hours.high.tolist()) == ([0.0, 6.0], [3.0, 8.0])
    assert (hours.first.tolist(), hours.last.tolist()) == ([0.5, 6.5], [2.5, 7.5])
    assert hours.coverage.tolist() == [(1 + 0.5 + 0.25) / 4, 0.25]


@pytest.mark.parametrize("found", [Buckets.none(), quarters((50, 3, 1.0, 1.0))])
def test_nothing_between_the_edges_is_nothing(found: Buckets) -> None:
    assert len(gathered(found, QUARTER_MS, np.array([0, 4]) * QUARTER_MS).start) == 0
