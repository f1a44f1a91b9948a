"""Figures about alarms beside a guide, and who makes most of the noise (server/kpis.py)."""

from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit
from dashboard.screens.names import named, people, rule_link, why_link
from dashboard.widgets import charts
from dashboard.widgets.figures import day_and_minute, number, share
from dashboard.widgets.panels import panel

DAYS: Final = (1, 7, 30)
DAY_MS: Final = 86_400_000
MARKS: Final = {True: "✓", False: "▲", None: "–"}
TOP: Final = 10
STANDING: Final = ("shelved", "suppressed", "out_of_service", "test")
Json = dict[str, Any]


def draw(visit: Visit, site: Json) -> None:
    """Draw this part of the screen."""
    st.caption(_t(visit, "what"))
    box, seats, _ = st.columns([1, 1, 2])
    days = box.selectbox(
        _t(visit, "period"), DAYS, index=1, key="kpi-days",
        format_func=lambda n: _t(visit, "days", n=n) if n > 1 else _t(visit, "last-day"),
    )  # fmt: skip
    positions = seats.number_input(
        _t(visit, "positions"), 1, 50, key="kpi-positions", help=_t(visit, "positions-what")
    )
    start = int(visit.now().timestamp() * 1000) - days * DAY_MS
    found = visit.get("alarms/kpis", positions=positions, **{"from": str(start)})
    if found is None:
        return
    left, right = st.columns([3, 2])
    with panel(left, "kpi-rate"):
        _rate(visit, site, found)
    with panel(right, "kpi-guide"):
        _guide(visit, found)
    with panel(st.container(), "kpi-waits"):
        _waits(visit, found)
    with panel(st.container(), "kpi-top"):
        _top(visit, site, found)
    with panel(st.container(), "kpi-lists"):
        _lists(visit, site, found)


def _rate(visit: Visit, site: Json, found: Json) -> None:
    st.markdown(f"**{_t(visit, 'rate-title')}**")
    tiles = st.columns(3)
    tiles[0].metric(_t(visit, "raises"), number(found["raises"]))
    tiles[1].metric(_t(visit, "floods"), number(len(found["floods"])))
    waits = [each for each in found["waits"] if each["p50_s"] is not None]
    slowest = max((each["p50_s"] for each in waits), default=None)
    tiles[2].metric(_t(visit, "wait"), _span(visit, slowest), help=_t(visit, "wait-what"))
    picture, zone = found["picture"], site["time_zone"]
    rows = [
        {"at": at, "value": count}
        for at, count in zip(picture["start"], picture["counts"], strict=True)
    ]
    charts.counted(
        rows, unit=_t(visit, "per", n=round(picture["width"] / 60_000)), zone=zone,
        line=_t(visit, "flood-line"), limit=10 * picture["width"] / 600_000,
    )  # fmt: skip


def _guide(visit: Visit, found: Json) -> None:
    st.markdown(f"**{_t(visit, 'guide')}** :gray[{_t(visit, 'guide-what')}]")
    rows = [
        {
            _t(visit, "met"): " ".join(
                (MARKS[each["met"]], _t(visit, "met-" + _word(each["met"])))
            ),
            _t(visit, "figure"): _t(visit, each["key"]),
            _t(visit, "value"): _figure(each["value"], each["unit"]),
            _t(visit, "target"): ("≤ " if each["kind"] == "at_most" else "≈ ")
            + _figure(each["limit"], each["unit"]),
            _t(visit, "mark"): _t(visit, f"mark-{each['mark']}"),
        }
        for each in found["guide"]
    ]
    st.dataframe(rows, hide_index=True, width="stretch", height=35 * (len(rows) + 1) + 2)


def _waits(visit: Visit, found: Json) -> None:
    """Say how many alarms of each priority there were, and how long they waited for a person."""
    st.markdown(f"**{_t(visit, 'waits')}**")
    waits = {each["priority"]: each for each in found["waits"]}
    rows = []
    for each in found["priorities"]:
        wait = waits.get(each["priority"], {"count": 0, "p50_s": None, "p90_s": None, "open": 0})
        rows.append({
            _t(visit, "priority"): each["priority"],
            _t(visit, "raises"): each["count"],
            _t(visit, "acknowledged"): wait["count"],
            _t(visit, "half"): _span(visit, wait["p50_s"]),
            _t(visit, "most"): _span(visit, wait["p90_s"]),
            _t(visit, "open"): wait["open"],
        })  # fmt: skip
    st.dataframe(rows, hide_index=True, width="stretch")


def _top(visit: Visit, site: Json, found: Json) -> None:
    sources = found["sources"][:TOP]
    told = _t(visit, "top-what", share=share(found["top_share"], 0)) if sources else ""
    st.markdown(f"**{_t(visit, 'top')}** :gray[{told}]" if told else f"**{_t(visit, 'top')}**")
    if not sources:
        st.caption(_t(visit, "none"))
        return
    points = named(visit, site)
    rows = [
        {
            _t(visit, "count"): each["raises"],
            _t(visit, "alarm"): visit.pick(each.get("title")) or each["source"],
            _t(visit, "point"): points.get(each.get("point", ""), each.get("point", "")),
            _t(visit, "rule"): rule_link(each.get("rule", "")),
            _t(visit, "why-link"): why_link(each.get("point", "")),
        }
        for each in sources
    ]
    look = {
        _t(visit, "count"): st.column_config.NumberColumn(width="small"),
        _t(visit, "rule"): st.column_config.LinkColumn(display_text="rule=(.+)"),
        _t(visit, "why-link"): st.column_config.LinkColumn(
            display_text=_t(visit, "why-open"), width="small"
        ),
    }
    st.dataframe(rows, hide_index=True, width="stretch", column_config=look)


def _lists(visit: Visit, site: Json, found: Json) -> None:
    st.markdown(f"**{_t(visit, 'lists')}**")
    zone, names = site["time_zone"], {each["source"]: each for each in found["sources"]}
    rows = [
        _row(visit, "flood", day_and_minute(each["start"], zone), _flood(visit, each))
        for each in found["floods"]
    ]
    for kind in ("chattering", "fleeting"):
        rows += [
            _row(visit, kind, _name(visit, names, source), _t(visit, "times", n=count))
            for source, count in found[kind].items()
        ]
    for each in found["stale"]:
        since = _t(visit, "since", at=day_and_minute(each["raised_at"], zone))
        rows.append(_row(visit, "stale", visit.pick(each.get("title")) or each["source"], since))
    known = people(visit)
    for kind in STANDING:
        for each in found[kind]:
            until = "" if each["until"] is None else f" → {day_and_minute(each['until'], zone)}"
            by = known.get(each["by"]) or visit.texts("journal.origin-system", visit.language)
            told = f"{by}: {each['reason']}{until}"
            rows.append(_row(visit, kind, visit.pick(each["name"]) or each["subject"], told))
    if not rows:
        st.caption(_t(visit, "none"))
        return
    st.dataframe(rows, hide_index=True, width="stretch")


def _flood(visit: Visit, flood: Json) -> str:
    minutes = max(round((flood["end"] - flood["start"]) / 60_000), 1)
    return _t(visit, "flood-told" if flood["over"] else "flood-open", n=flood["alarms"], m=minutes)


def _row(visit: Visit, kind: str, name: str, told: str) -> Json:
    what = _t(visit, f"list-{kind}")
    return {_t(visit, "list"): what, _t(visit, "alarm"): name, _t(visit, "detail"): told}


def _name(visit: Visit, names: dict[str, Json], source: str) -> str:
    return visit.pick(names.get(source, {}).get("title")) or source


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "share":
        return share(value, 0)
    decimals = 1 if value >= 1 else 2
    return number(value, 0 if value == int(value) else decimals)


def _span(visit: Visit, seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:  # noqa: PLR2004 - two minutes are still told in seconds
        return _t(visit, "seconds", n=round(seconds))
    return _t(visit, "minutes", n=round(seconds / 60))


def _word(met: bool | None) -> str:  # noqa: FBT001 - of the guide
    return {True: "yes", False: "no", None: "unknown"}[met]


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"kpis.{key}", visit.language, **facts)
