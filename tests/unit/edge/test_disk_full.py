"""A disk of 8 MB that fills up and is freed again: a real ext4, as a small edge box has one."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.disk import disk
from edge.journal import Full, Journal
from edge.keep import Keeper
from edge.rows import GAP, Row, span_of
from tests.disk import mounted

pytestmark = [pytest.mark.part("loop-mount"), pytest.mark.serves("A6")]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "image", tmp_path / "disk", size_mb=8):
        yield tmp_path / "disk"


def journal(folder: Path, name: str) -> Journal:
    return Journal(folder / "edge" / f"{name}.db", lambda: name, may_shed=name == "data")


def rows_of(start: int, end: int, *, mode: str = "live") -> list[Row]:
    """Return a row for each ms from start to end."""
    size = 1000 if mode == "live" else 200
    return [Row(0, "h", mode, at, b"x" * size) for at in range(start, end)]


def others(folder: Path, most: int = 1 << 30) -> Path:
    """Take so much of the disk, or all there is."""
    file = folder / "others"
    with file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 10):
            with contextlib.suppress(OSError):
                while out.tell() + size <= most and out.write(b"x" * size) == size:
                    pass
    return file


def use_up(events: Journal) -> None:
    """Take what is reserved for events too."""
    for at in itertools.count(0, 20):
        events.commit(rows_of(at, at + 20, mode="life_safety"))


def test_telemetry_goes_oldest_first_and_grows_again_once_there_is_room(small: Path) -> None:
    taken = others(small, 3 << 20)
    data, events = journal(small, "data"), journal(small, "event")
    for at in range(0, 6_000, 20):
        data.commit(rows_of(at, at + 20))
    shed = data.shed
    assert shed > 2_000
    others_again = others(small / "edge")
    events.commit(rows_of(0, 500, mode="life_safety"))
    data.commit(rows_of(6_000, 6_001))

    taken.unlink()
    others_again.unlink()
    shed = data.shed
    for at in range(6_001, 7_001, 20):
        data.commit(rows_of(at, at + 20))
    data.care()

    rows = data.after(0, 10**6)
    assert data.shed == shed, "there was room for these"
    assert [each.at for each in rows if each.mode != GAP] == list(range(shed, 7_001))
    assert sum(span_of(each).readings for each in rows if each.mode == GAP) == shed
    assert data.path.with_suffix(".ballast").exists()
    assert events.count() == 500
    data.close()
    events.close()


async def test_events_wait_in_memory_for_room_and_are_kept_by_themselves(small: Path) -> None:
    events, taken = journal(small, "event"), others(small)
    with pytest.raises(Full):
        use_up(events)
    before, keeper = events.count(), Keeper(events, period_s=0)
    assert before > 500
    waiting = rows_of(10**6, 10**6 + 100, mode="life_safety")
    asked, committed = asyncio.Event(), asyncio.Event()

    def take() -> list[Row]:
        asked.set()
        rows, waiting[:] = list(waiting), []
        return rows

    work = asyncio.create_task(keeper.run(take, lambda _: committed.set()))
    keeper.stir()
    await asyncio.wait_for(asked.wait(), 5)
    assert await keeper.call(events.count) == before
    assert not committed.is_set()
    taken.unlink()
    await asyncio.wait_for(committed.wait(), 5)

    assert disk(small)[0] > 0
    kept = await keeper.call(events.after, 0, 10**6)
    assert [each.at for each in kept][-100:] == list(range(10**6, 10**6 + 100))
    assert len(kept) == before + 100
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await keeper.close()
