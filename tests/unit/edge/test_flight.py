import pytest

from edge.flight import LARGEST_WINDOW, SMALLEST_WINDOW, Flight, within


def test_what_is_acknowledged_makes_room() -> None:
    flight = Flight(30, 300)
    for q in range(1, 6):
        flight.add(q, SMALLEST_WINDOW // 4, 0.0)
    before = flight.has_room

    assert flight.acked([(1, 2), (9, 12)], 10.0) == [1, 2]

    assert (before, flight.has_room) == (False, True)
    assert 3 in flight
    assert 1 not in flight


def test_resends_after_two_four_eight_seconds_up_to_a_minute() -> None:
    flight, sent, tick = Flight(2, 60), [], 0.0
    flight.add(1, 100, tick)
    while tick < 200:
        tick += 1
        if flight.due(tick):
            flight.again(1, tick)
            sent.append(tick)

    assert sent == [2, 6, 14, 30, 62, 122, 182]


def test_the_window_grows_on_a_quick_line_and_shrinks_on_a_slow_one() -> None:
    flight = Flight(30, 300)
    for q in range(100):
        flight.add(q, 10, 0.0)
        flight.acked([(q, q)], 0.1)
    assert flight.window == LARGEST_WINDOW

    for q in range(100, 110):
        flight.add(q, 10, 0.0)
        flight.acked([(q, q)], 6.0)
    assert flight.window == SMALLEST_WINDOW


def test_what_was_sent_twice_says_nothing_about_the_line() -> None:
    flight = Flight(2, 60)
    flight.add(1, 10, 0.0)
    flight.again(1, 2.0)

    flight.acked([(1, 1)], 2.1)

    assert flight.window == SMALLEST_WINDOW


@pytest.mark.parametrize("ranges", [[(1, 3)], [(-(10**12), 3)], [(1, 2), (2, 3)]])
def test_within_finds_the_known_ones_of_wide_and_narrow_ranges(
    ranges: list[tuple[int, int]],
) -> None:
    assert sorted(within({1, 3, 5}, ranges)) == [1, 3]
