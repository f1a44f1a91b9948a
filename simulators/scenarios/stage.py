"""The stage: causes are set and cleared at units of the building, and what is wrong is known."""

from msgspec import structs

from simulators.building import Building
from simulators.scenarios.cause import Cause, Request, Scenario
from simulators.scenarios.causes import SCENARIOS
from simulators.scenarios.record import Change, Record
from watchkeeper.errors import NotPossible

__all__ = ["SCENARIOS", "Cause", "Request", "Scenario", "Stage"]


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
        scenario, resolved = self.resolved(request)
        self.advance(at_ms)
        cause = Cause(resolved.name, resolved.unit, list(resolved.detectors), at_ms)
        if request.clear:
            self._clear(scenario, resolved, at_ms)
        else:
            scenario.start(self.building, resolved, at_ms)
            if scenario.clear is not None:
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
        if scenario.clear is None:
            raise NotPossible("simulators.no-clear", name=request.name)
        scenario.clear(self.building, request, at_ms)
        self._active.pop((request.name, request.unit), None)

    def resolved(self, request: Request) -> tuple[Scenario, Request]:
        """Return the scenario, and the request with its unit and detectors filled in.

        Raises NotPossible: no such scenario, unit, zone or detector.
        """
        scenario = SCENARIOS.get(request.name)
        if scenario is None:
            raise NotPossible("simulators.no-scenario", name=request.name, known=list(SCENARIOS))
        fitting = scenario.fits(self.building)
        unit = request.unit or (fitting[0] if fitting else "")
        if unit not in fitting:
            raise NotPossible("simulators.no-unit", unit=unit, name=request.name, known=fitting)
        detectors = _detectors(self.building, unit, request)
        return scenario, structs.replace(request, unit=unit, detectors=detectors)


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
