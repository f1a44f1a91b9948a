"""The electrical tree: what every meter sees is the sum of the loads below it and its own.

Powers, reactive powers and energies are linear in the loads, so parents equal the sum of their
children and their own small load exactly, at every instant; but behind a transfer switch: what the
generator feeds, the incoming meters do not see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulators import shapes
from simulators.extras import Extras
from simulators.loads import Load, Loads, key
from watchkeeper.batch import Floats, Times
from watchkeeper.errors import ConfigError
from watchkeeper.site import Unit

# By the longest beginning of the unit's id: shape and peak (kW) of what hangs directly on it.
_OWN: dict[str, tuple[str, float]] = {
    "main": ("losses", 6.0),
    "hvac": ("cooling", 12.0),
    "chiller": ("cooling", 90.0),
    "ahu": ("office", 22.0),
    "lifts": ("traffic", 38.0),
    "lighting": ("lighting", 34.0),
    "tenants": ("losses", 6.0),
    "tenant": ("office", 45.0),
    "tenant-p": ("retail", 60.0),
    "pumps": ("pumping", 28.0),
    "podium": ("retail", 50.0),
    "": ("office", 15.0),
}
_POWER_FACTOR: dict[str, float] = {"cooling": 0.86, "traffic": 0.82, "pumping": 0.84}
_JITTER = 4099  # seconds after which the small noise of voltages repeats


@dataclass(frozen=True, slots=True)
class Measures:
    """What the meters see: n instants, m meters, three phases."""

    voltage: Floats  # (n, m, 3) V, line to neutral
    power: Floats  # (n, m, 3) W
    reactive: Floats  # (n, m, 3) var
    frequency: Floats  # (n, m) Hz
    energy: Floats  # (n, m) kWh the counter has counted since the meter was made; never wraps
    reactive_energy: Floats  # (n, m) kvarh, likewise
    distortion: Floats  # (n, m, 3) %, of the voltage


class Tree:
    """The electricity meters of a site, in the order given."""

    def __init__(self, units: Sequence[Unit], *, seed: int, zone: str, extras: Extras) -> None:
        self.units = [unit.id for unit in units]
        self._extras = extras
        self._seen = _descent(units)
        own = [_own(unit.id, seed) for unit in units]
        self._loads = Loads(own, shapes.installed(), seed=seed, zone=zone)
        chance = [np.random.default_rng((seed, key(unit.id), 1)) for unit in units]
        factor = [_POWER_FACTOR.get(load.curve, 0.94) for load in own]
        self._tangent = np.tan(np.arccos(factor))
        self._phases = np.array([each.dirichlet([400.0] * 3) for each in chance]).reshape(-1, 3)
        self._made = np.array([each.uniform(20_000, 400_000) for each in chance])
        self._rows: dict[int, tuple[Floats, Floats]] = {}
        self._jitter = np.random.default_rng((seed, 2)).standard_normal((_JITTER, len(own), 3))

    def energy(self, at: Times) -> Floats:
        """Return (n, meters) true kWh since the epoch of the loads, in float64."""
        return self._lit(*self._counted(at))[0]

    def power(self, at: Times) -> Floats:
        """Return (n, meters) true W."""
        drawing: Floats = self._drawing(at) @ self._seen.T
        drawing[self._extras.books.unlit(self.units, at)] = 0.0
        return drawing

    def at(self, at: Times) -> Measures:
        """Return what all meters see at n instants, Unix ms."""
        drawing, unlit = self._drawing(at), self._extras.books.unlit(self.units, at)
        phases = np.einsum("nl,lp,ml->nmp", drawing, self._phases, self._seen)
        reactive = np.einsum("nl,l,lp,ml->nmp", drawing, self._tangent, self._phases, self._seen)
        second = at // 1000
        noise = self._jitter[second % _JITTER]
        swing = 2.5 * np.sin(2 * np.pi * (second % 86_400) / 86_400)
        voltage = 223 + swing[:, None, None] - phases / 1e5 + 0.4 * noise
        frequency = np.repeat(50 + 0.015 * noise[:, :1, 0], len(self.units), 1)
        for values in (phases, reactive, voltage, frequency):
            values[unlit] = 0.0
        energy, reactive_energy = self._shown(at)
        return Measures(
            voltage=voltage,
            power=phases,
            reactive=reactive,
            frequency=frequency,
            energy=energy,
            reactive_energy=reactive_energy,
            distortion=2.4 + 0.15 * noise[:, :, ::-1],
        )

    def _counted(self, at: Times) -> tuple[Floats, Floats]:
        """Return (n, meters) kWh and kvarh as if there had always been power."""
        drawn = self._drawn(at)
        return drawn @ self._seen.T / 1000, (drawn * self._tangent) @ self._seen.T / 1000

    def _lit(self, energy: Floats, reactive: Floats) -> tuple[Floats, Floats]:
        """Take off what would have been drawn in the dark."""
        lost = np.zeros_like(energy), np.zeros_like(reactive)
        for unit, spans in self._extras.books.dark.items():
            if unit not in self.units:
                continue
            column = self.units.index(unit)
            for span in spans:
                end = None if span.end_ms is None else self._row(span.end_ms)
                for kind, counted in enumerate((energy, reactive)):
                    start = self._row(span.start_ms)[kind][column]
                    until = counted[:, column]
                    if end is not None:
                        until = np.minimum(until, end[kind][column])
                    lost[kind][:, column] += np.maximum(0.0, until - start)
        return energy - lost[0], reactive - lost[1]

    def _row(self, at_ms: int) -> tuple[Floats, Floats]:
        """Return what was counted up to one instant, as if there had always been power."""
        if at_ms not in self._rows:
            energy, reactive = self._counted(np.array([at_ms]))
            self._rows[at_ms] = energy[0], reactive[0]
        return self._rows[at_ms]

    def _shown(self, at: Times) -> tuple[Floats, Floats]:
        """Return (n, meters) what the counters at the meters' places have counted."""
        true = self._lit(*self._counted(at))
        shown = self._made + true[0], 0.3 * self._made + true[1]
        for unit, counters in self._extras.books.begun.items():
            if unit not in self.units:
                continue
            column = self.units.index(unit)
            for begun in counters:
                energy, reactive = self._row(begun.at_ms)
                before = self._lit(energy[None], reactive[None])
                later = at >= begun.at_ms
                for kind, first in enumerate((begun.reading, 0.3 * begun.reading)):
                    since = true[kind][later, column] - before[kind][0, column]
                    shown[kind][later, column] = first + since
        return shown

    def _drawing(self, at: Times) -> Floats:
        rate = self._loads.rate(at)
        for unit in self._extras.units():
            if unit in self.units:
                rate[:, self.units.index(unit)] += [self._extras.rate(unit, int(ms)) for ms in at]
        return rate

    def _drawn(self, at: Times) -> Floats:
        amount = self._loads.amount(at)
        for unit in self._extras.units():
            if unit in self.units:
                added = [self._extras.amount(unit, int(ms)) for ms in at]
                amount[:, self.units.index(unit)] += added
        return amount


def _own(unit: str, seed: int) -> Load:
    stem = max((stem for stem in _OWN if unit.startswith(stem)), key=len)
    curve, peak_kw = _OWN[stem]
    varied = np.random.default_rng((seed, key(unit), 0)).uniform(0.85, 1.1)
    return Load(unit, curve, peak_kw * 1000 * varied)


def _descent(units: Sequence[Unit]) -> Floats:
    """Return (meters, loads): 1 where a meter sees a load, its own or of a meter below it."""
    place = {unit.id: number for number, unit in enumerate(units)}
    below = {unit.id: [fed for fed in unit.feeds if fed in place] for unit in units}
    seen = np.zeros((len(units), len(units)))
    for unit in units:
        for fed in _under(unit.id, below, ()):
            if seen[place[unit.id], place[fed]]:
                raise ConfigError(
                    where=f"units.{unit.id}.feeds",
                    what=f"`{fed}` is fed on two ways",
                    fix="name it in the `feeds` of one meter",
                )
            seen[place[unit.id], place[fed]] = 1.0
    return seen


def _under(unit: str, below: Mapping[str, list[str]], above: tuple[str, ...]) -> list[str]:
    """Return the unit and all meters below it; a circle is an error of the site file."""
    if unit in above:
        raise ConfigError(
            where=f"units.{unit}.feeds", what=f"`{unit}` feeds itself", fix="cut the circle"
        )
    return [unit] + [deep for fed in below[unit] for deep in _under(fed, below, (*above, unit))]
