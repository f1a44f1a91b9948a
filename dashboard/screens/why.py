"""Why a point rings, or does not: last value, band, rules, flags and messages of one point."""

from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit
from dashboard.screens.names import named, people, rule_link, way
from dashboard.widgets.figures import day_and_minute, number
from dashboard.widgets.panels import panel

POINT: Final = "why-point"  # in the session
ASKED: Final = "why-asked"  # in the session: the point of a link that has just been followed
TRUTHS: Final = {True: "true", False: "false", None: "unknown"}
Json = dict[str, Any]


def draw(visit: Visit, site: Json) -> None:
    """Draw this part of the screen; a link may name the point."""
    st.caption(_t(visit, "page-what"))
    names = named(visit, site)
    asked = st.session_state.pop(ASKED, "")
    if asked in names:
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
    _supervised(visit, found)


def _supervised(visit: Visit, found: Json) -> None:
    """Say how the unit is heard of, where its silence is itself a critical alarm."""
    told = visit.get("supervision") or {"units": []}
    for each in told["units"]:
        if each["id"] != found["unit"]:
            continue
        heard = "–" if each["heard"] is None else _ago(told["now"] - each["heard"])
        state = _t(visit, f"page-supervised-{each['state']}")
        facts = {"heard": heard, "allowed": number(each["allowed_s"]), "rule": each["rule"]}
        st.caption(_t(visit, "page-supervised", state=state, **facts))


def _ago(span_ms: int) -> str:
    return f"{number(max(span_ms, 0) / 1000, 1)} s"


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
            _t(visit, "page-key"): rule_link(each["key"]),
            _t(visit, "page-revision"): each["revision"],
            _t(visit, "page-when"): visit.pick(each["span"]),
            _t(visit, "page-truth"): _t(visit, f"page-truth-{TRUTHS[each['truth']]}"),
            _t(visit, "page-phase"): _t(visit, f"page-phase-{each['phase']}"),
            _t(visit, "page-delay"): _delay(each),
            _t(visit, "page-due"): _due(each, site["time_zone"]),
        }
        for each in found["rules"]
    ]
    link = st.column_config.LinkColumn(display_text="rule=(.+)")
    st.dataframe(
        rows, hide_index=True, width="stretch", height=35 * (len(rows) + 1) + 2,
        column_config={_t(visit, "page-key"): link},
    )  # fmt: skip


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
    known = people(visit)
    rows = [
        {
            _t(visit, "page-rule"): visit.pick(rule["title"]),
            _t(visit, "page-at"): day_and_minute(each["at"], zone),
            _t(visit, "page-person"): known.get(each["person"]) or each["name"],
            _t(visit, "page-sent"): ", ".join(way(visit, it) for it in each["channels"]) or "–",
        }
        for rule, each in sent
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def _t(visit: Visit, key: str, **facts: object) -> str:
    return visit.texts(f"why.{key}", visit.language, **facts)
