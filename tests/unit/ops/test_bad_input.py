"""What a person gets wrong is one line with where, what and how to mend it; never a traceback."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ops.programs import Program
from tests import parts

CATALOG = Path(__file__).parents[3] / "catalog"
SERVER, EDGE, GATEWAY = ("server",), ("edge", "--edge", "plant-b1"), ("gateway",)
STRICT = (*EDGE, "--strict")


def told(folder: Path, *words: str) -> str:
    """Run a program that must refuse to start; return what it says, a line for each mistake."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "ops.main", *words, "--data", str(folder / "var")],
        capture_output=True, text=True, check=False, timeout=30,
        env={"PATH": os.environ["PATH"]},  # noqa: TID251 - handed on, not read
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    start = f"watchkeeper {words[0]}: "
    lines = [line for line in done.stderr.strip().splitlines() if line.startswith(start)]
    assert lines
    assert all(line.endswith(")") for line in lines), "no way to mend it"
    return "\n".join(lines)


def settings(folder: Path, text: str) -> str:
    file = folder / "watchkeeper.toml"
    file.write_text(text, "utf-8")
    return str(file)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """Give a copy of the catalog, and settings in which nothing listens."""
    copy = tmp_path / "catalog"
    shutil.copytree(CATALOG, copy, ignore=shutil.ignore_patterns("__pycache__"))
    free = parts.free_ports(4)
    settings(
        tmp_path,
        f'catalog = "{copy}"\n[mqtt]\nport = {free}\n'
        f"[ports]\napi = {free + 1}\ndashboard = {free + 2}\nsimulators = {free + 3}\n",
    )
    return copy


def broken(file: Path, was: str, now: str) -> str:
    """Change one word of a file; return `file:line` of it."""
    text = file.read_text("utf-8")
    assert was in text
    file.write_text(text.replace(was, now, 1), "utf-8")
    return f"{file}:{text[: text.index(was)].count(chr(10)) + 1}: "


@pytest.mark.serves("A2")
@pytest.mark.parametrize(
    ("file", "was", "now", "what"),
    [
        ("profiles/xy-md02.yaml", "type: int16", "type: int17", "int17"),
        ("sites/riverside-plaza.yaml", "profile: eastron-sdm630", "profile: nobody", "nobody"),
    ],
)
def test_strict_refuses_a_device_with_a_mistake(
    catalog: Path, file: str, was: str, now: str, what: str
) -> None:
    where = broken(catalog / file, was, now)
    line = told(catalog.parent, *STRICT, "--config", str(catalog.parent / "watchkeeper.toml"))
    assert where in line
    assert what in line


def test_strict_tells_every_mistake_on_a_line_of_its_own(catalog: Path) -> None:
    site = catalog / "sites/riverside-plaza.yaml"
    first = broken(site, "profile: eastron-sdm630", "profile: nobody")
    second = broken(catalog / "profiles/xy-md02.yaml", "type: int16", "type: int17")
    line = told(catalog.parent, *STRICT, "--config", str(catalog.parent / "watchkeeper.toml"))
    assert first in line
    assert second in line
    assert line.count("no profile `nobody`") == 1
    assert line.count("int17") == 1


@pytest.mark.parametrize(
    ("file", "was", "now", "what"),
    [
        ("rules/fire.yaml", "priority: 1", "priority: 9", "rules[0].priority"),
        ("rules/fire.yaml", "plan: fire", "plans: fire", "unknown field `plans`"),
        ("plans/fire.yaml", "sources: 2 ", "sources: two ", "trigger.sources"),
        ("i18n/alarms.yaml", "{zh:", "{cn:", "`cn`"),
        ("sites/riverside-plaza.yaml", "{id: hvac-1,", "{id: main-1,", "main-1"),
    ],
)
def test_a_broken_file_of_the_server_is_told_with_its_line(
    catalog: Path, file: str, was: str, now: str, what: str
) -> None:
    where = broken(catalog / file, was, now)
    line = told(catalog.parent, *SERVER, "--config", str(catalog.parent / "watchkeeper.toml"))
    assert where in line
    assert what in line


@pytest.mark.parametrize(
    ("program", "file", "says"),
    [
        (EDGE, "rules/fire.yaml", "edge starts"),
        (EDGE, "profiles/xy-md02.yaml", "device left out"),
        (SERVER, "profiles/xy-md02.yaml", "device left out"),
        (GATEWAY, "rules/fire.yaml", "no connection to the broker"),
        (GATEWAY, "profiles/xy-md02.yaml", "no connection to the broker"),
    ],
)
def test_whoever_does_not_need_a_broken_file_starts(
    catalog: Path, program: tuple[str, ...], file: str, says: str
) -> None:
    (catalog / file).write_text("schema: nonsense\n", "utf-8")
    config = ("--config", str(catalog.parent / "watchkeeper.toml"))
    log = catalog.parent / "log"
    words = [*program, *config, "--data", str(catalog.parent / "var")]
    running = Program(program[0], words, lambda: True, {}, log)
    running.start()
    parts.until(lambda: not running.alive() or says in log.read_text("utf-8"), "it says nothing")
    alive = running.alive()
    running.stop()
    assert alive, running.last_lines()


@pytest.mark.parametrize("program", [SERVER, EDGE, GATEWAY, ("simulate",), ("demo",)])
def test_a_site_that_is_not_there_is_told(tmp_path: Path, program: tuple[str, ...]) -> None:
    line = told(tmp_path, *program, "--site", str(tmp_path / "nowhere.yaml"))
    assert str(tmp_path / "nowhere.yaml") in line


def test_an_edge_the_site_does_not_have_is_told_with_those_it_has(tmp_path: Path) -> None:
    assert "use plant-b1" in told(tmp_path, "edge", "--edge", "plant-b9")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nonsense = 1\n", "nonsense"),
        ("a = [\n", "Invalid value"),
        ("[mqtt]\nport = 99999\n", "mqtt.port: Input should be less than or equal to 65535"),
        ("[mqtt]\nhosts = 'x'\n", "mqtt.hosts"),
    ],
)
def test_wrong_settings_are_told_with_their_key(tmp_path: Path, text: str, what: str) -> None:
    file = settings(tmp_path, text)
    line = told(tmp_path, *SERVER, "--config", file)
    assert f"{file}: " in line
    assert what in line


def test_settings_that_are_not_there_are_told(tmp_path: Path) -> None:
    assert "check --config" in told(tmp_path, *SERVER, "--config", str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("program", "key"),
    [
        ("broker", "mqtt.port"),
        ("server", "ports.api"),
        ("dashboard", "ports.dashboard"),
        ("simulate", "ports.simulators"),
        ("demo", "ports.simulators"),
    ],
)
def test_a_port_in_use_is_told_before_anything_starts(
    catalog: Path, program: str, key: str
) -> None:
    file = catalog.parent / "watchkeeper.toml"
    section, _, name = key.partition(".")
    text = file.read_text("utf-8")
    port = int(re.findall(rf"\[{section}\][^[]*^{name} = (\d+)", text, re.MULTILINE)[0])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        line = told(catalog.parent, program, "--config", str(file))
    assert f"{key}: 127.0.0.1:{port} is in use" in line


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    free = parts.free_ports(2)
    url = f"postgresql+psycopg://watchkeeper:hidden@127.0.0.1:{free}/watchkeeper"
    file = settings(tmp_path, f'[server]\ndatabase = "{url}"\n[ports]\napi = {free + 1}\n')
    line = told(tmp_path, *SERVER, "--config", file)
    assert "server.database: " in line
    assert "refused" in line
    assert "hidden" not in line


def test_a_server_whose_history_is_set_up_wrongly_refuses_to_start(tmp_path: Path) -> None:
    ports = f"[ports]\napi = {parts.free_ports(1)}\n"
    file = settings(tmp_path, f"{ports}[history]\nstore = 'influx'\nthin_after_h = 24\n")
    assert "history.thin_after_h: " in told(tmp_path, *SERVER, "--config", file)
