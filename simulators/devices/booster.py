"""A pump behind a drive that keeps the pressure of a water system: fast when much is drawn."""

import math

from simulators.loads import key

SET_BAR, CLOSED_BAR = 4.5, 6.2  # what it keeps; what it makes against a closed valve at 50 Hz
MOST_M3H, RATED_KW, RATED_A, RATED_HZ = 30.0, 7.5, 15.2, 50.0
SLEEP_HZ, RAMP_HZ_S, STANDSTILL_HZ = 20.0, 5.0, 0.05
OVERCURRENT = 0x2310  # the maker's code of the fault


class Booster:
    """A drive, its motor, a pump and the pipe behind it."""

    def __init__(self, name: str, *, seed: int = 0) -> None:
        self._phase, self._second = key(f"{name}:{seed}") % 86_400, 0.0
        self.hertz, self.bar, self.demand_m3h = 30.0, SET_BAR, 8.0
        self.powered, self.tripped, self.last_fault = True, False, 0

    @property
    def running(self) -> bool:
        """Return whether the motor turns."""
        return self.hertz > STANDSTILL_HZ

    @property
    def kilowatts(self) -> float:
        """Return what the motor takes: the cube of its speed, less when little is drawn."""
        speed = self.hertz / RATED_HZ
        return RATED_KW * speed**3 * (0.35 + 0.65 * min(1.0, self.demand_m3h / MOST_M3H))

    @property
    def amperes(self) -> float:
        """Return the motor's current; a third of it only magnetises."""
        share = self.kilowatts / RATED_KW
        return RATED_A * math.hypot(0.33, share) if self.running else 0.0

    def trip(self) -> None:
        """Stop with a fault."""
        self.tripped, self.last_fault = True, OVERCURRENT

    def reset(self) -> None:
        """Acknowledge the fault at the drive; the code of it stays."""
        self.tripped = False

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        self._second += dt_s
        turn = 2 * math.pi * (self._second + self._phase) / 86_400
        self.demand_m3h = 9 + 5 * math.sin(turn) + 3 * math.sin(24 * turn) + math.sin(211 * turn)
        head = CLOSED_BAR * (self.hertz / RATED_HZ) ** 2
        makes = max(0.0, head - 1.2 * (self.demand_m3h / MOST_M3H) ** 2 * self.hertz / RATED_HZ)
        self.bar += (makes - self.bar) * min(1.0, dt_s / 2.0)
        self.hertz += self._change(dt_s)

    def _change(self, dt_s: float) -> float:
        """Return how much faster it turns next: after the pressure, never faster than its ramp."""
        if not self.powered or self.tripped:
            return -min(self.hertz, 2 * RAMP_HZ_S * dt_s)
        goal = min(RATED_HZ, max(SLEEP_HZ, self.hertz + 8 * (SET_BAR - self.bar)))
        return max(-RAMP_HZ_S * dt_s, min(RAMP_HZ_S * dt_s, 0.5 * (goal - self.hertz)))
