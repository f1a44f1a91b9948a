"""The table of causes: each is physical, at one unit; alarms are its effect."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from simulators.building import Building
from simulators.devices import fire_panel
from simulators.registers import DISPLAY
from simulators.scenarios.cause import Act, Request, Scenario

NEAR_KWH = 0.5  # so little before its display limit counter-rollover puts a counter


def _put(code: int) -> Act:
    def put(building: Building, request: Request, _at_ms: int) -> None:
        for detector in request.detectors:
            building.panels[request.unit].put(detector, code)

    return put


def _end_fire(building: Building, request: Request, _at_ms: int) -> None:
    """Let the smoke be gone and reset the panel, as a person does there."""
    panel = building.panels[request.unit]
    panel.end(fire_panel.FIRE)
    panel.reset()


def _end(code: int) -> Act:
    def end(building: Building, request: Request, _at_ms: int) -> None:
        building.panels[request.unit].end(code)

    return end


def _battery(*, failed: bool) -> Act:
    def fail(building: Building, request: Request, _at_ms: int) -> None:
        building.panels[request.unit].supply(fire_panel.BATTERY, failed=failed)

    return fail


def _clock(building: Building, request: Request, _at_ms: int) -> None:
    building.panels[request.unit].clock_off += timedelta(seconds=request.seconds)


def _right_clock(building: Building, request: Request, _at_ms: int) -> None:
    building.panels[request.unit].clock_off = timedelta()


def _overload(building: Building, request: Request, at_ms: int) -> None:
    """Add so much at the feeder that it draws `factor` times its rated power."""
    rated = {unit.id: unit.rated_kw for unit in building.meters}[request.unit] * 1000
    building.extras.stop(request.unit, at_ms)
    more = rated * request.factor - building.power_w(request.unit, at_ms)
    building.extras.start(request.unit, max(0.0, more), at_ms)


def _no_extra(building: Building, request: Request, at_ms: int) -> None:
    building.extras.stop(request.unit, at_ms)


def _counter(building: Building, request: Request, at_ms: int, reading: float) -> None:
    building.extras.books.begin(request.unit, reading, at_ms)


def _cut(*, failed: bool) -> Act:
    def cut(building: Building, request: Request, _at_ms: int) -> None:
        if failed:
            building.supply.failed.add(request.unit)
        else:
            building.supply.failed.discard(request.unit)

    return cut


def _trap(building: Building, request: Request, _at_ms: int) -> None:
    lift = building.lifts[request.unit]
    if request.at_floor:
        lift.trap_at_floor()
    else:
        lift.trap()


def _free(building: Building, request: Request, _at_ms: int) -> None:
    building.lifts[request.unit].free()


def _slot(**facts: bool | int) -> Act:
    def put(building: Building, request: Request, _at_ms: int) -> None:
        for field, value in facts.items():
            setattr(building.slots[request.unit], field, value)

    return put


def _slow(building: Building, request: Request, _at_ms: int) -> None:
    building.slots[request.unit].delay_ms = request.delay_ms


def _noise(building: Building, request: Request, _at_ms: int) -> None:
    building.lines[building.slots[request.unit].bus].share = request.share


def _quiet(building: Building, request: Request, _at_ms: int) -> None:
    building.lines[building.slots[request.unit].bus].share = 0.0


def _sump(*, failed: bool) -> Act:
    def fail(building: Building, request: Request, _at_ms: int) -> None:
        sump = building.sumps[request.unit]
        sump.tripped, sump.inflow_m3h = failed, 120.0 if failed else 4.0

    return fail


def _room(field: str, *, wrong: bool) -> Act:
    def go_wrong(building: Building, request: Request, _at_ms: int) -> None:
        setattr(building.rooms[request.unit], field, wrong)

    return go_wrong


def _starter(*, broken: bool) -> Act:
    def fail(building: Building, request: Request, _at_ms: int) -> None:
        generator = building.generators[request.unit]
        generator.starter_broken = broken
        if not broken:
            generator.reset()

    return fail


def _automatic(*, automatic: bool) -> Act:
    def switch(building: Building, request: Request, _at_ms: int) -> None:
        building.generators[request.unit].automatic = automatic

    return switch


def _drain(building: Building, request: Request, _at_ms: int) -> None:
    generator = building.generators[request.unit]
    generator.fuel_l = generator.tank_l * request.percent / 100


def _refuel(building: Building, request: Request, _at_ms: int) -> None:
    generator = building.generators[request.unit]
    generator.fuel_l = 0.95 * generator.tank_l
    generator.reset()


def _worn(health: float) -> Act:
    """Let the battery be so good; a new one forgets what the last test said."""

    def wear(building: Building, request: Request, _at_ms: int) -> None:
        ups = building.upses[request.unit]
        ups.health, ups.test_failed = health, False

    return wear


def _booster(*, tripped: bool) -> Act:
    def fail(building: Building, request: Request, _at_ms: int) -> None:
        booster = building.boosters[request.unit]
        if tripped:
            booster.trip()
        else:
            booster.reset()

    return fail


def _feeders(building: Building) -> list[str]:
    rated = [unit for unit in building.meters if unit.rated_kw > 0]
    return [unit.id for unit in sorted(rated, key=lambda unit: unit.id.startswith("main"))]


def _of(kind: str) -> Callable[[Building], list[str]]:
    return lambda building: list(getattr(building, kind))


def _meters(building: Building) -> list[str]:
    """Return the electricity meters, those first that feed no other."""
    return [unit.id for unit in sorted(building.meters, key=lambda unit: bool(unit.feeds))]


def _sdm(building: Building) -> list[str]:
    """Return the meters that have a display limit, those first that feed no other."""
    kinds = {unit.id: unit.profile for unit in building.meters}
    return [unit for unit in _meters(building) if kinds[unit] == "eastron-sdm630"]


def _clocks(building: Building) -> list[str]:
    return [unit.id for unit in building.plant.units() if unit.profile == "fire-gb26875"]


def _any(building: Building) -> list[str]:
    """Return all units, those first whose silence hurts nobody: the meters that feed none."""
    leaves = [unit.id for unit in building.meters if not unit.feeds]
    return leaves + [unit for unit in building.slots if unit not in leaves]


_panels, _lifts, _rooms, _sumps = _of("panels"), _of("lifts"), _of("rooms"), _of("sumps")
_generators, _upses = _of("generators"), _of("upses")
_detectors = ("detectors", "zone")

SCENARIOS: Mapping[str, Scenario] = {
    # electricity
    "overload": Scenario(_feeders, _overload, _no_extra, ("factor",)),
    "outage": Scenario(lambda b: b.supply.incoming, _cut(failed=True), _cut(failed=False)),
    "generator-fails": Scenario(_generators, _starter(broken=True), _starter(broken=False)),
    "generator-off": Scenario(_generators, _automatic(automatic=False), _automatic(automatic=True)),
    "fuel-low": Scenario(_generators, _drain, _refuel, ("percent",)),
    "ups-battery": Scenario(_upses, _worn(0.35), _worn(1.0)),
    "ups-test": Scenario(_upses, lambda b, r, _: b.upses[r.unit].test(), None),
    "meter-replaced": Scenario(
        _meters,
        lambda b, r, at: _counter(b, r, at, 0.0),
        None,
    ),
    "counter-rollover": Scenario(
        _sdm, lambda b, r, at: _counter(b, r, at, DISPLAY - NEAR_KWH), None
    ),
    # lifts
    "entrapment": Scenario(_lifts, _trap, _free, ("at_floor",)),
    "lift-fault": Scenario(_lifts, lambda b, r, _: b.lifts[r.unit].stop_empty(), _free),
    # fire
    "fire": Scenario(_panels, _put(fire_panel.FIRE), _end_fire, _detectors),
    "detector": Scenario(_panels, _put(fire_panel.FAULT), _end(fire_panel.FAULT), _detectors),
    "detector-disabled": Scenario(
        _panels, _put(fire_panel.DISABLED), _end(fire_panel.DISABLED), _detectors
    ),
    "smoke-gone": Scenario(_panels, _end(fire_panel.FIRE), None),
    "panel-mute": Scenario(_panels, lambda b, r, _: b.panels[r.unit].mute(), None),
    "panel-reset": Scenario(_panels, lambda b, r, _: b.panels[r.unit].reset(), None),
    "panel-battery": Scenario(_panels, _battery(failed=True), _battery(failed=False)),
    "clock-jump": Scenario(_clocks, _clock, _right_clock, ("seconds",)),
    # lines
    "meter-silent": Scenario(_any, _slot(silent=True), _slot(silent=False)),
    "slow-device": Scenario(_any, _slow, _slot(delay_ms=0), ("delay_ms",)),
    "bus-noise": Scenario(_any, _noise, _quiet, ("share",)),
    # rooms and water
    "sensor-fault": Scenario(_rooms, _room("broken", wrong=True), _room("broken", wrong=False)),
    "room-hot": Scenario(_rooms, _room("heating", wrong=True), _room("heating", wrong=False)),
    "sump-flood": Scenario(_sumps, _sump(failed=True), _sump(failed=False)),
    "booster-trip": Scenario(_of("boosters"), _booster(tripped=True), _booster(tripped=False)),
    "water-leak": Scenario(
        lambda building: building.mains.units,
        lambda building, request, at: building.extras.start(request.unit, 15.0, at),
        _no_extra,
    ),
}
