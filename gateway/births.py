"""What the aliases of a batch stand for, by the birth its hash names."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Flags, Series
from watchkeeper.ids import PointId
from watchkeeper.wire import Birth, BornPoint

Key: TypeAlias = tuple[str, str, str]  # site, edge, hash
Numbers: TypeAlias = npt.NDArray[np.int64]
SeriesOf: TypeAlias = Callable[[Sequence[PointId]], Series]

# Units of what counts up; a unit that is missing here costs exactness where such a counter falls.
COUNTED: Final = frozenset({"Wh", "kWh", "kvarh", "m3", "h"})
KEPT = 1_000  # births in memory; one that fell out is asked for again
HIGHEST_ALIAS = 1_000_000  # an edge counts from 0; more is no birth of ours


@dataclass(slots=True)
class _Known:
    parts: dict[int, list[BornPoint]] = field(default_factory=dict)
    of: int = 0
    numbers: Numbers | None = None
    samples: Flags | None = None


class Births:
    """Births as they come, in parts and in any order."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, _Known] = OrderedDict()

    def take(self, site: str, edge: str, birth: Birth) -> None:
        """Keep a part. Raises ValueError: an alias no edge of ours would give."""
        if any(not 0 <= point.alias <= HIGHEST_ALIAS for point in birth.points):
            raise ValueError("an alias is out of range")
        known = self._known.setdefault((site, edge, birth.hash), _Known())
        known.of = birth.parts
        known.parts[birth.part] = birth.points
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def numbers(self, key: Key, series_of: SeriesOf) -> Numbers | None:
        """Return series numbers by alias, -1 where the birth names none; None: not known yet.

        Raises Unreachable: the store, which numbers new series, does not answer.
        """
        known = self._known.get(key)
        if known is None or len(known.parts) < known.of:
            return None
        self._known.move_to_end(key)
        if known.numbers is None:
            points = [point for part in known.parts.values() for point in part]
            numbers = np.full(max((point.alias for point in points), default=-1) + 1, -1, np.int64)
            numbers[[point.alias for point in points]] = series_of(
                [PointId(point.point) for point in points]
            )
            known.samples = np.zeros(len(numbers), np.bool_)
            known.samples[[point.alias for point in points if _is_sample(point)]] = True
            known.numbers = numbers
        return known.numbers

    def samples(self, key: Key) -> Flags:
        """Return by alias which points are samples, of a birth whose `numbers` are known."""
        found = self._known[key].samples
        return np.empty(0, np.bool_) if found is None else found

    def point(self, key: Key, alias: int) -> PointId | None:
        """Return what an alias stands for; slow, for what is rare."""
        known = self._known.get(key)
        for part in known.parts.values() if known else ():
            for point in part:
                if point.alias == alias:
                    return PointId(point.point)
        return None

    def sampled(self) -> list[BornPoint]:
        """Return the points whose readings are samples of a quantity, in every birth known.

        That is telemetry with a unit or of a floating-point type. A state, a code or a floor
        is none: each of its changes means something.
        """
        points = [
            point
            for known in self._known.values()
            for part in known.parts.values()
            for point in part
        ]
        others = {point.point for point in points if not _is_sample(point)}
        found = {point.point: point for point in points if point.point not in others}
        return list(found.values())


def _is_sample(point: BornPoint) -> bool:
    measured = point.unit != "" or point.type.startswith("float")
    return point.kind == "telemetry" and point.type != "bool" and measured
