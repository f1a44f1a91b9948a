"""The stores that a contract of the server holds for."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import databases


@pytest.fixture(params=["memory", *databases.KINDS])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a database without rows, and "" for the fake that keeps them in memory."""
    if request.param == "memory":
        yield ""
        return
    cluster = partial(request.getfixturevalue, "postgres")
    with databases.within(tmp_path, request.param, cluster) as made:
        yield made.at(tmp_path)
