"""The power fails under load: what the edge said is committed is on the disk, in a sound file."""

from pathlib import Path

import pytest

from benchmarks.edge_power import power_cuts

pytestmark = [
    pytest.mark.part("mosquitto"), pytest.mark.part("loop-mount"), pytest.mark.timeout(90),
]  # fmt: skip


@pytest.mark.serves("A6")
def test_a_power_cut_takes_no_row_that_was_committed(tmp_path: Path) -> None:
    cut = power_cuts(tmp_path, 2)

    assert (cut.lost, cut.damaged) == (0, 0)
    assert cut.reported > 20, "the edge was idle"


def test_a_journal_that_is_not_synced_would_lose_rows(tmp_path: Path) -> None:
    assert power_cuts(tmp_path, 2, synchronous="off").lost > 20
