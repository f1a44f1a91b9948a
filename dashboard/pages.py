"""Which screens a person has, in which order; the first is where the day begins."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard.screens import Visit, energy, equipment, quality, reports

_DESK = [
    *("overview", "alarms", "orders", "emergency"),
    *("equipment", "energy", "reports", "quality", "me"),
]
_ORDER = {
    "technician": ["mine", "alarms", "emergency", "equipment", "me"],
    "manager": [
        "energy",
        "equipment",
        "reports",
        "overview",
        "quality",
        "alarms",
        "orders",
        "emergency",
        "me",
    ],
}
DUTY = ["overview", "alarms", "mine", "orders"]  # where a running emergency shows its red bar
NATIVE = {
    "energy": energy.show,
    "equipment": equipment.show,
    "reports": reports.show,
    "quality": quality.show,
}


def order(roles: Sequence[str]) -> list[str]:
    """Return the screens of a person with these roles; the most far-reaching role decides."""
    if "admin" in roles or "operator" in roles:
        return _DESK
    return next((_ORDER[role] for role in ("manager", "technician") if role in roles), _DESK)


def _live() -> None:
    """Show nothing: the frame draws this screen by itself."""


def made(nav: Sequence[str], visit: Visit) -> dict[str, st.Page]:
    """Return Streamlit's page for each address; "" is the bare one, where the day begins.

    A screen that a person does not have leads to the first of theirs: a link from a colleague, or
    from a day with another role, opens something.
    """
    known = dict.fromkeys([*_DESK, *_ORDER["technician"]])
    return {
        name: st.Page(
            partial(NATIVE[place], visit) if (place := screen(name, nav)) in NATIVE else _live,
            title=visit.t(f"nav-{place}"),
            url_path=name or None,
            default=not name,
        )
        for name in ("", *known)
    }


def screen(name: str, nav: Sequence[str]) -> str:
    """Return the screen that an address opens for a person with these screens."""
    return name if name in nav else nav[0]
