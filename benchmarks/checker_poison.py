"""What is wrong with some batches: one reading in each, or the whole."""

import json
from dataclasses import replace
from enum import IntEnum
from typing import Final, Self

from edge.rows import Row

HUGE: Final = 1_000_000  # characters; mosquitto as we set it up takes messages of 1 MiB
AHEAD_MS: Final = 3_600_000
SHARE: Final = 100  # one batch of so many is of each kind


class Kind(IntEnum):
    """What is wrong. It is the first reading of a batch, unless it says otherwise."""

    GOOD = 0
    TYPE = 1  # a word where a number belongs
    NAN = 2
    HUGE = 3  # a text of a million characters
    ALIAS = 4  # one that the birth does not name
    TIME = 5  # an hour ahead
    BIRTH = 6  # nothing: its birth is not known, but explained when the gateway asks
    UNREADABLE = 7  # the batch is no batch
    CUT = 8  # the batch ends in the middle

    @classmethod
    def of(cls, edge: int, batch: int) -> Self:
        """Return what is to be wrong with a batch: each kind with 1 % of them."""
        turn = (batch + 13 * edge) % SHARE
        return cls(turn if turn in cls._value2member_map_ else 0)

    @property
    def reason(self) -> str:
        """Return the word under which the quarantine has it, "" for none."""
        return REASONS.get(self, "")

    @property
    def whole(self) -> bool:
        """Return whether nothing of the batch can be stored."""
        return self in {Kind.UNREADABLE, Kind.CUT}


REASONS: Final = {
    Kind.TYPE: "type",
    Kind.NAN: "value",
    Kind.HUGE: "type",
    Kind.ALIAS: "alias",
    Kind.TIME: "time",
    Kind.UNREADABLE: "unreadable",
    Kind.CUT: "unreadable",
}


def poisoned(row: Row, kind: Kind) -> Row:
    """Return the row of a journal with this wrong."""
    told = json.loads(b"{" + row.tail)
    first: dict[Kind, tuple[str, object]] = {
        Kind.TYPE: ("y", "on"),
        Kind.NAN: ("y", float("nan")),
        Kind.HUGE: ("y", "x" * HUGE),
        Kind.ALIAS: ("a", 1 << 20),
        Kind.TIME: ("d", AHEAD_MS),
    }
    if kind in first:
        column, value = first[kind]
        told[column][0] = value
    elif kind is Kind.UNREADABLE:
        told = {"t": "yesterday"}
    elif kind is Kind.CUT:
        return replace(row, tail=row.tail[: len(row.tail) // 2])
    elif kind is Kind.BIRTH:
        return replace(row, birth=f"{row.at:x}-{row.birth}"[:24])
    else:
        return row
    return replace(row, tail=json.dumps(told, separators=(",", ":")).encode()[1:])
