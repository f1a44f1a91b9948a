"""Where the servers of a test keep their tables: each such test runs on SQLite and PostgreSQL.

A test asks for `folder` (or `url`); whoever opens a server in that folder finds its database here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes_postgres import Cluster

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.part("postgres"))]
_folders: dict[Path, "Databases"] = {}


class Databases:
    """The databases of one test, of one kind; each folder has its own, the same each time."""

    def __init__(self, kind: str, cluster: Callable[[], Cluster]) -> None:
        self._kind, self._cluster = kind, cluster
        self._lent: dict[Path, str] = {}

    def at(self, folder: Path) -> str:
        """Return the URL of the database of the server in a folder."""
        if self._kind == "sqlite":
            return on_sqlite(folder)
        if folder not in self._lent:
            self._lent[folder] = self._cluster().lend()
        return self._lent[folder]

    def close(self) -> None:
        """Give back what was lent."""
        for url in self._lent.values():
            self._cluster().take_back(url)


def at(folder: Path) -> str:
    """Return the URL of the database of the server in a folder of the running test."""
    for root, databases in _folders.items():
        if folder.is_relative_to(root):
            return databases.at(folder)
    raise AssertionError(f"no database for {folder}: take the fixture `folder`, not `tmp_path`")


@contextmanager
def within(root: Path, kind: str, cluster: Callable[[], Cluster]) -> Iterator[Databases]:
    """Let servers in this folder, and in folders of it, have databases of a kind."""
    made = _folders[root] = Databases(kind, cluster)
    try:
        yield made
    finally:
        del _folders[root]
        made.close()


def on_sqlite(folder: Path) -> str:
    """Return the URL of SQLite in a folder; by itself only for a test that says why."""
    return f"sqlite:///{folder / 'watchkeeper.db'}"
