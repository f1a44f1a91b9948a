"""The story's checker sees what is lost and what is invented."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from ops.story.checker import compare
from ops.story.steps import Stage

HELD = [(0, 0.0), (10_000, 1.0), (11_000, 2.0), (20_000, 3.0)]  # since when, Unix ms, and what
TRUE = [(100, 0.0), (10_400, 1.0), (11_300, 2.0), (20_700, 3.0)]


@dataclass
class World:
    """Registers, and a history that holds `readings` of them."""

    readings: list[tuple[int, float | None]]

    @property
    def building(self) -> "World":
        return self

    @property
    def api(self) -> "World":
        return self

    def log(self, since: int) -> list[dict[str, Any]]:
        return [{"point": "p", "at": at, "value": v} for at, v in HELD if at >= since]

    def get(self, _: str, *, start: int, end: int, **__: object) -> dict[str, Any]:
        found = [(at, v) for at, v in self.readings if start <= at < end]
        return {"at": [at for at, _ in found], "value": [v for _, v in found]}


def compared(*readings: tuple[int, float | None]) -> str | None:
    return compare(cast("Stage", World(list(readings))), 1_000, 30_000)


def test_a_true_history_passes_with_only_changes_in_it() -> None:
    assert compared(*TRUE) == "4 readings of 1 points, none lost and none invented"


def test_what_was_held_for_less_than_two_polls_may_be_missing() -> None:
    assert compared(TRUE[0], *TRUE[2:])


def test_a_time_without_an_answer_is_no_loss() -> None:
    assert compared(*TRUE[:2], (10_900, None), *TRUE[2:])


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_a_value_that_was_held_and_is_not_there_is_lost(missing: int) -> None:
    assert compared(*TRUE[:missing], *TRUE[missing + 1 :]) is None


@pytest.mark.parametrize("reading", [(15_000, 7.0), (15_000, 3.0), (25_000, 0.0)])
def test_a_value_that_the_register_did_not_hold_then_is_invented(
    reading: tuple[int, float],
) -> None:
    assert compared(*sorted([*TRUE, reading])) is None


def test_nothing_at_all_is_no_agreement() -> None:
    assert compared() is None
