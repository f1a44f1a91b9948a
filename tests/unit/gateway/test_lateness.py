"""Marks of what came late: each minute once, with the readings, whatever is sent again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapters.history.embedded import EmbeddedHistory
from gateway.ingest import Ingest
from gateway.lateness import Lateness
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.completeness import late_point
from watchkeeper.errors import Unreachable
from watchkeeper.history import HOLD_MS, History
from watchkeeper.ids import EdgeId, PointId

EDGE = EdgeId("plant-b1")
POINTS = [
    wire.BornPoint(alias, f"main-{alias}/active_power", "float32", "W", "telemetry")
    for alias in range(3)
]
HASH = wire.birth_hash(POINTS)
UP = f"wk/1/riverside/{EDGE}/up"
MIN = 60_000


class Rig:
    """A gateway's ingest over a store; `restart` is a new process over the same store."""

    def __init__(self, history: History) -> None:
        self.history, self.clock, self.sequence = history, FixedClock(), 0
        self.now = unix_ms(self.clock.now())
        self.restart()

    def restart(self) -> None:
        self.ingest = Ingest(self.history, FakeBus().publish, self.clock)
        for birth in wire.births(POINTS, boot="b", software="1", config="c"):
            self.ingest.take(f"{UP}/birth/0", wire.encode(birth))

    def take(self, *at: int) -> None:
        """Take a message with readings of three points, each at one of these instants."""
        self.sequence += 1
        batch = Batch(
            np.arange(len(at), dtype=np.uint32) % 3, np.array(at), np.ones(len(at)),
            np.zeros(len(at), np.uint8),
        )  # fmt: skip
        message = wire.data(
            batch, journal="J", sequence=self.sequence, birth=HASH, mode="back", synchronised=True
        )
        self.ingest.take(f"{UP}/data", wire.encode(message))

    def marks(self) -> dict[int, float]:
        """Return {minutes before now: seconds late}."""
        track = self.history.raw(late_point(EDGE), 0, 2 * self.now)
        return {
            (self.now // MIN * MIN - at) // MIN: late_s
            for at, late_s in zip(track.at.tolist(), track.value.tolist(), strict=True)
        }


@pytest.fixture(params=["memory", "embedded"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "memory":
        yield Rig(MemoryHistory())
        return
    store = EmbeddedHistory(tmp_path / "riverside.db", clock=FixedClock(), writable=True)
    yield Rig(store)
    store.close()


@pytest.mark.serves("B4")
def test_what_comes_in_time_leaves_no_mark(rig: Rig) -> None:
    rig.take(rig.now - HOLD_MS, rig.now)
    rig.ingest.commit()
    assert rig.marks() == {}
    assert late_point(EDGE) not in rig.history.points()


@pytest.mark.serves("B4")
def test_each_minute_that_came_late_has_a_mark(rig: Rig) -> None:
    at = rig.now // MIN * MIN - 60 * MIN
    rig.take(at, at + 30_000, at + MIN, rig.now)
    rig.take(at + MIN + 1, at + 2 * MIN)
    rig.ingest.commit()
    waited = (rig.now - at) / 1000
    assert rig.marks() == {60: waited, 59: waited - 60, 58: waited - 120}


def test_what_was_there_in_time_and_comes_again_is_not_late(rig: Rig) -> None:
    at = rig.now - MIN
    rig.take(at, at)
    rig.ingest.commit()
    rig.clock.pass_(3600)
    rig.restart()
    rig.take(at, at)
    rig.ingest.commit()
    assert rig.marks() == {}


def test_what_is_sent_twice_is_counted_once(rig: Rig) -> None:
    at = rig.now - 60 * MIN
    rig.take(at)
    rig.ingest.commit()
    once = rig.marks()
    rig.restart()
    rig.clock.pass_(60)
    rig.take(at)
    rig.ingest.commit()
    assert rig.marks() == once != {}


def test_a_group_that_was_dropped_is_marked_when_it_comes_again(rig: Rig) -> None:
    rig.take(rig.now - 60 * MIN)
    rig.ingest.forget()
    rig.take(rig.now - 60 * MIN)
    rig.ingest.commit()
    assert len(rig.marks()) == 1


def test_a_clock_that_was_never_set_leaves_no_mark(rig: Rig) -> None:
    rig.take(86_400_000)
    rig.ingest.commit()
    assert rig.marks() == {}


def test_while_the_store_is_away_nothing_is_decided() -> None:
    history = MemoryHistory()
    rig = Rig(history)
    rig.take(rig.now)  # the series are known
    history.away = True
    with pytest.raises(Unreachable):
        rig.take(rig.now - 60 * MIN)
    history.away = False
    rig.take(rig.now - 60 * MIN)
    rig.ingest.commit()
    assert len(rig.marks()) == 1


def test_an_alias_nobody_explains_leaves_no_mark() -> None:
    lateness, at = Lateness(MemoryHistory()), np.array([0])
    batch = Batch(np.zeros(1, np.uint32), at, np.ones(1), np.zeros(1, np.uint8))
    assert lateness.marks(EDGE, batch, lambda _: None, 60 * MIN) is None
    assert lateness.marks(EDGE, batch, lambda _: PointId("a/b"), 120 * MIN) is None  # decided
