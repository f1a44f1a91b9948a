"""What a journal keeps: a message of the wire without its head, which is known only when it leaves.

The head (journal, sequence, birth, mode) is written at sending, so a reading is encoded once in its
life however often its batch is sent again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from watchkeeper import wire
from watchkeeper.batch import Batch, Floats
from watchkeeper.quality import Quality
from watchkeeper.wire import Event, Mode

BATCH: Final = 500  # readings in a message
GAP: Final = "gap"  # mode of a row that says what was given up
WAIT: Final = "wait"  # mode of a row whose time waits for the clock to be set


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a journal; `q` is 0 until it is committed."""

    q: int
    birth: str  # hash of the birth its aliases belong to
    mode: str  # data: "live", "back", GAP or WAIT; event: its class
    at: int  # Unix ms of its newest reading
    tail: bytes  # the message behind its head


def data_rows(batch: Batch, birth: str, *, mode: str, synchronised: bool) -> Iterator[Row]:
    """Yield rows of at most 500 readings each, ascending in time."""
    if len(batch) and not bool((batch.at[1:] >= batch.at[:-1]).all()):
        batch = batch.take(np.argsort(batch.at, kind="stable"))
    head = len(_head("", 0, birth)) + len('"m":"back",')
    for start in range(0, len(batch), BATCH):
        part = Batch(
            batch.series[start : start + BATCH],
            batch.at[start : start + BATCH],
            batch.value[start : start + BATCH],
            batch.quality[start : start + BATCH],
        )
        message = wire.data(
            part, journal="", sequence=0, birth=birth, mode="back", synchronised=synchronised
        )
        yield Row(0, birth, mode, int(part.at[-1]), wire.encode(message)[head:])


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when (Unix ms) how many readings there were."""

    start: int
    end: int
    readings: int


class _Told(msgspec.Struct):
    """What a tail says about its span: of readings, or of a gap."""

    t: int = 0
    a: list[int] = []
    gap: tuple[int, int, int] | None = None


_told = msgspec.json.Decoder(_Told).decode


def span_of(row: Row) -> Span:
    """Return what a data row holds, or what its gap was; an unreadable one counts as a reading."""
    try:
        told = _told(b"{" + row.tail)
    except msgspec.DecodeError:
        return Span(row.at, row.at, 1)
    return Span(*told.gap) if told.gap else Span(told.t, row.at, len(told.a))


def gap_row(gap: Span, birth: str) -> Row:
    """Return the row that stands for readings that were given up."""
    head = len(_head("", 0, birth)) + len('"m":"back",')
    message = wire.Gap("", 0, birth, "back", (gap.start, gap.end, gap.readings))
    return Row(0, birth, GAP, gap.end, wire.encode(message)[head:])


def corrected(row: Row, offset_ms: int | None) -> Row:
    """Return a row that waited for the clock, at its right time; None: as it is, marked."""
    if offset_ms is None:
        return Row(row.q, row.birth, "back", row.at, row.tail)
    message = wire.decode_data(data_message("", row, "back"))
    untimed = int(Quality.CLOCK_UNSYNCHRONISED)
    right = msgspec.structs.replace(
        message,
        start=message.start + offset_ms,
        synchronised=1,
        qualities=[each for each in message.qualities if each[1] != untimed],
    )
    head = len(_head("", row.q, row.birth)) + len('"m":"back",')
    return Row(row.q, row.birth, "back", row.at + offset_ms, wire.encode(right)[head:])


def event_row(event: Event, birth: str, *, synchronised: bool) -> Row:
    """Return the row of an event."""
    head = len(_head("", 0, event.birth))
    event = msgspec.structs.replace(event, synchronised=int(synchronised))
    return Row(0, birth, event.kind, event.at, wire.encode(event)[head:])


def data_message(journal: str, row: Row, mode: Mode) -> bytes:
    """Return the message of a data row."""
    return _head(journal, row.q, row.birth) + f'"m":"{mode}",'.encode() + row.tail


def event_message(journal: str, row: Row) -> bytes:
    """Return the message of an event row."""
    return _head(journal, row.q, row.birth) + row.tail


def _head(journal: str, q: int, birth: str) -> bytes:
    return f'{{"j":"{journal}","q":{q},"h":"{birth}",'.encode()


def rounded(values: Floats, steps: Floats) -> Floats:
    """Return values in whole steps of 1/`steps`: 23.7 leaves as 23.7, not 23.700000762939453.

    A step is a thousandth of what is shown to people. Values too large for it stay as they are.
    """
    scaled = values * steps
    near = np.rint(scaled) / steps
    exact: Floats = np.where(np.abs(scaled) < 2.0**52, near, values)
    return exact
