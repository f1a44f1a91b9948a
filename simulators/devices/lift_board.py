"""The monitoring board of a lift: sensors and battery of its own, and the entrapment logic.

Trapped between floors: not level for T, and the person sensor (PIR) rose at least twice meanwhile.
Trapped at floor: level with the door closed for T, and the PIR rose more than three times.
Cleared only when the car is level and the door open. Source: two public add-on boards.
Their T is 20-30 s; here it is a setting, so that a story need not wait.
"""

from simulators.devices.lift import Lift, Mode

FAULTS = (  # in the order of the bits of register 0
    "trapped_at_floor",
    "trapped_between_floors",
    "door_open_outside_zone",
    "top_overrun",
    "pit_overrun",
    "stop_outside_zone",
    "moving_with_door_open",
    "overspeed",
    "run_time_out",
    "repeated_door_cycles",
    "door_open_too_long",
    "power_off",
)
PIR_PERIOD_S = 1.0  # a person in the car moves about so often
HOLD_S = 8.0  # the board shows a person so long after the last movement
STOP_OUTSIDE_FACTOR = 2  # stopped outside the zone: after twice T, passenger or not
DOOR_OPEN_S, OUTSIDE_S = 120.0, 2.0


class LiftBoard:
    """What the board senses of its lift, and what it concludes."""

    def __init__(self, lift: Lift, *, trap_s: int = 5) -> None:
        self._lift, self.trap_s = lift, trap_s
        self.faults = dict.fromkeys(FAULTS, False)
        self.sensor_fault = 0
        self._movements, self._still_s, self._pir_s = 0, 0.0, 0.0
        self._seen_s, self._open_s = HOLD_S, 0.0
        self.sense()

    def sense(self) -> None:
        """Read the sensors."""
        lift = self._lift
        self.up, self.down, self.speed = lift.speed > 0, lift.speed < 0, lift.speed
        self.level, self.door_open, self.floor = lift.level, lift.door_open, lift.floor
        self.inspection, self.alarm_key = lift.mode == Mode.INSPECTION, lift.button
        self.door_cycles, self.floors_run = lift.door_cycles, lift.floors_run
        self.floors = len(lift.floors)
        self.person = self._seen_s < HOLD_S

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        self._watch_for_persons(dt_s)
        self.sense()
        still = self.speed == 0 and not self.door_open
        if not still:
            self._still_s, self._movements = 0.0, 0
        else:
            self._still_s += dt_s
        self._open_s = self._open_s + dt_s if self.door_open else 0.0
        if not self.inspection:
            self._conclude()
        if self.level and self.door_open:
            self.faults = dict.fromkeys(FAULTS, False)
        self.faults["door_open_too_long"] = self._open_s > DOOR_OPEN_S
        self.faults["power_off"] = not self._lift.powered

    def _watch_for_persons(self, dt_s: float) -> None:
        """Count the rising edges of the PIR."""
        self._seen_s += dt_s
        self._pir_s = self._pir_s + dt_s if self._lift.persons else 0.0
        if self._pir_s >= PIR_PERIOD_S:
            self._pir_s, self._seen_s = 0.0, 0.0
            self._movements += 1

    def _conclude(self) -> None:
        long_still = self._still_s >= self.trap_s
        if long_still and not self.level and self._movements >= 2:  # noqa: PLR2004
            self.faults["trapped_between_floors"] = True
        if long_still and self.level and self._movements > 3:  # noqa: PLR2004
            self.faults["trapped_at_floor"] = True
        if not self.level and self._still_s >= STOP_OUTSIDE_FACTOR * self.trap_s:
            self.faults["stop_outside_zone"] = True
        if not self.level and self.door_open and self._open_s >= OUTSIDE_S:
            self.faults["door_open_outside_zone"] = True
