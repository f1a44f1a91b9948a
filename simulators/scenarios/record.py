"""What the registers really held over time: the truth a checker compares the platform with."""

from collections import deque
from collections.abc import Mapping

from msgspec import Struct

KEPT = 200_000  # changes


class Change(Struct, frozen=True):
    """From this instant on the register held this value."""

    point: str
    at: int  # Unix ms
    value: float


class Record:
    """Every change of the watched points."""

    def __init__(self) -> None:
        self._held: dict[str, float] = {}
        self._changes: deque[Change] = deque(maxlen=KEPT)

    def note(self, held: Mapping[str, float], at_ms: int) -> None:
        """Write down what differs from the last time; the first time everything."""
        for point, value in held.items():
            if self._held.get(point) != value:
                self._held[point] = value
                self._changes.append(Change(point, at_ms, float(value)))

    def since(self, at_ms: int) -> list[Change]:
        """Return the changes at or after an instant, oldest first."""
        return [change for change in self._changes if change.at >= at_ms]
