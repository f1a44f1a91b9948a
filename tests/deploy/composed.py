"""The services of docker-compose.yml started here as processes, with the same settings."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapters.system_clock import SystemClock
from ops.demo import placed
from ops.main import main
from ops.programs import Program, Supervisor, answers, listens
from tests import parts
from tests.fakes_postgres import Cluster
from watchkeeper.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
ADMIN, PASSWORD = "chief", "a long enough one"
OURS = ("gateway", "server", "edge", "dashboard")


def resolved(env: Path, *more: Path) -> dict[str, Any]:
    """Return the services as docker-compose itself understands them, with more files on top."""
    files = [word for file in (FILE, *more) for word in ("-f", str(file))]
    done = subprocess.run(
        [parts.program("docker-compose"), *files, "--env-file", str(env), "config"],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, env=bare(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def bare() -> dict[str, str]:
    """Return an environment in which no passwords stand."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}  # noqa: TID251 - handed on, not read


def secrets(folder: Path, **known: str) -> Path:
    """Write the .env of docs/deploy.md, and next to it the broker's files; return it."""
    env = folder / ".env"
    lines = {"INFLUX_PASSWORD": "i1", "INFLUX_TOKEN": "i2", "POSTGRES_PASSWORD": "p"} | known
    env.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), "utf-8")
    render = ["broker", "--render", str(folder / "mosquitto"), "--env", str(env)]
    assert main(render) == 0
    return env


@dataclass(frozen=True, slots=True)
class Composed:
    """The running whole."""

    settings: Settings  # ports and addresses of this run
    programs: Supervisor
    passwords: Mapping[str, str]  # of the .env file


@contextmanager
def composed(folder: Path, postgres: Cluster) -> Iterator[Composed]:
    """Start everything; mosquitto, InfluxDB 1.6 and PostgreSQL stand in for the containers."""
    env = secrets(folder, POSTGRES_PASSWORD=postgres.password)
    passwords = dict(re.findall(r"^(\w+)=(.*)$", env.read_text("utf-8"), re.MULTILINE))
    services = resolved(env)
    settings = placed(Settings(data=folder), parts.free_ports(12))
    postgres.empty(services["postgres"]["environment"]["POSTGRES_DB"])
    with _broker(folder, settings), parts.influxd(folder) as influx:
        here = {
            "@postgres/": f"@127.0.0.1:{postgres.port}/",
            "http://influxdb:8086": influx,
            "http://server:8500": f"http://127.0.0.1:{settings.ports.api}",
            "http://127.0.0.1:8501": settings.server.public_url,
            "/site/riverside-plaza.yaml": str(settings.site_file()),
            "mosquitto": "127.0.0.1",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - what it replaces
        }
        added = {
            "WATCHKEEPER_MQTT__PORT": str(settings.mqtt.port),
            "WATCHKEEPER_PORTS__API": str(settings.ports.api),
            "WATCHKEEPER_PORTS__DASHBOARD": str(settings.ports.dashboard),
            "WATCHKEEPER_PORTS__SIMULATORS": str(settings.ports.simulators),
            "WATCHKEEPER_HISTORY__WRITE_PATH": "v1",  # 2.x and 1.8 have v2
        }

        def translated(service: str) -> dict[str, str]:
            own = dict(services[service].get("environment", {}))
            for there, ours in here.items():
                own = {name: value.replace(there, ours) for name, value in own.items()}
            return own | added | {"WATCHKEEPER_DATA": str(folder / service)}

        programs = _programs(folder, settings, services, translated)
        supervisor = Supervisor(programs, SystemClock())
        try:
            supervisor.start(lambda *_: None, 40)
            yield Composed(settings, supervisor, passwords)
        finally:
            supervisor.stop()


@contextmanager
def _broker(folder: Path, settings: Settings) -> Iterator[None]:
    """Run mosquitto with what is rendered, told where it is here."""
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)  # mosquitto gives up root and must still reach its files
    own = (folder / "mosquitto/mosquitto.conf").read_text("utf-8")
    own = own.replace("listener 1883", f"listener {settings.mqtt.port} 127.0.0.1")
    own = own.replace("/mosquitto/config", str(folder / "mosquitto"))
    with parts.mosquitto(folder, own, settings.mqtt.port):
        yield


def _programs(
    folder: Path,
    settings: Settings,
    services: Mapping[str, Any],
    translated: Callable[[str], dict[str, str]],
) -> list[Program]:
    api = f"http://127.0.0.1:{settings.ports.api}/api/v1/health"
    screens = f"http://127.0.0.1:{settings.ports.dashboard}/api/v1/health"
    field = translated("edge")
    ready: dict[str, Callable[[], bool]] = {
        "gateway": lambda: True,
        "server": lambda: answers(api),
        "edge": lambda: True,
        "dashboard": lambda: answers(screens),
    }
    return [
        Program(
            "simulators", ["simulate"], lambda: listens("127.0.0.1", settings.ports.simulators),
            field, folder / "simulators.log",
        ),
        *(
            Program(
                name, services[name]["command"], ready[name], translated(name),
                folder / f"{name}.log",
            )
            for name in OURS
        ),
    ]  # fmt: skip


def add_admin(composed: Composed) -> str:
    """Add the first account as docs/deploy.md says; return what was told."""
    server = composed.programs.programs["server"]
    done = subprocess.run(
        [sys.executable, "-m", "ops.main", "account", "add", ADMIN, "--role", "admin"],
        input=f"{PASSWORD}\n", text=True, capture_output=True,
        check=False, timeout=30, env=bare() | dict(server.environment), cwd=ROOT,
        start_new_session=True,  # no terminal: the password comes by stdin
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_lines(program: Program, word: str) -> list[str]:
    """Return the lines of a program's log that hold a word."""
    return [line for line in program.log_file.read_text("utf-8").splitlines() if word in line]
