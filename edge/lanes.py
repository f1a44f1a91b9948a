"""Which lane a change takes, and what an event says. Pure; the clock and chance are passed in."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from watchkeeper.batch import Flags, Floats, Marks
from watchkeeper.ids import uuid7
from watchkeeper.profile import Point
from watchkeeper.quality import FIRST_BAD, FIRST_UNCERTAIN
from watchkeeper.wire import Event, PointClass

Lane: TypeAlias = Literal["event", "data"]
Kind: TypeAlias = Literal["life_safety", "fault"]
RandomBits: TypeAlias = Callable[[], int]  # at least 74 of them

ORDER: Final[dict[str, int]] = {"life_safety": 0, "fault": 1}


def lane_of(point_class: PointClass) -> Lane:
    """Return which lane changes of a point take, besides the data lane that takes every reading."""
    return "data" if point_class == "telemetry" else "event"


def is_abnormal(point: Point, value: float | None) -> bool:
    """Return whether a first value alone is worth an event: unknown, or not the resting state."""
    if value is None:
        return True
    for word in point.words:
        if word.value == value:
            return not word.normal
    return value != 0


class Watched:
    """The life-safety and fault points of a block: tells what changed from read to read."""

    def __init__(self, points: Sequence[Point], aliases: Sequence[int]) -> None:
        """Take a block's points and their aliases, in the order their values will come."""
        self.positions = np.array(
            [n for n, point in enumerate(points) if lane_of(point.point_class) == "event"], np.intp
        )
        self._points, self._aliases = points, aliases
        self.value: Floats = np.full(len(points), np.nan)
        self.quality: Marks = np.zeros(len(points), np.uint8)
        self.seen = False

    def __call__(
        self, at: int, values: Floats, quality: Marks, new: Callable[[int, Kind], str]
    ) -> list[Event]:
        """Return an event for each point that is no longer what it was; remember what it is.

        Args:
            at: When the values were read, Unix ms.
            values: (points,) of the whole block, NaN where bad.
            quality: (points,).
            new: Gives the id of an event; see `new_id`.
        """
        changed = self._changed(values, quality)
        events = [
            event
            for position in self.positions[changed].tolist()
            if (event := self._event(position, at, values, quality, new)) is not None
        ]
        self.value, self.quality, self.seen = values, quality, True
        return events

    def _changed(self, values: Floats, quality: Marks) -> Flags:
        if not self.seen:
            return np.ones(len(self.positions), np.bool_)
        there = self.positions
        bad, was = quality[there] >= FIRST_BAD, self.quality[there] >= FIRST_BAD
        differs = (values[there] != self.value[there]) & ~(bad & was)
        # One good code for another is no change: a bus that is behind must not get events to tell.
        trust, had = (np.where(each < FIRST_UNCERTAIN, 0, each) for each in (quality, self.quality))
        changed: Flags = differs | (trust[there] != had[there])
        return changed

    def _event(
        self,
        position: int,
        at: int,
        values: Floats,
        quality: Marks,
        new: Callable[[int, Kind], str],
    ) -> Event | None:
        point, code = self._points[position], int(quality[position])
        after = None if code >= FIRST_BAD else float(values[position])
        kind = point.point_class
        if kind == "telemetry" or (not self.seen and not is_abnormal(point, after)):
            return None
        had = self.seen and self.quality[position] < FIRST_BAD
        return Event(
            journal="",
            sequence=0,
            birth="",
            id=new(at, kind),
            kind=kind,
            at=at,
            synchronised=1,
            alias=self._aliases[position],
            before=float(self.value[position]) if had else None,
            after=after,
            quality=code,
        )

    def now(self, kind: Kind) -> list[tuple[int, float | None, int]]:
        """Return (alias, value, quality) of every point of a class; nothing before a first read."""
        if not self.seen:
            return []
        return [
            (
                self._aliases[position],
                None if self.quality[position] >= FIRST_BAD else float(self.value[position]),
                int(self.quality[position]),
            )
            for position in self.positions.tolist()
            if self._points[position].point_class == kind
        ]


def new_id(random_bits: RandomBits) -> Callable[[int, Kind], str]:
    """Return what names events: UUIDv7 of the instant the change was seen."""
    return lambda at, _kind: uuid7(at, random_bits())
