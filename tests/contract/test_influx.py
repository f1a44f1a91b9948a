"""What only the InfluxDB store has to show: refused lines, an absent server, and other servers."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import urllib3

from adapters.history.influx import InfluxHistory
from tests import parts
from tests.fakes import FixedClock
from watchkeeper.batch import Batch
from watchkeeper.errors import Unreachable
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

NOON = 1_780_315_200_000
A, B = PointId("main-1/active_power"), PointId("main-2/active_power")
names = count()


@pytest.fixture(scope="module")
def influx_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with parts.influxd(tmp_path_factory.mktemp("influxd")) as url:
        yield url


@pytest.fixture(scope="module")
def victoria_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with parts.victoria_metrics(tmp_path_factory.mktemp("victoria")) as url:
        yield url


def old(url: str, site: str = "riverside", database: str = "") -> InfluxHistory:
    settings = HistorySettings(
        store="influx", url=url, database=database or f"own-{next(names)}", write_path="v1"
    )
    return InfluxHistory(settings, site, clock=FixedClock())


def readings(history: InfluxHistory, point: PointId, count: int, value: float = 1.0) -> Batch:
    number = int(history.series([point])[0])
    return Batch(
        np.full(count, number, np.uint32),
        NOON + np.arange(count),
        np.full(count, value),
        np.zeros(count, np.uint8),
    )


@pytest.mark.part("influxd")
@pytest.mark.serves("B4")
def test_a_line_the_database_refuses_is_put_aside_and_the_rest_is_stored(influx_url: str) -> None:
    history = old(influx_url, database="conflict")
    history.write(readings(history, A, 1))
    wrong = history.series([PointId("x" * 70_000)])[0]  # longer than a key of InfluxDB may be
    mixed = Batch.joined(
        [
            readings(history, A, 300),
            Batch(
                np.array([wrong], np.uint32), np.array([NOON]), np.ones(1), np.zeros(1, np.uint8)
            ),
            readings(history, B, 300),
        ]
    )
    history.write(mixed)
    assert len(history.raw(A, 0, 2 * NOON).at) == 300
    assert len(history.raw(B, 0, 2 * NOON).at) == 300
    (aside,) = history.quarantined()
    assert aside.reason.startswith("store: ")
    assert aside.payload.startswith(b"reading,site=riverside,point=xxx")
    history.close()


@pytest.mark.part("influxd")
def test_two_sites_share_a_database_without_mixing(influx_url: str) -> None:
    one, other = old(influx_url, "one", "shared"), old(influx_url, "other", "shared")
    one.write(readings(one, A, 3, 1.0))
    other.write(readings(other, A, 2, 2.0))
    assert one.raw(A, 0, 2 * NOON).value.tolist() == [1.0] * 3
    assert other.raw(A, 0, 2 * NOON).value.tolist() == [2.0] * 2
    assert one.latest([A])[A].value == 1.0
    one.close()
    other.close()


@pytest.mark.part("influxd")
def test_more_than_one_call_of_lines_arrives_whole(influx_url: str) -> None:
    history = old(influx_url)
    history.write(readings(history, A, 12_345))
    found = history.buckets(A, NOON, NOON + 60_000, 60_000)
    assert found.counts.tolist() == [12_345]
    history.close()


@pytest.mark.serves("B3")
def test_a_server_that_does_not_answer_is_unreachable() -> None:
    history = old(f"http://127.0.0.1:{parts.free_port()}")
    with pytest.raises(Unreachable):
        history.write(readings(history, A, 1))
    with pytest.raises(Unreachable):
        history.latest([A])
    history.close()


@pytest.mark.part("influxd")
def test_a_server_without_the_new_write_path_is_unreachable_not_silent(influx_url: str) -> None:
    settings = HistorySettings(store="influx", url=influx_url, database="none", write_path="v2")
    history = InfluxHistory(settings, "riverside", clock=FixedClock())
    with pytest.raises(Unreachable) as error:
        history.write(readings(history, A, 1))
    assert "404" in str(error.value.facts["what"])
    history.close()


@pytest.mark.part("influxd")
def test_a_server_that_went_away_is_unreachable(tmp_path: Path) -> None:
    with parts.influxd(tmp_path) as url:
        history = old(url)
        history.write(readings(history, A, 1))
    with pytest.raises(Unreachable):
        history.write(readings(history, A, 2))


@pytest.mark.part("victoria-metrics")
def test_the_new_write_path_reaches_another_database(victoria_url: str) -> None:
    settings = HistorySettings(store="influx", url=victoria_url, database="watchkeeper")
    history = InfluxHistory(settings, "riverside", clock=FixedClock())
    history.write(readings(history, A, 7_000, 2.5))
    urllib3.request("GET", f"{victoria_url}/internal/force_flush")
    answer = urllib3.request(
        "GET", f"{victoria_url}/api/v1/export", fields={"match[]": "reading_v", "start": "0"}
    )
    rows = [json.loads(line) for line in answer.data.splitlines()]
    assert {row["metric"]["point"] for row in rows} == {A}
    assert sum(len(row["values"]) for row in rows) == 7_000
    assert rows[0]["values"][0] == 2.5
    history.close()
