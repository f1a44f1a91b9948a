"""How the edge is: processor, memory, journals and buses, for its state and for Prometheus."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from typing_extensions import override

from edge.drivers.modbus import Line, NoAnswer, Refused, Request, Where
from edge.journal import Full
from edge.keep import Keeper
from watchkeeper.clock import Clock, unix_ms

LANES: Final = ("event", "data")
ASKING_S: Final = 5.0  # who asks for the metrics gets this long for its request
LONGEST: Final = 8192  # bytes of a request


class Metered(Line):
    """A line that counts for how long it was asked, and what went wrong, by unit number."""

    def __init__(self, where: Where, clock: Clock) -> None:
        """Name the bus and the clock."""
        super().__init__(where)
        self._clock = clock
        self.busy_s = 0.0
        self.errors: Counter[int] = Counter()

    @override
    async def read(self, asked: Request) -> bytes:
        began = self._clock.tick()
        try:
            return await super().read(asked)
        except (NoAnswer, Refused):
            self.errors[asked.unit] += 1
            raise
        finally:
            self.busy_s += self._clock.tick() - began


@dataclass(slots=True)
class Bus:
    """A bus, its line and the units on it."""

    line: Metered
    units: dict[int, str] = field(default_factory=dict)  # number -> id
    busy_s: float = 0.0  # when it was looked at last
    load: float = 0.0  # share of the time it is asked, 0 to 1


class Health:
    """Looks now and then, so that telling costs nothing."""

    def __init__(
        self, keepers: Sequence[Keeper], clock: Clock, used: Callable[[], tuple[float, float]]
    ) -> None:
        """Prepare.

        Args:
            keepers: Of events and of data.
            clock: The clock.
            used: Gives seconds of processor time since the start, and bytes of memory now.
        """
        self._keepers, self._clock, self._used = keepers, clock, used
        self.buses: dict[str, Bus] = {}
        self._sizes = [(0, 0) for _ in keepers]
        self._looked = clock.tick()
        self._cpu_s, self._cpu, self._memory = used()[0], 0.0, 0.0

    async def look(self) -> None:
        """Measure."""
        now = self._clock.tick()
        passed, self._looked = max(now - self._looked, 1e-3), now
        cpu_s, self._memory = self._used()
        self._cpu, self._cpu_s = (cpu_s - self._cpu_s) / passed, cpu_s
        for bus in self.buses.values():
            bus.load, bus.busy_s = (bus.line.busy_s - bus.busy_s) / passed, bus.line.busy_s
        with suppress(Full):  # a disk that cannot be read: as large as before
            self._sizes = [await each.call(each.journal.size) for each in self._keepers]

    def values(self) -> dict[str, float]:
        """Return what was measured; `errors/x` is about unit x, `bus_load/x` about bus x."""
        now = unix_ms(self._clock.now())
        found = {"cpu_share": round(self._cpu, 3), "memory_bytes": self._memory}
        for lane, (size, oldest) in zip(LANES, self._sizes, strict=True):
            found[f"{lane}_journal_bytes"] = float(size)
            found[f"{lane}_journal_age_s"] = max(now - oldest, 0) / 1000 if oldest else 0.0
        for name, bus in self.buses.items():
            found[f"bus_load/{name}"] = round(bus.load, 3)
            for number, count in bus.line.errors.items():
                found[f"errors/{bus.units.get(number, str(number))}"] = float(count)
        return found


def exposed(health: Mapping[str, float], ages: Mapping[str, float]) -> str:
    """Return it all as Prometheus reads it. Pure."""
    families: dict[str, list[str]] = {}
    named = {**health, **{f"unit_age_s/{unit}": age for unit, age in ages.items()}}
    for key, value in named.items():
        name, _, of = key.partition("/")
        name = "watchkeeper_edge_" + re.sub(r"[^a-zA-Z0-9_]", "_", name)
        label = f'{{of="{of}"}}' if of else ""
        families.setdefault(name, []).append(f"{name}{label} {value:.15g}\n")
    return "".join(
        f"# TYPE {name} gauge\n{''.join(lines)}" for name, lines in sorted(families.items())
    )


async def serve(text: Callable[[], str], port: int) -> asyncio.Server:
    """Answer GET /metrics on this machine's loopback; everything else is not found."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASKING_S):
                asked = await reader.readuntil(b"\r\n\r\n")
                there = asked.split(b" ")[:2] == [b"GET", b"/metrics"]
                body = text().encode() if there else b""
                writer.write(
                    b"HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
                    b"Content-Length: %d\r\nConnection: close\r\n\r\n"
                    % (b"200 OK" if there else b"404 Not Found", len(body))
                    + body
                )
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who asks badly is not answered
        finally:
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port, limit=LONGEST)
