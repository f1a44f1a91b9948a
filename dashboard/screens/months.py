"""Which months one can look at, and the files of one."""

from datetime import date
from zoneinfo import ZoneInfo

from streamlit.delta_generator import DeltaGenerator

from dashboard.screens import Visit

HOW_MANY = 13


def back(from_: date, count: int) -> list[str]:
    """Return "2026-11", "2026-10", …: this month and the ones before it, newest first."""
    first = from_.year * 12 + from_.month - 1
    return [f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(first, first - count, -1)]


def recent(visit: Visit, time_zone: str) -> list[str]:
    """Return the months one can choose, by the calendar of the site."""
    return back(visit.now().astimezone(ZoneInfo(time_zone)).date(), HOW_MANY)


def downloads(visit: Visit, month: str, pdf: DeltaGenerator, excel: DeltaGenerator) -> None:
    """Draw the two buttons that fetch the month's files from the server."""
    address = f"/api/v1/reports/month/{month}"
    pdf.link_button(
        visit.t("download-pdf"),
        f"{address}.pdf?lang={visit.language}",
        type="primary",
        width="stretch",
    )
    excel.link_button(
        visit.t("download-excel"), f"{address}.xlsx?lang={visit.language}", width="stretch"
    )
