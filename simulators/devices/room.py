"""The climate of a plant room: a seeded daily swing, and what a failed ventilation adds."""

import math

from simulators.loads import key

MOST_K = 25.0  # a failed ventilation warms the room by so much at last


class Room:
    """Temperature in °C and relative humidity in % as functions of time."""

    def __init__(self, name: str, *, seed: int) -> None:
        chance = key(f"{name}:{seed}")
        self._base, self._phase = 21 + chance % 50 / 10, chance % 86_400
        self.extra_k, self.heating, self.broken = 0.0, False, False

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass: a room without ventilation warms up, one with it cools down."""
        goal = MOST_K if self.heating else 0.0
        self.extra_k += (goal - self.extra_k) * min(1.0, dt_s / 60.0)

    def at(self, at_ms: int) -> tuple[float, float]:
        """Return temperature and humidity at an instant."""
        turn = 2 * math.pi * (at_ms / 1000 + self._phase) / 86_400
        quick = 0.15 * math.sin(turn * 96) + 0.1 * math.sin(turn * 331)
        temperature = self._base + 1.8 * math.sin(turn) + quick + self.extra_k
        return temperature, min(95.0, max(15.0, 52 - 6 * math.sin(turn) - 1.2 * self.extra_k))
