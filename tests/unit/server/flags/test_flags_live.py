"""Flags as people meet them: a whole server, its API, what is told and what is only recorded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes_flags import LIFT, Home

ONE, TWO = "fire-panel/detector-07", "fire-panel/detector-08"
ELSEWHERE = "fire-panel/detector-27"  # of zone 2
PANEL = "fire-panel/panel_state"


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    made = Home(folder)
    yield made
    made.close()


def begun(home: Home, **where: str) -> str:
    """Begin an hour of test mode, say what it is called."""
    answer = home.says("test-modes", minutes=60, reason="yearly test", company="Fire Ltd", **where)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def trial(home: Home, flag: str) -> dict[str, Any]:
    found: dict[str, Any] = home.clients["chenlei"].get(f"/api/v1/alarms/test-modes/{flag}").json()
    return found


def runs(home: Home) -> int:
    return len(home.rows("select id from plan_run"))


@pytest.mark.serves("C2")
def test_a_walk_test_is_counted_recorded_and_told_to_nobody(home: Home) -> None:
    flag = begun(home, zone="zone-1")
    for point in (ONE, TWO, ONE):
        home.event(point, 1.0)
        home.pass_(3)
        home.event(point, 0.0)
    assert {(each["test"], each["life"]) for each in home.all("detector-fire")} == {
        (True, "returned")
    }
    assert (home.messages(), runs(home), home.rows("select id from work_order")) == ([], 0, [])
    shown = trial(home, flag)
    assert (shown["tested"], shown["total"], len(shown["missing"])) == (2, 20, 18)
    assert [each["point"] for each in shown["points"]] == [ONE, TWO]
    assert (shown["company"], shown["by"], shown["name"]["en"]) == (
        "Fire Ltd", "chenlei", "Zone 1 Tower A",
    )  # fmt: skip


@pytest.mark.serves("C2")
def test_a_real_fire_elsewhere_is_untouched_by_a_test(home: Home) -> None:
    begun(home, zone="zone-1")
    home.event(ONE, 1.0)
    home.event(ELSEWHERE, 1.0)
    assert home.alarm("detector-fire", "27")["flags"] == []
    assert home.messages("alarm") == ["alarm"]
    assert runs(home) == 1


def test_the_panel_echoes_a_test_and_pages_nobody_until_it_is_real(home: Home) -> None:
    flag = begun(home, zone="zone-1")
    home.event(ONE, 1.0)
    home.event(PANEL, 1.0)
    home.pass_(4)
    assert (home.alarm("panel-fire")["flags"], home.messages(), runs(home)) == (["test"], [], 0)
    home.event(ONE, 0.0)
    assert home.says(f"test-modes/{flag}/end").status_code == 200
    assert home.alarm("panel-fire")["flags"] == [], "the panel rings on, and its detector does not"
    assert home.messages("alarm") == ["alarm"]
    assert home.one("detector-fire")["life"] == "normal"


def test_another_flag_that_ends_leaves_the_echo_of_a_test_alone(home: Home) -> None:
    begun(home, zone="zone-1")
    other = begun(home, unit="lift-3")
    home.event(ONE, 1.0)
    home.event(PANEL, 1.0)
    home.pass_(4)
    home.says(f"test-modes/{other}/end")
    assert home.alarm("panel-fire")["flags"] == ["test"]
    assert home.messages("alarm") == []


@pytest.mark.serves("C2")
def test_what_still_burns_when_a_test_ends_by_itself_is_told(home: Home) -> None:
    begun(home, zone="zone-1")
    home.event(ONE, 1.0)
    home.event(TWO, 1.0)
    home.event(TWO, 0.0)
    home.clock.pass_(3_600)
    home.restart()
    home.fire_timers()
    home.fire_timers()
    assert home.messages("alarm") == ["alarm"]
    assert (home.alarm("detector-fire")["life"], home.alarm("detector-fire")["test"]) == (
        "unacknowledged", False,
    )  # fmt: skip
    assert runs(home) == 1
    assert home.messages("test-ended") == ["test-ended"]
    (said,) = home.rows("select title from message where kind = 'test-ended'")
    assert json.loads(said.title)["en"] == "Test over: Zone 1 Tower A, 2 of 20 tested"
    (ended,) = home.clients["chenlei"].get("/api/v1/alarms/test-modes?open=false").json()
    assert (ended["ended_why"], ended["ended_by"]) == ("expired", "timer")
    home.says("test-modes", zone="zone-1", minutes=60, reason="again")


def test_a_test_is_boxed_and_begun_by_the_desk(home: Home) -> None:
    for who, body, status, code in (
        ("chenlei", {"zone": "zone-1", "minutes": 241}, 403, "flags.too-long"),
        ("wangqiang", {"zone": "zone-1", "minutes": 60}, 403, "people.role-needed"),
        ("chenlei", {"zone": "zone-9", "minutes": 60}, 404, "unknown"),
        ("chenlei", {"minutes": 60}, 422, "flags.one-of"),
        ("chenlei", {"zone": "zone-1", "unit": "lift-3", "minutes": 60}, 422, "flags.one-of"),
    ):
        answer = home.says("test-modes", who, reason="x", **body)
        assert (answer.status_code, answer.json()["type"]) == (status, code), body
    flag = begun(home, unit="fire-panel")
    assert trial(home, flag)["total"] == 60
    again = home.says("test-modes", unit="fire-panel", minutes=60, reason="x")
    assert (again.status_code, again.json()["type"]) == (409, "flags.in-test")
    assert home.says(f"test-modes/{flag}/end", "wangqiang").json()["ended_by"] == "wangqiang"
    assert home.says(f"test-modes/{flag}/end").status_code == 409


def test_a_lift_in_test_sends_nobody(home: Home) -> None:
    begun(home, unit="lift-3")
    home.event("lift-3-board/trapped_between_floors", 1.0)
    home.fault(52.0, "a")
    assert home.one()["flags"] == home.one("lift-entrapment")["flags"] == ["test"]
    assert (home.messages(), runs(home), home.rows("select id from work_order")) == ([], 0, [])


@pytest.mark.serves("C2")
def test_a_unit_out_of_service_rings_for_nobody_until_it_is_back(home: Home) -> None:
    work = {"minutes": 120, "reason": "ropes", "permit": "P-7"}
    assert home.says("out-of-service", unit="lift-3", **work).status_code == 403
    assert home.says("out-of-service", "zhaoyan", unit="lift-3", **work).status_code == 200
    home.fault(52.0, "a")
    assert home.one()["flags"] == ["out_of_service"]
    assert home.messages() == []
    back = home.says(f"{home.one()['id']}/return-to-service?scope=unit", "wangqiang")
    assert (back.status_code, back.json()["permit"]) == (200, "P-7")
    assert home.messages("alarm") == ["alarm"]
    assert len(home.rows("select id from work_order")) == 1
    assert home.says("return-to-service", unit="lift-3").status_code == 409
    assert home.says("return-to-service", unit="none").status_code == 404
    assert home.says("out-of-service", point="none/x", **work).status_code == 404
    answer = home.says("out-of-service", point=LIFT, minutes=1, until=home.ms(9), reason="x")
    assert answer.json()["type"] == "flags.until-or-minutes"


def test_two_flags_on_an_alarm_both_must_end(home: Home) -> None:
    home.fault(52.0, "a")
    home.fault(0.0, "a")
    alarm = home.one()["id"]
    home.says(f"{alarm}/shelve", until=home.ms(600), reason="known")
    home.says(f"{alarm}/suppress", cause="night", reason="mode night")
    home.pass_(700)
    home.fault(53.0, "b")
    assert home.one()["flags"] == ["suppressed"]
    assert home.messages("alarm", alarm) == ["alarm"]
    home.says(f"{alarm}/unsuppress")
    assert (home.one()["flags"], home.messages("alarm", alarm)) == ([], ["alarm"] * 2)


def test_a_one_shot_shelf_ends_with_the_alarm(home: Home) -> None:
    home.fault(52.0, "a")
    alarm = home.one()["id"]
    answer = home.says(f"{alarm}/shelve", minutes=60, reason="known", one_shot=True)
    assert answer.json()["subject"] == f"alarm:lift-fault|{LIFT}"
    shelved = home.clients["wangqiang"].get("/api/v1/alarms/shelved").json()
    assert [(each["by"], each["until"]) for each in shelved] == [("chenlei", home.ms(3_600))]
    assert home.one()["shelved_until"] == home.ms(3_600)
    home.fault(0.0, "a")
    assert home.clients["chenlei"].get("/api/v1/alarms/shelved").json() == []
    assert (home.one()["flags"], home.one()["shelved_until"]) == ([], None)


def test_screens_follow_flags_and_what_is_tested(home: Home) -> None:
    begun(home, zone="zone-1")
    home.event(ONE, 1.0)
    frames = [
        (row.kind, json.loads(row.body)) for row in home.rows("select kind, body from change")
    ]
    counted = [body["tested"] for kind, body in frames if kind == "flag"]
    assert counted == [0, 1]
    alarm = next(body for kind, body in frames if kind == "alarm")
    assert (alarm["flags"], alarm["test"], alarm["untold"]) == (["test"], True, True)


def test_several_are_seen_at_once(home: Home) -> None:
    home.fault(52.0, "a")
    home.event(ONE, 1.0)
    ids = [home.one()["id"], home.one("detector-fire")["id"], "none"]
    answer = home.says("acknowledge", ids=ids)
    assert [(each["ok"], each.get("type")) for each in answer.json()] == [
        (True, None), (False, "alarms.bulk-life-safety"), (False, "unknown"),
    ]  # fmt: skip
    assert home.one()["acknowledged_by"] == "chenlei"
    assert home.says(f"{ids[0]}/reset").json()["type"] == "alarms.no-reset"


@pytest.mark.serves("C2")
def test_a_latched_alarm_stays_until_somebody_resets_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = home.server.parts.rules.rules["lift-fault"]
    monkeypatch.setattr(type(rule), "latch", property(lambda rule: rule.key == "lift-fault"))
    home.fault(52.0, "a")
    home.fault(0.0, "a")
    alarm = home.one()["id"]
    assert home.one()["life"] == "latched_unacknowledged"
    assert home.says(f"{alarm}/reset").json()["state"] == "latched_unacknowledged"
    assert home.says(f"{alarm}/acknowledge").status_code == 204
    assert home.one()["life"] == "latched"
    assert home.says(f"{alarm}/reset").status_code == 204
    assert home.one()["life"] == "normal"
