"""The messages between edge, gateway and server (docs/wire.md).

Short keys on the wire, full names in Python.

Version 1. Every message is JSON. Decoding raises msgspec.DecodeError or msgspec.ValidationError:
who receives it puts the message into quarantine, it never stops the line.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta, Struct, field

from watchkeeper.batch import Batch
from watchkeeper.quality import FIRST_BAD

VERSION = 1
ONE_BYTE = range(256)
BIRTH_PART_BYTES = 60_000  # a part stays under 64 KB with its envelope

PointClass: TypeAlias = Literal["life_safety", "fault", "telemetry"]
Mode: TypeAlias = Literal["live", "back"]


class BornPoint(Struct, frozen=True, array_like=True):
    """What an alias of a batch stands for."""

    alias: int
    point: str
    type: str
    unit: str
    kind: PointClass


class Birth(Struct, frozen=True):
    """up/birth/{part}, retained: the points behind the aliases; `hash` ties batches to it."""

    boot: str
    hash: str = field(name="h")
    part: int
    parts: int = field(name="of")
    software: str = field(name="sw")
    config: str = field(name="cfg")  # hash of the site file the edge runs on
    points: list[BornPoint]
    version: int = field(name="v", default=VERSION)


class Data(Struct, frozen=True):
    """up/data: readings of one edge in columns, ascending in time."""

    journal: str = field(name="j")
    sequence: int = field(name="q")
    birth: str = field(name="h")
    mode: Mode = field(name="m")
    start: int = field(name="t")  # Unix ms
    synchronised: int = field(name="c")  # 1: the edge's clock is
    aliases: list[int] = field(name="a")
    offsets: list[int] = field(name="d")  # ms after start
    values: list[float] = field(name="y")  # 0 where the quality is bad
    qualities: list[tuple[int, int]] = field(name="x")  # [index, quality] of what is not 0
    version: int = field(name="v", default=VERSION)


class Gap(Struct, frozen=True):
    """up/data too: readings the edge had no room for; acknowledged as a batch is."""

    journal: str = field(name="j")
    sequence: int = field(name="q")
    birth: str = field(name="h")
    mode: Mode = field(name="m")
    gap: tuple[int, int, int]  # from and to, Unix ms, and how many readings
    version: int = field(name="v", default=VERSION)


class Event(Struct, frozen=True):
    """up/event: one change of a life-safety or fault point, with an identity of its own."""

    journal: str = field(name="j")
    sequence: int = field(name="q")
    birth: str = field(name="h")
    id: str  # UUIDv7, made when the change was seen
    kind: Literal["life_safety", "fault"] = field(name="k")
    at: int = field(name="t")  # Unix ms
    synchronised: int = field(name="c")
    alias: int = field(name="p")
    before: float | None = field(name="from")
    after: float | None = field(name="to")
    quality: int
    version: int = field(name="v", default=VERSION)


class Snapshot(Struct, frozen=True):
    """up/event too: what all points of a class are now; not journalled, not acknowledged."""

    birth: str = field(name="h")
    at: int = field(name="t")
    synchronised: int = field(name="c")
    kind: Literal["life_safety", "fault"] = field(name="k")
    now: list[tuple[int, float | None, int]]  # [alias, value, quality]
    version: int = field(name="v", default=VERSION)


class State(Struct, frozen=True):
    """up/state and {server,gateway}/{id}/state: retained, also the will."""

    state: Literal["online", "lost"] = field(name="s")
    boot: str
    connection: int = field(name="n")  # number of the connection since boot
    at: int = field(name="t")
    health: dict[str, float] = {}  # counters and gauges by name
    ages: dict[str, float] = {}  # unit id -> seconds since its last good answer
    version: int = field(name="v", default=VERSION)


class Aside(Struct, frozen=True):
    """Readings of a batch that could not be stored, as the gateway puts them into quarantine."""

    journal: str = field(name="j")
    sequence: int = field(name="q")
    birth: str = field(name="h")
    readings: list[list[Any]]  # alias, time in Unix ms, value, quality, as they came


class Ack(Struct, frozen=True):
    """down/ack: exactly what one commit held."""

    lane: Literal["data", "event"]
    journal: str = field(name="j")
    ok: list[tuple[int, int]]  # [from, to], both inclusive
    bad: list[tuple[int, str]] = []  # [sequence, why]


class AskBirth(Struct, frozen=True):
    """down/birth: explain this hash, on up/oldbirth."""

    hash: str = field(name="h")


class Replay(Struct, frozen=True):
    """down/replay: send again what is still kept since this instant."""

    since: int


class Rerun(Struct, frozen=True):
    """{site}/rerun: try these of the quarantine again; an empty list means all."""

    ids: list[int] = []
    drop: bool = False  # take them out instead, they are of no use


class Command(Struct, frozen=True):
    """down/cmd: do this now; never retained, and lost where the edge is not there."""

    id: str  # the same for every delivery of it
    unit: str
    what: Literal["duty_check"]
    minutes: Annotated[int, Meta(ge=1, le=255)]  # a person may take to answer
    version: int = field(name="v", default=VERSION)


encode = msgspec.json.Encoder().encode
decode_birth = msgspec.json.Decoder(Birth).decode
decode_data = msgspec.json.Decoder(Data).decode
decode_aside = msgspec.json.Decoder(Aside).decode
decode_gap = msgspec.json.Decoder(Gap).decode
decode_state = msgspec.json.Decoder(State).decode
decode_ack = msgspec.json.Decoder(Ack).decode
decode_ask_birth = msgspec.json.Decoder(AskBirth).decode
decode_rerun = msgspec.json.Decoder(Rerun).decode
decode_replay = msgspec.json.Decoder(Replay).decode
decode_command = msgspec.json.Decoder(Command).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode


def decode_event(payload: bytes) -> Event | Snapshot:
    """Return what stands on up/event: an event, or a snapshot when it has no journal."""
    try:
        return _decode_event(payload)
    except msgspec.ValidationError:
        return _decode_snapshot(payload)


def birth_hash(points: Sequence[BornPoint]) -> str:
    """Return the 16 hex digits that name this list of points."""
    return hashlib.sha256(encode(list(points))).hexdigest()[:16]


def births(
    points: Sequence[BornPoint], *, boot: str, software: str, config: str, name: str = ""
) -> Iterator[Birth]:
    """Yield the birth's parts, each small enough for every broker."""
    name = name or birth_hash(points)
    parts: list[list[BornPoint]] = [[]]
    size = 0
    for point in points:
        size += len(encode(point)) + 1
        if size > BIRTH_PART_BYTES:
            parts.append([])
            size = len(encode(point)) + 1
        parts[-1].append(point)
    for number, part in enumerate(parts):
        yield Birth(boot, name, number, len(parts), software, config, part)


def data(
    batch: Batch, *, journal: str, sequence: int, birth: str, mode: Mode, synchronised: bool
) -> Data:
    """Return the message for a batch whose series are aliases; time ascends in it."""
    start = int(batch.at[0])
    marked = np.flatnonzero(batch.quality)
    return Data(
        journal,
        sequence,
        birth,
        mode,
        start,
        int(synchronised),
        batch.series.tolist(),
        (batch.at - start).tolist(),
        np.where(batch.quality >= FIRST_BAD, 0.0, batch.value).tolist(),
        list(zip(marked.tolist(), batch.quality[marked].tolist(), strict=True)),
    )


def columns(message: Data) -> Batch:
    """Return the message's readings as columns; ValueError when they do not fit together."""
    count = len(message.aliases)
    if not len(message.offsets) == len(message.values) == count:
        raise ValueError(f"columns of {count}, {len(message.offsets)} and {len(message.values)}")
    if any(
        not (0 <= index < count and quality in ONE_BYTE) for index, quality in message.qualities
    ):
        raise ValueError("a quality names no reading")
    try:
        series = np.array(message.aliases, np.uint32)
        at = np.array(message.offsets, np.int64) + message.start
    except OverflowError as error:
        raise ValueError(str(error)) from error
    value, quality = np.array(message.values, np.float64), np.zeros(count, np.uint8)
    for index, code in message.qualities:
        quality[index] = code
    value[quality >= FIRST_BAD] = np.nan
    return Batch(series, at, value, quality)
