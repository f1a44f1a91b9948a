"""An encrypted line to the broker works, and fails closed: real certificates, a real mosquitto."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from adapters.mqtt import Mqtt, connection
from broker import mosquitto
from tests import parts
from tests.parts import until
from watchkeeper import settings
from watchkeeper.errors import ConfigError

pytestmark = [pytest.mark.part("mosquitto"), pytest.mark.part("openssl")]
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority and what it has signed."""

    folder: Path

    def authority(self, name: str) -> Path:
        """Make a certificate authority."""
        made = self.folder / f"{name}.pem"
        openssl("req", "-x509", *CURVE, "-keyout", self._key(name), "-out", made, "-days", 2,
                "-subj", f"/CN={name}")  # fmt: skip
        return made

    def signed(self, name: str, by: str, host: str = "127.0.0.1", days: int = 2) -> Path:
        """Make a certificate for an address, signed by an authority."""
        made, request = self.folder / f"{name}.pem", self.folder / f"{name}.csr"
        names = self.folder / f"{name}.ext"
        names.write_text(f"subjectAltName=IP:{host}\n", "utf-8")
        openssl("req", "-new", *CURVE, "-keyout", self._key(name), "-out", request,
                "-subj", f"/CN={name}")  # fmt: skip
        signer = ("-CA", self.folder / f"{by}.pem", "-CAkey", self._key(by), "-CAcreateserial")
        openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", names,
                "-out", made)  # fmt: skip
        return made

    def _key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def openssl(*words: object) -> None:
    subprocess.run([parts.program("openssl"), *map(str, words)], check=True, capture_output=True)


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
    port, at = parts.free_port(), made.folder
    tls = mosquitto.Tls(f"{at}/ours.pem", f"{at}/{certificate}.pem", f"{at}/{certificate}.key")
    text = mosquitto.config(str(folder), host="127.0.0.1", port=port, tls=tls)
    kept = [line for line in text.splitlines() if not line.startswith(("password_", "acl_"))]
    open_ = "\n".join(kept).replace("allow_anonymous false", f"{more}\nallow_anonymous true")
    with parts.mosquitto(folder, open_ + "\n", port):
        yield port


def line(port: int, **facts: object) -> Mqtt:
    return connection(settings.Mqtt.model_validate({"port": port, **facts}), "edge-1")


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


@pytest.mark.parametrize("key", ["ca", "certificate"])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, key: str) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate", "utf-8")
    with pytest.raises(ConfigError, match=f"mqtt.{key}"):
        line(1, tls=True, **{key: wrong})
