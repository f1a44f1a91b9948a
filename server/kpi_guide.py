"""What the figures of alarms are held against: a guide after EEMUA 191 / ISA-18.2, never a verdict.

Each target has a mark. `seen`: read in public material that quotes the guide. `memory`: known, not
found in any text we could read; the standards themselves are sold. Clause by clause they differ,
and editions dropped some of them, so nothing here says that a site follows a standard.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from server.kpis import Figures

Mark = Literal["seen", "memory"]
LOW, MEDIUM, HIGH = (3, 4), (2,), (1,)  # our priorities as the guide's three


@dataclass(frozen=True, slots=True)
class Target:
    """One figure of the guide."""

    key: str  # catalog/i18n/kpis.yaml: kpis.<key>
    limit: float
    kind: Literal["at_most", "about"]  # about: within half of it, up or down
    unit: Literal["alarms", "share"]
    mark: Mark
    source: str  # where it was read
    of: Callable[[Figures], float | None]

    def met(self, found: Figures) -> bool | None:
        """Return whether the figure keeps to the guide; None: there is no figure."""
        value = self.of(found)
        if value is None:
            return None
        if self.kind == "at_most":
            return value <= self.limit
        return self.limit / 2 <= value <= self.limit * 3 / 2


def _share(*priorities: int) -> Callable[[Figures], float | None]:
    def of(found: Figures) -> float | None:
        if not found.raises:
            return None
        return sum(found.priorities.get(each, 0) for each in priorities) / found.raises

    return of


def _day(found: Figures) -> float | None:
    return found.rates["day"].mean


GRID: Final = "EEMUA 191 KPI grid, as quoted"
TARGETS: Final = (
    Target("rate", 1, "at_most", "alarms", "seen", GRID, lambda f: f.rates["ten_minutes"].mean),
    Target("peak-minute", 2, "at_most", "alarms", "seen", GRID, lambda f: f.rates["minute"].most),
    Target("peak-hour", 15, "at_most", "alarms", "seen", GRID, lambda f: f.rates["hour"].most),
    Target("day", 144, "at_most", "alarms", "seen",
           "IEC 62682:2014 as quoted; ISA-18.2:2016 dropped it", _day),
    Target("flood-share", 0.01, "at_most", "share", "memory", "", lambda f: f.flood_share),
    Target("chattering", 0, "at_most", "alarms", "seen", "PAS, Taming the wild alarm system 3",
           lambda f: float(len(f.chattering))),
    Target("fleeting", 0, "at_most", "alarms", "seen", "PAS, Taming the wild alarm system 3",
           lambda f: float(len(f.fleeting))),
    Target("stale", 4, "at_most", "alarms", "memory", "", lambda f: float(len(f.stale))),
    Target("top-share", 0.05, "at_most", "share", "memory", "", lambda f: f.top_share),
    Target("low", 0.80, "about", "share", "seen", GRID, _share(*LOW)),
    Target("medium", 0.15, "about", "share", "seen", GRID, _share(*MEDIUM)),
    Target("high", 0.05, "about", "share", "seen", GRID, _share(*HIGH)),
)  # fmt: skip


def guide(found: Figures) -> list[Mapping[str, Any]]:
    """Return every target with its figure, its mark and whether the figure keeps to it."""
    return [
        {
            "key": each.key,
            "value": each.of(found),
            "limit": each.limit,
            "kind": each.kind,
            "unit": each.unit,
            "met": each.met(found),
            "mark": each.mark,
            "source": each.source,
        }
        for each in TARGETS
    ]
