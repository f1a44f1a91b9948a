"""The databases a store of the server must work on."""

import pytest

from tests.fakes_postgres import Cluster

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.part("postgres"))]


def _made(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path') / 'a.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.ours()


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without rows, of each kind."""
    return _made(request.param, request)


@pytest.fixture(params=["memory", *KINDS])
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the same, and "" for the fake that keeps its rows in memory."""
    return "" if request.param == "memory" else _made(request.param, request)
