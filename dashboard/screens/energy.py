"""Energy of a month: how much, what it cost, when, by which meter; each figure with coverage."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboard.screens import Visit, months
from dashboard.widgets import charts
from dashboard.widgets.figures import change, day_and_minute, number, share
from dashboard.widgets.panels import look, panel

WHOLE = 0.98  # a day with less data than this is drawn pale
COMPARABLE = 0.95  # a month of less coverage is not compared, as in the PDF
Month = dict[str, Any]
TABLE_WIDTHS = (5, 3)


def show(visit: Visit) -> None:
    """Draw the screen."""
    site = visit.get("site")
    if site is None:
        return
    look()
    head, pick, pdf, excel = st.columns([5, 2, 1.4, 1.2], vertical_alignment="bottom")
    head.header(visit.t("energy-title", site=visit.pick(site["name"])))
    month = pick.selectbox(
        visit.t("month"), months.recent(visit, site["time_zone"]), label_visibility="collapsed"
    )
    report = visit.get("energy/month", month=month)
    if report is None:
        st.info(visit.t("no-energy", month=month))
        return
    months.downloads(visit, month, pdf, excel)
    head.caption(f"{month} · {visit.t('month-open' if report['month_open'] else 'month-closed')}")
    _figures(visit, report, site["time_zone"])
    left, right = st.columns(TABLE_WIDTHS)
    with panel(left, "days"):
        _days(visit, report)
    with panel(right, "bands"):
        _bands(visit, report)
    left, right = st.columns(TABLE_WIDTHS)
    with panel(left, "meters"):
        _meters(visit, report)
    with panel(right, "hours"):
        _hours(visit, report)


def _figures(visit: Visit, report: Month, zone: str) -> None:
    four = _four(visit, report, zone)
    for number_, (box, (name, figure, note)) in enumerate(zip(st.columns(4), four, strict=True)):
        shown = panel(box, f"figure-{number_}")
        shown.metric(name, figure, delta=note, delta_color="off", delta_arrow="off")


def _four(visit: Visit, report: Month, zone: str) -> list[tuple[str, str, str]]:
    """Return the four figures of a month: name, figure with unit, what it is compared with."""
    total, cost, peak = report["total_kwh"], report["cost"], report["peak"]
    money = visit.t(f"currency-{report['currency']}")
    # A part of a month is not compared with a whole one.
    trust = min(report["coverage"] or 0, report["previous_coverage"] or 0)
    whole = trust >= COMPARABLE and not report["month_open"]
    against = change(total, report["previous_kwh"]) if whole else None
    compared = f"{visit.t('vs-month')} {against}" if against else visit.t("no-comparison")
    price = visit.t("no-tariff")
    if cost is not None and total:
        price = visit.t("average-price", price=number(cost / total, 3), currency=money)
    when = visit.t("peak-at", at=day_and_minute(peak["at"], zone)) if peak else visit.t("no-data")
    return [
        (visit.t("electricity"), f"{number(total)} kWh", compared),
        (visit.t("cost"), "?" if cost is None else f"{number(cost)} {money}", price),
        (visit.t("peak-demand"), f"{number(peak['kw'] if peak else None)} kW", when),
        (visit.t("coverage"), share(report["coverage"]), visit.t("coverage-what")),
    ]


def _days(visit: Visit, report: Month) -> None:
    _title(visit.t("daily-use"), visit.t("daily-use-what"))
    label = visit.t("day")
    rows = [
        {label: day_of(day["day"]), "kWh": day["kwh"], "whole": (day["coverage"] or 0) >= WHOLE}
        for day in report["days"]
    ]
    charts.bars(rows, x=label, y="kWh", whole="whole")


def day_of(day: str | int) -> int:
    """Return the day of the month of "2026-10-14", or of 14."""
    return date.fromisoformat(day).day if isinstance(day, str) and "-" in day else int(day)


def _hours(visit: Visit, report: Month) -> None:
    _title(visit.t("load-by-hour"), visit.t("load-by-hour-what"))
    label = visit.t("hour")
    rows = [{label: hour, "kW": kw} for hour, kw in enumerate(report["hours"])]
    charts.curve(rows, x=label, y="kW", unit="kW")


def _bands(visit: Visit, report: Month) -> None:
    tariff = report["tariff"]
    named = visit.t("no-tariff")
    if tariff:
        name = visit.pick(tariff["name"])
        named = visit.t("tariff-named", name=name, version=tariff["version"])
    _title(visit.t("time-of-use"), named)
    money = visit.t(f"currency-{report['currency']}")
    total = sum(band["kwh"] for band in report["bands"]) or 1
    for band in report["bands"]:
        cost = "" if band["cost"] is None else f" · {number(band['cost'])} {money}"
        part = band["kwh"] / total
        text = f"**{visit.pick(band['name'])}** {number(band['kwh'])} kWh · {share(part)}{cost}"
        st.progress(min(1.0, part), text=text)


def _meters(visit: Visit, report: Month) -> None:
    _title(visit.t("meters"), "")
    total = report["total_kwh"] or 1
    above = {meter["unit"]: meter["parent"] for meter in report["meters"]}
    rows = [
        {
            visit.t("meter"): "\u3000" * depth(meter["unit"], above) + visit.pick(meter["name"]),
            "kWh": number(meter["kwh"]),
            visit.t("energy-share"): share(meter["kwh"] / total if meter["kwh"] else None),
            visit.t("coverage"): (meter["coverage"] or 0) * 100,
        }
        for meter in report["meters"]
    ]
    bar = st.column_config.ProgressColumn(format="%.1f%%", min_value=0, max_value=100)
    config = {visit.t("coverage"): bar}
    st.dataframe(rows, hide_index=True, width="stretch", height=360, column_config=config)


def depth(unit: str, above: Mapping[str, str | None]) -> int:
    """Return how many meters stand above one."""
    parent = above.get(unit)
    return 0 if parent is None else 1 + depth(parent, above)


def _title(text: str, meta: str) -> None:
    st.markdown(f"**{text}** :gray[{meta}]" if meta else f"**{text}**")
