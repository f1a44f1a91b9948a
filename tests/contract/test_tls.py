"""An encrypted line to the broker works, and fails closed: real certificates, a real mosquitto."""

import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from adapters.mqtt import Mqtt, connection
from broker import mosquitto
from tests import parts
from tests.certificates import Certificates
from tests.parts import until
from watchkeeper import settings
from watchkeeper.errors import ConfigError

pytestmark = [pytest.mark.part("mosquitto"), pytest.mark.part("openssl")]
SENT = 20  # messages at least, while the certificate changes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    for authority in ("ours", "others"):
        made.authority(authority)
    made.signed("broker", "ours")
    made.signed("elsewhere", "ours", host="10.9.9.9")
    made.signed("expired", "ours", days=-1)
    made.signed("edge", "ours")
    made.signed("stranger", "others")
    return made


@contextmanager
def broker(made: Certificates, folder: Path, certificate: str, more: str = "") -> Iterator[int]:
    """Run a mosquitto as `broker --render --tls` sets it up, without accounts; give its port."""
    with process(made, folder, certificate, more) as (port, _):
        yield port


@contextmanager
def process(
    made: Certificates, folder: Path, certificate: str, more: str = ""
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Run it; give its port and the process."""
    port, at = parts.free_port(), made.folder
    tls = mosquitto.Tls(f"{at}/ours.pem", f"{at}/{certificate}.pem", f"{at}/{certificate}.key")
    text = mosquitto.config(str(folder), host="127.0.0.1", port=port, tls=tls)
    kept = [line for line in text.splitlines() if not line.startswith(("password_", "acl_"))]
    open_ = "\n".join(kept).replace("allow_anonymous false", f"{more}\nallow_anonymous true")
    with parts.mosquitto(folder, open_ + "\n", port) as running:
        yield port, running


def line(port: int, name: str = "edge-1", **facts: object) -> Mqtt:
    return connection(settings.Mqtt.model_validate({"port": port, **facts}), name)


@pytest.mark.serves("G4")
def test_a_line_to_a_broker_that_proves_itself_carries_messages(
    made: Certificates, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    with broker(made, tmp_path, "broker") as port:
        bus = line(port, tls=True, ca=made.folder / "ours.pem")
        bus.subscribe("wk/1/riverside/edge-1/down/ack", lambda _, payload: heard.append(payload))
        until(lambda: bus.connected, "no connection")
        bus.publish("wk/1/riverside/edge-1/down/ack", b"{}")
        until(lambda: heard == [b"{}"], "nothing arrives")
        bus.close()


@pytest.mark.parametrize(
    ("certificate", "facts"),
    [
        pytest.param("broker", {"tls": True, "ca": "others.pem"}, id="signed by somebody else"),
        pytest.param("elsewhere", {"tls": True, "ca": "ours.pem"}, id="of another address"),
        pytest.param("expired", {"tls": True, "ca": "ours.pem"}, id="expired"),
        pytest.param("broker", {"tls": True}, id="not on this machine's list"),
        pytest.param("broker", {"tls": False}, id="plain text to an encrypted port"),
    ],
)
def test_a_broker_that_does_not_prove_itself_gets_nothing(
    made: Certificates,
    tmp_path: Path,
    certificate: str,
    facts: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    if "ca" in facts:
        facts = {**facts, "ca": made.folder / str(facts["ca"])}
    opened = Event()
    with broker(made, tmp_path, certificate) as port:
        bus = line(port, protocol="3.1.1", **facts)
        bus.on_connect(opened.set)
        until(lambda: "no connection to the broker" in caplog.text, "it is not said")
        assert not opened.wait(0.5)
        bus.close()


@pytest.mark.parametrize(("name", "let_in"), [("edge", True), ("stranger", False), ("", False)])
def test_a_broker_that_asks_for_a_certificate_lets_in_who_has_one(
    made: Certificates, tmp_path: Path, name: str, *, let_in: bool
) -> None:
    facts: dict[str, object] = {"tls": True, "ca": made.folder / "ours.pem"}
    if name:
        facts |= {
            "certificate": made.folder / f"{name}.pem",
            "key": made.folder / f"{name}.key",
        }
    opened = Event()
    with broker(made, tmp_path, "broker", "require_certificate true") as port:
        bus = line(port, **facts)
        bus.on_connect(opened.set)
        assert opened.wait(5.0 if let_in else 1.5) is let_in
        bus.close()


def serial(port: int, ca: Path) -> int:
    """Return the serial number of the certificate the broker shows to who comes now."""
    context = ssl.create_default_context(cafile=ca)
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as shown,
    ):
        return int(str((shown.getpeercert() or {})["serialNumber"]), 16)


@pytest.mark.serves("G4")
def test_a_certificate_is_replaced_under_way_and_no_message_is_lost(
    made: Certificates, tmp_path: Path
) -> None:
    for end in ("pem", "key"):
        shutil.copy(made.folder / f"broker.{end}", made.folder / f"shown.{end}")
    ca, sent, heard = made.folder / "ours.pem", 0, list[bytes]()
    with process(made, tmp_path, "shown") as (port, running):
        edge, server = line(port, tls=True, ca=ca), line(port, "server", tls=True, ca=ca)
        server.subscribe("a", lambda _, payload: heard.append(payload))
        until(lambda: edge.connected and server.connected, "no connection")
        before = serial(port, ca)
        made.signed("shown", "ours")
        running.send_signal(signal.SIGHUP)
        while serial(port, ca) == before or sent < SENT:
            assert edge.publish("a", b"%d" % sent)
            sent += 1
        until(lambda: len(heard) == sent, "messages are missing")
        assert heard == [b"%d" % n for n in range(sent)]
        assert (edge.connection, server.connection) == (1, 1), "nobody was cut off"
        edge.close()
        server.close()


@pytest.mark.parametrize("key", ["ca", "certificate"])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, key: str) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate", "utf-8")
    with pytest.raises(ConfigError, match=f"mqtt.{key}"):
        line(1, tls=True, **{key: wrong})
