"""A whole site as one simulated building: its devices, one clock, one seed, its registers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

import numpy as np

from simulators import registers, registers_power
from simulators.devices.booster import Booster
from simulators.devices.electricity import Tree
from simulators.devices.fire_panel import MAINS, FirePanel
from simulators.devices.generator import Generator
from simulators.devices.lift import Lift
from simulators.devices.lift_board import LiftBoard
from simulators.devices.room import Room
from simulators.devices.sump import Sump
from simulators.devices.ups import Ups
from simulators.devices.water import Mains
from simulators.extras import Extras
from simulators.held import Held
from simulators.registers import Blocks
from simulators.slots import Line, Slot
from simulators.supply import Supply
from watchkeeper.site import Plant, Unit

STEP_MS = 100  # the longest step of what moves
LONGEST_MS = 60_000  # after a longer pause of the computer nothing is caught up
Device = TypeVar("Device")
_METERS = ("eastron-sdm630", "schneider-iem3000")


class _Moving(Protocol):
    """What changes by itself while time passes."""

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        ...


class Building:
    """Every device of the site; `advance` lets time pass and rewrites the registers."""

    def __init__(self, plant: Plant, *, seed: int, start_ms: int, extras: Extras) -> None:
        self.plant, self.seed, self.extras, self.at_ms = plant, seed, extras, start_ms
        self.slots = {unit.id: Slot(unit.id, unit.unit, unit.bus) for unit in plant.units()}
        self.lines = {
            bus.id: Line(bus.id, seed=seed) for edge in plant.site.edges for bus in edge.buses
        }
        zone = plant.site.site.time_zone
        self.meters = [unit for unit in plant.units() if unit.profile in _METERS]
        self.tree = Tree(self.meters, seed=seed, zone=zone, extras=extras)
        water = [unit.id for unit in self._of("xintai-water-meter")]
        self.mains = Mains(water, seed=seed, zone=zone, extras=extras)
        self.lifts = {
            unit.id: Lift(_floors(plant, unit), seed=f"{seed}:{unit.id}")
            for unit in self._of("monarch-nice3000")
        }
        self.boards = {
            unit.id: LiftBoard(self.lifts[unit.part_of])
            for unit in self._of("lift-level-board")
            if unit.part_of in self.lifts  # of a lift that was left out there is nothing to sense
        }
        self.panels = {
            unit.id: FirePanel(max((zone.detectors[1] for zone in unit.zones), default=60))
            for unit in self._of("fire-panel-gateway", "fire-gb26875")
        }
        self.sumps = {unit.id: Sump() for unit in self._of("sump-pump")}
        self.rooms = {unit.id: Room(unit.id, seed=seed) for unit in self._of("xy-md02")}
        self.generators = {
            unit.id: Generator(rated_kw=unit.rated_kw or 250.0) for unit in self._of("dse-7320")
        }
        self.upses = {unit.id: Ups() for unit in self._of("apc-smart-ups")}
        self.boosters = {unit.id: Booster(unit.id, seed=seed) for unit in self._of("abb-acs")}
        self.supply = Supply(plant.units(), self.meters, extras.books, self.generators, self.upses)
        self._moving: list[_Moving] = [
            *self.lifts.values(),
            *self.boards.values(),
            *self.sumps.values(),
            *self.rooms.values(),
            *self.panels.values(),
            *self.generators.values(),
            *self.upses.values(),
            *self.boosters.values(),
        ]
        self._held = Held(self)
        self._second = -1
        self._supplied()
        self._moved()

    def advance(self, at_ms: int) -> None:
        """Let time pass until `at_ms`; earlier instants change nothing."""
        left = min(max(0, at_ms - self.at_ms), LONGEST_MS)
        while left > 0:
            now_ms = max(self.at_ms, at_ms - left)
            if self.supply.settle(now_ms):
                self._supplied()
            step = min(left, STEP_MS) / 1000
            for device in self._moving:
                device.step(step)
            left -= STEP_MS
        self.at_ms = max(self.at_ms, at_ms)
        if self.supply.settle(self.at_ms):
            self._supplied()
        self._moved()

    def bus(self, name: str) -> dict[int, Slot]:
        """Return the units of a bus by their number on it."""
        return {slot.number: slot for slot in self.slots.values() if slot.bus == name}

    def energy_kwh(self, unit: str, start_ms: int, end_ms: int) -> float:
        """Return the true energy a meter counted between two instants; KeyError: no such meter."""
        column = {meter.id: number for number, meter in enumerate(self.meters)}[unit]
        both = self.tree.energy(np.array([start_ms, end_ms]))
        return float(both[1, column] - both[0, column])

    def power_w(self, unit: str, at_ms: int) -> float:
        """Return the true power a meter sees; KeyError: no such meter."""
        column = {meter.id: number for number, meter in enumerate(self.meters)}[unit]
        return float(self.tree.power(np.array([at_ms]))[0, column])

    def held(self) -> dict[str, float]:
        """Return what the registers of the watched points hold now, by point id."""
        return self._held.now()

    def _supplied(self) -> None:
        """Let the devices have the power that there is for them; the meters show it at once."""
        self._second = -1
        powered = self.supply.powered
        for unit, lift in self.lifts.items():
            lift.power(on=powered(unit))
            self.slots[unit].dead = not lift.powered
        for unit, sump in self.sumps.items():
            sump.powered = powered(unit)
        for unit, booster in self.boosters.items():
            booster.powered = powered(unit)
            self.slots[unit].dead = not booster.powered
        for unit, panel in self.panels.items():
            panel.supply(MAINS, failed=not powered(unit))
        for unit, ups in self.upses.items():
            self.slots[unit].dead = not (ups.output or ups.input_good)
        buffered = [*self.rooms, *self.sumps, *(meter.id for meter in self.meters)]
        for unit in buffered:
            self.slots[unit].dead = not self.supply.electronics(unit)

    def _moved(self) -> None:
        """Write into the registers what is true now; what only drifts changes once a second."""
        self._write(self.lifts, registers.lift)
        self._write(self.boards, registers.lift_board)
        self._write(self.panels, registers.fire_panel)
        self._write(self.sumps, registers.sump)
        self._write(self.generators, registers_power.dse7320)
        self._write(self.upses, registers_power.smart_ups)
        self._write(self.boosters, registers_power.abb_acs)
        if self.at_ms // 1000 != self._second:
            self._second = self.at_ms // 1000
            self._measured()

    def _write(self, devices: Mapping[str, Device], table: Callable[[Device], Blocks]) -> None:
        for unit, device in devices.items():
            self.slots[unit].blocks |= table(device)

    def _measured(self) -> None:
        at = np.array([self.at_ms])
        seen = self.tree.at(at)
        makes = {
            "eastron-sdm630": registers.sdm630(seen),
            "schneider-iem3000": registers.iem3000(seen),
        }
        for column, meter in enumerate(self.meters):
            for start, words in makes[meter.profile].items():
                self.slots[meter.id].blocks[start] = words[0, column].tobytes()
        boards = self.supply.carried()
        carried = [n for n, meter in enumerate(self.meters) if meter.id in boards]
        for generator in self.generators.values():
            generator.demand_kw = float(seen.power[0, carried].sum()) / 1000
        flows = registers.water_meter(self.mains.at(at))
        for column, unit in enumerate(self.mains.units):
            for start, words in flows.items():
                self.slots[unit].blocks[start] = words[0, column].tobytes()
        for unit, room in self.rooms.items():
            temperature, humidity = room.at(self.at_ms)
            made = registers.room_sensor(temperature, humidity, broken=room.broken)
            self.slots[unit].blocks |= made

    def _of(self, *profiles: str) -> Iterable[Unit]:
        return [unit for unit in self.plant.units() if unit.profile in profiles]


def _floors(plant: Plant, lift: Unit) -> list[int]:
    """Return the landings of the lift's place: "B3..28" is -3, -2, -1, 1, ... 28."""
    place = next(place for place in plant.site.places if place.id == lift.place.split("/")[0])
    low, _, high = place.floors.partition("..")
    first, last = (-int(end[1:]) if end.startswith("B") else int(end) for end in (low, high))
    return [floor for floor in range(first, last + 1) if floor != 0]
