"""When nobody hears the edge: it switches an output of its own and tells somebody another way.

The coil the site file names is the only thing this product ever writes. It is written by the owner
of its bus, between two reads, read back, and each write stands in the log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from edge.drivers.modbus import LineDown, NoAnswer, Refused, Request, request, write_coil
from edge.plan import Block
from watchkeeper.clock import Clock

SILENT_S: Final = 60.0
LOOK_S: Final = 1.0
AGAIN_S: Final = 5.0  # after a message that failed; doubled with each, up to
LONGEST_AGAIN_S: Final = 60.0
CHECK_S: Final = 30.0  # while it is on: a relay that lost its power forgets
TIMEOUT_S: Final = 1.0

Ask = Callable[[Request], Awaitable[bytes]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision rests on."""

    events: int  # not stored by the platform yet
    open_s: float  # for how long the oldest of them has waited
    platform_s: float  # since a server said that it is there


def is_alone(facts: Facts) -> bool:
    """Return whether an event waits and nobody takes it. Pure."""
    return facts.events > 0 and (facts.open_s >= SILENT_S or facts.platform_s >= SILENT_S)


class Route(Protocol):
    """The second way to tell somebody."""

    def tell(self, *, alone: bool, events: int) -> bool:
        """Say that we are alone, or no longer; try once and say whether it arrived.

        Called on a thread of its own.
        """
        ...


class Coil:
    """The output."""

    def __init__(self, ask: Ask, clock: Clock, unit: int, address: int) -> None:
        """Name it.

        Args:
            ask: Has the owner of its bus ask something.
            clock: The clock.
            unit: Its number on the bus.
            address: 0-based, as on the wire.
        """
        self._ask, self._clock, self._unit, self._address = ask, clock, unit, address
        self._read = request(unit, Block("normal", 1, address, 1, ()), TIMEOUT_S)
        self.on: bool | None = None  # as last read; None: not known
        self._checked = 0.0  # tick
        self._failed = False

    async def switch(self, *, on: bool) -> None:
        """See to it that it is on, or off: written only when it is not, then read back."""
        now = self._clock.tick()
        if self.on == on and (not on or now - self._checked < CHECK_S):
            return
        facts = {"unit": self._unit, "coil": self._address, "on": on}
        try:
            self.on = await self._is_on()
            if self.on != on:
                log.warning("local output: writing", extra=facts)
                await self._ask(write_coil(self._unit, self._address, TIMEOUT_S, on=on))
                self.on = await self._is_on()
                log.warning("local output: written and read back", extra={**facts, "is": self.on})
        except (LineDown, NoAnswer, Refused) as why:
            self.on = None
            if not self._failed:
                log.error("local output cannot be switched", extra={**facts, "why": str(why)})  # noqa: TRY400 - no fault of ours
            self._failed = True
        else:
            self._failed = self.on != on
        self._checked = self._clock.tick()

    async def _is_on(self) -> bool:
        return bool((await self._ask(self._read))[0] & 1)


@dataclass(slots=True)
class Way:
    """A route and what was told by it: one that hangs or refuses holds no other back."""

    route: Route
    told: bool = False
    failures: int = 0  # in a row
    next: float = 0.0  # tick before which nothing is told again


class Alone:
    """Acts on the decision."""

    def __init__(
        self, facts: Callable[[], Facts], coil: Coil, routes: Sequence[Route], clock: Clock
    ) -> None:
        """Prepare.

        Args:
            facts: What is so now.
            coil: The local output.
            routes: The other ways to tell somebody.
            clock: The clock.
        """
        self._facts, self._coil, self._clock = facts, coil, clock
        self.ways = [Way(route) for route in routes]
        self.now = False  # as last decided

    async def run_output(self, every_s: float = LOOK_S) -> None:
        """Decide and keep the output as decided, until cancelled."""
        while True:
            self.decide()
            await self._coil.switch(on=self.now)
            await asyncio.sleep(every_s)

    async def run_way(self, way: Way, every_s: float = LOOK_S) -> None:
        """Tell one of the other ways, until cancelled."""
        while True:
            await self.tell(way)
            await asyncio.sleep(every_s)

    def decide(self) -> None:
        """Decide anew; the log says when it turns."""
        facts = self._facts()
        was, self.now = self.now, is_alone(facts)
        if was != self.now:
            log.warning(
                "nobody takes our events: the edge alarms alone" if self.now else "heard again",
                extra={"events": facts.events, "open_s": facts.open_s},
            )

    async def tell(self, way: Way) -> None:
        """Say what was not said yet; again later when it did not arrive."""
        alone = self.now
        if alone == way.told or self._clock.tick() < way.next:
            return
        events = self._facts().events
        if await asyncio.to_thread(way.route.tell, alone=alone, events=events):
            way.told, way.failures = alone, 0
        else:
            rest = min(AGAIN_S * 2.0**way.failures, LONGEST_AGAIN_S)
            way.failures = min(way.failures + 1, 10)
            way.next = self._clock.tick() + rest
            log.warning("second route: not delivered", extra={"alone": alone})
