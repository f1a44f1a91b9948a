import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from server.migrate import FOLDER, upgrade
from server.sql import open_sqlite
from server.tables import METADATA


def test_migrations_arrive_at_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = open_sqlite(str(tmp_path / "m.db"))
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, METADATA)
    engine.dispose()
    assert differences == []


def test_a_second_start_migrates_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    engine = open_sqlite(str(tmp_path / "m.db"))
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into change (kind, body) values ('alarm', '{}')"))
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from change")).scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("versions/*.py")), ids=lambda p: p.stem)
def test_a_migration_is_named_after_its_file_and_says_why(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.match(r'"""[A-Z].*\((.*)\)|"""[A-Z]', text)
    assert f'revision, down_revision = "{path.stem}"' in text or f'revision = "{path.stem}"' in text
