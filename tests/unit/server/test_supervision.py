"""Unplugged things are UNKNOWN, and critical, within 30 s; at the boundary, by a fake clock."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.supervision import Supervised, judged, since, whole
from tests.fakes_server import SESSION, House, house
from watchkeeper.site import About

PANEL, LIFT = "fire-panel/panel_state", "lift-1/mode"


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.birth()
        yield made


def lives(here: House, seconds: int, silent: dict[str, int]) -> None:
    """Let seconds go by; the edge speaks every ten, units answer but those that are silent.

    `silent`: unit -> seconds for which it has been; counted on.
    """
    for second in range(1, seconds + 1):
        here.pass_(1)
        for unit in silent:
            silent[unit] += 1
        if second % 10 == 0:
            here.state("online", ages={unit: silent.get(unit, 0.2) for unit in units(here)})
            here.pass_(0)


def units(here: House) -> list[str]:
    return [unit.id for unit in here.server.parts.plant.units()]


def begun(here: House) -> None:
    here.state("online", ages=dict.fromkeys(units(here), 0.2))
    here.snapshot({PANEL: 0.0, "fire-panel/detector-01": 0.0})
    here.data(LIFT, (0, 7.0))


def shown(here: House) -> dict[str, Any]:
    client = TestClient(here.server.app, headers={"Authorization": f"Bearer {SESSION}"})
    found: dict[str, Any] = client.get("/api/v1/supervision").json()
    return found | {"units": {each["id"]: each for each in found["units"]}}


@pytest.mark.serves("C6")
@pytest.mark.parametrize(
    ("unit", "rule", "point"),
    [("fire-panel", "panel-silent", PANEL), ("lift-1", "lift-silent", LIFT)],
)
def test_what_is_unplugged_is_unknown_and_critical_within_30_s(
    here: House, unit: str, rule: str, point: str
) -> None:
    begun(here)
    lives(here, 20, {})
    assert here.value(point) is not None
    assert shown(here)["units"][unit]["state"] == "ok"
    lives(here, 30, {unit: 0})
    assert here.value(point) is None
    assert here.alarm(rule)["priority"] == 1
    found = shown(here)["units"][unit]
    assert (found["state"], found["rule"], found["allowed_s"]) == ("lost", rule, 15.0)
    assert found["since"] == found["heard"] + 15_000
    assert [each["rule"] for each in here.alarms()] == [rule]


def test_a_short_silence_is_none(here: House) -> None:
    begun(here)
    lives(here, 10, {"fire-panel": -6})  # 4 s, when the edge speaks
    lives(here, 20, {})
    assert here.value(PANEL) == 0
    assert here.alarms() == []


@pytest.mark.serves("C6")
def test_a_lost_edge_is_one_alarm_and_all_of_fire_and_lifts_unknown(here: House) -> None:
    begun(here)
    lives(here, 10, {})
    for _ in range(30):
        here.pass_(1)
    assert here.alarms() == []
    assert shown(here)["edges"][0]["state"] == "ok"
    assert here.value(PANEL) is None  # nobody vouches for it, and nobody says lost yet
    here.pass_(1)
    assert [each["rule"] for each in here.alarms()] == ["edge-lost"]
    found = shown(here)
    assert {each["state"] for each in found["units"].values()} == {"unknown"}
    (edge,) = found["edges"]
    assert (edge["state"], found["site"]["state"]) == ("lost", "lost")
    assert found["site"]["allowed_s"] == 30.0 <= found["limit_s"] == 100.0
    for point in ("fire-panel/detector-01", LIFT):
        assert here.value(point) is None
    here.state("online", connection=2, ages=dict.fromkeys(units(here), 0.2))
    assert shown(here)["site"]["state"] == "ok"


def test_a_unit_never_heard_of_is_unknown(here: House) -> None:
    here.state("online")
    assert shown(here)["units"]["fire-panel"]["state"] == "unknown"


def test_silence_is_judged_at_its_boundary() -> None:
    assert judged(0, 15.0, 15_000, blind=False) == "ok"
    assert judged(0, 15.0, 15_001, blind=False) == "lost"
    assert judged(0, 15.0, 1, blind=True) == "unknown"
    assert judged(None, 15.0, 1, blind=False) == "unknown"
    assert since("lost", 100, 15.0) == 15_100
    assert since("unknown", 100, 15.0) == 100
    assert since("ok", 100, 15.0) is None


def test_a_site_is_as_good_as_its_worst_edge() -> None:
    good = Supervised("edge", "a", "a", "edge-lost", 30.0, 5, "ok", None)
    lost = Supervised("edge", "b", "b", "edge-lost", 30.0, 1, "lost", 31)
    assert whole("s", [good, lost], 30.0).since == 31
    assert whole("s", [good], 30.0).state == "ok"
    assert whole("s", [], 30.0).state == "unknown"


def test_a_site_that_says_nothing_supervises_in_30_s() -> None:
    assert About.__struct_defaults__[-1] == 30.0
