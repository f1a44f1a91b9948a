"""Points that scale others of their device: scale registers, the CT and PT ratio of a meter. Pure.

A value is multiplied by the newest value of each of its factors; one factor without a value means
no value at all: a power that may be a hundred times too small is worse than none. What is scaled
by a factor that has not been read for a minute is UNCERTAIN.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from edge.judge import Judge
from edge.plan import Block
from watchkeeper.batch import Floats, Marks
from watchkeeper.profile import Point
from watchkeeper.quality import Quality

_FACTOR, _POWER = 0, 1  # rows of the board
_FINEST: Final = 30.0  # exponents beyond it are no scale of anything
OLD_MS: Final = 60_000  # four reads of the slowest rate


class Board:
    """What the factors of one unit are now; its blocks share it."""

    def __init__(self, points: Sequence[Point]) -> None:
        """Begin with none known."""
        names = {name for point in points for name in point.factors}
        self.position = {point.id: n for n, point in enumerate(points) if point.id in names}
        # One column more: the factor 1, which fills up the rows of points that have fewer.
        self.held: Floats = np.full((2, len(points) + 1), np.nan)
        self.held[:, -1] = 1.0
        self.at: Floats = np.full(len(points) + 1, np.inf)  # Unix ms when each was read last


class Factors:
    """The part of one block in this: what it gives, and what it takes."""

    def __init__(self, block: Block, points: Sequence[Point], board: Board) -> None:
        """Prepare; the block's positions refer to `points`."""
        self._board = board
        gives = [n for n, each in enumerate(block.points) if points[each].id in board.position]
        takes = [n for n, each in enumerate(block.points) if points[each].factors]
        self.idle = not gives and not takes
        self._gives, self._takes = np.array(gives, np.intp), np.array(takes, np.intp)
        self._given = np.array([block.points[n] for n in gives], np.intp)
        self._judge = Judge([points[block.points[n]] for n in gives]) if gives else None
        most = max((len(points[block.points[n]].factors) for n in takes), default=0)
        self._rows = np.zeros((len(takes), most), np.intp)
        self._columns = np.full((len(takes), most), -1, np.intp)
        for row, n in enumerate(takes):
            point = points[block.points[n]]
            for column, name in enumerate(point.factors):
                self._columns[row, column] = board.position[name]
                power = name == point.scale_from and point.scale_kind == "exponent"
                self._rows[row, column] = _POWER if power and column == 0 else _FACTOR

    def __call__(self, values: Floats, at: int) -> Marks | None:
        """Keep what the block says of factors, then scale its values, in place.

        Args:
            values: (points,) as decoded.
            at: When they came, Unix ms.

        Returns:
            (points,) the least quality of each, where a factor is old; None: all are fresh.
        """
        held = self._board.held
        if self._judge is not None:
            found = values[self._gives]
            self._judge(found)
            held[_FACTOR, self._given] = found
            found[np.abs(found) > _FINEST] = np.nan
            held[_POWER, self._given] = 10.0**found
            self._board.at[self._given] = at
        if len(self._takes):
            values[self._takes] *= held[self._rows, self._columns].prod(axis=1)
            old = self._takes[at - self._board.at[self._columns].min(axis=1) > OLD_MS]
            if len(old):
                least = np.zeros(len(values), np.uint8)
                least[old] = Quality.UNCERTAIN
                return least
        return None

    def forget(self) -> None:
        """The block has no values: what it said of factors no longer holds."""
        self._board.held[:, self._given] = np.nan
