"""Numbers and times as a person reads them; the same rules as live/js/words.js."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MINUS = "\u2212"


def number(value: float | None, decimals: int = 0) -> str:
    """Return 1,234.5 with a true minus sign, "?" for what nobody knows."""
    if value is None:
        return "?"
    text = f"{abs(value):,.{decimals}f}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) else text


def share(part: float | None, decimals: int = 1) -> str:
    """Return a share of 1 as percent."""
    return "?" if part is None else f"{number(part * 100, decimals)}%"


def moment(unix_ms: int | None, zone: str) -> str:
    """Return the clock of the site at an instant, "?" when it never was."""
    return "?" if unix_ms is None else _local(unix_ms, zone).strftime("%H:%M:%S")


def day_and_minute(unix_ms: int, zone: str) -> str:
    """Return "10-14 15:30" of the site."""
    return _local(unix_ms, zone).strftime("%m-%d %H:%M")


def _local(unix_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(ZoneInfo(zone))


def change(now: float | None, before: float | None) -> str | None:
    """Return "+3.1%" against an earlier figure, None when there is none to compare with."""
    if now is None or not before:
        return None
    part = (now - before) / before
    return f"{'+' if part > 0 else ''}{share(part)}"
