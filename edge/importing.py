"""History into a running edge: readings of the past enter its data journal as backlog.

For simulated pasts and for meters that kept a load profile of their own. Another process may do
this while the edge runs: the publisher finds the new rows by itself within a second.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

import msgspec
import numpy as np

from edge.collect import FINER
from edge.decode import Decoder
from edge.journal import Journal
from edge.judge import Judge
from edge.plan import Block
from edge.rows import data_rows, rounded
from watchkeeper import site, wire
from watchkeeper.batch import Batch
from watchkeeper.profile import Modbus, Point
from watchkeeper.settings import Settings
from watchkeeper.site import Edge, Plant, at_primary, transformed

STEPS: Final = 96  # instants decoded at once
Words: TypeAlias = Mapping[tuple[int, int], Sequence[int]]  # (function, first address) -> registers
Instant: TypeAlias = tuple[int, Mapping[str, Words]]  # Unix ms, unit -> its registers


def import_history(
    settings: Settings,
    edge: str,
    instants: Iterable[Instant],
    *,
    new_id: Callable[[], str] = lambda: secrets.token_hex(4),
) -> int:
    """Write the counters and active powers of these instants into an edge's journal.

    Args:
        settings: Site, catalog and data folder.
        edge: Whose devices they are; units it does not have are left out.
        instants: Ascending in time.
        new_id: Names the journal, when the edge never ran.

    Returns:
        How many readings were written.
    """
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    importer = Importer(plant, plant.edge(edge))
    path = settings.data / "edge" / edge / "data.db"
    journal = Journal(path, new_id, may_shed=True)
    journal.keep_birth(importer.birth, msgspec.json.encode(importer.points))
    count, steps = 0, iter(instants)
    try:
        while part := list(islice(steps, STEPS)):
            batch = importer.batch(part)
            journal.commit(list(data_rows(batch, importer.birth, mode="back", synchronised=True)))
            count += len(batch)
    finally:
        journal.close()
    return count


def is_wanted(point: Point) -> bool:
    """Return whether a point's past is worth importing: what energy and its curves are made of.

    Not where a register of the device scales it: nobody knows what that one held then.
    """
    return (point.kind == "counter" or point.id == "active_power") and not point.factors


class _Run:
    """Consecutive registers of a unit, over several instants at once."""

    def __init__(
        self,
        points: Sequence[Point],
        aliases: Sequence[int],
        width: int,
        modbus: Modbus,
        ratios: Sequence[float],
    ) -> None:
        """Take points whose addresses count from the first register of the run."""
        self._points, self._aliases, self._width = points, np.array(aliases, np.uint32), width
        self._modbus, self._ratios = modbus, ratios
        self._made: dict[int, tuple[Decoder, Judge]] = {}  # by how many instants

    def __call__(self, at: Sequence[int], words: Sequence[Sequence[int]]) -> Batch:
        """Return the readings of instants; `words` has a row of registers for each."""
        decode, judge = self._made.get(len(at)) or self._make(len(at))
        values = decode(np.array(words, ">u2").tobytes())
        quality = judge(values)
        return Batch(
            np.tile(self._aliases, len(at)),
            np.repeat(np.array(at, np.int64), len(self._aliases)),
            values,
            quality,
        )

    def _make(self, count: int) -> tuple[Decoder, Judge]:
        """Return what decodes so many instants as if they were one long block."""
        points = [
            msgspec.structs.replace(point, address=point.address + n * self._width)
            for n in range(count)
            for point in self._points
        ]
        block = Block("slow", 3, 0, count * self._width, tuple(range(len(points))))
        made = (Decoder(block, points, self._modbus, list(self._ratios) * count), Judge(points))
        self._made[count] = made
        return made


class Importer:
    """Decodes and judges as the edge does."""

    def __init__(self, plant: Plant, edge: Edge) -> None:
        """Prepare for the units of an edge."""
        self._plant = plant
        self.points = site.born(plant.points(edge))
        self.birth = wire.birth_hash(self.points)
        self._steps = 10.0 ** np.array([each.point.decimals + FINER for each in plant.points(edge)])
        self._units = {unit.id: unit for unit in edge.units}
        self._first: dict[str, int] = {}
        number = 0
        for unit in edge.units:
            self._first[unit.id] = number
            number += len(plant.profiles[unit.profile].points)
        self._runs: dict[tuple[str, tuple[int, int], int], _Run | None] = {}

    def batch(self, instants: Sequence[Instant]) -> Batch:
        """Return the readings of some instants, ascending in time."""
        batch = Batch.joined(list(self._parts(instants)))
        batch = batch.take(np.argsort(batch.at, kind="stable"))
        return Batch(
            batch.series, batch.at, rounded(batch.value, self._steps[batch.series]), batch.quality
        )

    def _parts(self, instants: Sequence[Instant]) -> Iterator[Batch]:
        gathered: dict[tuple[str, tuple[int, int], int], tuple[list[int], list[Sequence[int]]]] = {}
        for at, units in instants:
            for unit, words in units.items():
                for start, registers in words.items():
                    key = (unit, start, len(registers))
                    times, rows = gathered.setdefault(key, ([], []))
                    times.append(at)
                    rows.append(registers)
        for key, (times, rows) in gathered.items():
            if key not in self._runs:
                self._runs[key] = self._run(*key)
            if (run := self._runs[key]) is not None:
                yield run(times, rows)

    def _run(self, unit_id: str, start: tuple[int, int], width: int) -> _Run | None:
        """Return what decodes this run; None: nothing in it is wanted."""
        unit = self._units.get(unit_id)
        if unit is None:
            return None
        profile, (function, first) = self._plant.profiles[unit.profile], start
        held = [
            (
                msgspec.structs.replace(at_primary(point, unit), address=point.address - first),
                number,
            )
            for number, point in enumerate(profile.points, self._first[unit_id])
            if is_wanted(point)
            and (point.function or profile.modbus.function) == function
            and first <= point.address
            and point.address + point.registers <= first + width
        ]
        if not held:
            return None
        points, aliases = zip(*held, strict=True)
        return _Run(
            points, aliases, width, profile.modbus, [transformed(each, unit) for each in points]
        )
