"""Starting a duty check by the API: who may, of what, and what goes down to the edge."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from server.http import User
from tests import fakes_server
from tests.fakes_server import CHENLEI, SESSION, House
from watchkeeper import topics, wire
from watchkeeper.duty import Duty
from watchkeeper.ids import PersonId
from watchkeeper.settings import Settings

CATALOG = Settings().catalog_folder()
BEARER = {"Authorization": f"Bearer {SESSION}"}
PATH = "/api/v1/units/fire-panel/duty-check"
POINT = "fire-panel/duty_check"
LIUMIN = User(PersonId("liumin"), "刘敏", frozenset({"technician"}))


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(fakes_server, "SITE", "lakeside")
    monkeypatch.setattr(fakes_server, "EDGE", "gate")
    with fakes_server.house(folder, site="lakeside-school") as made:
        made.birth()
        yield made


@pytest.fixture
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BEARER) as client:
        yield client


def there(here: House) -> None:
    here.state("online")
    here.pass_(1)


@pytest.mark.serves("A7")
@pytest.mark.serves("H3")
def test_an_operator_starts_one_and_it_is_on_record(
    here: House, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.duty")
    there(here)
    answer = client.post(PATH, json={"minutes": 3})
    assert (answer.status_code, answer.json()["point"]) == (202, POINT)
    (sent,) = here.bus.sent("down/cmd")
    command = wire.decode_command(sent)
    assert (command.unit, command.what, command.minutes) == ("fire-panel", "duty_check", 3)
    assert command.id == answer.json()["id"]
    assert [topic for topic, *_ in here.bus.published if "cmd" in topic] == [
        topics.down("lakeside", "gate", "cmd")
    ]
    (record,) = [each for each in caplog.records if each.name == "server.duty"]
    assert (vars(record)["by"], vars(record)["unit"]) == (CHENLEI.id, "fire-panel")


@pytest.mark.serves("C1")
def test_one_nobody_answers_is_an_alarm_until_one_is_answered(here: House) -> None:
    here.event(POINT, Duty.ASKED, kind="fault")
    assert here.alarms() == []
    here.event(POINT, Duty.UNANSWERED, kind="fault")
    alarm = here.alarm("duty-unanswered")
    assert (alarm["life"], alarm["point"]) == ("unacknowledged", POINT)
    assert "查岗" in alarm["title"]["zh"]
    here.clock.pass_(1)
    here.event(POINT, Duty.ASKED, kind="fault")
    here.clock.pass_(1)
    here.event(POINT, Duty.ANSWERED, kind="fault")
    assert here.alarm("duty-unanswered")["life"] == "returned"


def test_a_technician_may_not(here: House, client: TestClient) -> None:
    there(here)
    here.sessions[SESSION] = LIUMIN
    assert client.post(PATH).status_code == 403
    assert here.bus.sent("down/cmd") == []


def test_only_of_a_unit_that_is_there(here: House, client: TestClient) -> None:
    there(here)
    answer = client.post("/api/v1/units/nobody/duty-check")
    assert (answer.status_code, answer.json()["type"]) == (404, "unknown")


def test_not_of_a_unit_that_knows_none(folder: Path) -> None:
    with fakes_server.house(folder) as made:
        client = TestClient(made.server.app, headers=BEARER)
        answer = client.post(PATH)
    assert (answer.status_code, answer.json()["type"]) == (409, "server.no-duty-check")


def test_not_while_one_runs(here: House, client: TestClient) -> None:
    there(here)
    here.event(POINT, Duty.ASKED, kind="fault")
    answer = client.post(PATH)
    assert (answer.status_code, answer.json()["type"]) == (409, "server.duty-check-runs")


def test_not_while_the_edge_is_lost_or_has_said_nothing(here: House, client: TestClient) -> None:
    assert client.post(PATH).status_code == 503
    there(here)
    here.state("lost")
    answer = client.post(PATH)
    assert (answer.status_code, answer.json()) == (
        503, {"type": "server.edge-lost", "status": 503, "edge": "gate"},
    )  # fmt: skip
    assert here.bus.sent("down/cmd") == []


@pytest.mark.parametrize("minutes", [0, 256, "x"])
def test_a_time_the_wire_cannot_say_is_refused(client: TestClient, minutes: object) -> None:
    assert client.post(PATH, json={"minutes": minutes}).status_code == 422
