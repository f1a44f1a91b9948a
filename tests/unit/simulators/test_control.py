from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from simulators.fault_proxy import Proxies
from simulators.scenarios.control import Control
from simulators.scenarios.script import Player
from simulators.scenarios.stage import Stage

CATALOG = Path(__file__).resolve().parents[3] / "catalog"


@pytest.fixture
async def client(stage: Stage, noon: int) -> AsyncIterator[httpx.AsyncClient]:
    seconds = count(noon, 1000)  # every request comes a second later
    proxies = Proxies()
    server = await Control(
        Player(stage, CATALOG / "scenarios"), proxies, lambda: next(seconds)
    ).serve(0)
    port = server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as made:
        yield made
    await proxies.close()
    server.close()


@pytest.mark.serves("A10")
async def test_a_scenario_is_played_listed_logged_and_repaired(
    client: httpx.AsyncClient, noon: int
) -> None:
    begun = await client.post("/scenario", json={"name": "detector", "detectors": [12]})
    assert begun.json() == {
        "name": "detector",
        "unit": "fire-panel",
        "detectors": [12],
        "at": noon,
    }
    assert (await client.get("/active")).json() == [begun.json()]
    log = (await client.get("/log", params={"since": noon})).json()
    assert {"point": "fire-panel/detector-12", "at": noon, "value": 2.0} in log
    assert (await client.post("/fix", json={"unit": "fire-panel"})).json() == [begun.json()]
    assert (await client.get("/active")).json() == []


async def test_a_whole_scenario_is_begun_by_its_name(client: httpx.AsyncClient) -> None:
    begun = await client.post("/scenario", json={"play": "entrapment"})
    assert begun.json() == {"name": {"zh": "电梯困人", "en": "Entrapment"}, "lasts_s": 425.0}
    assert (await client.get("/active")).json() == []  # it begins after 5 s


async def test_the_true_energy_is_told(client: httpx.AsyncClient, stage: Stage, noon: int) -> None:
    span: dict[str, str | int] = {"unit": "main-2", "start": noon, "end": noon + 3_600_000}
    told = (await client.get("/truth/energy", params=span)).json()
    assert told["kwh"] == stage.building.energy_kwh("main-2", noon, noon + 3_600_000)
    assert 50 < told["kwh"] < 630


@pytest.mark.serves("A10")
async def test_a_line_is_made_bad_and_good_again(client: httpx.AsyncClient) -> None:
    bad = {"name": "x", "to": "127.0.0.1:9", "delay_s": 0.5, "reset": 0.05, "half_open": True}
    told = (await client.post("/proxy", json=bad)).json()
    assert told == {
        "name": "x", "port": told["port"], "mode": "forward",
        "delay_s": 0.5, "reset": 0.05, "half_open": True,
    }  # fmt: skip
    again = (await client.post("/proxy", json={"name": "x", "mode": "stall"})).json()
    assert again == {"name": "x", "port": told["port"], "mode": "stall"}


async def test_a_fault_no_line_can_have_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/proxy", json={"name": "x", "to": "127.0.0.1:9", "loss": 1.5})
    assert answer.json()["error"] == "ValidationError: loss is 1.5, not within 0 to 1"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "/scenario", {"name": "earthquake"}, 422, id="unknown scenario"),
        pytest.param("POST", "/scenario", {"nam": "fire"}, 422, id="unknown field"),
        pytest.param("POST", "/scenario", {"play": "earthquake"}, 422, id="no such play"),
        pytest.param("POST", "/scenario", {"play": "fire", "unit": "x"}, 422, id="play of a unit"),
        pytest.param("POST", "/scenario", {"play": "clock-jump"}, 422, id="not at this site"),
        pytest.param("POST", "/proxy", {"name": "x", "to": "nowhere"}, 422, id="no address"),
        pytest.param("POST", "/proxy", {"name": "x", "loss": 1.5}, 422, id="more than all"),
        pytest.param("POST", "/proxy", {"name": "x", "dely_s": 1}, 422, id="unknown fault"),
        pytest.param("POST", "/proxy", {"name": "x", "mode": "melt"}, 422, id="unknown mode"),
        pytest.param("GET", "/truth/energy?unit=hall&start=0&end=1", None, 422, id="no meter"),
        pytest.param("GET", "/truth/energy", None, 422, id="no unit"),
        pytest.param("GET", "/elsewhere", None, 404, id="no such path"),
    ],
)
async def test_a_wrong_request_is_told_why(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    answer = await client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
