"""What only the InfluxDB store has to show: refused lines, an absent server, and other servers."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import urllib3

from adapters.history.influx import InfluxHistory
from adapters.system_clock import SystemClock
from tests import parts, parts_influx
from tests.fakes import FixedClock
from tests.parts_influx import Influx
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.history import Quarantined
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

NOON = 1_780_315_200_000
BAD = np.array([130], np.uint8)
A, B = PointId("main-1/active_power"), PointId("main-2/active_power")


@pytest.fixture(scope="module")
def influx(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Influx]:
    with parts_influx.influx(
        tmp_path_factory.mktemp("influxd"), pytestconfig.getoption("influxd")
    ) as running:
        yield running


@pytest.fixture(scope="module")
def victoria_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with parts.victoria_metrics(tmp_path_factory.mktemp("victoria")) as url:
        yield url


def opened(settings: HistorySettings, site: str = "riverside") -> InfluxHistory:
    return InfluxHistory(settings, site, clock=FixedClock())


def write(influx: Influx, settings: HistorySettings, line: bytes) -> None:
    """Write a line that is none of ours."""
    query = f"db={settings.database}&precision=ms".replace(" ", "%20")
    headers = {"Authorization": f"Token {influx.token}"} if influx.token else {}
    answer = urllib3.request("POST", f"{influx.url}/write?{query}", body=line, headers=headers)
    assert answer.status == 204, answer.data


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
def test_a_line_the_database_refuses_is_put_aside_and_the_rest_is_stored(influx: Influx) -> None:
    history = opened(influx.settings())
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
def test_two_sites_share_a_database_without_mixing(influx: Influx) -> None:
    shared = influx.settings()
    one, other = opened(shared, "one"), opened(shared, "other")
    one.write(readings(one, A, 3, 1.0))
    other.write(readings(other, A, 2, 2.0))
    assert one.raw(A, 0, 2 * NOON).value.tolist() == [1.0] * 3
    assert other.raw(A, 0, 2 * NOON).value.tolist() == [2.0] * 2
    assert one.latest([A])[A].value == 1.0
    one.close()
    other.close()


@pytest.mark.part("influxd")
def test_more_than_one_call_of_lines_arrives_whole(influx: Influx) -> None:
    history = opened(influx.settings())
    history.write(readings(history, A, 12_345))
    found = history.buckets(A, NOON, NOON + 60_000, 60_000)
    assert found.counts.tolist() == [12_345]
    history.close()


@pytest.mark.serves("B3")
def test_a_server_that_does_not_answer_is_unreachable() -> None:
    away = f"http://127.0.0.1:{parts.free_port()}"
    history = opened(HistorySettings(store="influx", url=away))
    with pytest.raises(Unreachable):
        history.write(readings(history, A, 1))
    with pytest.raises(Unreachable):
        history.latest([A])
    history.close()


@pytest.mark.part("influxd")
@pytest.mark.serves("B3")
def test_a_server_without_the_new_write_path_is_unreachable_not_silent(tmp_path: Path) -> None:
    with parts.influxd(tmp_path) as url:
        settings = HistorySettings(store="influx", url=url, database="none", write_path="v2")
        history = opened(settings)
        with pytest.raises(Unreachable) as error:
            history.write(readings(history, A, 1))
        history.close()
    assert "404 no such database or path, check" in str(error.value.facts["what"])
    with pytest.raises(Unreachable):
        history.write(readings(history, A, 2))


@pytest.mark.part("influxd")
def test_a_database_that_was_dropped_is_made_again(tmp_path: Path) -> None:
    with parts.influxd(tmp_path) as url:
        history = opened(HistorySettings(store="influx", url=url, write_path="v1"))
        assert history.points() == []
        history.write(readings(history, A, 1))
        parts_influx.tell(url, 'DROP DATABASE "watchkeeper"')
        history.write(readings(history, A, 2))
        assert len(history.raw(A, 0, 2 * NOON).at) == 2
        history.close()


@pytest.mark.part("influxd")
@pytest.mark.serves("B3")
def test_answers_that_the_server_cuts_are_asked_for_to_the_end(tmp_path: Path) -> None:
    with parts_influx.one(tmp_path, "max-row-limit = 100") as url:
        history = opened(HistorySettings(store="influx", url=url, write_path="v1"))
        history.write(readings(history, A, 345))
        assert history.raw(A, 0, 2 * NOON).at.tolist() == [NOON + n for n in range(345)]
        assert history.buckets(A, NOON, NOON + 60_000, 60_000).counts.tolist() == [345]
        history.close()


@pytest.mark.part("influxd")
@pytest.mark.serves("B4")
def test_what_the_retention_refuses_is_put_aside_in_one_go(tmp_path: Path) -> None:
    with parts.influxd(tmp_path) as url:
        parts_influx.tell(url, 'CREATE DATABASE "short" WITH DURATION 24h')
        settings = HistorySettings(store="influx", url=url, database="short", write_path="v1")
        history = InfluxHistory(settings, "riverside", clock=SystemClock())
        now = unix_ms(SystemClock().now())
        late = readings(history, A, 1_000)  # of long ago
        fresh = readings(history, B, 3)
        fresh.at[:] = [now - 3, now - 2, now - 1]
        history.write(Batch.joined([late, fresh]))
        assert len(history.raw(B, 0, 2 * now).at) == 3
        assert len(history.raw(A, 0, 2 * now).at) == 0
        aside = history.quarantined(limit=2_000)
        assert len(aside) == 1_000
        assert {"beyond retention policy" in item.reason for item in aside} == {True}
        history.close()


@pytest.mark.part("influxd")
@pytest.mark.serves("B4")
def test_a_field_of_another_type_is_put_aside(influx: Influx) -> None:
    settings = influx.settings()
    history = opened(settings)
    nothing = readings(history, B, 1)
    nothing.quality[:] = BAD
    history.write(nothing)  # makes the database, but no field v yet
    write(
        influx,
        settings,
        b"reading,site=riverside,point=main-2/active_power v=1i,q=0i 1780315200999",
    )
    history.write(Batch.joined([readings(history, B, 40), nothing]))
    assert history.raw(B, NOON, NOON + 1).quality.tolist() == BAD.tolist()
    aside = history.quarantined()
    assert len(aside) == 40
    assert "conflict" in aside[0].reason
    history.close()


@pytest.mark.part("influxd")
@pytest.mark.serves("B4")
def test_calls_too_large_for_the_server_are_halved(tmp_path: Path) -> None:
    with parts_influx.one(tmp_path, "max-body-size = 2000") as url:
        history = opened(HistorySettings(store="influx", url=url, write_path="v1"))
        large = PointId("x" * 3_000)
        history.write(Batch.joined([readings(history, A, 500), readings(history, large, 1)]))
        assert len(history.raw(A, 0, 2 * NOON).at) == 500
        history.close()


def test_what_was_put_aside_before_a_restart_is_not_put_aside_again(influx: Influx) -> None:
    settings = influx.settings()
    item = Quarantined(NOON, "riverside/plant-b1", "value", b"x" * 40_000)  # kept cut
    for at in (NOON, NOON + 1):  # it comes again, to another process
        history = opened(settings)
        again = Quarantined(at, item.origin, item.reason, item.payload)
        history.quarantine([again, again])
        assert len(history.quarantined()) == 1
        history.close()


@pytest.mark.part("influxd")
@pytest.mark.serves("B4")
@pytest.mark.parametrize("payload", ["泵" * 60_000, "a\nb", '\\"' * 40_000, "\0"])
def test_any_payload_can_be_put_aside(influx: Influx, payload: str) -> None:
    history = opened(influx.settings())
    history.quarantine([Quarantined(NOON, "riverside/plant-b1", "two\nlines", payload.encode())])
    (kept,) = history.quarantined()
    assert kept.reason == "two lines"
    assert payload.startswith(kept.payload.decode())
    assert len(kept.payload) == min(len(payload.encode()), 30_000)
    history.close()


@pytest.mark.part("victoria-metrics")
@pytest.mark.serves("B3")
@pytest.mark.parametrize(
    "name", ["main-1/power", "a,b=c d", 'say "x"', "泵房/压力", "back\\slash/x"]
)
def test_the_new_write_path_reaches_another_database(victoria_url: str, name: str) -> None:
    history = opened(HistorySettings(store="influx", url=victoria_url), site=f"of {name}")
    point = PointId(name)
    history.write(readings(history, point, 7_000, 2.5))
    history.write(Batch(history.series([point]), np.array([NOON + 7_000]), np.array([np.nan]), BAD))
    history.quarantine([Quarantined(NOON, f"{name}/plant-b1", "time", b'{"j":\n"x"}', readings=12)])
    good, quality = (
        exported(victoria_url, "reading_v", name),
        exported(victoria_url, "reading_q", name),
    )
    assert good == {NOON + n: 2.5 for n in range(7_000)}
    assert quality == {**dict.fromkeys(good, 0), NOON + 7_000: BAD[0]}
    assert list(exported(victoria_url, "quarantine_readings", name).values()) == [12]
    assert list(exported(victoria_url, "quarantine_at", name).values()) == [NOON]
    history.close()


def exported(url: str, metric: str, name: str) -> dict[int, float]:
    """Return what VictoriaMetrics' own API says it has of a series."""
    urllib3.request("GET", f"{url}/internal/force_flush")
    answer = urllib3.request(
        "GET", f"{url}/api/v1/export", fields={"match[]": metric, "start": "0"}
    )
    rows = [json.loads(line) for line in answer.data.splitlines()]
    own = [row for row in rows if row["metric"]["site"] == f"of {name}"]
    assert {row["metric"].get("point", name) for row in own} == {name}
    return {
        at: value for row in own for at, value in zip(row["timestamps"], row["values"], strict=True)
    }
