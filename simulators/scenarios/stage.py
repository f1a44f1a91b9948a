"""The scenarios: each is a physical cause at one unit, set and cleared; alarms are its effect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import Struct

from simulators.building import Building
from simulators.devices import fire_panel
from simulators.scenarios.record import Change, Record
from watchkeeper.errors import NotPossible


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to happen, or to be over (`clear`)."""

    name: str
    unit: str = ""  # empty: the first unit that the scenario fits
    detectors: list[int] = []  # of fire and detector, from 1; empty: the zone's first two, or 7
    zone: str = ""
    factor: float = 1.2  # of overload: of the feeder's rated power
    at_floor: bool = False  # of entrapment: shut in at a landing instead of between two
    clear: bool = False


class Cause(Struct, frozen=True):
    """What is wrong at the moment, and since when."""

    name: str
    unit: str
    detectors: list[int]
    at: int  # Unix ms


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a cause is set and cleared; both get the unit."""

    fits: Callable[[Building], list[str]]
    start: Callable[[Building, Request, int], None]
    clear: Callable[[Building, Request, int], None]


class Stage:
    """Plays scenarios in a building, and knows what is being played."""

    def __init__(self, building: Building) -> None:
        self.building, self.record = building, Record()
        self._active: dict[tuple[str, str], Cause] = {}

    def advance(self, at_ms: int) -> None:
        """Let the building live until `at_ms`, and write down what its registers hold."""
        self.building.advance(at_ms)
        self.record.note(self.building.held(), self.building.at_ms)

    def play(self, request: Request, at_ms: int) -> Cause:
        """Set the cause, or clear it; return what is or was wrong.

        Raises NotPossible: no such scenario, unit, zone or detector.
        """
        scenario = SCENARIOS.get(request.name)
        if scenario is None:
            raise NotPossible("simulators.no-scenario", name=request.name, known=list(SCENARIOS))
        resolved = self._resolved(request, scenario)
        self.advance(at_ms)
        cause = Cause(resolved.name, resolved.unit, list(resolved.detectors), at_ms)
        if request.clear:
            self._clear(scenario, resolved, at_ms)
        else:
            scenario.start(self.building, resolved, at_ms)
            self._active[cause.name, cause.unit] = cause
        self.advance(at_ms)
        return cause

    def active(self) -> list[Cause]:
        """Return what is wrong now, oldest first."""
        return list(self._active.values())

    def fix(self, unit: str, at_ms: int) -> list[Cause]:
        """Clear everything that is wrong at a unit or at what it is part of; return it."""
        parts = {each.id: each.part_of for each in self.building.plant.units()}
        same = {unit, parts.get(unit, "")} | {part for part, of in parts.items() if of == unit}
        those = [cause for cause in self._active.values() if cause.unit in same]
        for cause in those:
            self.play(Request(cause.name, unit=cause.unit, clear=True), at_ms)
        return those

    def changes(self, since_ms: int) -> list[Change]:
        """Return what the registers of watched points held since then, change by change."""
        return self.record.since(since_ms)

    def _clear(self, scenario: Scenario, request: Request, at_ms: int) -> None:
        """Clear what was set; of a fire, every detector that rings."""
        scenario.clear(self.building, request, at_ms)
        self._active.pop((request.name, request.unit), None)

    def _resolved(self, request: Request, scenario: Scenario) -> Request:
        """Return the request with its unit and detectors filled in."""
        fitting = scenario.fits(self.building)
        unit = request.unit or (fitting[0] if fitting else "")
        if unit not in fitting:
            raise NotPossible("simulators.no-unit", unit=unit, name=request.name, known=fitting)
        detectors = _detectors(self.building, unit, request)
        return Request(
            request.name, unit, detectors, request.zone, request.factor, request.at_floor
        )


def _detectors(building: Building, unit: str, request: Request) -> list[int]:
    """Return the detectors meant: those named, the first two of the zone, or number 7."""
    if unit not in building.panels:
        return []
    zones = {zone.id: zone for each in building.plant.units() for zone in each.zones}
    if request.zone and request.zone not in zones:
        raise NotPossible("simulators.no-zone", zone=request.zone, known=list(zones))
    if request.detectors:
        named = request.detectors
    elif request.zone:
        named = [zones[request.zone].detectors[0] + step for step in (2, 3)]
    else:
        named = [7, 8] if request.name == "fire" else [7]
    most = len(building.panels[unit].detectors)
    if not all(1 <= detector <= most for detector in named):
        raise NotPossible("simulators.no-detector", detectors=named, most=most)
    return list(named)


def _put(code: int) -> Callable[[Building, Request, int], None]:
    def put(building: Building, request: Request, _at_ms: int) -> None:
        for detector in request.detectors:
            building.panels[request.unit].put(detector, code)

    return put


def _reset(code: int) -> Callable[[Building, Request, int], None]:
    """Reset every detector of the panel that says `code`, as a person does at the panel."""

    def reset(building: Building, request: Request, _at_ms: int) -> None:
        panel = building.panels[request.unit]
        for number, said in enumerate(panel.detectors, 1):
            if said == code:
                panel.put(number, fire_panel.NORMAL)

    return reset


def _overload(building: Building, request: Request, at_ms: int) -> None:
    """Add so much at the feeder that it draws `factor` times its rated power."""
    rated = {unit.id: unit.rated_kw for unit in building.meters}[request.unit] * 1000
    building.extras.stop(request.unit, at_ms)
    more = rated * request.factor - building.power_w(request.unit, at_ms)
    building.extras.start(request.unit, max(0.0, more), at_ms)


def _no_extra(building: Building, request: Request, at_ms: int) -> None:
    building.extras.stop(request.unit, at_ms)


def _trap(building: Building, request: Request, _at_ms: int) -> None:
    lift = building.lifts[request.unit]
    if request.at_floor:
        lift.trap_at_floor()
    else:
        lift.trap()


def _free(building: Building, request: Request, _at_ms: int) -> None:
    building.lifts[request.unit].free()


def _silent(*, silent: bool) -> Callable[[Building, Request, int], None]:
    def be_silent(building: Building, request: Request, _at_ms: int) -> None:
        building.slots[request.unit].silent = silent

    return be_silent


def _sump(*, failed: bool) -> Callable[[Building, Request, int], None]:
    def fail(building: Building, request: Request, _at_ms: int) -> None:
        sump = building.sumps[request.unit]
        sump.tripped, sump.inflow_m3h = failed, 120.0 if failed else 4.0

    return fail


def _room(field: str, *, wrong: bool) -> Callable[[Building, Request, int], None]:
    def go_wrong(building: Building, request: Request, _at_ms: int) -> None:
        setattr(building.rooms[request.unit], field, wrong)

    return go_wrong


def _feeders(building: Building) -> list[str]:
    rated = [unit for unit in building.meters if unit.rated_kw > 0]
    return [unit.id for unit in sorted(rated, key=lambda unit: unit.id.startswith("main"))]


def _lifts(building: Building) -> list[str]:
    return list(building.lifts)


def _panels(building: Building) -> list[str]:
    return list(building.panels)


def _rooms(building: Building) -> list[str]:
    return list(building.rooms)


def _any(building: Building) -> list[str]:
    """Return all units, those first whose silence hurts nobody: the meters that feed none."""
    leaves = [unit.id for unit in building.meters if not unit.feeds]
    return leaves + [unit for unit in building.slots if unit not in leaves]


SCENARIOS: Mapping[str, Scenario] = {
    "overload": Scenario(_feeders, _overload, _no_extra),
    "entrapment": Scenario(_lifts, _trap, _free),
    "lift-fault": Scenario(_lifts, lambda b, r, _: b.lifts[r.unit].stop_empty(), _free),
    "fire": Scenario(_panels, _put(fire_panel.FIRE), _reset(fire_panel.FIRE)),
    "detector": Scenario(_panels, _put(fire_panel.FAULT), _reset(fire_panel.FAULT)),
    "detector-disabled": Scenario(_panels, _put(fire_panel.DISABLED), _reset(fire_panel.DISABLED)),
    "meter-silent": Scenario(_any, _silent(silent=True), _silent(silent=False)),
    "sensor-fault": Scenario(_rooms, _room("broken", wrong=True), _room("broken", wrong=False)),
    "room-hot": Scenario(_rooms, _room("heating", wrong=True), _room("heating", wrong=False)),
    "sump-flood": Scenario(
        lambda building: list(building.sumps), _sump(failed=True), _sump(failed=False)
    ),
    "water-leak": Scenario(
        lambda building: building.mains.units,
        lambda building, request, at: building.extras.start(request.unit, 15.0, at),
        _no_extra,
    ),
}
