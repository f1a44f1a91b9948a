import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from server.guard import origins
from tests.fakes_server import BROWSER, CHENLEI, ORIGIN, SESSION, House, house

FIRE, POWER = "fire-panel/detector-07", "hvac-1/active_power"
BEARER = {"Authorization": f"Bearer {SESSION}"}


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.birth()
        yield made


@pytest.fixture
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BEARER) as client:
        yield client


@pytest.mark.serves("C2")
def test_the_first_to_acknowledge_wins_and_the_second_is_told(
    here: House, client: TestClient
) -> None:
    here.event(FIRE, 1.0)
    alarm = client.get("/api/v1/alarms").json()[0]
    assert client.post(f"/api/v1/alarms/{alarm['id']}/acknowledge").status_code == 204
    second = client.post(f"/api/v1/alarms/{alarm['id']}/acknowledge")
    assert (second.status_code, second.headers["content-type"]) == (409, "application/problem+json")
    assert second.json() == {
        "type": "alarms.not-unacknowledged", "status": 409, "alarm": alarm["id"],
        "state": "acknowledged", "by": CHENLEI.id,
    }  # fmt: skip
    shown = client.get(f"/api/v1/alarms/{alarm['id']}").json()
    assert (shown["life"], shown["acknowledged_by"]) == ("acknowledged", CHENLEI.id)


def test_a_closed_alarm_leaves_the_open_list_and_stays_on_record(
    here: House, client: TestClient
) -> None:
    here.event(FIRE, 1.0)
    here.event(FIRE, 0.0)
    alarm = here.alarm("detector-fire")["id"]
    client.post(f"/api/v1/alarms/{alarm}/acknowledge")
    assert client.get("/api/v1/alarms").json() == []
    (kept,) = client.get("/api/v1/alarms", params={"open": False, "limit": 5}).json()
    assert (kept["id"], kept["life"]) == (alarm, "normal")


def test_the_most_urgent_alarm_stands_first(here: House, client: TestClient) -> None:
    here.event(FIRE, 1.0)
    here.event("fire-panel/detector-08", 3.0)
    here.event("lift-1/fault_code", 52.0, kind="fault")
    assert [a["priority"] for a in client.get("/api/v1/alarms").json()] == [1, 2, 3]


def test_what_is_unknown_is_not_found(client: TestClient) -> None:
    for path in ("/alarms/nope", "/points/latest?points=nope", "/history?point=x&start=0&end=1"):
        answer = client.get(f"/api/v1{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, "unknown")


def test_the_site_names_everything_a_screen_shows(client: TestClient) -> None:
    site = client.get("/api/v1/site").json()
    units = {unit["id"]: unit for unit in site["units"]}
    points = {point["id"]: point for point in site["points"]}
    assert (site["id"], site["name"]["zh"]) == ("riverside", "滨江广场")
    assert units["hvac-1"]["equipment"] == "electricity_meter"
    assert units["lift-1-board"]["part_of"] == "lift-1"
    assert units["fire-panel"]["zones"][0]["detectors"] == [1, 20]
    assert points[POWER]["unit_symbol"] == "W"
    assert points[FIRE]["class"] == "life_safety"
    assert points[FIRE]["words"][1] == {
        "value": 1, "name": {"zh": "火警", "en": "Fire"}, "normal": False
    }  # fmt: skip


@pytest.mark.parametrize("demo", [True, False])
def test_the_site_says_whether_it_is_a_demonstration(folder: Path, demo: bool) -> None:  # noqa: FBT001 - a case
    with house(folder, demo=demo) as made:
        site = TestClient(made.server.app, headers=BEARER).get("/api/v1/site").json()
    assert site["demo"] is demo


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("orders/ord_1/hold", {"reason": "no\0part"}, "reason"),
        ("runs/run_1/steps/s/done", {"headcount": {"found\0": 1}}, "headcount"),
        ("runs/run_1/note", {"note": "half \ud800 a pair"}, "note"),
        ("plans/fire/start", {"place": "\0"}, "place"),
        ("login", {"user": "a\0", "password": "x"}, "user"),
        ("alarms/a%00b/acknowledge", {}, "alarm"),
        ("orders/ord_1/hold", [["x", "\0"]], "0.1"),
    ],
)
def test_text_that_no_database_can_hold_is_refused_with_its_field(
    client: TestClient, path: str, body: object, field: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/api/v1/{path}", content=json.dumps(body), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json() == {"type": "server.text", "status": 422, "field": field}


def test_an_escaped_backslash_is_only_text(client: TestClient) -> None:
    body = {"note": r"C:\u0000 is no NUL"}
    assert client.post("/api/v1/runs/nope/note", json=body).status_code == 404


def test_a_point_without_fresh_data_has_no_value(here: House, client: TestClient) -> None:
    here.data(POWER, (0, 1500.0))
    fresh = client.get("/api/v1/points/latest", params={"points": POWER}).json()
    assert fresh == [
        {"point": POWER, "at": here.ms(), "value": 1500.0, "quality": 0, "stale": False}
    ]
    here.pass_(61)
    (stale,) = client.get("/api/v1/points/latest", params={"points": POWER}).json()
    assert (stale["value"], stale["stale"]) == (None, True)


def test_without_a_store_history_says_so_and_alarms_go_on(here: House, client: TestClient) -> None:
    answer = client.get("/api/v1/history", params={"point": POWER, "start": 0, "end": 1})
    assert (answer.status_code, answer.json()["type"]) == (503, "server.no-history")
    here.event(FIRE, 1.0)
    assert client.get("/api/v1/alarms").json()


def test_health_needs_no_session_and_tells_about_the_edges(here: House) -> None:
    here.state("online")
    with TestClient(here.server.app) as nobody:
        health = nobody.get("/api/v1/health").json()
        assert health["edges"] == {"plant-b1": {"state": "online", "age_s": 0.0}}
        assert (health["broker"], health["history"]) == (True, False)


def test_without_a_session_nothing_is_told(here: House) -> None:
    with TestClient(here.server.app) as nobody:
        for path in ("site", "alarms", "points/latest", "stream"):
            assert nobody.get(f"/api/v1/{path}").status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({}, 404, "unknown", id="our own page"),
        pytest.param({"Origin": "http://localhost:8501"}, 404, "unknown", id="localhost"),
        pytest.param({"Origin": "http://evil.example"}, 403, "server.foreign-origin", id="foreign"),
        pytest.param({"Origin": "null"}, 403, "server.foreign-origin", id="null"),
        pytest.param({"Origin": None}, 403, "server.foreign-origin", id="no origin"),
        pytest.param({"X-CSRF": "other"}, 403, "server.no-csrf", id="wrong token"),
        pytest.param({"X-CSRF": None}, 403, "server.no-csrf", id="no token"),
        pytest.param({"Cookie": f"wk_session={SESSION}"}, 403, "server.no-csrf", id="no cookie"),
    ],
)
def test_only_our_own_page_may_write(
    here: House, change: dict[str, str | None], status: int, code: str
) -> None:
    headers = {name: value for name, value in (BROWSER | change).items() if value is not None}
    with TestClient(here.server.app) as browser:
        answer = browser.post("/api/v1/alarms/nope/acknowledge", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, code)


def test_a_bearer_that_is_no_session_does_not_borrow_the_cookie(here: House) -> None:
    with TestClient(here.server.app) as browser:
        headers = BROWSER | {"Authorization": "Bearer x"}
        assert browser.post("/api/v1/alarms/a/acknowledge", headers=headers).status_code == 401


def test_a_login_needs_our_origin_and_no_token(here: House) -> None:
    with TestClient(here.server.app) as browser:
        who = {"user": "nobody", "password": "x"}
        foreign = browser.post("/api/v1/login", json=who, headers={"Origin": "http://evil.example"})
        ours = browser.post("/api/v1/login", json=who, headers={"Origin": ORIGIN})
    assert foreign.json()["type"] == "server.foreign-origin"
    assert ours.status_code != 403


def test_origins_of_a_public_name_are_that_name_alone() -> None:
    assert origins("https://watch.example/x") == {"https://watch.example"}
    assert origins("http://localhost:8501") == {"http://localhost:8501", "http://127.0.0.1:8501"}


def test_the_api_describes_itself(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {"/api/v1/alarms", "/api/v1/stream", "/api/v1/site", "/api/v1/history"} <= paths.keys()
