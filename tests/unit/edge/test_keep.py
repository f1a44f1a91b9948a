import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import pytest

from edge.journal import Journal, Range
from edge.keep import Keeper
from edge.rows import Row


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    made = Keeper(Journal(tmp_path / "x.db", lambda: "j", may_shed=True), period_s=0)
    yield made
    await made.close()


class Source:
    """Rows that are there once."""

    def __init__(self, *at: int) -> None:
        self.rows = [Row(0, "h", "live", each, b"x") for each in at]
        self.taken = asyncio.Event()

    def __call__(self) -> list[Row]:
        rows, self.rows = self.rows, []
        if rows:
            self.taken.set()
        return rows


@pytest.mark.serves("A6")
@pytest.mark.parametrize("busy", [True, False], ids=["before its commit began", "in its commit"])
async def test_rows_taken_before_a_planned_stop_are_kept_once(
    keeper: Keeper, *, busy: bool
) -> None:
    source, release, told = Source(1, 2, 3), threading.Event(), list[Row]()
    commit = keeper.journal.commit

    def slow(rows: Sequence[Row] = (), gone: Iterable[Range] = ()) -> list[Row]:
        release.wait(5)
        return commit(rows, gone)

    if busy:  # the journal's thread has something else to do
        other = asyncio.create_task(keeper.call(release.wait, 5))
    else:
        other = asyncio.create_task(asyncio.sleep(0, True))  # noqa: FBT003 - what it gives back
        keeper.journal.commit = slow  # type: ignore[method-assign]
    work = asyncio.create_task(keeper.run(source, told.extend))
    keeper.stir()
    await source.taken.wait()
    work.cancel()
    asyncio.get_running_loop().call_later(0.05, release.set)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await other

    kept = await keeper.call(keeper.journal.after, 0, 9)
    assert [each.at for each in kept] == [1, 2, 3]
    assert kept == told
