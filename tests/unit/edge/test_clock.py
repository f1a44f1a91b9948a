from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.clock import WAIT_S, EdgeClock
from edge.collect import Collector
from edge.journal import Journal
from edge.keep import Keeper
from edge.rows import WAIT, Row
from edge.sending import DataLane
from tests.fakes import FixedClock
from watchkeeper import wire
from watchkeeper.clock import unix_ms
from watchkeeper.quality import Quality

RIGHT = datetime(2026, 6, 1, 12, tzinfo=UTC)
BOOT = datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC)
HOURS = timedelta(hours=2)


class Computer(FixedClock):
    """A computer whose clock can be set."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.known: bool | None = False

    def set(self, right: datetime) -> None:
        self._now, self.known = right, True


@pytest.mark.parametrize(
    ("start", "known", "believed"),
    [
        (RIGHT, True, True),
        (RIGHT, False, False),
        (RIGHT, None, True),
        (BOOT, None, False),
        (BOOT, False, False),
        (datetime(2023, 12, 31, 23, tzinfo=UTC), None, False),
        (datetime(2024, 1, 1, tzinfo=UTC), None, True),
    ],
)
def test_a_clock_nobody_knows_about_is_believed_from_2024(
    start: datetime,
    known: bool | None,  # noqa: FBT001 - a table
    believed: bool,  # noqa: FBT001 - a table
) -> None:
    assert EdgeClock(FixedClock(start), lambda: known).synchronised == believed


@pytest.mark.parametrize("start", [BOOT, RIGHT - HOURS, RIGHT + HOURS])
def test_all_that_was_stamped_before_is_wrong_by_one_offset(start: datetime) -> None:
    computer = Computer(start)
    clock = EdgeClock(computer, lambda: computer.known)
    first = clock.now()
    computer.pass_(30)
    computer._now += timedelta(days=1)  # noqa: SLF001 - set by hand, and wrong
    second = clock.now()
    computer.pass_(30)
    assert clock.look() is None

    computer.set(RIGHT)
    offset_ms = clock.look()

    assert second - first == timedelta(seconds=30)
    assert offset_ms is not None
    assert first + timedelta(milliseconds=offset_ms) == RIGHT - timedelta(seconds=60)
    assert (clock.now(), clock.look()) == (RIGHT, None)


def test_once_synchronised_it_stays_so_and_data_never_waits_again() -> None:
    computer = Computer(RIGHT)
    computer.known = True
    clock = EdgeClock(computer, lambda: computer.known)
    computer.known = False
    computer.pass_(100)

    assert (clock.look(), clock.synchronised, clock.waits) == (None, True, False)


def test_data_waits_ten_minutes_by_the_clock_that_never_jumps() -> None:
    computer = Computer(BOOT)
    clock = EdgeClock(computer, lambda: computer.known)
    computer._now += timedelta(hours=5)  # noqa: SLF001
    assert clock.waits
    computer.pass_(WAIT_S)
    assert not clock.waits


class Edge:
    """Clock, collector, journal and lane, without devices and without a broker."""

    def __init__(self, folder: Path, computer: Computer) -> None:
        self.computer, self.sent = computer, list[wire.Data]()
        self.clock = EdgeClock(computer, lambda: computer.known)
        self.journal = Journal(folder / "data.db", lambda: "j", may_shed=True)
        self.lane = DataLane(Keeper(self.journal, period_s=0), self._send, self.clock)
        nothing: Callable[[], None] = lambda: None  # noqa: E731
        self.collector = Collector(
            "h", [1, 1], nothing, nothing,
            lambda: self.clock.synchronised, lambda: self.clock.waits,
        )  # fmt: skip

    def _send(self, message: bytes) -> bool:
        self.sent.append(wire.decode_data(message))
        return True

    def reads(self) -> None:
        untimed = 0 if self.clock.synchronised else Quality.CLOCK_UNSYNCHRONISED
        quality = np.array([untimed, Quality.NO_ANSWER], np.uint8)
        self.collector.readings(
            unix_ms(self.clock.now()), np.array([0, 1], np.uint32), np.array([1.5, np.nan]), quality
        )

    def commits(self) -> list[Row]:
        rows = self.journal.commit(self.collector.take_data())
        self.lane.committed(rows)
        return rows

    async def settles(self, offset_ms: int | None) -> None:
        if first := self.journal.settle(offset_ms):
            self.lane.settled(first)
        while await self.lane.tend():
            pass


@pytest.mark.serves("A6")
@pytest.mark.parametrize("start", [BOOT, RIGHT - HOURS, RIGHT + HOURS])
async def test_readings_of_an_unset_clock_leave_at_their_right_time(
    tmp_path: Path, start: datetime
) -> None:
    edge = Edge(tmp_path, Computer(start))
    edge.reads()
    (row,) = edge.commits()
    edge.computer.pass_(40)
    edge.reads()  # gathered, not committed yet
    await edge.lane.tend()
    assert (row.mode, edge.sent) == (WAIT, [])

    edge.computer.set(RIGHT)
    offset_ms = edge.clock.look()
    assert offset_ms is not None
    edge.collector.shift(offset_ms)
    edge.commits()
    await edge.settles(offset_ms)

    edge.sent.sort(key=lambda each: each.start)
    assert [each.start for each in edge.sent] == [unix_ms(RIGHT) - 40_000, unix_ms(RIGHT)]
    assert [each.synchronised for each in edge.sent] == [1, 1]
    assert [each.qualities for each in edge.sent] == [[(1, Quality.NO_ANSWER)]] * 2


@pytest.mark.serves("A6")
async def test_readings_leave_marked_when_the_clock_is_not_set_in_time(tmp_path: Path) -> None:
    edge = Edge(tmp_path, Computer(BOOT))
    edge.reads()
    edge.commits()
    edge.computer.pass_(WAIT_S)
    await edge.settles(None)
    edge.reads()
    (row,) = edge.commits()

    assert row.mode == "live"
    assert [each.synchronised for each in edge.sent] == [0, 0]
    assert edge.sent[0].start == unix_ms(BOOT)
    assert (0, int(Quality.CLOCK_UNSYNCHRONISED)) in edge.sent[0].qualities


def test_events_of_an_unset_clock_go_at_once_and_say_so(tmp_path: Path) -> None:
    edge = Edge(tmp_path, Computer(BOOT))
    event = wire.Event("", 0, "h", "id", "fault", unix_ms(BOOT), 1, 3, 0.0, 1.0, 65)
    edge.collector.events([event])
    (row,) = edge.collector.take_events()
    assert b'"c":0' in row.tail

    edge.collector.events([event])
    edge.collector.shift(5_000)
    edge.clock.synchronised = True
    (row,) = edge.collector.take_events()
    assert row.at == unix_ms(BOOT) + 5_000
    assert b'"c":1' in row.tail
