"""Points, people and channels by name, as lists and tables call them; links to other parts."""

from typing import Any

from dashboard.screens import Visit

Json = dict[str, Any]


def named(visit: Visit, site: Json) -> dict[str, str]:
    """Return every point's name: its unit, then what is measured there."""
    units = {unit["id"]: visit.pick(unit["name"]) or unit["id"] for unit in site["units"]}
    return {
        each["id"]: f"{units.get(each['unit'], each['unit'])} · {visit.pick(each['name'])}"
        for each in site["points"]
    }


def people(visit: Visit) -> dict[str, str]:
    """Return everybody's name by account."""
    return {each["id"]: visit.pick(each["name"]) for each in visit.get("people") or []}


def rule_link(key: str) -> str:
    """Return where a rule is shown."""
    return f"/quality?part=rules&rule={key}" if key else ""


def why_link(point: str) -> str:
    """Return where it says why a point rings or does not."""
    return f"/quality?part=why&point={point}" if point else ""


def way(visit: Visit, told: Json) -> str:
    """Return "mail: sent"; a channel nobody has a word for stands by its own name."""
    channel = f"channel-{told['channel']}"
    known = f"screens.{channel}" in visit.texts.by_key
    name = visit.t(channel) if known else str(told["channel"])
    return f"{name}: {visit.t('delivery-' + told['state'])}"
