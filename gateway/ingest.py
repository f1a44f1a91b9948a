"""The way of a batch: validate, explain by its birth, check its times, write, acknowledge.

One call of `take` a message, one of `commit` a group of them; no threads, no waiting (loop.py).
Nothing is acknowledged before the store has it. A bad reading is put aside with its reason and its
batch is acknowledged; only a batch that cannot be read is refused.
"""

import logging
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

import msgspec

from gateway.births import Births, Numbers
from gateway.checks import Checked, checked, limits
from gateway.lateness import Lateness
from gateway.salvage import Row, salvaged, sifted
from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.history import History, Quarantined
from watchkeeper.settings import HistorySettings
from watchkeeper.topics import Up, down, parse_up
from watchkeeper.topics import up as up_topic

PAYLOAD_KEPT: Final = 65_536  # bytes of one message
EVERYTHING: Final = HistorySettings()  # is kept for ever
ASK_AGAIN_S: Final = 5.0  # between two questions for the same birth

Publish: TypeAlias = Callable[[str, bytes], bool]
Journal: TypeAlias = tuple[str, str, str]  # site, edge, journal

log = logging.getLogger(__name__)


class _Named(msgspec.Struct):
    """What even an unreadable batch may still say: which one it is."""

    j: str
    q: int


_decode_named = msgspec.json.Decoder(_Named).decode
# How an edge begins each message, which stays readable where the rest is cut off or damaged.
_HEAD: Final = re.compile(rb'\{"j":"([0-9A-Za-z_-]{1,100})","q":(\d{1,18}),')
_BACK: Final = b'"m":"back"'
_LIVE: Final = b'"m":"live"'


@dataclass(slots=True)
class _Group:
    """What is written and acknowledged together."""

    parts: list[Batch] = field(default_factory=list)
    marks: list[Batch] = field(default_factory=list)  # what of them came late
    aside: list[Quarantined] = field(default_factory=list)
    ok: dict[Journal, list[int]] = field(default_factory=dict)
    bad: dict[Journal, list[tuple[int, str]]] = field(default_factory=dict)
    release: list[int] = field(default_factory=list)  # of the quarantine: stored after all
    readings: int = 0


class Ingest:
    """Batches in, committed readings and acknowledgements out."""

    def __init__(
        self,
        history: History,
        publish: Publish,
        clock: Clock,
        kept: HistorySettings = EVERYTHING,
    ) -> None:
        """Prepare; readings that are older than what is kept are put aside."""
        self._history, self._publish, self._clock, self._kept = history, publish, clock, kept
        self.births = Births()
        self._lateness = Lateness(history)
        self._group = _Group()
        self._asked: dict[tuple[str, str, str], float] = {}
        self.counts = {
            "readings": 0,
            "batches": 0,
            "quarantined": 0,
            "refused": 0,
            "unexplained": 0,
            "rerun": 0,
        }

    @property
    def waiting(self) -> int:
        """Return how many readings the next commit holds."""
        return self._group.readings

    def take(self, topic: str, payload: bytes) -> None:
        """Take a birth or a batch. Raises Unreachable: nothing was taken, try again."""
        up = parse_up(topic)
        if up is None:
            return
        if up.lane in {"birth", "oldbirth"}:
            self._take_birth(up, payload)
        elif up.lane == "data":
            self._take_data(up, payload)

    def commit(self) -> None:
        """Write the group, then acknowledge it. Raises Unreachable: nothing is acknowledged."""
        group = self._group
        if group.parts:
            self._history.write(Batch.joined([*group.parts, *group.marks]))
        if group.aside:
            self._history.quarantine(group.aside)
        if group.release:
            self._history.release(group.release)
        self._group = _Group()
        self.counts["readings"] += sum(map(len, group.parts))
        for journal in group.ok.keys() | group.bad.keys():
            self._acknowledge(journal, group.ok.get(journal, []), group.bad.get(journal, []))

    def forget(self) -> None:
        """Drop the group without an acknowledgement."""
        self._group = _Group()
        self._lateness.forget()

    def _take_birth(self, up: Up, payload: bytes) -> None:
        if not payload:
            return  # a retained birth that was cleared
        try:
            self.births.take(up.site, up.edge, wire.decode_birth(payload))
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("a birth cannot be read", extra={"edge": up.edge, "why": str(error)})
            self._put_aside(up, "unreadable", payload, readings=0)

    def _take_data(self, up: Up, payload: bytes) -> None:
        try:
            message, batch, odd = _read(payload)
        except (msgspec.DecodeError, ValueError) as error:
            if not self._take_gap(up, payload):
                self._refuse(up, payload, str(error))
            return
        numbers = self.births.numbers((up.site, up.edge, message.birth), self._history.series)
        if numbers is None:
            self._ask(up, message.birth)
            return
        self._mark(up, message, batch)
        for reason, rows in odd.items():
            self._put_aside(up, reason, _as_json(message, rows), len(rows))
        batch = self._checked(up, message, batch, numbers)
        self._group.parts.append(batch)
        self._group.readings += len(batch)
        self._group.ok.setdefault((up.site, up.edge, message.journal), []).append(message.sequence)
        self.counts["batches"] += 1

    def _mark(self, up: Up, message: wire.Data, batch: Batch) -> None:
        """Note which minutes of a message came late; quick where it is in time."""
        name = partial(self.births.point, (up.site, up.edge, message.birth))
        marks = self._lateness.marks(up.edge, batch, name, unix_ms(self._clock.now()))
        if marks is not None:
            self._group.marks.append(marks)

    def _take_gap(self, up: Up, payload: bytes) -> bool:
        """Put down what an edge had to give up; False: the message says no such thing."""
        try:
            told = wire.decode_gap(payload)
        except msgspec.DecodeError:
            return False
        start, end, readings = told.gap
        self._put_aside(up, "gap", payload, readings)
        self._group.ok.setdefault((up.site, up.edge, told.journal), []).append(told.sequence)
        log.warning(
            "an edge had no room for readings",
            extra={"edge": up.edge, "from": start, "to": end, "readings": readings},
        )
        return True

    def _checked(self, up: Up, message: wire.Data, batch: Batch, numbers: Numbers) -> Batch:
        """Return what can be stored, by series number; put aside the rest."""
        good, wrong = self._sorted(up, message, batch, numbers)
        for reason, part in wrong.items():
            self._put_aside(up, reason, _as_json(message, _rows(part)), len(part))
        return good

    def _sorted(self, up: Up, message: wire.Data, batch: Batch, numbers: Numbers) -> Checked:
        now = unix_ms(self._clock.now())
        samples = self.births.samples((up.site, up.edge, message.birth))
        return checked(batch, numbers, now, limits(self._kept, samples, now))

    def again(self, item: Quarantined) -> bool:
        """Try what was put aside again; True: with the next commit it is taken out of there.

        What still cannot be stored is put aside anew where the rest of it can. An unknown birth is
        asked for: try again when it is there. Raises Unreachable.
        """
        try:
            up = _came_from(item.origin)
            message, batch, odd = _kept(item.payload)
        except (msgspec.DecodeError, ValueError):
            return False
        numbers = self.births.numbers((up.site, up.edge, message.birth), self._history.series)
        if numbers is None:
            self._ask(up, message.birth)
            return False
        if not len(self._sorted(up, message, batch, numbers).good):
            return False
        for reason, rows in odd.items():
            self._put_aside(up, reason, _as_json(message, rows), len(rows))
        self._mark(up, message, batch)
        good = self._checked(up, message, batch, numbers)
        self._group.parts.append(good)
        self._group.readings += len(good)
        self._group.release.append(item.id)
        self.counts["rerun"] += len(good)
        return True

    def _refuse(self, up: Up, payload: bytes, why: str) -> None:
        """Put a whole batch aside; tell its edge when it still says which one it is."""
        # Sent again after a while it is called "back": it is the same all the same.
        self._put_aside(up, "unreadable", payload.replace(_BACK, _LIVE, 1), readings=0)
        self.counts["refused"] += 1
        log.warning("a batch cannot be read", extra={"edge": up.edge, "why": why})
        named = _named(payload)
        if named is not None:
            journal = (up.site, up.edge, named.j)
            self._group.bad.setdefault(journal, []).append((named.q, "unreadable"))

    def _put_aside(self, up: Up, reason: str, payload: bytes, readings: int) -> None:
        now = unix_ms(self._clock.now())
        origin, kept = f"{up.site}/{up.edge}", payload[:PAYLOAD_KEPT]
        self._group.aside.append(Quarantined(now, origin, reason, kept, readings))
        self.counts["quarantined"] += readings

    def _ask(self, up: Up, birth: str) -> None:
        """Ask the edge what a hash means; its batch stays unacknowledged and comes again."""
        self.counts["unexplained"] += 1
        key, now = (up.site, up.edge, birth), self._clock.tick()
        if now - self._asked.get(key, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return
        self._asked = {old: at for old, at in self._asked.items() if now - at < ASK_AGAIN_S}
        self._asked[key] = now
        self._publish(down(up.site, up.edge, "birth"), wire.encode(wire.AskBirth(birth)))

    def _acknowledge(self, journal: Journal, ok: list[int], bad: list[tuple[int, str]]) -> None:
        site, edge, name = journal
        ack = wire.Ack("data", name, ranges(ok), bad)
        self._publish(down(site, edge, "ack"), wire.encode(ack))


def _read(payload: bytes) -> tuple[wire.Data, Batch, dict[str, list[Row]]]:
    """Return a batch, and by reason the readings of it that make no sense, of most batches none.

    Raises msgspec.DecodeError or ValueError: it is no batch of ours.
    """
    odd: dict[str, list[Row]] = {}
    try:
        message = wire.decode_data(payload)
        batch = wire.columns(message)
    except (msgspec.DecodeError, ValueError):
        message, batch, odd = salvaged(payload)
    if message.version != wire.VERSION:
        raise ValueError(f"version {message.version}")
    return message, batch, odd


def _kept(payload: bytes) -> tuple[wire.Data, Batch, dict[str, list[Row]]]:
    """Return what was put aside as a batch; raises as `_read` does."""
    try:
        aside = wire.decode_aside(payload)
    except msgspec.DecodeError:
        return _read(payload)
    message = wire.Data(aside.journal, aside.sequence, aside.birth, "back", 0, 1, [], [], [], [])
    return message, *sifted(aside.readings)


def _named(payload: bytes) -> _Named | None:
    """Return which batch it is, None where not even that can be read."""
    try:
        return _decode_named(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        head = _HEAD.match(payload)
        return _Named(head[1].decode(), int(head[2])) if head else None


def _came_from(origin: str) -> Up:
    """Return the edge of what was put aside; ValueError: it did not come from one."""
    site, _, edge = origin.partition("/")
    up = parse_up(up_topic(site, edge, "data"))
    if up is None:
        raise ValueError(f"no edge: {origin}")
    return up


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the numbers as ascending ranges, both ends inclusive."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _rows(batch: Batch) -> list[Row]:
    """Return readings as rows of what JSON can say."""
    value = [each if math.isfinite(each) else repr(each) for each in batch.value.tolist()]
    columns = batch.series.tolist(), batch.at.tolist(), value, batch.quality.tolist()
    return [list(row) for row in zip(*columns, strict=True)]


def _as_json(message: wire.Data, rows: list[Row]) -> bytes:
    """Return readings as they are kept aside (wire.Aside)."""
    aside = wire.Aside(message.journal, message.sequence, message.birth, rows)
    return wire.encode(aside)
