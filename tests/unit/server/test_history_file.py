import csv
import io
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import httpx2
import numpy as np
import pyarrow.parquet as pq
import pytest
import uvicorn
from fastapi.testclient import TestClient
from typing_extensions import override

from adapters.history.embedded import EmbeddedHistory
from adapters.parquet import parquet
from server import history_file
from server.history_asked import MOST_FILE_POINTS
from tests import databases
from tests.fakes import FixedClock
from tests.fakes_history import MemoryHistory
from tests.fakes_server import SESSION, House
from tests.parts import until
from watchkeeper.batch import Batch
from watchkeeper.errors import Unreachable
from watchkeeper.excerpt import DAY_MS
from watchkeeper.export import Write
from watchkeeper.history import History, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

BEARER = {"Authorization": f"Bearer {SESSION}"}
POWER, FLOOR = "hvac-1/active_power", "lift-1/floor"
DAY = 20_600 * DAY_MS
EXPORT = "/api/v1/history/export"
THREE_DAYS = {"start": DAY, "end": DAY + 3 * DAY_MS}


class Full(House):
    """A house whose server writes Parquet as well."""

    writers: ClassVar[Mapping[str, Write]] = {"parquet": parquet}


class Slow(MemoryHistory):
    """A reading a second for ever; each question waits until it may be answered."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.asked = threading.Event(), 0
        self.lost_from = 1 << 62  # Unix ms

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        self.asked += 1
        assert self.go.wait(20)
        if start >= self.lost_from:
            raise Unreachable("history.unreachable", what="gone", where="memory")
        at = np.arange(start, end, 1000, dtype=np.int64)
        return Track(at, at % 977 / 10, np.zeros(len(at), np.uint8))


def filled(history: History) -> History:
    series = history.series([PointId(POWER), PointId(FLOOR)])
    at = np.arange(DAY, DAY + 2 * DAY_MS, 600_000, dtype=np.int64)
    for number in series.tolist():
        value, quality = np.arange(len(at)) - 1.5, np.zeros(len(at), np.uint8)
        value[1], quality[1] = np.nan, Quality.REFUSED
        history.write(Batch(np.full(len(at), number, np.uint32), at, value, quality))
    return history


@contextmanager
def opened(folder: Path, store: History) -> Iterator[Full]:
    made = Full(folder, store, databases.on_sqlite(folder))  # readings are in no table
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module", params=["memory", "embedded"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("house")
    store: History = MemoryHistory()
    if request.param == "embedded":
        store = EmbeddedHistory(folder / "riverside.db", clock=FixedClock(), writable=True)
    with (
        opened(folder, filled(store)) as here,
        TestClient(here.server.app, headers=BEARER) as client,
    ):
        yield client


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.mark.serves("H3")
def test_a_csv_has_every_reading_in_the_askers_language(client: TestClient) -> None:
    answer = client.get(EXPORT, params={"points": f"{POWER},{FLOOR}", **THREE_DAYS})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    name = "riverside-20260527-20260530.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.content.startswith(b"\xef\xbb\xbf")
    found = rows(answer.text)
    assert [row["point"] for row in found] == [POWER] * 288 + [FLOOR] * 288
    assert found[1] == {
        "time": "2026-05-27T08:10:00.000+08:00", "unix_ms": str(DAY + 600_000), "point": POWER,
        "name": "A 座空调总表 总有功功率", "value": "", "unit": "W", "quality": "130",
        "quality_word": "未知：设备拒绝读取",
    }  # fmt: skip
    assert found[0]["value"] == "-1.5"


def test_a_csv_for_a_program_is_in_its_language_without_a_mark(client: TestClient) -> None:
    asked = {"points": POWER, "lang": "en", "bom": "false", **THREE_DAYS}
    answer = client.get(EXPORT, params=asked)
    assert answer.content.startswith(b"time,unix_ms,point,name,value,unit,quality,quality_word\r\n")
    assert rows(answer.text)[1]["quality_word"] == "Unknown: refused by the device"


@pytest.mark.serves("H3")
def test_a_parquet_file_has_the_same_rows(client: TestClient) -> None:
    asked = {"unit": "hvac-1", "format": "parquet", **THREE_DAYS}
    answer = client.get(EXPORT, params=asked)
    table = pq.read_table(io.BytesIO(answer.content))
    assert set(table["point"].to_pylist()) == {POWER}
    assert table["value"].to_pylist()[:3] == [-1.5, None, 0.5]


def test_summaries_have_the_usual_columns_or_those_that_are_named(client: TestClient) -> None:
    asked = {"points": POWER, "width": DAY_MS, "lang": "en", **THREE_DAYS}
    usual = rows(client.get(EXPORT, params=asked).text)
    assert [(row["mean"], row["count"]) for row in usual] == [
        (repr(sum(n - 1.5 for n in range(144) if n != 1) / 143), "143"), ("214.0", "144"),
    ]  # fmt: skip
    named = rows(client.get(EXPORT, params=asked | {"aggregate": "last"}).text)
    assert list(named[0]) == ["time", "unix_ms", "point", "name", "last", "unit"]


def test_a_file_of_nothing_has_its_head(client: TestClient) -> None:
    answer = client.get(EXPORT, params={"points": POWER, "start": DAY, "end": DAY, "bom": "false"})
    assert (answer.status_code, answer.text.count("\n")) == (200, 1)


def test_it_is_written_down_who_took_what(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.history_file")
    client.get(EXPORT, params={"points": POWER, **THREE_DAYS})
    (record,) = caplog.records
    facts = vars(record)
    assert (facts["by"], facts["points"], facts["start"]) == ("chenlei", 1, DAY)


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"points": "x/y"}, 404, "unknown"),
        ({}, 422, "server.points-needed"),
        ({"points": POWER, "start": "0"}, 422, "server.too-long"),
        ({"points": POWER, "aggregate": "mean"}, 422, "server.aggregate-width"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_file_begins(
    client: TestClient, asked: dict[str, str], status: int, code: str
) -> None:
    answer = client.get(EXPORT, params=THREE_DAYS | asked)
    assert (answer.status_code, answer.json()["type"]) == (status, code)
    assert MOST_FILE_POINTS == 2_000


@contextmanager
def served(here: House) -> Iterator[str]:
    """Serve the house's API on a port of its own."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        config = uvicorn.Config(here.server.app, log_config=None, timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Slow, str]]:
    store = Slow()
    with opened(tmp_path, store) as here, served(here) as url:
        try:
            yield store, url
        finally:
            store.go.set()


MONTH = {"points": POWER, "start": str(DAY), "end": str(DAY + 300 * DAY_MS)}


def begin(url: str) -> threading.Thread:
    def get() -> None:
        with (
            httpx2.Client(timeout=20, headers=BEARER) as client,
            client.stream("GET", url + EXPORT, params=MONTH) as answer,
        ):
            next(answer.iter_bytes())

    thread = threading.Thread(target=get)
    thread.start()
    return thread


def free(url: str) -> bool:
    """Return whether a file can be had."""
    asked = MONTH | {"end": MONTH["start"]}
    return httpx2.get(url + EXPORT, params=asked, headers=BEARER).status_code == 200


def test_slow_files_hold_nothing_else_up_and_more_than_two_are_refused(
    slow: tuple[Slow, str],
) -> None:
    store, url = slow
    files = [begin(url) for _ in range(history_file.MOST)]
    until(lambda: store.asked == history_file.MOST, "the files are not begun")
    with httpx2.Client(timeout=5, headers=BEARER) as client:
        assert client.get(f"{url}/api/v1/alarms").json() == []
        third = client.get(url + EXPORT, params=MONTH)
        assert (third.status_code, third.json()["type"]) == (503, "server.files-busy")
        assert third.headers["retry-after"] == "10"
        store.go.set()
        for file in files:
            file.join(20)
        until(lambda: free(url), "there is no place for another")


def test_a_client_that_hangs_up_ends_the_work(slow: tuple[Slow, str]) -> None:
    store, url = slow
    store.go.set()
    for _ in range(2 * history_file.MOST):
        until(lambda: free(url), "the place is still taken")
        begin(url).join(20)
    until(lambda: free(url), "the place is still taken")
    whole_file = 150
    assert store.asked < 2 * history_file.MOST * whole_file / 3


def test_a_file_that_cannot_be_finished_does_not_look_finished(
    slow: tuple[Slow, str], caplog: pytest.LogCaptureFixture
) -> None:
    store, url = slow
    store.lost_from = DAY + 3 * DAY_MS
    store.go.set()
    with (
        httpx2.Client(timeout=20, headers=BEARER) as client,
        client.stream("GET", url + EXPORT, params=MONTH) as answer,
    ):
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.read()
    assert "stays unfinished" in caplog.text


def test_who_takes_nothing_loses_the_place(
    slow: tuple[Slow, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, url = slow
    monkeypatch.setattr(history_file, "STALLED_S", 0.2)
    store.go.set()
    host, port = url.removeprefix("http://").split(":")
    asked = "&".join(f"{key}={value}" for key, value in MONTH.items())
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(
            f"GET {EXPORT}?{asked} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {BEARER['Authorization']}\r\n\r\n".encode()
        )
        until(lambda: "stays unfinished" in caplog.text, "it waits for ever")
