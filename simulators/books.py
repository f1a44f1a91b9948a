"""What happened to the electricity meters, written down: times without power, exchanged counters.

Counters are functions of time (loads.py). So that they stay so, a time in the dark and a counter
that began anew are facts with an instant, kept like the extras: history and the live program agree.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Times


class Dark(msgspec.Struct):
    """A meter saw no voltage from the start to the end."""

    start_ms: int
    end_ms: int | None = None  # None: it still sees none


class Begun(msgspec.Struct, frozen=True):
    """From this instant on a counter at the meter's place counts from a reading."""

    at_ms: int
    reading: float  # kWh


class _Kept(msgspec.Struct):
    dark: dict[str, list[Dark]] = {}
    begun: dict[str, list[Begun]] = {}


class Books:
    """The facts of one site."""

    def __init__(self, file: Path | None = None) -> None:
        """Read the file, where there is one; without a file they are forgotten at the end."""
        self._file, self._kept = file, _Kept({}, {})
        if file is not None and file.is_file():
            self._kept = msgspec.json.decode(file.read_bytes(), type=_Kept)

    @property
    def dark(self) -> Mapping[str, Sequence[Dark]]:
        """Return the times without power, by meter, oldest first."""
        return self._kept.dark

    @property
    def begun(self) -> Mapping[str, Sequence[Begun]]:
        """Return the counters that began, by meter, oldest first."""
        return self._kept.begun

    def darken(self, units: Iterable[str], at_ms: int) -> None:
        """Let exactly these meters see no voltage from now on."""
        now = set(units)
        open_ = {unit for unit, spans in self._kept.dark.items() if spans[-1].end_ms is None}
        for unit in open_ - now:
            self._kept.dark[unit][-1].end_ms = at_ms
        for unit in now - open_:
            self._kept.dark.setdefault(unit, []).append(Dark(at_ms))
        if now != open_:
            self._save()

    def begin(self, unit: str, reading: float, at_ms: int) -> None:
        """Put a counter with this reading in the meter's place."""
        self._kept.begun.setdefault(unit, []).append(Begun(at_ms, reading))
        self._save()

    def unlit(self, units: Sequence[str], at: Times) -> npt.NDArray[np.bool_]:
        """Return (n, units): whether the meter sees no voltage at the instant."""
        found = np.zeros((len(at), len(units)), bool)
        for column, unit in enumerate(units):
            for span in self._kept.dark.get(unit, []):
                end = np.inf if span.end_ms is None else span.end_ms
                found[:, column] |= (at >= span.start_ms) & (at < end)
        return found

    def _save(self) -> None:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self._kept))
            fresh.replace(self._file)
