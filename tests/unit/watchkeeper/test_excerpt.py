import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.fakes_history import MemoryHistory
from watchkeeper import excerpt
from watchkeeper.batch import Batch
from watchkeeper.excerpt import DAY_MS, Span, pieces, rows_of, straight, whole
from watchkeeper.history import Track
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

POINT = PointId("main-1/active_power")
HOUR = 3_600_000
START = 20_000 * DAY_MS


class Asked(MemoryHistory):
    """Remembers what it was asked for."""

    def __init__(self, every_ms: int = HOUR, days: int = 40) -> None:
        super().__init__()
        self.spans: list[tuple[int, int]] = []
        at = np.arange(START, START + days * DAY_MS, every_ms, dtype=np.int64)
        self.series([POINT])
        self.write(
            Batch(
                np.zeros(len(at), np.uint32),
                at,
                np.arange(len(at), dtype=np.float64),
                np.full(len(at), Quality.GOOD, np.uint8),
            )
        )

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        self.spans.append((start, end))
        return super().raw(point, start, end)


@pytest.fixture(scope="module")
def month() -> Asked:
    return Asked()


@given(
    start=st.integers(START - 3 * DAY_MS, START + 30 * DAY_MS),
    length=st.integers(0, 20 * DAY_MS),
    width=st.sampled_from([0, 600_000, HOUR, 7 * HOUR, DAY_MS, 3 * DAY_MS]),
)
def test_the_pieces_together_are_what_one_question_gives(
    month: Asked, start: int, length: int, width: int
) -> None:
    span = Span(start, start + length, width)
    found = whole(straight(month), POINT, span, 10**9)
    assert not isinstance(found, int)
    at_once = straight(month)(POINT, start, start + length, width)
    assert list(found) == list(at_once)
    for name, column in at_once.items():
        np.testing.assert_allclose(found[name], column)


def test_pieces_end_at_days_and_grow_where_there_is_little(month: Asked) -> None:
    month.spans.clear()
    list(pieces(straight(month), POINT, Span(START + 5, START + 40 * DAY_MS)))
    ends = [(end - START) // DAY_MS for _, end in month.spans]
    assert ends == [1, 3, 7, 15, 31, 40]
    assert all(end % DAY_MS == 0 for _, end in month.spans)


def test_pieces_shrink_where_there_is_much(monkeypatch: pytest.MonkeyPatch, month: Asked) -> None:
    monkeypatch.setattr(excerpt, "PIECE_READINGS", 30)
    month.spans.clear()
    list(pieces(straight(month), POINT, Span(START, START + 6 * DAY_MS)))
    assert [(end - start) // DAY_MS for start, end in month.spans] == [1] * 6


def test_a_span_without_time_has_one_empty_piece(month: Asked) -> None:
    (piece,) = pieces(straight(month), POINT, Span(START, START, HOUR, ("mean", "coverage")))
    assert (list(piece), rows_of(piece)) == (["start", "mean", "coverage"], 0)


def test_it_ends_early_when_there_is_too_much(month: Asked) -> None:
    month.spans.clear()
    assert whole(straight(month), POINT, Span(START, START + 40 * DAY_MS), 30) == 72
    assert len(month.spans) == 2


def test_columns_have_the_names_a_person_gives_them(month: Asked) -> None:
    span = Span(START, START + DAY_MS, DAY_MS, ("max", "count", "min"))
    found = whole(straight(month), POINT, span, 10)
    assert not isinstance(found, int)
    assert {name: column.tolist() for name, column in found.items()} == {
        "start": [START], "max": [23.0], "count": [24], "min": [0.0],
    }  # fmt: skip


def test_names_stand_once_and_in_their_order() -> None:
    assert excerpt.names(" b,a,,b , c") == ["b", "a", "c"]
    assert excerpt.unknown(["mean", "median"]) == ["median"]
