"""Who has power: the utility at each incoming meter, the generator behind its boards, the UPS.

The boards of lifts and pumps are emergency boards: a transfer switch gives them to the generator
when it carries the load. The meters' own electronics, the sumps' contacts and the room sensors hang
on the UPS; lift controllers and drives do not. A fire panel, a lift's monitoring board and a water
meter have batteries of their own.
"""

from collections.abc import Iterator, Mapping, Sequence

from simulators.books import Books
from simulators.devices.generator import Generator
from simulators.devices.ups import Ups
from watchkeeper.site import Unit

EMERGENCY = ("lifts", "pumps")  # how the ids of emergency boards begin
ON_MAINS_V = 222.0


class Supply:
    """The state of the supply; `settle` is cheap while nothing changes."""

    def __init__(
        self,
        units: Sequence[Unit],
        meters: Sequence[Unit],
        books: Books,
        generators: Mapping[str, Generator],
        upses: Mapping[str, Ups],
    ) -> None:
        self._books, self._generators, self._upses = books, generators, upses
        self._meters = dict.fromkeys(meter.id for meter in meters)  # a set with an order
        self._feeder = {fed: meter.id for meter in meters for fed in meter.feeds}
        self._part_of = {unit.id: unit.part_of for unit in units if unit.part_of}
        self.incoming = [
            meter for meter in self._meters if self._feeder.get(meter) not in self._meters
        ]
        self.boards = [meter for meter in self._meters if meter.startswith(EMERGENCY)]
        open_ = {unit for unit, spans in books.dark.items() if spans[-1].end_ms is None}
        self.failed = {meter for meter in self.incoming if meter in open_}
        self._settled: object = None

    def settle(self, at_ms: int) -> bool:
        """Follow what changed since the last time; return whether anything did."""
        carried = any(each.carries for each in self._generators.values())
        state = (frozenset(self.failed), carried, self.buffered)
        if state == self._settled:
            return False
        self._settled = state
        self._books.darken([meter for meter in self._meters if not self.powered(meter)], at_ms)
        sensed = self.boards or self.incoming
        for generator in self._generators.values():
            generator.mains = not any(self._root(board) in self.failed for board in sensed)
        for name, ups in self._upses.items():
            ups.input_v = ON_MAINS_V if self.powered(name) else 0.0
        return True

    @property
    def buffered(self) -> bool:
        """Return whether what hangs on the UPS lives, where there is one."""
        return any(ups.output for ups in self._upses.values())

    def powered(self, unit: str) -> bool:
        """Return whether there is voltage at a unit: of its feeder; anywhere, if it has none."""
        if unit in self._part_of:
            return self.powered(self._part_of[unit])
        carried = any(each.carries for each in self._generators.values())
        path = list(self._path(unit))
        if not path:
            return carried or not self.incoming or self.failed != set(self.incoming)
        emergency = any(each in self.boards for each in path)
        return path[-1] not in self.failed or (carried and emergency)

    def electronics(self, unit: str) -> bool:
        """Return whether a unit that the UPS buffers can answer."""
        return self.buffered or self.powered(unit)

    def carried(self) -> list[str]:
        """Return the boards the generator feeds now."""
        if not any(each.carries for each in self._generators.values()):
            return []
        return [board for board in self.boards if self._root(board) in self.failed]

    def _path(self, unit: str) -> Iterator[str]:
        """Yield the meters from the unit up to the incoming one."""
        at: str | None = unit if unit in self._meters else self._feeder.get(unit)
        while at is not None:
            yield at
            at = self._feeder.get(at)

    def _root(self, meter: str) -> str:
        return list(self._path(meter))[-1]
