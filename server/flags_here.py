"""What flags work with on this site: what can be flagged, by the rules and the site file."""

from collections.abc import Callable, Iterable

from server.alarms import store as alarm_store
from server.alarms.model import Alarm, Rule, Watch
from server.events import Handling
from server.flags import handlers
from server.flags.api import Switchboard
from server.flags.model import Target
from server.flags.ports import Here, Targets
from server.flags.store import SqlEnds, SqlFlags
from server.http import Do
from server.parts import Parts
from server.plan_here import PlantNames
from server.timers import Action, Timer
from server.unit import Unit
from watchkeeper.ids import AlarmId, PointId, UnitId

_SERIOUS: tuple[Handling, ...] = ("life_safety", "highly_managed", "normal")


def maker(parts: Parts) -> Callable[[Unit], Here]:
    """Return what makes, for a unit of work, all that the handlers of flags need."""

    def here(unit: Unit) -> Here:
        return Here(SqlFlags(unit), SqlEnds(unit), unit.now, parts.new_id)

    return here


def expiry(parts: Parts) -> Action:
    """Return what the timer of a flag does."""
    here = maker(parts)

    def act(unit: Unit, timer: Timer) -> None:
        handlers.expire(timer.subject, timer.generation, here(unit))

    return act


def rule_of(parts: Parts) -> Callable[[str], Rule | None]:
    """Return the look-up from a watch to its rule."""

    def found(key: str) -> Rule | None:
        watch = parts.rules.get(key)
        return watch.rule if watch else None

    return found


def switchboard(parts: Parts, do: Do) -> Switchboard:
    """Return what the routes of flags work with."""
    return Switchboard(do, parts.read, parts.clock, maker(parts), _Plant(parts).targets())


class _Plant:
    """The site's alarms, points, units and zones as what a flag can be about."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._names = parts, PlantNames(parts.plant)
        self._zones = {zone.id for unit in parts.plant.units() for zone in unit.zones}
        self._units = {unit.id for unit in parts.plant.units()}

    def targets(self) -> Targets:
        """Return each kind of target by its own name."""
        return Targets(
            self.alarm, self.point, self.unit, self.zone,
            lambda alarm: self._alarm(alarm).point, lambda alarm: self._alarm(alarm).unit,
        )  # fmt: skip

    def alarm(self, alarm: AlarmId) -> Target:
        found = self._alarm(alarm)
        return Target(f"alarm:{found.key}", found.handling, found.title, found.id)

    def point(self, point: PointId) -> Target:
        watches = [each for each in self._watches() if each.point == point]
        if not watches and not any(each.id == point for each in self._parts.plant.points()):
            raise KeyError(point)
        return self._target(f"point:{point}", point, watches)

    def unit(self, unit: UnitId) -> Target:
        if unit not in self._units:
            raise KeyError(unit)
        watches = [
            each
            for each in self._watches()
            if unit in {each.unit, UnitId(each.point.partition("/")[0])}
        ]
        return self._target(f"unit:{unit}", unit, watches)

    def zone(self, zone: str) -> Target:
        if zone not in self._zones:
            raise KeyError(zone)
        watches = [each for each in self._watches() if each.zone == zone]
        return self._target(f"zone:{zone}", zone, watches)

    def _target(self, subject: str, name: str, watches: list[Watch]) -> Target:
        handlings = {each.rule.handling for each in watches} or {"normal"}
        worst = min(handlings, key=_SERIOUS.index)
        return Target(subject, worst, self._names.of(name), points=_set_off(watches))

    def _watches(self) -> Iterable[Watch]:
        book = self._parts.rules
        return [*book.watches.values(), *book.stale.values()]

    def _alarm(self, alarm: AlarmId) -> Alarm:
        with self._parts.read.connect() as connection:
            return alarm_store.one(connection, alarm)


def _set_off(watches: Iterable[Watch]) -> tuple[PointId, ...]:
    """Return the points one sets off to test them: detectors of zones, else what guards lives."""
    tried = [each for each in watches if each.rule.stale is None]
    guards = [each for each in tried if each.rule.handling == "life_safety"]
    for some in ([each for each in guards if each.zone], guards, tried):
        if some:
            return tuple(dict.fromkeys(each.point for each in some))
    return ()
