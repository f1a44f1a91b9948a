"""Quality: of the data, of the alarms, what happened, and why a point rings or does not."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit, alarm_figures, data_quality, journal, rules, why
from dashboard.widgets.panels import look

Draw = Callable[[Visit, dict[str, Any]], None]

# In the order in which they stand: the name of the part, as in ?part=, and what draws it.
PARTS: Final[dict[str, Draw]] = {
    "data": data_quality.draw,
    "alarms": alarm_figures.draw,
    "journal": journal.draw,
    "why": why.draw,
    "rules": rules.draw,
}
PART: Final = "quality-part"  # in the session
ASKED: Final = "quality-asked"  # in the session: the part, the point and so on last asked for
OF_PARTS: Final = ("part", "point", "rule")  # of a query; others are not ours


def show(visit: Visit) -> None:
    """Draw the screen; a link may name the part."""
    site = visit.get("site")
    if site is None:
        return
    look()
    st.header(visit.t("quality-title"))
    _follow()
    chosen = st.segmented_control(
        visit.t("quality-part"), list(PARTS), key=PART, label_visibility="collapsed",
        on_change=_written,
        format_func=lambda part: visit.t(f"quality-part-{part}"),
    )  # fmt: skip
    PARTS[chosen or "data"](visit, site)


def _follow() -> None:
    """Go where a link leads: one that is new wins over what was chosen before it came."""
    asked = {name: st.query_params[name] for name in OF_PARTS if name in st.query_params}
    if asked == st.session_state.get(ASKED):
        return
    st.session_state[ASKED] = asked
    part = asked.get("part", "")
    st.session_state[PART] = part if part in PARTS else "data"
    if asked.get("point"):
        st.session_state[why.ASKED] = asked["point"]
    if asked.get("rule"):
        st.session_state[rules.ASKED] = asked["rule"]


def _written() -> None:
    """Write the part that was picked into the address: it can be sent on, and Back leads back."""
    asked = {"part": st.session_state[PART] or "data"}
    others = {name: st.query_params[name] for name in st.query_params if name not in OF_PARTS}
    st.query_params.from_dict(others | asked)  # at once: each change is a step for Back
    st.session_state[ASKED] = asked
