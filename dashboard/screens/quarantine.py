"""A section of data quality: readings put aside, why, and the two things one can do about it.

What a device or a stranger wrote is shown as cells of a table or as plain code, never as markup.
"""

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit
from dashboard.widgets.figures import day_and_minute, number
from watchkeeper.errors import Unreachable

SHOWN: Final = 100  # items
DETAILS: Final = 3  # ticked items whose readings are shown
ROW_PX: Final = 35
REASONS: Final = ("time", "value", "type", "alias", "quality", "gap", "unreadable", "store")
LIST, TABLE = "aside-list", "aside-table"  # in the session
Json = dict[str, Any]


def draw(visit: Visit, site: Json) -> None:
    """Draw the section."""
    try:
        counts = visit.get("quarantine/counts")
        if counts is not None:
            _counts(visit, site, counts)
            _items(visit, site)
    except Unreachable:
        st.markdown(f"**{visit.t('aside')}**")
        st.info(visit.t("aside-no-store"))


def _counts(visit: Visit, site: Json, counts: Json) -> None:
    key = "aside-sum" if counts["whole"] else "aside-sum-part"
    told = visit.t(key, readings=number(counts["readings"]), items=number(counts["items"]))
    st.markdown(f"**{visit.t('aside')}** :gray[{told}]")
    if not counts["counts"]:
        st.caption(visit.t("aside-none-day"))
        return
    rows = [
        {
            visit.t("reason"): reason_name(visit, each["reason"]),
            visit.t("aside-edge"): each["edge"],
            visit.t("aside-readings"): each["readings"],
            visit.t("aside-items"): each["items"],
            visit.t("aside-newest"): day_and_minute(each["newest"], site["time_zone"]),
            visit.t("aside-mend"): _reason_text(visit, "mend", each["reason"]),
        }
        for each in counts["counts"]
    ]
    st.dataframe(
        rows, hide_index=True, width="stretch", height=_height(len(rows), 9),
        column_config=_figures(visit),
    )  # fmt: skip


def _items(visit: Visit, site: Json) -> None:
    reason_box, edge_box, refresh_box = st.columns([3, 3, 1.2], vertical_alignment="bottom")
    reason = reason_box.selectbox(
        visit.t("reason"), ["", *REASONS], key="aside-reason",
        format_func=lambda word: reason_name(visit, word) if word else visit.t("all"),
    )  # fmt: skip
    edges = sorted((visit.get("health") or {"edges": {}})["edges"])
    edge = edge_box.selectbox(
        visit.t("aside-edge"), ["", *edges], key="aside-of-edge",
        format_func=lambda name: name or visit.t("all"),
    )  # fmt: skip
    if refresh_box.button(visit.t("aside-refresh"), width="stretch", key="aside-again"):
        _look_anew()
    page = _page(visit, reason, edge)
    if not page["items"]:
        st.caption(visit.t("aside-none"))
        return
    ticked = _table(visit, site, page)
    _deeds(visit, ticked)
    for item in ticked[:DETAILS]:
        _detail(visit, site, item)


def _page(visit: Visit, reason: str, edge: str) -> Json:
    """Return the list; while items are ticked it is the one they were ticked in.

    Streamlit knows ticks by their row: a list that grew under them would tick other items.
    """
    asked = [reason, edge]
    held: Json | None = st.session_state.get(LIST)
    if held is not None and held["asked"] == asked and _ticked_rows(held):
        return held
    query: dict[str, str | float] = {"limit": SHOWN}
    query |= {name: value for name, value in (("reason", reason), ("origin", edge)) if value}
    found: Json = visit.get("quarantine", **query) or {"items": [], "next": None}
    version = held["version"] if held is not None else 0
    if held is not None and held["items"] != found["items"]:
        version += 1
    page = st.session_state[LIST] = {**found, "asked": asked, "version": version}
    return page


def _look_anew() -> None:
    """Ask for the list again, with nothing ticked in it."""
    if held := st.session_state.get(LIST):
        held["asked"], held["version"] = None, held["version"] + 1


def _key(page: Json) -> str:
    return f"{TABLE}-{page['version']}"


def _ticked_rows(page: Json) -> Sequence[int]:
    state: Any = st.session_state.get(_key(page))
    rows: Sequence[int] = state["selection"]["rows"] if state else ()
    return [row for row in rows if row < len(page["items"])]


def _table(visit: Visit, site: Json, page: Json) -> list[Json]:
    """Draw the list; return the ticked items."""
    zone, points = site["time_zone"], _points(visit, site)
    rows = [
        {
            visit.t("at"): day_and_minute(item["at"], zone),
            visit.t("reason"): reason_name(visit, item["reason"]),
            visit.t("aside-edge"): item["edge"],
            visit.t("aside-readings"): item["readings"],
            visit.t("aside-about"): _about(visit, item, points, zone),
        }
        for item in page["items"]
    ]
    st.caption(
        " ".join(
            [visit.t("aside-how"), visit.t("aside-oldest", n=SHOWN) if page["next"] else ""]
        ).strip()
    )
    st.dataframe(
        rows, hide_index=True, width="stretch", height=_height(len(rows), 10),
        on_select="rerun", selection_mode="multi-row", key=_key(page),
        column_config=_figures(visit),
    )  # fmt: skip
    return [page["items"][row] for row in _ticked_rows(page)]


def _deeds(visit: Visit, ticked: list[Json]) -> None:
    person = visit.get("me") or {"roles": []}
    if not {"operator", "admin"} & {*person["roles"]}:
        return
    some, ids = len(ticked), [item["id"] for item in ticked]
    again, drop, _ = st.columns([2, 2, 6])
    label = visit.t("aside-rerun-some", n=some) if some else visit.t("aside-rerun-all")
    if again.button(label, type="primary", width="stretch", key="aside-rerun"):
        asked = {"ids": ids} if ids else {"all": True}
        _told(visit, visit.post("quarantine/rerun", **asked), "aside-asked-rerun")
    label = visit.t("aside-drop-some", n=some) if some else visit.t("aside-drop")
    if drop.button(label, width="stretch", disabled=not ids, key="aside-drop"):
        _sure(visit, ticked)
    if note := st.session_state.pop("aside-note", ""):
        st.caption(note)


def _sure(visit: Visit, ticked: list[Json]) -> None:
    """Ask once more before readings go for good."""

    @st.dialog(visit.t("aside-drop-some", n=len(ticked)))
    def asked() -> None:
        readings = sum(item["readings"] for item in ticked)
        st.write(visit.t("aside-drop-sure", readings=number(readings)))
        yes, no = st.columns(2)
        if yes.button(visit.t("aside-drop"), type="primary", width="stretch", key="aside-drop-yes"):
            ids = [item["id"] for item in ticked]
            st.session_state["aside-note"] = visit.post("quarantine/drop", ids=ids) or visit.t(
                "aside-asked-drop"
            )
            _look_anew()
            st.rerun()
        if no.button(visit.t("aside-keep"), width="stretch", key="aside-drop-no"):
            st.rerun()

    asked()


def _told(visit: Visit, problem: str, done: str) -> None:
    st.session_state["aside-note"] = problem or visit.t(done)


def _detail(visit: Visit, site: Json, item: Json) -> None:
    zone = site["time_zone"]
    if item["why"]:
        st.code(item["why"], language=None, wrap_lines=True)
    if not item["rows"]:
        if item["excerpt"]:
            st.code(item["excerpt"], language=None, wrap_lines=True)
        return
    points = _points(visit, site)
    rows = [
        {
            visit.t("point"): _point(visit, row, points),
            visit.t("at"): _when(row["at"], zone),
            visit.t("value"): _text(row["value"]),
            visit.t("quality"): _quality(visit, row["quality"]),
        }
        for row in item["rows"]
    ]
    st.dataframe(rows, hide_index=True, width="stretch", height=_height(len(rows), 7))


def reason_name(visit: Visit, word: str) -> str:
    """Return what a reason is called; one nobody knows is shown as it is."""
    return _reason_text(visit, "aside", word) or word


def _reason_text(visit: Visit, area: str, word: str) -> str:
    key = "alias-unknown" if word == "alias" else word
    return visit.t(f"{area}-{key}") if word in REASONS else ""


def _points(visit: Visit, site: Json) -> dict[str, str]:
    """Return point id -> "Main meter 1 · Active power"."""
    units = {unit["id"]: visit.pick(unit["name"]) for unit in site["units"]}
    return {
        point["id"]: f"{units.get(point['unit'], point['unit'])} · {visit.pick(point['name'])}"
        for point in site["points"]
    }


def _about(visit: Visit, item: Json, points: dict[str, str], zone: str) -> str:
    if item["gap"]:
        start, end = (_when(at, zone) for at in item["gap"])
        return visit.t("aside-given-up", start=start, end=end)
    if not item["rows"]:
        return str(item["excerpt"])
    first, rows = item["rows"][0], max(item["readings"], len(item["rows"]))
    said = f"{_point(visit, first, points)} = {_text(first['value'])}"
    return f"{said} {visit.t('aside-more', n=number(rows))}" if rows > 1 else said


def _point(visit: Visit, row: Json, points: dict[str, str]) -> str:
    if row["point"]:
        return points.get(row["point"], str(row["point"]))
    return "?" if row["alias"] is None else visit.t("aside-alias", alias=row["alias"])


def _when(at: object, zone: str) -> str:
    try:
        return day_and_minute(at, zone) if isinstance(at, int) else _text(at)
    except (ValueError, OverflowError, OSError):
        return _text(at)


def _quality(visit: Visit, code: object) -> str:
    known = isinstance(code, int) and 0 <= code < 256  # noqa: PLR2004 - one byte
    return visit.quality(code) if known and isinstance(code, int) else _text(code)


def _text(value: object) -> str:
    return "?" if value is None else str(value)


def _figures(visit: Visit) -> dict[str, Any]:
    """Return how the columns of figures are drawn: to the right, with separators."""
    figure = st.column_config.NumberColumn(format="localized", width="small")
    return {visit.t("aside-readings"): figure, visit.t("aside-items"): figure}


def _height(rows: int, most: int) -> int:
    return ROW_PX * (min(rows, most) + 1) + 2
