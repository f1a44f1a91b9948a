"""The live component and the door: their scripts and styles, put together from small files."""

from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

HERE = Path(__file__).parent
LOOK = ("tokens", "parts", "shell")
SHARED = ("base", "words", "marks")
LIVE = (
    *SHARED,
    *("stream", "bell", "alarm_order", "house", "plant", "app", "bars", "trend", "alarm_row"),
    *("alarms", "alarm_bulk", "alarm_flags", "alarm_banner", "alarm_test", "alarm_detail"),
    *("tiles", "section", "zones", "power", "today", "wall", "deeds", "orders"),
    *("order_detail", "mine", "me", "run_steps", "run_parts", "emergency", "main"),
)


def scripts(names: tuple[str, ...]) -> str:
    """Return the named scripts as one module."""
    return "\n".join((HERE / "js" / f"{name}.js").read_text("utf-8") for name in names)


def styles(names: tuple[str, ...]) -> str:
    """Return the named style sheets as one."""
    return "\n".join((HERE / "css" / f"{name}.css").read_text("utf-8") for name in names)


@cache
def _assets() -> tuple[tuple[str, str], tuple[str, str]]:
    """Return (css, js) of the live component and of the door, read once in a process."""
    live_css = styles((*LOOK, "wall", "alarms", "orders", "emergency"))
    return (live_css, scripts(LIVE)), (styles((*LOOK, "sign_in")), scripts((*SHARED, "sign_in")))


def live() -> ComponentRenderer:
    """Return the frame of all screens, with the live ones in it."""
    css, js = _assets()[0]
    return st.components.v2.component("wk_live", html='<div class="wk"></div>', css=css, js=js)


def door() -> ComponentRenderer:
    """Return the sign-in page."""
    css, js = _assets()[1]
    return st.components.v2.component("wk_door", html='<div class="wk-door"></div>', css=css, js=js)
