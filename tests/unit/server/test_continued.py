"""A device is replaced: the history of its points goes on where the old one's ended."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from adapters.history.embedded import EmbeddedHistory
from server.compose import Outside, Server
from server.continued import Change, Continued, Span, buckets, raw
from server.past import Past
from server.sql import open_engines
from tests import databases
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from tests.fakes_server import CHENLEI, SESSION
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.settings import Settings

CATALOG = Path(__file__).parents[3] / "catalog"
HOUR = 3_600_000
NOW = unix_ms(FixedClock().now())
NOON = NOW // HOUR * HOUR - 12 * HOUR
OLDEST, OLD, NEW = (PointId(f"{unit}/active_power") for unit in ("meter-1", "meter-2", "meter-3"))
NO_ANSWER = Quality.NO_ANSWER
SITE = """schema: wk.site/1
site: {id: shop, name: {zh: 店, en: Shop}}
places: [{id: hall, name: {zh: 厅, en: Hall}}]
edges:
  - id: e1
    buses: [{id: lan, modbus_tcp: {host: 127.0.0.1, port: 1502}}]
    units:
      - {id: meter-1, profile: gone, replaced_by: meter-2, name: {zh: 甲, en: First}}
      - {id: meter-2, profile: eastron-sdm120, bus: lan, unit: 1, place: hall, replaced_by: meter-3}
      - {id: meter-3, profile: eastron-sdm630, bus: lan, unit: 1, place: hall}
      - {id: meter-4, profile: eastron-sdm630, bus: lan, place: hall}
"""


def put(history: History, point: PointId, *readings: tuple[float, float | None]) -> None:
    """Store readings: hours after NOON, and the value or None."""
    at = np.array([NOON + round(hours * HOUR) for hours, _ in readings], np.int64)
    values = np.array([np.nan if value is None else value for _, value in readings])
    quality = np.where(np.isnan(values), NO_ANSWER, Quality.GOOD).astype(np.uint8)
    series = np.repeat(history.series([point]), len(at))
    history.write(Batch(series, at, values, quality))


def span(start: float, end: float) -> tuple[int, int]:
    return NOON + round(start * HOUR), NOON + round(end * HOUR)


@pytest.fixture
def history() -> History:
    made = MemoryHistory()
    put(made, OLDEST, (0, 1), (1, 2))
    put(made, OLD, (1.25, None), (1.5, 3), (2, 4), (3.5, 99))  # once more, after it was replaced
    put(made, NEW, (2.5, None), (3, 5), (4, 6))
    return made


def joined(history: History, start: float, end: float) -> list[float]:
    spans, _ = Continued(FixedClock()).spans(history, [NEW, OLD, OLDEST], *span(start, end))
    track = raw(history, spans)
    assert (np.diff(track.at) > 0).all()
    return track.value.tolist()


@pytest.mark.serves("H3")
@pytest.mark.parametrize(
    ("start", "end", "values"),
    [
        pytest.param(0, 5, [1, 2, 3, 4, 5, 6], id="all three"),
        pytest.param(0, 1.2, [1, 2], id="the oldest alone"),
        pytest.param(1, 2.1, [2, 3, 4], id="two of them"),
        pytest.param(1.5, 2, [3], id="the middle one alone"),
        pytest.param(2.2, 3.6, [5], id="over the change"),
        pytest.param(3.2, 5, [6], id="the new one alone"),
        pytest.param(-5, -1, [], id="before all"),
        pytest.param(8, 9, [], id="after all"),
    ],
)
def test_each_reading_is_of_the_device_that_stood_there(
    history: History, start: float, end: float, values: list[float]
) -> None:
    assert joined(history, start, end) == values


def test_the_changes_are_told(history: History) -> None:
    spans, changes = Continued(FixedClock()).spans(history, [NEW, OLD, OLDEST], *span(0, 5))
    first, second = span(1.5, 3)
    assert changes == [Change(first, OLDEST, OLD), Change(second, OLD, NEW)]
    end = span(0, 5)[1]
    assert spans == [
        Span(OLDEST, NOON, first), Span(OLD, first, second), Span(NEW, second, end),
    ]  # fmt: skip


def test_a_new_device_without_a_reading_leaves_the_old_one_in_its_place() -> None:
    history = MemoryHistory()
    put(history, OLD, (0, 1), (1, 2))
    put(history, NEW, (2, None))
    assert joined(history, 0, 5) == [1, 2]


def test_a_backlog_that_comes_late_moves_the_change_back(history: History) -> None:
    continued, line = Continued(FixedClock()), [NEW, OLD]
    assert continued.spans(history, line, *span(0, 5))[1] == [Change(span(3, 3)[0], OLD, NEW)]
    put(history, NEW, (2.75, 4.5))
    assert continued.spans(history, line, *span(0, 5))[1] == [Change(span(2.75, 3)[0], OLD, NEW)]
    assert continued.spans(history, line, *span(0, 2.75))[1] == []


@pytest.mark.parametrize("width", [HOUR // 4, HOUR, 6 * HOUR])
def test_summaries_are_those_of_the_joined_series(history: History, width: int) -> None:
    spans, _ = Continued(FixedClock()).spans(history, [NEW, OLD, OLDEST], *span(0, 5))
    found = buckets(history, spans, width)
    whole = MemoryHistory()
    track = raw(history, spans)
    whole.write(
        Batch(np.repeat(whole.series([NEW]), len(track.at)), track.at, track.value, track.quality)
    )
    for mine, expected in zip(found, whole.buckets(NEW, *span(0, 5), width), strict=True):
        assert mine.tolist() == pytest.approx(expected.tolist())


@contextmanager
def api(folder: Path, history: History) -> Iterator[TestClient]:
    """Give the API of a server on this site, signed in."""
    (folder / "site.yaml").write_text(SITE, "utf-8")
    settings = Settings(data=folder, site=folder / "site.yaml", catalog=CATALOG)
    numbers = iter(range(10_000))
    outside = Outside(
        open_engines(databases.at(folder)), FakeBus(), FakeBus(),
        Past(lambda: history), FixedClock(), lambda prefix: f"{prefix}_{next(numbers):06}",
    )  # fmt: skip
    server = Server(settings, outside)
    server.app.state.who = {SESSION: CHENLEI}.get
    try:
        yield TestClient(server.app, headers={"Authorization": f"Bearer {SESSION}"})
    finally:
        server.close()


def asked(client: TestClient, point: str, hours: tuple[float, float], width: int = 0) -> Any:
    start, end = span(*hours)
    query = {"point": point, "start": start, "end": end, "width": width}
    answer = client.get("/api/v1/history", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def written(
    folder: Path, points: Sequence[tuple[PointId, tuple[tuple[float, float], ...]]]
) -> None:
    writer = EmbeddedHistory(folder / "shop.db", clock=FixedClock(), writable=True)
    with closing(writer):
        for point, readings in points:
            put(writer, point, *readings)
            writer.settle()


@pytest.mark.serves("H3")
def test_the_api_reads_back_over_the_change_from_the_embedded_store(folder: Path) -> None:
    written(folder, [
        (OLDEST, ((0, 1.0), (1, 2.0))), (OLD, ((1.5, 3.0), (2, 4.0))), (NEW, ((3, 5.0), (4, 6.0))),
    ])  # fmt: skip
    history = EmbeddedHistory(folder / "shop.db", clock=FixedClock(), writable=False)
    with api(folder, history) as client:
        found = asked(client, NEW, (0, 5))
        assert (found["point"], found["value"]) == (NEW, [1, 2, 3, 4, 5, 6])
        first, second = span(1.5, 3)
        assert found["changes"] == [
            {"at": first, "before": OLDEST, "after": OLD},
            {"at": second, "before": OLD, "after": NEW},
        ]
        hourly = asked(client, NEW, (0, 5), HOUR)
        assert (hourly["counts"], hourly["mean"]) == ([1, 2, 1, 1, 1], [1, 2.5, 4, 5, 6])
        assert hourly["changes"] == found["changes"]
        assert asked(client, OLD, (0, 5))["value"] == [1, 2, 3, 4]  # by its own name as well
        assert asked(client, "meter-3/frequency", (0, 5))["changes"] == []
        for unknown in ("meter-4/active_power", "meter-9/active_power"):
            query = {"point": unknown, "start": 0, "end": 1}
            assert client.get("/api/v1/history", params=query).status_code == 404


@pytest.mark.serves("H3")
def test_the_site_tells_who_was_replaced_and_who_is_left_out(folder: Path) -> None:
    with api(folder, MemoryHistory()) as client:
        site = client.get("/api/v1/site").json()
        assert [unit["id"] for unit in site["units"]] == ["meter-3"]
        assert {point["unit"] for point in site["points"]} == {"meter-3"}
        retired = {unit["id"]: unit["replaced_by"] for unit in site["retired"]["units"]}
        assert retired == {"meter-1": "meter-2", "meter-2": "meter-3"}
        assert site["retired"]["units"][0]["name"]["en"] == "First"
        assert {point["unit"] for point in site["retired"]["points"]} == {"meter-2"}
        (out,) = site["left_out"]
        assert (out["id"], out["edge"]) == ("meter-4", "e1")
        assert [(each["file"], each["line"]) for each in out["mistakes"]] == [("site.yaml", 11)]


def test_the_newest_value_of_a_retired_unit_is_unknown_and_a_left_out_one_is_not_there(
    folder: Path,
) -> None:
    history = MemoryHistory()
    put(history, OLD, (11.999, 4))
    with api(folder, history) as client:
        rows = client.get("/api/v1/points/latest", params={"points": f"{OLD},{NEW}"}).json()
        assert [(row["point"], row["value"], row["stale"]) for row in rows] == [
            (OLD, None, True), (NEW, None, True),
        ]  # fmt: skip
        gone = client.get("/api/v1/points/latest", params={"points": "meter-4/active_power"})
        assert gone.status_code == 404


@pytest.mark.serves("H3")
def test_files_and_answers_about_many_points_read_back_over_the_change_too(folder: Path) -> None:
    history = MemoryHistory()
    put(history, OLD, (0, 1), (1, 2))
    put(history, NEW, (1.5, 3))
    start, end = span(0, 2)
    with api(folder, history) as client:
        query = {"points": f"{NEW},{OLD}", "start": start, "end": end}
        both = client.get("/api/v1/history", params=query).json()["points"]
        assert [each["value"] for each in both] == [[1, 2, 3], [1, 2]]
        assert [len(each["changes"]) for each in both] == [2, 1]
        text = client.get("/api/v1/history/export", params=query | {"points": NEW}).text
        rows = [line.split(",") for line in text.splitlines()[1:]]
        assert [(row[2], row[4]) for row in rows] == [(NEW, "1.0"), (NEW, "2.0"), (NEW, "3.0")]
