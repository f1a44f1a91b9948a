"""A slow line that breaks all the time, between a real edge and a real mosquitto."""

import pytest

from benchmarks.brokers import bad_line, busiest, come_back

pytestmark = [pytest.mark.part("mosquitto"), pytest.mark.timeout(90)]


@pytest.mark.serves("A6")
def test_a_bad_line_loses_nothing() -> None:
    lost, took = bad_line(3, 6.0)
    assert lost.value == 0, lost.load
    assert took.value < 60


@pytest.mark.serves("B1")
def test_clients_come_back_after_a_restart_without_a_storm() -> None:
    back, attempts = come_back(20, 2.0)
    assert back.ok, back
    assert attempts.ok, attempts


@pytest.mark.parametrize(
    ("ticks", "most"), [([], 0), ([0.0, 0.4, 1.0, 1.3, 1.9], 3), ([0.0, 1.0, 2.0], 1)]
)
def test_the_busiest_second(ticks: list[float], most: int) -> None:
    assert busiest(ticks) == most
