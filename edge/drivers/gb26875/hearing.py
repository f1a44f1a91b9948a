"""What is done with each frame: taken, confirmed, denied, counted; and the device's clock set."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from edge.channel import Out
from edge.drivers.gb26875.device import Device
from edge.drivers.gb26875.link import TRIES, Link
from edge.drivers.gb26875.v2011 import data
from edge.drivers.gb26875.v2011.data import DUTY_ANSWER, Operation
from edge.drivers.gb26875.v2011.frame import Command, Frame, stamp, when
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.duty import Duty

MOST_SAID: Final = 1000  # different oddities that are logged, each once
NEVER: Final = float("-inf")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds between one thing and the next."""

    look: float = 0.5  # silence and open questions are looked after this often
    back: float = 10.0  # a device that hung up may come back before its points are NO_ANSWER
    ask: float = 10.0  # open questions are asked again, `TRIES` times in all
    refresh: float = 10.0
    answer: float = 10.0  # clause 6.5.4
    minute: float = 60.0  # of a duty check
    clock_off: float = 60.0  # a device's clock further off is set
    clock_again: float = 600.0  # but not more often
    nameless: float = 60.0  # a connection without one good frame is closed


USUAL: Final = Times()


@dataclass(slots=True)
class Peer:
    """A device and how it is reached."""

    device: Device
    seen: float  # tick of its last frame
    link: Link | None = None
    lost: float = NEVER  # tick when it last hung up
    asks: int = 0  # times it was asked since it came
    asked: float = NEVER  # tick of the last time
    clock_set: float = NEVER
    told: float = NEVER  # tick of the last refresh
    duty: list["asyncio.Future[Operation]"] = field(default_factory=list)
    checking: bool = False  # a duty check for the platform runs

    def came(self, link: Link) -> None:
        """Take a new connection; an older one of the same device is hung up."""
        if self.link is not None:
            self.link.close()
        if self.device.silent:
            log.info("unit answers again", extra={"unit": self.device.unit.id})
        self.link, self.asks, self.asked = link, 0, NEVER
        self.device.came()

    def ask(self, now: float, *, quiet: bool) -> None:
        """Ask for what is not known; a device that is quiet, whether it is there."""
        if self.link is None:
            return
        if self.asks < TRIES:
            self.asks += 1
            for question in self.device.questions():
                self.link.send(Command.REQUEST, question)
        elif quiet:
            self.link.send(Command.REQUEST, data.read_device())
        self.asked = now


class Hearing:
    """Works through frames."""

    def __init__(
        self,
        zone: tzinfo,
        clock: Clock,
        out: Out,
        synchronised: Callable[[], bool],
        times: Times = USUAL,
    ) -> None:
        """Prepare.

        Args:
            zone: Of the site: devices keep local time.
            clock: Ours.
            out: Where reports go.
            synchronised: Whether our clock tells the right time.
            times: Periods; tests shorten them.
        """
        self._zone, self._clock, self._out = zone, clock, out
        self._synchronised, self.times = synchronised, times
        self.counts: Counter[str] = Counter()
        self._said: set[str] = set()

    def stamp(self) -> bytes:
        """Return the time for a frame of ours."""
        return stamp(self._clock.now().astimezone(self._zone))

    def odd(self, kind: str, detail: str = "") -> None:
        """Count something that should not be, and log it once."""
        self.counts[kind] += 1
        if (said := f"{kind} {detail}") not in self._said and len(self._said) < MOST_SAID:
            self._said.add(said)
            log.warning("fire transmission: %s", kind, extra={"detail": detail})

    def frame(self, peer: Peer, link: Link, frame: Frame) -> None:
        """Do what a good frame wants."""
        self.counts["frames"] += 1
        peer.seen = self._clock.tick()
        match frame.command:
            case Command.SEND:
                self._take(peer, frame)
                link.confirm(frame)
            case Command.RESPONSE:
                self._take(peer, frame)
            case Command.CONFIRM | Command.DENY:
                self.counts["denials"] += frame.command == Command.DENY
                link.answered(frame)
            case _:
                self.odd("unknown_command", str(frame.command))
                link.deny(frame)
        self._check_clock(peer, link, frame)

    def refresh(self, peer: Peer) -> None:
        """Report what is known of a device once more."""
        peer.told = self._clock.tick()
        peer.device.refresh(
            unix_ms(self._clock.now()),
            self._out,
            synchronised=self._synchronised(),
            settled=peer.asks >= TRIES,
        )

    def duty(self, peer: Peer, word: Duty) -> None:
        """Report what became of a duty check."""
        at = unix_ms(self._clock.now())
        peer.device.duty(word, at, self._out, synchronised=self._synchronised())

    def _take(self, peer: Peer, frame: Frame) -> None:
        told, name = data.decoded(frame.data), peer.device.unit.id
        if told.odd:
            self.odd(told.odd.replace(" ", "_"), f"{name} type {told.flag}")
        at = unix_ms(self._clock.now())
        synchronised = self._synchronised()
        for key in peer.device.take(told.items, at, self._out, synchronised=synchronised):
            self.odd("unknown_component", f"{name} {key}")
        for item in told.items:
            if isinstance(item, Operation):
                self._operated(peer, item)

    def _operated(self, peer: Peer, item: Operation) -> None:
        log.info(
            "somebody pressed a button",
            extra={"unit": peer.device.unit.id, "flags": item.flags, "operator": item.operator},
        )
        if item.system is None and item.flags & DUTY_ANSWER:
            for waiting in peer.duty:
                if not waiting.done():
                    waiting.set_result(item)

    def _check_clock(self, peer: Peer, link: Link, frame: Frame) -> None:
        """Set a clock that is off; a wrong one makes the panel's own printout useless."""
        now, tick = self._clock.now().astimezone(self._zone), self._clock.tick()
        said = when(frame.time, self._zone)
        if said is not None and abs((said - now).total_seconds()) <= self.times.clock_off:
            return
        if self._synchronised() and tick - peer.clock_set >= self.times.clock_again:
            peer.clock_set = tick
            link.send(Command.CONTROL, data.set_clock(now))
            self.odd("clock_set", f"{peer.device.unit.id} said {frame.time.hex(' ')}")
