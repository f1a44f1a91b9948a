"""The store's disk loses its power, or is full: what was acknowledged is there."""

from pathlib import Path

import pytest

from benchmarks.checker_power import disk_full, power_cuts

pytestmark = [
    pytest.mark.part("mosquitto"), pytest.mark.part("loop-mount"), pytest.mark.timeout(90),
]  # fmt: skip


@pytest.mark.serves("B4")
def test_a_power_cut_takes_no_reading_that_was_acknowledged(tmp_path: Path) -> None:
    cut = power_cuts(tmp_path, 2, points=4)

    assert (cut.lost, cut.damaged) == (0, 0)
    assert cut.acknowledged > 1_000, "nothing was acknowledged"


def test_a_store_that_is_not_synced_would_lose_readings(tmp_path: Path) -> None:
    assert power_cuts(tmp_path, 1, points=4, synchronous=False).lost > 100


@pytest.mark.serves("B4")
def test_without_room_nothing_is_acknowledged_in_vain(tmp_path: Path) -> None:
    full = disk_full(tmp_path, full_s=1.0)

    assert (full.unstored, full.lost, full.phantom) == (0, 0, 0)
    assert full.back_s < 10
