import re
from pathlib import Path

import pytest

from server import rules
from server.alarms.model import Bounds
from server.rules import Rulebook
from watchkeeper import site
from watchkeeper.errors import ConfigError
from watchkeeper.site import Plant

CATALOG = Path(__file__).parents[3] / "catalog"
HEAD = "schema: wk.rules/1\nrules:\n  - key: hot\n    revision: 1\n    priority: 3\n"
TEXTS = "    title: {zh: 热, en: Hot}\n    guidance: {zh: 看, en: Look}\n"
LIMIT = "    point: temperature\n    limit: {high: 40}\n"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")


@pytest.fixture(scope="module")
def book(plant: Plant) -> Rulebook:
    return rules.load(CATALOG / "rules", plant)


def test_every_rule_of_the_catalog_finds_points_on_the_demo_sites(book: Rulebook) -> None:
    school = site.load(CATALOG / "sites/lakeside-school.yaml", CATALOG / "profiles")
    books = (book, rules.load(CATALOG / "rules", school))
    watches = [watch for b in books for watch in [*b.watches.values(), *b.stale.values()]]
    bound = {watch.rule.key for watch in watches}
    assert {key for key, rule in book.rules.items() if not rule.signal} == bound


def test_a_rated_power_becomes_a_limit_in_the_point_s_unit(book: Rulebook) -> None:
    watch = book.watches["feeder-overload|hvac-1/active_power"]
    assert watch.condition == Bounds(high=200_000, inner_high=190_000)
    assert "feeder-overload|chiller-1/active_power" not in book.watches  # not rated


def test_a_board_speaks_for_its_lift_and_a_detector_for_its_zone(book: Rulebook) -> None:
    trapped = book.watches["lift-entrapment|lift-1-board/trapped_between_floors"]
    assert (trapped.unit, trapped.names["equipment"].en) == ("lift-1", "Tower A lift 1")
    assert book.watches["detector-fire|fire-panel/detector-25"].zone == "zone-2"


def test_signals_are_watches_of_what_the_server_sees(book: Rulebook) -> None:
    lost = book.get("edge-lost|plant-b1/state")
    assert lost is not None
    assert lost.unit == "plant-b1"
    assert book.get("gone-from-the-catalog|plant-b1/state") is None


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        pytest.param(LIMIT + "    spede: 3\n" + TEXTS, 8, "spede", id="unknown field"),
        pytest.param(TEXTS + "    point: temperature\n", 3, "exactly one", id="no condition"),
        pytest.param(
            LIMIT + "    stale: {}\n" + TEXTS, 3, "exactly one of", id="two conditions"
        ),
        pytest.param(TEXTS + "    limit: {high: 40}\n", 3, "names no point", id="no point"),
        pytest.param(
            TEXTS + "    point: temperature\n    limit: {deadband: 1}\n", 9, "bound", id="no bound"
        ),
        pytest.param(
            TEXTS + "    point: temperature\n    state: {}\n", 9, "any_of", id="empty state"
        ),
        pytest.param(
            LIMIT + "    title: {zh: 热, en: 'Hot {valve}'}\n    guidance: {zh: 看, en: Look}\n",
            8, "{valve}", id="unknown placeholder",
        ),
        pytest.param(
            LIMIT + TEXTS + "    echo_of: hotter\n", 10, "no rule `hotter`", id="echo of nothing"
        ),
        pytest.param(
            LIMIT + "    title: {zh: 热, en: 'Hot {'}\n    guidance: {zh: 看, en: Look}\n",
            8, "title.en", id="half a placeholder",
        ),
        pytest.param(
            TEXTS + "    point: panel_state\n    state: {any_of: [9]}\n", 9, "no word", id="code"
        ),
        pytest.param(
            TEXTS + "    point: temperature\n    limit: {high: {of: rated_kw}}\n", 9, "power",
            id="rated by kW, measured in degrees",
        ),
        pytest.param(
            TEXTS + "    point: temperature\n    limit: {high: 4, low: 3, deadband: 2}\n", 9,
            "deadband", id="deadband wider than the limits",
        ),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_with_file_line_and_field(
    tmp_path: Path, plant: Plant, body: str, line: int, what: str
) -> None:
    (tmp_path / "hot.yaml").write_text(HEAD + body, "utf-8")
    with pytest.raises(ConfigError, match=re.escape(what)) as refused:
        rules.load(tmp_path, plant)
    assert refused.value.where == f"{tmp_path / 'hot.yaml'}:{line}"
    assert refused.value.fix


def test_a_key_that_stands_in_two_files_is_refused(tmp_path: Path, plant: Plant) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(HEAD + LIMIT + TEXTS, "utf-8")
    with pytest.raises(ConfigError, match="stands twice"):
        rules.load(tmp_path, plant)
