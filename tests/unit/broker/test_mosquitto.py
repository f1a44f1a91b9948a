import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt import Mqtt
from broker import mosquitto
from tests import brokers, parts
from tests.brokers import USERS, secret_of
from tests.parts import until
from watchkeeper.bus import Version
from watchkeeper.errors import ConfigError

FOLDER = Path(__file__).parents[3] / "deploy/mosquitto"
FOREIGN = (
    "#", "+/#", "wk/#", "wk/1/+/+/down/#", "wk/1/riverside/+/down/ack", "wk/1/riverside/+/up/#",
    "wk/1/riverside/plant-b2/down/ack", "wk/1/riverside/plant-b2/up/state", "wk/1/riverside/rerun",
    "$share/gateways/wk/1/riverside/+/up/data", "$share/x/#", "$SYS/#", "$SYS/broker/version",
)  # fmt: skip
FORGED = (
    "wk/1/riverside/plant-b2/up/state", "wk/1/riverside/plant-b2/up/birth/0",
    "wk/1/riverside/plant-b1/down/ack", "wk/1/riverside/plant-b2/down/cmd", "wk/1/riverside/rerun",
    "wk/1/gateway/g/state", "wk/1/server/s/state", "wk/1/elsewhere/plant-b1/up/data",
    "$SYS/broker/version", "wk", "other",
)  # fmt: skip


def test_the_files_in_deploy_are_what_is_rendered() -> None:
    wanted = mosquitto.config("/mosquitto/config", host="", port=1883)
    assert (FOLDER / "mosquitto.conf").read_text("utf-8") == wanted
    assert (FOLDER / "acl").read_text("utf-8") == mosquitto.access(["riverside"])


def test_tls_names_its_files() -> None:
    tls = mosquitto.Tls("/c/ca.pem", "/c/cert.pem", "/c/key.pem")
    lines = mosquitto.config("/m", host="10.0.0.5", port=8883, tls=tls).splitlines()
    assert lines[0] == "listener 8883 10.0.0.5"
    assert {"cafile /c/ca.pem", "certfile /c/cert.pem", "keyfile /c/key.pem"} < set(lines)
    assert "allow_anonymous false" in lines


@pytest.mark.parametrize("user", ["", "+", "a#", "a/b", "a:b"])
def test_a_username_that_would_break_the_patterns_is_refused(user: str) -> None:
    with pytest.raises(ConfigError, match="username"):
        mosquitto.passwords([(user, "x", bytes(12))])


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("mosquitto"), parts.free_port()
    with brokers.mosquitto(folder, port):
        yield port


class Client:
    """A connection that remembers what it heard."""

    def __init__(
        self,
        port: int,
        user: str,
        password: str | None = None,
        *,
        client: str = "test",
        **more: Any,
    ) -> None:
        self.heard: list[str] = []
        self.bus = Mqtt(
            "127.0.0.1",
            port,
            f"{user}-{client}",
            username=user,
            password=password or secret_of(user),
            **more,
        )

    def hear(self, topic: str) -> "Client":
        self.bus.subscribe(topic, lambda got, _: self.heard.append(got))
        return self


@pytest.fixture
def clients(broker: int) -> Iterator[dict[str, Client]]:
    found = {user: Client(broker, user).hear("wk/#") for user in USERS}
    for user, client in found.items():
        until(lambda client=client: client.bus.connected, f"{user} did not connect")
    yield found
    for client in found.values():
        client.bus.close()


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B1")
def test_an_edge_speaks_and_hears_only_for_itself(clients: dict[str, Client]) -> None:
    edge, other = clients["plant-b1"].bus, clients["plant-b2"]
    edge.publish("wk/1/riverside/plant-b2/up/event", b"forged")
    edge.publish("wk/1/riverside/plant-b2/down/ack", b"forged")
    edge.publish("wk/1/elsewhere/plant-b1/up/event", b"forged")
    edge.publish("wk/1/server/server-1/state", b"forged")
    edge.publish("wk/1/riverside/plant-b1/up/event", b"true")
    server = clients["server"]
    server.bus.publish("wk/1/riverside/plant-b1/down/cmd", b"c")
    server.bus.publish("wk/1/server/server-1/state", b"s")
    until(lambda: len(clients["plant-b1"].heard) == 2, "the edge did not hear the server")
    until(lambda: "wk/1/server/server-1/state" in other.heard, "the other edge hears nothing")
    # What was forged came before what arrived, on the same connection: it is not on its way.
    ups = [topic for topic in server.heard if "/up/" in topic]
    assert ups == ["wk/1/riverside/plant-b1/up/event"]
    assert other.heard == ["wk/1/server/server-1/state"]
    assert sorted(clients["plant-b1"].heard) == [
        "wk/1/riverside/plant-b1/down/cmd",
        "wk/1/server/server-1/state",
    ]


@pytest.mark.part("mosquitto")
def test_a_gateway_acknowledges_data_and_hears_no_event(clients: dict[str, Client]) -> None:
    clients["plant-b2"].bus.publish("wk/1/riverside/plant-b2/up/event", b"e")
    clients["plant-b2"].bus.publish("wk/1/riverside/plant-b2/up/data", b"d")
    gateway = clients["gateway"]
    until(lambda: bool(gateway.heard), "the gateway hears no data")
    assert gateway.heard == ["wk/1/riverside/plant-b2/up/data"]
    gateway.bus.publish("wk/1/riverside/plant-b2/down/cmd", b"forged")
    gateway.bus.publish("wk/1/riverside/plant-b2/down/ack", b"a")
    until(lambda: bool(clients["plant-b2"].heard), "the edge hears no acknowledgement")
    assert clients["plant-b2"].heard == ["wk/1/riverside/plant-b2/down/ack"]


@pytest.mark.part("mosquitto")
def test_a_wrong_password_gets_nowhere(broker: int, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(broker, "plant-b1", "wrong")
    until(lambda: "no connection to the broker" in caplog.text, "it was not refused")
    assert not client.bus.connected
    client.bus.close()


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B1")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_edge_that_listens_everywhere_hears_nothing_foreign(
    clients: dict[str, Client], broker: int, protocol: Version
) -> None:
    spy = Client(broker, "plant-b1", client="forger", protocol=protocol)
    for topic in FOREIGN:
        spy.hear(topic)
    until(lambda: spy.bus.connected, "not connected")
    server, other = clients["server"].bus, clients["plant-b2"].bus
    for lane in ("state", "data", "event", "birth/0"):
        other.publish(f"wk/1/riverside/plant-b2/up/{lane}", b"o", retain=lane == "state")
    server.publish("wk/1/riverside/plant-b2/down/ack", b"a")
    server.publish("wk/1/riverside/rerun", b"r")
    until(lambda: len(clients["plant-b2"].heard) == 1, "the other edge hears no acknowledgement")
    until(lambda: len(clients["server"].heard) == 4, "the server hears no edge")
    server.publish("wk/1/riverside/plant-b1/down/ack", b"last")
    until(lambda: "wk/1/riverside/plant-b1/down/ack" in spy.heard, "not even its own")
    assert set(spy.heard) == {"wk/1/riverside/plant-b1/down/ack"}
    other.publish("wk/1/riverside/plant-b2/up/state", b"", retain=True)
    spy.bus.close()


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B1")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_an_edge_forges_reaches_nobody_neither_now_nor_later(
    clients: dict[str, Client], broker: int, protocol: Version
) -> None:
    forger = Client(broker, "plant-b1", client="forger", protocol=protocol)
    until(lambda: forger.bus.connected, "not connected")
    for topic in FORGED:
        forger.bus.publish(topic, b"forged", retain=True)
    forger.bus.publish("wk/1/riverside/plant-b1/up/data", b"true")
    for name in ("server", "gateway"):
        until(lambda name=name: bool(clients[name].heard), f"{name} hears nothing")
        assert clients[name].heard == ["wk/1/riverside/plant-b1/up/data"]
    later = Client(broker, "server", client="late").hear("wk/#").hear("$SYS/#")
    until(lambda: later.bus.connected, "not connected")
    clients["plant-b2"].bus.publish("wk/1/riverside/plant-b2/up/data", b"true")
    until(lambda: bool(later.heard), "nothing arrives")
    assert later.heard == ["wk/1/riverside/plant-b2/up/data"], "nothing was retained"
    assert clients["plant-b2"].heard == []
    forger.bus.close()
    later.bus.close()


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B1")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("owner", ["plant-b1", "plant-b2"])
def test_a_will_speaks_for_its_own_edge_only(
    clients: dict[str, Client], broker: int, protocol: Version, owner: str
) -> None:
    topic = f"wk/1/riverside/{owner}/up/will"
    dying = Client(
        broker, "plant-b1", client="forger", protocol=protocol, will=(topic, b"lost", False)
    )
    until(lambda: dying.bus.connected, "not connected")
    for _ in range(2):  # the second time its first will has been dealt with
        last = dying.bus.connection
        client = dying.bus._live  # noqa: SLF001 - the only one who has the socket
        assert client is not None
        opened = client.socket()
        assert isinstance(opened, socket.socket)
        opened.shutdown(socket.SHUT_RDWR)
        until(lambda last=last: dying.bus.connection > last, "it does not come back")
    dying.bus.publish("wk/1/riverside/plant-b1/up/data", b"after")
    server = clients["server"]
    until(lambda: "wk/1/riverside/plant-b1/up/data" in server.heard, "nothing arrives")
    assert server.heard.count(topic) == (2 if owner == "plant-b1" else 0)
    dying.bus.close()


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B1")
def test_only_the_server_asks_gateways_to_run_something_again(clients: dict[str, Client]) -> None:
    for user in ("plant-b1", "plant-b2", "gateway"):
        clients[user].bus.publish("wk/1/riverside/rerun", user.encode())
        clients[user].bus.publish("wk/1/gateway/main/state", user.encode())
    clients["plant-b1"].bus.publish("wk/1/riverside/plant-b1/up/data", b"later")
    clients["plant-b2"].bus.publish("wk/1/riverside/plant-b2/up/data", b"later")
    gateway = clients["gateway"]
    until(lambda: len(gateway.heard) == 3, "something is missing")
    clients["server"].bus.publish("wk/1/riverside/rerun", b"server")
    until(lambda: "wk/1/riverside/rerun" in gateway.heard, "the server may not")
    assert sorted(gateway.heard) == [
        "wk/1/gateway/main/state",
        "wk/1/riverside/plant-b1/up/data",
        "wk/1/riverside/plant-b2/up/data",
        "wk/1/riverside/rerun",
    ]


@pytest.mark.part("mosquitto")
def test_a_new_edge_is_let_in_by_a_signal_and_nobody_is_cut_off(tmp_path: Path) -> None:
    port = parts.free_port()
    with brokers.mosquitto(tmp_path, port) as process:
        known, new = Client(port, "plant-b1"), Client(port, "plant-b3")
        until(lambda: known.bus.connected, "not connected")
        brokers.rendered(tmp_path, port, "plant-b3")
        process.send_signal(signal.SIGHUP)
        until(lambda: new.bus.connected, "the new one is not let in")
        assert known.bus.connected
        assert known.bus.connection == 1
        known.bus.close()
        new.bus.close()
