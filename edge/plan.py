"""Which registers to ask for together: a unit's points coalesced into few block reads. Pure.

And how long a read keeps a bus busy, so that one can say beforehand whether a bus keeps its rates.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from watchkeeper.profile import Modbus, Point, Rate
from watchkeeper.site import ModbusRtu, ModbusRtuTcp, ModbusTcp

BITS: Final = frozenset({1, 2})  # functions that read single bits: coils and discrete inputs
BITS_A_REGISTER: Final = 16
NOT_THERE: Final = frozenset({2, 3})  # Modbus exceptions that are about the registers asked for
PERIODS_S: Final[dict[Rate, float]] = {"life_safety": 0.25, "normal": 1.0, "slow": 15.0}

# An RTU frame has, beside its values: unit, function, length and two of the checksum; the request
# is eight characters. A device thinks for some milliseconds; over TCP the network takes its time.
_REQUEST: Final = 8
_AROUND: Final = 5
_DEVICE_S: Final = 0.005
_TCP_S: Final = 0.01  # an estimate: gateways take 5 to 50 ms
_FAST_BAUD: Final = 19200  # above it the silence between frames no longer shrinks
_FAST_GAP_S: Final = 0.00175
_BEHIND_TCP_BAUD: Final = 9600  # of a serial server nobody told us


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


def _rates(points: Sequence[Point]) -> list[Rate]:
    """Return the rate of each; what scales another point is read as often as that one."""
    rates = {point.id: rate_of(point) for point in points}
    for point in points:
        for name in point.factors:
            rates[name] = min(rates[name], rate_of(point), key=PERIODS_S.__getitem__)
    return [rates[point.id] for point in points]


def blocks(
    points: Sequence[Point],
    modbus: Modbus,
    *,
    without: Collection[int] = (),
    lost: Sequence[Block] = (),
    texts: bool = False,
) -> list[Block]:
    """Return the reads that cover all points with a number, and texts where they are wanted.

    No read is longer than the device allows (unless a single point is) and none crosses more
    unused registers than `max_hole`; points of different rate never share one.

    Args:
        points: Of one unit.
        modbus: How the device wants to be read.
        without: Positions that are left out.
        lost: What the device does not have: left out, and no read crosses it.
        texts: Whether text points are read.
    """
    left_out = {*without, *(position for block in lost for position in block.points)}
    groups: dict[tuple[Rate, int], list[int]] = defaultdict(list)
    for position, (point, rate) in enumerate(zip(points, _rates(points), strict=True)):
        if position not in left_out and (texts or point.type != "string"):
            groups[rate, point.function or modbus.function].append(position)
    return [
        Block(rate, function, *run)
        for (rate, function), members in groups.items()
        for run in _runs(
            [(points[each], each) for each in sorted(members, key=lambda n: points[n].address)],
            modbus,
            BITS_A_REGISTER if function in BITS else 1,
            [block for block in lost if block.function == function],
        )
    ]


def _runs(
    members: Sequence[tuple[Point, int]], modbus: Modbus, factor: int, lost: Sequence[Block]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return (address, count, positions) of each read of one function; members by address."""
    longest, hole = modbus.max_registers * factor, modbus.max_hole * factor
    runs: list[tuple[int, int, list[int]]] = []
    for point, position in members:
        start = point.address
        end = start + point.registers
        if runs:
            first, last, held = runs[-1]
            crossed = any(
                last < each.address + each.count and each.address < start for each in lost
            )
            if start - last <= hole and max(end, last) - first <= longest and not crossed:
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


def found(
    points: Sequence[Point], modbus: Modbus, function: int, address: int, count: int
) -> Block | None:
    """Return the block of exactly these registers that no halving parts; None: there is none."""
    inside = [
        position
        for position, point in enumerate(points)
        if (point.function or modbus.function) == function
        and address <= point.address
        and point.address + point.registers <= address + count
    ]
    others = set(range(len(points))) - set(inside)
    for block in blocks(points, modbus, without=others):
        if (block.address, block.count) == (address, count) and not halves(block, points):
            return block
    return None


def registers_of(block: Block, point: Point, data: bytes) -> bytes:
    """Return the registers of one point in an answer; a bit as a register that is 0 or 1."""
    offset = point.address - block.address
    if block.function in BITS:
        return bytes([0, data[offset // 8] >> offset % 8 & 1])
    return data[2 * offset : 2 * (offset + point.registers)]


def character_s(line: ModbusRtu | ModbusRtuTcp) -> float:
    """Return the seconds one character takes: start, eight data bits, parity, stop."""
    if isinstance(line, ModbusRtuTcp):
        return 10 / _BEHIND_TCP_BAUD
    return (9 + (line.parity != "N") + line.stop) / line.baud


def gap_s(line: ModbusRtu | ModbusRtuTcp) -> float:
    """Return the silence that must stand between two frames, 3.5 characters."""
    if isinstance(line, ModbusRtu) and line.baud > _FAST_BAUD:
        return _FAST_GAP_S
    return 3.5 * character_s(line)


def transmission_s(line: ModbusTcp | ModbusRtu | ModbusRtuTcp, size: int) -> float:
    """Return how long request and answer are on their way; `size` bytes of values."""
    if isinstance(line, ModbusTcp):
        return 0.0
    return (_REQUEST + _AROUND + size) * character_s(line)


def busy_s(line: ModbusTcp | ModbusRtu | ModbusRtuTcp, block: Block) -> float:
    """Return for how long a read keeps the bus busy; over TCP an estimate."""
    if isinstance(line, ModbusTcp):
        return _TCP_S
    network = _TCP_S if isinstance(line, ModbusRtuTcp) else 0.0
    return transmission_s(line, block.size) + 2 * gap_s(line) + _DEVICE_S + network
