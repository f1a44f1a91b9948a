"""Why a point rings, or does not: last value, band, rules, flags and messages of one point."""

from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit
from dashboard.widgets.figures import day_and_minute, number
from dashboard.widgets.panels import panel

POINT: Final = "why-point"  # in the session
TRUTHS: Final = {True: "true", False: "false", None: "unknown"}
Json = dict[str, Any]


def draw(visit: Visit, site: Json) -> None:
    """Draw this part of the screen; a link may name the point."""
    st.caption(_t(visit, "page-what"))
    units = {unit["id"]: visit.pick(unit["name"]) or unit["id"] for unit in site["units"]}
    names = {
        each["id"]: f"{units.get(each['unit'], each['unit'])} · {visit.pick(each['name'])}"
        for each in site["points"]
    }
    asked = st.query_params.get("point", "")
    if POINT not in st.session_state and asked in names:
        st.session_state[POINT] = asked
    point = st.selectbox(
        _t(visit, "page-point"), sorted(names, key=lambda each: names[each]), key=POINT,
        index=None, format_func=lambda each: f"{names[each]} ({each})",
        placeholder=_t(visit, "page-choose"),
    )  # fmt: skip
    found = visit.get(f"points/{point}/why") if point else None
    if found is None:
        return
    with panel(st.container(), "why-answer"):
        _answer(visit, site, found)
    with panel(st.container(), "why-rules"):
        _rules(visit, site, found)
    with panel(st.container(), "why-told"):
        _told(visit, site, found)


def _answer(visit: Visit, site: Json, found: Json) -> None:
    first, *more = found["reasons"] or [{"text": {"zh": "?", "en": "?"}}]
    st.subheader(visit.pick(first["text"]))
    for each in more:
        st.markdown(f"- {visit.pick(each['text'])}")
    value, fresh, band, edge = st.columns(4)
    unknown = found["stale"] or found["value"] is None
    shown = _t(visit, "page-unknown") if unknown else visit.pick(found["value_text"])
    value.metric(_t(visit, "page-value"), shown)
    age = found["age_s"]
    fresh.metric(
        _t(visit, "page-age"), "–" if age is None else f"{number(age, 1)} s",
        help=_t(visit, "page-age-help", n=number(found["stale_after_s"])),
    )  # fmt: skip
    band.metric(_t(visit, "page-band"), _band(found["band"]), help=_t(visit, "page-band-help"))
    state = found["edge"].get("state", "unknown")
    edge.metric(_t(visit, "page-edge"), f"{found['edge']['id']}: {_t(visit, f'page-edge-{state}')}")
    at = "–" if found["at"] is None else day_and_minute(found["at"], site["time_zone"])
    st.caption(_t(visit, "page-read", at=at, quality=visit.pick(found["quality_text"])))


def _band(band: Json | None) -> str:
    if band is None:
        return "–"
    low, high = (
        sign if band[name] is None else number(band[name], 2)
        for name, sign in (("low", "−∞"), ("high", "∞"))
    )
    return f"{low} … {high}"


def _rules(visit: Visit, site: Json, found: Json) -> None:
    st.markdown(f"**{_t(visit, 'page-rules')}**")
    if not found["rules"]:
        st.caption(_t(visit, "page-no-rules"))
        return
    rows = [
        {
            _t(visit, "page-rule"): visit.pick(each["title"]),
            _t(visit, "page-key"): f"{each['key']} v{each['revision']}",
            _t(visit, "page-when"): visit.pick(each["span"]),
            _t(visit, "page-truth"): _t(visit, f"page-truth-{TRUTHS[each['truth']]}"),
            _t(visit, "page-phase"): _t(visit, f"page-phase-{each['phase']}"),
            _t(visit, "page-delay"): _delay(each),
            _t(visit, "page-due"): _due(each, site["time_zone"]),
        }
        for each in found["rules"]
    ]
    st.dataframe(rows, hide_index=True, width="stretch", height=35 * (len(rows) + 1) + 2)


def _delay(rule: Json) -> str:
    return f"{number(rule['spent_s'], 0)} / {number(rule['on_delay_s'], 0)} s"


def _due(rule: Json, zone: str) -> str:
    return ", ".join(day_and_minute(each["due"], zone) for each in rule["timers"])


def _told(visit: Visit, site: Json, found: Json) -> None:
    zone = site["time_zone"]
    st.markdown(f"**{_t(visit, 'page-flags')}**")
    for each in found["flags"]:
        until = "" if each["until"] is None else f" → {day_and_minute(each['until'], zone)}"
        kind = visit.texts(f"kpis.list-{each['kind']}", visit.language)
        st.markdown(f"- {kind}{until} · {visit.pick(each['by'])} · {each['reason']}")
    if not found["flags"]:
        st.caption(_t(visit, "page-no-flags"))
    st.markdown(f"**{_t(visit, 'page-messages')}**")
    sent = [(rule, each) for rule in found["rules"] for each in rule["messages"]]
    if not sent:
        st.caption(_t(visit, "page-no-messages"))
        return
    rows = [
        {
            _t(visit, "page-rule"): visit.pick(rule["title"]),
            _t(visit, "page-person"): visit.pick(each.get("person_name")) or each.get("person", ""),
            _t(visit, "page-sent"): " ".join(
                f"{way['channel']}: {way['state']}" for way in each.get("deliveries", ())
            )
            or "–",
        }
        for rule, each in sent
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"why.{key}", visit.language, **facts)
