"""Instants as people and programs write them."""

import re
from datetime import datetime, tzinfo

from watchkeeper.clock import unix_ms

LAST_MS = 253_402_300_799_999  # the end of the year 9999
# A plus sign that was not escaped in an address arrives as a space.
_LOST_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)$")


def instant(text: str, zone: tzinfo | None = None) -> int:
    """Return Unix ms of "1764000000000" or of ISO 8601 with an offset ("2026-11-24T08:00+08:00").

    Args:
        text: What was written.
        zone: Where a time without an offset is meant; None: it must have one.

    Raises ValueError: it is neither, has no offset, or lies outside the years 1970 to 9999.
    """
    a_day = zone is not None and len(text) == len("20251124")
    if re.fullmatch("[0-9]{1,15}", text) and not a_day:
        at = int(text)
    else:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        if moment.tzinfo is None:
            if zone is None:
                raise ValueError(f"{text} has no offset")
            moment = moment.replace(tzinfo=zone)
        try:
            at = unix_ms(moment)
        except OverflowError as error:
            raise ValueError(text) from error
    if not 0 <= at <= LAST_MS:
        raise ValueError(f"{text} is not between 1970 and 9999")
    return at
