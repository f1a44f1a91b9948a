"""Charts in the colours of the theme: one hue by lightness, never the colour of a priority."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import streamlit as st

HEIGHT = 240
LIGHT = ("#1F566C", "#5C93AA", "#9DBFCE", "#C9D6DC")  # --d1 to --d4 of live/css/tokens.css
DARK = ("#8CBCD1", "#5A8BA1", "#3B6173", "#2C434E")
Rows = list[dict[str, Any]]


def hues() -> tuple[str, ...]:
    """Return the data colours for the theme this viewer had at the last run."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def bars(rows: Rows, *, x: str, y: str, whole: str) -> None:
    """Draw bars; pale where the row's `whole` is false, because its figure lacks data."""
    first, _, pale, _ = hues()
    colour = alt.condition(alt.datum[whole], alt.value(first), alt.value(pale))
    _draw(
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
        .encode(
            x=alt.X(f"{x}:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y(f"{y}:Q", title="kWh", axis=alt.Axis(grid=True, tickCount=4)),
            color=colour,
            tooltip=[alt.Tooltip(f"{x}:O"), alt.Tooltip(f"{y}:Q", format=",.1f", title="kWh")],
        )
    )


def curve(rows: Rows, *, x: str, y: str, unit: str) -> None:
    """Draw a line over the hours of a day; it breaks where a value is None."""
    where = alt.X(f"{x}:Q", title=None, axis=alt.Axis(labelAngle=0, tickCount=8, grid=False))
    _line(rows, where, [alt.Tooltip(f"{x}:Q")], y, unit)


def clocked(rows: Rows, *, unit: str, zone: str, span: tuple[int, int]) -> None:
    """Draw `value` over `at` (Unix ms) by the clock of the site, whatever the browser's is."""
    local = [{**row, "local": shifted(row["at"], zone)} for row in rows]
    axis = alt.Axis(format="%H:%M", labelAngle=0, grid=False)
    scale = alt.Scale(type="utc", domain=[_read(shifted(at, zone)) for at in span])
    where = alt.X("local:T", title=None, scale=scale, axis=axis)
    _line(local, where, [], "value", unit)


def counted(rows: Rows, *, unit: str, zone: str, line: str, limit: float) -> None:
    """Draw `value` over `at` (Unix ms) as bars, and a limit across them with its name."""
    local = [{**row, "local": shifted(row["at"], zone)} for row in rows]
    axis = alt.Axis(format="%m-%d %H:%M", labelAngle=0, grid=False, tickCount=6)
    where = alt.X("local:T", title=None, scale=alt.Scale(type="utc"), axis=axis)
    count = alt.Y("value:Q", title=unit, axis=alt.Axis(tickCount=4, format="d"))
    bars_ = alt.Chart(alt.InlineData(values=local)).mark_bar(color=hues()[0])
    bars_ = bars_.encode(x=where, y=count, tooltip=[alt.Tooltip("value:Q", title=unit)])
    across = alt.Chart(alt.InlineData(values=[{"limit": limit, "name": line}]))
    rule = across.mark_rule(strokeDash=[4, 4], color=hues()[1]).encode(y="limit:Q")
    word = across.mark_text(align="left", dx=4, dy=-6, color=hues()[1]).encode(
        y="limit:Q", x=alt.value(0), text="name:N"
    )
    _draw(bars_ + rule + word)


def shaded(plot: dict[str, Any], *, zone: str) -> None:
    """Draw readings over time with limits, and shade when a rule rang."""
    rows = [
        {"local": shifted(at, zone), "value": value}
        for at, value in zip(plot["at"], plot["value"], strict=True)
    ]
    rang = [
        {"start": shifted(each["start"], zone), "end": shifted(each["end"], zone)}
        for each in plot["intervals"]
    ]
    axis = alt.Axis(format="%m-%d %H:%M", labelAngle=0, grid=False, tickCount=6)
    where = alt.X("local:T", title=None, scale=alt.Scale(type="utc"), axis=axis)
    first, second, _, _ = hues()
    shade = alt.Chart(alt.InlineData(values=rang)).mark_rect(opacity=0.35, color=second)
    shade = shade.encode(x=alt.X("start:T", scale=alt.Scale(type="utc")), x2="end:T")
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(strokeWidth=1.5, color=first)
    line = line.encode(
        x=where, y=alt.Y("value:Q", title=plot["symbol"], scale=alt.Scale(zero=False))
    )
    limits = alt.Chart(alt.InlineData(values=[{"limit": each} for each in plot["limits"].values()]))
    bounds = limits.mark_rule(strokeDash=[4, 4], color=second).encode(y="limit:Q")
    _draw(shade + line + bounds)


def shifted(unix_ms: int, zone: str) -> int:
    """Return the instant whose UTC clock reads as the site's does at `unix_ms`."""
    at = datetime.fromtimestamp(unix_ms / 1000, ZoneInfo(zone))
    return unix_ms + round((at.utcoffset() or timedelta()).total_seconds() * 1000)


def _read(unix_ms: int) -> alt.DateTime:
    """Return an instant as a domain has it: Vega takes a bare number there for a year."""
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return alt.DateTime(
        year=at.year, month=at.month, date=at.day,
        hours=at.hour, minutes=at.minute, seconds=at.second, utc=True,
    )  # fmt: skip


def _line(rows: Rows, where: alt.X, told: list[alt.Tooltip], y: str, unit: str) -> None:
    _draw(
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2, color=hues()[0], invalid="break-paths-show-domains")
        .encode(
            x=where,
            y=alt.Y(f"{y}:Q", title=unit, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4)),
            tooltip=[*told, alt.Tooltip(f"{y}:Q", format=",.2f", title=unit or "value")],
        )
    )


def _draw(chart: alt.Chart | alt.LayerChart) -> None:
    chart = chart.properties(height=HEIGHT, background="transparent")
    st.altair_chart(chart, width="stretch", theme="streamlit")
