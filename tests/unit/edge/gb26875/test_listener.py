"""The listener against the simulated device, over real sockets."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from typing_extensions import override

from adapters.system_clock import SystemClock
from edge.channel import Out
from edge.drivers.gb26875.hearing import Hearing, Times
from edge.drivers.gb26875.link import Denied, Unanswered
from edge.drivers.gb26875.listener import Listener
from edge.drivers.gb26875.v2011.frame import Command, Frame, Frames
from simulators import gb26875
from simulators.devices.fire_panel import FAULT, FIRE, NORMAL, FirePanel
from simulators.transmitter import Transmitter
from tests import parts
from tests.fakes_modbus import until
from watchkeeper.batch import Floats, Marks, Series
from watchkeeper.documents import Text
from watchkeeper.profile import Component, Point, Profile, Word
from watchkeeper.quality import Quality
from watchkeeper.site import Gb26875, Unit
from watchkeeper.wire import Event

ZONE = ZoneInfo("Asia/Shanghai")
SOURCE = bytes.fromhex("010000000000")
TIMES = Times(look=0.02, back=0.2, ask=0.1, refresh=0.1, answer=0.05, minute=0.2)
NO_NAME = Text("", "")
WORDS = [Word(NORMAL, NO_NAME), Word(FIRE, NO_NAME, normal=False)]
PANEL, MAINS, LEVEL, FIRST, SECOND = range(5)  # aliases


def point(name: str, address: int, part: Component, **more: object) -> Point:
    return Point(name, NO_NAME, address, "uint16", component=part, **more)  # type: ignore[arg-type]


PROFILE = Profile(
    "test", NO_NAME, "fire_panel", "test",
    [
        point("panel", 1, Component(1), point_class="life_safety"),
        point("mains", 1, Component(1), bit=8, point_class="fault"),
        point("level", 1, Component(12, type=92, analog=2), scale=0.01),
        point("first", 0x101, Component(1, type=42), point_class="life_safety", words=WORDS),
        point("second", 0x102, Component(1, type=42), point_class="life_safety", words=WORDS),
    ],
)  # fmt: skip


class Recorder(Out):
    """Keeps the newest of each alias, and all events."""

    def __init__(self) -> None:
        self.now: dict[int, tuple[float, int]] = {}
        self.seen: list[Event] = []

    @override
    def readings(self, at: int, aliases: Series, values: Floats, quality: Marks) -> None:
        for alias, value, code in zip(aliases, values, quality, strict=True):
            self.now[int(alias)] = (float(value), int(code))

    @override
    def events(self, events: Sequence[Event]) -> None:
        self.seen += events

    def qualities(self) -> set[int]:
        return {code for _, code in self.now.values()} if len(self.now) == 5 else set()


class Line:
    """A listener, what it reported, and a device that has not yet connected."""

    def __init__(self, times: Times, silence_s: float) -> None:
        self.port, self.out, self.panel = parts.free_port(), Recorder(), FirePanel(2)
        clock, numbers = SystemClock(), itertools.count()
        self.listener = Listener(
            Gb26875("127.0.0.1", self.port, silence_s=silence_s),
            clock,
            lambda _at, kind: f"{kind} {next(numbers)}",
            Hearing(ZONE, clock, self.out, lambda: True, times),
        )
        self.listener.add(Unit("panel", "test", "fire", source=SOURCE.hex()), PROFILE, range(5))
        self.pulled = False
        self.device = Transmitter(
            self.panel, SOURCE, self.now, lambda: self.pulled, beat_s=0.05, answer_s=0.5
        )

    @staticmethod
    def now() -> datetime:
        return SystemClock().now().astimezone(ZONE)

    def frame(self, data: bytes, command: int = gb26875.SEND, source: bytes = SOURCE) -> bytes:
        return gb26875.frame(9, command, self.now(), data, source=source, to=bytes(6))

    async def settled(self) -> None:
        """Wait until everything is known."""
        await until(lambda: self.out.qualities() == {Quality.GOOD})


@asynccontextmanager
async def listening(
    *, connect: bool = True, times: Times = TIMES, silence_s: float = 5.0
) -> AsyncIterator[Line]:
    line = Line(times, silence_s)
    works = [asyncio.create_task(line.listener.run())]
    await until(lambda: line.listener.is_open)
    if connect:
        works.append(asyncio.create_task(line.device.run("127.0.0.1", line.port)))
    try:
        yield line
    finally:
        for work in reversed(works):
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


class Raw:
    """A connection that says what a test wants and hears the answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer, self._frames = reader, writer, Frames()
        self.heard: list[Frame] = []

    async def says(self, octets: bytes, answer: Command) -> Frame:
        """Send, and return the first answer of this kind."""
        self.writer.write(octets)
        async with asyncio.timeout(10):
            while True:
                for each in self.heard:
                    if each.command == answer:
                        self.heard.remove(each)
                        return each
                arrived = await self._reader.read(4096)
                if not arrived:
                    raise EOFError
                found = self._frames.feed(arrived)
                self.heard += [each for each in found if isinstance(each, Frame)]


@asynccontextmanager
async def raw(line: Line) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


@pytest.mark.serves("A1")
async def test_a_detector_that_rings_is_an_event_and_is_confirmed() -> None:
    async with listening() as line:
        await line.settled()
        assert line.out.now[LEVEL][0] == pytest.approx(2.85)
        assert line.out.seen == []
        line.panel.put(1, FIRE)
        await until(lambda: len(line.out.seen) == 2)
        told = {event.alias: (event.before, event.after, event.kind) for event in line.out.seen}
        assert told == {FIRST: (0, 1, "life_safety"), PANEL: (0, 1, "life_safety")}
        await until(lambda: not line.device._sent)  # noqa: SLF001 - nothing waits for a confirm
        assert line.device.denied == 0


async def test_a_fire_that_burns_when_the_device_connects_is_an_event() -> None:
    async with listening(connect=False) as line:
        line.panel.put(2, FIRE)
        work = asyncio.create_task(line.device.run("127.0.0.1", line.port))
        await until(lambda: {event.alias for event in line.out.seen} >= {PANEL, SECOND})
        assert [e.after for e in line.out.seen if e.alias == SECOND][-1] == FIRE
        work.cancel()


async def test_garbage_between_frames_stops_nothing() -> None:
    async with listening() as line:
        await line.settled()
        line.device.send_raw(b"\x68\x10\x10\x68" + b"@@" * 40 + bytes(range(256)))
        line.panel.put(1, FAULT)
        await until(lambda: line.out.now[FIRST] == (FAULT, Quality.GOOD))
        await until(lambda: line.listener.counts["bytes_skipped"] == 340)


async def test_a_device_that_hangs_up_and_comes_back_is_no_fault_and_asked_again() -> None:
    async with listening(times=Times(look=0.02, ask=0.1, refresh=0.05, back=5.0)) as line:
        await line.settled()
        line.device.hang_up()
        line.panel.put(2, FIRE)  # while nobody listens: the device tells changes only
        await until(lambda: line.out.now[SECOND] == (FIRE, Quality.GOOD))
        assert {event.quality for event in line.out.seen} == {Quality.GOOD}


@pytest.mark.serves("A4")
async def test_a_silent_device_has_no_values_until_it_speaks_again() -> None:
    async with listening(silence_s=1.0) as line:
        await line.settled()
        line.pulled = True
        await until(lambda: line.out.qualities() == {Quality.NO_ANSWER})
        assert {event.after for event in line.out.seen} == {None}
        assert line.listener.ages()["panel"] >= 1.0
        line.pulled = False
        await line.settled()
        assert line.out.now[FIRST] == (NORMAL, Quality.GOOD)


async def test_a_device_that_never_came_has_no_values() -> None:
    async with listening(connect=False) as line:
        await until(lambda: line.out.qualities() == {Quality.NO_ANSWER})


async def test_what_a_device_does_not_answer_for_is_not_available_or_uncertain() -> None:
    fire = next(iter(gb26875.component_states([(0x101, FIRE)], Line.now())))
    async with listening(connect=False, times=Times(look=0.02, ask=0.02, refresh=0.05)) as line:
        async with raw(line) as device:
            await device.says(line.frame(fire), Command.CONFIRM)
            await until(lambda: len(line.out.now) == 5)
            assert line.out.now[FIRST] == (FIRE, Quality.GOOD)
            assert line.out.now[SECOND][1] == Quality.NOT_AVAILABLE
        async with raw(line) as device:
            await device.says(line.frame(gb26875.HEARTBEAT), Command.CONFIRM)
            await until(lambda: line.out.now[FIRST] == (FIRE, Quality.UNCERTAIN))


async def test_a_clock_that_is_off_is_set() -> None:
    async with listening(connect=False) as line:
        line.device.clock_off = timedelta(hours=-3)
        work = asyncio.create_task(line.device.run("127.0.0.1", line.port))
        await until(lambda: abs(line.device.clock_off) < timedelta(seconds=3))
        assert line.listener.counts["clock_set"] == 1
        work.cancel()


async def test_a_duty_check_returns_who_pressed_the_button() -> None:
    async with listening() as line:
        await line.settled()
        line.device.guard = 3
        answer = await line.listener.duty_check("panel", 5)
        assert (answer.system, answer.operator) == (None, 3)


@pytest.mark.parametrize("unit", ["panel", "nobody"])
async def test_a_duty_check_without_an_answer_is_unanswered(unit: str) -> None:
    async with listening() as line:
        await line.settled()
        line.device.guard = None
        with pytest.raises(Unanswered):
            await line.listener.duty_check(unit, 1)


@pytest.mark.parametrize(
    ("command", "error"),
    [pytest.param(Command.DENY, Denied, id="denied"), pytest.param(None, Unanswered, id="silent")],
)
async def test_a_command_is_sent_three_times_at_most(
    command: Command | None, error: type[Exception]
) -> None:
    async with listening(connect=False) as line, raw(line) as device:
        await device.says(line.frame(gb26875.HEARTBEAT), Command.CONFIRM)
        asked = asyncio.create_task(line.listener.duty_check("panel", 1))
        control = await device.says(b"", Command.CONTROL)
        assert control.data == bytes((91, 1, 1))
        if command is not None:
            reply = gb26875.frame(control.serial, command, line.now(), source=SOURCE, to=bytes(6))
            device.writer.write(reply)
        else:
            again = [await device.says(b"", Command.CONTROL) for _ in range(2)]
            assert {each.serial for each in again} == {control.serial}
        with pytest.raises(error):
            await asked


async def test_a_duty_check_ends_when_the_device_hangs_up() -> None:
    async with listening(connect=False, times=Times(look=0.02)) as line:
        async with raw(line) as device:
            await device.says(line.frame(gb26875.HEARTBEAT), Command.CONFIRM)
            asked = asyncio.create_task(line.listener.duty_check("panel", 1))
            await device.says(b"", Command.CONTROL)
        with pytest.raises(Unanswered):
            await asked


async def test_bad_frames_unknown_commands_and_strangers_are_denied_and_counted() -> None:
    async with listening(connect=False) as line, raw(line) as device:
        stranger = line.frame(gb26875.HEARTBEAT, source=bytes(6))
        assert (await device.says(stranger, Command.DENY)).serial == 9
        await device.says(line.frame(gb26875.HEARTBEAT), Command.CONFIRM)
        broken = line.frame(gb26875.device_state(line.now()))
        assert (await device.says(broken[:-3] + b"\x00##", Command.DENY)).serial == 9
        await device.says(line.frame(b"", 77), Command.DENY)
        await device.says(line.frame(bytes((200, 1, 2))), Command.CONFIRM)
        strange = next(iter(gb26875.component_states([(0x999, FIRE)], line.now())))
        await device.says(line.frame(strange), Command.CONFIRM)
        counts = line.listener.counts
        odd = {
            "unknown_source": 1,
            "bad_checksum": 1,
            "unknown_command": 1,
            "unknown_type": 1,
            "unknown_component": 1,
        }
        assert {name: counts[name] for name in odd} == odd


async def test_a_connection_without_a_good_frame_is_closed() -> None:
    times = Times(look=0.02, nameless=0.1)
    async with listening(connect=False, times=times) as line:
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_the_newest_connection_of_a_device_is_the_one_that_counts() -> None:
    async with listening(connect=False) as line, raw(line) as first, raw(line) as second:
        await first.says(line.frame(gb26875.HEARTBEAT), Command.CONFIRM)
        await second.says(line.frame(gb26875.HEARTBEAT), Command.CONFIRM)
        with pytest.raises(EOFError):
            await first.says(b"", Command.DENY)
        asked = asyncio.create_task(line.listener.duty_check("panel", 1))
        assert (await second.says(b"", Command.CONTROL)).data[0] == 91
        with pytest.raises(Unanswered):
            await asked


async def test_a_port_that_is_taken_is_tried_again() -> None:
    line = Line(TIMES, 5.0)
    taken = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", line.port)
    work = asyncio.create_task(line.listener.run())
    await until(lambda: line.listener.counts["port_not_opened"] > 0)
    taken.close()
    await taken.wait_closed()
    device = asyncio.create_task(line.device.run("127.0.0.1", line.port))
    await line.settled()
    for each in (device, work):
        each.cancel()
    await asyncio.gather(device, work, return_exceptions=True)
