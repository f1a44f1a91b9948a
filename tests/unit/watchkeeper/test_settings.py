from pathlib import Path

import pytest

from watchkeeper import settings
from watchkeeper.errors import ConfigError


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.toml"
    file.write_text('data = "there"\n[mqtt]\nport = 8883\nhost = "broker"\n', "utf-8")
    found = settings.load(file, {"WATCHKEEPER_MQTT__PORT": "1884", "HOME": "/x"})
    assert (found.mqtt.port, found.mqtt.host, found.data) == (1884, "broker", Path("there"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("[mqtt]\nprot = 1\n", "mqtt.prot", id="unknown key"),
        pytest.param("[mqtt]\nport = 99999\n", "mqtt.port", id="out of bounds"),
        pytest.param("[mqtt\n", "Expected", id="no TOML"),
        pytest.param('[history]\nstore = "oracle"\n', "history.store", id="not offered"),
        pytest.param("[history]\nkeep_events_days = 9\n", "history: .*below", id="events alone"),
        pytest.param(
            "[history]\nkeep_telemetry_days = 90\nkeep_events_days = 89\n",
            "history: .*below",
            id="events shorter",
        ),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "watchkeeper.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=what):
        settings.load(file, {})


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        settings.load(tmp_path / "none.toml", {})


def test_secrets_are_not_shown() -> None:
    found = settings.load(None, {"WATCHKEEPER_MQTT__PASSWORD": "hush"})
    assert "hush" not in repr(found)
