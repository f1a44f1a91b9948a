"""One transmission device: which of its points a frame speaks of, and what is known of the others.

A device tells changes only. So after each connect its points are asked for; one it does not answer
for keeps its last word as UNCERTAIN, and is NOT_AVAILABLE if there never was one. What became
of a duty check the edge knows by itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Final, TypeAlias

import numpy as np

from edge.channel import Out, Reports
from edge.drivers.gb26875.v2011 import data
from edge.drivers.gb26875.v2011.data import Flag, Item, State, Value
from edge.lanes import Kind
from watchkeeper.duty import Duty
from watchkeeper.profile import Component, Point
from watchkeeper.quality import Quality
from watchkeeper.site import Unit

# Type and address of the system, type and address of the component, type of the measured value.
Key: TypeAlias = tuple[int | None, int, int | None, int, int | None]

SAME_MS: Final = 10  # a device on the same machine answers in less; further back the clock was set


@dataclass(slots=True)
class _Part:
    """A point and what was last told of it."""

    point: Point
    key: Key
    reports: Reports
    value: float = nan
    fresh: bool = False  # told since the device came


class Device:
    """A unit of the site file that tells by itself."""

    def __init__(
        self,
        unit: Unit,
        points: Sequence[Point],
        aliases: Sequence[int],
        new_id: Callable[[int, Kind], str],
    ) -> None:
        """Take the unit, its profile's points, their aliases and what names events."""
        self.unit, self.silent = unit, False
        made = [
            (
                _Part(point, _key(point, point.component), Reports([point], [alias], new_id)),
                own.duty,
            )
            for point, alias in zip(points, aliases, strict=True)
            if (own := point.component)
        ]
        self._parts = [part for part, duty in made if not duty]
        self._duty = [part for part, duty in made if duty]
        for part in self._duty:
            part.value = float(Duty.NOT_ASKED)
        self._duty_at = 0  # Unix ms of the last word about one
        self._by_key: dict[Key, list[_Part]] = defaultdict(list)
        for part in self._parts:
            self._by_key[part.key].append(part)

    @property
    def reports(self) -> Iterator[Reports]:
        """Return what is remembered of each point."""
        return (part.reports for part in (*self._parts, *self._duty))

    def came(self) -> None:
        """Forget what is fresh: while it was away anything may have changed."""
        self.silent = False
        for part in self._parts:
            part.fresh = False

    def duty(self, word: Duty, at: int, out: Out, *, synchronised: bool) -> None:
        """Report what became of a duty check; two words of one check are never of one instant."""
        same = 0 <= self._duty_at - at < SAME_MS
        self._duty_at = self._duty_at + 1 if same else at
        for part in self._duty:
            part.value = float(word)
            _tell(part, self._duty_at, out, synchronised=synchronised)

    def take(self, items: Iterable[Item], at: int, out: Out, *, synchronised: bool) -> list[Key]:
        """Report what the device tells; return what no point of the profile stands for.

        Args:
            items: As decoded.
            at: When they came, Unix ms.
            out: Where to.
            synchronised: Whether our clock is.
        """
        nobody: list[Key] = []
        for item in items:
            if not isinstance(item, State | Value):
                continue
            kind = item.kind if isinstance(item, Value) else None
            key = (item.system, item.panel, item.type, item.address, kind)
            if key not in self._by_key and item.system is not None:
                nobody.append(key)
            for part in self._by_key.get(key, ()):
                part.value, part.fresh = _value(part.point, item), True
                _tell(part, at, out, synchronised=synchronised)
        return nobody

    def refresh(self, at: int, out: Out, *, synchronised: bool, settled: bool) -> None:
        """Report everything again: what did not change leaves once a minute, as with every bus.

        Args:
            at: Now, Unix ms.
            out: Where to.
            synchronised: Whether our clock is.
            settled: What it has not answered by now it will not answer.
        """
        for part in self._duty:
            _tell(part, at, out, synchronised=synchronised)
        for part in self._parts:
            if self.silent:
                part.reports.failed(at, Quality.NO_ANSWER, out)
            elif part.fresh:
                _tell(part, at, out, synchronised=synchronised)
            elif settled and isnan(part.value):
                part.reports.failed(at, Quality.NOT_AVAILABLE, out)
            elif settled:
                _tell(part, at, out, synchronised=synchronised, least=Quality.UNCERTAIN)

    def questions(self) -> Iterator[bytes]:
        """Yield the data of requests for every point that is not fresh."""
        keys = dict.fromkeys(part.key for part in self._parts if not part.fresh)
        states = [key for key in keys if key[4] is None]
        if any(system is None for system, *_ in states):
            yield data.read_device()
        yield from data.read_systems(
            [
                (system, panel)
                for system, panel, kind, *_ in states
                if system is not None and not kind
            ]
        )
        for flag, asked in (
            (Flag.READ_COMPONENT_STATE, states),
            (Flag.READ_COMPONENT_VALUE, [key for key in keys if key[4] is not None]),
        ):
            yield from data.read_components(
                flag,
                [
                    (system, panel, address)
                    for system, panel, kind, address, _ in asked
                    if system is not None and kind is not None
                ],
            )


def _key(point: Point, part: Component | None) -> Key:
    if part is None or part.system is None:
        return None, 0, None, 0, None
    if part.type is None:
        return part.system, point.address, None, point.address, None
    return part.system, part.panel, part.type, point.address, part.analog


def _value(point: Point, item: State | Value) -> float:
    if isinstance(item, Value):
        return nan if item.raw in point.not_available else item.raw * point.scale + point.offset
    return float(item.word if point.bit is None else item.bits >> point.bit & 1)


def _tell(
    part: _Part, at: int, out: Out, *, synchronised: bool, least: Quality = Quality.GOOD
) -> None:
    values = np.array([part.value])
    part.reports.valued(at, values, out, synchronised=synchronised, least=least)
