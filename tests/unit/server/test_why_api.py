"""Figures of alarms and "why did it not ring?" of a real server on the demonstration's site."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.fakes_server import BROWSER, House, house

DETECTOR = "fire-panel/detector-05"
POWER = "hvac-1/active_power"
RATED_W = 420_000  # feeder-overload waits 5 s


@pytest.fixture
def there(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.populate()
        made.birth()
        made.state("online", ages={"hvac-1": 0.1})
        yield made


@pytest.fixture
def client(there: House) -> Iterator[TestClient]:
    with TestClient(there.server.app, headers=BROWSER) as made:
        yield made


def why(client: TestClient, point: str = POWER) -> dict[str, Any]:
    answer = client.get(f"/api/v1/points/{point}/why")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rated(there: House) -> float:
    """Return the feeder's rating, W."""
    unit = next(u for u in there.server.parts.plant.units() if u.id == "hvac-1")
    return unit.rated_kw * 1000


@pytest.mark.serves("C1")
def test_a_quiet_feeder_says_that_no_rule_is_true(there: House, client: TestClient) -> None:
    there.data(POWER, (0, rated(there) / 2))
    found = why(client)
    assert found["reasons"][0]["code"] == "none-true"
    assert "is not above" in found["reasons"][0]["text"]["en"]
    assert found["age_s"] == 0
    assert found["band"]["high"] == rated(there)
    assert found["edge"]["state"] == "online"
    (rule,) = [each for each in found["rules"] if each["key"] == "feeder-overload"]
    assert (rule["truth"], rule["phase"], rule["alarm"]) == (False, "normal", None)


def test_a_running_delay_says_how_long_it_still_runs(there: House, client: TestClient) -> None:
    there.data(POWER, (0, rated(there) * 1.2))
    there.clock.pass_(3)
    found = why(client)
    assert found["reasons"][0]["code"] == "pending"
    assert found["reasons"][0]["text"]["en"].endswith("true for 3 s of 5 s.")
    (rule,) = [each for each in found["rules"] if each["key"] == "feeder-overload"]
    assert [timer["kind"] for timer in rule["timers"]] == ["rule"]


def test_an_alarm_says_who_was_told_and_who_saw_it(there: House, client: TestClient) -> None:
    there.data(POWER, (0, rated(there) * 1.2))
    there.pass_(6)
    found = why(client)
    assert [each["code"] for each in found["reasons"]][:2] == ["rings", "told"]
    (rule,) = [each for each in found["rules"] if each["key"] == "feeder-overload"]
    assert all(set(each) == {"person", "name", "at", "channels"} for each in rule["messages"])
    assert rule["messages"][0]["channels"][0]["channel"] == "inbox"
    assert not rule["title"]["en"].endswith("…")
    client.post(f"/api/v1/alarms/{rule['alarm']['id']}/acknowledge")
    assert "Chen Lei has acknowledged it" in why(client)["reasons"][0]["text"]["en"]


def test_a_lost_edge_is_the_answer(there: House, client: TestClient) -> None:
    there.data(POWER, (0, rated(there) / 2))
    there.state("lost")
    there.server.sweep.look()
    found = why(client)
    assert found["reasons"][0]["code"] == "edge-lost"
    assert found["value"] is None
    assert found["edge"]["state"] == "lost"


def test_a_point_no_rule_watches_says_so(client: TestClient) -> None:
    assert why(client, "lift-1/speed")["reasons"][0]["code"] in {"no-rule", "unknown-never"}


def test_a_detector_in_fire_rings_by_its_word(there: House, client: TestClient) -> None:
    there.event(DETECTOR, 1)
    found = why(client, DETECTOR)
    assert found["value_text"]["en"] == "fire" or found["value_text"]["en"].lower() == "fire"
    assert found["reasons"][0]["code"] == "rings"


def test_a_point_the_site_has_not_is_unknown(client: TestClient) -> None:
    assert client.get("/api/v1/points/nobody/knows/why").status_code == 404


def kpis(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/alarms/kpis", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.serves("C1")
def test_figures_name_the_bad_actors_and_keep_to_a_guide(there: House, client: TestClient) -> None:
    for number in range(5, 17):
        there.event(f"fire-panel/detector-{number:02d}", 1)
    there.clock.pass_(30)
    alarm = there.alarm("detector-fire", DETECTOR)
    client.post(f"/api/v1/alarms/{alarm['id']}/acknowledge")
    found = kpis(client, positions=1)
    assert found["raises"] >= 12
    assert len(found["floods"]) == 1
    assert len(found["sources"]) == 10
    assert found["sources"][0]["title"]["zh"]
    assert found["waits"][0]["p50_s"] == 30
    marks = {each["key"]: (each["met"], each["mark"]) for each in found["guide"]}
    assert marks["peak-minute"] == (False, "seen")
    assert marks["flood-share"][1] == "memory"
    assert {"shelved", "suppressed"} <= found.keys()


def test_more_desks_share_the_alarms(there: House, client: TestClient) -> None:
    there.event(DETECTOR, 1)
    one, two = (kpis(client, positions=n)["rates"]["day"]["mean"] for n in (1, 2))
    assert one == 2 * two > 0


@pytest.mark.parametrize(
    "asked",
    [{"from": "x"}, {"from": "2026-02-01T00:00Z", "to": "2026-01-01T00:00Z"}, {"positions": 0}],
)
def test_a_period_that_makes_no_sense_is_refused(
    client: TestClient, asked: dict[str, str | int]
) -> None:
    assert client.get("/api/v1/alarms/kpis", params=asked).status_code == 422
