"""The month: what its report says of a house with two main meters."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from server.energy import handlers
from server.energy.model import Exchange, MonthReport
from server.energy.ports import Sources
from tests.fakes_energy import (
    Tracks,
    counter,
    house,
    made_track,
    meter,
    ms,
    october,
    office,
    part,
    without,
)
from watchkeeper.errors import NotPossible
from watchkeeper.history import Track
from watchkeeper.ids import UnitId

NOW = datetime(2026, 11, 5, tzinfo=UTC)
LIFTS = "lifts/import_energy"


def changed(sources: Sources, unit: str, track: Track) -> Sources:
    history = sources.history
    assert isinstance(history, Tracks)
    return replace(sources, history=Tracks(history.tracks | {f"{unit}/import_energy": track}))


def track_of(sources: Sources, unit: str) -> Track:
    history = sources.history
    assert isinstance(history, Tracks)
    return history.tracks[f"{unit}/import_energy"]


@pytest.fixture(scope="module")
def whole() -> MonthReport:
    return handlers.month(october(), "2026-10", NOW)


@pytest.mark.serves("F1")
def test_every_sum_adds_up(whole: MonthReport) -> None:
    total = whole.total_kwh
    assert total > 100_000
    assert sum(line.kwh for line in whole.bands) == total
    assert sum(line.kwh or 0 for line in whole.days) == total
    assert sum(line.kwh or 0 for line in whole.meters if line.role == "main") == total
    assert sum(line.cost for line in whole.bands) == whole.cost
    for line in whole.balance:
        assert line.own - line.children == line.loss


def test_the_tree_comes_from_who_feeds_whom(whole: MonthReport) -> None:
    assert [(line.unit, line.role, line.parent) for line in whole.meters] == [
        ("main-1", "main", None),
        ("hvac-1", "sub", "main-1"),
        ("chiller-1", "sub", "hvac-1"),
        ("lifts", "sub", "main-1"),
        ("main-2", "main", None),
        ("tenants", "sub", "main-2"),
    ]
    assert [(line.unit, round(line.loss / line.own, 3)) for line in whole.balance] == [
        ("main-1", Decimal("0.05")),
        ("hvac-1", Decimal("0.25")),
        ("main-2", Decimal("0.05")),
    ]


def test_a_whole_month_has_full_coverage_and_its_comparison(whole: MonthReport) -> None:
    assert (whole.coverage, whole.energy_coverage, whole.interpolated_kwh) == (1.0, 1.0, Decimal(0))
    assert len(whole.days) == 31
    assert not whole.month_open
    assert whole.previous_kwh is not None
    assert 0.9 < whole.previous_kwh / whole.total_kwh < 1.1
    assert whole.marks == []


def test_the_peak_is_the_highest_quarter_hour_of_all_mains(whole: MonthReport) -> None:
    best = max(range(ms("2026-10-01 00:00"), ms("2026-11-01 00:00"), 900_000), key=office)
    assert whole.peak is not None
    assert whole.peak.at == best
    assert whole.peak.kw == pytest.approx(1.4 * office(best), abs=0.2)


def test_the_hours_are_mean_power(whole: MonthReport) -> None:
    at_three = [1.4 * office(ms(f"2026-10-{day:02} 03:00")) for day in range(1, 32)]
    assert len(whole.hours) == 24
    assert whole.hours[3] == pytest.approx(np.mean(at_three), abs=0.1)


@pytest.mark.serves("F2")
def test_a_gap_in_a_main_meter_is_spread_marked_and_keeps_the_total(whole: MonthReport) -> None:
    sources = october()
    gap = without(track_of(sources, "main-1"), "2026-10-14 03:00", "2026-10-14 11:00")
    report = handlers.month(changed(sources, "main-1", gap), "2026-10", NOW)
    day = report.days[13]
    assert report.total_kwh == whole.total_kwh
    assert day.kwh == whole.days[13].kwh
    assert day.interpolated_kwh == report.interpolated_kwh > 900
    assert day.coverage == pytest.approx(1 - 8 / 24 / 2, abs=1e-3)
    assert (report.worst.unit, report.energy_coverage) == ("main-1", 1.0)
    assert report.source_checksum != whole.source_checksum


def test_a_meter_that_says_nothing_is_absent_and_not_a_loss() -> None:
    report = handlers.month(october(without=["lifts"]), "2026-10", NOW)
    lifts = next(line for line in report.meters if line.unit == "lifts")
    assert (lifts.kwh, lifts.coverage, lifts.energy_coverage) == (None, 0.0, 0.0)
    assert "main-1" not in [line.unit for line in report.balance]


@pytest.mark.parametrize("case", ["E14"])
def test_balance_compares_only_the_time_all_are_known(case: str, whole: MonthReport) -> None:
    sources = october()
    late = track_of(sources, "lifts")
    kept = late.at >= ms("2026-10-08 00:00")
    report = handlers.month(changed(sources, "lifts", part(late, kept)), "2026-10", NOW)
    main = report.balance[0]
    assert case == "E14"
    assert main.loss / main.own == pytest.approx(Decimal("0.05"), abs=Decimal("0.001"))
    assert main.coverage == pytest.approx(24 / 31, abs=1e-3)
    assert main.own < (whole.meters[0].kwh or 0)


def test_an_unconfirmed_reset_is_marked_until_a_person_confirms_it() -> None:
    sources = october()
    track = track_of(sources, "lifts")
    at = ms("2026-10-20 10:00")
    before = float(track.value[track.at == at - 900_000][0])
    lost = np.where(track.at >= at, track.value - before, track.value)
    sources = changed(sources, "lifts", made_track(track.at.tolist(), lost.tolist()))
    report = handlers.month(sources, "2026-10", NOW)
    (mark,) = report.marks
    assert (mark.unit, mark.at, mark.before) == ("lifts", at, before)
    confirmed = {UnitId("lifts"): [Exchange(at - 900_000, before, at - 900_000, 0.0)]}
    again = handlers.month(replace(sources, exchanges=confirmed), "2026-10", NOW)
    assert again.marks == []
    assert (again.meters[3].kwh or 0) > (report.meters[3].kwh or 0)


def test_an_open_month_is_judged_by_the_time_that_is_over() -> None:
    report = handlers.month(october(), "2026-11", datetime(2026, 11, 2, 4, 7, tzinfo=UTC))
    assert report.month_open
    assert report.until == ms("2026-11-02 12:00")
    assert [line.day for line in report.days] == ["2026-11-01", "2026-11-02"]
    assert report.coverage == 1.0


def test_without_a_valid_tariff_there_is_energy_and_no_cost() -> None:
    report = handlers.month(replace(october(), tariffs=[]), "2026-10", NOW)
    assert (report.cost, report.bands, report.tariff) == (None, [], None)
    assert report.total_kwh > 0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("2026-13", "energy.no-month"),
        ("last month", "energy.no-month"),
        ("2026-12", "energy.no-data"),
        ("2025-01", "energy.no-data"),
    ],
)
def test_a_month_that_cannot_be_told_is_refused(asked: str, code: str) -> None:
    with pytest.raises(NotPossible) as refused:
        handlers.month(october(), asked, NOW)
    assert refused.value.code == code


def test_a_site_without_main_meters_is_refused() -> None:
    ring = [meter("a", "甲", "A", feeds=["b"]), meter("b", "乙", "B", feeds=["a"])]
    with pytest.raises(NotPossible) as refused:
        handlers.month(Sources(Tracks(), house(ring), []), "2026-10", NOW)
    assert refused.value.code == "energy.no-meters"


def test_a_meter_behind_equipment_that_is_no_meter_has_the_meter_above_it() -> None:
    plant = house([meter("main", "总", "Main", feeds=["panel"]), meter("sub", "分", "Sub")])
    panel = replace(plant, profiles=plant.profiles)
    edge = panel.site.edges[0]
    box = meter("panel", "柜", "Panel", feeds=["sub"])
    silent = type(box)("panel", "box", "meters", 9, "podium/B1", feeds=["sub"])
    profile = plant.profiles["meter"]
    other = type(profile)("box", profile.name, "environment", "made up", [])
    edge = type(edge)(edge.id, edge.buses, [*edge.units, silent])
    site = type(plant.site)(plant.site.site, [], [edge])
    meters = handlers.meters_of(type(plant)(site, {"meter": profile, "box": other}))
    assert [(each.unit, each.parent) for each in meters] == [("main", None), ("sub", "main")]


def test_the_secondary_side_rolls_over_by_its_ratio() -> None:
    plant = house([meter("main", "总", "Main", ct="200/5", rated_kw=100)])
    profile = plant.profiles["meter"]
    points = [
        type(point)(point.id, point.name, point.address, point.type, unit="Wh", kind="counter",
                    rollover=1e6, through=True)
        for point in profile.points[2:]
    ]  # fmt: skip
    made = type(profile)("meter", profile.name, "electricity_meter", "made up", points)
    (found,) = handlers.meters_of(replace(plant, profiles={"meter": made}))
    assert found.counter.scale == 0.001
    assert found.counter.rollover_kwh == 40_000
    assert found.counter.ceiling_kw == 300


def test_25_meters_without_a_tree_are_25_main_meters() -> None:
    track = counter("2026-09-29 00:00", "2026-11-02 00:00", lambda at: 50 + at % 7, every_min=5)
    units = [meter(f"m-{number}", "表", "Meter") for number in range(25)]
    tracks = {f"{unit.id}/import_energy": track for unit in units}
    report = handlers.month(Sources(Tracks(tracks), house(units), []), "2026-10", NOW)
    assert [line.role for line in report.meters] == ["main"] * 25
