"""The reports of each month, to open or to keep."""

import streamlit as st

from dashboard.screens import Visit, months
from dashboard.widgets.panels import look, panel

SHOWN = 6


def show(visit: Visit) -> None:
    """Draw the screen."""
    look()
    st.header(visit.t("nav-reports"))
    st.caption(visit.t("reports-what"))
    site = visit.get("site")
    for month in months.recent(visit, site["time_zone"])[:SHOWN] if site else []:
        with panel(st.container(), month):
            name, pdf, excel = st.columns([6, 2, 2], vertical_alignment="center")
            name.markdown(f"**{month}**")
            months.downloads(visit, month, pdf, excel)
