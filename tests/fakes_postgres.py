"""A throw-away PostgreSQL for tests: its own cluster in a temporary folder, gone afterwards."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import sqlalchemy as sa

from server.migrate import upgrade
from tests import parts
from tests.parts import program, until

USER = "watchkeeper"
_number = count(1)
# A superuser's way past the triggers of the append-only logs; what is empty costs nothing.
EMPTY = """
set session_replication_role = replica;
select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid();
do $$ declare one record; used boolean; begin
  for one in select tablename from pg_tables
    where schemaname = 'public' and tablename <> 'alembic_version' loop
    execute format('select exists(select 1 from %I)', one.tablename) into used;
    if used then execute format('truncate %I restart identity cascade', one.tablename); end if;
  end loop;
end $$
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. Loopback asks for the password; the socket in `folder` lets us in."""

    folder: Path
    port: int
    password: str
    free: list[str] = field(default_factory=list)  # databases with our tables, without rows

    def empty(self, name: str = "") -> str:
        """Return the SQLAlchemy URL of a new, empty database."""
        return self._url(self._create("template0", name))

    def ours(self) -> str:
        """Return the URL of a new database with our tables, copied from one made once."""
        with psycopg.connect(self.words("postgres")) as connection:
            made = connection.execute("select 1 from pg_database where datname = 'ours'").fetchone()
        if made is None:
            engine = sa.create_engine(self._url(self._create("template0", "ours")))
            upgrade(engine)
            engine.dispose()
        return self._url(self._create("ours"))

    def lend(self) -> str:
        """Return the URL of a database with our tables, without rows."""
        return self.free.pop() if self.free else self.ours()

    def take_back(self, url: str) -> None:
        """Empty a lent database for the next: a tenth of what making a new one costs."""
        with psycopg.connect(self.words(str(sa.make_url(url).database)), autocommit=True) as ours:
            ours.execute(EMPTY)
        self.free.append(url)

    def _create(self, template: str, name: str = "") -> str:
        name = name or f"test_{next(_number)}"
        with psycopg.connect(self.words("postgres"), autocommit=True) as connection:
            connection.execute(f'create database "{name}" template "{template}"'.encode())
        return name

    def words(self, database: str) -> str:
        """Return how psycopg reaches a database."""
        return f"host={self.folder} port={self.port} user={USER} dbname={database}"

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}&port={self.port}"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run PostgreSQL; it will not run as root, so root lends it another user."""
    # Not under pytest's folder: a socket's path has room for 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="wk-pg-"))
    made = Cluster(folder, parts.free_port(), secrets.token_hex(8))
    (folder / "password").write_text(made.password, "utf-8")
    user = None
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres").pw_name
        for each in (folder, folder / "password"):
            shutil.chown(each, user)
    try:
        _make(made, user)
        yield from _run(made, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(made: Cluster, user: str | None) -> None:
    words = [
        program("initdb"), "--pgdata", str(made.folder / "data"), "--username", USER,
        "--pwfile", str(made.folder / "password"), "--no-sync", "--no-instructions",
        "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
    ]  # fmt: skip
    done = subprocess.run(
        words, cwd=made.folder, user=user, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def _run(made: Cluster, user: str | None) -> Iterator[Cluster]:
    facts = {
        "listen_addresses": "127.0.0.1", "port": made.port, "max_connections": 120,
        "unix_socket_directories": made.folder, "shared_buffers": "16MB", "fsync": "off",
    }  # fmt: skip
    words = [program("postgres"), "-D", str(made.folder / "data")]
    words += [word for name, value in facts.items() for word in ("-c", f"{name}={value}")]
    with (made.folder / "log").open("ab") as log:
        process = subprocess.Popen(words, cwd=made.folder, user=user, stdout=log, stderr=log)
    try:
        until(lambda: _answers(made) or process.poll() is not None, "PostgreSQL does not answer")
        assert process.poll() is None, (made.folder / "log").read_text("utf-8")[-2000:]
        yield made
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM waits for connections a failed test left open
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(made: Cluster) -> bool:
    try:
        psycopg.connect(made.words("postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
