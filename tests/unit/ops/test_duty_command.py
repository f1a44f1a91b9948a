"""A duty check through everything: command, server, mosquitto, edge and simulated device."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.system_clock import SystemClock
from ops.demo import PASSWORD, placed, the_programs
from ops.duty import told
from ops.main import main
from ops.programs import Supervisor
from tests import parts
from watchkeeper import texts
from watchkeeper.duty import Duty
from watchkeeper.settings import Settings

POINT = "fire-panel/duty_check"
PROGRAMS = ("simulators", "gateway", "edge", "server")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[tuple[Settings, Supervisor]]:
    site = Settings(data=tmp_path / "var", site=Path("lakeside-school"))
    settings = placed(site, parts.free_ports(8))
    port = settings.mqtt.port
    listener = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    everything = the_programs(settings, seed=3, lively=False, sink=None)
    programs = Supervisor([p for p in everything if p.name in PROGRAMS], SystemClock())
    with parts.mosquitto(tmp_path, listener, port):
        try:
            programs.start(lambda *_: None, 40)
            yield settings, programs
        finally:
            programs.stop()


def at(settings: Settings, tmp_path: Path) -> list[str]:
    """Return the words that lead the command to these programs."""
    file = tmp_path / "watchkeeper.toml"
    file.write_text(
        f'site = "{settings.site}"\ndata = "{settings.data}"\n'
        f"[ports]\napi = {settings.ports.api}\n"
        f'[server]\npublic_url = "{settings.server.public_url}"\n',
        "utf-8",
    )
    return ["--config", str(file), "--user", "chenlei"]


@pytest.mark.part("mosquitto")
@pytest.mark.timeout(120)
@pytest.mark.serves("A7")
def test_from_the_operator_to_the_device_and_back(
    here: tuple[Settings, Supervisor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings, programs = here
    monkeypatch.setattr(getpass, "getpass", lambda _: PASSWORD)
    words = at(settings, tmp_path)
    assert main(["duty-check", "fire-panel", *words]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "fire-panel: answered"

    programs.programs["simulators"].stop()  # the device is away: nobody can have answered
    assert main(["duty-check", "fire-panel", *words]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "fire-panel: not answered"
    assert main(["duty-check", "nobody", *words]) == 1
    assert capsys.readouterr().out == "There is no nobody.\n"

    base = f"http://127.0.0.1:{settings.ports.api}"
    with httpx.Client(base_url=base, trust_env=False) as client:
        origin = {"Origin": settings.server.public_url}
        body = {"user": "chenlei", "password": PASSWORD}
        session = client.post("/api/v1/login", json=body, headers=origin).cookies["wk_session"]
        client.headers["Authorization"] = f"Bearer {session}"
        alarms = client.get("/api/v1/alarms").json()
        (alarm,) = [each for each in alarms if each["rule"] == "duty-unanswered"]
        assert alarm["point"] == POINT
        raised = alarm["raised_at"]
        span = {"point": POINT, "start": raised - 3_600_000, "end": raised + 60_000}

        def recorded() -> list[float]:
            values: list[float] = client.get("/api/v1/history", params=span).json()["value"]
            return values

        wanted = [Duty.ASKED, Duty.ANSWERED, Duty.ASKED, Duty.UNANSWERED]
        parts.until(lambda: recorded()[-4:] == wanted, "not on record")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(503, json={"type": "server.edge-lost", "edge": "gate"}), "Edge gate is"),
        (httpx.Response(422, json={"detail": []}), "the server says 422"),
        (httpx.Response(502, text="<html>"), "the server says 502: <html>"),
    ],
)
def test_a_refusal_is_told_in_words(answer: httpx.Response, said: str) -> None:
    words = texts.load(Settings().catalog_folder() / "i18n")
    assert told(answer, words).startswith(said)


def test_no_server_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda _: PASSWORD)
    file = tmp_path / "watchkeeper.toml"
    file.write_text(f"[ports]\napi = {parts.free_port()}\n", "utf-8")
    assert main(["duty-check", "fire-panel", "--user", "x", "--config", str(file)]) == 1
    assert "the server does not answer at http://127.0.0.1" in capsys.readouterr().out
