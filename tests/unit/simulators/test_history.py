import struct

import numpy as np
import pytest

from simulators.building import Building
from simulators.extras import Extras
from simulators.history import register_history
from watchkeeper.site import Plant

DAY_MS = 86_400_000


def float32(words: list[int], address: int) -> float:
    return float(struct.unpack(">f", struct.pack(">2H", *words[address : address + 2]))[0])


@pytest.mark.serves("A10")
def test_live_goes_on_to_the_digit_where_history_ends(plant: Plant, noon: int) -> None:
    past = list(register_history(plant, 7, noon - 3 * DAY_MS, noon, 900))
    assert len(past) == 3 * 96 + 1
    at, units = past[-1]
    building = Building(plant, seed=7, start_ms=noon, extras=Extras())
    assert at == noon
    assert len(units) == 23  # 21 electricity and 2 water meters
    for unit, blocks in units.items():
        for start, words in blocks.items():
            live = building.slots[unit].blocks[start]
            assert words == list(struct.unpack(f">{len(words)}H", live)), unit


def test_registers_count_what_was_really_drawn(plant: Plant, building: Building, noon: int) -> None:
    start = noon - DAY_MS
    past = dict(register_history(plant, 7, start, noon, 900))
    first, last = (float32(past[at]["tenant-b1"][4, 0], 0x48) for at in (start, noon))
    true = building.energy_kwh("tenant-b1", start, noon)
    assert (last - first) % 1_000_000 == pytest.approx(true, abs=0.1)


def test_what_scenarios_added_before_is_in_the_past_too(plant: Plant, noon: int) -> None:
    extras = Extras()
    extras.start("pumps", 40_000.0, noon - 7_200_000)
    extras.stop("pumps", noon - 3_600_000)
    plain, more = (
        float32(next(register_history(plant, 7, noon, noon, 60, given))[1]["pumps"][4, 0], 0x48)
        for given in (None, extras)
    )
    assert more - plain == pytest.approx(40.0, abs=0.1)


def test_counters_never_fall_in_two_months_but_at_the_rollover(plant: Plant, noon: int) -> None:
    values: dict[str, list[float]] = {}
    for _, units in register_history(plant, 7, noon - 62 * DAY_MS, noon, 3600):
        for unit, blocks in units.items():
            if (4, 0) in blocks:
                values.setdefault(unit, []).append(float32(blocks[4, 0], 0x48))
    for counted in values.values():
        steps = np.diff(counted)
        assert ((steps >= 0) | (steps < -900_000)).all()
