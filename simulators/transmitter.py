"""A user information transmission device: connects to the edge, tells what its panel says, beats.

It tells changes, and what persons do at the panel; the rest it answers when asked. What is not
confirmed it sends again, three times, then it hangs up and connects anew.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from simulators import gb26875
from simulators.building import Building
from simulators.devices.fire_panel import FirePanel

TICK_S = 0.05
TRIES = 3
CENTRE = bytes(6)
FIRST_DETECTOR = 0x0101  # loop 1, point 1
OPERATOR = 1  # who resets and mutes the panel
TANK_M = 2.85

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sent:
    """A frame that nobody confirmed yet."""

    data: bytes
    again_at: float  # loop time
    tries: int = 1


class Transmitter:
    """One device."""

    def __init__(
        self,
        panel: FirePanel,
        source: bytes,
        now: Callable[[], datetime],
        silent: Callable[[], bool] = lambda: False,
        *,
        beat_s: float = 10.0,
        answer_s: float = 10.0,
    ) -> None:
        """Prepare.

        Args:
            panel: What it transmits.
            source: Its address, six bytes.
            now: The right time, local.
            silent: Whether somebody pulled its plug: the line stays open, nothing comes.
            beat_s: Seconds between heartbeats.
            answer_s: Seconds it waits for a confirm.
        """
        self.panel, self._source, self._now, self._silent = panel, source, now, silent
        self._beat_s, self._answer_s = beat_s, answer_s
        self.guard: int | None = 1  # who answers a duty check; None: nobody
        self.denied = 0
        self._serial = -1
        self._sent: dict[int, _Sent] = {}
        self._told: dict[int, int] = {}  # code by address; 0: the panel
        self._told_operations = 0
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, host: str, port: int) -> None:
        """Stay connected until cancelled."""
        while True:
            if self._silent():
                await asyncio.sleep(TICK_S)
                continue
            try:
                reader, self._writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.5)
                continue
            try:
                await self._connected(reader)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                log.info("transmission device lost its line: %s", error)
            finally:
                self._writer.close()
                self._sent.clear()
            await asyncio.sleep(TICK_S)

    def send_raw(self, octets: bytes) -> None:
        """Write bytes that need not be a frame."""
        if self._writer is not None:
            self._writer.write(octets)

    def hang_up(self) -> None:
        """Drop the connection; it connects again by itself."""
        if self._writer is not None:
            self._writer.transport.abort()

    @property
    def clock_off(self) -> timedelta:
        """Return how wrong its clock is, which is the panel's."""
        return self.panel.clock_off

    @clock_off.setter
    def clock_off(self, off: timedelta) -> None:
        self.panel.clock_off = off

    def clock(self) -> datetime:
        """Return what the device's clock shows."""
        return self._now() + self.clock_off

    async def _connected(self, reader: asyncio.StreamReader) -> None:
        self._told, self._told_operations = self._codes(), len(self.panel.operations)
        self._send(gb26875.device_state(self.clock()))
        answers = asyncio.create_task(self._answer(reader))
        try:
            await self._tell(answers)
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)

    async def _tell(self, answers: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._beat_s
        while not answers.done():
            if not self._silent():
                for data in self._changes():
                    self._send(data)
                if loop.time() >= beat_at:
                    beat_at = loop.time() + self._beat_s
                    self._send(gb26875.HEARTBEAT)
                self._send_again(loop.time())
            await asyncio.sleep(TICK_S)
        answers.result()

    def _codes(self) -> dict[int, int]:
        detectors = enumerate(self.panel.detectors, FIRST_DETECTOR)
        return {**dict(detectors), 0: self._system()}

    def _system(self) -> int:
        """Return the panel's state, and above it which of its supplies failed."""
        return self.panel.state | self.panel.supply_faults << 8

    def _changes(self) -> Iterator[bytes]:
        codes, at = self._codes(), self.clock()
        done = self.panel.operations[self._told_operations :]
        self._told_operations += len(done)
        yield from (gb26875.operation(flags, OPERATOR, at) for flags in done)
        changed = [(a, code) for a, code in codes.items() if code != self._told.get(a)]
        yield from gb26875.component_states([each for each in changed if each[0]], at)
        if codes[0] != self._told.get(0):
            yield gb26875.system_state(codes[0], at)
        self._told = codes

    def _send(self, data: bytes) -> None:
        self._serial = (self._serial + 1) % 65536
        again = asyncio.get_running_loop().time() + self._answer_s
        self._sent[self._serial] = _Sent(data, again)
        self._write(self._serial, gb26875.SEND, data)

    def _send_again(self, tick: float) -> None:
        for serial, sent in list(self._sent.items()):
            if tick < sent.again_at:
                continue
            if sent.tries >= TRIES:
                raise TimeoutError("nobody confirms")
            sent.tries, sent.again_at = sent.tries + 1, tick + self._answer_s
            self._write(serial, gb26875.SEND, sent.data)

    def _write(self, serial: int, command: int, data: bytes = b"") -> None:
        self.send_raw(
            gb26875.frame(serial, command, self.clock(), data, source=self._source, to=CENTRE)
        )

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        while True:
            head = gb26875.head(await reader.readexactly(gb26875.HEAD_BYTES))
            data = (await reader.readexactly(head.length + 3))[: head.length]
            if self._silent():
                continue
            if head.command in {gb26875.CONFIRM, gb26875.DENY}:
                self.denied += head.command == gb26875.DENY
                self._sent.pop(head.serial, None)
            elif head.command == gb26875.REQUEST:
                for answer in self._answers(data):
                    self._write(head.serial, gb26875.RESPONSE, answer)
            elif head.command == gb26875.CONTROL:
                self._obey(head.serial, data)

    def _answers(self, data: bytes) -> Iterable[bytes]:
        at = self.clock()
        codes = self._codes()
        match data[0]:
            case 61:
                return [gb26875.system_state(self._system(), at)]
            case 62:
                asked = [a for a in gb26875.asked_components(data) if a in codes]
                return gb26875.component_states([(a, codes[a]) for a in asked], at)
            case 63:
                return [gb26875.tank_level(TANK_M, at)]
            case 81:
                return [gb26875.device_state(at)]
            case _:
                return []

    def _obey(self, serial: int, data: bytes) -> None:
        match data[0]:
            case 90:
                second, minute, hour, day, month, year = data[2:8]
                set_to = self._now().replace(
                    second=second, minute=minute, hour=hour, day=day, month=month, year=2000 + year
                )
                self.clock_off = set_to - self._now()
                self._write(serial, gb26875.CONFIRM)
            case 91:
                self._write(serial, gb26875.CONFIRM)
                if self.guard is not None:
                    self._send(gb26875.duty_answer(self.guard, self.clock()))
            case _:
                self._write(serial, gb26875.DENY)


def lines(building: Building) -> list[Coroutine[None, None, None]]:
    """Return the work of the site's devices: each connects to the bus its unit is on."""
    plant = building.plant
    zone = ZoneInfo(plant.site.site.time_zone)
    buses = {bus.id: bus.gb26875 for edge in plant.site.edges for bus in edge.buses}
    works = []
    for unit in plant.units():
        if (where := buses[unit.bus]) is not None:
            device = Transmitter(
                building.panels[unit.id],
                bytes.fromhex(unit.source),
                lambda: datetime.fromtimestamp(building.at_ms / 1000, zone),
                partial(getattr, building.slots[unit.id], "silent"),
            )
            works.append(device.run(where.host, where.port))
    return works
