"""Every test of a server database runs on SQLite and PostgreSQL (tests/databases.py)."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(path for path in TESTS.rglob("*.py") if path != Path(__file__))
OWN = re.compile(r"sqlite://|\bopen_sqlite\b|\bcreate_engine\b|\bon_sqlite\b")
# Who opens a database of one kind, and why.
ALONE = {
    "databases.py": "the fixtures themselves",
    "fakes_postgres.py": "the fixtures themselves",
    "deploy/test_postgres.py": "how the server meets PostgreSQL, and no database at all",
    "unit/server/test_migrations.py": "an empty file; deploy/test_postgres.py asks PostgreSQL",
    "unit/server/test_journal.py": "`truncate`, which only PostgreSQL has",
    "unit/server/test_backtest_api.py": "one house a module; readings are in no table",
    "unit/server/test_history_api.py": "one house a module; readings are in no table",
    "unit/server/test_history_file.py": "one house a module; readings are in no table",
}


def name(path: Path) -> str:
    return str(path.relative_to(TESTS))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_test_opens_a_database_of_its_own(path: Path) -> None:
    assert not OWN.search(path.read_text("utf-8")) or name(path) in ALONE


def test_who_may_open_one_still_does() -> None:
    assert [each for each in ALONE if not OWN.search((TESTS / each).read_text("utf-8"))] == []
