from collections.abc import Iterator
from threading import Event, Thread

import numpy as np
import pytest

from adapters.system_clock import SystemClock
from gateway import loop as looping
from gateway.ingest import Ingest
from gateway.loop import Loop
from gateway.main import serve
from gateway.presence import Presence
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_history import MemoryHistory
from tests.parts import until
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError

POINTS = [wire.BornPoint(0, "main-1/active_power", "float32", "W", "telemetry")]
UP = "wk/1/riverside/plant-b1/up"
BIRTH = wire.encode(next(wire.births(POINTS, boot="b", software="1", config="c")))


def data(sequence: int, at: int) -> bytes:
    batch = Batch(
        np.zeros(1, np.uint32), np.array([at + sequence]), np.ones(1), np.zeros(1, np.uint8)
    )
    return wire.encode(
        wire.data(
            batch,
            journal="J",
            sequence=sequence,
            birth=wire.birth_hash(POINTS),
            mode="live",
            synchronised=True,
        )
    )


class Rig:
    """A loop between a fake bus and a memory, with the computer's clock."""

    def __init__(self) -> None:
        self.bus, self.history, self.clock = FakeBus(), MemoryHistory(), SystemClock()
        self.now = unix_ms(self.clock.now())
        self.loop = Loop(Ingest(self.history, self.bus.publish, self.clock), self.clock)

    def acknowledged(self) -> set[int]:
        acks = [wire.decode_ack(payload) for payload in self.bus.sent("down/ack")]
        return {n for ack in acks for first, last in ack.ok for n in range(first, last + 1)}


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.loop.close()


@pytest.mark.serves("A6")
def test_all_that_arrives_is_acknowledged_in_few_commits(rig: Rig) -> None:
    rig.loop.receive_birth(f"{UP}/birth/0", BIRTH)
    for n in range(500):
        rig.loop.receive(f"{UP}/data", data(n, rig.now))
    rig.loop.start()
    until(lambda: rig.acknowledged() == set(range(500)), "not all were acknowledged")
    assert rig.history.writes < 50


@pytest.mark.serves("A6")
def test_an_absent_store_is_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looping, "FIRST_S", 0.01)
    monkeypatch.setattr(looping, "LONGEST_S", 0.02)
    rig.history.away = True
    rig.loop.start()
    rig.loop.receive_birth(f"{UP}/birth/0", BIRTH)
    for n in range(20):
        rig.loop.receive(f"{UP}/data", data(n, rig.now))
    until(lambda: rig.loop.store_away, "the absence was not noticed")
    assert rig.loop.health()["store_away"] == 1
    assert rig.acknowledged() == set()
    rig.history.away = False
    until(lambda: rig.acknowledged() == set(range(20)), "not all were acknowledged")
    assert not rig.loop.store_away


def test_what_does_not_fit_the_queue_is_left_to_come_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looping, "QUEUED", 3)
    for n in range(5):
        rig.loop.receive(f"{UP}/data", data(n, rig.now))
    rig.loop.receive_birth(f"{UP}/birth/0", BIRTH)
    assert rig.loop.dropped == 2
    assert rig.loop.health()["queued"] == 4
    rig.loop.start()
    until(lambda: rig.loop.health()["queued"] == 0, "the queue was not emptied")
    for n in range(5):
        rig.loop.receive(f"{UP}/data", data(n, rig.now))
        until(lambda n=n: n in rig.acknowledged(), "not acknowledged")


class Broken(MemoryHistory):
    """A store with a fault of its own, once."""

    def write(self, batch: Batch) -> None:
        if self.writes == 0:
            self.writes += 1
            raise ZeroDivisionError
        super().write(batch)


def test_a_fault_costs_an_acknowledgement_never_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    history = Broken()
    rig.loop = Loop(Ingest(history, rig.bus.publish, rig.clock), rig.clock)
    rig.loop.receive_birth(f"{UP}/birth/0", BIRTH)
    rig.loop.receive(f"{UP}/data", data(1, rig.now))
    rig.loop.start()
    until(lambda: "a group was not committed" in caplog.text, "the fault was not logged")
    rig.loop.receive(f"{UP}/data", data(1, rig.now))
    until(lambda: rig.acknowledged() == {1}, "the loop did not go on")
    rig.loop.close()


class Serving:
    """`serve` on a thread of its own."""

    def __init__(self, bus: FakeBus) -> None:
        self.bus, self.history, self.stop = bus, MemoryHistory(), Event()
        self.clock = SystemClock()
        self.presence = Presence("gateway-1", "boot-1", self.clock)
        self.error: list[BaseException] = []
        self.thread = Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            serve(
                self.bus, self.history, self.presence, self.clock, site="riverside", stop=self.stop
            )
        except ConfigError as error:
            self.error.append(error)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(10)

    def states(self) -> list[wire.State]:
        return [wire.decode_state(each) for each in self.bus.sent("gateway/gateway-1/state")]


def test_serving_says_so_and_says_goodbye() -> None:
    serving = Serving(FakeBus())
    until(lambda: bool(serving.states()), "no state was published")
    serving.bus.deliver(f"{UP}/birth/0", BIRTH)
    serving.bus.deliver(f"{UP}/data", data(1, unix_ms(serving.clock.now())))
    until(lambda: bool(serving.bus.sent("down/ack")), "nothing was acknowledged")
    serving.bus.lose()
    serving.bus.come_back()
    serving.end()
    states = serving.states()
    assert [(state.state, state.boot, state.connection) for state in states] == [
        ("online", "boot-1", 1),
        ("online", "boot-1", 2),
        ("lost", "boot-1", 2),
    ]
    assert states[1].health["readings"] == 1
    assert all(retained for topic, _, retained in serving.bus.published if "state" in topic)


def test_serving_waits_for_the_broker_and_can_be_stopped_meanwhile() -> None:
    serving = Serving(FakeBus(connected=False))
    serving.end()
    assert not serving.thread.is_alive()
    assert serving.bus.published == []


class Busy(FakeBus):
    """A broker that knows another gateway's retained state."""

    def __init__(self, name: str, state: wire.State) -> None:
        super().__init__()
        self._name, self._state = name, state

    def subscribe(self, topic: str, receive: object, qos: int = 1) -> None:
        super().subscribe(topic, receive, qos)  # type: ignore[arg-type]
        if topic.endswith("gateway/+/state"):
            self.deliver(f"wk/1/gateway/{self._name}/state", wire.encode(self._state))


def test_a_second_gateway_refuses_to_start() -> None:
    now = unix_ms(SystemClock().now())
    serving = Serving(Busy("gateway-2", wire.State("online", "x", 1, now)))
    until(lambda: bool(serving.error), "it did start")
    serving.end()
    assert "gateway `gateway-2` serves this broker" in str(serving.error[0])


@pytest.mark.parametrize(
    ("name", "word", "age_ms"),
    [
        pytest.param("gateway-2", "lost", 0, id="one that said goodbye"),
        pytest.param("gateway-2", "online", 31_000, id="one that fell silent"),
        pytest.param("gateway-1", "online", 0, id="our own last life"),
    ],
)
def test_a_gateway_that_is_gone_does_not_matter(name: str, word: str, age_ms: int) -> None:
    clock = FixedClock()
    presence = Presence("gateway-1", "boot-1", clock)
    at = unix_ms(clock.now()) - age_ms
    presence.listen(Busy(name, wire.State("lost" if word == "lost" else "online", "x", 1, at)))
    assert presence.rival() is None


def test_a_state_that_cannot_be_read_is_no_rival(caplog: pytest.LogCaptureFixture) -> None:
    bus, presence = FakeBus(), Presence("gateway-1", "boot-1", FixedClock())
    presence.listen(bus)
    bus.deliver("wk/1/gateway/gateway-2/state", b"{")
    bus.deliver("wk/1/gateway/gateway-3/state", b"")
    assert presence.rival() is None
    assert caplog.text.count("cannot be read") == 1


def test_the_will_says_lost_for_its_own_connection() -> None:
    topic, payload, retained = Presence("gateway-1", "boot-1", FixedClock()).will(7)
    state = wire.decode_state(payload)
    assert (topic, retained) == ("wk/1/gateway/gateway-1/state", True)
    assert (state.state, state.connection) == ("lost", 7)
