"""What leaves next on each lane, and what is sent again.

Data: fresh batches newest first, the backlog oldest first in the rest of the window. Events: at
once; life safety before faults, in a class the newest change of each point before older ones.
A row stays in its journal until the one who stored it says so; everything may be sent twice.
"""

import asyncio
import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
from typing_extensions import override

from edge.flight import Flight, Range, Send, within
from edge.keep import Keeper
from edge.lanes import ORDER
from edge.replay import Replay
from edge.rows import WAIT, Row, data_message, event_message
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.wire import Mode

FRESH_MS: Final = 10_000  # older data is backlog
FRESH_ROWS: Final = 1_000  # in memory; more is found again in the journal
PAGE: Final = 200  # rows of backlog read at a time
EVENTS: Final = 10_000  # in memory; life safety is always
DATA_WAIT_S: Final = (30.0, 300.0)
EVENT_WAIT_S: Final = (2.0, 60.0)


class _Lane(ABC):
    """What both lanes do with their journal."""

    flight: Flight

    def __init__(self, keeper: Keeper, send: Send, clock: Clock) -> None:
        self._keeper, self._send, self._clock = keeper, send, clock
        self._replay = Replay(keeper)
        self.refused = 0  # rows the other side could not read

    @property
    def journal(self) -> str:
        """Return the id of the journal the rows are in."""
        return self._keeper.journal.id

    @abstractmethod
    def acked(self, ranges: Sequence[Range]) -> None:
        """Forget what was stored at the other side."""

    def silence_s(self) -> float:
        """Return seconds since the oldest unacknowledged message left; 0: there is none."""
        return self.flight.silence_s(self._clock.tick())

    async def set_aside(self, bad: list[tuple[int, str]]) -> None:
        """Put away what the other side cannot read: it would stand in the way for ever."""
        self.refused = await self._keeper.call(self._keeper.journal.set_aside, bad)
        self.acked([(q, q) for q, _ in bad])

    async def birth(self, name: str) -> bytes | None:
        """Return the points of a hash as JSON, while a row here refers to them."""
        return await self._keeper.call(self._keeper.journal.birth, name)


class DataLane(_Lane):
    """Sends readings."""

    def __init__(self, keeper: Keeper, send: Send, clock: Clock) -> None:
        """Send what `keeper` commits."""
        super().__init__(keeper, send, clock)
        self.flight = Flight(*DATA_WAIT_S)
        self._rows: dict[int, Row] = {}  # under way
        self._fresh: deque[Row] = deque()
        self._fresh_q: set[int] = set()
        self._backlog: deque[Row] = deque()
        self._cursor = 0  # up to here every row is sent or in memory
        self._at_end = False  # nothing was found behind the cursor
        self.hungry = asyncio.Event()  # there is room and more to read: `tend` should come

    def committed(self, rows: Sequence[Row]) -> None:
        """Take rows that have just become durable; those that wait for the clock stay there."""
        if self._at_end and rows[0].q == self._cursor + 1:
            self._cursor = rows[-1].q
        else:
            self._at_end = False  # somebody else writes to this journal too
        fresh = [row for row in rows if row.mode != WAIT]
        self._fresh.extend(fresh)
        self._fresh_q.update(row.q for row in fresh)
        while len(self._fresh) > FRESH_ROWS:
            row = self._fresh.popleft()
            self._fresh_q.discard(row.q)
            self._cursor, self._at_end = min(self._cursor, row.q - 1), False
        self.pump()

    @override
    def acked(self, ranges: Sequence[Range]) -> None:
        for q in self.flight.acked(ranges, self._clock.tick()):
            self._rows.pop(q, None)
        self._keeper.forget(list(ranges))
        self._replay.acked(ranges)
        self.pump()

    def settled(self, first: int) -> None:
        """Read on from here: rows that waited for the clock wait no longer."""
        self._cursor, self._at_end = min(self._cursor, first - 1), False
        self.hungry.set()

    def explained(self, birth: str) -> None:
        """Send again, soon, what this birth explains: until now it was left unread."""
        self.flight.hurry(q for q, row in self._rows.items() if row.birth == birth)

    def again(self) -> None:
        """Send again, soon, what is under way: its acknowledgements may be lost."""
        self.flight.hurry(list(self._rows))

    def replay(self, since: int) -> None:
        """Send again all that is kept since an instant, Unix ms."""
        self.flight.hurry(q for q, row in self._rows.items() if row.at >= since)
        self._replay.ask(since)

    def restart(self) -> None:
        """Send everything that is kept, again: whoever had it may have lost it."""
        self.flight.clear()
        self._rows.clear()
        self._fresh.clear()
        self._fresh_q.clear()
        self._backlog.clear()
        self._cursor, self._at_end = 0, False
        self._replay.restart()

    def pump(self) -> None:
        """Send while the window has room."""
        self._pump()
        if len(self._backlog) < PAGE // 2 and not self._at_end:
            self.hungry.set()

    def _pump(self) -> None:
        while row := self._next():
            message = data_message(self.journal, row, self._mode(row))
            if not self._send(message):
                if not self._replay.give_back(row):
                    self._backlog.appendleft(row)
                return
            self._rows[row.q] = row
            self.flight.add(row.q, len(message), self._clock.tick())

    def _next(self) -> Row | None:
        """Return what is most worth sending of what is in memory, if there is room for it."""
        if self._fresh and self.flight.has_room_for_fresh:
            row = self._fresh.pop()
            self._fresh_q.discard(row.q)
            return row
        if not self.flight.has_room:
            return None
        while self._backlog:
            row = self._backlog.popleft()
            if row.q not in self.flight and row.q not in self._fresh_q:
                return row
        while asked := self._replay.take():
            if asked.q not in self.flight:
                return asked
        return None

    async def tend(self) -> bool:
        """Read on in the backlog and send late ones again; False: nothing more to read now."""
        now = self._clock.tick()
        for q in self.flight.due(now):
            row = self._rows[q]
            if not self._send(data_message(self.journal, row, self._mode(row))):
                break
            self.flight.again(q, now)
        await self._replay.tend(now)
        self._pump()
        if len(self._backlog) >= PAGE:
            return False
        if self._at_end and await self._keeper.call(self._keeper.journal.newest) <= self._cursor:
            return False
        before = self._cursor
        rows = await self._keeper.call(self._keeper.journal.after, before, PAGE)
        if before != self._cursor:
            return True  # the lane was restarted, or committed, meanwhile: look again
        self._backlog.extend(
            row for row in rows if row.q not in self.flight and row.q not in self._fresh_q
        )
        if rows:
            self._cursor = rows[-1].q
        self._at_end = len(rows) < PAGE
        self.pump()
        return not self._at_end

    def _mode(self, row: Row) -> Mode:
        old = unix_ms(self._clock.now()) - row.at > FRESH_MS
        return "back" if old or row.mode == "back" else "live"


class EventLane(_Lane):
    """Sends changes of life-safety and fault points."""

    def __init__(self, keeper: Keeper, send: Send, clock: Clock) -> None:
        """Send what `keeper` commits."""
        super().__init__(keeper, send, clock)
        self.flight = Flight(*EVENT_WAIT_S)
        self._rows: dict[int, Row] = {}  # waiting or under way
        self._alias: dict[int, int] = {}  # of the point a row is about
        self._newest: dict[int, int] = {}  # point -> q of its newest row in memory
        self._waiting: list[tuple[int, bool, int]] = []  # class, superseded, q
        self._more = True  # the journal may hold rows that are not in memory
        self._known: dict[int, float] = {}  # q -> tick at which it was known; oldest first

    def committed(self, rows: Sequence[Row]) -> None:
        """Take events that have just become durable, and send them."""
        for row in rows:
            self._take(row)
        self.pump()

    @override
    def acked(self, ranges: Sequence[Range]) -> None:
        self.flight.acked(ranges, self._clock.tick())
        for q in within(self._rows, ranges):
            self._drop(q)
        for q in within(self._known, ranges):
            del self._known[q]
        self._keeper.forget(list(ranges))
        self._replay.acked(ranges)
        self.pump()

    def open_s(self) -> float:
        """Return for how long an event has waited to be stored at the other side; 0: none does."""
        known = next(iter(self._known.values()), None)
        return 0.0 if known is None else self._clock.tick() - known

    def open(self) -> int:
        """Return how many events wait to be stored at the other side, as far as is in memory."""
        return len(self._known)

    def replay(self, since: int) -> None:
        """Send again all that is kept since an instant, Unix ms."""
        self.flight.hurry(q for q, row in self._rows.items() if row.at >= since)
        self._replay.ask(since)

    def restart(self) -> None:
        """Send everything that is kept, again."""
        self.flight.clear()
        self._rows.clear()
        self._alias.clear()
        self._newest.clear()
        self._waiting.clear()
        self._more = True
        self._replay.restart()

    def pump(self) -> None:
        """Send while the window has room."""
        while self._waiting and self.flight.has_room:
            order, superseded, q = heapq.heappop(self._waiting)
            row = self._rows.get(q)
            if row is None or q in self.flight:
                continue
            if not superseded and self._newest.get(self._alias[q], q) != q:
                heapq.heappush(self._waiting, (order, True, q))
                continue
            message = event_message(self.journal, row)
            if not self._send(message):
                heapq.heappush(self._waiting, (order, superseded, q))
                return
            self.flight.add(q, len(message), self._clock.tick())
        self._pump_replay()

    def _pump_replay(self) -> None:
        while self.flight.has_room and (row := self._replay.take()):
            if row.q in self._rows:
                continue
            message = event_message(self.journal, row)
            if not self._send(message):
                self._replay.give_back(row)
                return
            self._rows[row.q], self._alias[row.q] = row, _alias(row)
            self.flight.add(row.q, len(message), self._clock.tick())

    async def tend(self) -> bool:
        """Load what waits on disk and send late ones again; False: nothing more to read now."""
        now = self._clock.tick()
        for q in self.flight.due(now):
            if not self._send(event_message(self.journal, self._rows[q])):
                break
            self.flight.again(q, now)
        await self._replay.tend(now)
        self._pump_replay()
        if not self._more or self._waiting:
            return False
        self._more = False
        rows = await self._keeper.call(self._keeper.journal.pressing, "life_safety", EVENTS)
        self._more = self._more or len(rows) == EVENTS
        for row in rows:
            self._take(row)
        self.pump()
        return False

    def _take(self, row: Row) -> None:
        if row.q in self._rows:
            return
        if len(self._rows) >= EVENTS and row.mode != "life_safety":
            self._more = True
            return
        alias = _alias(row)
        self._known.setdefault(row.q, self._clock.tick())
        self._rows[row.q], self._alias[row.q] = row, alias
        self._newest[alias] = max(row.q, self._newest.get(alias, 0))
        heapq.heappush(self._waiting, (ORDER[row.mode], False, row.q))

    def _drop(self, q: int) -> None:
        del self._rows[q]
        alias = self._alias.pop(q)
        if self._newest.get(alias) == q:
            del self._newest[alias]


class _OfPoint(msgspec.Struct):
    p: int


_of_point = msgspec.json.Decoder(_OfPoint).decode


def _alias(row: Row) -> int:
    """Return the point an event row is about."""
    return _of_point(b"{" + row.tail).p
