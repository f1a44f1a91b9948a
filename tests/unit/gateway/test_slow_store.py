"""A database that is slow or stands still costs time, and neither readings nor memory."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest

from adapters.history.influx import InfluxHistory
from adapters.system_clock import SystemClock
from gateway import loop as looping
from gateway.ingest import Ingest
from gateway.loop import Loop
from simulators.fault_proxy import FaultProxy
from simulators.faults import Faults
from tests import parts
from tests.fakes_bus import FakeBus
from tests.parts import until
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings

pytestmark = pytest.mark.part("influxd")
CLOCK = SystemClock()
TIMEOUT_MS = 700
PATIENCE_S = 5.0  # that a call may take with that time-out on a busy machine
READINGS = 200  # in a message; an edge sends up to 500
MESSAGES = 2_000
MEGABYTES = 200  # that the gateway may grow
UP = "wk/1/riverside/plant-b1/up"
POINTS = [wire.BornPoint(0, "main-1/active_power", "float32", "W", "telemetry")]
POWER = PointId("main-1/active_power")
BIRTH = wire.encode(next(wire.births(POINTS, boot="b", software="1", config="c")))


@contextlib.contextmanager
def opened(url: str, timeout_ms: int = TIMEOUT_MS) -> Iterator[InfluxHistory]:
    settings = HistorySettings(store="influx", url=url, write_path="v1")
    history = InfluxHistory(settings, "riverside", clock=CLOCK, timeout_ms=timeout_ms)
    yield history
    history.close()


@contextlib.contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop the database as a disk or a hypervisor does that does not answer."""
    process = _of(url)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _of(url: str) -> psutil.Process:
    """Return the process we started that serves there."""
    port = int(url.rpartition(":")[2])
    for child in psutil.Process().children():
        if any(line.laddr.port == port for line in child.net_connections("tcp")):
            return child
    raise AssertionError(f"nobody serves {url}")


@contextlib.contextmanager
def proxy(url: str) -> Iterator[tuple[FaultProxy, asyncio.AbstractEventLoop]]:
    """Run a proxy in front of the database on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    made = FaultProxy("127.0.0.1", int(url.rpartition(":")[2]))
    asyncio.run_coroutine_threadsafe(made.listen(), loop).result(5)
    try:
        yield made, loop
    finally:
        asyncio.run_coroutine_threadsafe(made.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def batch(start: int, count: int) -> Batch:
    return Batch(
        np.zeros(count, np.uint32), start + np.arange(count), np.ones(count),
        np.zeros(count, np.uint8),
    )  # fmt: skip


def message(sequence: int, start: int) -> bytes:
    return wire.encode(
        wire.data(
            batch(start + READINGS * sequence, READINGS),
            journal="J",
            sequence=sequence,
            birth=wire.birth_hash(POINTS),
            mode="back",
            synchronised=True,
        )
    )


@pytest.mark.serves("B3")
@pytest.mark.parametrize("how", ["frozen", "stalled line"])
def test_a_call_to_a_database_that_stands_still_ends_in_time(tmp_path: Path, how: str) -> None:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(parts.influxd(tmp_path))
        line, loop = stack.enter_context(proxy(url))
        history = stack.enter_context(opened(f"http://127.0.0.1:{line.port}"))
        number = int(history.series([POWER])[0])
        assert number == 0
        history.write(batch(1_780_000_000_000, 10))
        with frozen(url) if how == "frozen" else contextlib.nullcontext():
            if how != "frozen":
                loop.call_soon_threadsafe(line.switch, "stall")
                until(lambda: line.mode == "stall", "it does not stall")
            began = CLOCK.tick()
            with pytest.raises(Unreachable) as error:
                history.write(batch(1_780_000_000_000, 20_000))
            with pytest.raises(Unreachable):
                history.raw(POWER, 0, 2_000_000_000_000)
            assert CLOCK.tick() - began < 2 * PATIENCE_S
        assert "timed out" in str(error.value.facts["what"])
        loop.call_soon_threadsafe(line.switch, "forward")
        until(lambda: line.mode == "forward", "it does not carry")
        history.write(batch(1_780_000_000_000, 20_000))
        assert len(history.raw(POWER, 0, 2_000_000_000_000).at) == 20_000


@pytest.mark.serves("B3")
def test_a_line_too_slow_for_one_large_call_carries_many_small_ones(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(parts.influxd(tmp_path))
        line, loop = stack.enter_context(proxy(url))
        history = stack.enter_context(opened(f"http://127.0.0.1:{line.port}"))
        history.series([POWER])
        # 5,000 lines of 65 bytes take 2.6 s, 250 take 0.13 s.
        loop.call_soon_threadsafe(line.switch, "forward", Faults(throttle_bps=1_000_000))
        until(lambda: line.faults.throttle_bps > 0, "it is as fast as before")
        failed = 0
        for _ in range(20):
            try:
                history.write(batch(1_780_000_000_000, 5_000))
                break
            except Unreachable:
                failed += 1
        assert 0 < failed < 20
        loop.call_soon_threadsafe(line.switch, "forward")
        until(lambda: not line.faults.throttle_bps, "it is as slow as before")
        assert len(history.raw(POWER, 0, 2_000_000_000_000).at) == 5_000


class Rig:
    """A gateway's loop between a fake bus and a real database."""

    def __init__(self, history: InfluxHistory) -> None:
        self.bus = FakeBus()
        self.loop = Loop(Ingest(history, self.bus.publish, CLOCK), CLOCK)

    def acknowledged(self) -> set[int]:
        acks = [wire.decode_ack(payload) for payload in self.bus.sent("down/ack")]
        return {n for ack in acks for first, last in ack.ok for n in range(first, last + 1)}


def test_large_messages_fill_the_queue_sooner() -> None:
    with opened("http://127.0.0.1:1") as history:
        rig = Rig(history)
        large = b"x" * 1_000_000
        for _ in range(1_000):
            rig.loop.receive(f"{UP}/data", large)
        assert rig.loop.health()["queued"] * len(large) <= looping.QUEUED_BYTES
        assert rig.loop.dropped >= 900


@pytest.mark.serves("B3")
@pytest.mark.timeout(60)
def test_what_comes_while_the_database_stands_still_waits_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looping, "FIRST_S", 0.1)
    monkeypatch.setattr(looping, "LONGEST_S", 0.2)
    start = unix_ms(CLOCK.now()) - READINGS * MESSAGES
    sent = [message(n, start) for n in range(MESSAGES)]
    with parts.influxd(tmp_path) as url, opened(url) as history:
        rig = Rig(history)
        rig.loop.receive_birth(f"{UP}/birth/0", BIRTH)
        rig.loop.receive(f"{UP}/data", sent[0])
        rig.loop.start()
        until(lambda: rig.acknowledged() == {0}, "nothing is stored")
        before = psutil.Process().memory_info().rss
        with frozen(url):
            for _ in range(5):  # edges send again what is not acknowledged, over and over
                for each in sent:
                    rig.loop.receive(f"{UP}/data", bytes(bytearray(each)))
            until(lambda: rig.loop.store_away, "it is not told that the store is away")
            grown = (psutil.Process().memory_info().rss - before) / 1e6
            assert rig.acknowledged() == {0}
            assert rig.loop.dropped > 0
        assert grown < MEGABYTES, f"{grown:.0f} MB"
        until(lambda: rig.acknowledged() == set(range(MESSAGES)), "not all flows again", 40)
        rig.loop.close()
        with opened(url, timeout_ms=10_000) as reader:
            assert len(reader.raw(POWER, start, start + 50_000).at) == 50_000
