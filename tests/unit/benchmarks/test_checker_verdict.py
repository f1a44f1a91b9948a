"""The checker sees what it is there to see."""

import numpy as np
import pytest

from benchmarks.checker_edges import EDGES, MOST, OK, STEP_MS, STEPS, Load, Noted
from benchmarks.checker_poison import Kind
from benchmarks.checker_verdict import expected_aside, judged, wanted
from watchkeeper.history import Track

LOAD = Load("", 0, points=4, start=1_700_000_000_000)
EDGE, ALIAS = 3, 2


def track(steps: list[int]) -> Track:
    at = np.array([LOAD.at(EDGE, 0) + step * STEP_MS for step in steps], np.int64)
    value = np.array([step * LOAD.series + EDGE * LOAD.points + ALIAS for step in steps], float)
    return Track(at, value, np.zeros(len(steps), np.uint8))


def found(history: Track) -> tuple[list[int], list[int], list[int]]:
    wrong = judged(history, np.arange(5), LOAD, EDGE, ALIAS)
    return wrong.lost.tolist(), wrong.phantom.tolist(), wrong.twice.tolist()


def test_what_was_made_and_is_stored_is_right() -> None:
    assert found(track([0, 1, 2, 3, 4])) == ([], [], [])


def test_what_is_missing_is_lost() -> None:
    assert found(track([0, 1, 3, 4])) == ([2], [], [])


def test_what_was_never_made_is_a_phantom() -> None:
    assert found(track([0, 1, 2, 3, 4, 5])) == ([], [5], [])


def test_what_is_there_twice_is_doubled() -> None:
    assert found(track([0, 1, 2, 2, 3, 4])) == ([], [], [2])


@pytest.mark.parametrize("column", ["at", "value", "quality"])
def test_what_was_changed_is_lost_and_a_phantom(column: str) -> None:
    history = track([0, 1, 2, 3, 4])
    getattr(history, column)[2] += 1
    assert found(history) == ([2], [2], [])


def noted(kinds: list[Kind], said: list[int]) -> Noted:
    made = np.zeros(EDGES, np.int64)
    made[EDGE] = len(kinds)
    board = Noted(made, np.zeros((EDGES, MOST), np.uint8), np.zeros((EDGES, MOST), np.uint8))
    board.kinds[EDGE, : len(kinds)] = kinds
    board.said[EDGE, : len(said)] = said
    return board


def test_of_a_spoilt_batch_all_but_the_spoilt_reading_is_wanted() -> None:
    board = noted([Kind.GOOD, Kind.NAN, Kind.UNREADABLE, Kind.BIRTH], [])
    assert wanted(board, EDGE, 0).tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 17, 18, 19]
    assert wanted(board, EDGE, 1).tolist() == [*range(2 * STEPS), *range(3 * STEPS, 4 * STEPS)]
    assert expected_aside(board) == {"value": 1, "unreadable": 1}


def test_only_what_was_acknowledged_must_be_there_after_a_power_cut() -> None:
    board = noted([Kind.GOOD, Kind.GOOD, Kind.GOOD], [OK, 0, OK])
    assert wanted(board, EDGE, 1, acknowledged=True).tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
