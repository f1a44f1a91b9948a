"""What every history store promises, run on each of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import override

from adapters.history.embedded import EmbeddedHistory
from adapters.history.influx import InfluxHistory
from tests import parts_influx
from tests.fakes import FixedClock
from tests.fakes_history import MemoryHistory
from tests.parts_influx import Influx
from watchkeeper.batch import Batch
from watchkeeper.history import HOLD_MS, History, Quarantined
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

HOUR, DAY = 3_600_000, 86_400_000
NOON = round(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp() * 1000)
POWER, FLOOR = PointId("main-1/active_power"), PointId("lift-3/floor")
NO_ANSWER, UNCERTAIN = Quality.NO_ANSWER, Quality.UNCERTAIN
Open = Callable[[], History]


class Sealed(EmbeddedHistory):
    """The embedded store with nothing left in its journal."""

    @override
    def write(self, batch: Batch) -> None:
        super().write(batch)
        self.settle()


@pytest.fixture(scope="module")
def influx(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Influx]:
    with parts_influx.influx(
        tmp_path_factory.mktemp("influxd"), pytestconfig.getoption("influxd")
    ) as running:
        yield running


@pytest.fixture(
    params=[
        "memory",
        "journal",
        "sealed",
        pytest.param("influx", marks=pytest.mark.part("influxd")),
    ]
)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    with ExitStack() as stack:
        opened: History
        match request.param:
            case "memory":
                opened = MemoryHistory()
            case "influx":
                settings = request.getfixturevalue("influx").settings()
                opened = InfluxHistory(settings, "riverside", clock=FixedClock())
            case kind:
                store = {"journal": EmbeddedHistory, "sealed": Sealed}[kind]
                opened = store(tmp_path / "riverside.db", clock=FixedClock(), writable=True)
        stack.callback(opened.close)
        yield opened


def put(
    history: History,
    point: PointId,
    *rows: tuple[int, float] | tuple[int, float, int],
) -> None:
    """Write rows (time, value[, quality]) of a point in one call."""
    number = history.series([point])[0]
    full = [row if len(row) == 3 else (*row, 0) for row in rows]
    at, value, quality = (list(column) for column in zip(*full, strict=True))
    history.write(
        Batch(
            np.full(len(rows), number, np.uint32),
            np.array(at, np.int64),
            np.array(value, np.float64),
            np.array(quality, np.uint8),
        )
    )


def got(history: History, point: PointId, start: int = 0, end: int = 2 * NOON) -> list[object]:
    """Return the stored rows; NaN as None."""
    track = history.raw(point, start, end)
    values = [None if np.isnan(value) else value for value in track.value.tolist()]
    return list(zip(track.at.tolist(), values, track.quality.tolist(), strict=True))


def test_an_unknown_point_has_nothing(history: History) -> None:
    assert got(history, POWER) == []
    assert history.latest([POWER]) == {}
    assert len(history.buckets(POWER, 0, 2 * NOON, HOUR).start) == 0
    assert history.points() == []


@pytest.mark.serves("B3")
def test_readings_come_back_in_time_order(history: History) -> None:
    put(history, POWER, (NOON + 2000, 3.5), (NOON, 1.25), (NOON + 1000, 2.0))
    assert got(history, POWER) == [(NOON, 1.25, 0), (NOON + 1000, 2.0, 0), (NOON + 2000, 3.5, 0)]


def test_the_end_of_a_range_is_outside(history: History) -> None:
    put(history, POWER, (NOON, 1.0), (NOON + 1, 2.0), (NOON + 2, 3.0))
    assert got(history, POWER, NOON, NOON + 2) == [(NOON, 1.0, 0), (NOON + 1, 2.0, 0)]


def test_points_do_not_mix(history: History) -> None:
    put(history, POWER, (NOON, 1.0))
    put(history, FLOOR, (NOON, 7.0))
    assert got(history, POWER) == [(NOON, 1.0, 0)]
    assert got(history, FLOOR) == [(NOON, 7.0, 0)]
    assert sorted(history.points()) == sorted([POWER, FLOOR])


def test_a_point_keeps_its_series(history: History) -> None:
    first = history.series([POWER, FLOOR, POWER])
    assert first.dtype == np.uint32
    assert first[0] == first[2] != first[1]
    assert history.series([FLOOR])[0] == first[1]


@pytest.mark.serves("B4")
def test_the_last_arrival_wins(history: History) -> None:
    put(history, POWER, (NOON, 1.0), (NOON + 1000, 2.0))
    put(history, POWER, (NOON, 9.0), (NOON, 10.0))
    assert got(history, POWER) == [(NOON, 10.0, 0), (NOON + 1000, 2.0, 0)]


@pytest.mark.serves("B4")
def test_late_readings_take_their_place(history: History) -> None:
    put(history, POWER, *((NOON + 1000 * n, float(n)) for n in range(0, 100, 2)))
    put(history, POWER, *((NOON + 1000 * n, float(n)) for n in range(1, 100, 2)))
    put(history, POWER, (NOON - 3 * DAY, -1.0))
    assert got(history, POWER) == [
        (NOON - 3 * DAY, -1.0, 0),
        *((NOON + 1000 * n, float(n), 0) for n in range(100)),
    ]


@pytest.mark.serves("B4")
def test_a_replay_in_any_order_changes_nothing(history: History) -> None:
    rng = np.random.default_rng(7)
    rows = [(NOON - DAY + 700_000 * n, float(n % 13)) for n in range(300)]
    put(history, POWER, *rows)
    before = got(history, POWER)
    for part in np.array_split(rng.permutation(300), 5):
        put(history, POWER, *(rows[n] for n in part.tolist()))
    assert got(history, POWER) == before


@pytest.mark.serves("A4")
def test_a_bad_reading_has_no_value(history: History) -> None:
    put(history, POWER, (NOON, np.nan, NO_ANSWER), (NOON + 1, 5.0, UNCERTAIN))
    assert got(history, POWER) == [(NOON, None, NO_ANSWER), (NOON + 1, 5.0, UNCERTAIN)]


def test_bad_and_good_overwrite_each_other(history: History) -> None:
    put(history, POWER, (NOON, 1.0), (NOON + 1, np.nan, NO_ANSWER))
    put(history, POWER, (NOON, np.nan, NO_ANSWER), (NOON + 1, 2.0))
    assert got(history, POWER) == [(NOON, None, NO_ANSWER), (NOON + 1, 2.0, 0)]


def test_latest_is_the_newest_by_time(history: History) -> None:
    put(history, POWER, (NOON, 1.0), (NOON + 5000, 2.0))
    put(history, POWER, (NOON + 1000, 3.0))
    put(history, FLOOR, (NOON, np.nan, NO_ANSWER))
    found = history.latest([POWER, FLOOR, PointId("no/such")])
    assert set(found) == {POWER, FLOOR}
    assert found[POWER].value == 2.0
    assert found[POWER].at == datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)
    assert (found[FLOOR].value, found[FLOOR].quality) == (None, NO_ANSWER)


def test_latest_takes_a_correction_of_the_same_time(history: History) -> None:
    put(history, POWER, (NOON, 1.0))
    put(history, POWER, (NOON, 2.0))
    assert history.latest([POWER])[POWER].value == 2.0


EXACT = [0.1 + 0.2, 2301 * 0.1, float(np.float32(230.1)), -1e-300, 1e300, 12345678.91, 2.0**53]


@pytest.mark.serves("B3")
def test_values_are_kept_exactly(history: History) -> None:
    put(history, POWER, *((NOON + n, value) for n, value in enumerate(EXACT)))
    for n, value in enumerate(EXACT):
        put(history, PointId(f"one/{n}"), (NOON, value))
    assert history.raw(POWER, 0, 2 * NOON).value.tolist() == EXACT
    assert [history.raw(PointId(f"one/{n}"), 0, 2 * NOON).value[0] for n in range(7)] == EXACT


@pytest.mark.parametrize(
    "name", ["a b/c", "a,b=c", "it's", 'say "x"', "泵房/压力", "back\\slash/x"]
)
def test_any_name_will_do(history: History, name: str) -> None:
    put(history, PointId(name), (NOON, 1.0))
    assert got(history, PointId(name)) == [(NOON, 1.0, 0)]
    assert history.points() == [name]
    assert set(history.latest([PointId(name)])) == {name}


@pytest.mark.parametrize("width", [DAY, HOUR, HOUR // 4])
def test_buckets_are_what_the_readings_say(history: History, width: int) -> None:
    rng = np.random.default_rng(3)
    at = NOON - 2 * DAY + np.cumsum(rng.integers(1_000, 900_000, 400))
    value = np.round(rng.normal(50, 10, 400), 2)
    quality = np.where(rng.random(400) < 0.1, NO_ANSWER, 0)
    value[quality > 0] = np.nan
    put(history, POWER, *zip(at.tolist(), value.tolist(), quality.tolist(), strict=True))
    start, end = NOON - DAY - 12345, NOON - 999
    found = history.buckets(POWER, start, end, width)
    inside = (at >= start) & (at < end) & (quality == 0)
    assert found.start.tolist() == np.unique(at[inside] // width * width).tolist()
    for n, begin in enumerate(found.start.tolist()):
        own = value[inside & (at // width * width == begin)]
        assert found.counts[n] == len(own)
        assert found.mean[n] == pytest.approx(own.mean())
        assert [found.low[n], found.high[n]] == [own.min(), own.max()]
        assert [found.first[n], found.last[n]] == [own[0], own[-1]]
        until = np.minimum(np.append(at[1:], end), at + HOLD_MS)[quality == 0]
        low, high = max(begin, start), min(begin + width, end)
        known = np.minimum(until, high) - np.maximum(at[quality == 0], low)
        assert found.coverage[n] == pytest.approx(known.clip(0).sum() / (high - low))


def test_buckets_leave_out_what_is_not_good(history: History) -> None:
    put(
        history,
        POWER,
        (NOON, 4.0),
        (NOON + 1000, 99.0, UNCERTAIN),
        (NOON + 2000, np.nan, NO_ANSWER),
        (NOON + HOUR, np.nan, NO_ANSWER),
        (NOON + 2 * HOUR, 6.0),
    )
    found = history.buckets(POWER, NOON, NOON + 3 * HOUR, HOUR)
    assert found.start.tolist() == [NOON, NOON + 2 * HOUR]
    assert found.counts.tolist() == [1, 1]
    assert found.mean.tolist() == [4.0, 6.0]


MINUTE = 60_000
Row = tuple[int, float] | tuple[int, float, int]
COVERED = [
    pytest.param([(n, 1.0) for n in range(60)], 60, id="every minute"),
    pytest.param([(0, 1.0)], 3, id="one reading vouches for three minutes"),
    pytest.param([(0, 1.0), (2, 1.0), (10, 1.0)], 8, id="and at most until the next"),
    pytest.param([(-2, 1.0), (30, 1.0)], 4, id="one before the start counts for the rest"),
    pytest.param([(-4, 1.0), (30, 1.0)], 3, id="one long before does not"),
    pytest.param([(59, 1.0)], 1, id="only what lies within"),
    pytest.param([(0, 1.0), (1, np.nan, NO_ANSWER), (9, 1.0)], 4, id="a bad one ends it"),
    pytest.param([(0, 1.0), (2, 5.0, UNCERTAIN)], 2, id="so does an uncertain one"),
    pytest.param([(-1, np.nan, NO_ANSWER), (5, 1.0)], 3, id="nothing is known by a bad one"),
]


@pytest.mark.serves("B3")
@pytest.mark.parametrize(("rows", "minutes"), COVERED)
@pytest.mark.parametrize("width", [HOUR, DAY])
def test_coverage_is_the_share_of_the_span_with_a_known_value(
    history: History, rows: list[Row], minutes: int, width: int
) -> None:
    for row in rows:
        quality = row[2] if len(row) == 3 else 0
        put(history, POWER, (NOON + MINUTE * row[0], row[1], quality))
    found = history.buckets(POWER, NOON, NOON + HOUR, width)
    assert found.start.tolist() == [NOON // width * width]
    assert found.coverage.tolist() == [pytest.approx(minutes / 60)]


def test_coverage_goes_on_from_span_to_span(history: History) -> None:
    put(history, POWER, (NOON + 14 * MINUTE, 1.0), (NOON + 46 * MINUTE, 2.0))
    found = history.buckets(POWER, NOON, NOON + HOUR, HOUR // 4)
    assert found.start.tolist() == [NOON, NOON + 45 * MINUTE]
    assert found.coverage.tolist() == pytest.approx([1 / 15, 3 / 15])
    minutes = history.buckets(POWER, NOON, NOON + HOUR, MINUTE)
    assert minutes.coverage.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("width", [0, -HOUR])
def test_a_width_of_nothing_is_refused(history: History, width: int) -> None:
    with pytest.raises(ValueError, match="width"):
        history.buckets(POWER, NOON, NOON + HOUR, width)


def test_an_empty_batch_is_no_trouble(history: History) -> None:
    history.write(Batch.joined([]))
    history.quarantine([])
    assert history.points() == []


@pytest.mark.serves("B4")
def test_what_was_put_aside_is_found_again(history: History) -> None:
    items = [
        Quarantined(NOON, "riverside/plant-b1", "time", b'{"j":"x"}'),
        Quarantined(NOON, "riverside/plant-b1", "unreadable", b'\xff\x00 no "text"\n'),
        Quarantined(NOON, "riverside/plant-b2", "alias", '{"名": "\\\\"}'.encode()),
    ]
    history.quarantine(items)
    assert history.quarantined() == items[::-1]
    assert history.quarantined(limit=1) == items[2:]


@pytest.mark.serves("B4")
def test_what_comes_again_is_put_aside_once(history: History) -> None:
    one = Quarantined(NOON, "riverside/plant-b1", "time", b"one")
    history.quarantine([one, replace(one, payload=b"two")])
    history.quarantine([replace(one, at=NOON + 1000), replace(one, reason="value")])
    assert [(item.reason, item.payload) for item in history.quarantined()] == [
        ("value", b"one"),
        ("time", b"two"),
        ("time", b"one"),
    ]


@pytest.mark.serves("B4")
def test_what_is_released_is_gone_and_the_rest_stays(history: History) -> None:
    items = [Quarantined(NOON, "riverside/plant-b1", "time", b"%d" % n, n) for n in range(5)]
    history.quarantine(items)
    kept = {item.payload: item.id for item in history.quarantined()}
    assert len(set(kept.values())) == 5
    assert history.quarantined(limit=2, before=kept[b"3"]) == [items[2], items[1]]
    history.release([kept[b"1"], kept[b"3"]])
    assert history.quarantined() == [items[4], items[2], items[0]]
    history.release([])
    history.release([kept[b"1"]])
    assert [item.readings for item in history.quarantined(limit=2)] == [4, 2]
