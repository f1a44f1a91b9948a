"""The checker of the transport, small: a dead gateway, everything three times, spoilt batches."""

import pytest

from benchmarks.checker import GATEWAY, SMOKE, run
from benchmarks.checker_rig import Setting

pytestmark = [pytest.mark.part("mosquitto"), pytest.mark.timeout(120)]


@pytest.mark.serves("B4")
def test_every_reading_of_50_edges_is_stored_once_whatever_comes() -> None:
    found = run(Setting("default", "embedded", 4), GATEWAY, SMOKE)

    for part in found.parts:
        assert (part.lost, part.phantom, part.twice) == (0, 0, 0), part
        assert all(seconds < 10 for seconds in part.back_s), part
    assert sum(part.readings for part in found.parts) > 5_000, "the edges were idle"
    assert (found.unacknowledged, found.doubled) == (0, 0)
    assert found.aside == found.wanted_aside
    assert set(found.aside) == {"alias", "time", "type", "unreadable", "value"}
