"""The month: read the counters, decide what they passed, put the report together."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from server.energy import decide
from server.energy.model import (
    CEILING_KW,
    BandLine,
    Calendar,
    Counter,
    DayLine,
    Facts,
    Mark,
    Meter,
    MeterLine,
    MonthReport,
    Place,
    Tariff,
    TariffName,
    Worst,
)
from server.energy.ports import Sources
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.history import History
from watchkeeper.ids import UnitId
from watchkeeper.site import Plant, SitePoint, transformed

MARGIN_MS = 2 * 24 * decide.HOUR_MS  # readings this far outside the month still bound its energy
HEADROOM = 3.0  # a feeder may be overloaded; what exceeds this many times its rating is no energy
KWH = {"kWh": 1.0, "Wh": 0.001}


def month(sources: Sources, asked: str, now: datetime) -> MonthReport:
    """Return the report of a local month ("2026-10") up to now.

    Raises NotPossible: no such month (energy.no-month), nothing known in it (energy.no-data), or
    the site has no main meter (energy.no-meters). Raises Unreachable: there is no history.
    """
    if sources.history is None:
        raise Unreachable("energy.no-history")
    about = sources.plant.site.site
    calendar = _quarters(asked, ZoneInfo(about.time_zone), now)
    meters = meters_of(sources.plant)
    mains = [meter for meter in meters if meter.parent is None]
    if not mains:
        raise NotPossible("energy.no-meters", site=about.id)
    facts = _facts(sources, sources.history, meters, calendar)
    if not any(np.any(facts[meter.unit].bounded_ms) for meter in mains):
        raise NotPossible("energy.no-data", month=asked)
    tariff = decide.tariff_for(sources.tariffs, asked)
    place = Place(about.id, about.name, about.time_zone, about.area_m2)
    report = _report(calendar, place, meters, facts, tariff)
    before = _before(asked, ZoneInfo(about.time_zone), now)
    return _compared(report, mains, _facts(sources, sources.history, mains, before))


def meters_of(plant: Plant) -> list[Meter]:
    """Return the energy meters of the site as a tree, each before those it feeds."""
    found: dict[UnitId, SitePoint] = {}
    for point in plant.points():
        unit = UnitId(point.unit.id)
        if (
            point.profile.equipment == "electricity_meter"  # a drive counts kWh too, for itself
            and point.point.kind == "counter"
            and point.point.unit in KWH
            and ("import" in point.point.id or unit not in found)
            and point.point.id != "export_energy"
            and (unit not in found or found[unit].point.id != "import_energy")
        ):
            found[unit] = point
    feeder = plant.feeders()
    meters = [_meter(point, _parent(unit, feeder, found)) for unit, point in found.items()]
    return list(_in_order(meters, None))


def _in_order(meters: Sequence[Meter], parent: UnitId | None) -> list[Meter]:
    return [
        below
        for meter in meters
        if meter.parent == parent
        for below in (meter, *_in_order(meters, meter.unit))
    ]


def _parent(
    unit: UnitId, feeder: Mapping[str, str], meters: Mapping[UnitId, SitePoint]
) -> UnitId | None:
    """Return the nearest meter that feeds the unit, also through equipment that is no meter."""
    above, seen = feeder.get(unit), {str(unit)}
    while above is not None and above not in seen:
        if above in meters:
            return UnitId(above)
        seen.add(above)
        above = feeder.get(above)
    return None


def _meter(found: SitePoint, parent: UnitId | None) -> Meter:
    point, unit = found.point, found.unit
    scale = KWH[point.unit]
    ratio = transformed(point, unit)
    counter = Counter(
        scale=scale,
        rollover_kwh=None if point.rollover is None else point.rollover * scale * ratio,
        ceiling_kw=unit.rated_kw * HEADROOM or CEILING_KW,
    )
    name = unit.name or Text(unit.id, unit.id)
    return Meter(UnitId(unit.id), found.id, name, counter, parent)


def _quarters(asked: str, zone: ZoneInfo, now: datetime) -> Calendar:
    try:
        calendar = decide.quarters(asked, zone, unix_ms(now))
    except ValueError as error:
        raise NotPossible("energy.no-month", month=asked) from error
    if not len(calendar.day):
        raise NotPossible("energy.no-data", month=asked)
    return calendar


def _facts(
    sources: Sources, history: History, meters: Sequence[Meter], calendar: Calendar
) -> dict[UnitId, Facts]:
    start, end = int(calendar.edges[0]), int(calendar.edges[-1])
    return {
        meter.unit: decide.consumption(
            history.raw(meter.point, start - MARGIN_MS, end + MARGIN_MS),
            calendar.edges,
            meter.counter,
            sources.exchanges.get(meter.unit, ()),
        )
        for meter in meters
    }


def _before(asked: str, zone: ZoneInfo, now: datetime) -> Calendar:
    return decide.quarters(decide.month_before(asked), zone, unix_ms(now))


def _compared(
    report: MonthReport, mains: Sequence[Meter], before: Mapping[UnitId, Facts]
) -> MonthReport:
    """Return the report with what the main meters passed in the whole month before."""
    lines = [_meter_line(meter, before[meter.unit]) for meter in mains]
    known = [line.kwh for line in lines if line.kwh is not None]
    if not known:
        return report
    return replace(
        report,
        previous_kwh=sum(known, Decimal(0)),
        previous_coverage=_mean([line.coverage for line in lines]),
    )


def _report(
    calendar: Calendar,
    place: Place,
    meters: Sequence[Meter],
    facts: Mapping[UnitId, Facts],
    tariff: Tariff | None,
) -> MonthReport:
    mains = [meter for meter in meters if meter.parent is None]
    main_facts = [facts[meter.unit] for meter in mains]
    lines = {meter.unit: _meter_line(meter, facts[meter.unit]) for meter in meters}
    main_lines = [lines[meter.unit] for meter in mains]
    bands = _band_lines(calendar, main_facts, tariff)
    worst = min(main_lines, key=lambda line: line.coverage)
    return MonthReport(
        month=calendar.month,
        site=place,
        currency=tariff.currency if tariff else "CNY",
        total_kwh=sum((line.kwh or Decimal(0) for line in main_lines), Decimal(0)),
        interpolated_kwh=sum((line.interpolated_kwh for line in main_lines), Decimal(0)),
        coverage=_mean([line.coverage for line in main_lines]),
        energy_coverage=_mean([line.energy_coverage for line in main_lines]),
        worst=Worst(worst.unit, worst.name, worst.coverage),
        previous_kwh=None,
        previous_coverage=None,
        cost=sum((line.cost for line in bands), Decimal(0)) if tariff else None,
        bands=bands,
        days=_day_lines(calendar, main_facts),
        hours=decide.hours(calendar, main_facts),
        meters=list(lines.values()),
        peak=decide.peak(main_facts),
        balance=[
            line
            for meter in meters
            if (fed := [facts[each.unit] for each in meters if each.parent == meter.unit])
            and (line := decide.balance(meter, facts[meter.unit], fed))
        ],
        tariff=_tariff_name(tariff),
        month_open=calendar.month_open,
        until=int(calendar.edges[-1]),
        source_checksum=_checksum(facts, tariff),
        marks=[
            Mark(meter.unit, meter.name, each.at, each.before, each.after)
            for meter in meters
            for each in facts[meter.unit].breaks
        ],
    )


def _mean(shares: Sequence[float]) -> float:
    return decide.share(sum(shares), len(shares))


def _tariff_name(tariff: Tariff | None) -> TariffName | None:
    if tariff is None:
        return None
    return TariffName(
        tariff.name, tariff.version, tariff.valid_from, tariff.source, tariff.rounding
    )


def _meter_line(meter: Meter, facts: Facts) -> MeterLine:
    whole = float(np.sum(facts.span_ms))
    bounded = float(np.sum(facts.bounded_ms))
    return MeterLine(
        unit=meter.unit,
        name=meter.name,
        kwh=decide.kwh(int(np.sum(facts.energy))) if bounded else None,
        interpolated_kwh=decide.kwh(int(np.sum(facts.interpolated))),
        coverage=decide.share(float(np.sum(facts.measured_ms)), whole),
        energy_coverage=decide.share(bounded, whole),
        role="sub" if meter.parent else "main",
        parent=meter.parent,
    )


def _band_lines(
    calendar: Calendar, mains: Sequence[Facts], tariff: Tariff | None
) -> list[BandLine]:
    if tariff is None:
        return []
    of = decide.bands_of(tariff, calendar)
    total = _sum(mains, "energy")
    return [
        decide.price(band, decide.kwh(int(np.sum(total[of == number]))))
        for number, band in enumerate(tariff.bands)
    ]


def _day_lines(calendar: Calendar, mains: Sequence[Facts]) -> list[DayLine]:
    energy, spread = _sum(mains, "energy"), _sum(mains, "interpolated")
    measured, bounded = _sum(mains, "measured_ms"), _sum(mains, "bounded_ms")
    span = np.diff(calendar.edges) * len(mains)
    lines = []
    for day in np.unique(calendar.day):
        chosen = calendar.day == day
        known = bool(np.any(bounded[chosen] > 0))
        lines.append(
            DayLine(
                f"{calendar.month}-{day:02}",
                decide.kwh(int(np.sum(energy[chosen]))) if known else None,
                decide.kwh(int(np.sum(spread[chosen]))),
                decide.share(float(np.sum(measured[chosen])), float(np.sum(span[chosen]))),
            )
        )
    return lines


def _sum(facts: Sequence[Facts], column: str) -> npt.NDArray[np.generic]:
    """Return a column of facts summed over the meters, (n,)."""
    total: npt.NDArray[np.generic] = np.sum([getattr(each, column) for each in facts], axis=0)
    return total


def _checksum(facts: Mapping[UnitId, Facts], tariff: Tariff | None) -> str:
    """Return the SHA-256 of all a report is made of: the same sum means the same figures."""
    made = hashlib.sha256()
    for unit in sorted(facts):
        made.update(unit.encode())
        for column in (facts[unit].edges, facts[unit].energy, facts[unit].interpolated):
            made.update(column.astype("<i8").tobytes())
        for times in (facts[unit].measured_ms, facts[unit].bounded_ms):
            made.update(np.rint(times).astype("<i8").tobytes())
    made.update(msgspec.json.encode(tariff))
    return made.hexdigest()
