import numpy as np

from server.coverage import ALONE_S, HOLE_MS, KEPT, QUIET_S, Coverage
from server.watermarks import Gap

SECOND = 1_000


def back(cover: Coverage, *at: int, tick: float = 0.0) -> None:
    cover.back(np.array(at, np.int64), tick)


def test_a_stream_without_a_pause_leaves_no_hole() -> None:
    cover = Coverage("e")
    for at in range(1, 60):
        cover.live(at * SECOND, at * SECOND + HOLE_MS)
    assert cover.holes == []


def test_before_the_first_live_reading_there_is_no_hole() -> None:
    cover = Coverage("e")
    cover.live(900 * SECOND, 901 * SECOND)
    assert cover.holes == []


def test_a_hole_is_ripe_when_its_backlog_is_over_and_the_edge_says_so() -> None:
    cover = Coverage("e", newest=10 * SECOND)
    cover.live(600 * SECOND, 601 * SECOND)
    gap = Gap("e", 10 * SECOND, 600 * SECOND)
    back(cover, 300 * SECOND, tick=100.0)
    cover.emptied = 99.0
    assert cover.ripe(100.0 + QUIET_S) == []  # said before the backlog came
    cover.emptied = 101.0
    assert cover.ripe(100.0 + QUIET_S - 0.1) == []
    assert cover.ripe(100.0 + QUIET_S) == [gap]
    cover.done(gap)
    assert cover.holes == []


def test_an_edge_that_never_says_that_it_is_done_is_not_waited_for_for_ever() -> None:
    cover = Coverage("e", newest=10 * SECOND)
    cover.live(600 * SECOND, 601 * SECOND)
    back(cover, 300 * SECOND, tick=0.0)
    assert cover.ripe(ALONE_S - 0.1) == []
    assert len(cover.ripe(ALONE_S)) == 1


def test_backlog_of_a_time_that_was_evaluated_or_is_none_of_ours_fills_no_hole() -> None:
    cover = Coverage("e", newest=10 * SECOND)
    cover.live(600 * SECOND, 700 * SECOND)
    back(cover, 5 * SECOND, 10 * SECOND, 600 * SECOND, 650 * SECOND)
    cover.emptied = 1_000.0
    assert cover.ripe(1_000.0) == []


def test_of_too_many_holes_the_longest_are_kept() -> None:
    cover, gone = Coverage("e", newest=SECOND), list[Gap]()
    at = SECOND
    for length in range(10, 10 + KEPT + 3):
        gone += cover.live(at + length * SECOND, at + length * SECOND)
        at = cover.newest
    assert len(cover.holes) == KEPT
    assert [each.end - each.start for each in gone] == [10_000, 11_000, 12_000]
