from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from typing_extensions import override

from adapters.history.embedded import EmbeddedHistory
from adapters.system_clock import SystemClock
from gateway import thinning
from gateway.births import Births
from gateway.main import serve
from gateway.presence import Presence
from gateway.thinning import EVERY_S, WIDTH_MS, Housekeeping
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from tests.parts import until
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.history import Retention, Thinning
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

THIN = HistorySettings(thin_after_h=24)
DAY_MS = 86_400_000

POINTS = [
    wire.BornPoint(0, "main-1/active_power", "float32", "W", "telemetry"),
    wire.BornPoint(1, "main-1/import_energy", "int64", "kWh", "telemetry"),
    wire.BornPoint(2, "main-1/power_factor", "float32", "", "telemetry"),
    wire.BornPoint(3, "lift-1/floor", "int16", "", "telemetry"),
    wire.BornPoint(4, "lift-1/door_open", "uint16", "", "telemetry"),
    wire.BornPoint(5, "pump-1/running", "bool", "", "telemetry"),
    wire.BornPoint(6, "fire-panel/pressure", "float32", "bar", "life_safety"),
    wire.BornPoint(7, "pump-1/leak", "uint16", "m", "fault"),
]


class Thinned(MemoryHistory):
    """A memory that can be told to thin, and remembers only that."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[Thinning] = []

    def thin(self, thinning: Thinning) -> None:
        self.wishes.append(thinning)

    def named(self, wish: Thinning) -> tuple[set[str], set[str]]:
        names = self.points()
        sampled, counters = (
            {names[number] for number in series.tolist()}
            for series in (wish.sampled, wish.counters)
        )
        return sampled, counters


def births(*lists: list[wire.BornPoint]) -> Births:
    found = Births()
    for points in lists:
        for birth in wire.births(points, boot="b", software="1", config="c"):
            found.take("riverside", "plant-b1", birth)
    return found


def test_only_samples_of_a_quantity_are_thinned_and_counters_are_named() -> None:
    history, clock = Thinned(), FixedClock()
    history.series([PointId("other/x")])
    keeping = Housekeeping(births(POINTS), history, clock, THIN)
    clock.pass_(EVERY_S)
    keeping.look()
    (wish,) = history.wishes
    assert history.named(wish) == (
        {"main-1/active_power", "main-1/import_energy", "main-1/power_factor"},
        {"main-1/import_energy"},
    )
    assert wish.before == unix_ms(clock.now() - timedelta(hours=24))
    assert wish.width == WIDTH_MS


def test_a_point_that_any_birth_calls_a_state_is_none() -> None:
    was = [wire.BornPoint(0, "main-1/active_power", "float32", "W", "fault")]
    assert [point.alias for point in births(POINTS, was).sampled()] == [1, 2]


def test_it_asks_once_an_hour() -> None:
    history, clock = Thinned(), FixedClock()
    keeping = Housekeeping(births(POINTS), history, clock, THIN)
    for minute in range(181):
        assert len(history.wishes) == max(0, minute - 1) // 60
        keeping.look()
        clock.pass_(60)
    assert len(history.wishes) == 3


class Forgetting(MemoryHistory):
    """A memory that can be told to forget, and remembers only that."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[Retention] = []

    def forget(self, retention: Retention) -> None:
        self.wishes.append(retention)


@pytest.mark.parametrize(
    ("events_days", "before"),
    [pytest.param(0, None, id="for ever"), pytest.param(400, 400, id="longer than samples")],
)
def test_samples_are_dropped_first_and_the_rest_when_it_may(
    events_days: int, before: int | None
) -> None:
    history, clock = Forgetting(), FixedClock()
    kept = HistorySettings(keep_telemetry_days=90, keep_events_days=events_days)
    keeping = Housekeeping(births(POINTS), history, clock, kept)
    clock.pass_(EVERY_S)
    keeping.look()
    keeping.look()
    (wish,) = history.wishes
    now = unix_ms(clock.now())
    assert [history.points()[number] for number in wish.sampled] == [
        "main-1/active_power",
        "main-1/import_energy",
        "main-1/power_factor",
    ]
    assert wish.sampled_before == now - 90 * DAY_MS
    assert wish.before == (0 if before is None else now - before * DAY_MS)


class NeverAsked(Thinned):
    @override
    def thin(self, thinning: Thinning) -> None:
        raise AssertionError(thinning)


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        pytest.param(NeverAsked(), HistorySettings(), id="all is kept"),
        pytest.param(MemoryHistory(), THIN, id="the store cannot"),
    ],
)
def test_nothing_happens_when(history: MemoryHistory, kept: HistorySettings) -> None:
    clock = FixedClock()
    keeping = Housekeeping(births(POINTS), history, clock, kept)
    clock.pass_(2 * EVERY_S)
    keeping.look()
    assert history.points() == []


def test_a_store_that_is_away_is_asked_an_hour_later(caplog: pytest.LogCaptureFixture) -> None:
    history, clock = Thinned(), FixedClock()
    keeping = Housekeeping(births(POINTS), history, clock, THIN)
    history.away = True
    clock.pass_(EVERY_S)
    keeping.look()
    keeping.look()
    assert caplog.text.count("were not thinned") == 1
    history.away = False
    clock.pass_(EVERY_S)
    keeping.look()
    assert len(history.wishes) == 1


def test_a_gateway_thins_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "EVERY_S", 0.1)
    bus, clock, stop = FakeBus(), SystemClock(), Event()
    history = EmbeddedHistory(tmp_path / "riverside.db", clock=clock, writable=True)
    presence = Presence("gateway-1", "boot-1", clock)
    words = {"site": "riverside", "stop": stop, "kept": THIN}
    thread = Thread(target=serve, args=(bus, history, presence, clock), kwargs=words)
    thread.start()
    until(lambda: bool(bus.sent("gateway/gateway-1/state")), "no state was published")
    up, start = "wk/1/riverside/plant-b1/up", unix_ms(clock.now()) // WIDTH_MS * WIDTH_MS
    at = start - 200 * WIDTH_MS + 10_000 * np.arange(60)
    for birth in wire.births(POINTS, boot="b", software="1", config="c"):
        bus.deliver(f"{up}/birth/{birth.part}", wire.encode(birth))
    for alias in (0, 3):
        batch = Batch(np.full(60, alias, np.uint32), at, np.ones(60), np.zeros(60, np.uint8))
        message = wire.data(
            batch,
            journal="J",
            sequence=alias + 1,
            birth=wire.birth_hash(POINTS),
            mode="back",
            synchronised=True,
        )
        bus.deliver(f"{up}/data", wire.encode(message))
    power, floor = PointId("main-1/active_power"), PointId("lift-1/floor")
    until(lambda: len(history.raw(floor, 0, start).at) == 60, "the readings were not stored")
    history.settle()
    until(lambda: len(history.raw(power, 0, start).at) == 2, "the store was not thinned")
    assert len(history.raw(floor, 0, start).at) == 60
    stop.set()
    thread.join(10)
    history.close()
