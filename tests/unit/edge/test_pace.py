import pytest

from edge.pace import Pace


def fed(pace: Pace, begin: float, late: int, count: int = 100) -> list[bool]:
    """Feed one window of answers, so many of them late; return the changes told."""
    return [
        pace.read(begin + 10.0 * (n + 1) / count, begin + 10.0 * (n + 1) / count - due, 1.0)
        for n, due in enumerate([1.5] * late + [0.5] * (count - late))
    ]


@pytest.mark.serves("A3")
def test_a_bus_that_falls_behind_is_told_once_and_again_when_it_keeps_up() -> None:
    pace = Pace(0.0)

    assert sum(fed(pace, 0.0, late=5)) == 0
    assert (pace.share, pace.is_behind) == (0.05, False)
    assert sum(fed(pace, 10.0, late=50)) == 1
    assert (pace.share, pace.is_behind) == (0.5, True)
    assert sum(fed(pace, 20.0, late=50)) == 0
    assert sum(fed(pace, 30.0, late=0)) == 1
    assert (pace.share, pace.is_behind) == (0.0, False)


def test_without_a_period_nothing_is_late() -> None:
    pace = Pace(0.0)

    assert not pace.read(20.0, 0.0, 0.0)
    assert pace.share == 0.0
