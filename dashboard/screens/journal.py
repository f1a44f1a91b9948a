"""The journal of events: who did what when, filtered, and as a file."""

from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from dashboard.screens import Visit
from dashboard.screens.names import named, people, way
from dashboard.widgets.figures import day_and_minute, moment
from dashboard.widgets.panels import panel

KINDS: Final = ("alarm", "order", "run", "message", "flag")
DAYS: Final = (1, 7, 30, 90)
DAY_MS: Final = 86_400_000
SHOWN: Final = 200
Json = dict[str, Any]


def draw(visit: Visit, site: Json) -> None:
    """Draw this part of the screen."""
    st.caption(_t(visit, "page-what"))
    with panel(st.container(), "journal"):
        asked = _asked(visit)
        page = int(st.session_state.get("journal-page", 0))
        found = visit.get("journal", limit=SHOWN, offset=page * SHOWN, **asked)
        if found is None:
            st.info(_t(visit, "page-wrong"))
            return
        _table(visit, site, found["lines"])
        _steps(visit, page, more=found["more"])
        st.link_button(
            _t(visit, "page-export"),
            f"/api/v1/journal/export?{urlencode({**asked, 'lang': visit.language})}",
        )


def _asked(visit: Visit) -> dict[str, str]:
    """Return what the filters above the table ask for."""
    days_box, kind_box, who_box, text_box = st.columns([1, 1, 1, 2])
    days = days_box.selectbox(
        _t(visit, "page-period"), DAYS, key="journal-days", on_change=_anew,
        format_func=lambda n: _t(visit, "page-days" if n > 1 else "page-day", n=n),
    )  # fmt: skip
    kind = kind_box.selectbox(
        _t(visit, "page-kind"), ["", *KINDS], key="journal-kind", on_change=_anew,
        format_func=lambda word: _t(visit, f"kind-{word}") if word else visit.t("all"),
    )  # fmt: skip
    known = people(visit)
    who = who_box.selectbox(
        _t(visit, "page-who"), ["", "system", *known], key="journal-who", on_change=_anew,
        format_func=lambda name: _who(visit, known, name),
    )  # fmt: skip
    text = text_box.text_input(_t(visit, "page-text"), key="journal-text", on_change=_anew)
    start = str(int(visit.now().timestamp() * 1000) - days * DAY_MS)
    given = {"from": start, "kind": kind, "by": who, "text": text.strip()[:200]}
    return {name: value for name, value in given.items() if value}


def _anew() -> None:
    """Begin with the newest again: the filters have changed."""
    st.session_state["journal-page"] = 0


def _who(visit: Visit, known: dict[str, str], name: str) -> str:
    if not name:
        return visit.t("all")
    return known[name] if name in known else _t(visit, "origin-system")


def _table(visit: Visit, site: Json, lines: list[Json]) -> None:
    if not lines:
        st.caption(_t(visit, "page-none"))
        return
    zone, points = site["time_zone"], named(visit, site)
    rows = [
        {
            _t(visit, "page-recorded"): _at(each["recorded_at"], zone),
            _t(visit, "page-kind"): _t(visit, f"kind-{each['kind']}"),
            _t(visit, "page-event"): _what(visit, each),
            _t(visit, "page-title"): visit.pick(each["title"]),
            _t(visit, "page-who"): visit.pick(each["name"]) if each["origin"] == "person" else "",
            _t(visit, "page-from"): _from(visit, each),
            _t(visit, "page-note"): _note(visit, each),
            _t(visit, "page-happened"): _at(each["happened_at"], zone),
            _t(visit, "page-point"): points.get(each["point"], each["point"]),
        }
        for each in lines
    ]
    st.dataframe(
        rows, hide_index=True, width="stretch", height=35 * min(len(rows) + 1, 16) + 2,
        column_config={_t(visit, "page-note"): st.column_config.TextColumn(width="large")},
    )  # fmt: skip


def _steps(visit: Visit, page: int, *, more: bool) -> None:
    newer, older, _ = st.columns([1, 1, 4])
    if page and newer.button(_t(visit, "page-newer"), key="journal-newer", width="stretch"):
        st.session_state["journal-page"] = page - 1
        st.rerun()
    if more and older.button(_t(visit, "page-older"), key="journal-older", width="stretch"):
        st.session_state["journal-page"] = page + 1
        st.rerun()


def _at(unix_ms: int | None, zone: str) -> str:
    if unix_ms is None:
        return ""
    return f"{day_and_minute(unix_ms, zone)[:5]} {moment(unix_ms, zone)}"


def _what(visit: Visit, line: Json) -> str:
    key = f"{line['kind']}-{line['what']}"
    return _t(visit, key) if f"journal.{key}" in visit.texts.by_key else str(line["what"])


def _note(visit: Visit, line: Json) -> str:
    """Return the note; of a message for whom it was, and how it went out."""
    ways = [way(visit, each) for each in line["channels"]]
    return " · ".join(each for each in (visit.pick(line["note"]), *ways) if each)


def _from(visit: Visit, line: Json) -> str:
    """Return from where a line came: a person, the platform, or which edge."""
    edge = f" {line['edge']}" if line["edge"] else ""
    return _t(visit, f"origin-{line['origin']}") + edge


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"journal.{key}", visit.language, **facts)
