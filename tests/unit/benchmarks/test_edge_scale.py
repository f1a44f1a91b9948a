import argparse

import pytest

from benchmarks import edge_neighbours, edge_scale
from benchmarks.edge_neighbours import late
from watchkeeper.settings import Settings


@pytest.mark.parametrize(
    ("ticks", "lost"),
    [
        pytest.param([0.0, 1.0, 2.0, 3.0, 4.0], 0, id="each in time"),
        pytest.param([0.4, 1.4, 2.8, 3.4], 0, id="a little late"),
        pytest.param([0.0, 1.0, 2.6, 3.0, 4.0], 2, id="once much too late"),
        pytest.param([0.0, 1.0, 4.0], 3, id="not for three"),
        pytest.param([0.0, 1.0], 3, id="no more"),
        pytest.param([], 4, id="never"),
        pytest.param([-20.0, -9.0, 0.0, 1.0, 2.0, 3.0, 4.0, 90.0], 0, id="others do not count"),
    ],
)
def test_a_cycle_is_late_after_one_and_a_half_periods(ticks: list[float], lost: int) -> None:
    assert late(ticks, 0.0, 4.0, 1.0) == lost


def test_ten_of_two_hundred_are_dead() -> None:
    assert len(set(edge_neighbours.living())) == 190


@pytest.mark.part("mosquitto")
@pytest.mark.timeout(60)
def test_it_runs_and_loses_nothing() -> None:
    options = argparse.Namespace(smoke=True, short=False)
    figures = {each.name: each.value for each in edge_scale.measure(Settings(), options)}
    assert figures["edge.cost_flat_ratio_lost"] == 0
    assert 0 <= figures["edge.dead_neighbours_late"] <= 1
