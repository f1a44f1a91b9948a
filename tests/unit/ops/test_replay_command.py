"""A store that was lost is filled again from what an edge still keeps: all programs, mosquitto."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.history import open_history
from adapters.system_clock import SystemClock
from ops import reach
from ops.demo import placed, the_programs
from ops.main import main
from ops.programs import Supervisor
from tests import parts
from tests.parts import until
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings

PROGRAMS = ("simulators", "gateway", "edge")
ENOUGH = 1_000  # readings, before the store is lost


@pytest.fixture
def here(tmp_path: Path) -> Iterator[tuple[Settings, Supervisor]]:
    settings = placed(Settings(data=tmp_path / "var"), parts.free_ports(8))
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


@pytest.fixture
def words(here: tuple[Settings, Supervisor], tmp_path: Path) -> list[str]:
    settings, _ = here
    file = tmp_path / "watchkeeper.toml"
    file.write_text(f'data = "{settings.data}"\n[mqtt]\nport = {settings.mqtt.port}\n', "utf-8")
    return ["--config", str(file)]


def young() -> int:
    """Return from when on a reading may not be acknowledged yet, so that it comes by itself."""
    return unix_ms(SystemClock().now()) - 3_000


def stored(settings: Settings, before: int) -> dict[tuple[str, int], float]:
    """Return value by point and time of all that is older than an instant; bad: infinity."""
    with closing(open_history(settings, "riverside", SystemClock(), writable=False)) as history:
        return {
            (str(point), at): value if value == value else float("inf")  # noqa: PLR0124 - NaN
            for point in history.points()
            for track in [history.raw(point, 0, before)]
            for at, value in zip(track.at.tolist(), track.value.tolist(), strict=True)
        }


@pytest.mark.part("mosquitto")
@pytest.mark.timeout(120)
@pytest.mark.serves("B4")
def test_after_the_loss_of_the_store_the_edge_sends_again_what_it_keeps(
    here: tuple[Settings, Supervisor],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, programs = here
    since = unix_ms(SystemClock().now()) - 3_600_000
    until(lambda: len(stored(settings, young())) >= ENOUGH, "too few readings", 40)
    programs.programs["gateway"].stop()
    lost_at = young()
    before = stored(settings, lost_at)
    assert len(before) >= ENOUGH
    shutil.rmtree(settings.data / "history")
    programs.restart("gateway")
    until(lambda: len(stored(settings, 1 << 60)) > 0, "nothing comes", 30)
    assert not stored(settings, lost_at).keys() & before.keys(), "what was acknowledged is gone"

    assert main(["replay", "plant-b1", "--since", str(since), *words]) == 0
    assert "sends again" in capsys.readouterr().out
    until(lambda: stored(settings, lost_at).items() >= before.items(), "not all came back", 40)

    monkeypatch.setattr(reach, "SAID_EVERY_S", 1.0)
    programs.programs["edge"].stop()
    assert main(["replay", "plant-b1", "--since", "2026-11-24T00:00+08:00", *words]) == 1
    assert "plant-b1 is not there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(["cellar", "--since", "2026-11-24"], "there is no edge cellar", id="edge"),
        pytest.param(["plant-b1", "--since", "now"], "no time", id="time"),
    ],
)
def test_what_makes_no_sense_is_told(
    asked: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", *asked]) == 2
    assert told in capsys.readouterr().err
