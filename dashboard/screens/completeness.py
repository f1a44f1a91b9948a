"""A section of data quality: how much of each day was known, unit by unit, and why not more."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from dashboard.screens import Visit
from dashboard.widgets import charts
from dashboard.widgets.figures import moment, number, share
from watchkeeper.errors import Unreachable

SPANS_D: Final = (7, 14, 31)
USUAL: Final = 1  # which of them a visit begins with
ASKED: Final = 3  # times: what is not computed by then waits for a person
# A day of less than this has the colour beside it, the darker the less; a whole one has none.
STEPS: Final = ((0.5, 0), (0.9, 1), (0.98, 2), (0.999, 3))
STRONG: Final = 2  # of the colours so many need text of the other side
INKS: Final = {"light": ("#FFFFFF", "#182027"), "dark": ("#0B1A21", "#E4EAED")}
ROW_PX: Final = 35
ROWS: Final = 11
LISTED: Final = 12
UNIT_PX: Final = 190
Json = dict[str, Any]
Row = tuple[str, str, list[Any]]  # unit ("" for the site), its name, its days
WHOLE: Final = 1000  # tenths of a percent
ALMOST: Final = 1e-6  # what a share of four decimals may lack in binary
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


def draw(visit: Visit, site: Json) -> None:
    """Draw the section."""
    st.markdown(f"**{_t(visit, 'title')}** :gray[{_t(visit, 'what')}]")
    span_box, only_box = st.columns([1, 3], vertical_alignment="bottom")
    span = span_box.selectbox(
        _t(visit, "span"), SPANS_D, index=USUAL, key="complete-span",
        format_func=lambda n: _t(visit, "days", n=n),
    )  # fmt: skip
    only = only_box.toggle(_t(visit, "only"), key="complete-only")
    try:
        today = visit.now().astimezone(ZoneInfo(site["time_zone"])).date()
        found = _found(visit, today, span)
        if found is None:
            st.info(_t(visit, "too-many"))
            return
        _table(visit, site, found, only=only)
    except Unreachable:
        st.info(_t(visit, "no-store"))


def _found(visit: Visit, today: date, span: int) -> Json | None:
    """Return the days; the server computes for two seconds at a time, so it is asked again."""
    first = today - timedelta(days=span - 1)
    found: Json | None = None
    for _ in range(ASKED):
        found = visit.get("completeness", **{"from": first.isoformat(), "to": today.isoformat()})
        if found is None or found["complete"]:
            break
    return found


def _table(visit: Visit, site: Json, found: Json, *, only: bool) -> None:
    if not found["complete"]:
        st.caption(_t(visit, "computing", share=share(found["done"], 0)))
        st.button(_t(visit, "go-on"), key="complete-more")
    if found["left_out"]:
        out = ", ".join(each["unit"] for each in found["left_out"])
        st.caption(_t(visit, "left-out", units=out))
    units = rows_of(found["units"], only=only)
    chosen = _grid(visit, site, found, units)
    if only and not units:
        st.caption(_t(visit, "none"))
    elif chosen is None:
        st.caption(_t(visit, "pick"))
    else:
        _detail(visit, site, *chosen)


def rows_of(units: Sequence[Json], *, only: bool) -> list[Json]:
    """Return the units with the least complete day first; `only`: with any hole at all."""
    ranked = [(min(shares), unit) for unit in units if (shares := shares_of(unit["days"]))]
    if only:
        ranked = [(least, unit) for least, unit in ranked if least < 1]
    known = [unit for _, unit in sorted(ranked, key=lambda pair: pair[0])]
    return known if only else known + [unit for unit in units if not shares_of(unit["days"])]


def shares_of(days: Sequence[Json | None]) -> list[float]:
    """Return the shares that are known."""
    return [day["share"] for day in days if day is not None and day["share"] is not None]


def _grid(visit: Visit, site: Json, found: Json, units: Sequence[Json]) -> tuple[str, str] | None:
    """Draw the days, the newest first; return the unit ("" for the site) and the day chosen."""
    names: dict[str, str] = {unit["id"]: visit.pick(unit["name"]) for unit in site["units"]}
    rows: list[Row] = [("", _t(visit, "site"), found["site"])]
    rows += [(each["unit"], names[each["unit"]], each["days"]) for each in units]
    days = found["days"][::-1]
    head = _t(visit, "unit")
    table = pd.DataFrame(
        [
            {head: name, **dict(zip(days, (text_of(day) for day in own[::-1]), strict=True))}
            for _, name, own in rows
        ],
        columns=[head, *days],
    )
    shown: Any = st.dataframe(
        _coloured(table, [own[::-1] for _, _, own in rows]),
        hide_index=True,
        width="stretch",
        height=ROW_PX * (min(len(rows), ROWS) + 1) + 2,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"complete-grid-{len(rows)}-{len(days)}",
        column_config={
            head: st.column_config.TextColumn(pinned=True, width=UNIT_PX),
            **{day: st.column_config.TextColumn(day[5:], width=58) for day in days},
        },
    )
    cells = shown.selection.cells
    if not cells or cells[0][1] == head or cells[0][0] >= len(rows):
        return None
    return rows[cells[0][0]][0], str(cells[0][1])


def _coloured(table: pd.DataFrame, rows: Sequence[Sequence[Json | None]]) -> Any:
    """Return the table with its cells coloured by share: one hue, as all data."""
    hues = charts.hues()
    inks = INKS["dark" if hues == charts.DARK else "light"]
    styles = [["", *(style_of(day, hues, inks) for day in own)] for own in rows]
    return table.style.apply(
        lambda _: pd.DataFrame(styles, index=table.index, columns=table.columns), axis=None
    ).set_properties(subset=table.columns[1:], **{"text-align": "right"})


def style_of(day: Json | None, hues: Sequence[str], inks: tuple[str, str]) -> str:
    """Return the look of a cell."""
    if day is None or day["share"] is None:
        return ""
    step = next((step for least, step in STEPS if day["share"] < least), None)
    if step is None:
        return ""
    return f"background-color: {hues[step]}; color: {inks[step >= STRONG]}"


def text_of(day: Json | None) -> str:
    """Return percent, rounded down; "?" is not computed yet, "–" that nothing was expected."""
    if day is None:
        return "?"
    if day["share"] is None:
        return "–"
    tenths = int(day["share"] * 1000 + ALMOST)
    return "100" if tenths == WHOLE else f"{tenths / 10:.1f}"


def _detail(visit: Visit, site: Json, unit: str, day: str) -> None:
    """Draw one day of a unit, or of the whole site."""
    asked = {"from": day, "to": day} | ({"unit": unit} if unit else {"listed": "true"})
    found = visit.get("completeness", **asked)
    if found is None or found["site"][0] is None:
        st.info(_t(visit, "too-many"))
        return
    names = {each["id"]: visit.pick(each["name"]) for each in site["units"]}
    name = names.get(unit, unit) if unit else _t(visit, "site")
    st.markdown(f"#### {_t(visit, 'of', unit=name, day=day)}")
    _figures(visit, found["site"][0])
    _holes(visit, site, found["points"])


def _figures(visit: Visit, day: Json) -> None:
    told = [
        f"{_t(visit, name)} **{number(day[field])}**"
        for name, field in (
            ("expected", "expected"), ("received", "received"), ("put-aside", "put_aside"),
        )
    ]  # fmt: skip
    told.append(f"{_t(visit, 'good')} **{share(day['share'], 2)}**")
    told += [
        f"{_t(visit, name)} **{share(ms / day['length_ms'], 2)}**"
        for name in ("doubtful", "bad", "missing", "late", "behind")
        if (ms := day[f"{name}_ms"])
    ]
    st.markdown(" · ".join(told))


def _holes(visit: Visit, site: Json, points: Sequence[Json]) -> None:
    grouped = gathered(points)
    if not grouped:
        expected = any(point["days"][0]["length_ms"] for point in points)
        st.caption(_t(visit, "whole" if expected else "not-yet"))
        return
    labels, zone = _labels(visit, site), site["time_zone"]
    rows = [
        {
            _t(visit, "from"): moment(start, zone),
            _t(visit, "to"): moment(end, zone),
            _t(visit, "cause"): _t(visit, f"cause-{cause}"),
            _t(visit, "long"): long_of(visit, end - start),
            _t(visit, "points"): _points(visit, own, labels),
        }
        for (start, end, cause), own in grouped.items()
    ]
    height = ROW_PX * (min(len(rows), LISTED) + 1) + 2
    st.dataframe(rows, hide_index=True, width="stretch", height=height)
    if more := sum(point["days"][0]["holes_left_out"] for point in points):
        st.caption(_t(visit, "more", n=number(more)))


def gathered(points: Sequence[Json]) -> dict[tuple[int, int, str], list[str]]:
    """Return the points that share a hole (to the minute) and its cause, the longest first."""
    found: dict[tuple[int, int, str], list[str]] = {}
    spans: dict[tuple[int, int, str], tuple[int, int, str]] = {}
    for point in points:
        for hole in point["days"][0]["holes"]:
            start, end, cause = hole["start"], hole["end"], hole["cause"]
            rough = (start // _MINUTE_MS, end // _MINUTE_MS, cause)
            first = spans.setdefault(rough, (start, end, cause))
            found.setdefault(first, []).append(point["point"])
    return dict(sorted(found.items(), key=lambda each: (each[0][0] - each[0][1], each[0])))


def _points(visit: Visit, own: Sequence[str], labels: Mapping[str, str]) -> str:
    first = labels.get(own[0], own[0])
    return first if len(own) == 1 else f"{_t(visit, 'points-n', n=len(own))}: {first} …"


def _labels(visit: Visit, site: Json) -> dict[str, str]:
    units = {unit["id"]: visit.pick(unit["name"]) for unit in site["units"]}
    return {
        point["id"]: f"{units.get(point['unit'], point['unit'])} · {visit.pick(point['name'])}"
        for point in site["points"]
    }


def long_of(visit: Visit, ms: int) -> str:
    """Return "2 h 15 min", "12 min" or "40 s"."""
    if ms < _MINUTE_MS:
        return _t(visit, "seconds", n=ms // 1000)
    hours, minutes = ms // _HOUR_MS, ms % _HOUR_MS // _MINUTE_MS
    said = [_t(visit, "hours", n=hours)] * bool(hours)
    said += [_t(visit, "minutes", n=minutes)] * bool(minutes)
    return " ".join(said)


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"completeness.{key}", visit.language, **facts)
