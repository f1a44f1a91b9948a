"""A sump with its pump: water comes in, the pump takes it out between two levels."""

AREA_M2 = 6.0
START_M, STOP_M, HIGH_M, BRIM_M = 1.2, 0.4, 1.8, 2.6
PUMP_M3H = 30.0


class Sump:
    """Level over the floor of the pit, m, and the contacts of the pump panel."""

    def __init__(self, level: float = 0.7) -> None:
        self.level, self.inflow_m3h = level, 4.0
        self.running, self.tripped, self.automatic = False, False, True
        self.powered = True

    @property
    def high(self) -> bool:
        """Return whether the float switch stands up."""
        return self.level >= HIGH_M

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass."""
        if self.level >= START_M:
            self.running = True
        elif self.level <= STOP_M:
            self.running = False
        self.running = self.running and self.automatic and self.powered and not self.tripped
        out = PUMP_M3H if self.running else 0.0
        self.level += (self.inflow_m3h - out) / 3600 * dt_s / AREA_M2
        self.level = min(max(self.level, 0.1), BRIM_M)
