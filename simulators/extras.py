"""What scenarios add to a load, written down so that counters never fall after a restart.

An extra runs from its start to its end, or still runs. The building does not stop when the
simulator does, so an open one goes on through a restart. At one unit no two run at the same time.
"""

from bisect import bisect_right
from pathlib import Path

import msgspec

from simulators.books import Books


class Extra(msgspec.Struct):
    """So much more at one meter, over a time."""

    rate: float  # W, or m³/h
    start_ms: int
    end_ms: int | None = None  # None: still running
    before: float = 0.0  # Wh or m³ that all earlier ones at this unit added

    def amount(self, at_ms: int) -> float:
        """Return what this one and all earlier ones added up to an instant after its start."""
        end = at_ms if self.end_ms is None else min(at_ms, self.end_ms)
        return self.before + self.rate * (end - self.start_ms) / 3_600_000


class Extras:
    """All extras there ever were at this site."""

    def __init__(self, file: Path | None = None) -> None:
        """Read the file, where there is one; without a file they are forgotten at the end."""
        self._file = file
        self.books = Books(None if file is None else file.with_name("books.json"))
        self._at: dict[str, list[Extra]] = {}
        if file is not None and file.is_file():
            self._at = msgspec.json.decode(file.read_bytes(), type=dict[str, list[Extra]])

    def units(self) -> list[str]:
        """Return every unit that ever had an extra."""
        return list(self._at)

    def start(self, unit: str, rate: float, at_ms: int) -> None:
        """Add `rate` at the unit from now on, instead of what was added before."""
        self._end(unit, at_ms)
        before = self.amount(unit, at_ms)
        self._at.setdefault(unit, []).append(Extra(rate, at_ms, before=before))
        self._save()

    def stop(self, unit: str, at_ms: int) -> None:
        """Add nothing more at the unit. Nothing happens where nothing ran."""
        self._end(unit, at_ms)
        self._save()

    def rate(self, unit: str, at_ms: int) -> float:
        """Return what is added at an instant."""
        last = self._last(unit, at_ms)
        over = last is None or (last.end_ms is not None and at_ms >= last.end_ms)
        return 0.0 if last is None or over else last.rate

    def amount(self, unit: str, at_ms: int) -> float:
        """Return what was added up to an instant: rate times hours, Wh or m³."""
        last = self._last(unit, at_ms)
        return 0.0 if last is None else last.amount(at_ms)

    def _last(self, unit: str, at_ms: int) -> Extra | None:
        """Return the newest extra that had started by then."""
        those = self._at.get(unit, [])
        number = bisect_right(those, at_ms, key=lambda extra: extra.start_ms)
        return those[number - 1] if number else None

    def _end(self, unit: str, at_ms: int) -> None:
        those = self._at.get(unit, [])
        if those and those[-1].end_ms is None:
            those[-1].end_ms = at_ms

    def _save(self) -> None:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self._at))
            fresh.replace(self._file)
