"""Demo life: something goes wrong every 60 to 90 s, a fire about every 15 min, seeded.

What goes wrong ends by itself after some minutes, unless a technician ended it before.
"""

import random

from simulators.scenarios.stage import SCENARIOS, Cause, Request, Stage

FIRST_S, SHORTEST_S, LONGEST_S = 20.0, 60.0, 90.0
FIRE_EVERY_S = 900.0
_WEIGHTS = {
    "overload": 4,
    "lift-fault": 3,
    "detector": 3,
    "sensor-fault": 2,
    "room-hot": 2,
    "meter-silent": 2,
    "sump-flood": 1,
    "entrapment": 1,
    "water-leak": 1,
}
LASTS_S = {"entrapment": 420.0, "lift-fault": 420.0, "fire": 240.0}  # the others:
LASTS_ELSE_S = 300.0


class Lively:
    """Decides what happens next; time is an argument."""

    def __init__(self, seed: int, start_ms: int) -> None:
        self._chance = random.Random(f"lively:{seed}")  # noqa: S311 - a simulation, not a secret
        self._next_ms = start_ms + FIRST_S * 1000
        self._fire_ms = start_ms + self._chance.uniform(0.3, 0.7) * FIRE_EVERY_S * 1000

    def due(self, stage: Stage, at_ms: int) -> list[Request]:
        """Return what shall be played now: what is over, then what begins."""
        over = [_end(cause) for cause in stage.active() if at_ms >= _until(cause)]
        return over + self._beginning(stage, at_ms)

    def _beginning(self, stage: Stage, at_ms: int) -> list[Request]:
        if at_ms >= self._fire_ms:
            self._fire_ms += FIRE_EVERY_S * 1000 * self._chance.uniform(0.85, 1.15)
            zones = [zone for unit in stage.building.plant.units() for zone in unit.zones]
            low, high = self._chance.choice(zones).detectors if zones else (1, 2)
            first = self._chance.randrange(low, high)
            return self._fresh(stage, "fire", detectors=[first, first + 1])
        if at_ms < self._next_ms:
            return []
        self._next_ms = at_ms + self._chance.uniform(SHORTEST_S, LONGEST_S) * 1000
        name = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        one = [self._chance.randrange(1, 61)] if name == "detector" else []
        return self._fresh(stage, name, detectors=one)

    def _fresh(self, stage: Stage, name: str, detectors: list[int]) -> list[Request]:
        """Return a request for a unit where nothing is wrong yet; none where all have something."""
        panels = stage.building.panels  # a fire does not wait until a faulty detector is repaired
        busy = {
            cause.unit for cause in stage.active() if cause.unit not in panels or cause.name == name
        }
        fitting = SCENARIOS[name].fits(stage.building)
        if name == "meter-silent":
            fitting = [unit.id for unit in stage.building.meters if not unit.feeds]
        free = [unit for unit in fitting if unit not in busy]
        return [Request(name, self._chance.choice(free), detectors)] if free else []


def _until(cause: Cause) -> float:
    return cause.at + LASTS_S.get(cause.name, LASTS_ELSE_S) * 1000


def _end(cause: Cause) -> Request:
    return Request(cause.name, cause.unit, cause.detectors, clear=True)
