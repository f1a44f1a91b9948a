"""Equipment: every unit with what it says now; one unit with its points, quality and a trend."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.screens import Visit
from dashboard.widgets import charts
from dashboard.widgets.figures import moment, number
from dashboard.widgets.panels import look, panel
from watchkeeper.clock import unix_ms

SPANS_H = (1, 6, 24)
WANTED = 360  # points of a trend, at most; an hour: one in 10 s
FRESH_EVERY_S = 10  # how often values are asked again while the screen is open
HEARTBEATS_MS = 120_000  # two of the edge's heartbeats: a steady value may be silent for that long
W_PER_KW = 1000
FROM_KW = 10_000  # W; below it power is read in W
LEADING = ("active_power", "temperature", "level", "flow", "load")
Unit = dict[str, Any]
Point = dict[str, Any]
Latest = Mapping[str, dict[str, Any]]


def show(visit: Visit) -> None:
    """Draw the screen."""
    site = visit.get("site")
    if site is None:
        return
    look()
    left, right = st.columns([5, 6], gap="small")
    with panel(left, "units"):
        chosen = _list(visit, site)
    with panel(right, "unit"):
        if chosen is None:
            st.caption(visit.t("pick-unit"))
        else:
            _unit(visit, site, chosen)


def _list(visit: Visit, site: dict[str, Any]) -> Unit | None:
    """Draw the list with its filters; return the unit that is chosen."""
    kinds = sorted({unit["equipment"] for unit in site["units"]})
    find, kind = st.columns(2)
    wanted = find.text_input(visit.t("find-equipment"), key="find").strip().lower()
    picked = kind.selectbox(
        visit.t("kind"), ["", *kinds],
        format_func=lambda name: visit.t(f"equipment-{name}") if name else visit.t("all"),
    )  # fmt: skip
    units = [
        unit
        for unit in site["units"]
        if (not picked or unit["equipment"] == picked) and wanted in _found_by(visit, unit)
    ]
    alarms = _alarms(visit)
    rows = [
        {
            visit.t("unit"): visit.pick(unit["name"]),
            visit.t("kind"): visit.t(f"equipment-{unit['equipment']}"),
            visit.t("place"): place_name(visit, site, unit["place"]),
            visit.t("alarms-open"): str(alarms.get(unit["id"], "")),
        }
        for unit in units
    ]
    event: Any = st.dataframe(
        rows,
        hide_index=True,
        height=620,
        on_select="rerun",
        selection_mode="single-row",
        key="units",
    )
    chosen = event.selection.rows
    if not units:
        return None
    return dict(units[chosen[0] if chosen and chosen[0] < len(units) else 0])


def _found_by(visit: Visit, unit: Unit) -> str:
    return f"{unit['id']} {visit.pick(unit['name'])} {unit['place']} {unit['profile']}".lower()


def _alarms(visit: Visit) -> dict[str, int]:
    counts: dict[str, int] = {}
    for alarm in visit.get("alarms", open="true", limit=200) or []:
        counts[alarm["unit"]] = counts.get(alarm["unit"], 0) + 1
    return counts


def place_name(visit: Visit, site: dict[str, Any], path: str) -> str:
    """Return "Tower A B1F" for "tower-a/B1"."""
    name, _, floor = path.partition("/")
    names = {place["id"]: visit.pick(place["name"]) for place in site["places"]}
    place = names.get(name, name)
    return f"{place} {visit.t('floor-of', floor=floor)}" if floor else place


@st.fragment(run_every=FRESH_EVERY_S)
def _unit(visit: Visit, site: dict[str, Any], unit: Unit) -> None:
    """Draw one unit; this part alone asks again by itself."""
    points = [point for point in site["points"] if point["unit"] == unit["id"]]
    names = ",".join(point["id"] for point in points)
    latest = {row["point"]: row for row in visit.get("points/latest", points=names) or []}
    place = place_name(visit, site, unit["place"])
    st.markdown(f"### {visit.pick(unit['name'])}")
    rated = f" · {number(unit['rated_kw'])} kW" if unit["rated_kw"] else ""
    st.caption(f"{place} · {visit.t('profile')} {unit['profile']}{rated}")
    rows = [_row(visit, point, latest.get(point["id"]), site["time_zone"]) for point in points]
    st.dataframe(rows, hide_index=True, width="stretch", height=min(330, 36 * (len(rows) + 1)))
    measured = [point for point in points if not point["words"]]
    if measured:
        _trend(visit, site, measured)


def _row(visit: Visit, point: Point, last: dict[str, Any] | None, zone: str) -> dict[str, str]:
    known = last is not None and last["value"] is not None and not last["stale"]
    return {
        visit.t("point"): visit.pick(point["name"]),
        visit.t("value"): value_text(visit, point, last["value"] if last and known else None),
        visit.t("quality"): _quality(visit, last),
        visit.t("at"): moment(last["at"] if last else None, zone),
    }


def value_text(visit: Visit, point: Point, value: float | None) -> str:
    """Return the word or the number with its unit; "?" when nobody knows."""
    if value is None:
        return "?"
    for word in point["words"] or []:
        if word["value"] == value:
            return visit.pick(word["name"])
    if point["unit_symbol"] == "W" and abs(value) >= FROM_KW:
        return f"{number(value / W_PER_KW, 2)} kW"
    return f"{number(value, point['decimals'] or 0)} {point['unit_symbol'] or ''}".strip()


def _quality(visit: Visit, last: dict[str, Any] | None) -> str:
    if last is None or last["at"] is None:
        return visit.t("quality-none")
    return visit.quality(last["quality"])


def _trend(visit: Visit, site: dict[str, Any], points: list[Point]) -> None:
    which, span = st.columns([3, 2])
    point = which.selectbox(
        visit.t("trend"), points, index=first_shown(points),
        format_func=lambda each: visit.pick(each["name"]), key=f"trend {points[0]['unit']}",
    )  # fmt: skip
    hours = span.selectbox(
        visit.t("span"), SPANS_H, format_func=lambda n: visit.t("last-hours", n=n), key="hours"
    )
    end = unix_ms(visit.now())
    start = end - hours * 3_600_000
    data = visit.get(
        "history", point=point["id"], start=start, end=end, width="auto", wanted=WANTED,
        aggregate="mean",
    )  # fmt: skip
    if not data or not any(value is not None for value in data["mean"]):
        st.caption(visit.t("no-trend"))
        return
    rows = broken(data["start"], data["mean"], data["width"])
    unit = point["unit_symbol"] or ""
    if unit == "W":
        unit, rows = "kW", [{**row, "value": kilo(row["value"])} for row in rows]
    charts.clocked(rows, unit=unit, zone=site["time_zone"], span=(start, end))


def first_shown(points: list[Point]) -> int:
    """Return the index of the point a trend begins with: power, temperature, level, else any."""
    names = [point["id"].rpartition("/")[2] for point in points]
    return next((names.index(name) for name in LEADING if name in names), 0)


def kilo(value: float | None) -> float | None:
    """Return W as kW."""
    return None if value is None else value / W_PER_KW


def broken(starts: list[int], means: list[float | None], width: int) -> list[dict[str, Any]]:
    """Return the rows of a line with a None where data are missing, so that the line breaks.

    A steady value comes once a minute, a settled one every quarter of an hour: a gap is what is
    longer than that rhythm, not every empty bucket.
    """
    rows: list[dict[str, Any]] = []
    rhythm = starts[1] - starts[0] if len(starts) > 1 else width
    for at, value in zip(starts, means, strict=True):
        if rows:
            step = at - rows[-1]["at"]
            if step > max(2 * width, HEARTBEATS_MS, rhythm * 3 // 2):
                rows.append({"at": rows[-1]["at"] + width, "value": None})
            rhythm = step
        rows.append({"at": at, "value": value})
    return rows
