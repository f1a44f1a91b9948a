"""What a rule would have raised, asked over HTTP of a real server and a real store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from adapters.history.embedded import EmbeddedHistory
from server import backtest_api, backtest_told
from server.backtest import Raised
from server.backtest_asked import Asked, Meant
from server.backtest_told import Outcome, Period, side_by_side
from tests import databases
from tests.fakes import FixedClock
from tests.fakes_server import BROWSER, House, house
from watchkeeper.batch import Batch
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

POWER, OTHER = "hvac-1/active_power", "hvac-2/active_power"
RATED_W = 200_000  # of hvac-1; feeder-overload waits 5 s, and 10 s to return
NOW = 1_780_315_200_000  # of the fixed clock: 2026-06-01 12:00 UTC
HOUR, SECOND = 3_600_000, 1_000
START = NOW - 6 * HOUR
DRAFT = """schema: wk.rules/1
rules:
  - key: feeder-overload
    revision: 9
    applies: {{equipment: electricity_meter, unit: "{unit}"}}
    point: active_power
    {when}
    priority: 3
    title: {{zh: 高, en: High}}
    guidance: {{zh: 无, en: None.}}
"""


def draft(when: str, unit: str = "hvac-1") -> str:
    return DRAFT.format(when=when, unit=unit)


def filled(history: History) -> History:
    """Give hvac-1 6 h of 10 s data: overloads of 10 and 20 minutes, half an hour of silence."""
    at = np.arange(START, NOW, 10 * SECOND, dtype=np.int64)
    minute = (at - START) // 60_000
    value = np.where((minute >= 60) & (minute < 70), 210_000.0, 150_000.0)
    value[(minute >= 200) & (minute < 220)] = 250_000.0
    bad = (minute >= 300) & (minute < 330)
    quality = np.where(bad, Quality.NO_ANSWER, Quality.GOOD).astype(np.uint8)
    (series,) = history.series([PointId(POWER)]).tolist()
    history.write(
        Batch(np.full(len(at), series, np.uint32), at, np.where(bad, np.nan, value), quality)
    )
    return history


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    path = tmp_path_factory.mktemp("history") / "riverside.db"
    store = filled(EmbeddedHistory(path, clock=FixedClock(), writable=True))
    folder = tmp_path_factory.mktemp("house")
    with house(folder, store, databases.on_sqlite(folder)) as made:  # readings are in no table
        yield made


@pytest.fixture(scope="module")
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BROWSER) as made:
        yield made


def ask(client: TestClient, path: str = "", status: int = 200, **asked: object) -> Any:
    body = {"start": START, "end": NOW} | asked
    answer = client.post(f"/api/v1/rules/backtest{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_clock_of_the_tests_is_where_the_readings_end() -> None:
    assert datetime.fromtimestamp(NOW / 1000, UTC) == FixedClock().now()


@pytest.mark.serves("C4")
def test_a_rule_of_the_catalog_says_when_it_would_have_rung(client: TestClient) -> None:
    found = ask(client, key="feeder-overload", point=POWER)
    assert (found["rule"], found["kind"], found["complete"]) == ("feeder-overload", "limit", True)
    (row,) = found["points"]
    first, second = START + 60 * 60_000 + 5_000, START + 200 * 60_000 + 5_000
    assert [each["at"] for each in row["raised"]] == [second, first]  # the newest first
    assert row["raised"][1] == {
        "at": first, "returned_at": START + 70 * 60_000 + 10_000, "value": 210_000.0, "priority": 2,
    }  # fmt: skip
    assert found["total"]["count"] == row["count"] == 2
    assert found["total"]["duration_s"] == 605 + 1205
    assert found["total"]["per_day"] == 8
    assert row["coverage"] == pytest.approx(330 / 360, abs=0.001)


def test_without_a_point_all_are_tested_and_those_without_data_say_so(client: TestClient) -> None:
    found = ask(client, key="feeder-overload")
    by_point = {row["point"]: row for row in found["points"]}
    assert len(by_point) > 5
    assert by_point[POWER]["count"] == found["total"]["count"] == 2
    assert (by_point[OTHER]["coverage"], by_point[OTHER]["count"]) == (0, 0)


@pytest.mark.serves("C4")
def test_a_draft_is_tested_before_anyone_approves_it(client: TestClient) -> None:
    found = ask(client, text=draft("limit: {high: 230000}"))
    assert (found["revision"], found["total"]["count"]) == (9, 1)


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("state: {any_of: [210000]}", 1),
        ("rate: {rise: 10000, window_s: 60}", 2),
        ("jump: {up: 50000}", 2),
        ("stuck: {after_min: 60}", 2),
        ("count: {times: 2, within_min: 180, limit: {high: 200000}}", 1),
        ('expression: {true_when: "active_power > 200000"}', 2),
        ("stale: {after_s: 60}", 1),
        ("limit: {high: 200000, high_high: 230000}", 2),
    ],
)
def test_every_kind_of_rule_can_be_tested(client: TestClient, when: str, count: int) -> None:
    assert ask(client, text=draft(when))["total"]["count"] == count


def test_silence_is_told_by_readings_that_are_bad(client: TestClient) -> None:
    (row,) = ask(client, text=draft("stale: {after_s: 60}"))["points"]
    (alarm,) = row["raised"]
    silent = START + 300 * 60_000
    assert alarm == {
        "at": silent + 60_001, "returned_at": silent + 30 * 60_000, "value": 60.001, "priority": 3,
    }  # fmt: skip


@pytest.mark.serves("C4")
def test_two_revisions_stand_side_by_side(client: TestClient) -> None:
    found = ask(
        client, "/compare", point=POWER, a={"key": "feeder-overload"},
        b={"text": draft("limit: {high: 230000}")},
    )  # fmt: skip
    assert (found["a"]["total"]["count"], found["b"]["total"]["count"]) == (2, 1)
    assert found["counts"] == {"only_a": 1, "only_b": 0, "both": 1}
    assert found["only_a"][0]["at"] == START + 60 * 60_000 + 5_000


def test_a_plot_has_few_readings_every_spike_and_the_alarms(client: TestClient) -> None:
    found = ask(client, "/plot", key="feeder-overload", point=POWER, wanted=200)
    assert len(found["at"]) <= 200
    assert max(value for value in found["value"] if value is not None) == 250_000
    assert None in found["value"]  # the silent half hour is a break in the line
    assert [(each["end"] - each["start"]) // 1000 for each in found["intervals"]] == [605, 1205]
    assert found["limits"] == {"high": RATED_W}


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"key": "no-such-rule"}, 404, "unknown"),
        ({"key": "feeder-overload", "revision": 77}, 404, "unknown"),
        ({"key": "feeder-overload", "point": "hvac-1/no-such-point"}, 404, "unknown"),
        ({"key": "edge-lost"}, 422, "backtest.signal"),
        ({"text": draft("limit: {hihg: 5}")}, 422, "backtest.draft"),
        ({"text": draft("limit: {high: 5}", unit="moon-*")}, 422, "backtest.nowhere"),
        ({"key": "feeder-overload", "start": NOW}, 422, "server.span"),
        ({"key": "feeder-overload", "start": NOW - 94 * 24 * HOUR}, 422, "server.too-long"),
    ],
)
def test_what_makes_no_sense_is_refused_in_both_languages(
    client: TestClient, here: House, asked: dict[str, Any], status: int, code: str
) -> None:
    found = ask(client, status=status, **asked)
    assert found["type"] == code
    facts = {name: value for name, value in found.items() if name not in {"type", "status"}}
    assert all(here.server.parts.texts(code, language, **facts) for language in ("zh", "en"))


def test_a_mistake_in_a_draft_names_its_line(client: TestClient) -> None:
    text = draft('expression: {true_when: "activ_power > 1"}')
    text = text.replace("equipment: electricity_meter", "profile: eastron-sdm630")
    found = ask(client, status=422, text=text)
    assert found["line"] == 7
    assert "active_power" in found["fix"]


def test_too_many_points_or_days_are_refused_with_what_to_do(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.backtest_asked.MOST_POINTS", 3)
    assert ask(client, status=422, key="feeder-overload")["type"] == "backtest.too-many-points"
    monkeypatch.setattr("server.backtest_asked.MOST_POINTS", 200)
    monkeypatch.setattr("server.backtest_asked.MOST_POINT_DAYS", 1)
    assert ask(client, status=422, key="feeder-overload")["type"] == "server.too-many-days"


def test_a_point_with_too_many_readings_says_so_and_the_others_are_tested(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_api, "MOST_READINGS", 100)
    found = ask(client, key="feeder-overload")
    errors = {row["point"]: row["error"] for row in found["points"] if row["error"]}
    assert errors == {POWER: {"type": "backtest.too-many-readings", "most": 100, "point": POWER}}
    assert (found["complete"], found["total"]["failed"]) == (False, 1)


def test_what_is_not_reached_in_time_says_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_api, "BUDGET_S", -1.0)
    found = ask(client, key="feeder-overload", point=POWER)
    assert found["points"][0]["error"]["type"] == "backtest.no-time"


def test_the_list_is_short_and_the_count_is_not(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest_told, "LISTED", 1)
    found = ask(client, key="feeder-overload")
    assert (found["total"]["count"], found["total"]["listed"]) == (2, 1)
    (listed,) = [each for row in found["points"] for each in row["raised"]]
    assert listed["value"] == 250_000


def test_one_question_at_a_time(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_api, "WAIT_S", 0.01)
    bench = backtest_api.Bench(here.server.parts)
    with bench.turn(), pytest.raises(Unreachable), bench.turn():
        pass
    with bench.turn():
        pass


def test_revisions_that_are_not_in_force_come_from_the_rulebook(here: House) -> None:
    kept = {("feeder-overload", 7): draft("limit: {high: 230000}")}
    meant = Meant(here.server.parts, lambda key, revision: kept.get((key, revision)))
    period = Period(START, NOW)
    asked = Asked(key="feeder-overload", revision=7, start=START, end=NOW)
    assert len(meant.watches(asked, POWER, period)[1]) == 1
    with pytest.raises(KeyError):
        meant.watches(asked.model_copy(update={"revision": 8}), POWER, period)


def test_without_a_store_nobody_says_that_nothing_rang(folder: Path) -> None:
    with house(folder) as made, TestClient(made.server.app, headers=BROWSER) as alone:
        assert ask(alone, status=503, key="feeder-overload")["type"] == "server.no-history"


def test_several_rules_in_a_draft_need_a_key(here: House) -> None:
    other = draft("limit: {high: 1}").partition("rules:\n")[2].replace("feeder-overload", "second")
    both = draft("limit: {high: 230000}") + other
    meant, period = Meant(here.server.parts), Period(START, NOW)
    with pytest.raises(NotPossible):
        meant.watches(Asked(text=both, start=START, end=NOW), "", period)
    rule, _ = meant.watches(Asked(text=both, key="second", start=START, end=NOW), "", period)
    assert rule.key == "second"


def test_alarms_are_the_same_when_they_overlap_at_the_same_point() -> None:
    period, here, there = Period(0, 100), PointId("u/a"), PointId("u/b")

    def rang(*spans: tuple[int, int | None]) -> list[Raised]:
        return [Raised(at, end, None, 3) for at, end in spans]

    found = side_by_side(
        [Outcome(here, rang((0, 40), (50, 60), (90, None))), Outcome(there, rang((5, 6)))],
        [Outcome(here, rang((10, 12), (20, 30), (60, 70), (95, 99)))],
        period,
    )
    at = {name: [(row["point"], row["at"]) for row in rows] for name, rows in found.items()}
    assert at == {
        "only_a": [(here, 50), (there, 5)],
        "only_b": [(here, 60)],
        "both": [(here, 90), (here, 0)],
    }
