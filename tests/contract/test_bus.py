"""What every program relies on in a bus, shown on a real mosquitto and on the embedded broker."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from adapters.mqtt import Mqtt
from tests import parts
from tests.brokers import ROOT, Broker, Running, embedded
from tests.parts import until


def mosquitto(folder: Path, port: int) -> Running:
    config = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    return parts.mosquitto(folder, config, port)


@pytest.fixture(
    params=[pytest.param(mosquitto, marks=pytest.mark.part("mosquitto")), embedded],
    ids=["mosquitto", "embedded"],
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, request.param)
    yield made
    made.close()


@pytest.fixture
def client(broker: Broker) -> Iterator[Callable[..., Mqtt]]:
    """Give what makes a client of the broker; all are closed at the end."""
    made: list[Mqtt] = []

    def make(name: str, **more: object) -> Mqtt:
        bus = Mqtt("127.0.0.1", broker.port, name, **more)  # type: ignore[arg-type]
        made.append(bus)
        return bus

    yield make
    for bus in made:
        bus.close()


class Inbox:
    """What a subscription received."""

    def __init__(self, bus: Mqtt, topic: str) -> None:
        self.got: list[tuple[str, bytes]] = []
        bus.subscribe(topic, lambda topic, payload: self.got.append((topic, payload)))

    def has(self, *payloads: bytes) -> Callable[[], bool]:
        return lambda: [payload for _, payload in self.got] == list(payloads)


@pytest.mark.serves("B1")
def test_delivers_what_matches_and_only_that(client: Callable[..., Mqtt]) -> None:
    ears, mouth = client("ears"), client("mouth", username="mouth")
    inbox, other = Inbox(ears, "wk/1/+/up/data"), Inbox(ears, "wk/1/+/up/event")
    until(lambda: ears.connected and mouth.connected, "no connection")

    assert mouth.publish("wk/1/a/up/data", b"1")
    assert mouth.publish("wk/1/b/up/data", b"2")

    until(inbox.has(b"1", b"2"), "not delivered")
    assert inbox.got[1][0] == "wk/1/b/up/data"
    assert other.got == []


@pytest.mark.serves("B1")
@pytest.mark.parametrize("username", ["", "somebody"])
def test_finds_the_version_the_broker_speaks_within_two_seconds(
    client: Callable[..., Mqtt], request: pytest.FixtureRequest, username: str
) -> None:
    bus = client("one", username=username)

    until(lambda: bus.connected, "no connection", 3.0)

    assert bus.protocol == ("5" if "mosquitto" in request.node.name else "3.1.1")
    assert bus.connection == 1


def test_without_a_connection_nothing_is_taken() -> None:
    bus = Mqtt("127.0.0.1", parts.free_port(), "nobody")
    try:
        assert not bus.publish("a", b"lost")
        assert (bus.connected, bus.connection) == (False, 0)
    finally:
        bus.close()


def test_comes_back_with_its_subscriptions_after_the_broker_died(
    broker: Broker, client: Callable[..., Mqtt]
) -> None:
    ears, mouth = client("ears"), client("mouth")
    inbox, told = Inbox(ears, "a/#"), list[int]()
    ears.on_connect(lambda: told.append(ears.connection))
    until(lambda: ears.connected and mouth.connected, "no connection")

    broker.kill()
    until(lambda: not ears.connected and not mouth.connected, "not noticed")
    assert not mouth.publish("a/b", b"lost")
    broker.start()
    until(lambda: ears.connected and mouth.connected, "did not come back")

    assert mouth.publish("a/b", b"back")
    until(inbox.has(b"back"), "not delivered")
    assert told == [1, 2]


def test_a_receiver_that_fails_costs_its_message_and_nothing_more(
    client: Callable[..., Mqtt],
) -> None:
    ears, mouth = client("ears"), client("mouth")
    inbox = Inbox(ears, "a")
    ears.subscribe("a", lambda _, payload: [][int(payload)])
    until(lambda: ears.connected and mouth.connected, "no connection")

    for n in range(3):
        mouth.publish("a", str(n).encode())

    until(inbox.has(b"0", b"1", b"2"), "the thread died")


@pytest.mark.serves("B2")
def test_the_will_is_left_when_the_process_dies_and_not_after_a_goodbye(
    broker: Broker, client: Callable[..., Mqtt], tmp_path: Path
) -> None:
    inbox = Inbox(client("ears"), "wills/#")
    script = (
        "import sys, threading\nfrom adapters.mqtt import Mqtt\n"
        "bus = Mqtt('127.0.0.1', int(sys.argv[1]), 'mortal',"
        " will=lambda n: ('wills/mortal', str(n).encode(), True))\n"
        "bus.on_connect(lambda: print('up', flush=True))\nthreading.Event().wait()\n"
    )
    with (tmp_path / "mortal.log").open("wb") as log:
        mortal = subprocess.Popen(
            [sys.executable, "-c", script, str(broker.port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert mortal.stdout is not None
    assert mortal.stdout.readline() == b"up\n"
    polite = client("polite", will=("wills/polite", b"never", True))
    until(lambda: polite.connected, "no connection")

    polite.close()
    mortal.kill()
    mortal.wait()
    mortal.stdout.close()

    until(inbox.has(b"1"), "no will")
    late = Inbox(client("late"), "wills/#")
    until(lambda: bool(late.got), "the will is not retained")
    assert set(late.got) == {("wills/mortal", b"1")}  # amqtt may send it twice


def test_what_is_retained_is_there_for_who_comes_later(client: Callable[..., Mqtt]) -> None:
    mouth = client("mouth")
    until(lambda: mouth.connected, "no connection")
    mouth.publish("state", b"old", retain=True)
    mouth.publish("state", b"new", retain=True)
    mouth.publish("state/fleeting", b"gone")

    ears = client("ears")
    inbox = Inbox(ears, "state/#")
    until(inbox.has(b"new"), "not retained")


def test_a_thousand_messages_at_once_arrive_in_order(client: Callable[..., Mqtt]) -> None:
    ears, mouth, done = client("ears"), client("mouth"), Event()
    got: list[bytes] = []

    def receive(_topic: str, payload: bytes) -> None:
        got.append(payload)
        if payload == b"999":
            done.set()

    ears.subscribe("a", receive)
    until(lambda: ears.connected and mouth.connected, "no connection")

    assert all(mouth.publish("a", str(n).encode()) for n in range(1000))

    assert done.wait(15)
    assert got == [str(n).encode() for n in range(1000)]


def test_a_publisher_faster_than_the_broker_is_told_so(client: Callable[..., Mqtt]) -> None:
    mouth = client("mouth")
    until(lambda: mouth.connected, "no connection")

    taken = [mouth.publish("nobody/listens", bytes(1000)) for _ in range(20_000)]

    assert not all(taken), "its memory would grow without bound"
    until(lambda: mouth.publish("nobody/listens", b"1"), "does not recover")
