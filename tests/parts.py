"""Real parts started for a test: servers as processes on free ports of loopback."""

import contextlib
import glob
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from getpass import getuser
from pathlib import Path
from threading import Event

import urllib3

# Debian keeps the programs of each PostgreSQL release in a folder of their own.
SBIN = ":".join(
    [
        *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
        *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True),  # noqa: PTH207 - words of PATH
    ]
)
DEADLINE_S = 15.0
STEP_S = 0.02


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> int:
    """Return the first of so many ports in a row that nobody listens on."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def until(true: Callable[[], bool], why: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition; AssertionError with `why` when it does not come true in time."""
    pause = Event()
    for _ in range(int(deadline_s / STEP_S)):
        if true():
            return
        pause.wait(STEP_S)
    assert true(), why


def listens(port: int) -> bool:
    """Return whether somebody accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


def program(name: str) -> str:
    """Return the full path of a program."""
    path = shutil.which(name, path=SBIN)
    assert path, f"{name} is not installed"
    return path


@contextlib.contextmanager
def running(command: list[str], log: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends; it must come to listen on the port."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    with ended(process):
        until(lambda: listens(port) or process.poll() is not None, f"{command[0]} does not listen")
        assert process.poll() is None, log.read_text("utf-8", "replace")[-2000:]
        yield process


@contextlib.contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """End a process with the block."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def influx_config(folder: Path, http: int, rpc: int) -> str:
    """Return the settings of an InfluxDB 1.x that keeps everything in a folder."""
    return f"""reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{http}"
log-enabled = false
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
"""


@contextlib.contextmanager
def influxd(folder: Path) -> Iterator[str]:
    """Run InfluxDB 1.x; give its URL."""
    http, rpc = free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(influx_config(folder, http, rpc), "utf-8")
    with running([program("influxd"), "-config", str(config)], folder / "log", http):
        yield f"http://127.0.0.1:{http}"


@contextlib.contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    """Run VictoriaMetrics; give its URL."""
    port = free_port()
    command = [
        program("victoria-metrics"),
        f"-storageDataPath={folder}/vm",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
    ]
    with running(command, folder / "log", port):
        url = f"http://127.0.0.1:{port}"
        until(lambda: urllib3.request("GET", f"{url}/health").status == 200, "not healthy")
        yield url


@contextlib.contextmanager
def mosquitto(folder: Path, config: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run mosquitto with this configuration."""
    file = folder / "mosquitto.conf"
    # As root it would become another user, who may not read a test's folder.
    file.write_text(f"user {getuser()}\n{config}", "utf-8")
    with running([program("mosquitto"), "-c", str(file)], folder / "log", port) as process:
        yield process
