"""`watchkeeper doctor`: what is fine is said, what is not has a fix."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr
from typing_extensions import override

from adapters.history import open_history
from adapters.system_clock import SystemClock
from broker import mosquitto
from ops import doctor
from ops.doctor import Finding
from ops.main import main
from tests import parts
from watchkeeper.settings import HistorySettings, Mqtt, Ports, Server, Settings

PASSWORD = "of the server"  # noqa: S105 - of a test


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    free = parts.free_ports(3)
    ports = Ports(api=free, dashboard=free + 1)
    return Settings(data=tmp_path / "var", ports=ports, mqtt=Mqtt(port=free + 2))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("mosquitto"), parts.free_port()
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)  # mosquitto gives up root and must still reach its files
    (folder / "passwords").write_text(mosquitto.passwords([("server", PASSWORD, bytes(12))]))
    (folder / "acl").write_text(mosquitto.access(["riverside"]), "utf-8")
    with parts.mosquitto(folder, mosquitto.config(str(folder), host="127.0.0.1", port=port), port):
        yield port


def found(settings: Settings, what: str) -> Finding:
    (finding,) = [each for each in doctor.examine(settings) if each.what == what]
    return finding


def mend(settings: Settings, what: str) -> str:
    """Return what is wrong and how to mend it, of the one thing that is."""
    finding = found(settings, what)
    assert not finding.fine
    assert len(finding.fix) > 10
    return f"{finding.fact} -> {finding.fix}"


@pytest.mark.part("mosquitto")
def test_all_is_fine_with_a_broker_and_a_store(settings: Settings, broker: int) -> None:
    mqtt = Mqtt(port=broker, username="server", password=SecretStr(PASSWORD))
    fine = settings.model_copy(update={"mqtt": mqtt})
    history = open_history(fine, "riverside", SystemClock(), writable=True)
    history.series([])
    history.close()
    findings = list(doctor.examine(fine))
    assert [finding.what for finding in findings if not finding.fine] == []
    assert {"site file", "catalog", "disk", "broker", "history store"} <= {
        finding.what for finding in findings
    }


@pytest.mark.part("mosquitto")
def test_a_wrong_password_is_told(settings: Settings, broker: int) -> None:
    mqtt = Mqtt(port=broker, username="server", password=SecretStr("guessed"))
    told = mend(settings.model_copy(update={"mqtt": mqtt}), "broker")
    assert "does not let us in" in told
    assert "WATCHKEEPER_MQTT__PASSWORD" in told


def test_a_broker_that_is_not_there_is_told(settings: Settings) -> None:
    told = mend(settings, "broker")
    assert f"nothing listens on 127.0.0.1:{settings.mqtt.port}" in told
    assert "watchkeeper broker" in told


def test_a_broken_site_file_is_told_with_its_line(settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "site.yaml"
    broken.write_text("schema: wk.site/1\nsite: {id: x}\n", "utf-8")
    told = mend(settings.model_copy(update={"site": broken}), "site file")
    assert f"{broken}:" in told


def test_a_broken_catalog_file_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/own.yaml").write_text("schema: wk.rules/1\nrules: 7\n", "utf-8")
    told = mend(settings.model_copy(update={"catalog": tmp_path}), "catalog")
    assert "own.yaml:2" in told
    assert "watchkeeper catalog check" in told


def test_a_folder_that_cannot_be_written_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = mend(settings.model_copy(update={"data": tmp_path / "file/var"}), "disk")
    assert "cannot be written: Not a directory" in told
    assert "--data" in told


def test_a_port_somebody_else_has_is_told(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.ports.dashboard))
        other.listen()
        told = mend(settings, "port of the dashboard")
    assert "in use" in told
    assert "ports.dashboard" in told


def test_a_running_server_says_which_edge_it_does_not_hear(settings: Settings) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {
                    "edges": {"b1": {"state": "online"}, "b2": {"state": "lost"}},
                    "gateways": {"g1": {"state": "lost"}},
                    "reasons": [{"what": "live-queue", "where": "server"}],
                }
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", settings.ports.api), Health) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert found(settings, "port of the API").fine
        assert "is silent -> start `watchkeeper dashboard`" in mend(
            settings, "port of the dashboard"
        )
        assert "not heard: b2" in mend(settings, "edges")
        assert "none is heard -> start `watchkeeper gateway`" in mend(settings, "gateways")
        assert "overloaded: live-queue of server" in mend(settings, "load")
        server.shutdown()


def test_a_store_that_does_not_answer_is_told(settings: Settings) -> None:
    away = f"http://127.0.0.1:{parts.free_port()}"
    influx = HistorySettings(store="influx", url=away)
    told = mend(settings.model_copy(update={"history": influx}), "history store")
    assert away in told
    assert "[history]" in told


def test_a_store_that_is_no_store_is_told(settings: Settings) -> None:
    (settings.data / "history").mkdir(parents=True)
    (settings.data / "history/riverside.db").write_bytes(b"not a database, but a letter" * 50)
    assert "riverside.db" in mend(settings, "history store")


def test_a_database_that_lets_nobody_in_is_told(settings: Settings) -> None:
    url = "postgresql+psycopg://w:secret@127.0.0.1:1/w"
    told = mend(settings.model_copy(update={"server": Server(database=url)}), "database")
    assert "refused" in told
    assert "secret" not in told


def test_the_command_prints_a_fix_below_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "watchkeeper.toml"
    config.write_text(f"[mqtt]\nport = {parts.free_port()}\n", "utf-8")
    assert main(["doctor", "--config", str(config), "--data", str(tmp_path / "var")]) == 1
    lines = capsys.readouterr().out.splitlines()
    (wrong,) = [number for number, line in enumerate(lines) if line.startswith("MEND broker: ")]
    assert lines[wrong + 1].startswith("     -> start `watchkeeper broker`")
