"""What the registers of the watched points hold, by point id: what a checker compares with."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulators.devices.lift_board import FAULTS

if TYPE_CHECKING:
    from simulators.building import Building


class Held:
    """The watched points of a building; their names are made once, and panels read when changed."""

    def __init__(self, building: "Building") -> None:
        self._now: dict[str, float] = {}
        self._building = building
        self._shown: dict[str, list[int]] = {}
        self._detectors = {
            unit: [
                f"{unit}/detector-{number:0{len(str(len(panel.detectors)))}}"
                for number in range(1, len(panel.detectors) + 1)
            ]
            for unit, panel in building.panels.items()
        }
        self._looks = [self._panels, self._boards, self._lifts, self._sumps, self._power]

    def now(self) -> dict[str, float]:
        """Return what they hold at this instant."""
        looks: list[Callable[[], None]] = self._looks
        for look in looks:
            look()
        return dict(self._now)

    def _panels(self) -> None:
        for unit, panel in self._building.panels.items():
            self._now[f"{unit}/panel_state"] = panel.state
            if self._shown.get(unit) is not panel.detectors:  # the panel makes a new list
                self._shown[unit] = panel.detectors
                self._now.update(zip(self._detectors[unit], panel.detectors, strict=True))

    def _boards(self) -> None:
        for unit, board in self._building.boards.items():
            self._now |= {f"{unit}/{name}": float(board.faults[name]) for name in FAULTS}
            self._now[f"{unit}/alarm_button"] = float(board.alarm_key)
            self._now[f"{unit}/person"] = float(board.person)
            self._now[f"{unit}/level"] = float(board.level)
            self._now[f"{unit}/door_open"] = float(board.door_open)

    def _lifts(self) -> None:
        for unit, lift in self._building.lifts.items():
            self._now[f"{unit}/mode"] = float(lift.mode)
            self._now[f"{unit}/fault_code"] = float(lift.fault)
            self._now[f"{unit}/floor"] = float(lift.floor)

    def _sumps(self) -> None:
        for unit, sump in self._building.sumps.items():
            self._now[f"{unit}/tripped"] = float(sump.tripped)
            self._now[f"{unit}/high_level"] = float(sump.high)

    def _power(self) -> None:
        for unit, generator in self._building.generators.items():
            self._now[f"{unit}/mode"] = float(generator.automatic)
            self._now[f"{unit}/engine"] = float(generator.engine)
        for unit, ups in self._building.upses.items():
            self._now[f"{unit}/on_battery"] = float(ups.on_battery)
            self._now[f"{unit}/power_failure"] = float(not ups.input_good)
