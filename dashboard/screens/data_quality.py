"""Data quality: what is not in the history as it should be; a section a kind."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from dashboard.screens import Visit, completeness, quarantine
from dashboard.widgets.panels import panel

Site = dict[str, Any]
Draw = Callable[[Visit, Site], None]

# In the order in which they stand on the page: the name of the panel, and what draws it.
SECTIONS: Final[tuple[tuple[str, Draw], ...]] = (
    ("completeness", completeness.draw),
    ("quarantine", quarantine.draw),
)


def draw(visit: Visit, site: Site) -> None:
    """Draw this part of the screen."""
    st.caption(visit.t("quality-what"))
    for name, section in SECTIONS:
        with panel(st.container(), name):
            section(visit, site)
