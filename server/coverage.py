"""What of an edge's time was evaluated live, and what its backlog may still tell of. Pure.

Live readings of an edge come in order; where they leave a hole of seconds (the edge, the line or
this server was away) nothing was evaluated. A batch sent as backlog counts where it falls into a
hole, and nowhere else: one that was evaluated before and is sent again tells nothing new.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from server.watermarks import Gap
from watchkeeper.batch import Times

HOLE_MS: Final = 5_000  # a live stream that is there is never silent for so long for no reason
KEPT: Final = 16  # holes an edge: the longest
QUIET_S: Final = 5.0  # no backlog for so long, and the edge says that it has none left
EMPTY_S: Final = 15.0  # the oldest reading in an edge's journal, where it has no backlog
ALONE_S: Final = 60.0  # no backlog for so long: enough, whatever the edge says


@dataclass(slots=True)
class Hole:
    """A gap, and whether its backlog has come."""

    gap: Gap
    told: float | None = None  # tick of the last backlog that fell into it; None: none yet


@dataclass(slots=True)
class Coverage:
    """One edge."""

    edge: str
    newest: int = 0  # evaluated up to here, Unix ms; 0: never
    holes: list[Hole] = field(default_factory=list)
    emptied: float | None = None  # tick at which it said last that its journal is empty

    def live(self, first: int, last: int) -> list[Gap]:
        """Take a live batch; return the holes that are forgotten for the one it leaves open."""
        gone: list[Gap] = []
        if self.newest and first - self.newest > HOLE_MS:
            self.holes.append(Hole(Gap(self.edge, self.newest, first)))
            if len(self.holes) > KEPT:
                least = min(self.holes, key=lambda each: each.gap.end - each.gap.start)
                self.holes.remove(least)
                gone.append(least.gap)
        self.newest = max(self.newest, last)
        return gone

    def back(self, at: Times, tick: float) -> None:
        """Take the instants of a batch of backlog."""
        for hole in self.holes:
            _, start, end = hole.gap
            if bool(np.any((at > start) & (at < end))):
                hole.told = tick

    def ripe(self, tick: float) -> list[Gap]:
        """Return the holes whose backlog has come and is over."""
        return [each.gap for each in self.holes if self._ripe(each, tick)]

    def done(self, gap: Gap) -> None:
        """Forget a hole: it is evaluated."""
        self.holes = [each for each in self.holes if each.gap != gap]

    def _ripe(self, hole: Hole, tick: float) -> bool:
        if hole.told is None or tick - hole.told < QUIET_S:
            return False
        said = self.emptied is not None and self.emptied > hole.told
        return said or tick - hole.told >= ALONE_S
