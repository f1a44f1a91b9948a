import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import rows
from watchkeeper import wire
from watchkeeper.batch import Batch

EVENT = wire.Event("", 0, "", "id", "fault", 5, 1, 3, 0.0, None, 129)


def batch(at: list[int]) -> Batch:
    count = len(at)
    return Batch(
        np.arange(count, dtype=np.uint32), np.array(at, np.int64), np.arange(count) / 2,
        np.zeros(count, np.uint8),
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["live", "back"])
def test_a_data_row_becomes_the_message_that_would_have_been_written_at_once(
    mode: wire.Mode,
) -> None:
    readings = batch([10, 10, 12])
    (row,) = rows.data_rows(readings, "b" * 16, mode="live", synchronised=True)
    kept = rows.Row(7, row.birth, row.mode, row.at, row.tail)

    message = wire.decode_data(rows.data_message("j1", kept, mode))

    expected = wire.data(
        readings,
        journal="j1",
        sequence=7,
        birth="b" * 16,
        mode=mode,
        synchronised=True,
    )
    assert message == expected
    assert row.at == 12


def test_an_event_row_becomes_its_message() -> None:
    row = rows.event_row(EVENT, "h1", synchronised=False)
    kept = rows.Row(9, row.birth, row.mode, row.at, row.tail)

    message = wire.decode_event(rows.event_message("j2", kept))

    assert isinstance(message, wire.Event)
    assert (message.journal, message.sequence, message.birth) == ("j2", 9, "h1")
    assert (message.id, message.after, message.synchronised) == ("id", None, 0)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=1200))
def test_rows_hold_at_most_500_readings_ascending_in_time(at: list[int]) -> None:
    made = list(rows.data_rows(batch(at), "h", mode="live", synchronised=True))

    times: list[int] = []
    for row in made:
        part = wire.columns(
            wire.decode_data(rows.data_message("j", rows.Row(1, "h", "live", 0, row.tail), "live"))
        )
        assert 0 < len(part) <= 500
        times += part.at.tolist()
    assert times == sorted(at)


@pytest.mark.parametrize(
    ("value", "decimals", "sent"),
    [
        (float(np.float32(23.7)), 1, 23.7),
        (237 * 0.1, 1, 23.7),
        (1e18 + 1, 2, 1e18 + 1),
        (float("nan"), 1, float("nan")),
    ],
)
def test_values_leave_as_people_would_write_them(value: float, decimals: int, sent: float) -> None:
    found = rows.rounded(np.array([value]), np.array([10.0 ** (decimals + 3)]))

    assert found == pytest.approx([sent], abs=0, rel=0, nan_ok=True)
