"""Which buses are silent: no unit of them answers, though their edge is there.

One alarm says so; the silence of each unit is explained by it (server/dependencies.py).
"""

from collections.abc import Callable

import numpy as np

from server.latest import Latest
from watchkeeper.ids import PointId
from watchkeeper.site import Plant

BUS_SILENT = "bus-silent"  # the rule of the catalog
ALONE = 1  # the silence of a bus with one unit is that of the unit

Signal = Callable[[str, PointId, bool | None], None]  # rule, point, is it so


class Buses:
    """Looked at by the sweep."""

    def __init__(self, plant: Plant, latest: Latest, signal: Signal) -> None:
        """`signal` tells the alarms that something is so, or no longer so."""
        self._latest, self._signal = latest, signal
        slots: dict[tuple[str, str], dict[str, list[int]]] = {}
        for edge in plant.site.edges:
            for item in plant.points(edge):
                bus = slots.setdefault((edge.id, item.unit.bus), {})
                bus.setdefault(item.unit.id, []).append(latest.index[item.id])
        self._buses = [
            _Bus(PointId(f"{edge}/{bus}"), list(units.values()))
            for (edge, bus), units in slots.items()
            if len(units) > ALONE
        ]

    def look(self) -> None:
        """Judge every bus by how long its units were silent when the edge was heard last."""
        for bus in self._buses:
            silent = bus.silent(self._latest)
            if silent is not None and silent != bus.told:
                bus.told = silent
                self._signal(BUS_SILENT, bus.point, silent)


class _Bus:
    """The points of a bus, unit by unit."""

    def __init__(self, point: PointId, units: list[list[int]]) -> None:
        self.point = point
        self.told: bool | None = None  # None: nothing yet since we started
        self._slots = np.array([slot for unit in units for slot in unit], np.intp)
        self._starts = np.cumsum([0, *(len(unit) for unit in units[:-1])])

    def silent(self, latest: Latest) -> bool | None:
        """Return whether every unit has been silent for longer than it may; None: unknown."""
        silence = latest.silence_s(self._slots)
        if np.isnan(silence).any():
            return None  # the edge is lost
        shortest = np.minimum.reduceat(silence, self._starts)
        allowed = np.minimum.reduceat(latest.patience[self._slots] / 1000, self._starts)
        return bool((shortest > allowed).all())
