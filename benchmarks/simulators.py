"""The simulators: 500 units of every kind, served by one process at real time; what it costs.

    python -m benchmarks.simulators [--short | --smoke] [--json FILE]

The whole program (physics, registers, record, servers) is a process of its own. A second one reads
every block the edge would plan of every unit once a second, one request after the other on each
bus, and measures how long each answer takes. Meanwhile the mains of every tower fails and comes
back, so that generators, UPSs and lifts have something to do.
"""

import argparse
import asyncio
import json
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import psutil

from adapters.system_clock import SystemClock
from benchmarks import big_site
from edge.plan import blocks
from ops.bench.figure import Figure, percentile
from simulators.building import Building
from simulators.extras import Extras
from simulators.main import until_stopped
from simulators.scenarios.script import Player
from simulators.scenarios.stage import Request, Stage
from tests import parts
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings
from watchkeeper.site import Plant

UNITS: Final = 500
BUSES: Final = 10
WARM_S: Final = 2.0
TIME_OUT_S: Final = 0.3
_ASK = struct.Struct(">HHHBBHH")


def measure(_: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the share of a core and how long answers took."""
    seconds = 3.0 if options.smoke else 10.0 if options.short else 40.0
    first = parts.free_ports(BUSES)
    ports = list(range(first, first + BUSES))
    process = get_context("spawn").Process(target=simulate, args=(ports, seconds))
    process.start()
    try:
        parts.until(lambda: parts.listens(ports[-1]), "no simulators", 60)
        found = asyncio.run(_polled(ports, seconds, psutil.Process(process.pid)))
    finally:
        process.terminate()
        process.join(10)
    return list(_figures(*found))


def simulate(ports: list[int], seconds: float) -> None:
    """Run the program until SIGTERM, with outages in the time that is measured."""
    clock = SystemClock()

    def now_ms() -> int:
        return unix_ms(clock.now())

    building = Building(big_site.plant(UNITS, ports), seed=1, start_ms=now_ms(), extras=Extras())
    player = Player(Stage(building), Path())
    span = seconds / 3 * 1000
    for meter in building.supply.incoming:
        for at, clear in ((span, False), (2 * span, True)):
            player.later(Request("outage", meter, clear=clear), now_ms() + at)
    asyncio.run(until_stopped(player, None, None, None, now_ms))


async def _polled(
    ports: list[int], seconds: float, process: psutil.Process
) -> tuple[list[float], int, float, float]:
    """Return the answer times in ms, the unanswered, the share of a core and MB."""
    plant = big_site.plant(UNITS, ports)
    lines = [_Line(plant, f"bus-{n}", port) for n, port in enumerate(ports)]
    works = [
        asyncio.create_task(line.poll(n / BUSES, seconds + WARM_S)) for n, line in enumerate(lines)
    ]
    await asyncio.sleep(WARM_S)
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    await asyncio.gather(*works)
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
    waits = [wait for line in lines for wait in line.waits]
    silent = sum(line.silent for line in lines)
    return waits, silent, share, process.memory_info().rss / 1e6


class _Line:
    """One bus and who polls it."""

    def __init__(self, plant: Plant, bus: str, port: int) -> None:
        self._port, self.waits = port, list[float]()
        self._sent: dict[int, float] = {}  # when, by number, of what nobody answered yet
        self._number, self._came = 0, asyncio.Event()
        self._asks = [
            (unit.unit, block.function, block.address, block.count)
            for unit in plant.units()
            if unit.bus == bus
            for block in blocks(plant.profiles[unit.profile].points,
                                plant.profiles[unit.profile].modbus)
        ]  # fmt: skip

    async def poll(self, after_s: float, seconds: float) -> None:
        """Ask all of it once a second; an answer that comes after its time-out counts as well."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        listening = asyncio.create_task(self._listen(reader))
        await asyncio.sleep(after_s)
        until, due = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < until:
            for ask in self._asks:
                self._number = (self._number + 1) % 65536
                self._came.clear()
                self._sent[self._number] = time.perf_counter()
                writer.write(_ASK.pack(self._number, 0, 6, *ask))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._came.wait(), TIME_OUT_S)
            due = max(due + 1.0, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
        await asyncio.sleep(TIME_OUT_S)
        listening.cancel()
        writer.close()

    @property
    def silent(self) -> int:
        """Return how many requests were never answered."""
        return len(self._sent)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            head = await reader.readexactly(7)
            await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
            number = int.from_bytes(head[:2], "big")
            self.waits.append(1000 * (time.perf_counter() - self._sent.pop(number)))
            if number == self._number:
                self._came.set()


def _figures(waits: list[float], silent: int, share: float, rss_mb: float) -> Iterator[Figure]:
    load = (
        f"{UNITS} units of {len(set(big_site.KINDS))} kinds on {BUSES} buses, "
        f"{len(waits):,} answers, {silent:,} none (no power), {rss_mb:.0f} MB"
    )
    yield Figure("simulators.core_share_500", share, "cores", 0.7, "<", load)
    p99 = percentile(waits, 0.99)
    yield Figure("simulators.answer_ms_p99", p99, "ms", 50, "<", load)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="15 s")
    parser.add_argument("--smoke", action="store_true", help="8 s: it runs")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    figures = measure(Settings(), options)
    for figure in figures:
        mark = "ok  " if figure.ok else "MISS"
        bar = "-" if figure.bar is None else f"{figure.relation} {figure.bar:g}"
        print(f"{mark} {figure.name:30} {figure.value:>12,.3f} {figure.unit}  {bar}  {figure.load}")
    if options.json is not None:
        rows = [figure.row() for figure in figures]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
