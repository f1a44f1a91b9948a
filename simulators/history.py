"""Register contents of the past: the same physics as live, read off at equal steps.

Counters are functions of absolute time (loads.py), so the live simulator goes on where history
ends.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from simulators import registers
from simulators.building import Building
from simulators.extras import Extras
from simulators.registers import Columns, Start
from watchkeeper.batch import Times
from watchkeeper.site import Plant

Words: TypeAlias = Mapping[Start, list[int]]  # (function, first address) -> registers
CHUNK = 96  # steps made at once: a day of quarters of an hour


def register_history(
    plant: Plant, seed: int, start: int, end: int, step_s: int, extras: Extras | None = None
) -> Iterator[tuple[int, dict[str, Words]]]:
    """Yield (instant, {unit: registers}) of every electricity and water meter.

    Args:
        plant: The site.
        seed: The same as the live simulator's.
        start: Unix ms, the first instant.
        end: Unix ms, not after it.
        step_s: Seconds from one instant to the next.
        extras: What scenarios added, where the simulator ran before.
    """
    building = Building(plant, seed=seed, start_ms=start, extras=extras or Extras())
    steps = np.arange(start, end + 1, step_s * 1000, dtype=np.int64)
    for first in range(0, len(steps), CHUNK):
        at = steps[first : first + CHUNK]
        made = _made(building, at)
        for row, instant in enumerate(at.tolist()):
            yield instant, {unit: {k: words[row] for k, words in of.items()} for unit, of in made}


def _made(building: Building, at: Times) -> list[tuple[str, dict[Start, list[list[int]]]]]:
    """Return for each unit its registers at all instants."""
    seen = building.tree.at(at)
    makes: dict[str, Columns] = {
        "eastron-sdm630": registers.sdm630(seen),
        "schneider-iem3000": registers.iem3000(seen),
    }
    flows = registers.water_meter(building.mains.at(at))
    found = [
        (meter.id, {start: words[:, n].tolist() for start, words in makes[meter.profile].items()})
        for n, meter in enumerate(building.meters)
    ]
    return found + [
        (unit, {start: words[:, n].tolist() for start, words in flows.items()})
        for n, unit in enumerate(building.mains.units)
    ]
