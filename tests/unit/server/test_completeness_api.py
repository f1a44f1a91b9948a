"""How complete days are, through the API: figures, causes, memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from adapters.history.embedded import EmbeddedHistory
from server import completeness_api
from tests.fakes import FixedClock
from tests.fakes_history import MemoryHistory
from tests.fakes_server import EDGE, SESSION, SITE, House, house
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.completeness import late_point
from watchkeeper.history import History, Quarantined, Thinning
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.quality import Quality
from watchkeeper.spans import QUARTER_MS

BEARER = {"Authorization": f"Bearer {SESSION}"}
URL = "/api/v1/completeness"
POWER, ENERGY = "hvac-1/active_power", "hvac-1/import_energy"
MIN, HOUR = 60_000, 3_600_000
# The clock of the house: 2026-06-01 20:00 in Shanghai. The day before is whole.
DAY = unix_ms(datetime(2026, 5, 30, 16, tzinfo=UTC))
WHOLE = 24 * HOUR
NOON = DAY + 12 * HOUR


def write(history: History, point: str, start: int, end: int, quality: int = 0) -> None:
    """Write a reading a minute in start <= t < end."""
    at = np.arange(start, end, MIN, dtype=np.int64)
    (series,) = history.series([PointId(point)])
    value = np.full(len(at), np.nan if quality >= Quality.BAD else 1.0)
    marks = np.full(len(at), quality, np.uint8)
    history.write(Batch(np.full(len(at), series, np.uint32), at, value, marks))


@pytest.fixture
def history() -> History:
    return MemoryHistory()


@pytest.fixture
def here(history: History, folder: Path) -> Iterator[House]:
    with house(folder, history) as made:
        made.birth()
        yield made


@pytest.fixture
def client(here: House) -> Iterator[TestClient]:
    with TestClient(here.server.app, headers=BEARER) as client:
        yield client


def ask(client: TestClient, **asked: object) -> Any:
    wanted = {"from": "2026-05-31", "to": "2026-05-31", "points": POWER} | asked
    answer = client.get(URL, params={k: str(v) for k, v in wanted.items() if v != ""})
    assert answer.status_code == 200, answer.text
    return answer.json()


def day(client: TestClient, number: int = 0, **asked: object) -> Any:
    """Return a day of the first point."""
    return ask(client, **asked)["points"][0]["days"][number]


@pytest.mark.serves("B4")
def test_a_whole_day_of_the_site_is_complete(client: TestClient, history: History) -> None:
    write(history, POWER, DAY, DAY + WHOLE)
    found = ask(client)
    assert (found["days"], found["edges"]) == (["2026-05-31"], [DAY, DAY + WHOLE])
    assert found["points"][0]["days"] == [
        {
            "share": 1.0, "expected": 1440, "received": 1440, "put_aside": 0,
            "length_ms": WHOLE, "good_ms": WHOLE, "doubtful_ms": 0, "bad_ms": 0, "missing_ms": 0,
            "late_ms": 0, "behind_ms": 0, "causes": {}, "holes": [], "holes_left_out": 0,
        }
    ]  # fmt: skip
    assert (found["complete"], found["done"], found["quarantine_whole"]) == (True, 1.0, True)


def test_a_dead_unit_is_the_cause(client: TestClient, history: History) -> None:
    write(history, POWER, DAY, NOON)
    write(history, POWER, NOON, NOON + HOUR, Quality.NO_ANSWER)
    write(history, POWER, NOON + HOUR, DAY + WHOLE)
    found = day(client)
    assert found["causes"] == {"no-answer": HOUR}
    assert found["holes"] == [{"start": NOON, "end": NOON + HOUR, "cause": "no-answer"}]
    assert found["share"] == 0.9583  # 23/24, rounded down


@pytest.mark.serves("B4")
def test_what_an_edge_gave_up_and_what_was_put_aside_explain_holes(
    client: TestClient, history: History, here: House
) -> None:
    write(history, POWER, DAY, NOON)
    write(history, POWER, NOON + 3 * HOUR, DAY + WHOLE)
    gap = wire.Gap("J", 7, here.hash, "back", (NOON, NOON + HOUR, 60))
    at = [NOON + HOUR + n * MIN for n in range(60)]
    alias = here.alias[POWER]
    aside = wire.Aside("J", 8, here.hash, [[alias, each, "much", 0] for each in at])
    history.quarantine(
        [
            Quarantined(here.ms(), f"{SITE}/{EDGE}", "gap", wire.encode(gap), 60),
            Quarantined(here.ms(), f"{SITE}/{EDGE}", "type", wire.encode(aside), 60),
        ]
    )
    found = day(client)
    # the last good reading stands for 2 min of the gap, the last odd one for 2 min of what follows
    assert found["causes"] == {
        "given-up": 58 * MIN, "put-aside": 62 * MIN, "unexplained": 58 * MIN
    }  # fmt: skip
    assert found["put_aside"] == 60
    assert [hole["cause"] for hole in found["holes"]] == ["given-up", "put-aside", "unexplained"]


def test_a_lost_edge_is_the_cause_while_it_is_lost(
    client: TestClient, history: History, here: House
) -> None:
    here.state("online")
    start = here.ms()
    write(history, POWER, start - WHOLE - 20 * HOUR, start)
    here.state("lost")
    here.pass_(2 * 3600)
    here.state("online", boot="b2")
    here.pass_(10)
    write(history, POWER, start + 2 * HOUR, here.ms() + 1)
    found = day(client, **{"from": "2026-06-01", "to": "2026-06-01"})
    assert found["causes"] == {"edge-lost": 2 * HOUR - 2 * MIN}
    assert found["missing_ms"] == 2 * HOUR - 2 * MIN


def test_an_edge_that_is_lost_twice_is_the_cause_of_two_holes(
    client: TestClient, history: History, here: House
) -> None:
    here.state("online")
    start = here.ms()
    write(history, POWER, start - HOUR, start)
    for number in range(2):  # the second time the alarm is still open
        here.state("lost", boot=f"b{number}" if number else "b1")
        here.pass_(1800)
        here.state("online", boot=f"b{number + 1}")
        write(history, POWER, here.ms(), here.ms() + 10 * MIN)
        here.pass_(600)
    found = day(client, **{"from": "2026-06-01", "to": "2026-06-01"})
    assert [hole["cause"] for hole in found["holes"]] == ["edge-lost", "edge-lost"]
    assert found["causes"] == {"edge-lost": 2 * 28 * MIN}


def test_while_the_broker_is_lost_nobody_blames_an_edge(
    client: TestClient, history: History, here: House
) -> None:
    here.state("online")
    start = here.ms()
    write(history, POWER, start - HOUR, start)
    here.bus.lose()
    for _ in range(60):
        here.pass_(60)
    found = day(client, **{"from": "2026-06-01", "to": "2026-06-01"})
    assert found["causes"] == {"broker-lost": 58 * MIN}


def test_what_came_late_is_counted_and_computes_the_day_anew(
    client: TestClient, history: History
) -> None:
    write(history, POWER, DAY, NOON)
    write(history, POWER, NOON + HOUR, DAY + WHOLE)
    assert day(client)["missing_ms"] == 58 * MIN
    write(history, POWER, NOON, NOON + HOUR)
    assert day(client)["missing_ms"] == 58 * MIN  # remembered: nothing says that more has come
    write(history, late_point(EdgeId(EDGE)), NOON, NOON + HOUR)
    found = day(client)
    assert (found["missing_ms"], found["late_ms"]) == (0, HOUR)


def test_before_the_first_reading_of_all_nothing_is_expected(
    client: TestClient, history: History
) -> None:
    write(history, POWER, NOON, DAY + WHOLE)
    first, second = ask(client, **{"from": "2026-05-30"})["points"][0]["days"]
    assert (first["share"], first["expected"], first["missing_ms"]) == (None, 0, 0)
    assert (second["share"], second["expected"], second["length_ms"]) == (1.0, 720, 12 * HOUR)


def test_a_point_that_never_reported_is_missing(client: TestClient) -> None:
    found = day(client)
    assert (found["share"], found["causes"]) == (0.0, {"never": WHOLE})


def test_of_today_what_is_over_counts(client: TestClient, history: History, here: House) -> None:
    write(history, POWER, DAY, here.ms())
    found = ask(client, **{"from": "2026-06-01", "to": "2026-07-01"})
    assert found["days"] == ["2026-06-01"]
    assert found["points"][0]["days"][0]["expected"] == 20 * 60
    assert found["points"][0]["days"][0]["share"] == 1.0


def test_a_load_profile_is_whole_over_midnight(client: TestClient, history: History) -> None:
    at = np.arange(DAY, DAY + WHOLE + 1, QUARTER_MS, dtype=np.int64)
    (series,) = history.series([PointId(POWER)])
    same = np.full(len(at), series, np.uint32)
    history.write(Batch(same, at, np.ones(len(at)), np.zeros(len(at), np.uint8)))
    found = day(client)
    assert (found["share"], found["received"], found["expected"]) == (1.0, 96, 1440)


def test_units_and_the_site_add_their_points_up(client: TestClient, history: History) -> None:
    write(history, POWER, DAY, DAY + WHOLE)
    write(history, ENERGY, DAY, DAY + 12 * HOUR + 1)
    found = ask(client, points="", unit="hvac-1", listed="true")
    (unit,) = found["units"]
    of_unit = unit["days"][0]
    assert of_unit["points"] == len(found["points"])
    assert of_unit["good_ms"] == WHOLE + 12 * HOUR + 3 * MIN
    rest = len(found["points"]) - 2
    assert of_unit["causes"]["never"] == rest * WHOLE
    assert found["site"] == unit["days"]


@pytest.mark.serves("B5")
def test_a_thinned_day_of_the_embedded_store_is_as_complete_as_before(folder: Path) -> None:
    path, found = folder / "riverside.db", []
    for thinned in (False, True):
        store = EmbeddedHistory(path, clock=FixedClock(), writable=True)
        if thinned:
            series = store.series([PointId(POWER)])
            store.settle()
            store.thin(Thinning(series, series[:0], DAY + WHOLE, QUARTER_MS))
            store.settle()
            assert len(store.raw(PointId(POWER), DAY, DAY + WHOLE).at) < 200
        else:
            write(store, POWER, DAY, NOON)
            write(store, POWER, NOON + HOUR, DAY + WHOLE)
        # the house closes the store
        with house(folder, store) as made, TestClient(made.server.app, headers=BEARER) as client:
            found.append(day(client))
    assert found[0]["missing_ms"] == 58 * MIN
    assert found[0] == found[1]


def test_without_points_only_units_are_listed(client: TestClient) -> None:
    found = ask(client, points="")
    assert "points" not in found
    assert {unit["unit"] for unit in found["units"]} >= {"hvac-1", "lift-1", "fire-panel"}


def test_what_takes_too_long_is_asked_for_again(
    client: TestClient, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completeness_api, "BUDGET_S", 0.0)
    write(history, POWER, DAY, DAY + WHOLE)
    write(history, ENERGY, DAY, DAY + WHOLE)
    found = ask(client, points=f"{POWER},{ENERGY}")
    assert (found["complete"], found["done"], found["site"]) == (False, 0.5, [None])
    found = ask(client, points=f"{POWER},{ENERGY}")
    assert found["complete"]
    assert found["site"][0]["share"] == 1.0


@pytest.mark.parametrize(
    ("asked", "status", "type_"),
    [
        ({"from": "2026-06-02"}, 422, "server.days"),
        ({"from": "2026-01-01"}, 422, "server.days"),
        ({"from": "0001-01-01", "to": "0001-01-05"}, 422, "server.days"),
        ({"from": "2026-05-01", "points": "", "listed": "true"}, 422, "server.too-many-days"),
        ({"points": "nobody/knows"}, 404, None),
        ({"from": "soon"}, 422, None),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: TestClient, asked: dict[str, str], status: int, type_: str | None
) -> None:
    wanted = {"from": "2026-05-31", "to": "2026-05-31", "points": POWER} | asked
    answer = client.get(URL, params=wanted)
    assert answer.status_code == status, answer.text
    if type_ is not None:
        assert answer.json()["type"] == type_


def test_without_a_store_nobody_knows(folder: Path) -> None:
    with house(folder) as here, TestClient(here.server.app, headers=BEARER) as client:
        answer = client.get(URL, params={"from": "2026-05-31", "to": "2026-05-31"})
    assert (answer.status_code, answer.json()["type"]) == (503, "server.no-history")


def test_the_clock_of_the_house_is_what_the_cases_count_with(here: House) -> None:
    assert here.clock.now() + timedelta(hours=8) == datetime(2026, 6, 1, 20, tzinfo=UTC)
