from collections.abc import Callable

import pytest

from simulators.devices.lift import LEVEL_M, PITCH_M, Lift, Mode
from simulators.devices.lift_board import LiftBoard

FLOORS = [-2, -1, 1, 2, 3, 4, 5, 6]


def pass_(seconds: float, lift: Lift, board: LiftBoard | None = None) -> None:
    for _ in range(round(seconds * 10)):
        lift.step(0.1)
        if board is not None:
            board.step(0.1)


def until(condition: Callable[[], bool], lift: Lift, board: LiftBoard | None = None) -> float:
    """Let time pass until something is so; return the seconds it took."""
    for tenth in range(3000):
        if condition():
            return tenth / 10
        pass_(0.1, lift, board)
    raise AssertionError("did not happen within 300 s")


def quiet() -> tuple[Lift, LiftBoard]:
    """Return a lift nobody calls, and its board."""
    lift = Lift(FLOORS, seed="x")
    lift.calls_per_min = 0.0
    return lift, LiftBoard(lift, trap_s=5)


def test_a_call_is_answered_within_speed_and_acceleration() -> None:
    lift, _ = quiet()
    lift.height = 0.0
    lift.call(0, 7, 3)
    fastest, before = 0.0, 0.0
    until(lambda: lift.persons == 3, lift)
    while lift.floor != 6 or lift.speed != 0:
        pass_(0.1, lift)
        assert abs(lift.speed) - before <= 0.11
        before, fastest = abs(lift.speed), max(fastest, abs(lift.speed))
    assert lift.height == 7 * PITCH_M
    assert fastest == lift.rated_speed
    until(lambda: lift.persons == 0, lift)


def test_it_never_moves_with_an_open_door_nor_leaves_the_shaft() -> None:
    lift = Lift(FLOORS, seed="busy")
    lift.calls_per_min = 30.0
    for _ in range(20_000):
        lift.step(0.1)
        assert lift.speed == 0 or not lift.door_open
        assert -LEVEL_M <= lift.height <= (len(FLOORS) - 1) * PITCH_M + LEVEL_M


@pytest.mark.serves("A10")
def test_an_entrapment_between_floors_is_seen_by_the_board_and_ends_with_the_rescue() -> None:
    lift, board = quiet()
    lift.trap()
    until(lambda: lift.mode == Mode.FAULT, lift, board)
    assert lift.speed == 0
    assert not lift.level
    waited = until(lambda: board.faults["trapped_between_floors"], lift, board)
    assert 5 <= waited <= 7
    until(lambda: board.alarm_key, lift, board)
    assert not board.faults["trapped_at_floor"]
    lift.free()
    until(lambda: not board.faults["trapped_between_floors"], lift, board)
    assert board.level
    assert board.door_open
    assert lift.mode == Mode.AUTOMATIC


def test_an_entrapment_at_a_floor_needs_repeated_movement_of_the_person() -> None:
    lift, board = quiet()
    lift.trap_at_floor()
    until(lambda: board.faults["trapped_at_floor"], lift, board)
    assert not board.faults["trapped_between_floors"]


def test_an_empty_lift_that_trips_traps_nobody() -> None:
    lift, board = quiet()
    lift.stop_empty()
    pass_(60, lift, board)
    assert lift.fault == 49
    assert not board.faults["trapped_at_floor"]
    assert not board.alarm_key


def test_ordinary_traffic_never_looks_like_an_entrapment() -> None:
    lift = Lift(FLOORS, seed="day")
    board = LiftBoard(lift, trap_s=5)
    lift.calls_per_min = 6.0
    for _ in range(30_000):
        pass_(0.1, lift, board)
        assert not any(board.faults.values()), board.faults
