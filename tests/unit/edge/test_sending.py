from pathlib import Path

import msgspec
import pytest

from edge.flight import FRESH_MESSAGES, MOST_MESSAGES
from edge.journal import Journal
from edge.keep import Keeper
from edge.rows import Row
from edge.sending import FRESH_ROWS, PAGE, DataLane, EventLane
from tests.fakes import FixedClock
from watchkeeper.clock import unix_ms


class Wire:
    """Takes what a lane sends."""

    def __init__(self) -> None:
        self.open = True
        self.sent: list[dict[str, object]] = []

    def __call__(self, message: bytes) -> bool:
        if self.open:
            self.sent.append(msgspec.json.decode(message))
        return self.open

    def numbers(self) -> list[object]:
        return [message["q"] for message in self.sent]


def keeper(folder: Path, *, may_shed: bool) -> Keeper:
    return Keeper(Journal(folder / "x.db", lambda: "j", may_shed=may_shed), period_s=0)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def data(tmp_path: Path, wire: Wire, clock: FixedClock) -> DataLane:
    return DataLane(keeper(tmp_path, may_shed=True), wire, clock)


@pytest.fixture
def events(tmp_path: Path, wire: Wire, clock: FixedClock) -> EventLane:
    return EventLane(keeper(tmp_path, may_shed=False), wire, clock)


def readings(lane: DataLane, clock: FixedClock, count: int, *, size: int = 10) -> list[Row]:
    at = unix_ms(clock.now())
    blank = b'"v":1' + b" " * size + b"}"
    return lane._keeper.journal.commit([Row(0, "h", "live", at, blank)] * count)  # noqa: SLF001


def change(lane: EventLane, *changes: tuple[str, int]) -> list[Row]:
    rows = [Row(0, "h", kind, 0, f'"p":{alias},"v":1}}'.encode()) for kind, alias in changes]
    return lane._keeper.journal.commit(rows)  # noqa: SLF001


async def settle(lane: DataLane | EventLane) -> None:
    while await lane.tend():
        pass


@pytest.mark.serves("A6")
async def test_the_backlog_leaves_oldest_first_and_fresh_readings_before_it(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    readings(data, clock, 3 * MOST_MESSAGES)
    await settle(data)
    assert wire.numbers() == list(range(1, MOST_MESSAGES + 1))

    fresh = readings(data, clock, 2)
    data.committed(fresh)
    data.acked([(1, 3)])

    assert wire.numbers()[MOST_MESSAGES:] == [fresh[1].q, fresh[0].q, MOST_MESSAGES + 1]


@pytest.mark.serves("A6")
async def test_fresh_readings_leave_although_all_that_was_sent_is_lost(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    readings(data, clock, 3 * MOST_MESSAGES)
    await settle(data)
    for _ in range(2 * FRESH_MESSAGES):
        data.committed(readings(data, clock, 1))
    last = 3 * MOST_MESSAGES
    assert wire.numbers()[MOST_MESSAGES:] == list(range(last + 1, last + FRESH_MESSAGES + 1))


async def test_what_an_asked_for_birth_explains_is_sent_again_at_once(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    readings(data, clock, 2)
    await settle(data)
    data.explained("another")
    await settle(data)
    assert wire.numbers() == [1, 2]
    data.explained("h")
    await settle(data)
    assert wire.numbers() == [1, 2, 1, 2]


@pytest.mark.serves("A6")
async def test_everything_is_sent_once_while_all_is_well(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    readings(data, clock, 2 * PAGE)
    total = 2 * PAGE
    for _ in range(20):
        data.committed(readings(data, clock, 7))
        readings(data, clock, 1)  # somebody else imports
        total += 8
        await settle(data)
        asked = sorted(data.flight._sent)  # noqa: SLF001
        data._keeper.journal.commit([], [(q, q) for q in asked[::2]])  # noqa: SLF001
        data.acked([(q, q) for q in asked[::2]])
    while await data.tend() or len(data.flight):
        asked = list(data.flight._sent)  # noqa: SLF001
        data._keeper.journal.commit([], [(q, q) for q in asked])  # noqa: SLF001
        data.acked([(q, q) for q in asked])

    assert sorted(wire.numbers()) == list(range(1, total + 1))  # type: ignore[type-var]


async def test_more_fresh_rows_than_memory_allows_are_found_again_on_disk(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    await settle(data)
    wire.open = False
    count = FRESH_ROWS + 3 * PAGE
    for _ in range(count // 100):
        data.committed(readings(data, clock, 100))
    wire.open = True
    data.pump()
    while await data.tend() or len(data.flight):
        asked = list(data.flight._sent)  # noqa: SLF001
        data._keeper.journal.commit([], [(q, q) for q in asked])  # noqa: SLF001
        data.acked([(q, q) for q in asked])

    assert set(wire.numbers()) == set(range(1, count // 100 * 100 + 1))


async def test_old_rows_are_backlog_and_fresh_ones_live(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    readings(data, clock, 1)
    clock.pass_(11)
    data.committed(readings(data, clock, 1))
    await settle(data)

    assert [(each["q"], each["m"]) for each in wire.sent] == [(2, "live"), (1, "back")]


async def test_data_is_sent_again_after_half_a_minute_and_after_a_new_start(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    data.committed(readings(data, clock, 1))
    clock.pass_(29)
    await settle(data)
    assert wire.numbers() == [1]
    clock.pass_(2)
    await settle(data)
    assert wire.numbers() == [1, 1]

    data.restart()
    await settle(data)
    assert wire.numbers() == [1, 1, 1]


@pytest.mark.serves("A7")
async def test_a_fire_overtakes_five_thousand_faults(events: EventLane, wire: Wire) -> None:
    events.committed(change(events, *(("fault", alias) for alias in range(2500))))
    (fire,) = change(events, ("life_safety", 9000))
    events.committed([fire])
    events.committed(change(events, *(("fault", alias) for alias in range(2500))))
    assert len(wire.sent) == MOST_MESSAGES

    events.acked([(1, 1)])

    assert wire.numbers()[-1] == fire.q


@pytest.mark.serves("A7")
async def test_of_a_class_the_newest_change_of_each_point_leaves_first(
    events: EventLane, wire: Wire
) -> None:
    wire.open = False
    changes = [("fault", 1), ("fault", 2), ("life_safety", 3), ("fault", 1), ("life_safety", 3)]
    events.committed(change(events, *changes))
    wire.open = True
    events.pump()

    assert wire.numbers() == [5, 3, 2, 4, 1]


@pytest.mark.serves("A6")
async def test_events_left_by_the_last_run_are_sent(events: EventLane, wire: Wire) -> None:
    change(events, ("fault", 1), ("life_safety", 2))

    await settle(events)

    assert wire.numbers() == [2, 1]


async def test_an_unacknowledged_event_is_sent_again_after_two_seconds_then_more_rarely(
    events: EventLane, wire: Wire, clock: FixedClock
) -> None:
    events.committed(change(events, ("fault", 1)))
    for _ in range(31):
        clock.pass_(1)
        await settle(events)

    assert len(wire.sent) == 5  # at 0, 2, 6, 14 and 30 s
    events.acked([(1, 1)])
    clock.pass_(600)
    await settle(events)
    assert len(wire.sent) == 5


@pytest.mark.serves("A6")
async def test_a_replay_sends_what_is_kept_since_then_slowly_and_behind_live_readings(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    journal = data._keeper.journal  # noqa: SLF001
    start = unix_ms(clock.now())
    journal.commit([Row(0, "h", "live", start + n, b'"v":1}') for n in range(100)])
    journal.commit([], [(1, 100)])
    await settle(data)
    assert wire.sent == []

    data.replay(start + 10)
    await settle(data)
    assert wire.numbers() == list(range(11, 31)), "at most 20 at a time"
    data.committed(readings(data, clock, 1))
    assert wire.numbers()[-1] == 101
    for _ in range(10):
        clock.pass_(0.3)
        await settle(data)
        data.acked([(1, 200)])

    assert sorted(wire.numbers()) == list(range(11, 102))  # type: ignore[type-var]
    assert data._replay._since is None  # noqa: SLF001


async def test_a_replay_begins_again_when_who_asked_for_it_starts_anew(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    readings(data, clock, 3)
    data._keeper.journal.commit([], [(1, 3)])  # noqa: SLF001
    data.replay(0)
    await settle(data)
    data.restart()
    clock.pass_(1)
    await settle(data)
    assert wire.numbers() == [1, 2, 3, 1, 2, 3]


async def test_events_are_sent_again_when_asked(
    events: EventLane, wire: Wire, clock: FixedClock
) -> None:
    change(events, ("fault", 1), ("life_safety", 2))
    events._keeper.journal.commit([], [(1, 2)])  # noqa: SLF001
    events.replay(-1)
    await settle(events)
    assert wire.numbers() == [1, 2]
    events.acked([(1, 2)])
    clock.pass_(600)
    await settle(events)
    assert wire.numbers() == [1, 2]


async def test_silence_counts_from_when_the_oldest_unacknowledged_message_left(
    events: EventLane, clock: FixedClock
) -> None:
    clock.pass_(1000)
    events.committed(change(events, ("fault", 1)))
    assert events.silence_s() == 0
    clock.pass_(5)
    events.committed(change(events, ("fault", 2)))
    clock.pass_(5)
    await settle(events)
    assert (events.silence_s(), events.open_s(), events.open()) == (10, 10, 2)
    events.restart()
    await settle(events)
    assert events.silence_s() == 10, "a new connection is no acknowledgement"
    events.acked([(1, 1)])
    assert (events.open_s(), events.open()) == (5, 1)
    events.acked([(2, 2)])
    assert (events.silence_s(), events.open_s(), events.open()) == (0, 0, 0)


async def test_what_is_under_way_is_sent_again_at_once_when_acknowledgements_may_be_lost(
    data: DataLane, wire: Wire, clock: FixedClock
) -> None:
    data.committed(readings(data, clock, 2))
    clock.pass_(1)
    await settle(data)
    assert sorted(map(str, wire.numbers())) == ["1", "2"]
    data.again()
    await settle(data)
    assert sorted(map(str, wire.numbers())) == ["1", "1", "2", "2"]
