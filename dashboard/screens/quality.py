"""Quality: of the data, of the alarms, what happened, and why a point rings or does not."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit, alarm_figures, data_quality, journal, why
from dashboard.widgets.panels import look

Draw = Callable[[Visit, dict[str, Any]], None]

# In the order in which they stand: the name of the part, as in ?part=, and what draws it.
PARTS: Final[dict[str, Draw]] = {
    "data": data_quality.draw,
    "alarms": alarm_figures.draw,
    "journal": journal.draw,
    "why": why.draw,
}
PART: Final = "quality-part"  # in the session


def show(visit: Visit) -> None:
    """Draw the screen; a link may name the part."""
    site = visit.get("site")
    if site is None:
        return
    look()
    st.header(visit.t("quality-title"))
    asked = st.query_params.get("part", "data")
    if PART not in st.session_state:
        st.session_state[PART] = asked if asked in PARTS else "data"
    chosen = st.segmented_control(
        visit.t("quality-part"), list(PARTS), key=PART, label_visibility="collapsed",
        format_func=lambda part: visit.t(f"quality-part-{part}"),
    )  # fmt: skip
    PARTS[chosen or "data"](visit, site)
