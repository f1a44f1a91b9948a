"""What an edge says is wrong with itself: which figure of its health is which rule.

A new trouble is a line of the table and a rule with `signal: true` in catalog/rules/platform.yaml.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from watchkeeper.ids import EdgeId, PointId

CALM_S: Final = 60.0  # a figure that has not risen for so long rises no more


@dataclass(frozen=True, slots=True)
class Trouble:
    """One figure and what it means."""

    key: str  # of the health: "behind" is "behind/<bus>" for each bus
    rule: str
    rising: bool = False  # so while it rises; else while it is not 0


TROUBLES: Final = (
    Trouble("behind", "bus-behind"),
    Trouble("journals_damaged", "journal-damaged"),
    Trouble("readings_missing", "readings-given-up", rising=True),
    Trouble("devices_left_out", "devices-left-out"),
    Trouble("events_unheard", "events-unheard"),
    Trouble("readings_unheard", "readings-unheard"),
)


class Said(NamedTuple):
    """What the alarms are told; so None: nobody knows."""

    rule: str
    point: PointId
    so: bool | None


@dataclass(slots=True)
class _Figure:
    """A rising figure as it was last."""

    boot: str
    value: float
    since: float  # tick from which it has been watched without rising


class Troubles:
    """What was told of each edge; begins with nothing, so that a restart tells all of it anew."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._told: dict[EdgeId, dict[tuple[str, PointId], bool | None]] = {}
        self._figures: dict[tuple[EdgeId, str], _Figure] = {}

    def hear(
        self, edge: EdgeId, boot: str, health: Mapping[str, float], now: float
    ) -> Iterator[Said]:
        """Yield what is new in an edge's health.

        Args:
            edge: Whose it is.
            boot: Of its state: counters begin at 0 with each.
            health: Counters and gauges by name; one that is missing says nothing.
            now: Tick.
        """
        told = self._told.setdefault(edge, {})
        for key, value in health.items():
            name, _, part = key.partition("/")
            for trouble in TROUBLES:
                if trouble.key == name:
                    so = self._rises(edge, boot, key, value, now) if trouble.rising else value != 0
                    where = (trouble.rule, PointId(f"{edge}/{part or name}"))
                    if so is not None and told.get(where) is not so:
                        told[where] = so
                        yield Said(*where, so)

    def lost(self, edge: EdgeId) -> Iterator[Said]:
        """Yield that nobody knows any more what the edge has told; it is watched anew."""
        told = self._told.get(edge, {})
        for where, so in told.items():
            if so is not None:
                told[where] = None
                yield Said(*where, None)
        for whose, figure in self._figures.items():
            if whose[0] == edge:
                figure.since = float("inf")

    def _rises(self, edge: EdgeId, boot: str, key: str, value: float, now: float) -> bool | None:
        """Return whether a figure rises; None: it has not been watched for long enough."""
        was = self._figures.get((edge, key))
        if was is None:
            self._figures[edge, key] = _Figure(boot, value, now)
            return None
        risen = value > (was.value if boot == was.boot else 0)
        since = now if risen else min(was.since, now)
        self._figures[edge, key] = _Figure(boot, value, since)
        if risen:
            return True
        return False if now - since >= CALM_S else None
