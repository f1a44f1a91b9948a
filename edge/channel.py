"""One block of a unit, from the bytes of an answer to what must be reported."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from edge.deadband import Deadband
from edge.decode import Decoder
from edge.judge import Judge
from edge.lanes import Kind, Watched
from edge.plan import Block
from watchkeeper.batch import Floats, Marks, Series
from watchkeeper.profile import Modbus, Point
from watchkeeper.quality import Quality
from watchkeeper.wire import Event


class Out(Protocol):
    """Where reports go."""

    def readings(self, at: int, aliases: Series, values: Floats, quality: Marks) -> None:
        """Take readings of one instant (Unix ms) for the data lane."""
        ...

    def events(self, events: Sequence[Event]) -> None:
        """Take changes for the event lane."""
        ...


class Channel:
    """A block with everything that is remembered about its points."""

    def __init__(
        self,
        block: Block,
        points: Sequence[Point],
        aliases: Sequence[int],
        modbus: Modbus,
        ct: float,
        new_id: Callable[[int, Kind], str],
    ) -> None:
        """Prepare.

        Args:
            block: What is read.
            points: All points of the unit; the block's positions refer to them.
            aliases: Their aliases.
            modbus: Of the unit's profile.
            ct: The unit's CT ratio.
            new_id: Names events.
        """
        held = [points[position] for position in block.points]
        numbers = [aliases[position] for position in block.points]
        self.block, self._new_id = block, new_id
        self._aliases: Series = np.array(numbers, np.uint32)
        self._decode = Decoder(block, points, modbus, [ct] * len(points))
        self._judge, self._deadband = Judge(held), Deadband(held)
        self.watched = Watched(held, numbers)
        self._has_events = len(self.watched.positions) > 0

    def answered(self, at: int, data: bytes, out: Out, *, synchronised: bool) -> None:
        """Report what an answer says.

        Args:
            at: When it came, Unix ms.
            data: `block.size` bytes.
            out: Where to.
            synchronised: Whether the clock is.
        """
        values = self._decode(data)
        self._told(at, values, self._judge(values, synchronised=synchronised), out)

    def failed(self, at: int, quality: Quality, out: Out) -> None:
        """Report that there is no value, for this reason."""
        count = len(self._aliases)
        self._told(at, np.full(count, np.nan), np.full(count, quality, np.uint8), out)

    def _told(self, at: int, values: Floats, quality: Marks, out: Out) -> None:
        if self._has_events:
            events = self.watched(at, values, quality, self._new_id)
            if events:
                out.events(events)
        chosen = self._deadband(at, values, quality)
        if len(chosen):
            out.readings(at, self._aliases[chosen], values[chosen], quality[chosen])
