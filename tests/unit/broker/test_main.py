import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.mqtt import Mqtt
from broker import main
from tests import parts
from tests.parts import until
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Mqtt as MqttSettings
from watchkeeper.settings import Settings

ROOT = Path(__file__).parents[3]
START = """
import sys
from broker.main import run
from watchkeeper.settings import Mqtt, Settings
sys.exit(run(Settings(mqtt=Mqtt(port=int(sys.argv[1])))))
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = parts.free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - handed on, not read
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(port)], env=environment, stderr=log
        )
    until(lambda: parts.listens(port), "the broker does not listen")
    yield port, process
    process.terminate()
    assert process.wait(10) == 0
    assert (tmp_path / "log").read_bytes() == b""


def test_messages_pass_and_a_retained_one_waits(
    broker: tuple[int, "subprocess.Popen[bytes]"],
) -> None:
    port, _ = broker
    heard: list[tuple[str, bytes]] = []
    edge = Mqtt("127.0.0.1", port, "plant-b1")
    until(lambda: edge.connected, "not connected")
    edge.publish("wk/1/riverside/plant-b1/up/birth/0", b"b", retain=True)
    late = Mqtt("127.0.0.1", port, "gateway-1")
    late.subscribe("wk/1/+/+/up/#", lambda topic, payload: heard.append((topic, payload)))
    until(lambda: heard == [("wk/1/riverside/plant-b1/up/birth/0", b"b")], "no retained birth")
    for n in range(500):
        edge.publish("wk/1/riverside/plant-b1/up/data", b"%d" % n)
    until(lambda: len(heard) == 501, "messages are missing")
    assert [payload for _, payload in heard[1:]] == [b"%d" % n for n in range(500)]
    edge.close()
    late.close()


def test_an_interrupt_ends_it_in_order(broker: tuple[int, "subprocess.Popen[bytes]"]) -> None:
    port, process = broker
    client = Mqtt("127.0.0.1", port, "plant-b1")
    until(lambda: client.connected, "not connected")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    client.close()


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            main.run(Settings(mqtt=MqttSettings(port=port)))
    assert str(error.value) == (
        f"mqtt.port: 127.0.0.1:{port} is in use (stop the other broker or set mqtt.port)"
    )


@pytest.mark.serves("G4")
@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "broker.example"])  # noqa: S104
def test_it_has_no_accounts_so_no_other_machine_may_reach_it(host: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.host: .* no loopback address.*mosquitto"):
        main.run(Settings(mqtt=MqttSettings(host=host)))


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    assert main.config("::1", 1883).listeners["default"].bind == "[::1]:1883"
