"""Energy, pure: what counters passed, what a quarter hour cost, what a month comes to."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from server.energy.model import (
    HUNDREDTHS,
    QUARTER_MS,
    WEEKDAYS,
    BalanceLine,
    Band,
    BandLine,
    Break,
    Calendar,
    Counter,
    Exchange,
    Facts,
    Hundredths,
    Meter,
    Peak,
    Season,
    Tariff,
)
from watchkeeper.batch import Flags, Floats, Times
from watchkeeper.history import Track
from watchkeeper.quality import FIRST_UNCERTAIN

NEAR_TOP = 0.9  # a register below 90 % of its range does not roll over
DAY_QUARTERS = 96
SURE = 0.999  # a quarter this well measured may be the peak
HOUR_MS = 3_600_000
NO_BAND = -1


# --- consumption: readings of a counter -> facts ---


class _Life(NamedTuple):
    """The accepted readings of one meter between two exchanges; energy counts from its first."""

    at: Times
    energy: Floats  # kWh
    known: Flags  # of the step into each reading
    breaks: list[Break]


def consumption(
    track: Track, edges: Times, counter: Counter, exchanges: Sequence[Exchange] = ()
) -> Facts:
    """Return what a counter passed between `edges`; what no two readings bound stays absent.

    Only good readings count. Energy at an edge is interpolated between its neighbours; energy
    across a gap is spread evenly and marked. Rules and golden cases E01 to E07: docs/energy.md.

    Args:
        track: Readings that reach past both ends of the edges, ascending in time.
        edges: (n + 1,) Unix ms.
        counter: What the register can do.
        exchanges: Confirmed changes, ascending in time.
    """
    good = (track.quality < FIRST_UNCERTAIN) & ~np.isnan(track.value)
    lives = [
        _life(at, value, counter)
        for at, value in _lives(track.at[good], track.value[good], counter.scale, exchanges)
        if len(at)
    ]
    if not lives:
        nothing = np.zeros(len(edges) - 1)
        return Facts(edges, nothing.astype(np.int64), nothing.astype(np.int64), nothing, nothing)
    at = np.concatenate([life.at for life in lives])
    known = np.concatenate([life.known for life in lives])[1:]
    steps = np.concatenate([np.diff(life.energy, prepend=0.0) for life in lives])[1:]
    span = np.diff(at)
    close = known & (span <= counter.gap_ms)

    def within(amount: npt.NDArray[np.generic], chosen: Flags) -> Floats:
        """Return how much of what accrues in the chosen steps falls before each edge."""
        grown = np.concatenate([[0.0], np.cumsum(np.where(chosen, amount, 0))])
        before: Floats = np.asarray(np.interp(edges, at, grown), np.float64)
        return before

    return Facts(
        edges,
        _hundredths(within(steps, known)),
        _hundredths(within(steps, known & ~close)),
        np.clip(np.diff(within(span, close)), 0, np.diff(edges)),
        np.clip(np.diff(within(span, known)), 0, np.diff(edges)),
        tuple(each for life in lives for each in life.breaks if edges[0] <= each.at <= edges[-1]),
    )


def _hundredths(kwh: Floats) -> Hundredths:
    """Return the steps of a growing amount so that they add up exactly."""
    whole: Hundredths = np.rint(kwh * HUNDREDTHS).astype(np.int64)
    return whole[1:] - whole[:-1]


def _lives(
    at: Times, value: Floats, scale: float, exchanges: Sequence[Exchange]
) -> Iterator[tuple[Times, Floats]]:
    """Cut the readings at the exchanges, put the confirmed ones at both ends; return kWh."""
    factor, since, first = 1.0, None, 0.0
    for exchange in [*exchanges, None]:
        chosen = np.ones(len(at), np.bool_)
        starts: tuple[list[int], list[float]] = ([], [])
        ends: tuple[list[int], list[float]] = ([], [])
        if since is not None:
            chosen &= at > since
            starts = ([since], [first])
        if exchange is not None:
            chosen &= at < exchange.out_at
            ends = ([exchange.out_at], [exchange.last])
        yield (
            np.concatenate([starts[0], at[chosen], ends[0]]).astype(np.int64),
            np.concatenate([starts[1], value[chosen], ends[1]]) * scale * factor,
        )
        if exchange is not None:
            factor, since, first = exchange.factor, exchange.in_at, exchange.first


def _life(at: Times, kwh: Floats, counter: Counter) -> _Life:
    """Return the readings that can be believed, and what stands between them."""
    keep, known = np.ones(len(at), np.bool_), np.ones(len(at), np.bool_)
    added = np.zeros(len(at))  # what rolled over or broke off at each reading
    known[0] = False
    step, broken, sure = np.diff(kwh), [], 0
    for now in np.flatnonzero((step < 0) | (step > _most(counter, np.diff(at)))) + 1:
        if now < sure:
            continue
        back = _comes_back(at, kwh, int(now), counter)
        if back is not None:  # a passing zero or spike
            keep[now:back] = False
            sure = back + 1
        elif _rolled_over(kwh[now - 1], kwh[now], int(at[now] - at[now - 1]), counter):
            added[now] = counter.rollover_kwh
        elif step[now - 1] < 0 and np.all(kwh[now:] == kwh[now]):  # a dead register says nothing
            keep[now:] = False
            sure = len(at)
        else:
            added[now], known[now] = kwh[now - 1] - kwh[now], False
            broken.append(Break(int(at[now]), float(kwh[now - 1]), float(kwh[now])))
    energy = (kwh + np.cumsum(added))[keep]
    return _Life(at[keep], energy - energy[0], known[keep], broken)


def _most(counter: Counter, span_ms: npt.NDArray[np.int64]) -> Floats:
    """Return what can flow in these spans, kWh; a quarter hour more for a coarse register."""
    return counter.ceiling_kw * (span_ms + QUARTER_MS) / HOUR_MS


def _comes_back(at: Times, kwh: Floats, now: int, counter: Counter) -> int | None:
    """Return where the register goes on from before a dip or spike; None if it does not.

    A dip that stays level or is short comes back; one that counts up again is a reset.
    """
    before, dip = kwh[now - 1], kwh[now] < kwh[now - 1]
    most = _most(counter, at[now:] - at[now - 1])
    fits = np.flatnonzero((kwh[now:] >= before) & (kwh[now:] - before <= most))
    if not len(fits):
        return None
    back = now + int(fits[0])
    level = bool(np.all(kwh[now:back] == kwh[now]))
    short = at[back] - at[now - 1] <= counter.gap_ms
    return back if level or short or not dip else None


def _rolled_over(before: float, after: float, span_ms: int, counter: Counter) -> bool:
    top = counter.rollover_kwh
    if top is None or before < NEAR_TOP * top or after > before:
        return False
    return bool(after + top - before <= _most(counter, np.array([span_ms]))[0])


# --- the calendar of a month ---


def quarters(month: str, zone: ZoneInfo, now_ms: int) -> Calendar:
    """Return the quarter hours of a local month up to now; ValueError: `month` is no "2026-10".

    Real quarter hours: a day has 92 or 100 of them when the clocks change.
    """
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
    if first.strftime("%Y-%m") != month:
        raise ValueError(month)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    start, end = (round(edge.timestamp() * 1000) for edge in (first, after))
    until = max(start, min(end, now_ms - now_ms % QUARTER_MS))
    edges = np.arange(start, until + 1, QUARTER_MS, dtype=np.int64)
    local = [datetime.fromtimestamp(at / 1000, zone) for at in edges[:-1].tolist()]
    return Calendar(
        month,
        edges,
        np.array([at.day for at in local], np.int64),
        np.array([at.weekday() for at in local], np.int64),
        np.array([at.hour * 60 + at.minute for at in local], np.int64),
        month_open=until < end,
    )


def month_before(month: str) -> str:
    """Return "2025-12" for "2026-01"."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year - (number == 1):04}-{(number - 2) % 12 + 1:02}"


# --- tariffs ---


class Fault(NamedTuple):
    """What is wrong with a tariff, and at which key of its file."""

    steps: tuple[str, ...]
    what: str
    fix: str


def tariff_for(tariffs: Iterable[Tariff], month: str) -> Tariff | None:
    """Return the tariff that holds for the month: of several, the one that began last."""
    day = f"{month}-01"
    valid = [
        tariff
        for tariff in tariffs
        if tariff.valid_from <= day and (not tariff.valid_to or day < tariff.valid_to)
    ]
    return max(valid, key=lambda tariff: tariff.valid_from, default=None)


def faults(tariff: Tariff) -> Iterator[Fault]:
    """Yield why a tariff cannot price every quarter hour of every month in exactly one band."""
    names = [band.id for band in tariff.bands]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Fault(("bands", str(number)), f"band `{name}` stands twice", "rename one")
    for number, season in enumerate(tariff.seasons):
        yield from _unknown_bands(season, str(number), names) or _day_faults(
            tariff, season, str(number)
        )
    for month in range(1, 13):
        for weekday, word in ((0, "weekdays"), (5, "weekends")):
            found = [n for n, s in enumerate(tariff.seasons) if _applies(s, month, weekday)]
            if len(found) != 1:
                where = ("seasons", str(found[1]), "months") if found else ("seasons",)
                what = f"month {month} ({word}) stands in {len(found)} seasons"
                yield Fault(where, what, "name every month in exactly one")


def _unknown_bands(season: Season, number: str, names: Sequence[str]) -> list[Fault]:
    return [
        Fault(
            ("seasons", number, "slots", str(position), "band"),
            f"no band `{slot.band}`",
            f"use {', '.join(names)}",
        )
        for position, slot in enumerate(season.slots)
        if slot.band not in names
    ]


def _day_faults(tariff: Tariff, season: Season, number: str) -> Iterator[Fault]:
    """Yield the quarters of a season's day that no slot covers, or two without precedence."""
    for quarter, slots in enumerate(_covering(season)):
        clock = f"{quarter // 4:02}:{quarter % 4 * 15:02}"
        if not slots:
            what = f"no band from {clock}"
            yield Fault(("seasons", number, "slots"), what, "add a slot")
            return
        if _highest(tariff, {season.slots[n].band for n in slots}, len(slots)) is None:
            names = " and ".join(f"`{season.slots[n].band}`" for n in slots)
            yield Fault(
                ("seasons", number, "slots", str(slots[-1])),
                f"{names} both cover {clock}",
                "shorten one slot, or say `over: [...]` at the band that takes precedence",
            )
            return


def _covering(season: Season) -> list[list[int]]:
    """Return the slots that cover each of the 96 quarters of a day, by their positions."""
    found: list[list[int]] = [[] for _ in range(DAY_QUARTERS)]
    for number, slot in enumerate(season.slots):
        start, end = (_minutes(text) // 15 for text in (slot.start, slot.end))
        length = end - start if end > start else end - start + DAY_QUARTERS
        for quarter in range(start, start + length):
            found[quarter % DAY_QUARTERS].append(number)
    return found


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _highest(tariff: Tariff, bands: set[str], slots: int) -> str | None:
    """Return the band that takes precedence over all others; None: none does, or one is double."""
    if len(bands) < slots:
        return None
    over = {band.id: {band.id, *band.over} for band in tariff.bands}
    highest = [band for band in bands if bands <= over[band]]
    return highest[0] if len(highest) == 1 else None


def _applies(season: Season, month: int, weekday: int) -> bool:
    return month in season.months and weekday in WEEKDAYS[season.days]


def bands_of(tariff: Tariff, calendar: Calendar) -> npt.NDArray[np.int64]:
    """Return which band of the tariff each quarter hour falls into, (n,)."""
    places = {band.id: number for number, band in enumerate(tariff.bands)}
    found = np.full(len(calendar.day), NO_BAND, np.int64)
    for season in tariff.seasons:
        if int(calendar.month[5:]) not in season.months:
            continue
        day = np.array([
            places.get(
                _highest(tariff, {season.slots[n].band for n in slots}, len(slots)) or "", NO_BAND
            )
            for slots in _covering(season)
        ])  # fmt: skip
        chosen = np.isin(calendar.weekday, list(WEEKDAYS[season.days]))
        found[chosen] = day[calendar.minute[chosen] // 15]
    return found


def price(band: Band, kwh: Decimal) -> BandLine:
    """Return the line of a bill: rounded half-up to hundredths, the total is the sum of lines."""
    cost = (kwh * band.price).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return BandLine(band.id, band.name, kwh, band.price, cost)


# --- figures of several meters ---


def share(part_ms: float, whole_ms: float) -> float:
    """Return a coverage, 0..1, rounded down: 99.996 % is not everything."""
    return math.floor(min(1.0, part_ms / whole_ms) * 10_000) / 10_000 if whole_ms > 0 else 0.0


def kwh(hundredths: int) -> Decimal:
    """Return an exact sum of facts in kWh."""
    return Decimal(hundredths).scaleb(-2)


def peak(meters: Sequence[Facts]) -> Peak | None:
    """Return the quarter hour of the highest mean power, of those in which all are measured."""
    spans = meters[0].span_ms
    sure = np.all([each.measured_ms >= SURE * spans for each in meters], axis=0)
    if not sure.any():
        return None
    power = np.where(sure, np.sum([each.energy for each in meters], axis=0), -1)
    highest = int(np.argmax(power))
    kw = power[highest] / HUNDREDTHS * HOUR_MS / spans[highest]
    return Peak(round(float(kw), 2), int(meters[0].edges[highest]))


def hours(calendar: Calendar, meters: Sequence[Facts]) -> list[float | None]:
    """Return the mean kW of each hour of the local day, where the energy of all is known."""
    known, total = all_known(meters), np.sum([each.energy for each in meters], axis=0)
    found: list[float | None] = []
    for hour in range(24):
        chosen = known & (calendar.minute // 60 == hour)
        span_h = float(np.sum(meters[0].span_ms[chosen])) / HOUR_MS
        energy = float(np.sum(total[chosen])) / HUNDREDTHS
        found.append(round(energy / span_h, 2) if span_h else None)
    return found


def all_known(meters: Sequence[Facts]) -> Flags:
    """Return the quarter hours for which readings bound the energy of every meter, (n,)."""
    known: Flags = np.all([each.bounded_ms >= SURE * each.span_ms for each in meters], axis=0)
    return known


def balance(meter: Meter, own: Facts, children: Sequence[Facts]) -> BalanceLine | None:
    """Return a meter against those it feeds on their common time; None: there is none."""
    common = all_known([own, *children])
    if not common.any():
        return None
    above = int(np.sum(own.energy[common]))
    below = sum(int(np.sum(child.energy[common])) for child in children)
    return BalanceLine(
        meter.unit,
        meter.name,
        kwh(above),
        kwh(below),
        kwh(above - below),
        share(float(np.sum(own.span_ms[common])), float(np.sum(own.span_ms))),
    )
