"""The small decisions of the completeness table."""

from pathlib import Path
from typing import Any

import pytest

from dashboard.screens import Visit, completeness
from dashboard.widgets import charts
from server.completeness_api import CAUSES
from watchkeeper import texts

WORDS = texts.load(Path("catalog/i18n"))
INKS = completeness.INKS["light"]


def day(share: float | None, *holes: tuple[int, int, str]) -> dict[str, Any]:
    listed = [{"start": start, "end": end, "cause": cause} for start, end, cause in holes]
    return {"share": share, "holes": listed}


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (None, "?"), (day(None), "–"), (day(1.0), "100"), (day(0.9999), "99.9"),
        (day(0.9583), "95.8"), (day(0.958), "95.8"), (day(0.0), "0.0"),
    ],
)  # fmt: skip
def test_a_cell_is_rounded_down_and_says_what_nobody_knows(
    shown: dict[str, Any] | None, text: str
) -> None:
    assert completeness.text_of(shown) == text


def test_a_whole_day_has_no_colour_and_a_worse_one_a_stronger_one() -> None:
    looks = [
        completeness.style_of(day(share), charts.LIGHT, INKS)
        for share in (None, 1.0, 0.999, 0.99, 0.95, 0.8, 0.1)
    ]
    assert looks[:3] == ["", "", ""]
    assert [look.partition(";")[0][-7:] for look in looks[3:]] == list(charts.LIGHT[::-1])


def test_units_with_the_least_complete_day_stand_first() -> None:
    units = [
        {"unit": "whole", "days": [day(1.0), None]},
        {"unit": "new", "days": [day(None), day(None)]},
        {"unit": "bad", "days": [day(1.0), day(0.2)]},
        {"unit": "fair", "days": [day(0.9), day(1.0)]},
    ]
    names = [unit["unit"] for unit in completeness.rows_of(units, only=False)]
    assert names == ["bad", "fair", "whole", "new"]
    assert [u["unit"] for u in completeness.rows_of(units, only=True)] == ["bad", "fair"]


def test_points_that_share_a_hole_are_told_together_the_longest_first() -> None:
    points = [
        {"point": "a/p", "days": [day(0.5, (0, 60_000, "never"), (100_000, 900_000, "edge-lost"))]},
        {"point": "a/q", "days": [day(0.5, (100_900, 900_500, "edge-lost"))]},
    ]
    assert completeness.gathered(points) == {
        (100_000, 900_000, "edge-lost"): ["a/p", "a/q"],
        (0, 60_000, "never"): ["a/p"],
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_cause_has_a_word(language: str) -> None:
    for cause in CAUSES.values():
        assert WORDS(f"completeness.cause-{cause}", language)


def test_a_length_is_in_words() -> None:
    visit = Visit(None, "", WORDS, "en")  # type: ignore[arg-type] # asks no server
    assert completeness.long_of(visit, 2 * 3_600_000 + 15 * 60_000) == "2 h 15 min"
    assert completeness.long_of(visit, 40_000) == "40 s"
    assert completeness.long_of(visit, 3_600_000) == "1 h"
