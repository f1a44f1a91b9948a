"""What hangs on what: which alarms would explain an alarm here (dispatch: one cause, one incident).

A rule says what trouble it `means` and what trouble it `brings` to what hangs on its unit. A unit
hangs on what feeds or serves it, on what it is part of, on its bus, its edge and the broker.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from server.alarms.model import Watch
from server.rule_words import Rule
from watchkeeper.ids import UnitId
from watchkeeper.site import Plant

BROKER = "server/broker"  # the point of its signal; server/edges.py tells it


class Dependencies:
    """Answers, for a site and its rules, whose alarm would explain another."""

    def __init__(self, plant: Plant, rules: Mapping[str, Rule], watches: Iterable[Watch]) -> None:
        """`watches` are all that are bound to points."""
        self._bringing = [rule for rule in rules.values() if rule.brings]
        self._units = _units(plant)
        self._signals = _signals(plant)
        self._of: dict[tuple[str, str], list[str]] = {}  # rule and unit -> keys
        keys = {rule.key for rule in self._bringing}
        for watch in watches:
            if watch.rule.key in keys:
                self._of.setdefault((watch.rule.key, watch.unit), []).append(watch.key)

    def roots(self, watch: Watch) -> tuple[str, ...]:
        """Return the keys of the watches whose alarm explains one of this watch, nearest first."""
        rule = watch.rule
        if not rule.means:
            return ()
        own = UnitId(watch.point.partition("/")[0])
        above = dict.fromkeys((*self._units.get(own, ()), *self._units.get(watch.unit, ())))
        found = [
            self._keys(each, list(above), self._signals.get(own, self._signals_of(watch)))
            for each in self._bringing
            if rule.means in each.brings and each.key != rule.key
        ]
        if rule.means in rule.brings:  # a feeder's low voltage explains that of what it feeds
            found.append(self._keys(rule, list(above), ()))
        return tuple(key for key in dict.fromkeys(chain(*found)) if key != watch.key)

    def bound(self, watches: Mapping[str, Watch]) -> dict[str, Watch]:
        """Return the watches, each knowing what would explain it."""
        return {key: replace(each, roots=self.roots(each)) for key, each in watches.items()}

    def _keys(self, rule: Rule, above: Sequence[str], signals: Sequence[str]) -> list[str]:
        if rule.signal:
            return [f"{rule.key}|{point}" for point in signals]
        if rule.everywhere:
            return [key for (of, _), keys in self._of.items() if of == rule.key for key in keys]
        return [key for unit in above for key in self._of.get((rule.key, unit), ())]

    def _signals_of(self, watch: Watch) -> tuple[str, ...]:
        """Return what explains a signal: of a bus its edge; of all others the broker."""
        edge = watch.point.partition("/")[0]
        return tuple(each for each in (f"{edge}/state", BROKER) if each != watch.point)


def _units(plant: Plant) -> dict[UnitId, tuple[str, ...]]:
    """Return the units above each unit, the nearest first."""
    feeders: dict[str, list[str]] = {}
    for unit in plant.units():
        for fed in (*unit.feeds, *unit.serves):
            feeders.setdefault(fed, []).append(unit.id)
        if unit.part_of:
            feeders.setdefault(unit.id, []).append(unit.part_of)
    found: dict[UnitId, tuple[str, ...]] = {}
    for unit in plant.units():
        way: list[str] = []
        ahead = list(feeders.get(unit.id, ()))
        while ahead:
            above = ahead.pop(0)
            if above not in way and above != unit.id:
                way.append(above)
                ahead += feeders.get(above, ())
        found[UnitId(unit.id)] = tuple(way)
    return found


def _signals(plant: Plant) -> dict[UnitId, tuple[str, ...]]:
    """Return the signals' points above each unit: its bus, its edge, the broker."""
    return {
        UnitId(unit.id): (f"{edge.id}/{unit.bus}", f"{edge.id}/state", BROKER)
        for edge in plant.site.edges
        for unit in edge.units
    }
