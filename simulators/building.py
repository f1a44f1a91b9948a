"""A whole site as one simulated building: its devices, one clock, one seed, its registers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from simulators import registers
from simulators.devices.electricity import Tree
from simulators.devices.fire_panel import FirePanel
from simulators.devices.lift import Lift
from simulators.devices.lift_board import FAULTS, LiftBoard
from simulators.devices.room import Room
from simulators.devices.sump import Sump
from simulators.devices.water import Mains
from simulators.extras import Extras
from simulators.registers import Start
from watchkeeper.errors import ConfigError
from watchkeeper.site import Plant, Unit

STEP_MS = 100  # the longest step of what moves
LONGEST_MS = 60_000  # after a longer pause of the computer nothing is caught up
_METERS = ("eastron-sdm630", "schneider-iem3000")


@dataclass(slots=True)
class Slot:
    """A unit on its bus: what its registers hold now."""

    unit: str
    number: int
    bus: str
    blocks: dict[Start, bytes] = field(default_factory=dict)
    silent: bool = False  # pulled from the bus: it answers nothing


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
            unit.id: LiftBoard(self._lift_of(unit)) for unit in self._of("lift-level-board")
        }
        self.panels = {
            unit.id: FirePanel(max((zone.detectors[1] for zone in unit.zones), default=60))
            for unit in [*self._of("fire-panel-gateway"), *self._of("fire-gb26875")]
        }
        self.sumps = {unit.id: Sump() for unit in self._of("sump-pump")}
        self.rooms = {unit.id: Room(unit.id, seed=seed) for unit in self._of("xy-md02")}
        self._moving: list[_Moving] = [
            *self.lifts.values(),
            *self.boards.values(),
            *self.sumps.values(),
            *self.rooms.values(),
        ]
        self._second = -1
        self._moved()

    def advance(self, at_ms: int) -> None:
        """Let time pass until `at_ms`; earlier instants change nothing."""
        left = min(max(0, at_ms - self.at_ms), LONGEST_MS)
        while left > 0:
            step = min(left, STEP_MS) / 1000
            for device in self._moving:
                device.step(step)
            left -= STEP_MS
        self.at_ms = max(self.at_ms, at_ms)
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
        held: dict[str, float] = {}
        for unit, panel in self.panels.items():
            width = len(str(len(panel.detectors)))
            held[f"{unit}/panel_state"] = panel.state
            for number, code in enumerate(panel.detectors, 1):
                held[f"{unit}/detector-{number:0{width}}"] = code
        for unit, board in self.boards.items():
            held |= {f"{unit}/{name}": float(board.faults[name]) for name in FAULTS}
            held[f"{unit}/alarm_button"] = float(board.alarm_key)
            held[f"{unit}/person"] = float(board.person)
            held[f"{unit}/level"] = float(board.level)
            held[f"{unit}/door_open"] = float(board.door_open)
        for unit, lift in self.lifts.items():
            held[f"{unit}/mode"], held[f"{unit}/fault_code"] = float(lift.mode), float(lift.fault)
            held[f"{unit}/floor"] = float(lift.floor)
        for unit, sump in self.sumps.items():
            held[f"{unit}/tripped"], held[f"{unit}/high_level"] = sump.tripped, sump.high
        return held

    def _moved(self) -> None:
        """Write into the registers what is true now; meters change once a second."""
        for unit, lift in self.lifts.items():
            self.slots[unit].blocks |= registers.lift(lift)
        for unit, board in self.boards.items():
            self.slots[unit].blocks |= registers.lift_board(board)
        for unit, panel in self.panels.items():
            self.slots[unit].blocks |= registers.fire_panel(panel)
        for unit, sump in self.sumps.items():
            self.slots[unit].blocks |= registers.sump(sump)
        if self.at_ms // 1000 != self._second:
            self._second = self.at_ms // 1000
            self._measured()

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
        flows = registers.water_meter(self.mains.at(at))
        for column, unit in enumerate(self.mains.units):
            for start, words in flows.items():
                self.slots[unit].blocks[start] = words[0, column].tobytes()
        for unit, room in self.rooms.items():
            temperature, humidity = room.at(self.at_ms)
            made = registers.room_sensor(temperature, humidity, broken=room.broken)
            self.slots[unit].blocks |= made

    def _of(self, profile: str) -> Iterable[Unit]:
        return [unit for unit in self.plant.units() if unit.profile == profile]

    def _lift_of(self, board: Unit) -> Lift:
        if board.part_of not in self.lifts:
            raise ConfigError(
                where=f"units.{board.id}.part_of",
                what=f"no lift `{board.part_of}`",
                fix="name the lift that the board watches",
            )
        return self.lifts[board.part_of]


def _floors(plant: Plant, lift: Unit) -> list[int]:
    """Return the landings of the lift's place: "B3..28" is -3, -2, -1, 1, ... 28."""
    place = next(place for place in plant.site.places if place.id == lift.place.split("/")[0])
    low, _, high = place.floors.partition("..")
    first, last = (-int(end[1:]) if end.startswith("B") else int(end) for end in (low, high))
    return [floor for floor in range(first, last + 1) if floor != 0]
