"""The systemd units: each starts a command that exists, and is locked down."""

import configparser
from pathlib import Path

import pytest

from ops.main import COMMANDS, parser_for

UNITS = sorted((Path(__file__).parents[2] / "deploy/systemd").glob("*.service"))


def parsed(path: Path) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    unit.optionxform = str  # type: ignore[assignment,method-assign] # keys keep their case
    unit.read(path, "utf-8")
    return unit["Service"]


def test_there_is_a_unit_for_every_program_that_stays() -> None:
    names = {path.stem.removeprefix("watchkeeper-").rstrip("@") for path in UNITS}
    assert names == {"edge", "gateway", "server", "dashboard"}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_a_command_that_exists(path: Path) -> None:
    program, command, *rest = parsed(path)["ExecStart"].split()
    assert program.endswith("/watchkeeper")
    assert command in COMMANDS
    assert path.stem.startswith(f"watchkeeper-{command}")
    assert parser_for(command).parse_args(rest).config == Path("/etc/watchkeeper/watchkeeper.toml")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_comes_back_and_may_write_only_its_own_folder(path: Path) -> None:
    service = parsed(path)
    assert service["Restart"] == "always"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["Environment"] == f"WATCHKEEPER_DATA=/var/lib/{service['StateDirectory']}"
    assert service.get("User") == "watchkeeper" or service["DynamicUser"] == "yes"
