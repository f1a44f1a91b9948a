"""Column types every table shares, and how the database is opened."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from typing_extensions import override

from watchkeeper.errors import ConfigError

WRITE_LOCK = 0x77617463  # "watc": the advisory lock that a unit of work holds in PostgreSQL
CONNECT_S = 5  # for a database that does not answer at all


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware instant, stored as integer UTC milliseconds: SQLite drops time zones."""

    impl = sa.BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(
                f"naive instant {value}: attach a time zone at the edge of the program"
            )
        return round(value.timestamp() * 1000)

    @override
    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


class Engines(NamedTuple):
    """Two ways into the same database."""

    write: sa.Engine  # for the writer alone: begins with the write lock
    read: sa.Engine  # for everyone else: never waits for the writer, sees what is committed


def upsert(table: sa.Table, *key: str) -> sa.TextClause:
    """Return what adds a row, or changes the one of this key: one statement for both databases.

    Every column is a parameter, save a primary key that is a number of the database's.
    """
    return _insert(table, key, lambda rest: "update set " + ", ".join(
        f'"{name}" = excluded."{name}"' for name in rest
    ))  # fmt: skip


def once(table: sa.Table, *key: str) -> sa.TextClause:
    """Return what adds a row unless there is one of this key; the row count says which."""
    return _insert(table, key, lambda _: "nothing")


def _insert(
    table: sa.Table, key: Sequence[str], conflict: Callable[[Sequence[str]], str]
) -> sa.TextClause:
    columns = [each for each in table.c if each is not table.autoincrement_column]
    names = ", ".join(f'"{each.name}"' for each in columns)
    values = ", ".join(f":{each.name}" for each in columns)
    done = conflict([each.name for each in columns if each.name not in key])
    of = ", ".join(f'"{name}"' for name in key)
    into = f'insert into "{table.name}" ({names})'  # all words are of our own tables
    text = f"{into} values ({values}) on conflict ({of}) do {done}"
    return sa.text(text).bindparams(*(sa.bindparam(each.name, type_=each.type) for each in columns))


def open_engines(url: str) -> Engines:
    """Open the database of a SQLAlchemy URL, SQLite or PostgreSQL.

    Raises ConfigError: no such kind, its driver is missing, or it does not let us in.
    """
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        engines = Engines(open_sqlite(path, pool_size=2), open_sqlite_reader(path))
    else:
        engines = open_postgres(url)
    try:
        engines.write.connect().close()
    except sa.exc.OperationalError as error:
        raise _wrong(_first_line(error.orig), "start the database, or correct the URL") from error
    return engines


def open_postgres(url: str) -> Engines:
    """Open PostgreSQL with the two properties SQLite has: one writer, readers that see one instant.

    Raises ConfigError.
    """
    options: dict[str, Any] = {
        "pool_pre_ping": True,  # a restart of the database costs no request an error
        "connect_args": {"connect_timeout": CONNECT_S},
    }
    try:
        write = sa.create_engine(url, pool_size=2, **options)
        read = sa.create_engine(
            url,
            pool_size=20,
            max_overflow=40,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
            **options,
        )
    except sa.exc.ArgumentError as error:
        fix = "write it as postgresql+psycopg://user:password@host/database"
        raise _wrong("no SQLAlchemy URL", fix) from error
    except ModuleNotFoundError as error:
        fix = "install watchkeeper[postgres] for postgresql+psycopg://…"
        raise _wrong(f"needs the package `{error.name}`", fix) from error

    @sa.event.listens_for(write, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({WRITE_LOCK})")

    return Engines(write, read)


def _wrong(what: str, fix: str) -> ConfigError:
    return ConfigError(where="server.database", what=what, fix=fix)


def _first_line(error: BaseException | None) -> str:
    """Return what the driver says, without its hints."""
    return str(error).strip().partition("\n")[0]


def open_sqlite(path: str, **options: Any) -> sa.Engine:
    """Open SQLite so that a commit is on disk and a write takes the lock at its beginning."""
    return _open(path, "begin immediate", options)


def open_sqlite_reader(path: str) -> sa.Engine:
    """Open SQLite for reading beside the writer; as many connections as there are threads."""
    return _open(path, "begin", {"pool_size": 20, "max_overflow": 40})


def _open(path: str, begin: str, options: dict[str, Any]) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False}, **options
    )

    @sa.event.listens_for(engine, "connect")
    def durable(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins late by itself; we begin
        connection.execute("pragma busy_timeout=5000")
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
