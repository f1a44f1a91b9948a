"""One block of a unit, from the bytes of an answer to what must be reported."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from typing_extensions import override

from edge.deadband import Deadband
from edge.decode import decoder_of
from edge.factors import Board, Factors
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


class Reports:
    """Points that are told about together, and everything that is remembered about them."""

    def __init__(
        self, points: Sequence[Point], aliases: Sequence[int], new_id: Callable[[int, Kind], str]
    ) -> None:
        """Take the points, their aliases and what names events."""
        self._aliases: Series = np.array(aliases, np.uint32)
        self._judge, self._deadband = Judge(points), Deadband(points)
        self._new_id = new_id
        self.watched = Watched(points, aliases)
        self._has_events = len(self.watched.positions) > 0

    def valued(
        self,
        at: int,
        values: Floats,
        out: Out,
        *,
        synchronised: bool,
        least: Quality | Marks = Quality.GOOD,
    ) -> None:
        """Report values.

        Args:
            at: When they came, Unix ms.
            values: (points,) as decoded.
            out: Where to.
            synchronised: Whether the clock is.
            least: No value is trusted more than this; one for all, or (points,).
        """
        quality = self._judge(values, synchronised=synchronised)
        if least is not Quality.GOOD:
            quality = np.maximum(quality, np.asarray(least, np.uint8))
        self._told(at, values, quality, out)

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


class Channel(Reports):
    """A block that is polled."""

    def __init__(  # noqa: PLR0913 - made in one place
        self,
        block: Block,
        points: Sequence[Point],
        aliases: Sequence[int],
        modbus: Modbus,
        ratios: Sequence[float],
        new_id: Callable[[int, Kind], str],
        *,
        board: Board | None = None,
    ) -> None:
        """Prepare.

        Args:
            block: What is read.
            points: All points of the unit; the block's positions refer to them.
            aliases: Their aliases.
            modbus: Of the unit's profile.
            ratios: Of the transformers, for each of `points`.
            new_id: Names events.
            board: What the unit's points are scaled by, shared by its blocks.
        """
        held = [points[position] for position in block.points]
        super().__init__(held, [aliases[position] for position in block.points], new_id)
        self.block = block
        self._decode = decoder_of(block, points, modbus, ratios)
        self._factors = Factors(block, points, board or Board(points))

    def answered(
        self, at: int, data: bytes, out: Out, *, synchronised: bool, late: bool = False
    ) -> None:
        """Report what an answer says.

        Args:
            at: When it came, Unix ms.
            data: `block.size` bytes.
            out: Where to.
            synchronised: Whether the clock is.
            late: Whether its rate is behind on its bus.
        """
        values = self._decode(data)
        least: Quality | Marks = Quality.LATE if late else Quality.GOOD
        if not self._factors.idle:
            aged = self._factors(values, at)
            least = least if aged is None else np.maximum(aged, np.uint8(least))
        self.valued(at, values, out, synchronised=synchronised, least=least)

    @override
    def failed(self, at: int, quality: Quality, out: Out) -> None:
        self._factors.forget()
        super().failed(at, quality, out)
