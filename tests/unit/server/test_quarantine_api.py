"""What was put aside, and a replay, by the API: who sees what, who may do what, what is sent."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.http import User
from tests.fakes_history import MemoryHistory
from tests.fakes_server import EDGE, SESSION, House
from watchkeeper import topics, wire
from watchkeeper.history import Quarantined
from watchkeeper.ids import PersonId

BEARER = {"Authorization": f"Bearer {SESSION}"}
ALL = "/api/v1/quarantine"
AGAIN, DROP, REPLAY = f"{ALL}/rerun", f"{ALL}/drop", f"/api/v1/edges/{EDGE}/replay"
POWER = "main-1/active_power"
WHO = {
    role: User(PersonId(role), role, frozenset({role}))
    for role in ("technician", "manager", "operator", "admin")
}


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    made = House(folder, MemoryHistory())
    made.birth()
    yield made
    made.close()


@pytest.fixture
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BEARER) as client:
        yield client


def kept(here: House, *items: Quarantined) -> None:
    assert here.history is not None
    here.history.quarantine(items)


def readings(here: House, *rows: list[Any], reason: str = "time", ago_s: float = 1,
             birth: str = "") -> Quarantined:  # fmt: skip
    payload = wire.encode(wire.Aside("J", 1, birth or here.hash, list(rows)))
    at = here.ms(-ago_s)
    return Quarantined(at, f"riverside/{EDGE}", reason, payload, len(rows))


@pytest.mark.serves("B4")
def test_readings_put_aside_are_shown_with_their_points(here: House, client: TestClient) -> None:
    at = here.ms(3_600)
    kept(
        here,
        readings(here, [here.alias[POWER], at, 1.5, 0], [60_000, at, 2.5, 0]),
        Quarantined(here.ms(), f"riverside/{EDGE}", "unreadable", b"<b>\x00{", 0),
    )
    answer = client.get(ALL).json()
    assert answer["next"] is None
    unreadable, late = answer["items"]
    assert (unreadable["reason"], unreadable["excerpt"], unreadable["rows"]) == (
        "unreadable", "<b>·{", [],
    )  # fmt: skip
    assert late == {
        "id": 1, "at": here.ms(-1), "edge": EDGE, "reason": "time", "why": "", "readings": 2,
        "gap": None, "excerpt": "",
        "rows": [
            {"alias": here.alias[POWER], "point": POWER, "at": at, "value": 1.5, "quality": 0},
            {"alias": 60_000, "point": None, "at": at, "value": 2.5, "quality": 0},
        ],
    }  # fmt: skip


def test_an_unknown_birth_is_asked_for_and_shown_as_aliases(
    here: House, client: TestClient
) -> None:
    kept(here, readings(here, [0, 1, 1.5, 0], birth="old"))
    (item,) = client.get(ALL).json()["items"]
    assert (item["rows"][0]["alias"], item["rows"][0]["point"]) == (0, None)
    (asked,) = here.live.sent("down/birth")
    assert wire.decode_ask_birth(asked).hash == "old"
    kept(here, Quarantined(1, "riverside/stranger", "time", readings(here, [0, 1, 1, 0]).payload))
    client.get(ALL)
    assert [topic for topic, *_ in here.live.published if "stranger" in topic] == []


def test_it_comes_in_pages_and_by_reason_and_edge(here: House, client: TestClient) -> None:
    kept(here, *(readings(here, [0, n, 1, 0], reason="time") for n in range(5)))
    kept(here, readings(here, [0, 9, 1, 0], reason="value"))
    first = client.get(ALL, params={"limit": 4}).json()
    assert [item["id"] for item in first["items"]] == [6, 5, 4, 3]
    rest = client.get(ALL, params={"before": first["next"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == ([2, 1], None)
    assert [e["id"] for e in client.get(ALL, params={"reason": "value"}).json()["items"]] == [6]
    assert client.get(ALL, params={"origin": "another"}).json()["items"] == []
    assert len(client.get(ALL, params={"origin": EDGE, "rows": 0}).json()["items"]) == 6


@pytest.mark.serves("B4")
def test_counts_are_those_of_a_day(here: House, client: TestClient) -> None:
    row = [0, 1, 1.0, 0]
    kept(here, readings(here, row, ago_s=86_401), readings(here, row, row, ago_s=86_000))
    kept(here, readings(here, row, row, row, reason="value"))
    found = client.get(f"{ALL}/counts").json()
    assert (found["whole"], found["items"], found["readings"]) == (True, 2, 5)
    assert found["since"] == here.ms(-86_400)
    assert found["counts"] == [
        {"reason": "value", "edge": EDGE, "items": 1, "readings": 3, "newest": here.ms(-1)},
        {"reason": "time", "edge": EDGE, "items": 1, "readings": 2, "newest": here.ms(-86_000)},
    ]


@pytest.mark.serves("B4")
@pytest.mark.serves("H2")
def test_an_operator_has_them_tried_again_or_taken_out_and_it_is_on_record(
    here: House, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.quarantine_api")
    here.gateway()
    sent = [
        client.post(AGAIN, json={"ids": [3, 4]}),
        client.post(AGAIN, json={"all": True}),
        client.post(DROP, json={"ids": [5]}),
    ]
    assert [answer.status_code for answer in sent] == [202] * 3
    assert [answer.json()["items"] for answer in sent] == [2, None, 1]
    assert [wire.decode_rerun(payload) for payload in here.bus.sent("rerun")] == [
        wire.Rerun([3, 4]),
        wire.Rerun([]),
        wire.Rerun([5], drop=True),
    ]
    assert {topic for topic, *_ in here.bus.published if topic.endswith("rerun")} == {
        topics.rerun("riverside")
    }
    assert [(each.message, vars(each)["by"], vars(each)["items"]) for each in caplog.records] == [
        ("quarantine rerun", "chenlei", 2),
        ("quarantine rerun", "chenlei", "all"),
        ("quarantine dropped", "chenlei", 1),
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(AGAIN, {}, id="nothing is named"),
        pytest.param(AGAIN, {"ids": [1], "all": True}, id="some and all"),
        pytest.param(AGAIN, {"ids": [0]}, id="no number of ours"),
        pytest.param(AGAIN, {"ids": [1] * 1_001}, id="too many"),
        pytest.param(DROP, {"ids": []}, id="drop nothing"),
        pytest.param(DROP, {"ids": [1], "all": True}, id="drop all"),
        pytest.param(REPLAY, {"since": "yesterday"}, id="no time"),
        pytest.param(REPLAY, {"since": "2026-11-24T08:00"}, id="no offset"),
        pytest.param(REPLAY, {}, id="since when?"),
    ],
)
def test_what_makes_no_sense_is_refused(
    here: House, client: TestClient, path: str, body: dict[str, Any]
) -> None:
    here.gateway()
    here.state("online")
    here.sessions[SESSION] = WHO["admin"]
    assert client.post(path, json=body).status_code == 422
    assert here.bus.sent("rerun") + here.bus.sent("replay") == []


@pytest.mark.parametrize("path", [AGAIN, DROP])
def test_without_a_gateway_nothing_is_sent(here: House, client: TestClient, path: str) -> None:
    here.gateway("lost")
    answer = client.post(path, json={"ids": [1]})
    assert (answer.status_code, answer.json()["type"]) == (503, "server.no-gateway")
    assert here.bus.sent("rerun") == []


@pytest.mark.serves("H2")
@pytest.mark.parametrize(
    ("path", "may"),
    [
        pytest.param(AGAIN, {"operator", "admin"}, id="rerun"),
        pytest.param(DROP, {"operator", "admin"}, id="drop"),
        pytest.param(REPLAY, {"admin"}, id="replay"),
    ],
)
def test_each_deed_is_for_its_roles(
    here: House, client: TestClient, path: str, may: set[str]
) -> None:
    here.gateway()
    here.state("online")
    body = {"since": here.ms(-60)} if path == REPLAY else {"ids": [1]}
    for role, person in WHO.items():
        here.sessions[SESSION] = person
        assert client.post(path, json=body).status_code == (202 if role in may else 403), role
        assert client.get(ALL).status_code == 200
    here.sessions.clear()
    assert client.post(path, json=body).status_code == 401
    assert client.get(ALL).status_code == 401


def test_a_store_that_is_away_is_told(here: House, client: TestClient) -> None:
    assert isinstance(here.history, MemoryHistory)
    here.history.away = True
    for path in (ALL, f"{ALL}/counts"):
        assert client.get(path).status_code == 503


def test_a_store_that_never_came_is_told(folder: Path) -> None:
    made = House(folder)
    try:
        with TestClient(made.server.app, headers=BEARER) as client:
            answer = client.get(ALL)
            assert (answer.status_code, answer.json()["type"]) == (503, "server.no-history")
    finally:
        made.close()


@pytest.mark.serves("B4")
def test_an_admin_has_an_edge_send_again(
    here: House, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.replay_api")
    here.sessions[SESSION] = WHO["admin"]
    body = {"since": "2026-11-24T08:00+08:00"}
    assert client.post(REPLAY, json=body).status_code == 503, "its edge was not heard"
    here.state("online")
    answer = client.post(REPLAY, json=body)
    assert (answer.status_code, answer.json()) == (
        202, {"edge": EDGE, "since": 1_795_478_400_000},
    )  # fmt: skip
    (sent,) = here.bus.sent("down/replay")
    assert wire.decode_replay(sent).since == 1_795_478_400_000
    (told,) = caplog.records
    assert (told.message, vars(told)["edge"], vars(told)["by"]) == ("replay", EDGE, "admin")
    assert client.post("/api/v1/edges/nobody/replay", json=body).status_code == 404
