"""Where what the pollers report gathers until it is committed."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
from typing_extensions import override

from edge.channel import Out
from edge.rows import WAIT, Row, data_rows, event_row, rounded
from watchkeeper.batch import Batch, Floats, Marks, Series
from watchkeeper.quality import Quality
from watchkeeper.wire import Event

MOST: Final = 200_000  # readings in memory when the disk does not take them; then the oldest go
FINER: Final = 3  # decimals sent beyond those shown


class Collector(Out):
    """Gathers readings in columns and events one by one."""

    def __init__(
        self,
        birth: str,
        decimals: Sequence[int],
        data: Callable[[], None],
        event: Callable[[], None],
        synchronised: Callable[[], bool] = lambda: True,
        waits: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare.

        Args:
            birth: Hash of the birth that explains the aliases.
            decimals: Shown of each point, by alias.
            data: Called when readings came.
            event: Called when events came.
            synchronised: Whether the clock tells the right time.
            waits: Whether readings should wait for it to.
        """
        self._birth, self._synchronised, self._waits = birth, synchronised, waits
        self._steps: Floats = 10.0 ** (np.array(decimals, np.float64) + FINER)
        self._data, self._event = data, event
        self._readings: deque[tuple[int, Series, Floats, Marks]] = deque()
        self._count = 0
        self._events: list[Event] = []
        self.total = 0  # readings reported since start
        self.dropped = 0  # readings there was no room for

    @override
    def readings(self, at: int, aliases: Series, values: Floats, quality: Marks) -> None:
        self._readings.append((at, aliases, values, quality))
        self._count += len(aliases)
        self.total += len(aliases)
        while self._count > MOST:
            gone = len(self._readings.popleft()[1])
            self._count -= gone
            self.dropped += gone
        self._data()

    @override
    def events(self, events: Sequence[Event]) -> None:
        self._events += events
        self._event()

    def shift(self, offset_ms: int) -> None:
        """Correct what has gathered: the clock has just been set right."""
        untimed = Quality.CLOCK_UNSYNCHRONISED
        self._readings = deque(
            (at + offset_ms, aliases, values, np.where(quality == untimed, 0, quality))
            for at, aliases, values, quality in self._readings
        )
        self._events = [
            msgspec.structs.replace(
                event,
                at=event.at + offset_ms,
                quality=0 if event.quality == untimed else event.quality,
            )
            for event in self._events
        ]

    def take_data(self) -> list[Row]:
        """Return what has gathered, as rows for the journal."""
        if not self._readings:
            return []
        parts, self._readings, self._count = self._readings, deque(), 0
        series = np.concatenate([part[1] for part in parts])
        at = np.repeat([part[0] for part in parts], [len(part[1]) for part in parts])
        value = np.concatenate([part[2] for part in parts])
        batch = Batch(
            series,
            at.astype(np.int64),
            rounded(value, self._steps[series]),
            np.concatenate([part[3] for part in parts]),
        )
        mode = WAIT if self._waits() else "live"
        return list(data_rows(batch, self._birth, mode=mode, synchronised=self._synchronised()))

    def take_events(self) -> list[Row]:
        """Return the events that have gathered, as rows for the journal."""
        events, self._events = self._events, []
        synchronised = self._synchronised()
        return [event_row(event, self._birth, synchronised=synchronised) for event in events]
