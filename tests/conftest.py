"""What all tests share: which real parts are here, and what is left out without them."""

import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from adapters.report import fonts
from tests import databases
from tests.databases import Databases
from tests.disk import can_mount
from tests.fakes_postgres import Cluster, cluster
from tests.parts import SBIN
from watchkeeper.errors import WatchkeeperError

# A part and how one gets it; as root `make parts` installs all of them.
PARTS = {
    "mosquitto": "mosquitto",
    "influxd": "influxdb",
    "victoria-metrics": "victoria-metrics",
    "chromium": "chromium",
    "postgres": "postgresql",
    "docker-compose": "docker-compose",
    "openssl": "openssl",
    "chinese-font": "fonts-noto-cjk",
}
# What no package brings, so that `--all-parts` does not ask for it either.
RIGHTS = {"loop-mount": "run as root where there are loop devices"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """CI asks for every part; who has no root does without some."""
    parser.addoption("--all-parts", action="store_true", help="fail when a real part is missing")
    parser.addoption(
        "--influxd", default="", help="an InfluxDB 1.x or 2.x to test with instead of Debian's"
    )


def missing() -> list[str]:
    """Return the parts that are not on this machine."""
    return [part for part in (*PARTS, *RIGHTS) if not here(part)]


def here(part: str) -> bool:
    """Return whether a part is on this machine."""
    if part == "loop-mount":
        return can_mount()
    if part == "chinese-font":
        try:
            fonts.find("")
        except WatchkeeperError:
            return False
        return True
    return bool(shutil.which(part) or shutil.which(part, path=SBIN))


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Undo what a command run inside a test sets up for its own process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Give a PostgreSQL that the tests of this process share; mark the test `part("postgres")`."""
    with cluster() as running:
        yield running


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    """Give the test's servers their databases: SQLite, then PostgreSQL."""
    cluster = partial(request.getfixturevalue, "postgres")
    with databases.within(tmp_path, request.param, cluster) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path, database: Databases) -> Path:
    """Return a folder in which servers find a database."""
    assert database.at(tmp_path)
    return tmp_path


@pytest.fixture
def url(tmp_path: Path, database: Databases) -> str:
    """Return the URL of a database without rows, of each kind."""
    return database.at(tmp_path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of parts that are missing; `pytest_terminal_summary` says so."""
    gone = set(missing())
    left_out = [
        item for item in items if any(mark.args[0] in gone for mark in item.iter_markers("part"))
    ]
    if (lacking := gone & set(PARTS)) and left_out and config.getoption("--all-parts"):
        raise pytest.UsageError(f"missing: {', '.join(sorted(lacking))} (run `make parts` as root)")
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which real parts were not tested and how to get them."""
    for part in missing():
        how = RIGHTS.get(part) or (
            f"get it with: apt-get install {PARTS[part]}, or run `make parts` as root"
        )
        terminalreporter.write_line(f"left out: all tests of {part} ({how})")
