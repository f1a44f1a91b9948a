"""Time, as something one is given."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; tests pass their own, `main.py` passes the computer's."""

    def now(self) -> datetime:
        """Return the instant, aware, UTC."""
        ...

    def tick(self) -> float:
        """Return seconds that never jump, for delays and deadlines within a process."""
        ...


def unix_ms(at: datetime) -> int:
    """Return an aware instant as Unix milliseconds, the form time has on the wire and in stores."""
    return round(at.timestamp() * 1000)
