import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.history import embedded_codec, embedded_sealing, open_history
from adapters.history.embedded import EmbeddedHistory
from adapters.history.embedded_codec import SPAN_MS
from adapters.history.embedded_thinning import kept
from tests.fakes import FixedClock
from watchkeeper.batch import Batch, Floats, Times
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.history import Thinning, Track
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.settings import HistorySettings, Settings

ROOT = Path(__file__).parents[3]
QUARTER, MINUTE, SECOND = 900_000, 60_000, 1_000
NOW = unix_ms(FixedClock().now())  # noon
OLD = NOW // SPAN_MS * SPAN_MS - 3 * SPAN_MS  # midnight three days ago
ENERGY, POWER, FLOOR = (PointId(f"main-1/{name}") for name in ("energy", "power", "floor"))
POINTS = [ENERGY, POWER, FLOOR]
NO_ANSWER, UNCERTAIN = Quality.NO_ANSWER, Quality.UNCERTAIN

# A process that thins; around every commit it says so and waits to be told to go on.
THINNER = """
import sys
from contextlib import contextmanager
from pathlib import Path
import numpy as np
from adapters.history import embedded_codec, embedded_sealing
from adapters.history.embedded import EmbeddedHistory
from tests.fakes import FixedClock
from watchkeeper.history import Thinning
embedded_codec.FRAME_READINGS, embedded_sealing._SLICE = 100, 1
plain = embedded_sealing.transaction
def step():
    print("step", flush=True)
    sys.stdin.readline()
@contextmanager
def stepping(db):
    with plain(db) as inner:
        yield inner
        step()
    step()
embedded_sealing.transaction = stepping
history = EmbeddedHistory(Path(sys.argv[1]), clock=FixedClock(), writable=True)
sampled, counters = (np.array([0, 1], np.uint32), np.array([0], np.uint32))
history.thin(Thinning(sampled, counters, int(sys.argv[2]), 900_000))
history.settle()
print("done", flush=True)
history.close()
"""


@pytest.fixture
def history(tmp_path: Path) -> Iterator[EmbeddedHistory]:
    opened = EmbeddedHistory(tmp_path / "riverside.db", clock=FixedClock(), writable=True)
    opened.series(POINTS)
    yield opened
    opened.close()


def wish(before: int = NOW) -> Thinning:
    return Thinning(np.array([0, 1], np.uint32), np.array([0], np.uint32), before, QUARTER)


def thin(history: EmbeddedHistory, before: int = NOW) -> None:
    history.settle()
    history.thin(wish(before))
    history.settle()


def put(
    history: EmbeddedHistory, point: PointId, at: Times, value: Floats, quality: int = 0
) -> None:
    series = np.full(len(at), POINTS.index(point), np.uint32)
    marks = np.full(len(at), quality, np.uint8)
    history.write(Batch(series, at, value, marks))


def rows(track: Track) -> list[tuple[int, float | None, int]]:
    values = [None if np.isnan(value) else value for value in track.value.tolist()]
    return list(zip(track.at.tolist(), values, track.quality.tolist(), strict=True))


def whole(history: EmbeddedHistory, point: PointId) -> Track:
    return history.raw(point, 0, 2 * NOW)


def every(step: int, count: int, start: int = OLD) -> Times:
    return start + step * np.arange(count, dtype=np.int64)


def test_of_a_quarter_hour_the_first_and_the_last_reading_stay(history: EmbeddedHistory) -> None:
    put(history, POWER, every(10 * SECOND, 270), np.arange(270.0) % 7)
    thin(history)
    found = whole(history, POWER)
    assert ((found.at - OLD) // SECOND).tolist() == [0, 890, 900, 1790, 1800, 2690]
    assert found.value.tolist() == [float(n % 7) for n in (0, 89, 90, 179, 180, 269)]


def test_every_change_between_good_uncertain_and_bad_stays(history: EmbeddedHistory) -> None:
    for start, quality in ((0, 0), (20, NO_ANSWER), (30, UNCERTAIN), (40, 66), (50, 0)):
        value = np.full(10, np.nan if quality == NO_ANSWER else 5.0)
        put(history, POWER, every(10 * SECOND, 10, OLD + start * 10 * SECOND), value, quality)
    thin(history)
    assert [((at - OLD) // 10_000, v, q) for at, v, q in rows(whole(history, POWER))] == [
        (0, 5.0, 0), (9, 5.0, 0),
        (20, None, NO_ANSWER), (29, None, NO_ANSWER),
        (30, 5.0, UNCERTAIN), (49, 5.0, 66),
        (50, 5.0, 0), (59, 5.0, 0),
    ]  # fmt: skip


def test_states_are_left_alone(history: EmbeddedHistory) -> None:
    put(history, FLOOR, every(SECOND, 2000), np.arange(2000.0) % 28)
    put(history, POWER, every(SECOND, 2000), np.ones(2000))
    before = rows(whole(history, FLOOR))
    thin(history)
    assert rows(whole(history, FLOOR)) == before
    assert len(whole(history, POWER).at) == 6


def test_what_is_younger_than_the_limit_is_left_alone(history: EmbeddedHistory) -> None:
    at = every(MINUTE, 2 * 1440, OLD)
    put(history, POWER, at, np.ones(len(at)))
    limit = OLD + SPAN_MS + 12 * 3_600_000
    thin(history, limit + 7 * MINUTE)  # inside a quarter hour, which is then not begun
    found = whole(history, POWER).at
    assert np.count_nonzero(found < limit) == 2 * 4 * 36
    assert found[found >= limit].tolist() == at[at >= limit].tolist()
    thin(history)
    assert len(whole(history, POWER).at) == 2 * 4 * 48


def at_edges(track: Track) -> Floats:
    good = track.quality < 64
    edges = np.arange(OLD + QUARTER, OLD + SPAN_MS - QUARTER, QUARTER)
    found: Floats = np.interp(edges, track.at[good], track.value[good])
    return found


@pytest.mark.serves("F2")
def test_energy_at_every_quarter_hour_is_what_it_was(history: EmbeddedHistory) -> None:
    rng = np.random.default_rng(11)
    at = OLD + np.cumsum(rng.integers(5 * SECOND, 16 * SECOND, 8_000))
    at = at[at < OLD + SPAN_MS]
    value = 5_000 + np.cumsum(np.round(rng.random(len(at)), 2))
    quality = np.where(rng.random(len(at)) < 0.01, NO_ANSWER, 0).astype(np.uint8)
    quality[2_000:2_300] = NO_ANSWER  # three quarter hours without an answer
    value[quality > 0] = np.nan
    history.write(Batch(np.zeros(len(at), np.uint32), at, value, quality))
    before = whole(history, ENERGY)
    thin(history)
    after = whole(history, ENERGY)
    assert len(after.at) < len(before.at) / 10
    assert at_edges(after).tolist() == at_edges(before).tolist()


@pytest.mark.serves("F2")
def test_both_sides_of_a_counters_fall_stay(history: EmbeddedHistory) -> None:
    put(history, ENERGY, every(10 * SECOND, 6), np.array([1.0, 2.0, 900.0, 0.0, 1.0, 5.0]))
    put(history, POWER, every(10 * SECOND, 6), np.array([1.0, 2.0, 900.0, 0.0, 1.0, 5.0]))
    thin(history)
    assert whole(history, ENERGY).value.tolist() == [1.0, 900.0, 0.0, 5.0]
    assert whole(history, POWER).value.tolist() == [1.0, 5.0]


def test_thinning_again_changes_nothing_and_rewrites_nothing(
    history: EmbeddedHistory, tmp_path: Path
) -> None:
    put(history, POWER, every(MINUTE, 3000), np.arange(3000.0))
    thin(history)
    with sqlite3.connect(tmp_path / "riverside.db") as db:
        before = db.execute("select * from segment order by id").fetchall()
        thin(history)
        assert db.execute("select * from segment order by id").fetchall() == before
    db.close()
    assert len(whole(history, POWER).at) == 2 * 200


def test_a_late_reading_is_thinned_with_the_day_it_corrects(history: EmbeddedHistory) -> None:
    put(history, POWER, every(10 * SECOND, 90), np.ones(90))
    thin(history)
    put(history, POWER, every(10 * SECOND, 1), np.full(1, np.nan), NO_ANSWER)
    put(history, POWER, every(10 * SECOND, 40, OLD + 5 * SECOND), np.full(40, 2.0))
    thin(history)
    assert [((at - OLD) // SECOND, v, q) for at, v, q in rows(whole(history, POWER))] == [
        (0, None, NO_ANSWER),
        (5, 2.0, 0),
        (890, 1.0, 0),
    ]


def test_a_reader_sees_it_and_the_newest_stays(history: EmbeddedHistory, tmp_path: Path) -> None:
    reader = EmbeddedHistory(tmp_path / "riverside.db", clock=FixedClock(), writable=False)
    value = np.random.default_rng(1).random(90_000)
    put(history, POWER, every(SECOND, 90_000), value)
    history.settle()
    assert len(whole(reader, POWER).at) == 90_000
    thin(history)
    assert len(whole(reader, POWER).at) == 200
    assert reader.latest([POWER])[POWER].value == value[-1]
    reader.close()
    with sqlite3.connect(tmp_path / "riverside.db") as db:
        assert db.execute("pragma freelist_count").fetchone()[0] > 100
    db.close()


def test_thinning_crosses_many_frames(
    history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_codec, "FRAME_READINGS", 50)
    monkeypatch.setattr(embedded_sealing, "_SLICE", 1)
    for part in range(3):
        for point in POINTS:
            put(history, point, every(MINUTE, 300, OLD + part * MINUTE // 3), np.ones(300))
        history.settle()
    thin(history)
    assert [len(whole(history, point).at) for point in POINTS] == [40, 40, 900]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 9]),
            st.integers(0, 60),
            st.integers(0, 3),
            st.sampled_from([0, 3, 64, 128, 129]),
        ),
        max_size=60,
    )
)
@settings(deadline=None)
def test_what_stays_is_what_the_rule_says(readings: list[tuple[int, int, int, int]]) -> None:
    single = sorted({(series, at): rest for series, at, *rest in readings}.items())
    batch = Batch(
        np.array([key[0] for key, _ in single], np.uint32),
        np.array([key[1] for key, _ in single], np.int64),
        np.array([rest[0] for _, rest in single], np.float64),
        np.array([rest[1] for _, rest in single], np.uint8),
    )
    thinning = Thinning(np.array([0, 1], np.uint32), np.array([0], np.uint32), 50, 10)
    stays = kept(batch, thinning)
    left = batch.take(stays)
    assert kept(left, thinning).all()
    for series in (0, 1, 2, 9):
        full, thinned = (_rows(each, series) for each in (batch, left))
        if series > 1:
            assert thinned == full
        assert [row for row in thinned if row[0] >= 50] == [row for row in full if row[0] >= 50]
        assert _firsts_and_lasts(thinned) == _firsts_and_lasts(full)
        assert _changes(thinned) == _changes(full)


def _rows(batch: Batch, series: int) -> list[tuple[int, float, int]]:
    own = batch.take(batch.series == series)
    return list(zip(own.at.tolist(), own.value.tolist(), own.quality.tolist(), strict=True))


def _firsts_and_lasts(rows: list[tuple[int, float, int]]) -> list[list[tuple[int, float, int]]]:
    good = [row for row in rows if row[2] < 64]
    spans = [[row for row in good if row[0] // 10 == span] for span in range(7)]
    return [[span[0], span[-1]] for span in spans if span]


def _changes(rows: list[tuple[int, float, int]]) -> list[tuple[int, float, int]]:
    return [row for n, row in enumerate(rows) if not n or row[2] // 64 != rows[n - 1][2] // 64]


@pytest.mark.serves("B3")
def test_a_kill_in_the_middle_leaves_each_day_whole_or_thinned(tmp_path: Path) -> None:
    path = tmp_path / "riverside.db"
    history = EmbeddedHistory(path, clock=FixedClock(), writable=True)
    history.series(POINTS)
    at = every(MINUTE, 3 * 1440)
    for point in POINTS:
        put(history, point, at, np.arange(len(at)) / 2)
    history.settle()
    history.close()
    seen, ended = set(), False
    for steps in (1, 4, 6, 7, 8, 9, 16, 17, 60):
        ended = _thin_and_kill(path, steps)
        history = EmbeddedHistory(path, clock=FixedClock(), writable=True)
        assert whole(history, FLOOR).at.tolist() == at.tolist()
        counts = []
        for day in range(3):
            start = OLD + day * SPAN_MS
            tracks = [history.raw(point, start, start + SPAN_MS) for point in (ENERGY, POWER)]
            counts.append({len(track.at) for track in tracks})
            for track in tracks:
                assert track.value.tolist() == ((track.at - OLD) / MINUTE / 2).tolist()
        assert all(count in ({1440}, {192}) for count in counts)
        seen.add(counts.count({192}))
        history.close()
    assert ended
    assert seen == {0, 1, 2, 3}
    with sqlite3.connect(path) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        unseen = (
            "select count(*) from frame where segment not in"
            " (select id from segment union select segment from rolled)"
        )
        assert db.execute(unseen).fetchone() == (0,)
    db.close()


def _thin_and_kill(path: Path, steps: int) -> bool:
    """Let a process thin until its `steps`th step, then kill it; True when it was done before."""
    process = subprocess.Popen(
        [sys.executable, "-c", THINNER, str(path), str(NOW)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251 - handed on, not read
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = process.stdout.readline()
    for _ in range(steps - 1):
        if said == b"done\n":
            break
        process.stdin.write(b"\n")
        process.stdin.flush()
        said = process.stdout.readline()
    if said != b"done\n":
        process.send_signal(signal.SIGKILL)
    process.stdin.close()
    process.stdout.close()
    return process.wait(10) == 0


@pytest.mark.parametrize(
    ("kept", "does"),
    [
        pytest.param({"thin_after_h": 24}, "thins", id="thins"),
        pytest.param({"keep_telemetry_days": 90}, "drops", id="drops"),
    ],
)
def test_a_database_is_left_to_itself(tmp_path: Path, kept: dict[str, int], does: str) -> None:
    history = HistorySettings.model_validate({"store": "influx", **kept})
    with pytest.raises(ConfigError, match=f"only the embedded store {does}"):
        open_history(
            Settings(data=tmp_path, history=history), "riverside", FixedClock(), writable=True
        )
