"""How much power and water a building draws: a pure, seeded function of absolute time.

A rate (W, or m³/h) runs in straight lines over a grid of minutes, and the amount of each day is
fixed beforehand. So the integral from the epoch to any instant is exact and cheap, it does not
depend on when one starts to look, and imported history and the live simulator agree to the last
digit.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from watchkeeper.batch import Floats, Times

EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 - a Monday, midnight where the site stands
DAYS = 10_000  # days the table of daily amounts holds, to 2051
DAY_MS = 86_400_000
MINUTES = 1440
Curve: TypeAlias = Literal[
    "office", "retail", "lighting", "cooling", "traffic", "pumping", "losses", "water"
]

# Share of the peak at 0, 1, ... 24 o'clock; workday, then weekend.
_SHAPES: dict[Curve, tuple[str, str]] = {
    "office": (
        "20 19 18 18 18 19 24 40 72 92 98 97 88 90 98 99 97 90 70 50 38 30 25 22 20",
        "20 19 18 18 18 18 19 21 26 31 33 34 33 33 34 33 31 29 26 24 23 22 21 20 20",
    ),
    "retail": (
        "28 27 26 26 26 28 34 45 60 76 88 94 97 96 94 93 95 98 99 97 92 74 44 32 28",
        "29 28 27 27 27 28 34 46 64 84 96 99 99 98 98 98 99 99 99 98 95 80 48 34 29",
    ),
    "lighting": (
        "46 44 44 44 44 46 58 70 74 72 70 70 70 70 70 72 80 94 99 99 97 88 70 54 46",
        "46 44 44 44 44 46 52 58 60 60 60 60 60 60 60 62 72 90 97 97 94 84 66 52 46",
    ),
    "cooling": (
        "16 15 14 14 14 16 30 62 80 86 90 94 96 97 99 99 96 90 72 48 34 26 20 18 16",
        "16 15 14 14 14 15 22 36 48 58 64 68 70 72 73 72 70 64 54 42 32 25 20 18 16",
    ),
    "traffic": (
        "10  9  9  9  9 12 24 62 99 78 50 48 82 76 48 46 52 80 94 58 36 26 18 13 10",
        "10  9  9  9  9 10 14 24 32 40 44 46 48 47 45 45 46 47 44 38 31 24 17 12 10",
    ),
    "pumping": (
        "18 16 16 16 18 30 66 92 88 68 58 60 72 66 56 54 58 70 88 97 92 70 44 26 18",
        "18 16 16 16 18 24 46 72 84 80 72 70 76 70 62 60 62 72 88 96 90 68 42 26 18",
    ),
    "losses": (" ".join(["90"] * 25), " ".join(["88"] * 25)),
    "water": (
        " 6  4  3  3  4 10 36 70 84 76 64 66 88 78 60 56 58 66 76 84 70 48 26 12  6",
        " 7  5  3  3  4  7 18 38 58 68 66 68 80 72 60 58 60 66 74 78 66 46 26 13  7",
    ),
}
_NOISE: dict[Curve, float] = {"losses": 0.01, "traffic": 0.10, "cooling": 0.06, "water": 0.12}
_MINUTE = np.arange(MINUTES + 1) / 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """Something that draws, with its rate at the top of its curve."""

    name: str
    curve: Curve
    peak: float  # W, or m³/h


def key(name: str) -> int:
    """Return a number for a name, the same in every process."""
    return zlib.crc32(name.encode())


class Loads:
    """All loads of a building over time; an array has one column a load."""

    def __init__(self, loads: Sequence[Load], *, seed: int, zone: str) -> None:
        self.loads, self._seed = tuple(loads), seed
        self.epoch_ms = round(EPOCH.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
        self._daily = np.array([_daily(load, seed) for load in loads]).reshape(-1, DAYS).T
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
        columns = [_wavy(load, day, self._seed) for load in self.loads]
        rates = np.array(columns).reshape(-1, MINUTES + 1).T
        amounts = _integral(rates)
        scale = self._daily[day] / amounts[-1]
        return rates * scale, amounts * scale


def _integral(rates: Floats) -> Floats:
    """Return the running integral (rate times hours) over the grid of minutes."""
    steps = (rates[1:] + rates[:-1]) / 120
    return np.vstack([np.zeros(rates.shape[1]), np.cumsum(steps, axis=0)])


def _shape(curve: Curve, *, weekend: bool) -> Floats:
    hours = [float(share) / 100 for share in _SHAPES[curve][weekend].split()]
    return np.interp(_MINUTE, np.arange(25), hours)


def _wavy(load: Load, day: int, seed: int) -> Floats:
    """Return the day's curve with slow seeded waves, before it is scaled to the day's amount."""
    chance = np.random.default_rng((seed, key(load.name), day))
    kernel = np.exp(-np.arange(30) / 6.0)
    waves = np.convolve(chance.standard_normal(MINUTES + 30), kernel / np.sqrt(kernel @ kernel))
    factor = 1 + _NOISE.get(load.curve, 0.03) * np.clip(waves[29 : 30 + MINUTES], -2.5, 2.5)
    wavy: Floats = _shape(load.curve, weekend=day % 7 >= 5) * load.peak * factor  # noqa: PLR2004 - Saturday
    return wavy


def _daily(load: Load, seed: int) -> Floats:
    """Return what the load draws on each day of the table; rate times hours."""
    days = np.arange(DAYS)
    usual = [
        _integral((_shape(load.curve, weekend=weekend) * load.peak)[:, None])[-1, 0]
        for weekend in (False, True)
    ]
    chance = np.random.default_rng((seed, key(load.name)))
    varied = 1 + 0.04 * np.clip(chance.standard_normal(DAYS), -2, 2)
    amount: Floats = np.where(days % 7 >= 5, usual[1], usual[0]) * varied  # noqa: PLR2004 - Saturday
    return amount * _season(days) if load.curve == "cooling" else amount


def _season(days: Times) -> Floats:
    """Return the share of a cooling plant in use: most in late July, some heating in January."""
    summer = np.clip(np.cos(2 * np.pi * (days % 365.25 - 205) / 365.25), 0, None)
    winter = np.clip(np.cos(2 * np.pi * (days % 365.25 - 20) / 365.25), 0, None)
    season: Floats = 0.30 + 0.70 * summer**2 + 0.30 * winter**2
    return season
