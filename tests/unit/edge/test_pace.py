import pytest

from edge.pace import LEAST, Pace


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
    assert sum(fed(pace, 30.0, late=0)) == 0
    assert (pace.share, pace.is_behind) == (0.0, True), "not at once: it would flap"
    assert sum(fed(pace, 40.0, late=0)) == 0
    assert sum(fed(pace, 50.0, late=0)) == 1
    assert (pace.share, pace.is_behind) == (0.0, False)


def test_a_window_with_late_answers_begins_the_count_of_good_ones_anew() -> None:
    pace = Pace(0.0)
    fed(pace, 0.0, late=50)

    for n, late in enumerate((0, 0, 5, 0, 0), start=1):
        assert sum(fed(pace, 10.0 * n, late=late)) == 0
    assert sum(fed(pace, 60.0, late=0)) == 1


def test_a_few_answers_say_nothing_yet() -> None:
    pace = Pace(0.0)

    assert not any(pace.read(60.0 * n, 60.0 * n - 20, 15.0) for n in range(1, LEAST))
    assert pace.read(60.0 * LEAST, 60.0 * LEAST - 20, 15.0)


def test_without_a_period_nothing_is_late() -> None:
    pace = Pace(0.0)

    assert not any(pace.read(20.0, 0.0, 0.0) for _ in range(LEAST))
    assert pace.share == 0.0
