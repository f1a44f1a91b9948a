"""HTTP face of the journal of events: a page of it, or all of it as a file."""

import logging
from collections.abc import Iterator
from datetime import datetime
from threading import BoundedSemaphore
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from server import journal, journal_log
from server.history_file import Download
from server.http import SignedIn
from server.journal import KINDS, Page
from server.journal_log import Wanted
from server.kpi_api import period
from server.parts import Parts
from watchkeeper.clock import unix_ms
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.excerpt import names

MOST: Final = 500  # lines in one answer
DEEPEST: Final = 100_000  # lines one may page over; beyond that a filter or the file is the way
FILES: Final = 2  # made at the same time
LONGEST_DAYS: Final = 3_700
_NAMES = 4_000  # characters

log = logging.getLogger(__name__)


class Asked(BaseModel, frozen=True):
    """Which lines."""

    from_: str = Field("", alias="from", max_length=40, description="recorded; Unix ms, ISO 8601")
    to: str = Field("", max_length=40, description="exclusive; now if not given")
    kind: str = Field("", max_length=200, description=f"of {', '.join(KINDS)}; commas between")
    point: str = Field("", max_length=_NAMES, description="point ids")
    unit: str = Field("", max_length=_NAMES, description="unit ids")
    place: str = Field("", max_length=_NAMES, description="places; one takes all its floors")
    rule: str = Field("", max_length=_NAMES, description="rule keys")
    by: str = Field("", max_length=_NAMES, description="person ids; `system` is the platform")
    subject: str = Field("", max_length=200, description="id of an alarm, order, run or message")
    text: str = Field("", max_length=200, description="in title, note, or what was done")


class AskedPage(Asked, frozen=True):
    """Which lines, and how many of them."""

    limit: int = Field(200, ge=1, le=MOST)
    offset: int = Field(0, ge=0, le=DEEPEST)


class AskedFile(Asked, frozen=True):
    """Which lines, as a file."""

    lang: Literal["", "zh", "en"] = Field("", description="the asker's own if none is named")
    bom: bool = Field(default=True, description="begin with a byte order mark, for Excel")


def journal_routes(parts: Parts) -> APIRouter:
    """Return the routes under /journal."""
    router = APIRouter(tags=["journal"])
    free = BoundedSemaphore(FILES)

    @router.get("/journal")
    def lines(_: SignedIn, asked: Annotated[AskedPage, Query()]) -> dict[str, Any]:
        """Return lines, the newest first; `end` fixes the period for the next pages."""
        want = wanted(asked, parts)
        rows = journal_log.page(parts.read, want, asked.limit + 1, asked.offset)
        return {
            "start": want.start,
            "end": want.end,
            "more": len(rows) > asked.limit,
            "lines": journal.told(rows[: asked.limit], journal_log.around(parts)),
        }

    @router.get("/journal/export", response_class=Response)
    def file(user: SignedIn, asked: Annotated[AskedFile, Query()]) -> Response:
        """Return all lines as CSV, the oldest first, made while it is sent."""
        user.need("operator", "manager")
        want = wanted(asked, parts)
        if not free.acquire(blocking=False):
            raise Unreachable("server.files-busy", most=FILES)
        about = parts.plant.site.site
        zone = ZoneInfo(about.time_zone)
        page = Page(parts.texts, (asked.lang or user.language)[:2], zone, bom=asked.bom)
        log.info("journal exported", extra={"by": user.id, "start": want.start, "end": want.end})
        days = (datetime.fromtimestamp(at / 1000, zone) for at in (want.start, want.end))
        name = "-".join([about.id, "journal", *(f"{day:%Y%m%d}" for day in days)])
        parts_of = journal.csv(_all(parts, want), page)
        return Download(parts_of, f"{name}.csv", "text/csv; charset=utf-8", free.release)

    return router


def _all(parts: Parts, want: Wanted) -> Iterator[dict[str, Any]]:
    around = journal_log.around(parts)
    for some in journal_log.every(parts.read, want):
        yield from journal.told(some, around)


def wanted(asked: Asked, parts: Parts) -> Wanted:
    """Return what is asked for; without a beginning the last 24 hours.

    Raises NotPossible: no such kind, or a period that makes no sense.
    """
    start, end = period(asked.from_, asked.to, unix_ms(parts.clock.now()), LONGEST_DAYS)
    kinds = names(asked.kind)
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise NotPossible("journal.kind", unknown=unknown, known=list(KINDS))
    return Wanted(
        start, end, kinds, names(asked.point), names(asked.unit), names(asked.place),
        names(asked.rule), names(asked.by), asked.subject, asked.text,
    )  # fmt: skip
