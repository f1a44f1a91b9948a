"""The buses of the fault benchmark: real pollers, a proxy and a bad device each, and who checks.

Every block of registers says whose it is, where it stands, how many questions came before, and
when it was asked for; so a value of another unit, of another block, or of an earlier question is
told from the right one.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Final

from typing_extensions import override

from adapters.system_clock import SystemClock
from edge.channel import Out
from edge.drivers.modbus import Line, Request
from edge.poll import Poller
from simulators.bad_bus import KINDS, BadBus, Framing, Trouble
from simulators.fault_proxy import FaultProxy, Mode
from simulators.faults import Faults
from watchkeeper.batch import Floats, Marks, Series
from watchkeeper.documents import Text
from watchkeeper.profile import Modbus, Point, Profile, Rate
from watchkeeper.quality import FIRST_BAD
from watchkeeper.site import ModbusRtuTcp, ModbusTcp, Unit
from watchkeeper.wire import Event

CLOCK = SystemClock()
CYCLE_S: Final = 1.0  # the product's own: the rests of edge/poll.py are real seconds, too
PERIODS: Final[dict[Rate, float]] = dict.fromkeys(("life_safety", "normal", "slow"), CYCLE_S)
TIMEOUT_S: Final = 0.15
FIRST_CALM_S: Final = 1.5
CALM_S: Final = 1.5  # at least, from the last recovered unit to the next burst
LONGEST_BURST_S: Final = 1.8  # two rests of edge/poll.py; after a third one a unit counts as dead
GIVEN_UP_S: Final = 20.0
DEAD: Final = 200  # a unit that never answers, on every bus
FIELDS: Final = ("unit", "address", "sequence", "asked")
LAYOUT: Final = struct.Struct(">HHII")
BLOCK: Final = LAYOUT.size // 2  # registers
# Modbus TCP has two equal blocks a unit. RTU has one: it could not tell two equal ones apart.
UNITS: Final[dict[Framing, int]] = {"tcp": 12, "rtu": 20}
ADDRESSES: Final[dict[Framing, tuple[int, ...]]] = {"tcp": (0, 100), "rtu": (0,)}


_NONE: Final = Trouble()
_GOOD: Final = Faults()


@dataclass(frozen=True, slots=True)
class Burst:
    """What goes wrong for a while."""

    name: str
    trouble: Trouble = _NONE
    mode: Mode = "forward"
    faults: Faults = _GOOD


def bursts(framing: Framing) -> list[Burst]:
    """Return each fault alone, and all of them together."""
    kinds = KINDS[framing]
    mixed = Faults(
        delay_s=0.02, jitter_s=0.05, loss=0.05, reset=0.05, cut_mid=0.05, throttle_bps=19_200
    )
    return [
        *(Burst(kind, Trouble(1.0, (kind,))) for kind in kinds),
        Burst("any answer", Trouble(0.5, kinds)),
        Burst("any answer on a bad line", Trouble(0.3, kinds), faults=mixed),
        Burst("line cut", mode="cut"),
        Burst("line stalled", mode="stall"),
        Burst("line delayed", faults=Faults(delay_s=0.02, jitter_s=0.2)),
        Burst("bytes lost", faults=Faults(loss=0.5)),
        Burst("half-open", faults=Faults(half_open=True)),
        Burst("line reset", faults=Faults(reset=0.5)),
        Burst("line throttled", faults=Faults(throttle_bps=2_400)),
        Burst("cut in the middle", faults=Faults(cut_mid=0.5)),
        # Modbus TCP has no checksum: there nobody could tell.
        *([Burst("bits flipped", faults=Faults(flip=0.5))] if framing == "rtu" else []),
    ]


def wrong(
    key: tuple[int, int], shown: Sequence[float], issued: int, taken: float, asked_ms: int
) -> str:
    """Say what is wrong with what is shown of a block; nothing where nothing is.

    Args:
        key: Unit and address.
        shown: What its points show, as FIELDS.
        issued: How often the device was asked for it.
        taken: The sequence number of the last right answer.
        asked_ms: When the question under way was asked.
    """
    sequence, answered_ms = shown[2:]
    why = ""
    if tuple(shown[:2]) != key:
        why = "of another"
    elif sequence != issued:
        why = "not the newest"
    elif sequence <= taken:
        why = "seen before"
    elif answered_ms < asked_ms:
        why = "of an earlier question"
    return why


@dataclass(slots=True)
class Checker(Out):
    """Holds what is published against what was asked; aliases count fields, blocks and units."""

    blocks: Sequence[tuple[int, int]]  # (unit, address), in the order of their aliases
    started: float = field(default_factory=CLOCK.tick)
    asked_at: float = 0.0  # when the question under way was asked
    during: str = "calm"
    wrong: list[str] = field(default_factory=list)
    values: int = 0
    good_at: dict[tuple[int, int], float] = field(default_factory=dict)  # last good answer
    _issued: Counter[tuple[int, int]] = field(default_factory=Counter)
    _shown: dict[int, float] = field(default_factory=dict)
    _taken: dict[tuple[int, int], float] = field(default_factory=dict)

    def registers(self, unit: int, address: int, _count: int) -> bytes | None:
        """Be the registers of the bus."""
        if unit == DEAD:
            return None
        self._issued[unit, address] += 1
        return LAYOUT.pack(unit, address, self._issued[unit, address], self._ms(CLOCK.tick()))

    @override
    def readings(self, at: int, aliases: Series, values: Floats, quality: Marks) -> None:
        good = quality < FIRST_BAD
        touched = set()
        for alias, value in zip(aliases[good].tolist(), values[good].tolist(), strict=True):
            self._shown[alias] = value
            touched.add(alias // len(FIELDS))
            self.values += 1
        for block in touched:
            self._check(block)

    def _check(self, block: int) -> None:
        key, first = self.blocks[block], block * len(FIELDS)
        shown = [self._shown.get(first + n, 0.0) for n in range(len(FIELDS))]
        issued, taken = self._issued[key], self._taken.get(key, 0.0)
        why = wrong(key, shown, issued, taken, self._ms(self.asked_at))
        if why:
            self.wrong.append(f"{key} {why}: {shown}, asked {issued} times, during {self.during}")
        else:
            self.good_at[key], self._taken[key] = CLOCK.tick(), shown[2]

    @override
    def events(self, events: Sequence[Event]) -> None:
        """Nothing here is one."""

    def _ms(self, tick: float) -> int:
        return int((tick - self.started) * 1000)


@dataclass(slots=True)
class Told:
    """What one bus has been through."""

    transactions: int = 0
    values: int = 0
    wrong: list[str] = field(default_factory=list)
    cycles: list[tuple[float, str]] = field(default_factory=list)  # worst recovery of each burst
    answers: Counter[str] = field(default_factory=Counter)  # by what was wrong with them


class BusRun:
    """One bus: device, proxy, poller, checker."""

    def __init__(self, framing: Framing, seed: str, share: Sequence[Burst]) -> None:
        """Take what goes wrong on this bus at least; later everything does, in a seeded order."""
        self._framing: Framing = framing
        # One for each, so that the bursts are the same ones however fast this machine is.
        self._chance, of_device, self._of_line = (
            Random(f"{seed}:{what}")  # noqa: S311 - a simulation, not a secret
            for what in ("bursts", "device", "line")
        )
        self._share, self._all = list(share), bursts(framing)
        self._chance.shuffle(self._all)
        units = range(1, UNITS[framing] + 1)
        self._blocks = [(unit, address) for unit in units for address in ADDRESSES[framing]]
        self.checker = Checker(self._blocks)
        self._device = BadBus(framing, self.checker.registers, of_device)
        self._line: StampedLine | None = None
        self.told = Told()

    @property
    def transactions(self) -> int:
        """Return how often something was asked."""
        return self._line.asked if self._line else 0

    async def run(self, enough: asyncio.Event) -> Told:
        """Poll, break, let recover, again, until there is enough; at least this bus's share."""
        await self._device.listen()
        proxy = FaultProxy("127.0.0.1", self._device.port, self._of_line)
        await proxy.listen()
        line = self._line = StampedLine(self._framing, proxy.port, self.checker)
        polling = asyncio.create_task(self._poller(line).run())
        try:
            await asyncio.sleep(FIRST_CALM_S + self._chance.random())
            for burst in self._share:
                await self._burst(burst, proxy)
            for burst in cycle(self._all):
                if enough.is_set():
                    break
                await self._burst(burst, proxy)
        finally:
            polling.cancel()
            await asyncio.wait([polling])
            await proxy.close()
            await self._device.close()
        self.told.transactions, self.told.values = line.asked, self.checker.values
        self.told.wrong, self.told.answers = self.checker.wrong, self._device.done
        return self.told

    async def _burst(self, burst: Burst, proxy: FaultProxy) -> None:
        """Break, mend, and note how many cycles the last live unit took to be good again."""
        self.checker.during = burst.name
        self._device.trouble = burst.trouble
        proxy.switch(burst.mode, burst.faults)
        await asyncio.sleep(self._chance.uniform(0.2, LONGEST_BURST_S))
        self._device.trouble = _NONE
        proxy.switch("forward")
        end, good_at = CLOCK.tick(), self.checker.good_at
        while (  # noqa: ASYNC110 - the pollers know nothing of us
            min(good_at.get(key, 0.0) for key in self._blocks) <= end
            and CLOCK.tick() - end < GIVEN_UP_S
        ):
            await asyncio.sleep(0.01)
        recovered = max(
            at if at > end else end + GIVEN_UP_S
            for at in (good_at.get(key, 0.0) for key in self._blocks)
        )
        self.told.cycles.append(((recovered - end) / CYCLE_S, burst.name))
        self.checker.during = f"calm after {burst.name}"
        await asyncio.sleep(CALM_S)

    def _poller(self, line: Line) -> Poller:
        poller = Poller(line, CLOCK, self.checker, lambda *_: "", periods_s=PERIODS)
        addresses = ADDRESSES[self._framing]
        each = len(addresses) * len(FIELDS)
        for unit in (*range(1, UNITS[self._framing] + 1), DEAD):
            first = (unit - 1) * each
            named = Unit(f"unit-{unit}", "bad-bus", "bus", unit, "house")
            poller.add(named, profile(addresses), range(first, first + each))
        return poller


class StampedLine(Line):
    """The edge's line, which also tells the checker when it asks, and counts."""

    def __init__(self, framing: Framing, port: int, checker: Checker) -> None:
        where = ModbusTcp if framing == "tcp" else ModbusRtuTcp
        super().__init__(where("127.0.0.1", port))
        self._checker, self.asked = checker, 0

    @override
    async def read(self, asked: Request) -> bytes:
        self._checker.asked_at, self.asked = CLOCK.tick(), self.asked + 1
        return await super().read(asked)


def profile(addresses: Sequence[int]) -> Profile:
    """Return what every unit is: its blocks, one after the other."""
    points = [
        Point(f"{name}-{address}", Text("", ""), address + offset, kind)  # type: ignore[arg-type]
        for address in addresses
        for name, offset, kind in zip(
            FIELDS, (0, 1, 2, 4), ("uint16", "uint16", "uint32", "uint32"), strict=True
        )
    ]
    modbus = Modbus(function=3, timeout_s=TIMEOUT_S)
    return Profile("bad-bus", Text("", ""), "electricity_meter", "benchmark", points, modbus)


async def run_buses(tcp: int, rtu: int, transactions: int, seed: int) -> list[Told]:
    """Run so many buses of each kind until they have asked so often together."""
    enough = asyncio.Event()
    kinds: tuple[tuple[Framing, int], ...] = (("tcp", tcp), ("rtu", rtu))
    buses = [
        BusRun(framing, f"{seed}:{framing}:{n}", bursts(framing)[n::count])
        for framing, count in kinds
        for n in range(count)
    ]

    async def watch() -> None:
        while sum(bus.transactions for bus in buses) < transactions:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        enough.set()

    watching = asyncio.create_task(watch())
    try:
        return list(await asyncio.gather(*(bus.run(enough) for bus in buses)))
    finally:
        watching.cancel()
