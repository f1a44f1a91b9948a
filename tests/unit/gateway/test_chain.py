"""The gateway as a process of its own between real brokers and the embedded store."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from adapters.history import open_history
from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from broker import mosquitto
from tests import parts
from tests.parts import until
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.ids import PointId
from watchkeeper.settings import HistorySettings, Settings
from watchkeeper.settings import Mqtt as MqttSettings

ROOT = Path(__file__).parents[3]
START = """
import sys
from pathlib import Path
from {program}.main import run
from watchkeeper.settings import Mqtt, Settings
mqtt = Mqtt(port=int(sys.argv[1]), username=sys.argv[2], password=sys.argv[2] or None)
settings = Settings(data=Path(sys.argv[3]), mqtt=mqtt)
sys.exit(run(settings, *sys.argv[4:]))
"""
POINTS = [
    wire.BornPoint(n, f"main-{n}/active_power", "float32", "W", "telemetry") for n in range(20)
]
HASH = wire.birth_hash(POINTS)
BATCHES = 400


@contextmanager
def program(
    name: str, port: int, user: str, folder: Path, *words: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one of our programs until the block ends."""
    command = [
        sys.executable,
        "-c",
        START.format(program=name),
        str(port),
        user,
        str(folder),
        *words,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - handed on, not read
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.part("mosquitto"))])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Give the port, and the gateway's username: "" where there are no accounts."""
    port = parts.free_port()
    if request.param == "embedded":
        with program("broker", port, "", tmp_path):
            until(lambda: parts.listens(port), "the broker does not listen")
            yield port, ""
        return
    accounts = [(user, user, user.ljust(12).encode()[:12]) for user in ("gateway", "plant-b1")]
    (tmp_path / "passwords").write_text(mosquitto.passwords(accounts), "utf-8")
    (tmp_path / "acl").write_text(mosquitto.access(["riverside"]), "utf-8")
    config = mosquitto.config(str(tmp_path), host="127.0.0.1", port=port)
    with parts.mosquitto(tmp_path, config, port):
        yield port, "gateway"


class Edge:
    """Keeps batches until they are acknowledged, as the real one does."""

    def __init__(self, port: int, *, user: str) -> None:
        self.start = unix_ms(SystemClock().now()) - BATCHES * 1000
        self.kept = set(range(BATCHES))
        self.bus = Mqtt("127.0.0.1", port, "plant-b1.data", username=user, password=user or None)
        self.bus.subscribe("wk/1/riverside/plant-b1/down/ack", self._acknowledged)
        until(lambda: self.bus.connected, "the edge does not connect")
        for birth in wire.births(POINTS, boot="b", software="1", config="c"):
            self.bus.publish("wk/1/riverside/plant-b1/up/birth/0", wire.encode(birth), retain=True)

    def _acknowledged(self, _: str, payload: bytes) -> None:
        for first, last in wire.decode_ack(payload).ok:
            self.kept = self.kept - set(range(first, last + 1))

    def send(self) -> None:
        """Send what is not acknowledged."""
        for sequence in sorted(self.kept):
            batch = Batch(
                np.arange(20, dtype=np.uint32),
                np.full(20, self.start + 1000 * sequence),
                np.arange(20.0) + 100 * sequence,
                np.zeros(20, np.uint8),
            )
            message = wire.data(
                batch, journal="J", sequence=sequence, birth=HASH, mode="live", synchronised=True
            )
            self.bus.publish("wk/1/riverside/plant-b1/up/data", wire.encode(message))

    def send_until(self, left: int) -> None:
        """Send again and again until at most so many are kept."""

        def few() -> bool:
            return len(self.kept) <= left

        for _ in range(30):
            self.send()
            try:
                until(few, "", deadline_s=0.5)
            except AssertionError:
                continue
            return
        assert few(), f"{len(self.kept)} batches were never acknowledged"


@pytest.mark.serves("A6")
def test_nothing_is_lost_when_the_gateway_is_killed(
    broker: tuple[int, str], tmp_path: Path
) -> None:
    port, user = broker
    settings = Settings(data=tmp_path, mqtt=MqttSettings(port=port))
    with ExitStack() as stack:
        edge = Edge(port, user="plant-b1" if user else "")
        stack.callback(edge.bus.close)
        with program("gateway", port, user, tmp_path, "gateway-1") as gateway:
            edge.send_until(left=BATCHES - 1)
            gateway.send_signal(signal.SIGKILL)
        with program("gateway", port, user, tmp_path, "gateway-1") as gateway:
            edge.send_until(left=0)
            # All may have been acknowledged before the kill: only one that serves ends well.
            log = tmp_path / "gateway.log"
            until(lambda: log.read_text("utf-8").count("gateway serves") == 2, "it serves again")
            gateway.terminate()
            assert gateway.wait(10) == 0
        history = open_history(settings, "riverside", SystemClock(), writable=False)
        stack.callback(history.close)
        for n in (0, 19):
            track = history.raw(PointId(POINTS[n].point), 0, edge.start + 10**9)
            assert track.value.tolist() == [100.0 * sequence + n for sequence in range(BATCHES)]
        assert history.quarantined() == []


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B1")
def test_a_foreign_mosquitto_as_it_is_without_settings_does_not_stall(tmp_path: Path) -> None:
    """It sends 20 messages and waits; a receiver that confirms only after a commit would, too."""
    port, history = parts.free_port(), tmp_path / "data"
    history.mkdir()
    config = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    with (
        parts.mosquitto(tmp_path, config, port),
        program("gateway", port, "", history, "gateway-1"),
    ):
        log = history / "gateway.log"
        until(lambda: "gateway serves" in log.read_text("utf-8"), "it does not serve")
        edge = Edge(port, user="")
        edge.send()  # once: 20 times as many as are in flight
        until(lambda: not edge.kept, f"{len(edge.kept)} of {BATCHES} batches are stuck", 10)
        edge.bus.close()
    settings = Settings(data=history, mqtt=MqttSettings(port=port))
    store = open_history(settings, "riverside", SystemClock(), writable=False)
    for n in (0, 19):
        track = store.raw(PointId(POINTS[n].point), 0, edge.start + 10**9)
        assert len(track.value) == BATCHES
    store.close()


@pytest.mark.part("mosquitto")
@pytest.mark.part("influxd")
@pytest.mark.serves("B1")
def test_two_gateways_share_the_work_and_one_goes_on_alone(tmp_path: Path) -> None:
    port = parts.free_port()
    with ExitStack() as stack:
        url = stack.enter_context(parts.influxd(tmp_path))
        config = f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\n"
        stack.enter_context(parts.mosquitto(tmp_path, config, port))
        history = HistorySettings(store="influx", url=url, write_path="v1")
        settings = Settings(data=tmp_path, mqtt=MqttSettings(port=port), history=history)
        file = tmp_path / "watchkeeper.toml"
        file.write_text(
            f'[mqtt]\nport = {port}\n[history]\nstore = "influx"\nurl = "{url}"\n'
            'write_path = "v1"\n',
            "utf-8",
        )
        command = [sys.executable, "-m", "ops.main", "gateway", "--config", str(file)]
        gateways = {
            name: stack.enter_context(
                parts.ended(
                    subprocess.Popen([*command, "--data", str(tmp_path), "--name", name], cwd=ROOT)
                )
            )
            for name in ("one", "two")
        }
        edge = Edge(port, user="")
        stack.callback(edge.bus.close)
        states: dict[str, wire.State] = {}
        edge.bus.subscribe(
            "wk/1/gateway/+/state",
            lambda topic, payload: states.update({topic.split("/")[3]: wire.decode_state(payload)}),
        )
        until(lambda: set(states) == {"one", "two"}, "a gateway is refused")
        edge.send_until(left=0)
        until(
            lambda: all(state.health.get("batches", 0) > 0 for state in states.values()),
            "one of them does nothing", 25,
        )  # fmt: skip
        gateways["one"].kill()
        edge.kept = set(range(BATCHES))
        edge.send_until(left=0)
        store = open_history(settings, "riverside", SystemClock(), writable=False)
        stack.callback(store.close)
        for n in (0, 19):
            track = store.raw(PointId(POINTS[n].point), 0, edge.start + 10**9)
            assert track.value.tolist() == [100.0 * sequence + n for sequence in range(BATCHES)]
