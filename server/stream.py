"""The stream: what a viewer is sent, in which order, how often.

Changes come from the change log, a table: their ids survive restarts, so a viewer goes on where it
stopped (Last-Event-ID or ?after=). Values are coalesced: the last one a point, at most 4 frames a
second, only the points the viewer asked for.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from server.latest import Latest, Positions
from server.unit import Change, ChangeRow

VALUES_EVERY_S = 0.25
BEAT_EVERY_S = 5.0  # an event, not a comment: a page cannot see SSE comments
ASK_EVERY_S = 2.0  # whether the viewer is still signed in
KEEP = 5_000  # frames in memory, and the most a viewer is sent to catch up; else a snapshot
Snapshot: TypeAlias = Callable[[], Mapping[str, Any]]
Own: TypeAlias = Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]  # by kind
CHANGES = ChangeRow.metadata.tables["change"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the change log as a frame, encoded once for all viewers."""

    id: int
    frame: bytes
    person: str  # who alone may see it; "" for everyone
    kind: str
    body: bytes  # JSON, for kinds that each viewer is told in its own way


class _Owner(msgspec.Struct):
    person: str = ""


def frame(event: str, body: bytes, row: int | None = None) -> bytes:
    """Return one SSE frame; only log lines carry an id, so a value never moves Last-Event-ID."""
    head = b"" if row is None else b"id: %d\n" % row
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), body)


def line(change: Change) -> Line:
    """Return a change as a frame; a message belongs to its person alone."""
    private = change.kind == "message"
    person = msgspec.json.decode(change.body, type=_Owner).person if private else ""
    return Line(
        change.id, frame(change.kind, change.body, change.id), person, change.kind, change.body
    )


@dataclass(eq=False, slots=True)
class Viewer:
    """One open stream."""

    person: str
    slots: Positions
    own: Own
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    step: int = -1  # of the values it has

    async def sleep_until(self, at: float) -> None:
        """Wait for a change, at most until `at` of the loop's time."""
        try:
            async with asyncio.timeout_at(at):
                await self.wake.wait()
        except TimeoutError:
            pass
        self.wake.clear()


class Hub:
    """Where commits go in, and one stream of frames a viewer comes out."""

    def __init__(self, engine: sa.Engine, latest: Latest) -> None:
        """Continue after the newest line of the log; `engine` is for reading."""
        self._engine, self.latest = engine, latest
        with engine.connect() as connection:
            self.last = int(connection.execute(sa.select(sa.func.max(CHANGES.c.id))).scalar() or 0)
        self._since = self.last  # everything after it is in memory
        self._lines: deque[Line] = deque(maxlen=KEEP)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.viewers: set[Viewer] = set()
        self.closing = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say on which loop the viewers live."""
        self._loop = loop

    def publish(self, changes: Sequence[Change]) -> None:
        """Take the changes of a commit; from any thread, in the order of commits."""
        lines = [line(change) for change in changes]
        if self._loop is None:
            self._add(lines)
        else:
            self._loop.call_soon_threadsafe(self._add, lines)

    def close_soon(self) -> None:
        """End all streams; from any thread."""
        self.closing = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _add(self, lines: Sequence[Line]) -> None:
        for each in lines:
            if len(self._lines) == KEEP:
                self._since = self._lines[0].id
            self._lines.append(each)
            self.last = each.id
        self._wake()

    def _wake(self) -> None:
        for viewer in self.viewers:
            viewer.wake.set()

    async def after(self, row: int) -> list[Line] | None:
        """Return the lines after `row`; None when there are too many or they are gone."""
        if row == self.last:
            return []
        if row > self.last or row < 0:
            return None
        if row >= self._since:
            return [each for each in self._lines if each.id > row]
        return await asyncio.to_thread(self._stored, row, self.last)

    def _stored(self, row: int, last: int) -> list[Line] | None:
        query = sa.select(CHANGES).where(CHANGES.c.id > row, CHANGES.c.id <= last)
        with self._engine.connect() as connection:
            first = connection.execute(sa.select(sa.func.min(CHANGES.c.id))).scalar()
            found = connection.execute(query.order_by(CHANGES.c.id).limit(KEEP + 1)).all()
        if first is None or row < first - 1 or len(found) > KEEP:
            return None
        return [line(Change(each.id, each.kind, each.body.encode())) for each in found]

    async def frames(
        self,
        person: str,
        points: Iterable[str],
        after: int,
        snapshot: Snapshot,
        signed_in: Callable[[], bool],
        own: Own = MappingProxyType({}),
    ) -> AsyncIterator[bytes]:
        """Yield frames for one viewer until it leaves or is signed out.

        A slow viewer holds back only itself: while its socket is full nothing is taken, values
        coalesce and lines wait in the log.

        Args:
            person: Who watches; messages of others are left out.
            points: Whose values it wants.
            after: The last line it has, -1 for none: it begins with a snapshot.
            snapshot: Called on a thread.
            signed_in: Likewise, every 2 s.
            own: Changes that depend on who looks, such as what one may do with an order.
        """
        viewer = Viewer(person, self.latest.slots(points), own)
        session = _Session(self, viewer, after, snapshot)
        self.viewers.add(viewer)
        try:
            yield b"retry: 1000\n\n"
            while not self.closing:
                for piece in (await session.lines(), session.values(), session.beat()):
                    if piece:
                        yield piece
                if session.must_ask() and not await asyncio.to_thread(signed_in):
                    return
                await session.rest()
        finally:
            self.viewers.discard(viewer)


class _Session:
    """What one viewer has, and when it is due the next of each kind."""

    def __init__(self, hub: Hub, viewer: Viewer, sent: int, snapshot: Snapshot) -> None:
        self._hub, self._viewer, self._sent, self._snapshot = hub, viewer, sent, snapshot
        self._now = asyncio.get_running_loop().time
        self._beat_at = self._values_at = self._now()
        self._ask_at = self._now() + ASK_EVERY_S

    async def lines(self) -> bytes:
        """Return what changed since the last call, or a snapshot when that is too much."""
        last, lines = self._hub.last, await self._hub.after(self._sent)
        if lines is None:
            self._sent = last
            body = json.dumps(await asyncio.to_thread(self._snapshot), ensure_ascii=False)
            return frame("snapshot", body.encode(), last)
        self._sent = lines[-1].id if lines else self._sent
        return b"".join(
            self._told(each) for each in lines if each.person in {"", self._viewer.person}
        )

    def _told(self, line: Line) -> bytes:
        own = self._viewer.own.get(line.kind)
        if own is None:
            return line.frame
        return frame(line.kind, msgspec.json.encode(own(msgspec.json.decode(line.body))), line.id)

    def values(self) -> bytes:
        """Return the values that changed, at most four times a second."""
        viewer = self._viewer
        if not len(viewer.slots) or self._now() < self._values_at:
            return b""
        values, viewer.step = self._hub.latest.since(viewer.slots, viewer.step)
        self._values_at = self._now() + VALUES_EVERY_S
        return frame("values", msgspec.json.encode(values)) if values else b""

    def beat(self) -> bytes:
        """Return a beat when one is due."""
        if self._now() < self._beat_at:
            return b""
        self._beat_at = self._now() + BEAT_EVERY_S
        return frame("beat", b'{"row":%d}' % self._sent)

    def must_ask(self) -> bool:
        """Return whether it is time to ask if the viewer is still signed in."""
        due = self._now() >= self._ask_at
        if due:
            self._ask_at = self._now() + ASK_EVERY_S
        return due

    async def rest(self) -> None:
        """Wait until something is due."""
        if self._hub.last == self._sent:
            due = [self._beat_at, self._ask_at]
            due += [self._values_at] if len(self._viewer.slots) else []
            await self._viewer.sleep_until(min(due))
