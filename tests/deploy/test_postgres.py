"""The server on PostgreSQL, the database of a production site."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from server.sql import Engines, open_engines
from server.tables import METADATA
from server.unit import ChangeRow
from tests.fakes_postgres import USER, Cluster
from tests.fakes_server import house
from watchkeeper.errors import ConfigError

pytestmark = pytest.mark.part("postgres")
DETECTOR = "fire-panel/detector-07"
CHANGES = ChangeRow.metadata.tables["change"]
LINE = sa.insert(CHANGES).values(kind="alarm", body="{}")
COUNT = sa.select(sa.func.count()).select_from(CHANGES)


@pytest.fixture
def engines(postgres: Cluster) -> Iterator[Engines]:
    opened = open_engines(postgres.ours())
    yield opened
    for engine in opened:
        engine.dispose()


def test_migrations_arrive_at_the_tables_of_the_code(engines: Engines) -> None:
    with engines.read.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_an_event_becomes_one_alarm_that_outlives_a_restart(
    postgres: Cluster, tmp_path: Path
) -> None:
    with house(tmp_path, database=postgres.empty()) as ours:
        ours.birth()
        ours.event(DETECTOR, 1.0, id="the-same")
        rung = ours.alarm("detector-fire")
        ours.close()
        ours.open()
        ours.birth()
        ours.event(DETECTOR, 1.0, id="the-same")
        assert ours.alarm("detector-fire") == rung
        assert [ack.ok for ack in ours.acks()] == [[(2, 2)]]


def test_a_database_that_was_restarted_costs_no_alarm(postgres: Cluster, tmp_path: Path) -> None:
    url = postgres.empty()
    with house(tmp_path, database=url) as ours:
        ours.birth()
        ours.event(DETECTOR, 1.0)
        admin = sa.create_engine(url)
        with admin.begin() as connection:
            ended = sa.text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            assert connection.execute(ended).all()
        admin.dispose()
        ours.event("fire-panel/detector-08", 1.0)
        assert ours.alarm("detector-fire", "detector-08")
        assert [ack.ok for ack in ours.acks()] == [[(1, 1)], [(2, 2)]]


def test_whoever_writes_waits_for_the_writer_before_it(engines: Engines) -> None:
    second: Future[int] = Future()

    def write() -> None:
        with engines.write.begin() as connection:
            connection.execute(LINE)
            second.set_result(int(connection.execute(COUNT).scalar_one()))

    with engines.write.begin() as connection:
        other = Thread(target=write)
        other.start()
        with pytest.raises(TimeoutError):
            second.result(0.3)
        connection.execute(LINE)
    other.join(10)
    assert second.result(0) == 2


def test_a_reader_sees_one_instant_and_never_what_may_be_undone(engines: Engines) -> None:
    with engines.read.connect() as reader:
        assert reader.execute(COUNT).scalar_one() == 0
        with engines.write.begin() as connection:
            connection.execute(LINE)
        assert reader.execute(COUNT).scalar_one() == 0
    with engines.read.connect() as later:
        assert later.execute(COUNT).scalar_one() == 1
        with pytest.raises(sa.exc.InternalError, match="read-only"):
            later.execute(LINE)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql+psycopg://{user}:wrong@127.0.0.1:{port}/postgres", "password authentication"),
        ("postgresql+psycopg://{user}@/nowhere?host={folder}&port={port}", "does not exist"),
        ("postgresql+psycopg://{user}@127.0.0.1:1/postgres", "refused"),
        ("postgresql+asyncpgx://{user}@127.0.0.1/postgres", "no SQLAlchemy URL"),
        ("a file", "no SQLAlchemy URL"),
        ("mysql+pymysql://{user}@127.0.0.1/x", "needs the package `pymysql`"),
        ("sqlite:////no/such/folder/watchkeeper.db", "unable to open"),
    ],
)
def test_a_database_that_lets_nobody_in_is_told_without_its_password(
    postgres: Cluster, url: str, what: str
) -> None:
    wanted = url.format(user=USER, port=postgres.port, folder=postgres.folder)
    with pytest.raises(ConfigError, match=what) as raised:
        open_engines(wanted)
    assert raised.value.where == "server.database"
    assert "wrong" not in raised.value.what
    assert "\n" not in str(raised.value)
