"""Water meters: flow and volume, as seeded functions of time, and what a leak adds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulators import shapes
from simulators.extras import Extras
from simulators.loads import Load, Loads, key
from watchkeeper.batch import Floats, Times


@dataclass(frozen=True, slots=True)
class Flows:
    """What the meters see: n instants, m meters."""

    flow: Floats  # (n, m) m³/h
    volume: Floats  # (n, m) m³ counted since the meter was made
    pressure: Floats  # (n, m) MPa, falls a little with the flow
    temperature: Floats  # (n, m) °C


class Mains:
    """The water meters of a site, in the order given."""

    def __init__(self, units: Sequence[str], *, seed: int, zone: str, extras: Extras) -> None:
        self.units, self._extras = list(units), extras
        chance = [np.random.default_rng((seed, key(unit), 3)) for unit in units]
        self._loads = Loads(
            [
                Load(unit, "water", each.uniform(6, 12))
                for unit, each in zip(units, chance, strict=True)
            ],
            shapes.installed(),
            seed=seed,
            zone=zone,
        )
        self._made = np.array([each.uniform(500, 9_000) for each in chance])

    def at(self, at: Times) -> Flows:
        """Return what all meters see at n instants, Unix ms."""
        flow, volume = self._loads.rate(at), self._loads.amount(at)
        for column, unit in enumerate(self.units):
            flow[:, column] += [self._extras.rate(unit, int(ms)) for ms in at]
            volume[:, column] += [self._extras.amount(unit, int(ms)) for ms in at]
        warm = 16 + 4 * np.sin(2 * np.pi * (at / 86_400_000 - 120) / 365.25)
        return Flows(
            flow,
            self._made + volume,
            0.42 - 0.004 * flow,
            np.repeat(warm[:, None], len(self.units), 1),
        )
