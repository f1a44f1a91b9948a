"""The owner of a gb26875 bus: devices connect to it and tell; it confirms, asks and watches them.

Of all commands only two exist here: set the clock, and ask who is on duty. Neither touches the
fire system; resetting and silencing stay at the panel.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from edge.channel import Reports
from edge.drivers.gb26875.device import Device
from edge.drivers.gb26875.hearing import NEVER, Hearing, Peer
from edge.drivers.gb26875.link import Denied, Link, Unanswered
from edge.drivers.gb26875.v2011 import data
from edge.drivers.gb26875.v2011.data import Operation
from edge.drivers.gb26875.v2011.frame import Bad, Command, Frame, Frames
from edge.lanes import Kind
from watchkeeper.clock import Clock
from watchkeeper.duty import Duty
from watchkeeper.ids import UnitId
from watchkeeper.profile import Profile
from watchkeeper.site import Gb26875, Unit

CHUNK: Final = 4096
MOST_CONNECTIONS: Final = 256

log = logging.getLogger(__name__)


class Listener:
    """The owner of one bus."""

    def __init__(
        self,
        where: Gb26875,
        clock: Clock,
        new_id: Callable[[int, Kind], str],
        hearing: Hearing,
    ) -> None:
        """Prepare; add units, then run.

        Args:
            where: The port devices connect to.
            clock: The clock.
            new_id: Names events.
            hearing: What is done with frames.
        """
        self._where, self._clock, self._new_id = where, clock, new_id
        self._hearing, self._times = hearing, hearing.times
        self.beat = clock.tick()  # tick of the last step: the loop is alive
        self.is_open = False
        self._peers: dict[bytes, Peer] = {}
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def counts(self) -> Counter[str]:
        """Return how many frames came, and everything odd, by kind."""
        return self._hearing.counts

    def add(self, unit: Unit, profile: Profile, aliases: Sequence[int]) -> None:
        """Expect a unit; `aliases` are those of the profile's points."""
        device = Device(unit, profile.points, aliases, self._new_id)
        self._peers[bytes.fromhex(unit.source)] = Peer(device, self._clock.tick())

    def channels(self) -> Iterable[Reports]:
        """Return what is remembered of every point."""
        return (each for peer in self._peers.values() for each in peer.device.reports)

    def ages(self) -> dict[str, float]:
        """Return seconds since each unit's last frame."""
        now = self._clock.tick()
        return {
            UnitId(peer.device.unit.id): round(now - peer.seen, 1) for peer in self._peers.values()
        }

    async def run(self) -> None:
        """Listen until cancelled; a port that is taken is tried again."""
        server: asyncio.Server | None = None
        try:
            while True:
                self.beat = self._clock.tick()
                server = server or await self._opened()
                for peer in self._peers.values():
                    self._look(peer)
                await asyncio.sleep(self._times.look)
        finally:
            if server is not None:
                server.close()
            for writer in self._connections.values():
                writer.transport.abort()  # ends the reading; streams of 3.11 mind cancelling
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def duty_check(self, unit: str, minutes: int) -> Operation:
        """Ask who is on duty (查岗); return the button that was pressed at the device.

        Args:
            unit: Id of the unit.
            minutes: How long a person may take, 1 to 255.

        Raises:
            Unanswered: The device is not connected, or nobody pressed it in time.
            Denied: The device will not ask.
        """
        peer = self._peer(unit)
        if peer is None or peer.link is None:
            raise Unanswered(unit)
        pressed: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        peer.duty.append(pressed)
        try:
            await peer.link.command(data.duty_check(minutes), self._times.answer)
            return await asyncio.wait_for(pressed, minutes * self._times.minute)
        except TimeoutError:
            raise Unanswered(unit) from None
        finally:
            peer.duty.remove(pressed)

    async def check_duty(self, unit: str, minutes: int) -> None:
        """Do a duty check and report what becomes of it; one that runs is not begun again."""
        peer = self._peer(unit)
        if peer is None or peer.checking:
            log.info("a duty check runs already", extra={"unit": unit})
            return
        peer.checking = True
        self._hearing.duty(peer, Duty.ASKED)
        word, said = Duty.UNANSWERED, ""
        try:
            pressed = await self.duty_check(unit, minutes)
            word, said = Duty.ANSWERED, f"operator {pressed.operator}"
        except (Unanswered, Denied) as why:
            said = type(why).__name__
        finally:
            peer.checking = False
        self._hearing.duty(peer, word)
        log.info("duty check is over", extra={"unit": unit, "word": word.name, "why": said})

    def has(self, unit: str) -> bool:
        """Return whether a unit is on this bus."""
        return self._peer(unit) is not None

    def _peer(self, unit: str) -> Peer | None:
        return next((each for each in self._peers.values() if each.device.unit.id == unit), None)

    async def _opened(self) -> asyncio.Server | None:
        where = self._where
        try:
            server = await asyncio.start_server(self._connected, where.host, where.port)
        except OSError as error:
            self._hearing.odd("port_not_opened", f"{where.host}:{where.port} {error.strerror}")
            return None
        self.is_open = True
        log.info("fire transmission devices may connect", extra={"port": where.port})
        return server

    def _look(self, peer: Peer) -> None:
        """Judge the silence of a device, ask for what it has not told, report what is known."""
        now, device = self._clock.tick(), peer.device
        silence_s = now - peer.seen
        if peer.link and silence_s > self._where.silence_s:
            peer.link.close()
            peer.link, peer.lost = None, NEVER
        away_s = min(silence_s, now - peer.lost)
        if peer.link is None and away_s > self._times.back and not device.silent:
            device.silent, peer.told = True, NEVER
            log.warning("unit does not answer", extra={"unit": device.unit.id, "s": silence_s})
        if now - peer.asked >= self._times.ask:
            peer.ask(now, quiet=silence_s > self._where.silence_s / 3)
        if now - peer.told >= self._times.refresh:
            self._hearing.refresh(peer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections[task] = writer
        links: dict[bytes, Link] = {}  # one, or more behind a concentrator
        try:
            await self._listen(reader, writer, links)
        except (ConnectionError, TimeoutError) as error:
            log.info("connection lost", extra={"why": str(error)})
        finally:
            del self._connections[task]
            for source, link in links.items():
                link.close()
                peer = self._peers[source]
                if peer.link is link:
                    peer.link, peer.lost = None, self._clock.tick()
            writer.close()

    async def _listen(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        links: dict[bytes, Link],
    ) -> None:
        frames, skipped = Frames(), 0
        deadline = self._clock.tick() + self._times.nameless
        while True:
            left = None if links else max(deadline - self._clock.tick(), 0.0)
            octets = await asyncio.wait_for(reader.read(CHUNK), left)
            if not octets:
                return
            for each in frames.feed(octets):
                try:
                    self._heard(each, writer, links)
                except Exception:  # a fault of ours costs one frame
                    log.exception("frame not taken")
            if frames.skipped > skipped:
                self._hearing.odd("not_a_frame", str(writer.get_extra_info("peername")))
                self.counts["bytes_skipped"] += frames.skipped - skipped
                skipped = frames.skipped

    def _heard(
        self, each: Frame | Bad, writer: asyncio.StreamWriter, links: dict[bytes, Link]
    ) -> None:
        frame = each.head if isinstance(each, Bad) else each
        link, peer = links.get(frame.source), self._peers.get(frame.source)
        if isinstance(each, Bad):
            self._hearing.odd(f"bad_{each.why}", frame.source.hex())
            if link is not None:
                link.deny(frame)
            return
        if peer is None:
            self._hearing.odd("unknown_source", frame.source.hex())
            if frame.command == Command.SEND:
                Link(writer, frame, self._hearing.stamp).deny(frame)
            return
        if link is None:
            link = links[frame.source] = Link(writer, frame, self._hearing.stamp)
            peer.came(link)
            peer.ask(self._clock.tick(), quiet=False)
        self._hearing.frame(peer, link, frame)
