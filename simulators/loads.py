"""How much power and water a building draws: a pure, seeded function of absolute time.

A rate (W, or m³/h) runs in straight lines over a grid of minutes, and the amount of each day is
fixed beforehand. So the integral from the epoch to any instant is exact and cheap, it does not
depend on when one starts to look, and imported history and the live simulator agree to the last
digit.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from simulators.shapes import Shape
from watchkeeper.batch import Floats, Times

EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 - a Monday, midnight where the site stands
DAYS = 10_000  # days the table of daily amounts holds, to 2051
DAY_MS = 86_400_000
MINUTES = 1440
_CLOCK = np.arange(MINUTES + 1) / 60.0  # hours since midnight, at each minute
_MID_HOURS = np.arange(24) + 0.5
_YEAR = 365.25  # days; a month is a twelfth of it
_MID_MONTHS = (np.arange(12) + 0.5) * _YEAR / 12


@dataclass(frozen=True, slots=True)
class Load:
    """Something that draws, with its rate at the top of its curve."""

    name: str
    curve: str  # the id of its shape
    peak: float  # W, or m³/h


def key(name: str) -> int:
    """Return a number for a name, the same in every process."""
    return zlib.crc32(name.encode())


class Loads:
    """All loads of a building over time; an array has one column a load."""

    def __init__(
        self, loads: Sequence[Load], shapes: Mapping[str, Shape], *, seed: int, zone: str
    ) -> None:
        """Say what draws; KeyError: a load's curve is none of the shapes."""
        self.loads, self._seed = tuple(loads), seed
        self._shapes = [shapes[load.curve] for load in loads]
        self.epoch_ms = round(EPOCH.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
        daily = [_daily(load, shape, seed) for load, shape in self._pairs()]
        self._daily = np.array(daily).reshape(-1, DAYS).T
        self._before = np.vstack([np.zeros(len(loads)), np.cumsum(self._daily, axis=0)])
        self._day = lru_cache(maxsize=3)(self._grid)

    def rate(self, at: Times) -> Floats:
        """Return (n, loads) rates at n instants in Unix ms, ascending or not; W or m³/h."""
        return self._over_days(at, cumulated=False)

    def amount(self, at: Times) -> Floats:
        """Return (n, loads) amounts since the epoch: the exact integral of `rate`; Wh or m³."""
        return self._over_days(at, cumulated=True)

    def _over_days(self, at: Times, *, cumulated: bool) -> Floats:
        day, within = np.divmod(at - self.epoch_ms, DAY_MS)
        if len(at) and (day.min() < 0 or day.max() >= DAYS):
            raise ValueError("instant outside the years the loads are made for")
        found = np.empty((len(at), len(self.loads)))
        for number in np.unique(day):
            chosen = day == number
            rates, amounts = self._day(int(number))
            minute, rest = np.divmod(within[chosen], 60_000)
            share = (rest / 60_000)[:, None]
            low, rise = rates[minute], rates[minute + 1] - rates[minute]
            if cumulated:
                part = (low * share + rise * share**2 / 2) / 60
                found[chosen] = self._before[number] + amounts[minute] + part
            else:
                found[chosen] = low + rise * share
        return found

    def _grid(self, day: int) -> tuple[Floats, Floats]:
        """Return (1441, loads) rates at a day's minutes, and the amounts since its midnight."""
        columns = [_wavy(load, shape, day, self._seed) for load, shape in self._pairs()]
        rates = np.array(columns).reshape(-1, MINUTES + 1).T
        amounts = _integral(rates)
        scale = self._daily[day] / amounts[-1]
        return rates * scale, amounts * scale

    def _pairs(self) -> Iterable[tuple[Load, Shape]]:
        return zip(self.loads, self._shapes, strict=True)


def _integral(rates: Floats) -> Floats:
    """Return the running integral (rate times hours) over the grid of minutes."""
    steps = (rates[1:] + rates[:-1]) / 120
    return np.vstack([np.zeros(rates.shape[1]), np.cumsum(steps, axis=0)])


def _course(shape: Shape, *, weekend: bool) -> Floats:
    """Return (1441,) shares of the peak: straight lines from mid-hour to mid-hour."""
    hours = shape.weekend if weekend else shape.workday
    return np.interp(_CLOCK, _MID_HOURS, np.array(hours) / 100, period=24)


def _wavy(load: Load, shape: Shape, day: int, seed: int) -> Floats:
    """Return the day's curve with slow seeded waves, before it is scaled to the day's amount."""
    chance = np.random.default_rng((seed, key(load.name), day))
    kernel = np.exp(-np.arange(30) / 6.0)
    waves = np.convolve(chance.standard_normal(MINUTES + 30), kernel / np.sqrt(kernel @ kernel))
    factor = 1 + shape.scatter * np.clip(waves[29 : 30 + MINUTES], -2.5, 2.5)
    wavy: Floats = _course(shape, weekend=day % 7 >= 5) * load.peak * factor  # noqa: PLR2004 - Saturday
    return wavy


def _daily(load: Load, shape: Shape, seed: int) -> Floats:
    """Return what the load draws on each day of the table; rate times hours."""
    days = np.arange(DAYS)
    usual = [
        _integral((_course(shape, weekend=weekend) * load.peak)[:, None])[-1, 0]
        for weekend in (False, True)
    ]
    chance = np.random.default_rng((seed, key(load.name)))
    varied = 1 + 0.04 * np.clip(chance.standard_normal(DAYS), -2, 2)
    season = np.interp(days % _YEAR, _MID_MONTHS, np.array(shape.months) / 100, period=_YEAR)
    amount: Floats = np.where(days % 7 >= 5, usual[1], usual[0]) * varied * season  # noqa: PLR2004 - Saturday
    return amount
