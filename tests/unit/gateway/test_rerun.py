"""What was put aside and can be stored by now, because somebody asked for it."""

import numpy as np
import pytest

from gateway.ingest import Ingest
from gateway.rerun import PAGE_S, PASS_S, Reruns
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.history import Quarantined
from watchkeeper.ids import PointId
from watchkeeper.topics import rerun

ORIGIN = "riverside/plant-b1"
UP = "wk/1/riverside/plant-b1/up"
POINTS = [
    wire.BornPoint(n, f"main-{n}/active_power", "float32", "W", "telemetry") for n in range(3)
]
HASH = wire.birth_hash(POINTS)
NOW = unix_ms(FixedClock().now())


class Rig:
    """A gateway without its thread."""

    def __init__(self) -> None:
        self.clock, self.bus, self.history = FixedClock(), FakeBus(), MemoryHistory()
        self.ingest = Ingest(self.history, self.bus.publish, self.clock)
        self.reruns = Reruns(self.ingest, self.history, self.clock)

    def born(self, lane: str = "birth/0") -> None:
        for birth in wire.births(POINTS, boot="b", software="1", config="c"):
            self.ingest.take(f"{UP}/{lane}", wire.encode(birth))

    def ask(self, *ids: int, drop: bool = False) -> None:
        self.reruns.receive(rerun("riverside"), wire.encode(wire.Rerun(list(ids), drop)))

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.reruns.look()
            self.clock.pass_(PASS_S)

    def stored(self, point: int) -> list[float]:
        found = self.history.raw(PointId(f"main-{point}/active_power"), 0, 2 * NOW)
        return [float(value) for value in found.value]

    def aside(self) -> list[tuple[str, int]]:
        return [(item.reason, item.readings) for item in self.history.quarantined()]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def kept(*rows: list[object], reason: str = "time") -> Quarantined:
    payload = wire.encode(wire.Aside("J", 1, HASH, list(rows)))
    return Quarantined(NOW, ORIGIN, reason, payload, len(rows))


@pytest.mark.serves("B4")
def test_a_clock_that_was_ahead_is_right_an_hour_later(rig: Rig) -> None:
    rig.born()
    rig.history.quarantine([kept([0, NOW + 3_600_000, 1.5, 0], [1, NOW + 3_600_000, 2.5, 0])])
    rig.ask()
    rig.look()
    assert rig.stored(0) == []
    assert rig.aside() == [("time", 2)]
    rig.clock.pass_(3_600)
    rig.ask()
    rig.look()
    assert (rig.stored(0), rig.stored(1)) == ([1.5], [2.5])
    assert rig.aside() == []
    assert rig.ingest.counts["rerun"] == 2


def test_what_still_makes_no_sense_stays_and_the_rest_is_stored(rig: Rig) -> None:
    rig.born()
    rig.history.quarantine([kept([0, NOW, "hot", 0], [1, NOW, 2.5, 0], [9, NOW, 3.5, 0])])
    rig.ask()
    rig.look(3)
    assert rig.stored(1) == [2.5]
    assert sorted(rig.aside()) == [("alias", 1), ("type", 1)]


def test_nothing_is_taken_out_while_the_store_is_away(rig: Rig) -> None:
    rig.born()
    rig.history.quarantine([kept([0, NOW, 1.5, 0])])
    rig.ask()
    rig.history.away = True
    rig.look()
    rig.history.away = False
    assert rig.aside() == [("time", 1)]
    rig.look()
    assert rig.stored(0) == [1.5]


def test_a_birth_nobody_knows_is_asked_for_and_tried_once_more(rig: Rig) -> None:
    rig.history.quarantine([kept([0, NOW, 1.5, 0])])
    rig.ask()
    rig.look()
    assert rig.bus.sent("down/birth") == [wire.encode(wire.AskBirth(HASH))]
    rig.born("oldbirth")
    rig.look()
    assert rig.stored(0) == [1.5]


def test_only_what_is_named_is_tried(rig: Rig) -> None:
    rig.born()
    rig.history.quarantine([kept([n, NOW, float(n), 0]) for n in range(3)])
    first, second, _ = sorted(item.id for item in rig.history.quarantined())
    rig.ask(first)
    rig.ask(second)
    rig.look(2)
    assert (rig.stored(0), rig.stored(1), rig.stored(2)) == ([0.0], [1.0], [])


def test_a_whole_batch_nobody_could_read_is_read_when_it_can_be(rig: Rig) -> None:
    rig.born()
    batch = Batch(np.array([2], np.uint32), np.array([NOW]), np.array([7.0]), np.zeros(1, np.uint8))
    message = wire.data(batch, journal="J", sequence=4, birth=HASH, mode="live", synchronised=True)
    rig.history.quarantine(
        [
            Quarantined(NOW, ORIGIN, "unreadable", wire.encode(message), 0),
            Quarantined(NOW, ORIGIN, "unreadable", b"\xff", 0),
            Quarantined(NOW, "reading", "store: too long", b"reading,point=x v=1 1"),
            Quarantined(NOW, ORIGIN, "gap", wire.encode(wire.Gap("J", 7, HASH, "back", (0, 1, 2)))),
        ]
    )
    rig.ask()
    rig.look(2)
    assert rig.stored(2) == [7.0]
    assert [item.reason for item in rig.history.quarantined()] == [
        "gap", "store: too long", "unreadable",
    ]  # fmt: skip


def test_many_are_done_page_by_page(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rerun.PAGE", 2)
    rig.born()
    rig.history.quarantine([kept([0, NOW + n, float(n), 0]) for n in range(5)])
    rig.ask()
    rig.reruns.look()
    assert len(rig.stored(0)) == 2
    rig.reruns.look()
    assert len(rig.stored(0)) == 2  # live readings go first
    for _ in range(3):
        rig.clock.pass_(PAGE_S)
        rig.reruns.look()
    assert rig.stored(0) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_what_is_of_no_use_is_taken_out(rig: Rig) -> None:
    rig.history.quarantine([kept([0, NOW, "hot", 0]), kept([1, NOW, "cold", 0])])
    newest = rig.history.quarantined()[0].id
    rig.ask(newest, drop=True)
    rig.look()
    assert [item.id for item in rig.history.quarantined()] == [newest - 1]


def test_a_request_that_cannot_be_read_is_left(rig: Rig) -> None:
    rig.reruns.receive(rerun("riverside"), b'{"ids":"all"}')
    rig.look()
    assert rig.aside() == []
