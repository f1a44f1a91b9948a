"""What was missed is evaluated late: a whole server, the embedded store, the real writer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from typing_extensions import override

from adapters.history.embedded import EmbeddedHistory
from server.watermarks import marked
from tests.fakes_flags import Home, Reaper
from watchkeeper import topics, wire
from watchkeeper.batch import Batch
from watchkeeper.errors import Unreachable
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

OVER, CALM, STAYS = "hvac-1/active_power", "hvac-2/active_power", "pumps/active_power"
RULE = "feeder-overload"
HIGH, LOW = 900_000.0, 1_000.0  # W: above and below every rating
MIN = 60.0


class Watched(Home):
    """A home with the embedded store; the test writes what the gateway would."""

    def __init__(self, folder: Path) -> None:
        self.stores: list[EmbeddedHistory] = []
        self.away = False
        folder.mkdir(exist_ok=True)
        self.path = folder / "history.db"
        super().__init__(folder)

    @override
    def opened(self) -> History:
        if self.away:
            raise Unreachable("history.unreachable", what="told to be away", where="here")
        return EmbeddedHistory(self.path, clock=self.clock, writable=False)

    @override
    def open(self) -> None:
        self.gateway_store = EmbeddedHistory(self.path, clock=self.clock, writable=True)
        super().open()
        self.server.late.begin()

    @override
    def close(self) -> None:
        super().close()
        self.gateway_store.close()

    def stored(self, point: str, *readings: tuple[float, float | None]) -> None:
        """Write readings (seconds from now, value) as the gateway does."""
        series = self.gateway_store.series([PointId(point)])
        bad = int(Quality.NO_ANSWER)
        self.gateway_store.write(
            Batch(
                np.repeat(series, len(readings)),
                np.array([self.ms(at) for at, _ in readings], np.int64),
                np.array([np.nan if v is None else v for _, v in readings]),
                np.array([bad if v is None else 0 for _, v in readings], np.uint8),
            )
        )

    def reads(self, point: str, *readings: tuple[float, float | None]) -> None:
        """Let readings come live, and be stored."""
        self.data(point, *readings)
        self.stored(point, *readings)

    def catches_up(self) -> None:
        """Let the few seconds go by after which what was missed is evaluated."""
        self.clock.pass_(3)
        self.server.late.look()
        self.server.live_lane.release()
        self.settle()

    def sends_backlog(self, point: str, *readings: tuple[float, float | None]) -> None:
        self.data(point, *readings, mode="back")
        self.stored(point, *readings)

    def emptied(self) -> None:
        """The edge says that nothing is left in its journal."""
        self.clock.pass_(6)
        state = wire.State("online", "b1", 1, self.ms(), {"data_journal_age_s": 0.4}, {})
        self.live.deliver(topics.up("riverside", "plant-b1", "state"), wire.encode(state))
        self.clock.pass_(1)
        self.server.late.look()
        self.settle()

    def of(self, point: str) -> list[dict[str, Any]]:
        return [each for each in self.all(RULE) if each["point"] == point]


@pytest.fixture
def home(folder: Path) -> Iterator[Watched]:
    made = Watched(folder / "data")
    yield made
    made.close()


def dies_for_20_min(home: Watched) -> None:
    """The server is dead from minute 0 to 20; one feeder is over and back, one stays over."""
    for point in (OVER, CALM, STAYS):
        home.reads(point, (0, LOW))
    home.close()
    home.clock.pass_(20 * MIN)
    home.open()
    home.stored(OVER, (-900, HIGH), (-870, HIGH), (-600, LOW), (-570, LOW), (-1, LOW))
    home.stored(CALM, (-900, LOW), (-1, LOW))
    home.stored(STAYS, (-300, HIGH), (-240, HIGH), (-1, HIGH))


@pytest.mark.serves("C1")
def test_what_was_over_before_the_restart_is_recorded_and_what_is_not_rings_once(
    home: Watched,
) -> None:
    dies_for_20_min(home)
    begun = home.ms()
    home.catches_up()
    (over,) = home.of(OVER)
    assert (over["late"], over["life"], over["order"]) == (True, "returned", None)
    assert abs(over["raised_at"] - (begun - 895_000)) <= 30_000
    assert abs(over["returned_at"] - (begun - 590_000)) <= 30_000
    (stays,) = home.of(STAYS)
    assert (stays["late"], stays["life"]) == (True, "unacknowledged")
    assert stays["order"] is not None
    assert abs(stays["raised_at"] - (begun - 295_000)) <= 60_000
    assert home.of(CALM) == []
    assert home.messages("alarm", over["id"]) == []
    assert home.messages("alarm", stays["id"]) == ["alarm"]
    home.data(STAYS, (0, HIGH))
    home.data(OVER, (0, LOW))
    home.pass_(30)
    assert [len(home.of(point)) for point in (OVER, STAYS)] == [1, 1]
    assert home.of(STAYS)[0]["count"] == 1


def test_live_readings_wait_for_the_history_under_them_but_not_for_ever(home: Watched) -> None:
    dies_for_20_min(home)
    home.data(STAYS, (0, LOW))
    assert home.value(STAYS) == LOW  # on the screens at once
    assert home.of(STAYS) == []
    home.catches_up()
    home.pass_(20)  # its off-delay
    (stays,) = home.of(STAYS)
    assert (stays["late"], stays["life"], stays["count"]) == (True, "returned", 1)


def test_with_its_threads_the_server_catches_up_and_then_hears_what_waited(home: Watched) -> None:
    dies_for_20_min(home)
    home.server.start()
    message = wire.Data(
        "j1", 1, home.hash, "live", home.ms(), 1, [home.alias[CALM]], [0], [HIGH], []
    )  # fmt: skip
    home.live.deliver(topics.up("riverside", "plant-b1", "data"), wire.encode(message))
    home.clock.pass_(4)
    _until(lambda: len(home.of(STAYS)) == 1)
    watching = home.server.parts.watching
    _until(lambda: watching.state(f"{RULE}|{CALM}").phase == "pending")
    home.clock.pass_(6)
    _until(lambda: len(home.of(CALM)) == 1)
    assert home.of(CALM)[0]["late"] is False


def _until(so: Callable[[], bool]) -> None:
    waited = Event()
    for _ in range(100):
        if so():
            return
        waited.wait(0.1)
    raise AssertionError("it did not happen in 10 s")


def test_the_hold_ends_after_ten_seconds_whatever_the_store_does(home: Watched) -> None:
    dies_for_20_min(home)
    home.data(CALM, (0, HIGH))
    home.clock.pass_(10)
    home.data(CALM, (0, HIGH))
    home.clock.pass_(10)
    home.fire_timers()
    (alarm,) = home.of(CALM)
    assert alarm["late"] is False


@pytest.mark.serves("C1")
def test_killed_while_it_catches_up_nothing_is_lost_and_nothing_doubled(folder: Path) -> None:
    for died in range(1, 3):
        home = Watched(folder / f"died-{died}")
        dies_for_20_min(home)
        reaper = Reaper(died)
        with reaper.waits():
            try:
                home.catches_up()
            except ConnectionAbortedError:
                assert reaper.dead
            assert reaper.dead
            home.close()  # its last words fail too
            reaper.revive()
            home.open()
            home.catches_up()
        (over,), (stays,) = home.of(OVER), home.of(STAYS)
        assert (over["late"], over["life"], over["count"]) == (True, "returned", 1), died
        assert (stays["late"], stays["life"], stays["count"]) == (True, "unacknowledged", 1), died
        assert home.messages("alarm") == ["alarm"], died
        home.close()


def test_after_the_same_history_again_nothing_is_new(home: Watched) -> None:
    dies_for_20_min(home)
    home.catches_up()
    for _ in range(2):
        home.restart()
        home.catches_up()
    assert [len(home.of(point)) for point in (OVER, STAYS)] == [1, 1]
    assert home.messages("alarm") == ["alarm"]


@pytest.mark.serves("C1")
def test_the_backlog_of_an_edge_is_evaluated_once_it_is_all_there(home: Watched) -> None:
    home.reads(OVER, (0, LOW))
    home.reads(STAYS, (0, LOW))
    home.clock.pass_(20 * MIN)
    home.reads(OVER, (0, LOW))
    home.reads(STAYS, (0, HIGH))
    home.pass_(10)
    assert [len(home.of(point)) for point in (OVER, STAYS)] == [0, 1]
    home.sends_backlog(OVER, (-900, HIGH), (-870, HIGH), (-600, LOW), (-570, LOW))
    home.sends_backlog(STAYS, (-900, HIGH), (-870, HIGH), (-600, HIGH), (-100, HIGH))
    home.clock.pass_(6)
    home.server.late.look()
    assert home.of(OVER) == []  # more may come
    home.emptied()
    home.emptied()
    (over,) = home.of(OVER)
    assert (over["late"], over["life"], over["order"]) == (True, "returned", None)
    (stays,) = home.of(STAYS)
    assert (stays["late"], stays["count"]) == (False, 1)
    assert home.messages("alarm", over["id"]) == []
    assert home.messages("alarm", stays["id"]) == ["alarm"]


def test_backlog_that_was_evaluated_live_tells_nothing_new(home: Watched) -> None:
    for second in range(0, 60, 4):
        home.data(OVER, (0, HIGH if second < 30 else LOW))
        home.clock.pass_(4)
        home.fire_timers()
    before = home.of(OVER)
    assert len(before) == 1
    home.sends_backlog(OVER, *((s - 60.0, HIGH if s < 30 else LOW) for s in range(0, 60, 4)))
    home.emptied()
    assert home.of(OVER) == before


def test_a_gap_that_was_not_filled_when_the_server_stopped_is_filled_later(home: Watched) -> None:
    home.reads(OVER, (0, LOW))
    home.clock.pass_(20 * MIN)
    home.reads(OVER, (0, LOW))
    home.sends_backlog(OVER, (-900, HIGH), (-870, HIGH), (-600, LOW), (-570, LOW))
    home.restart()
    home.catches_up()
    home.emptied()
    (over,) = home.of(OVER)
    assert (over["late"], over["life"]) == (True, "returned")


def test_a_store_that_is_away_holds_nothing_up_and_is_asked_later(home: Watched) -> None:
    home.reads(OVER, (0, LOW))
    home.reads(CALM, (0, LOW))
    home.close()
    home.clock.pass_(20 * MIN)
    home.away = True
    home.open()
    home.stored(OVER, (-900, HIGH), (-870, HIGH), (-600, LOW), (-570, LOW))
    home.data(CALM, (0, HIGH), (6, HIGH))
    assert len(home.of(CALM)) == 1  # alarms go on
    home.emptied()
    assert home.of(OVER) == []
    home.away = False
    home.server.parts.history.look()
    home.clock.pass_(60)
    home.server.late.look()
    (over,) = home.of(OVER)
    assert (over["late"], over["life"]) == (True, "returned")


def test_history_before_the_first_live_reading_never_rings(home: Watched) -> None:
    home.stored(OVER, (-900, HIGH), (-600, LOW))
    home.sends_backlog(STAYS, (-900, HIGH), (-870, HIGH), (-600, LOW))
    home.reads(CALM, (0, LOW))
    home.emptied()
    home.restart()
    home.catches_up()
    home.emptied()
    assert home.alarms(only_open=False) == []


def test_a_delay_that_stands_still_stands_still_over_a_restart(home: Watched) -> None:
    home.reads(STAYS, (0, HIGH), (3, None))  # 3 s of 5 s
    home.clock.pass_(60)
    home.restart()
    home.catches_up()
    home.fire_timers()
    assert home.of(STAYS) == []
    home.data(STAYS, (0, HIGH))
    home.clock.pass_(1.9)
    home.fire_timers()
    assert home.of(STAYS) == []
    home.clock.pass_(0.2)
    home.fire_timers()
    assert len(home.of(STAYS)) == 1


def test_a_delay_whose_value_went_back_unseen_does_not_ring_at_the_start(home: Watched) -> None:
    home.reads(STAYS, (0, HIGH))  # 5 s
    home.close()
    home.clock.pass_(60)
    home.open()
    home.stored(STAYS, (-58, LOW), (-1, LOW))
    home.fire_timers()  # due since 55 s
    home.catches_up()
    home.fire_timers()
    assert home.of(STAYS) == []


def test_marks_are_written_at_most_once_a_minute_a_point_and_at_the_end(home: Watched) -> None:
    def stands() -> int:
        return marked(home.server.parts.read)[0].get(OVER, 0)

    home.data(OVER, (0, LOW))
    first = home.ms()
    home.server.late.write()
    assert stands() == first
    home.clock.pass_(30)
    home.data(OVER, (0, LOW))
    home.server.late.write()
    assert stands() == first
    home.server.late.close()
    assert stands() == first + 30_000
