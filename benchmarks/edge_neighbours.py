"""Devices with addresses of their own, some of them dead; and which polls of the others came late.

Each device is an address of loopback, 127.0.1.1 and on, all on one port. The dead ones are spread
among the living: half of them refuse the connection, half accept it and never answer.
"""

import asyncio
import multiprocessing
import signal
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias, cast

import uvloop
from typing_extensions import override

from benchmarks import edge_parts
from benchmarks.edge_parts import BUS, CLOCK, PROFILE, SITE, UNIT, Device, Job, prepared
from watchkeeper import site

DEVICES: Final = 200
DEAD: Final = 10
LATE: Final = 1.5  # periods from poll to poll
_REFUSING: Final = frozenset(range(0, DEVICES, 2 * DEVICES // DEAD))
_MUTE: Final = frozenset(range(DEVICES // DEAD, DEVICES, 2 * DEVICES // DEAD))

Polls: TypeAlias = dict[str, list[float]]  # address -> ticks at which it was asked


def address(device: int) -> str:
    """Return the address of a device."""
    return f"127.0.1.{1 + device}"


def living() -> list[str]:
    """Return the addresses of those that answer."""
    return [address(n) for n in range(DEVICES) if n not in _REFUSING | _MUTE]


def plant_of(job: Job) -> site.Plant:
    """Return a site of all of them, each on a bus of its own."""
    folder = Path(job.folder)
    (folder / "bench.yaml").write_text(PROFILE, "utf-8")
    bus = BUS.replace("127.0.0.1", "{host}")
    buses = ", ".join(bus.format(n=n, host=address(n), port=job.modbus) for n in range(DEVICES))
    units = ", ".join(UNIT.format(n=n, bus=n, unit=1) for n in range(DEVICES))
    (folder / "site.yaml").write_text(SITE.format(buses=buses, units=units), "utf-8")
    return site.load(folder / "site.yaml", folder)


class _Counted(Device):
    """A device that notes when it was asked."""

    def __init__(self, answers: list[bytes], polls: Polls) -> None:
        super().__init__(answers)
        self._polls = polls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._asked = self._polls[transport.get_extra_info("sockname")[0]]

    @override
    def data_received(self, data: bytes) -> None:
        self._asked.append(CLOCK.tick())
        super().data_received(data)


def serve(job: Job, out: "multiprocessing.Queue[Polls]") -> None:
    """Be all devices until SIGTERM; put when each was asked."""
    answers, polls = prepared(job.change), cast("Polls", defaultdict(list))

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)

        async def listen(made: Callable[[], asyncio.Protocol], hosts: Sequence[str]) -> None:
            for host in hosts:
                await loop.create_server(made, host, job.modbus)

        await listen(asyncio.Protocol, [address(n) for n in sorted(_MUTE)])
        await listen(lambda: _Counted(answers, polls), living())
        await listen(asyncio.Protocol, ["127.0.0.1"])  # says that all are there
        await stop.wait()
        out.put(dict(polls))

    uvloop.run(main())


def run(seconds: float, period_s: float) -> dict[str, float]:
    """Poll them; return what the edge counted, and `cycles` and `late` ones of the living."""
    out: multiprocessing.Queue[Polls] = multiprocessing.get_context("spawn").Queue()
    job = Job("", 0, 0, DEVICES, 0.2, period_s, seconds, warm_s=min(seconds, 2.0))
    figures = edge_parts.run(
        job, partial(edge_parts.run_edge, plant=plant_of), partial(serve, out=out)
    )
    polls, (began, ended) = out.get(timeout=10), (figures["began"], figures["ended"])
    return {
        **figures,
        "cycles": (ended - began) / period_s * (DEVICES - DEAD),
        "late": float(sum(late(polls.get(each, []), began, ended, period_s) for each in living())),
    }


def late(ticks: Sequence[float], began: float, ended: float, period_s: float) -> int:
    """Return how many cycles of a device between two instants came late, or not at all. Pure."""
    inside = [tick for tick in ticks if began - period_s <= tick <= ended]
    ends = [*inside, ended] if inside else [began, ended]
    gaps = (after - before for before, after in pairwise(ends))
    return sum(round(gap / period_s) for gap in gaps if gap > LATE * period_s)
