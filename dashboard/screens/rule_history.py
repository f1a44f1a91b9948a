"""What a rule would have raised in a period, and what a changed text would have."""

from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit
from dashboard.widgets import charts
from dashboard.widgets.figures import day_and_minute, number
from watchkeeper.errors import Unreachable

DAYS: Final = (1, 7, 30)
DAY_MS: Final = 86_400_000
LISTED: Final = 50
Json = dict[str, Any]


def draw(visit: Visit, site: Json, rule: Json, text: str) -> None:
    """Draw the backtest of a rule, beside that of the text in the editor."""
    st.markdown(f"**{_t(visit, 'page-title')}** :gray[{_t(visit, 'page-what')}]")
    box, go, _ = st.columns([1, 1, 3], vertical_alignment="bottom")
    days = box.selectbox(
        _t(visit, "page-period"), DAYS, key="backtest-days",
        format_func=lambda n: _t(visit, "page-days", n=n),
    )  # fmt: skip
    asked = st.session_state.get("backtest-key")
    if go.button(_t(visit, "page-go"), type="primary", key="backtest-go", width="stretch"):
        asked = st.session_state["backtest-key"] = rule["key"]
    if asked != rule["key"]:
        return
    end = int(visit.now().timestamp() * 1000)
    span = {"start": end - days * DAY_MS, "end": end}
    try:
        left, right = st.columns(2)
        with left:
            now = _side(visit, site, _t(visit, "page-now"), {"key": rule["key"]}, span)
        with right:
            _side(visit, site, _t(visit, "page-draft"), {"text": text, "key": rule["key"]}, span)
        if now is not None and now["points"]:
            _plot(visit, site, rule, now, span)
    except Unreachable:
        st.info(_t(visit, "page-no-store"))


def _side(visit: Visit, site: Json, name: str, which: Json, span: Json) -> Json | None:
    st.markdown(f"**{name}**")
    found = visit.ask("rules/backtest", **which, **span)
    if found is None:
        st.caption(_t(visit, "page-cannot"))
        return None
    total = found["total"]
    if failed := sum(each["error"] is not None for each in found["points"]):
        st.warning(_t(visit, "page-failed", n=failed))
    count, length = st.columns(2)
    count.metric(_t(visit, "page-count"), number(total["count"]))
    length.metric(_t(visit, "page-length"), f"{number(total['duration_s'] / 60)} min")
    zone = site["time_zone"]
    rows = [
        {
            _t(visit, "page-at"): day_and_minute(each["at"], zone),
            _t(visit, "page-over"): ""
            if each["returned_at"] is None
            else day_and_minute(each["returned_at"], zone),
            _t(visit, "page-point"): point["point"],
            _t(visit, "page-value"): "" if each["value"] is None else number(each["value"], 1),
        }
        for point in found["points"]
        for each in point["raised"]
    ]
    rows.sort(key=lambda row: str(row[_t(visit, "page-at")]), reverse=True)
    if rows:
        st.dataframe(rows[:LISTED], hide_index=True, width="stretch", height=248)
    else:
        st.caption(_t(visit, "page-none"))
    return found if isinstance(found, dict) else None


def _plot(visit: Visit, site: Json, rule: Json, found: Json, span: Json) -> None:
    noisiest = max(found["points"], key=lambda each: each["count"])["point"]
    plot = visit.ask("rules/backtest/plot", key=rule["key"], point=noisiest, wanted=600, **span)
    if plot is None:
        return
    st.caption(noisiest)
    charts.shaded(plot, zone=site["time_zone"])


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"backtest.{key}", visit.language, **facts)
