"""Languages, figures, months and pages: the small decisions of the screens."""

from datetime import date

import pytest

from dashboard import language, pages
from dashboard.screens import Visit, energy, equipment, months
from dashboard.widgets import charts, figures
from watchkeeper.documents import Text
from watchkeeper.texts import Texts


@pytest.mark.parametrize(
    ("picked", "asked", "cookie", "spoken", "own", "chosen"),
    [
        pytest.param("en", "zh", "zh", "zh-CN", "zh", "en", id="picked here"),
        pytest.param(None, "en", "zh", "zh-CN", "zh", "en", id="asked by the address"),
        pytest.param(None, None, "zh", "en-GB", "zh", "zh", id="an earlier visit"),
        pytest.param(None, None, None, "zh-TW", "zh", "zh", id="the browser"),
        pytest.param(None, "xx", None, "fr-FR", "zh", "zh", id="another language: the account"),
        pytest.param(None, None, None, None, None, "zh", id="nobody says"),
    ],
)
def test_language(
    picked: str | None,
    asked: str | None,
    cookie: str | None,
    spoken: str | None,
    own: str | None,
    chosen: str,
) -> None:
    cookies = {language.COOKIE: cookie} if cookie else {}
    assert (
        language.chosen(picked=picked, asked=asked, cookies=cookies, spoken=spoken, own=own)
        == chosen
    )


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(1234.5, 1, "1,234.5"), (-3.14, 1, "\u22123.1"), (-0.04, 1, "0.0"), (None, 0, "?")],
)
def test_a_number_has_commas_a_true_minus_and_no_minus_zero(
    value: float | None, decimals: int, text: str
) -> None:
    assert figures.number(value, decimals) == text


def test_a_change_without_a_whole_month_before_is_not_made_up() -> None:
    assert figures.change(90, 100) == "\u221210.0%"
    assert figures.change(110, 100) == "+10.0%"
    assert figures.change(110, None) is None


def test_a_moment_is_by_the_clock_of_the_site() -> None:
    assert figures.moment(0, "Asia/Shanghai") == "08:00:00"
    assert figures.moment(None, "Asia/Shanghai") == "?"
    assert charts.shifted(0, "Asia/Shanghai") == 8 * 3_600_000


def test_months_go_back_over_the_turn_of_the_year() -> None:
    assert months.back(date(2026, 2, 3), 3) == ["2026-02", "2026-01", "2025-12"]


def test_a_day_is_read_from_a_date_or_a_number() -> None:
    assert energy.day_of("2026-10-14") == energy.day_of(14) == 14


def test_a_meter_stands_as_deep_as_the_meters_above_it() -> None:
    above = {"main-1": None, "hvac-1": "main-1", "chiller-1": "hvac-1"}
    assert [energy.depth(unit, above) for unit in above] == [0, 1, 2]


MINUTE = 60_000


@pytest.mark.parametrize(
    ("minutes", "drawn"),
    [
        pytest.param([0, 1, 2, 3], [0, 1, 2, 3], id="a steady value, once a minute"),
        pytest.param([0, 15, 30, 31], [0, 15, 30, 31], id="settled quarters, then the edge itself"),
        pytest.param([0, 1, 9, 10], [0, 1, None, 9, 10], id="eight minutes without data"),
    ],
)
def test_a_line_breaks_where_data_are_missing(
    minutes: list[int], drawn: list[float | None]
) -> None:
    means = [float(minute) for minute in minutes]
    rows = equipment.broken([minute * MINUTE for minute in minutes], list(means), width=15_000)
    assert [row["value"] for row in rows] == drawn


def test_a_screen_that_is_not_of_ones_role_is_ones_first() -> None:
    nav = pages.order(["technician"])
    assert [pages.screen(name, nav) for name in ("", "energy", "alarms")] == [
        "mine",
        "mine",
        "alarms",
    ]


def visit() -> Visit:
    texts = Texts({"screens.floor-of": Text("{floor} 层", "{floor}F")})
    return Visit(None, "", texts, "en")  # type: ignore[arg-type] # these ask no server


def test_a_value_is_its_word_or_a_number_with_its_unit_or_unknown() -> None:
    words = [{"value": 1, "name": {"zh": "火警", "en": "Fire"}}]
    point = {"words": words, "decimals": 1, "unit_symbol": "°C"}
    assert equipment.value_text(visit(), point, 1) == "Fire"
    assert equipment.value_text(visit(), {**point, "words": None}, 21.37) == "21.4 °C"
    assert equipment.value_text(visit(), point, None) == "?"
    power = {"words": None, "decimals": 0, "unit_symbol": "W"}
    assert equipment.value_text(visit(), power, 61_240) == "61.24 kW"


def test_a_place_is_named_with_its_floor() -> None:
    site = {"places": [{"id": "tower-a", "name": {"zh": "A 座", "en": "Tower A"}}]}
    assert equipment.place_name(visit(), site, "tower-a/B1") == "Tower A B1F"


@pytest.mark.parametrize(
    ("roles", "first"),
    [
        (["operator"], "overview"),
        (["technician"], "mine"),
        (["manager"], "energy"),
        (["technician", "admin"], "overview"),
    ],
)
def test_each_role_begins_where_its_work_is(roles: list[str], first: str) -> None:
    assert pages.order(roles)[0] == first
