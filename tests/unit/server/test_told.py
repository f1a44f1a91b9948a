"""Who was told of an alarm, and in which words its run speaks of people and points."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server import subjects
from server.outward import Outward
from tests.fakes_dispatch import FakeChannel, PlainPasswords
from tests.fakes_server import BROWSER, SESSION, House

FIRE, OTHER, PANEL = (
    "fire-panel/detector-07", "fire-panel/detector-08", "fire-panel/panel_state",
)  # fmt: skip
BEARER = {"Authorization": f"Bearer {SESSION}"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    made = House(folder, outward=Outward([FakeChannel()], b"key", passwords=PlainPasswords()))
    made.populate()
    made.birth()
    yield made
    made.close()


@pytest.fixture
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BEARER) as client:
        yield client


def told(client: TestClient, alarm: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/alarms/{alarm['id']}").json()
    return answer["told"]  # type: ignore[no-any-return] # JSON


@pytest.mark.serves("C1")
def test_an_alarm_tells_who_was_told_by_which_channel(here: House, client: TestClient) -> None:
    here.data("hvac-1/active_power", (0, 250_000.0))
    here.pass_(6)
    alarm, at = here.alarm("feeder-overload"), here.ms()
    assert alarm["order"]
    ways = [
        {"channel": "inbox", "state": "delivered", "at": at},
        {"channel": "webhook", "state": "pending", "at": at},
    ]
    assert told(client, alarm) == [
        {"person": "chenlei", "name": "陈磊", "at": at, "channels": ways},
        {"person": "wangqiang", "name": "王强", "at": at, "channels": ways},
    ]
    here.clock.pass_(30)
    for message in client.get("/api/v1/inbox").json():
        client.post(f"/api/v1/inbox/{message['id']}/read", headers=BROWSER)
    seen = told(client, alarm)[0]["channels"][0]
    assert seen == {"channel": "inbox", "state": "read", "at": here.ms()}


def test_people_called_by_a_run_were_told_of_its_alarm(here: House, client: TestClient) -> None:
    here.event(FIRE, 1.0)
    before = {each["person"] for each in told(client, here.alarm("detector-fire"))}
    assert before == {"chenlei", "liumin"}  # on duty, and asked to verify
    assert here.alarm("detector-fire")["run"]
    here.event(OTHER, 1.0)
    people = {each["person"] for each in told(client, here.alarm("detector-fire", "07"))}
    assert people > before


@pytest.mark.serves("E1")
def test_a_run_speaks_of_people_and_points_in_one_language_at_a_time(here: House) -> None:
    here.server.app.state.who = subjects.who(here.server.parts, here.server.do)
    browser = TestClient(here.server.app, headers={"Origin": BROWSER["Origin"]})
    who = {"user": "chenlei", "password": "watch-the-house"}
    assert browser.post("/api/v1/login", json=who).status_code == 204
    browser.headers["X-CSRF"] = browser.cookies["wk_csrf"]
    here.event(FIRE, 1.0)
    here.event(OTHER, 1.0)
    (run,) = browser.get("/api/v1/runs").json()
    role = next(each["key"] for each in run["roles"] if each["person"] == "chenlei")
    assert browser.post(f"/api/v1/runs/{run['id']}/roles/{role}/acknowledge").status_code == 200
    alarm = here.alarm("detector-fire", "07")["id"]
    assert browser.post(f"/api/v1/alarms/{alarm}/acknowledge").status_code == 204
    here.pass_(1)
    here.event(FIRE, 0.0)
    here.pass_(300)
    lines = [line["text"] for line in browser.get(f"/api/v1/runs/{run['id']}").json()["log"]]
    said = "\n".join(line["en"] for line in lines)
    assert not CHINESE.search(said)
    for words in ("Called Chen Lei", "Chen Lei took", "No answer from", "Chen Lei saw the alarm"):
        assert words in said
    chinese = "\n".join(line["zh"] for line in lines)
    assert "陈磊" in chinese
    assert "Chen Lei" not in chinese
    assert "fire-panel/" not in said + chinese


@pytest.mark.serves("C3")
def test_one_fire_pages_once_and_is_two_alarms(here: House, client: TestClient) -> None:
    here.event(PANEL, 1.0)
    here.event(FIRE, 1.0)
    here.pass_(4)
    assert told(client, here.alarm("detector-fire"))
    assert told(client, here.alarm("panel-fire")) == []
    assert here.alarm("panel-fire")["handling"] == "life_safety"


@pytest.mark.parametrize(
    ("before", "wait_s"),
    [
        pytest.param([], 0, id="no detector"),
        pytest.param([(FIRE, 1.0), (FIRE, 0.0)], 1, id="a detector that is over"),
        pytest.param([(FIRE, 1.0)], 120, id="a detector that rang long ago"),
        pytest.param([(FIRE, 2.0)], 1, id="a detector's fault"),
    ],
)
def test_a_panel_alone_pages(
    here: House, client: TestClient, before: list[tuple[str, float]], wait_s: float
) -> None:
    for point, value in before:
        here.event(point, value)
        here.pass_(1)
    here.pass_(wait_s)
    here.event(PANEL, 1.0)
    assert not [each for each in here.alarms() if each["rule"] == "panel-fire"]
    here.pass_(3)
    assert [each["person"] for each in told(client, here.alarm("panel-fire"))] == ["chenlei"]
