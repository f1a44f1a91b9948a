import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.disk import BALLAST_BYTES, disk
from edge.journal import Full, Journal, joined
from edge.rows import GAP, WAIT, Row, Span, span_of

ROOT = Path(__file__).parents[3]
WRITER = """
import sys
from collections.abc import Iterator
from pathlib import Path
from edge.journal import Journal
from edge.rows import Row
journal = Journal(Path(sys.argv[1]), lambda: "feed", may_shed=True)
while True:
    kept = journal.commit([Row(0, "h", "live", n, b"x" * 500) for n in range(20)])
    print(kept[-1].q, flush=True)
"""


def row(at: int = 0, *, mode: str = "live", birth: str = "h", size: int = 10) -> Row:
    return Row(0, birth, mode, at, b"x" * size)


def opened(folder: Path, *, may_shed: bool = True, most_bytes: int = 1 << 30) -> Journal:
    ids = itertools.count(1)
    return Journal(
        folder / "edge" / "data.db", lambda: f"id-{next(ids)}", may_shed=may_shed,
        most_bytes=most_bytes,
    )  # fmt: skip


@pytest.mark.serves("A6")
def test_rows_get_ascending_numbers_that_never_come_twice(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    first = journal.commit([row(), row()])
    journal.commit([], [(1, 2)])
    journal.close()

    again = opened(tmp_path)
    second = again.commit([row()])

    assert [each.q for each in first + second] == [1, 2, 3]
    assert again.id == journal.id == "id-1"


@pytest.mark.serves("A6")
def test_only_the_acknowledged_ranges_leave(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(at) for at in range(10)])

    journal.commit([row(99)], [(2, 3), (7, 7), (50, 60)])

    assert [each.q for each in journal.after(0, 100)] == [1, 4, 5, 6, 8, 9, 10, 11]
    assert [each.q for each in journal.after(8, 2)] == [9, 10]
    assert (journal.count(), journal.newest()) == (8, 11)


@pytest.mark.serves("A7")
def test_life_safety_is_read_back_before_faults(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(mode=mode) for mode in ("fault", "life_safety", "fault", "life_safety")])

    assert [each.q for each in journal.pressing("life_safety", 3)] == [2, 4, 1]


@pytest.mark.serves("A6")
def test_kill_9_of_a_writer_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    for _ in range(3):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - handed on
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=environment
        )
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(10)]
        writer.kill()
        told += [int(line) for line in writer.stdout.read().splitlines() if line.strip()]
        writer.stdout.close()
        writer.wait()

        journal = Journal(path, lambda: "other", may_shed=True)
        kept = [each.q for each in journal.after(0, 10**6)]
        assert journal.id == "feed"
        assert kept[: told[-1]] == list(range(1, told[-1] + 1))
        assert len(kept) % 20 == 0, "a group is kept whole or not at all"
        journal.close()


def test_a_second_process_may_write_while_the_first_has_it_open(tmp_path: Path) -> None:
    journal, other = opened(tmp_path), opened(tmp_path)
    other.commit([row(1)])
    journal.commit([row(2)])

    assert [each.at for each in journal.after(0, 9)] == [1, 2]
    assert other.id == journal.id


@pytest.mark.serves("A6")
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row()])
    journal.close()
    journal.path.write_bytes(b"no database at all" * 1000)

    again = opened(tmp_path)

    assert again.damaged == 1
    assert [each.q for each in again.commit([row()])] == [1]
    assert (tmp_path / "edge" / "data.damaged-1").read_bytes().startswith(b"no database")


def test_a_file_that_is_damaged_while_in_use_is_set_aside(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(size=3000) for _ in range(200)])
    journal._connection.execute("pragma wal_checkpoint(truncate)").fetchall()  # noqa: SLF001
    content = bytearray(journal.path.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    journal.path.write_bytes(content)
    journal._connection.execute("pragma shrink_memory")  # noqa: SLF001
    before = journal.id
    journal._connection.close()  # noqa: SLF001
    journal._connection = sqlite3.connect(journal.path, isolation_level=None)  # noqa: SLF001

    kept = journal.commit([row()])

    assert [each.q for each in kept] == [1]
    assert journal.damaged == 1
    assert journal.id != before


def test_a_full_disk_costs_the_ballast_then_the_oldest_telemetry(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal._connection.execute("pragma max_page_count=400")  # noqa: SLF001 - a disk of 1.6 MB
    assert journal._ballast.path.stat().st_size == BALLAST_BYTES  # noqa: SLF001

    fill(journal)

    assert not journal._ballast.path.exists()  # noqa: SLF001
    assert journal.shed > 0
    kept = journal.after(0, 10**6)
    assert [each.at for each in kept if each.mode != GAP] == list(range(journal.shed, 4000))
    gaps = [span_of(each) for each in kept if each.mode == GAP]
    assert sum(gap.readings for gap in gaps) == journal.shed
    assert gaps[-1] == journal.gap


def fill(journal: Journal) -> None:
    for at in range(4000):
        journal.commit([row(at, size=1000)])


def test_events_are_never_given_up_for_room(tmp_path: Path) -> None:
    journal = opened(tmp_path, may_shed=False)
    journal._connection.execute("pragma max_page_count=100")  # noqa: SLF001

    with pytest.raises(Full):
        fill(journal)

    assert [each.at for each in journal.after(0, 10**6)] == list(range(journal.count()))
    journal.commit([], [(1, 50)])
    assert len(journal.commit([row(size=1000) for _ in range(30)])) == 30


def test_telemetry_stays_within_its_bound(tmp_path: Path) -> None:
    journal = opened(tmp_path, most_bytes=2 << 20)
    for _ in range(10):
        journal.commit([row(size=5000) for _ in range(100)])

    journal.care()

    gaps = [span_of(each) for each in journal.after(0, 10**6) if each.mode == GAP]
    assert gaps == [Span(0, 0, 100)] * (journal.shed // 100)
    assert journal.shed + journal.count() == 1000 + len(gaps)
    assert 300 < journal.count() < 500
    assert journal.missing == journal.shed


def test_a_row_nobody_can_read_is_put_away_with_its_reason(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(1), row(2)])

    assert journal.set_aside([(1, "unreadable"), (77, "unknown")]) == 1

    assert [each.q for each in journal.after(0, 9)] == [2]


def test_births_are_kept_while_a_row_refers_to_them(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.keep_birth("old", b"[1]")
    journal.commit([row(birth="old")])
    journal.keep_birth("new", b"[2]")
    assert (journal.birth("old"), journal.birth("new")) == (b"[1]", b"[2]")

    journal.commit([], [(1, 1)])
    journal.keep_birth("newer", b"[3]")
    assert journal.birth("old") == b"[1]", "its row may be asked for again"
    journal.care(1)
    journal.keep_birth("newest", b"[4]")

    assert (journal.birth("old"), journal.birth("new")) == (None, None)


def test_ranges_are_joined() -> None:
    assert joined([(5, 5), (1, 2), (3, 4), (9, 12), (10, 11)]) == [(1, 5), (9, 12)]


def test_an_acknowledged_row_is_kept_for_its_day_and_found_by_its_time(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(at) for at in (10, 30, 20, 40)])
    journal.commit([], [(1, 3)])

    assert [each.at for each in journal.kept(15, (0, 0), 9)] == [20, 30]
    assert [each.at for each in journal.kept(0, (20, 3), 9)] == [30]
    journal.care(25)
    assert [each.at for each in journal.kept(0, (0, 0), 9)] == [30]
    assert (journal.count(), journal.newest()) == (1, 4)


def test_acknowledged_rows_go_before_anything_else(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(at, size=1000) for at in range(1000)])
    journal.commit([], [(1, 900)])
    journal._connection.execute("pragma max_page_count=400")  # noqa: SLF001

    for at in range(1000, 1900):
        journal.commit([row(at, size=1000)])

    assert journal.shed == 0
    assert journal._ballast.path.exists()  # noqa: SLF001
    assert [each.at for each in journal.after(0, 10**6)] == list(range(900, 1900))


def test_a_file_of_the_version_before_is_read_on(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(7)])
    for line in ("drop index pending", "drop index kept", "alter table row drop column acked"):
        journal._connection.execute(line)  # noqa: SLF001
    journal.close()

    again = opened(tmp_path)
    again.commit([], [(1, 1)])

    assert (again.count(), [each.at for each in again.kept(0, (0, 0), 9)]) == (0, [7])


def test_rows_that_wait_for_the_clock_are_held_then_let_go(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.commit([row(1), row(2, mode=WAIT), row(3), row(4, mode=WAIT)])
    assert [each.q for each in journal.after(0, 9)] == [1, 3]

    assert (journal.settle(None), journal.settle(None)) == (2, 0)

    assert [(each.q, each.mode) for each in journal.after(0, 9)] == [
        (1, "live"), (2, "back"), (3, "live"), (4, "back"),
    ]  # fmt: skip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 8 MB; who may not mount one gets a folder (see `limited`)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    yield folder
    if mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def limited(journal: Journal, pages: int) -> Journal:
    """Keep a journal within so many pages where the disk itself is not small."""
    if disk(journal.path.parent)[1] > 8 << 20:
        journal._connection.execute(f"pragma max_page_count={pages}")  # noqa: SLF001
    return journal


@pytest.mark.serves("A6")
def test_a_full_disk_of_8_mb_keeps_events_and_tells_what_telemetry_is_gone(
    small_disk: Path,
) -> None:
    data = limited(opened(small_disk), 800)
    events = Journal(small_disk / "edge" / "event.db", lambda: "e", may_shed=False)
    for at in range(12_000):
        data.commit([row(at, size=1000)])
        if at % 10 == 0:
            events.commit([row(at, mode="fault", size=200)])
    free = min(disk(small_disk)[0], 8 << 20)
    (small_disk / "others").write_bytes(b"x" * (free // 4096 * 4096))  # somebody's log

    for at in range(12_000, 13_000):
        events.commit([row(at, mode="life_safety", size=200)])

    assert [each.at for each in events.after(0, 10**6)] == [
        *range(0, 12_000, 10), *range(12_000, 13_000),
    ]  # fmt: skip
    rows = data.after(0, 10**6)
    kept = [each.at for each in rows if each.mode != GAP]
    gaps = [span_of(each) for each in rows if each.mode == GAP]
    assert kept == list(range(data.shed, 12_000))
    assert sum(gap.readings for gap in gaps) == data.shed == data.missing > 5_000
    assert (min(gap.start for gap in gaps), max(gap.end for gap in gaps)) == (0, data.shed - 1)
    for n in range(0, len(rows), 20):  # acknowledging needs room as well
        data.commit([], [(rows[n].q, rows[n : n + 20][-1].q)])
    data.commit([row(12_000, size=1000)])
    assert data.count() == 1
    data.close()
    events.close()
