"""HTTP face of the figures about alarms."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from server import kpi_log, kpis
from server.http import SignedIn
from server.kpi_guide import guide
from server.parts import Parts
from server.standing import standing
from watchkeeper.clock import unix_ms
from watchkeeper.errors import NotPossible
from watchkeeper.instants import instant

USUAL_MS = kpis.DAY_MS
LONGEST_DAYS = 400
PICTURE = 240  # stretches of a picture, at most


class Asked(BaseModel, frozen=True):
    """Which period, for how many operator positions."""

    from_: str = Field("", alias="from", max_length=40, description="Unix ms or ISO 8601")
    to: str = Field("", max_length=40, description="likewise, exclusive; now if not given")
    positions: int = Field(1, ge=1, le=50, description="operator positions that share the alarms")


def kpi_routes(parts: Parts) -> APIRouter:
    """Return the route; it stands before /alarms/{alarm}, which would take its name for an id."""
    router = APIRouter(tags=["alarms"])

    @router.get("/alarms/kpis")
    def figures(_: SignedIn, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        """Return the figures of a period, 24 hours if none is named: a guide, no certificate."""
        start, end = period(asked.from_, asked.to, unix_ms(parts.clock.now()), LONGEST_DAYS)
        lines = kpi_log.lines(parts.read, start, end)
        found = kpis.figures(lines, start, end, asked.positions)
        names = {*found.chattering, *found.fleeting, *(each.source for each in found.stale)}
        said = kpi_log.newest(parts.read, sorted(names | {each.source for each in found.sources}))
        return kpis.told(found) | {
            "guide": guide(found),
            "picture": kpis.picture(lines, start, end, PICTURE),
            "sources": [each._asdict() | said.get(each.source, {}) for each in found.sources],
            "stale": [
                {"source": each.source, "raised_at": each.raised} | said.get(each.source, {})
                for each in found.stale
            ],
            **standing(parts),
        }

    return router


def period(start: str, end: str, now: int, most_days: int) -> tuple[int, int]:
    """Return a period in Unix ms; one that reaches beyond the present ends now.

    Raises NotPossible: no instants, the wrong way round, or too long.
    """
    present = now + 1  # the end is exclusive: what happened in this millisecond is in
    last = min(_instant(end, "to"), present) if end else present
    first = _instant(start, "from") if start else last - USUAL_MS
    if first >= last:
        raise NotPossible("server.span", start=first, end=last, width=0)
    if last - first > most_days * kpis.DAY_MS:
        raise NotPossible("server.too-long", most_days=most_days)
    return first, last


def _instant(text: str, field: str) -> int:
    try:
        return instant(text)
    except ValueError as error:
        raise NotPossible("server.time", field=field, given=text) from error
