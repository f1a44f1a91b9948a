from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.history.embedded import EmbeddedHistory
from server import history_api
from tests import databases
from tests.fakes import FixedClock
from tests.fakes_history import MemoryHistory
from tests.fakes_server import SESSION, House, house
from watchkeeper.batch import Batch
from watchkeeper.excerpt import DAY_MS
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

BEARER = {"Authorization": f"Bearer {SESSION}"}
POWER, ENERGY, OTHER = "hvac-1/active_power", "hvac-1/import_energy", "hvac-2/active_power"
DAY = 20_600 * DAY_MS
HOUR = 3_600_000
HISTORY, LATEST = "/api/v1/history", "/api/v1/points/latest"


def filled(history: History) -> History:
    """Give three points a reading a minute for two days; the second reading of each is bad."""
    points = [PointId(POWER), PointId(ENERGY), PointId(OTHER)]
    at = np.arange(DAY, DAY + 2 * DAY_MS, 60_000, dtype=np.int64)
    bad = np.arange(len(at)) == 1
    for number, series in enumerate(history.series(points).tolist()):
        value = np.where(bad, np.nan, np.arange(len(at)) + 10_000.0 * number)
        quality = np.where(bad, Quality.NO_ANSWER, Quality.GOOD).astype(np.uint8)
        history.write(Batch(np.full(len(at), series, np.uint32), at, value, quality))
    return history


@pytest.fixture(scope="module", params=["memory", "embedded"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> History:
    if request.param == "memory":
        return filled(MemoryHistory())
    path = tmp_path_factory.mktemp("history") / "riverside.db"
    return filled(EmbeddedHistory(path, clock=FixedClock(), writable=True))


@pytest.fixture(scope="module")
def here(store: History, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with house(folder, store, databases.on_sqlite(folder)) as made:  # readings are in no table
        made.birth()
        yield made


@pytest.fixture(scope="module")
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BEARER) as client:
        yield client


def ask(client: TestClient, **asked: object) -> Any:
    """Return the answer about the first four minutes, or what is asked for instead."""
    wanted = {"start": DAY, "end": DAY + 240_000} | asked
    answer = client.get(HISTORY, params={k: str(v) for k, v in wanted.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.serves("H3")
def test_readings_of_one_point_are_columns(client: TestClient) -> None:
    assert ask(client, point=POWER) == {
        "point": POWER,
        "at": [DAY, DAY + 60_000, DAY + 120_000, DAY + 180_000],
        "value": [0.0, None, 2.0, 3.0],
        "quality": [0, 129, 0, 0],
    }


def test_summaries_of_one_point_are_columns(client: TestClient) -> None:
    assert ask(client, point=POWER, width=120_000) == {
        "start": [DAY, DAY + 120_000], "counts": [1, 2], "mean": [0.0, 2.5], "low": [0.0, 2.0],
        "high": [0.0, 3.0], "first": [0.0, 2.0], "last": [0.0, 3.0],
    }  # fmt: skip


def test_many_points_are_answered_at_once_in_the_order_asked(client: TestClient) -> None:
    found = ask(client, points=f"{OTHER},{POWER},{OTHER}", width=HOUR)
    assert (found["start"], found["end"], found["width"]) == (DAY, DAY + 240_000, HOUR)
    assert [each["point"] for each in found["points"]] == [OTHER, POWER]
    assert found["points"][0]["counts"] == [3]


def test_a_unit_stands_for_all_its_points(client: TestClient) -> None:
    found = ask(client, unit="hvac-1", width=HOUR)
    own = [each["point"] for each in found["points"]]
    assert {POWER, ENERGY} < set(own)
    assert all(name.startswith("hvac-1/") for name in own)
    latest = client.get(LATEST, params={"unit": "hvac-1", "points": OTHER}).json()
    assert [row["point"] for row in latest] == [OTHER, *own]


def test_the_answer_to_nothing_named_is_every_newest_value(here: House, client: TestClient) -> None:
    assert len(client.get(LATEST).json()) == len(here.server.parts.latest.names)


@pytest.mark.parametrize(
    ("wanted", "width", "rows"), [(500, 300_000, 288), (50, HOUR, 24), (5, DAY_MS, 1)]
)
def test_auto_chooses_a_width_and_says_which(
    client: TestClient, wanted: int, width: int, rows: int
) -> None:
    found = ask(client, point=POWER, end=DAY + DAY_MS, width="auto", wanted=wanted)
    assert (found["width"], len(found["mean"])) == (width, rows)


def test_auto_gives_readings_where_they_are_few(client: TestClient) -> None:
    found = ask(client, point=POWER, width="auto", wanted=500)
    assert (found["width"], len(found["at"])) == (0, 4)
    asked = ask(client, point=POWER, width="auto", wanted=500, aggregate="mean")
    assert (asked["width"], asked["mean"]) == (10_000, [0.0, 2.0, 3.0])


def test_only_the_columns_that_are_named_are_answered(client: TestClient) -> None:
    found = ask(client, point=POWER, end=DAY + HOUR, width=HOUR, aggregate="max,count,coverage")
    assert found == {
        "start": [DAY], "max": [59.0], "count": [59], "coverage": [pytest.approx(59 / 60)]
    }  # fmt: skip


@pytest.mark.parametrize("shape", ["lttb", "minmax"])
def test_a_shape_has_as_many_readings_as_wanted_the_ends_and_the_break(
    client: TestClient, shape: str
) -> None:
    found = ask(client, points=POWER, end=DAY + DAY_MS, shape=shape, wanted=100)
    (columns,) = found["points"]
    assert 50 < len(columns["at"]) <= 100
    assert (columns["at"][0], columns["at"][-1]) == (DAY, DAY + DAY_MS - 60_000)
    assert None in columns["value"]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-05-27T08:00:00+08:00", "2026-05-27T00:04:00Z"),
        ("2026-05-27T08:00:00 08:00", str(DAY + 240_000)),
    ],
)
def test_times_may_be_iso_with_an_offset(client: TestClient, start: str, end: str) -> None:
    assert ask(client, point=POWER, start=start, end=end)["at"][0] == DAY


@pytest.mark.parametrize(
    ("asked", "status", "code", "facts"),
    [
        ({"points": f"{POWER},x/y,z"}, 404, "unknown", {"id": "x/y, z"}),
        ({"unit": "hvac-1,nope"}, 404, "unknown", {"id": "nope"}),
        ({}, 422, "server.points-needed", {}),
        ({"start": "soon"}, 422, "server.time", {"field": "start", "given": "soon"}),
        ({"end": "2026-05-27"}, 422, "server.time", {"field": "end", "given": "2026-05-27"}),
        ({"point": POWER, "end": 0}, 422, "server.span", {"start": DAY, "end": 0, "width": 0}),
        ({"point": POWER, "start": 0}, 422, "server.too-long", {"most_days": 400}),
        ({"start": 0, "width": HOUR}, 422, "server.too-long", {"most_days": 7320}),
        ({"width": HOUR, "aggregate": "mean,mode"}, 422, "server.aggregate", {"unknown": ["mode"]}),
        ({"point": POWER, "aggregate": "mean"}, 422, "server.aggregate-width", {}),
        ({"width": HOUR, "shape": "lttb"}, 422, "server.shape-width", {}),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(
    here: House,
    client: TestClient,
    asked: dict[str, object],
    status: int,
    code: str,
    facts: dict[str, Any],
) -> None:
    named = {"point": POWER} if status == 422 and code != "server.points-needed" else {}
    wanted = {"start": DAY, "end": DAY + 240_000} | named | asked
    answer = client.get(HISTORY, params={k: str(v) for k, v in wanted.items()})
    said = answer.json()
    assert (answer.status_code, said["type"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert facts.items() <= said.items()
    told = {key: value for key, value in said.items() if key not in {"type", "status"}}
    texts = [here.server.parts.texts(code, language, **told) for language in ("zh", "en")]
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    "bad", [{"width": -1}, {"width": "wide"}, {"wanted": 1}, {"shape": "round"}, {"width": 10**18}]
)
def test_numbers_have_bounds(client: TestClient, bad: dict[str, object]) -> None:
    wanted = {"point": POWER, "start": DAY, "end": DAY + 1} | bad
    assert client.get(HISTORY, params={k: str(v) for k, v in wanted.items()}).status_code == 422


@pytest.mark.parametrize(
    ("limit", "asked", "said"),
    [
        ("MOST_ROWS", {"point": POWER}, {"most": 3, "found": 4}),
        ("MOST_ROWS", {"points": f"{POWER},{OTHER}", "width": 120_000}, {"most": 3, "found": 4}),
        ("MOST_SHAPED", {"point": POWER, "shape": "lttb"}, {"most": 3, "found": 4}),
    ],
)
def test_an_answer_has_a_limit_of_rows(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, limit: str, asked: dict[str, object],
    said: dict[str, int],
) -> None:  # fmt: skip
    monkeypatch.setattr(history_api, limit, 3)
    wanted = {"start": DAY, "end": DAY + 240_000} | asked
    answer = client.get(HISTORY, params={k: str(v) for k, v in wanted.items()})
    assert answer.json() == {"type": "server.too-much", "status": 422, **said}


def test_an_answer_has_a_limit_of_points(here: House, client: TestClient) -> None:
    names = ",".join(here.server.parts.latest.names)
    answer = client.get(HISTORY, params={"points": names, "start": DAY, "end": DAY + 1})
    assert answer.status_code == 422
    assert answer.json()["type"] == "server.too-many-points"
    assert answer.json()["most"] == history_api.MOST_POINTS


def test_while_the_store_is_away_one_is_told_when_to_ask_again(folder: Path) -> None:
    with house(folder) as made:
        client = TestClient(made.server.app, headers=BEARER)
        for path in (HISTORY, f"{HISTORY}/export"):
            answer = client.get(path, params={"points": POWER, "start": 0, "end": 1})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def test_nobody_reads_without_a_session(here: House) -> None:
    with TestClient(here.server.app) as nobody:
        for path in (LATEST, HISTORY, f"{HISTORY}/export"):
            assert nobody.get(path, params={"start": 0, "end": 1}).status_code == 401


ODD = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["auto", "lttb", "minmax", "mean,coverage", "2026-05-27T08:00Z", "nan", "1e9"]),
)
FIELDS = st.sampled_from(
    ["start", "end", "width", "wanted", "aggregate", "shape", "points", "unit", "format", "lang"]
)


@given(asked=st.dictionaries(FIELDS, ODD, max_size=4), way=st.sampled_from(["", "/export"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_question_makes_the_server_fail(
    client: TestClient, asked: dict[str, str], way: str
) -> None:
    wanted = {"point": POWER, "start": str(DAY), "end": str(DAY + 240_000)} | asked
    assert client.get(HISTORY + way, params=wanted).status_code in {200, 404, 422}
