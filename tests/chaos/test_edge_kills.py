"""kill -9 of the edge and of the broker under load: what is journalled arrives, once each."""

import pytest

from benchmarks.edge_kill_rig import Verdict
from benchmarks.edge_kills import broker_kills, edge_kills

pytestmark = [pytest.mark.part("mosquitto"), pytest.mark.timeout(120)]


@pytest.mark.serves("A6")
def test_what_the_edge_has_journalled_arrives_however_often_it_is_killed() -> None:
    all_came(edge_kills(3))


@pytest.mark.serves("A6")
def test_what_the_edge_has_journalled_arrives_when_the_broker_is_killed() -> None:
    all_came(broker_kills(1))


def all_came(found: Verdict) -> None:
    assert (found.lost, found.phantom) == (0, 0)
    assert found.journalled > 200, "the edge was idle"
    assert found.back_s < 10
