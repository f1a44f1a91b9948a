import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from adapters.history import embedded_codec, embedded_sealing
from adapters.history.embedded import EmbeddedHistory
from adapters.history.embedded_codec import SPAN_MS
from tests.fakes import FixedClock
from watchkeeper.batch import Batch, Floats, Times
from watchkeeper.clock import unix_ms
from watchkeeper.history import Buckets, Retention, Thinning
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.spans import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS

NOW = unix_ms(FixedClock().now())  # noon
OLD = NOW // SPAN_MS * SPAN_MS - 6 * SPAN_MS  # midnight six days ago
POWER, FLOOR, LOST = (PointId(f"main-1/{name}") for name in ("power", "floor", "lost"))
POINTS = [POWER, FLOOR, LOST]
SAMPLED = np.array([0, 2], np.uint32)
NO_ANSWER = Quality.NO_ANSWER
FOR_EVER = 0


@pytest.fixture
def history(tmp_path: Path) -> Iterator[EmbeddedHistory]:
    with closing(open_(tmp_path)) as opened:
        opened.series(POINTS)
        yield opened


def open_(tmp_path: Path, *, writable: bool = True) -> EmbeddedHistory:
    return EmbeddedHistory(tmp_path / "riverside.db", clock=FixedClock(), writable=writable)


def put(
    history: EmbeddedHistory, point: PointId, at: Times, value: Floats, quality: int = 0
) -> None:
    series = np.full(len(at), POINTS.index(point), np.uint32)
    history.write(Batch(series, at, value, np.full(len(at), quality, np.uint8)))


def walk(history: EmbeddedHistory, point: PointId, seed: int, days: int = 3) -> None:
    """Write days of every 10 s, with holes, bad readings and a slow stretch across a midnight."""
    rng = np.random.default_rng(seed)
    at = OLD + 3_000 + np.arange(0, days * SPAN_MS, 10_000)
    at = at[rng.random(len(at)) < 0.9]
    hour = (at - OLD) // HOUR_MS
    at = at[
        ~np.isin(hour, (5, 6, 30)) & ((hour < 47) | (hour > 48) | (np.arange(len(at)) % 13 == 0))
    ]
    value = np.round(50 + np.cumsum(rng.normal(0, 0.1, len(at))), 2)
    quality = np.where(rng.random(len(at)) < 0.02, NO_ANSWER, 0).astype(np.uint8)
    value[quality > 0] = np.nan
    series = np.full(len(at), POINTS.index(point), np.uint32)
    history.write(Batch(series, at, value, quality))


def forget(history: EmbeddedHistory, before: int = OLD + 2 * SPAN_MS, rest: int = FOR_EVER) -> None:
    history.settle()
    history.forget(Retention(SAMPLED, before, rest))
    history.settle()


def thin(history: EmbeddedHistory, before: int) -> None:
    history.settle()
    history.thin(Thinning(SAMPLED, np.empty(0, np.uint32), before, QUARTER_MS))
    history.settle()


def count(history: EmbeddedHistory, point: PointId, first: int = 0, last: int = 3) -> int:
    return len(history.raw(point, OLD + first * SPAN_MS, OLD + last * SPAN_MS).at)


def asked(history: EmbeddedHistory, point: PointId) -> list[Buckets]:
    end = OLD + 4 * SPAN_MS
    return [
        history.buckets(point, start, end, width)
        for width in (QUARTER_MS, HOUR_MS // 2, HOUR_MS, 8 * HOUR_MS, DAY_MS, 2 * DAY_MS)
        for start in (OLD - DAY_MS, OLD, OLD + SPAN_MS, OLD + SPAN_MS + 7 * QUARTER_MS)
    ]


def same(found: list[Buckets], wanted: list[Buckets]) -> None:
    for one, other in zip(found, wanted, strict=True):
        for name in ("start", "counts", "low", "high", "first", "last"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
        assert one.mean.tolist() == pytest.approx(other.mean.tolist(), rel=1e-6)
        assert one.coverage.tolist() == pytest.approx(other.coverage.tolist(), abs=1e-9)


@pytest.mark.serves("B3")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([forget], id="dropped"),
        pytest.param([lambda history: thin(history, OLD + 225 * QUARTER_MS)], id="thinned"),
        pytest.param(
            [
                lambda history: thin(history, OLD + SPAN_MS + 3 * QUARTER_MS),
                lambda history: thin(history, OLD + SPAN_MS + 9 * QUARTER_MS),
                lambda history: thin(history, OLD + 3 * SPAN_MS),
                lambda history: forget(history, OLD + SPAN_MS),
                forget,
            ],
            id="thinned step by step, then dropped",
        ),
        pytest.param(
            [forget, lambda history: forget(history, OLD + 9 * SPAN_MS, OLD + 9 * SPAN_MS)],
            id="everything",
        ),
    ],
)  # fmt: skip
def test_summaries_are_what_they_were_before_the_readings_went(
    history: EmbeddedHistory, steps: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_codec, "FRAME_READINGS", 4_000)
    monkeypatch.setattr(embedded_sealing, "_SLICE", 1)
    for seed, point in enumerate(POINTS):
        walk(history, point, seed)
    before = [asked(history, point) for point in POINTS]
    readings = count(history, POWER)
    for step in steps:
        assert callable(step)
        step(history)
    assert count(history, POWER) < readings
    for point, wanted in zip(POINTS, before, strict=True):
        same(asked(history, point), wanted)


@pytest.mark.serves("B3")
def test_samples_go_first_and_states_when_their_time_has_come(history: EmbeddedHistory) -> None:
    for point in (POWER, FLOOR):
        walk(history, point, 1)
    readings = count(history, FLOOR, 0, 2)
    young = count(history, POWER, 2, 3)
    forget(history, OLD + 2 * SPAN_MS + HOUR_MS)  # the third day is not over
    assert (count(history, POWER, 0, 2), count(history, POWER, 2, 3)) == (0, young)
    assert count(history, FLOOR, 0, 2) == readings
    forget(history, OLD + 2 * SPAN_MS, OLD + SPAN_MS)
    assert count(history, FLOOR, 0, 1) == 0 < count(history, FLOOR, 1, 2)
    assert history.buckets(FLOOR, OLD, OLD + SPAN_MS, DAY_MS).counts[0] > 6_900


def test_dropping_again_changes_nothing(history: EmbeddedHistory, tmp_path: Path) -> None:
    walk(history, POWER, 1)
    walk(history, FLOOR, 2)
    forget(history)
    with closing(sqlite3.connect(tmp_path / "riverside.db")) as db:
        asking = "select id, day from segment union select segment, day from rolled"
        before = db.execute(asking).fetchall()
        forget(history)
        assert db.execute(asking).fetchall() == before


def test_late_readings_fill_what_no_summary_knows(history: EmbeddedHistory) -> None:
    put(history, POWER, OLD + np.arange(0, HOUR_MS, 10_000), np.full(360, 1.0))
    forget(history)
    put(history, POWER, OLD + np.arange(HOUR_MS, 2 * HOUR_MS, 10_000), np.full(360, 3.0))
    hours = (POWER, OLD, OLD + SPAN_MS, HOUR_MS)
    for _ in range(2):  # at once, and when they are dropped as well
        found = history.buckets(*hours)
        assert found.mean.tolist() == [1.0, 3.0]
        assert found.coverage.tolist() == [1.0, 1.0]
        forget(history)
    assert count(history, POWER) == 0


def test_of_late_readings_and_a_summary_the_one_that_knows_more_stands(
    history: EmbeddedHistory,
) -> None:
    put(history, POWER, OLD + np.arange(0, 10 * MINUTE_MS, 10_000), np.full(60, 1.0))
    put(history, LOST, OLD + np.arange(0, 4 * MINUTE_MS, 10_000), np.full(24, 1.0))
    forget(history)
    for point in (POWER, LOST):
        put(history, point, OLD + np.arange(0, 8 * MINUTE_MS, 10_000), np.full(48, 2.0))
    for _ in range(2):
        for point, mean in ((POWER, 1.0), (LOST, 2.0)):
            assert history.buckets(point, OLD, OLD + HOUR_MS, QUARTER_MS).mean.tolist() == [mean]
        forget(history)


def test_what_still_stands_in_the_journal_goes_with_its_day(history: EmbeddedHistory) -> None:
    put(history, POWER, OLD + np.arange(0, 5 * MINUTE_MS, 10_000), np.full(30, 1.0))
    history.settle()
    put(history, POWER, OLD + np.arange(5 * MINUTE_MS, 10 * MINUTE_MS, 10_000), np.full(30, 2.0))
    history.forget(Retention(SAMPLED, OLD + SPAN_MS, FOR_EVER))
    history.settle()
    found = history.buckets(POWER, OLD, OLD + HOUR_MS, QUARTER_MS)
    assert (found.counts.tolist(), found.mean.tolist()) == ([60], [1.5])


def test_finer_spans_have_only_the_readings_that_are_left(history: EmbeddedHistory) -> None:
    walk(history, POWER, 1)
    forget(history)
    five = history.buckets(POWER, OLD, OLD + 3 * SPAN_MS, 5 * MINUTE_MS)
    assert five.start[0] >= OLD + 2 * SPAN_MS


def test_another_process_and_a_restart_see_the_same(
    history: EmbeddedHistory, tmp_path: Path
) -> None:
    walk(history, POWER, 1)
    wanted = asked(history, POWER)
    with closing(open_(tmp_path, writable=False)) as reader:
        forget(history)
        same(asked(reader, POWER), wanted)
        history.close()
        with closing(open_(tmp_path)) as again:
            walk(again, LOST, 3)
            forget(again, OLD + 3 * SPAN_MS)
            same(asked(reader, POWER), wanted)
            assert (
                again.latest([POWER])[POWER].at.timestamp() * 1000 >= OLD + 3 * SPAN_MS - MINUTE_MS
            )


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_what_fails_on_the_way_leaves_the_day_whole(
    history: EmbeddedHistory, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_sealing, "_SLICE", 1)
    walk(history, POWER, 1)
    walk(history, FLOOR, 2)
    wanted = asked(history, POWER)
    history.settle()
    with closing(sqlite3.connect(tmp_path / "riverside.db")) as db:
        db.executescript(
            "create table made(n integer);"
            "create trigger full before insert on frame begin"
            " update made set n = n + 1;"
            " select raise(abort, 'disk full') where (select n from made) >= 0; end"
        )
        db.execute("insert into made values(?)", (-step,))
        db.commit()
        with pytest.raises(sqlite3.Error, match="disk full"):
            forget(history)
        same(asked(history, POWER), wanted)
        db.executescript("drop trigger full")
        history.settle()
        same(asked(history, POWER), wanted)
        unseen = (
            "select count(*) from frame where segment not in"
            " (select id from segment union select segment from rolled)"
        )
        assert db.execute(unseen).fetchone() == (0,)


def test_the_pages_of_what_went_are_used_again(tmp_path: Path) -> None:
    clock, rng = FixedClock(), np.random.default_rng(5)
    sizes = []
    with closing(EmbeddedHistory(tmp_path / "x.db", clock=clock, writable=True)) as history:
        numbers = history.series([PointId(f"u/{n}") for n in range(20)])
        with closing(sqlite3.connect(tmp_path / "x.db")) as db:
            for day in range(10):
                start = OLD + day * SPAN_MS
                for number in numbers:
                    value = rng.random(8_640)
                    at = start + np.arange(0, SPAN_MS, 10_000)
                    history.write(
                        Batch(np.full(8_640, number), at, value, np.zeros(8_640, np.uint8))
                    )
                history.settle()
                history.forget(Retention(numbers, start - SPAN_MS, FOR_EVER))
                history.settle()
                sizes.append(db.execute("pragma page_count").fetchone()[0])
    assert sizes[-1] < 1.25 * sizes[3]


def test_a_file_of_the_layout_before_can_be_read_until_its_writer_comes(tmp_path: Path) -> None:
    with closing(open_(tmp_path)) as history:
        history.series(POINTS)
        walk(history, POWER, 1)
        wanted = asked(history, POWER)
    with closing(sqlite3.connect(tmp_path / "riverside.db")) as db:
        db.execute("drop table rolled")
        db.execute("pragma user_version=2")
    with closing(open_(tmp_path, writable=False)) as reader:
        same(asked(reader, POWER), wanted)
        with closing(open_(tmp_path)) as history:
            forget(history)
        same(asked(reader, POWER), wanted)
