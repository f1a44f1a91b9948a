"""The log of alarms as figures need it, read beside the writer."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from server.alarms.store import ALARMS, LOG
from server.kpis import Line
from watchkeeper.clock import unix_ms

EARLIER = timedelta(days=1)  # a return is known by source time, the log by the time it was written
STEPS = ("raise", "return", "acknowledge")
_SAYS = [
    ALARMS.c[name]
    for name in ("id", "rule", "revision", "point", "unit", "place", "zone", "priority", "title")
]
_text = msgspec.json.Decoder(dict[str, str]).decode

_LINES = (
    sa.select(ALARMS.c.id, ALARMS.c.rule, ALARMS.c.point, ALARMS.c.priority, LOG.c.what, LOG.c.at)
    .join_from(LOG, ALARMS, LOG.c.alarm == ALARMS.c.id)
    .where(
        LOG.c.what.in_(STEPS),
        LOG.c.at < sa.bindparam("end"),
        ALARMS.c.test.is_(False),
        ALARMS.c.raised_at < sa.bindparam("end"),
        sa.or_(ALARMS.c.returned_at.is_(None), ALARMS.c.returned_at >= sa.bindparam("earlier")),
    )
    .order_by(LOG.c.id)
)


def lines(engine: sa.Engine, start: int, end: int) -> list[Line]:
    """Return the log of every alarm that rang in start <= t < end (Unix ms), from its first line.

    By the time it was written: that is when the operator saw it.
    """
    begin, stop = (datetime.fromtimestamp(each / 1000, UTC) for each in (start, end))
    with engine.connect() as connection:
        found = connection.execute(_LINES, {"end": stop, "earlier": begin - EARLIER})
        return [
            Line(alarm, f"{rule}|{point}", priority, what, unix_ms(at))
            for alarm, rule, point, priority, what, at in found
        ]


def newest(engine: sa.Engine, sources: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what the newest alarm of each source says: rule, point, unit, place, title."""
    pairs = [tuple(each.split("|", 1)) for each in sources]
    if not pairs:
        return {}
    which = sa.tuple_(ALARMS.c.rule, ALARMS.c.point).in_(pairs)
    query = sa.select(*_SAYS).where(which).order_by(ALARMS.c.raised_at, ALARMS.c.id)
    with engine.connect() as connection:
        rows = [row._asdict() for row in connection.execute(query)]
    return {f"{row['rule']}|{row['point']}": row | {"title": _text(row["title"])} for row in rows}
