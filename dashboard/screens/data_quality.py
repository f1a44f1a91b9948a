"""Data quality: what is not in the history as it should be; a section a kind."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit, completeness, quarantine
from dashboard.widgets.panels import look, panel

Site = dict[str, Any]
Draw = Callable[[Visit, Site], None]

# In the order in which they stand on the page: the name of the panel, and what draws it.
SECTIONS: Final[tuple[tuple[str, Draw], ...]] = (
    ("completeness", completeness.draw),
    ("quarantine", quarantine.draw),
)


def show(visit: Visit) -> None:
    """Draw the screen."""
    site = visit.get("site")
    if site is None:
        return
    look()
    st.header(visit.t("quality-title"))
    st.caption(visit.t("quality-what"))
    for name, draw in SECTIONS:
        with panel(st.container(), name):
            draw(visit, site)
