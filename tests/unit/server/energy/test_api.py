"""The routes of energy: who may ask, and what comes back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from server import http
from server.energy import api
from tests.fakes import FixedClock
from tests.fakes_energy import Tracks, october
from tests.fakes_server import BROWSER, ORIGIN, House
from watchkeeper.ids import PersonId

ROLE = "manager"


def printed(report: Mapping[str, Any], language: str) -> bytes:
    return f"{language} {report['month']} {report['total_kwh']}".encode()


def client(role: str) -> TestClient:
    app = FastAPI()
    http.install(app)
    user = http.User(PersonId("zhaoyan"), "Zhao Yan", frozenset({role}), "zh")
    app.state.who = lambda _session: user
    clock = FixedClock()
    clock.pass_(200 * 86_400)
    routes = api.routes(october, clock, {"pdf": printed, "xlsx": printed})
    app.include_router(routes, prefix="/api/v1")
    return TestClient(app)


@pytest.mark.parametrize("role", ["manager", "operator", "admin"])
def test_the_month_as_json(role: str) -> None:
    answer = client(role).get("/api/v1/energy/month", params={"month": "2026-10"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["month"] == "2026-10"
    assert body["total_kwh"] == pytest.approx(sum(line["kwh"] for line in body["bands"]))
    assert body["bands"][0]["name"] == {"zh": "尖", "en": "Critical"}
    assert set(body) >= {
        "currency", "coverage", "energy_coverage", "previous_kwh", "cost", "days", "hours",
        "meters", "peak", "balance", "tariff", "month_open", "source_checksum",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "query", "begins"),
    [("pdf", "?lang=en", "en 2026-10"), ("pdf", "", "zh 2026-10"), ("xlsx", "", "zh 2026-10")],
)
@pytest.mark.serves("F5")
def test_the_report_as_a_file_with_a_name(kind: api.Kind, query: str, begins: str) -> None:
    answer = client(ROLE).get(f"/api/v1/reports/month/2026-10.{kind}{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == api.MEDIA[kind]
    assert f'filename="riverside-energy-2026-10.{kind}"' in answer.headers["content-disposition"]
    assert answer.text.startswith(begins)


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        ("/energy/month?month=2026-10", "technician", 403),
        ("/reports/month/2026-10.pdf", "technician", 403),
        ("/energy/month?month=2020-01", "manager", 422),
        ("/reports/month/2026-10.pdf?lang=fr", "manager", 422),
        ("/reports/month/2026-10.doc", "manager", 422),
    ],
)
def test_what_is_refused(path: str, role: str, status: int) -> None:
    assert client(role).get(f"/api/v1{path}").status_code == status


@pytest.mark.parametrize(
    ("history", "status", "code"),
    [(None, 503, "energy.no-history"), (Tracks(), 422, "energy.no-data")],
    ids=["no-history", "no-data"],
)
def test_the_whole_server_has_the_routes(
    folder: Path, history: Tracks | None, status: int, code: str
) -> None:
    house = House(folder, history)
    try:
        client = TestClient(house.server.app, base_url=ORIGIN, headers=BROWSER)
        answer = client.get("/api/v1/energy/month", params={"month": "2026-05"})
        assert (answer.status_code, answer.json()["type"]) == (status, code)
    finally:
        house.close()
