"""A rule over HTTP: drafted, checked, approved by a second person, in effect at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes_flags import Home

POINT = "hvac-1/active_power"
LOW = """schema: wk.rules/1
rules:
  - key: hvac-hungry
    revision: 1
    applies: {equipment: electricity_meter, unit: hvac-1}
    point: active_power
    limit: {high: 50000, deadband: 1000}
    priority: 3
    title: {zh: 空调用电大, en: Cooling is hungry}
    guidance: {zh: 看看, en: Look}
"""


@pytest.fixture
def home(tmp_path: Path, url: str) -> Iterator[Home]:
    made = Home(tmp_path, url)
    yield made
    made.close()


def asks(home: Home, path: str, who: str = "chenlei", **body: object) -> Any:
    return home.clients[who].post(f"/api/v1/rules{path}", json=body)


def gets(home: Home, path: str = "") -> Any:
    return home.clients["chenlei"].get(f"/api/v1/rules{path}").json()


def drafted(home: Home, text: str, who: str = "chenlei") -> str:
    answer = asks(home, "/drafts", who, text=text, note="it was too high")
    assert answer.status_code == 201, answer.text
    (version,) = answer.json()
    return str(version["id"])


def approved(home: Home, text: str) -> None:
    version = drafted(home, text)
    assert asks(home, f"/versions/{version}/submit").status_code == 200
    answer = asks(home, f"/versions/{version}/approve", "zhaoyan")
    assert answer.status_code == 200, answer.text


def rings(home: Home, rule: str = "hvac-hungry") -> list[tuple[int, bool]]:
    found = [each for each in home.alarms(only_open=False) if each["rule"] == rule]
    return [(each["revision"], each["active"]) for each in found]


@pytest.mark.serves("C1")
def test_an_approved_rule_counts_from_the_next_reading_and_after_a_restart(home: Home) -> None:
    home.data(POINT, (0, 60_000.0))
    assert rings(home) == []
    approved(home, LOW)
    home.pass_(1)
    home.data(POINT, (0, 60_000.0))
    assert rings(home) == [(1, True)]
    home.restart()
    assert gets(home, "/hvac-hungry")["origin"] == "editor"
    home.pass_(1)
    home.data(POINT, (0, 40_000.0))
    assert rings(home) == [(1, False)]


@pytest.mark.serves("C1")
def test_a_new_revision_replaces_the_old_which_can_be_read_for_ever(home: Home) -> None:
    approved(home, LOW)
    approved(home, LOW.replace("revision: 1", "revision: 2").replace("50000", "70000"))
    home.data(POINT, (0, 60_000.0))
    assert rings(home) == []
    found = gets(home, "/hvac-hungry")
    assert [(each["revision"], each["state"]) for each in found["versions"]] == [
        (2, "approved"), (1, "replaced"),
    ]  # fmt: skip
    first = gets(home, "/hvac-hungry/revisions/1")["text"]
    assert yaml.safe_load(first)["rules"][0]["limit"]["high"] == 50_000
    assert (found["points"], found["watches"][0]["limit"]) == (1, 70_000)


@pytest.mark.serves("C1")
def test_a_rule_of_the_catalog_is_changed_and_leaves_without_a_hanging_alarm(home: Home) -> None:
    approved(home, LOW)
    home.data(POINT, (0, 60_000.0))
    version = asks(home, "/hvac-hungry/leave", note="nobody needs it").json()["id"]
    asks(home, f"/versions/{version}/submit")
    assert asks(home, f"/versions/{version}/approve", "admin").status_code == 200
    assert rings(home) == [(1, False)]
    assert "hvac-hungry" not in {each["key"] for each in gets(home)["rules"]}
    overload = gets(home, "/feeder-overload")
    text = overload["text"].replace(f"revision: {overload['revision']}", "revision: 9")
    approved(home, text)
    assert gets(home, "/feeder-overload")["origin"] == "editor"


@pytest.mark.serves("C1")
@pytest.mark.parametrize(
    ("who", "verb", "status", "code"),
    [
        ("chenlei", "approve", 403, "people.role-needed"),
        ("wangqiang", "approve", 403, "people.role-needed"),
        ("zhaoyan", "approve", 403, "rules.own"),
        ("admin", "reject", 422, "rules.note-missing"),
        ("admin", "submit", 409, "rules.not-now"),
        ("admin", "approve", 200, ""),
    ],
)
def test_nobody_approves_what_is_their_own(
    home: Home, who: str, verb: str, status: int, code: str
) -> None:
    version = drafted(home, LOW, "zhaoyan")
    asks(home, f"/versions/{version}/submit", "zhaoyan")
    answer = asks(home, f"/versions/{version}/{verb}", who)
    assert (answer.status_code, answer.json().get("type", "")) == (status, code)


@pytest.mark.serves("C1")
@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("point: active_power", "point: activ_power", 6, "active_power"),
        ("limit: {high: 50000, deadband: 1000}", "limit: {deadband: 1000}", 7, "high"),
        ("unit: hvac-1}", "unit: hvac-9}", 5, "hvac"),
        ("priority: 3", "priority: 9", 8, "priority"),
        ("    title:", "    echo_of: nothing-here\n    title:", 9, "nothing-here"),
        (
            "limit: {high: 50000, deadband: 1000}",
            "expression: {true_when: active_power / 0 > 1}",
            7,
            "zero",
        ),
        (
            "limit: {high: 50000, deadband: 1000}",
            "expression: {true_when: active_power > voltage_l1}",
            7,
            "unit",
        ),
        (
            "limit: {high: 50000, deadband: 1000}",
            "expression: {true_when: activ_power > 1}",
            7,
            "active_power",
        ),
        (
            "limit: {high: 50000, deadband: 1000}",
            "limit: {high: 50000, deadband: 60000, low: 40000}",
            7,
            "deadband",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_do(
    home: Home, old: str, new: str, line: int, word: str
) -> None:
    found = asks(home, "/check", text=LOW.replace(old, new)).json()
    assert (found["ok"], found["rules"]) == (False, [])
    told = f"{found['mistakes'][0]['what']} {found['mistakes'][0]['fix']}"
    assert (found["mistakes"][0]["line"], word in told) == (line, True), told
    answer = asks(home, "/drafts", text=LOW.replace(old, new), note="why not")
    assert (answer.status_code, answer.json()["type"]) == (422, "rules.mistake")


@pytest.mark.serves("C1")
def test_what_is_exported_can_be_imported(home: Home) -> None:
    text = home.clients["chenlei"].get("/api/v1/rules/export").text
    assert asks(home, "/check", text=text).json()["ok"]
    again = asks(home, "/drafts", text=text, note="all again").json()
    assert again["type"] == "rules.revision-old"
    preview = asks(home, "/check", text=LOW).json()["rules"]
    assert preview == [{
        "key": "hvac-hungry", "revision": 1, "points": 1,
        "watches": [{"point": POINT, "limit": 50_000, "unit_symbol": "W"}],
    }]  # fmt: skip
