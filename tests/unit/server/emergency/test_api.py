"""The routes of emergency on a small server."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from server.emergency import handlers
from server.emergency.api import routes, shown
from server.emergency.ports import Here
from server.emergency.store import SqlRuns, SqlTimers
from server.http import User, install, signed_in
from server.migrate import upgrade
from server.sql import open_engines
from server.unit import Unit
from server.writer import Writer
from tests.unit.server.emergency.cast import CHEN, LIU, SHELF, WANG, WORDS, ZHAO, Stage, raised
from watchkeeper.ids import PersonId

PEOPLE = {each.id: each for each in (CHEN, LIU, WANG, ZHAO)}


class Server:
    """A writer on a file, the routes, and whoever the header says asks."""

    def __init__(self, url: str) -> None:
        self.stage = Stage()
        self.engine = open_engines(url).write
        upgrade(self.engine)
        self.writer = Writer(self.engine, lambda _: defaultdict(tuple), self.stage.clock)
        app = FastAPI()
        install(app)
        app.include_router(routes(self.do, self.engine, self.here, SHELF), prefix="/api/v1")
        app.dependency_overrides[signed_in] = asking
        self.client = TestClient(app)

    def do(self, work: Any) -> Any:
        return self.writer.do(work).result(5)

    def here(self, unit: Unit) -> Here:
        stage = self.stage
        return Here(
            runs=SqlRuns(unit),
            plans=SHELF,
            timers=SqlTimers(unit),
            people=stage.staff,
            names=stage,
            words=WORDS,
            site="riverside",
            now=stage.clock.now(),
            new_id=stage.here().new_id,
        )

    def ring(self, detector: int) -> None:
        event = raised(
            f"alm_{detector}",
            f"fire-panel/detector-{detector:02d}",
            plan="fire",
            place="tower-a",
            zone="zone-1",
            at_s=self.stage.clock.now(),
        )
        self.do(lambda unit: handlers.alarm_raised(event, self.here(unit)))

    def post(self, path: str, by: str, **body: Any) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers={"x-person": by})

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers={"x-person": "chenlei"}).json()


def asking(request: Request) -> User:
    person = PEOPLE[PersonId(request.headers["x-person"])]
    return User(person.id, person.name, person.roles)


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    made = Server(url)
    yield made
    made.writer.close()
    made.engine.dispose()


def test_plans_are_listed(server: Server) -> None:
    plans = server.get("/plans")
    assert [plan["key"] for plan in plans] == ["entrapment", "fire", "flooding"]
    assert plans[1]["title"] == {"zh": "火灾", "en": "Fire"}


@pytest.mark.serves("E3")
def test_a_plan_is_started_by_hand_and_joined_by_the_next(server: Server) -> None:
    first = server.post("/plans/entrapment/start", "chenlei", place="lift-3", mode="actual")
    second = server.post("/plans/entrapment/start", "zhaoyan", place="lift-3", mode="actual")
    assert first.status_code == second.status_code == 200
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["state"] == "running"
    assert server.post("/plans/flood/start", "chenlei", place="b1").status_code == 404


@pytest.mark.serves("E4")
def test_a_fire_from_the_first_signal_to_the_end(server: Server) -> None:
    server.ring(7)
    run = server.get("/runs")[0]
    assert (run["state"], run["may"][0]) == ("warning", "confirm")
    at = f"/runs/{run['id']}"
    assert server.post(f"{at}/confirm", "liumin", real=True).json()["state"] == "running"
    taken = server.post(f"{at}/roles/commander/acknowledge", "zhaoyan").json()
    commander = next(role for role in taken["roles"] if role["key"] == "commander")
    assert commander["person_name"] == "Zhao Yan"
    seen = server.post(f"{at}/level", "zhaoyan", level="up").json()
    assert seen["level"] == "II"
    server.post(f"{at}/note", "zhaoyan", note="wind from the east")
    assert server.post(f"{at}/steps/linkage/begin", "chenlei").status_code == 200
    done = {"note": "done", "headcount": {"found": 9, "missing": 0}}
    while live := [s for s in seen["steps"] if s["state"] in {"ready", "doing"}]:
        answer = server.post(f"{at}/steps/{live[0]['key']}/done", "chenlei", **done)
        assert answer.status_code == 200
        seen = answer.json()
    assert server.post(f"{at}/stable", "zhaoyan").json()["may"][0] == "close"
    closed = server.post(f"{at}/close", "zhaoyan", note="brigade has left").json()
    assert (closed["state"], closed["may"]) == ("closed", ["note"])
    assert server.get("/runs") == []
    assert [run["id"] for run in server.get("/runs?open=false")] == [run["id"]]
    texts = [line["text"]["en"] for line in server.get(at)["log"]]
    assert "Zhao Yan gave the all-clear. Ended with 0 steps open. brigade has left" in texts
    assert shown(server.engine, SHELF) == []


def test_two_persons_end_a_false_alarm(server: Server) -> None:
    server.ring(7)
    at = f"/runs/{server.get('/runs')[0]['id']}"
    assert server.post(f"{at}/confirm", "chenlei", real=False).json()["state"] == "warning"
    again = server.post(f"{at}/abort", "chenlei", reason="steam")
    assert again.status_code == 409
    assert again.json()["type"] == "emergency.second-person-needed"
    assert server.post(f"{at}/abort", "zhaoyan", reason="steam").json()["state"] == "aborted"


@pytest.mark.parametrize(
    ("path", "by", "body", "status", "code"),
    [
        ("/steps/linkage/skip", "chenlei", {"reason": "x"}, 409, "emergency.not-skippable"),
        ("/steps/linkage/fail", "chenlei", {}, 422, "emergency.reason-needed"),
        ("/steps/linkage/done", "wangqiang", {}, 403, "emergency.not-your-step"),
        ("/steps/fly/done", "chenlei", {}, 404, "unknown"),
        ("/roles/fly/acknowledge", "chenlei", {}, 404, "unknown"),
        ("/close", "zhaoyan", {}, 409, "emergency.not-stable"),
        ("/level", "zhaoyan", {"level": "IX"}, 422, "emergency.no-such-level"),
        ("/note", "zhaoyan", {"note": " "}, 422, "emergency.note-empty"),
        ("/confirm", "zhaoyan", {"real": True}, 409, "emergency.not-a-warning"),
    ],
)
def test_a_refusal_has_a_code_and_words(
    server: Server, path: str, by: str, body: dict[str, Any], status: int, code: str
) -> None:
    server.ring(7)
    server.ring(8)
    answer = server.post(f"/runs/{server.get('/runs')[0]['id']}{path}", by, **body)
    assert (answer.status_code, answer.json()["type"]) == (status, code)
    facts = answer.json()
    if code in WORDS:
        assert WORDS[code].en.format(**facts)
        assert WORDS[code].zh.format(**facts)


def test_nothing_unknown_is_taken(server: Server) -> None:
    server.ring(7)
    at = f"/runs/{server.get('/runs')[0]['id']}"
    assert server.post(f"{at}/close", "zhaoyan", force=True).status_code == 422
    assert server.post(f"{at}/steps/linkage/explode", "zhaoyan").status_code == 422
