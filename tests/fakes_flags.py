"""Flags in memory, as their port says; a house with people; a process that dies at a commit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient

from server.events import Event
from server.flags.model import Flag, Kind, SetOff
from server.http import User
from server.outward import Outward
from tests.fakes_dispatch import FakeChannel, PlainPasswords
from tests.fakes_server import House
from watchkeeper.ids import PersonId

LIFT = "lift-3/fault_code"
ROLES = {
    "chenlei": "operator", "wangqiang": "technician", "zhaoyan": "manager", "admin": "admin",
}  # fmt: skip


class MemoryFlags:
    """Forgets everything when it goes."""

    def __init__(self) -> None:
        self.rows: dict[str, Flag] = {}
        self.set_off: dict[str, list[SetOff]] = {}
        self.happened: list[Event] = []

    def get(self, flag: str) -> Flag:
        return self.rows[flag]

    def standing(self, kind: Kind, subjects: Sequence[str]) -> list[Flag]:
        return [
            each
            for each in self.rows.values()
            if each.ended_at is None and each.kind is kind and each.subject in subjects
        ]

    def add(self, flag: Flag, *happened: Event) -> None:
        if self.standing(flag.kind, [flag.subject]):
            raise ValueError(f"two flags on {flag.subject}")
        self.save(flag, *happened)

    def save(self, flag: Flag, *happened: Event) -> None:
        self.rows[flag.id] = flag
        self.happened += happened

    def went(self, flag: Flag, tested: SetOff) -> bool:
        before = self.set_off.setdefault(flag.id, [])
        if tested.point in {each.point for each in before}:
            return False
        before.append(tested)
        return True

    def tested(self, flag: str) -> list[SetOff]:
        return sorted(self.set_off.get(flag, []), key=lambda each: (each.at, each.point))


class MemoryEnds:
    """Timers of flags in memory."""

    def __init__(self) -> None:
        self.due: dict[str, Flag] = {}

    def end_at(self, flag: Flag) -> None:
        self.due.pop(flag.id, None)
        if flag.until is not None and flag.ended_at is None:
            self.due[flag.id] = flag


class Reaper:
    """Lets the process die at its n-th commit that would change something: it and all later fail.

    0: never; then it only counts.
    """

    def __init__(self, at: int = 0) -> None:
        self.at, self.count, self.dead = at, 0, False

    @contextmanager
    def waits(self) -> Iterator["Reaper"]:
        sa.event.listen(sa.Engine, "before_cursor_execute", self._wrote)
        sa.event.listen(sa.Engine, "commit", self._commit)
        try:
            yield self
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", self._wrote)
            sa.event.remove(sa.Engine, "commit", self._commit)

    def revive(self) -> None:
        """Let commits succeed again, for the process that is started next."""
        self.at, self.dead = 0, False

    def _wrote(self, connection: sa.Connection, _: Any, statement: str, *_more: Any) -> None:
        if statement.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            connection.info["wrote"] = True

    def _commit(self, connection: sa.Connection) -> None:
        if not connection.info.pop("wrote", False):
            return
        self.count += 1
        self.dead = self.dead or self.count == self.at
        if self.dead:
            raise ConnectionAbortedError("the process was killed here")


class Home(House):
    """A house with the demonstration's people; what they are told stays in its tables."""

    def __init__(self, folder: Path, database: str = "", site: str = "riverside-plaza") -> None:
        folder.mkdir(exist_ok=True)
        self.clients: dict[str, TestClient] = {}
        outward = Outward([FakeChannel()], b"key", passwords=PlainPasswords())
        super().__init__(folder, database=database, outward=outward, site=site)
        self.populate()

    def open(self) -> None:
        super().open()
        self.sessions = {
            name: User(PersonId(name), name, frozenset({role})) for name, role in ROLES.items()
        }
        self.server.app.state.who = self.sessions.get
        self.clients = {
            name: TestClient(self.server.app, headers={"Authorization": f"Bearer {name}"})
            for name in ROLES
        }
        self.birth()

    def restart(self) -> None:
        self.close()
        self.open()

    def rows(self, query: str) -> list[Any]:
        with self.server.parts.read.connect() as connection:
            return list(connection.execute(sa.text(query)).all())

    def messages(self, kind: str = "", about: str = "") -> list[str]:
        """Return what the operator on duty was told, the first first; of all, or of a subject."""
        query = "select kind, subject from message where person = 'chenlei' order by at, id"
        return [
            row.kind
            for row in self.rows(query)
            if kind in {"", row.kind} and about in {"", row.subject}
        ]

    def says(self, path: str, who: str = "chenlei", **body: object) -> Any:
        return self.clients[who].post(f"/api/v1/alarms/{path}", json=body)

    def fault(self, value: float, name: str) -> None:
        """Let the lift report a fault code; the edge sends it again under the same id."""
        self.event(LIFT, value, id=f"{name}-{value}", kind="fault")

    def all(self, rule: str) -> list[dict[str, Any]]:
        return [each for each in self.alarms(only_open=False) if each["rule"] == rule]

    def one(self, rule: str = "lift-fault") -> dict[str, Any]:
        (found,) = self.all(rule)
        return found

    def fire_timers(self) -> None:
        for done in self.server.timers.fire():
            done.result(5)
        self.settle()


Step = Callable[[Home], object]


def lived(home: Home, steps: list[Step], reaper: Reaper) -> None:
    """Take the steps; who dies in one is started again, and what was not answered is said again."""
    with reaper.waits():
        for step in steps:
            try:
                step(home)
            except ConnectionAbortedError:
                assert reaper.dead
            if reaper.dead:
                home.close()  # with whatever is still on its way
                reaper.revive()
                home.open()
                step(home)
