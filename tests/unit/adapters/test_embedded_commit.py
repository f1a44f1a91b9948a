import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from adapters.history import embedded_checkpoint, embedded_codec
from adapters.history.embedded import EmbeddedHistory
from adapters.history.embedded_codec import decode, encode
from adapters.history.embedded_file import Turns
from tests.fakes import FixedClock
from tests.parts import until
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.ids import PointId

NOW = unix_ms(FixedClock().now())
POINTS = [PointId(f"u/{n}") for n in range(500)]


def open_(tmp_path: Path) -> EmbeddedHistory:
    return EmbeddedHistory(tmp_path / "deep" / "x.db", clock=FixedClock(), writable=True)


def noise(history: EmbeddedHistory, tick: int) -> None:
    series = history.series(POINTS)
    value = np.random.default_rng(tick).random(500)
    history.write(Batch(series, np.full(500, NOW + tick), value, np.zeros(500, np.uint8)))


def test_a_commit_is_on_disk_and_waits_for_no_checkpoint(tmp_path: Path) -> None:
    with closing(open_(tmp_path)) as history:
        db = history._writing()._db  # noqa: SLF001 - the settings are those of this connection
        assert db.execute("pragma synchronous").fetchone() == (2,)
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert db.execute("pragma wal_autocheckpoint").fetchone() == (0,)


def test_the_wal_is_emptied_beside_and_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_checkpoint, "DUE", 50_000)
    monkeypatch.setattr(embedded_checkpoint, "FULL", 100)
    with closing(open_(tmp_path)) as history:
        file = tmp_path / "deep" / "x.db"
        before = file.stat().st_size
        for tick in range(1_000):
            noise(history, tick)
        wal = file.with_name("x.db-wal").stat().st_size
        until(lambda: file.stat().st_size > before + 2_000_000, "no checkpoint was made")
        assert wal < 3_000_000
        assert len(history.raw(POINTS[7], NOW, NOW + 1_000).at) == 1_000


def test_a_checkpoint_that_fails_costs_nothing_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded_checkpoint, "DUE", 1_000)
    calls: list[int] = []

    def fails(_: sqlite3.Connection) -> int:
        calls.append(1)
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(embedded_checkpoint, "_checkpoint", fails)
    with closing(open_(tmp_path)) as history:
        for tick in range(50):
            noise(history, tick)
            if tick == 20:
                until(lambda: bool(calls), "it was not tried")
                seen = len(calls)
        until(lambda: len(calls) > seen, "it was not tried again")
        assert len(history.raw(POINTS[0], NOW, NOW + 50).at) == 50
    assert caplog.text.count("a checkpoint failed") == 1


def test_who_asks_often_lets_the_other_have_its_turn() -> None:
    turns, over = Turns(), Event()
    order: list[str] = []

    def often() -> None:
        while not over.is_set():
            with turns:
                order.append("often")

    thread = Thread(target=often)
    thread.start()
    until(lambda: len(order) > 100, "the thread does not run")
    for _ in range(50):
        with turns:
            order.append("once")
    over.set()
    thread.join(10)
    assert order.count("once") == 50


def test_many_readings_are_encoded_in_parts_and_come_back_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded_codec, "FRAME_READINGS", 100)
    monkeypatch.setattr(embedded_codec, "_AT_ONCE", 250)
    rng, day = np.random.default_rng(1), NOW // embedded_codec.SPAN_MS * embedded_codec.SPAN_MS
    counts = [*rng.integers(1, 60, 40).tolist(), 700, 3]
    batch = Batch(
        np.repeat(np.arange(len(counts), dtype=np.uint32) * 3, counts),
        np.concatenate([day + np.arange(count) * 1_000 for count in counts]),
        np.round(rng.random(sum(counts)), 2),
        np.zeros(sum(counts), np.uint8),
    )
    frames = list(encode(batch, day))
    assert max(len(decode(frame.blob)) for frame in frames if frame.first != frame.last) <= 100
    found = Batch.joined([decode(frame.blob) for frame in frames])
    for column in ("series", "at", "value", "quality"):
        assert np.array_equal(getattr(found, column), getattr(batch, column))
    assert list(encode(Batch.joined([]), day)) == []
