"""One server a database: what rules remember is in memory, so two would raise everything twice."""

import fcntl
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa
from typing_extensions import override

from watchkeeper.errors import ConfigError

SERVER_LOCK = 0x77617372  # "wasr": the advisory lock that a server holds while it runs


class Alone(AbstractContextManager["Alone"]):
    """Held while a server runs; the system lets go of it when the server dies.

    In PostgreSQL it is a session's advisory lock, beside SQLite a lock on a file. A restart of
    PostgreSQL lets go of it too: it keeps out a mistake, not a cluster's second node.
    """

    def __init__(self, write: sa.Engine) -> None:
        """Take it. Raises ConfigError: another server works on this database."""
        self._engine: sa.Engine | None = None
        if write.dialect.name == "sqlite":
            self._file(Path(str(write.url.database)))
        else:
            self._session(write.url)

    @override
    def __exit__(self, *_: object) -> None:
        if self._engine is None:
            self._lock.close()
        else:
            self._connection.close()
            self._engine.dispose()

    def _file(self, path: Path) -> None:
        self._lock = path.with_name(f"{path.name}.lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise _taken() from error

    def _session(self, url: sa.URL) -> None:
        self._engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        self._connection = self._engine.connect()
        asked = sa.text("select pg_try_advisory_lock(:lock)")
        if not self._connection.execute(asked, {"lock": SERVER_LOCK}).scalar_one():
            self.__exit__()
            raise _taken()


def _taken() -> ConfigError:
    return ConfigError(
        where="server.database",
        what="another server works on this database",
        fix="stop it, or give each its own",
    )
