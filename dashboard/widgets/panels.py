"""Panels of the native screens: the surface on which they stand, as in the live frame."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

# A bordered container of Streamlit has no fill of its own. Keys become classes, which stay from one
# release to the next; --surface of live/css/tokens.css, light and dark as the device has it.
_LOOK = """<style>
[class*="st-key-panel"]{background:#F8F9FA}
[data-testid="stMainBlockContainer"]{padding-left:1rem;padding-right:1rem}
[class*="st-key-rule-text"] textarea{font-family:ui-monospace,monospace;font-size:.85rem}
@media(prefers-color-scheme:dark){[class*="st-key-panel"]{background:#171C1F}}
</style>"""


def look() -> None:
    """Give the page the look of panels, once a run."""
    st.html(_LOOK)


def panel(box: DeltaGenerator, name: str) -> DeltaGenerator:
    """Return a panel in a column; `name` is unique on its screen."""
    return box.container(border=True, key=f"panel-{name}")
