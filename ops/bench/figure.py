"""One measured figure beside its bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, the bar it is held against, and the load it was measured under."""

    name: str
    value: float
    unit: str
    bar: float | None
    relation: Literal["<", ">="]
    load: str
    peer: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the bar holds."""
        if self.bar is None:
            return True
        return self.value < self.bar if self.relation == "<" else self.value >= self.bar

    def row(self) -> dict[str, object]:
        """Return the figure as the row of a JSON file."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "bar": self.bar,
            "ok": self.ok,
            "peer": self.peer,
            "load": self.load,
        }


ENOUGH_FOR_P99 = 1_000


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed; p99 of few is the maximum."""
    ordered = sorted(values)
    if share > 0.5 and len(ordered) < ENOUGH_FOR_P99:  # noqa: PLR2004 - the median is always meant
        return ordered[-1]
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
