import logging
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from adapters.history import embedded, embedded_sealing
from adapters.history.embedded import EmbeddedHistory
from adapters.history.embedded_codec import SPAN_MS
from tests import parts
from tests.fakes import FixedClock
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError, Unreachable
from watchkeeper.history import Quarantined
from watchkeeper.ids import PointId

NOW = unix_ms(FixedClock().now())
POINTS = [PointId(f"u-{n // 10}/p{n % 10}") for n in range(50)]
ROOT = Path(__file__).parents[3]

# A process that writes tick after tick and says so only after `write` came back.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from adapters.history import embedded_sealing
from adapters.history.embedded import EmbeddedHistory
from tests.fakes import FixedClock
from watchkeeper.batch import Batch
embedded_sealing.SEAL_READINGS = 3_000
path, first, ticks, start = Path(sys.argv[1]), *map(int, sys.argv[2:])
history = EmbeddedHistory(path, clock=FixedClock(), writable=True)
series = history.series([f"u-{n // 10}/p{n % 10}" for n in range(50)])
for tick in range(first, first + ticks):
    at = np.full(50, start + 1000 * tick)
    history.write(Batch(series, at, np.full(50, float(tick)), np.zeros(50, np.uint8)))
    print(tick, flush=True)
history.close()
"""


def store(
    tmp_path: Path, *, writable: bool = True, clock: FixedClock | None = None
) -> EmbeddedHistory:
    path = tmp_path / "riverside.db"
    return EmbeddedHistory(path, clock=clock or FixedClock(), writable=writable)


def tick(history: EmbeddedHistory, at: int, value: float) -> None:
    """Write one reading of every point."""
    series = history.series(POINTS)
    count = len(POINTS)
    history.write(
        Batch(series, np.full(count, at), np.full(count, value), np.zeros(count, np.uint8))
    )


def segments(tmp_path: Path) -> list[tuple[int, int]]:
    with sqlite3.connect(tmp_path / "riverside.db") as db:
        found = db.execute("select day, readings from segment order by day, id").fetchall()
    db.close()
    return found


def writer(path: Path, first: int, ticks: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(ticks), str(NOW)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251 - handed on, not read
        stdout=subprocess.PIPE,
    )


def test_a_reader_may_come_before_the_first_writer(tmp_path: Path) -> None:
    reader = store(tmp_path, writable=False)
    assert reader.points() == []
    assert reader.latest(POINTS) == {}
    assert len(reader.raw(POINTS[0], 0, NOW).at) == 0
    assert reader.quarantined() == []
    history = store(tmp_path)
    tick(history, NOW, 1.0)
    assert reader.points() == POINTS
    assert len(reader.latest(POINTS)) == 50
    history.close()
    assert reader.raw(POINTS[3], NOW, NOW + 1).value.tolist() == [1.0]
    reader.close()


def test_a_reader_follows_through_seal_and_merge(tmp_path: Path) -> None:
    history, reader = store(tmp_path), store(tmp_path, writable=False)
    for n in range(30):
        tick(history, NOW + n, float(n))
        if n % 3 == 2:
            history.settle()
        if n % 4 == 0:
            assert reader.raw(POINTS[7], NOW, NOW + 100).value.tolist() == list(range(n + 1))
            assert reader.latest(POINTS[7:8])[POINTS[7]].value == n
    assert len(reader.raw(POINTS[7], NOW, NOW + 100).at) == 30
    reader.close()
    history.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    history = store(tmp_path)
    with pytest.raises(ConfigError, match="another process writes this store"):
        store(tmp_path)
    history.close()
    store(tmp_path).close()


def test_a_store_of_a_later_layout_is_refused(tmp_path: Path) -> None:
    store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "riverside.db")
    db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(ConfigError, match="layout 99"):
        store(tmp_path)
    with pytest.raises(ConfigError, match="layout 99"):
        store(tmp_path, writable=False).points()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    reader = store(tmp_path, writable=False)
    with pytest.raises(RuntimeError, match="opened to be read"):
        reader.series(POINTS)


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    history = store(tmp_path)
    tick(history, NOW, 1.0)
    history.settle()
    tick(history, NOW + 1, 2.0)
    history.close()
    history = store(tmp_path)
    assert history.series(POINTS).tolist() == list(range(50))
    assert history.raw(POINTS[0], NOW, NOW + 9).value.tolist() == [1.0, 2.0]
    tick(history, NOW + 2, 3.0)
    history.settle()
    assert history.raw(POINTS[0], NOW, NOW + 9).value.tolist() == [1.0, 2.0, 3.0]
    assert history.latest(POINTS[:1])[POINTS[0]].value == 3.0
    history.close()


def test_a_day_that_is_over_becomes_one_segment(tmp_path: Path) -> None:
    clock = FixedClock()
    history = store(tmp_path, clock=clock)
    for n in range(4):
        tick(history, NOW + n, float(n))
        history.settle()
    today = NOW // SPAN_MS
    assert segments(tmp_path) == [(today, 50)] * 4
    clock.pass_(14 * 3600)
    history.settle()
    assert segments(tmp_path) == [(today, 200)]
    assert history.raw(POINTS[9], NOW, NOW + 9).value.tolist() == [0.0, 1.0, 2.0, 3.0]
    history.close()


def test_late_readings_win_over_a_sealed_day(tmp_path: Path) -> None:
    history, day = store(tmp_path), NOW - 5 * SPAN_MS
    for n in range(40):
        tick(history, day + n, 1.0)
    history.settle()
    late = Batch(
        np.full(1, 7, np.uint32), np.array([day + 3]), np.array([9.0]), np.zeros(1, np.uint8)
    )
    history.write(late)
    history.settle()
    assert segments(tmp_path) == [(day // SPAN_MS, 2000), (day // SPAN_MS, 1)]
    assert history.raw(POINTS[7], day, day + 9).value[3] == 9.0
    tick(history, day + 3, 5.0)
    for n in range(3):
        tick(history, day + 50 + n, 2.0)
    history.settle()
    assert segments(tmp_path) == [(day // SPAN_MS, 50 * 43)]
    assert history.raw(POINTS[7], day, day + 9).value[3] == 5.0
    history.close()


def test_a_merge_crosses_many_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.history.embedded_codec.FRAME_READINGS", 7)
    monkeypatch.setattr(embedded_sealing, "_SLICE", 3)
    clock = FixedClock()
    history = store(tmp_path, clock=clock)
    rng = np.random.default_rng(5)
    series = history.series(POINTS)
    wanted: dict[int, dict[int, float]] = {number: {} for number in range(50)}
    for n in range(60):
        chosen = rng.choice(50, 20, replace=False)
        at = NOW + rng.integers(0, 40, 20)
        history.write(Batch(series[chosen], at, np.full(20, float(n)), np.zeros(20, np.uint8)))
        for number, moment in zip(chosen.tolist(), at.tolist(), strict=True):
            wanted[number][moment] = float(n)
        if n % 5 == 0:
            history.settle()
    clock.pass_(86_400)
    history.settle()
    assert len(segments(tmp_path)) == 1
    for number, point in enumerate(POINTS):
        track = history.raw(point, NOW, NOW + 50)
        assert dict(zip(track.at.tolist(), track.value.tolist(), strict=True)) == wanted[number]
    history.close()


def test_readings_of_many_days_in_one_commit(tmp_path: Path) -> None:
    history = store(tmp_path)
    number = history.series(POINTS[:1])[0]
    at = NOW - np.arange(30) * SPAN_MS
    history.write(
        Batch(np.full(30, number, np.uint32), at, np.arange(30.0), np.zeros(30, np.uint8))
    )
    history.settle()
    assert len(segments(tmp_path)) == 30
    assert history.raw(POINTS[0], NOW - 40 * SPAN_MS, NOW + 1).value.tolist() == list(
        range(29, -1, -1)
    )
    assert history.latest(POINTS[:1])[POINTS[0]].value == 0.0
    history.close()


def test_sealing_starts_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_sealing, "SEAL_ROWS", 5)
    history = store(tmp_path)
    for n in range(5):
        tick(history, NOW + n, float(n))
    parts.until(lambda: segments(tmp_path) != [], "nothing was sealed")
    assert history.raw(POINTS[0], NOW, NOW + 9).value.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    history.close()


def test_failing_to_seal_loses_nothing_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded_sealing, "SEAL_ROWS", 2)
    monkeypatch.setattr(embedded, "JOURNAL_LIMIT", 200)
    history = store(tmp_path)
    blocker = sqlite3.connect(tmp_path / "riverside.db")
    blocker.execute(
        "create trigger full before insert on frame begin select raise(abort, 'disk full'); end"
    )
    with caplog.at_level(logging.ERROR):
        for n in range(5):
            tick(history, NOW + n, float(n))
        parts.until(lambda: "sealing failed" in caplog.text, "the failure was not logged")
        with pytest.raises(Unreachable):
            tick(history, NOW + 5, 5.0)
    assert caplog.text.count("sealing failed") == 1
    blocker.execute("drop trigger full")
    blocker.close()
    history.settle()
    tick(history, NOW + 5, 5.0)
    assert history.raw(POINTS[0], NOW, NOW + 9).value.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    history.close()


def test_a_store_that_cannot_be_written_is_unreachable(tmp_path: Path) -> None:
    history = store(tmp_path)
    tick(history, NOW, 1.0)
    with sqlite3.connect(tmp_path / "riverside.db") as db:
        db.execute(
            "create trigger full before insert on journal begin select raise(abort, 'x'); end"
        )
    db.close()
    with pytest.raises(Unreachable):
        tick(history, NOW + 1, 2.0)
    assert len(history.raw(POINTS[0], NOW, NOW + 9).at) == 1
    history.close()


def test_quarantine_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "QUARANTINE_KEPT", 10)
    history = store(tmp_path)
    for n in range(25):
        history.quarantine([Quarantined(NOW + n, "riverside/plant-b1", "value", b"%d" % n)])
    assert [item.at for item in history.quarantined()] == [NOW + n for n in range(24, 14, -1)]
    history.close()


@pytest.mark.serves("B3")
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path, done = tmp_path / "riverside.db", -1
    for _ in range(4):
        process = writer(path, done + 1, 100_000)
        assert process.stdout is not None
        for _ in range(400):
            done = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        done = int(rest[-1]) if rest else done
        process.stdout.close()
        assert process.wait(10) == -signal.SIGKILL
    history = store(tmp_path)
    for point in (POINTS[0], POINTS[49]):
        track = history.raw(point, NOW, NOW + 10**9)
        assert len(track.at) in {done + 1, done + 2}  # one may be stored and not yet acknowledged
        assert track.value.tolist() == list(range(len(track.at)))
        assert track.at.tolist() == (NOW + 1000 * np.arange(len(track.at))).tolist()
    with sqlite3.connect(path) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        unseen = "select count(*) from frame where segment not in (select id from segment)"
        assert db.execute(unseen).fetchone() == (0,)
    db.close()
    history.close()


def test_another_process_reads_while_one_writes_and_seals(tmp_path: Path) -> None:
    process = writer(tmp_path / "riverside.db", 0, 1500)
    reader = store(tmp_path, writable=False)
    seen = 0
    while process.poll() is None:
        track = reader.raw(POINTS[21], NOW, NOW + 10**9)
        assert track.value.tolist() == list(range(len(track.at)))
        assert len(track.at) >= seen
        newest = reader.latest(POINTS[21:22])
        assert not newest or (newest[POINTS[21]].value or 0) >= len(track.at) - 1
        seen = len(track.at)
    assert process.stdout is not None
    process.stdout.close()
    assert process.returncode == 0
    assert len(reader.raw(POINTS[21], NOW, NOW + 10**9).at) == 1500
    assert 0 < seen <= 1500
    reader.close()


def test_a_store_of_the_layout_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "riverside.db"
    with closing(EmbeddedHistory(path, clock=FixedClock(), writable=True)) as history:
        history.quarantine([Quarantined(NOW, "riverside/plant-b1", "value", b"{}", 7)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("drop index quarantine_digest")
        for column in ("readings", "digest"):
            db.execute(f"alter table quarantine drop column {column}")
        db.execute("pragma user_version=1")
    with closing(EmbeddedHistory(path, clock=FixedClock(), writable=True)) as history:
        assert [item.readings for item in history.quarantined()] == [1]
