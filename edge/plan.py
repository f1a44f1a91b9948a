"""Which registers to ask for together: a unit's points coalesced into few block reads. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from watchkeeper.profile import Modbus, Point, Rate

BITS: Final = frozenset({1, 2})  # functions that read single bits: coils and discrete inputs
BITS_A_REGISTER: Final = 16
PERIODS_S: Final[dict[Rate, float]] = {"life_safety": 0.25, "normal": 1.0, "slow": 15.0}


@dataclass(frozen=True, slots=True)
class Block:
    """One read request and the points its answer holds."""

    rate: Rate
    function: int
    address: int  # 0-based
    count: int  # registers, or bits for functions 1 and 2
    points: tuple[int, ...]  # positions in the list that was planned, by address

    @property
    def size(self) -> int:
        """Return how many bytes of values a right answer has."""
        return (self.count + 7) // 8 if self.function in BITS else 2 * self.count


def rate_of(point: Point) -> Rate:
    """Return how often a point is read: what its profile says, else by its class."""
    return point.rate or ("life_safety" if point.point_class == "life_safety" else "normal")


def blocks(points: Sequence[Point], modbus: Modbus) -> list[Block]:
    """Return the reads that cover all points with a number; text points are left out.

    No read is longer than the device allows (unless a single point is) and none crosses more
    unused registers than `max_hole`; points of different rate never share one.
    """
    groups: dict[tuple[Rate, int], list[int]] = defaultdict(list)
    for position, point in enumerate(points):
        if point.type != "string":
            groups[rate_of(point), point.function or modbus.function].append(position)
    return [
        Block(rate, function, *run)
        for (rate, function), members in groups.items()
        for run in _runs(points, members, modbus, BITS_A_REGISTER if function in BITS else 1)
    ]


def _runs(
    points: Sequence[Point], members: list[int], modbus: Modbus, factor: int
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return (address, count, positions) of each read of one function."""
    longest, hole = modbus.max_registers * factor, modbus.max_hole * factor
    runs: list[tuple[int, int, list[int]]] = []
    for position in sorted(members, key=lambda each: points[each].address):
        start = points[position].address
        end = start + points[position].registers
        if runs:
            first, last, held = runs[-1]
            if start - last <= hole and max(end, last) - first <= longest:
                runs[-1] = (first, max(end, last), [*held, position])
                continue
        runs.append((start, end, [position]))
    return [(first, last - first, tuple(held)) for first, last, held in runs]


def halves(block: Block, points: Sequence[Point]) -> list[Block]:
    """Return a refused block as two, cut at its widest hole, else in the middle; one point: none.

    So a register the device does not have is found by asking, and only its own points are lost.
    """
    ends = _reach(block, points)
    cuts = [
        (points[block.points[n]].address - ends[n - 1], min(n, len(ends) - n), n)
        for n in range(1, len(block.points))
        if points[block.points[n]].address >= ends[n - 1]
    ]
    if not cuts:
        return []
    _, _, cut = max(cuts)
    return [_part(block, points, block.points[:cut]), _part(block, points, block.points[cut:])]


def _reach(block: Block, points: Sequence[Point]) -> list[int]:
    """Return for each point the first register after it and all before it."""
    ends: list[int] = []
    for position in block.points:
        end = points[position].address + points[position].registers
        ends.append(max(end, ends[-1]) if ends else end)
    return ends


def _part(block: Block, points: Sequence[Point], held: tuple[int, ...]) -> Block:
    first = points[held[0]].address
    last = max(points[each].address + points[each].registers for each in held)
    return Block(block.rate, block.function, first, last - first, held)
