from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.mqtt import Mqtt
from broker import mosquitto
from tests import parts
from tests.parts import until
from watchkeeper.errors import ConfigError

FOLDER = Path(__file__).parents[3] / "deploy/mosquitto"
USERS = ("server", "gateway", "plant-b1", "plant-b2")


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
    accounts = [(user, f"secret of {user}", user.ljust(12).encode()[:12]) for user in USERS]
    (folder / "passwords").write_text(mosquitto.passwords(accounts), "utf-8")
    (folder / "acl").write_text(mosquitto.access(["riverside"]), "utf-8")
    with parts.mosquitto(folder, mosquitto.config(str(folder), host="127.0.0.1", port=port), port):
        yield port


class Client:
    """A connection that remembers what it heard."""

    def __init__(self, port: int, user: str, password: str | None = None) -> None:
        self.heard: list[str] = []
        self.bus = Mqtt(
            "127.0.0.1",
            port,
            f"{user}-test",
            username=user,
            password=password or f"secret of {user}",
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
