"""A real InfluxDB for a test: Debian's 1.6, or whichever program `--influxd` names."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlencode

import urllib3

from tests import parts
from watchkeeper.settings import HistorySettings

ORG, USER, SECRET = "watchkeeper", "admin", "only-for-tests"
Running: TypeAlias = contextlib.AbstractContextManager[str]
_numbers = count()


@dataclass(frozen=True, slots=True)
class Influx:
    """A server that runs, and how one talks to it."""

    url: str
    write_path: Literal["v1", "v2"]
    org: str = ""  # its id, where buckets have to be made
    token: str = ""

    def settings(self, database: str = "") -> HistorySettings:
        """Return the settings for a database or bucket of this name, or for a new one."""
        name = database or f"test {next(_numbers)}"
        if self.org:
            _call(f"{self.url}/api/v2/buckets", self.token, orgID=self.org, name=name)
        facts = {"url": self.url, "database": name, "write_path": self.write_path}
        login = {"org": ORG, "token": self.token} if self.org else {}
        return HistorySettings.model_validate({"store": "influx", **facts, **login})


@contextlib.contextmanager
def influx(folder: Path, program: str = "") -> Iterator[Influx]:
    """Run InfluxDB 1.x or 2.x, which is seen by the options it knows."""
    path = program or parts.program("influxd")
    told = subprocess.run([path, "--help"], capture_output=True, check=False, timeout=10)
    if b"--bolt-path" in told.stdout + told.stderr:
        with _two(path, folder) as running:
            yield running
    else:
        with one(folder, path=path) as url:
            asked = urllib3.request(
                "POST", f"{url}/api/v2/write?bucket=none", body=b"", retries=False
            )
            old = b"page not found" in asked.data
            yield Influx(url, "v1" if old else "v2")


@contextlib.contextmanager
def one(folder: Path, *http: str, path: str = "", scheme: str = "http") -> Iterator[str]:
    """Run InfluxDB 1.x with more lines in its section [http]; give its URL."""
    port, rpc = parts.free_port(), parts.free_port()
    config = folder / "influxdb.conf"
    made = parts.influx_config(folder, port, rpc)
    config.write_text(made.replace("[http]\n", "\n".join(["[http]", *http, ""])), "utf-8")
    command = [path or parts.program("influxd"), "-config", str(config)]
    with parts.running(command, folder / "log", port):
        yield f"{scheme}://127.0.0.1:{port}"


def tell(url: str, statement: str, login: str = "") -> None:
    """Do something in an InfluxDB 1.x; `login` is "user:password"."""
    headers = urllib3.make_headers(basic_auth=login) if login else {}
    answer = urllib3.request("POST", f"{url}/query?{urlencode({'q': statement})}", headers=headers)
    assert answer.status == 200, answer.data
    assert b'"error"' not in answer.data, answer.data


@contextlib.contextmanager
def _two(path: str, folder: Path) -> Iterator[Influx]:
    port = parts.free_port()
    command = [
        path,
        f"--http-bind-address=127.0.0.1:{port}",
        f"--bolt-path={folder}/influxd.bolt",
        f"--engine-path={folder}/engine",
        f"--sqlite-path={folder}/influxd.sqlite",
        "--reporting-disabled",
    ]
    with parts.running(command, folder / "log", port):
        url, facts = f"http://127.0.0.1:{port}", {"bucket": "first", "org": ORG}
        parts.until(lambda: _ready(url), "InfluxDB is not ready")
        made = _call(f"{url}/api/v2/setup", "", username=USER, password=SECRET, **facts)
        yield Influx(url, "v2", str(made["org"]["id"]), str(made["auth"]["token"]))


def _ready(url: str) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return urllib3.request("GET", f"{url}/health", retries=False).status == 200
    return False


def _call(url: str, token: str, **body: str) -> dict[str, dict[str, str]]:
    headers = {"Authorization": f"Token {token}"} if token else {}
    answer = urllib3.request("POST", url, json=body, headers=headers)
    assert answer.status == 201, answer.data
    said: dict[str, dict[str, str]] = answer.json()
    return said
