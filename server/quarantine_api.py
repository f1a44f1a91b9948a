"""HTTP face of the quarantine: what could not be stored, why, and how it is tried again."""

import logging
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from server.births import Births
from server.gateways import Gateways
from server.http import SignedIn, User
from server.parts import Parts
from watchkeeper import aside, topics, wire
from watchkeeper.aside import Opened
from watchkeeper.bus import Bus
from watchkeeper.clock import unix_ms
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.history import History
from watchkeeper.ids import EdgeId, PointId

COUNTED: Final = timedelta(hours=24)
MOST: Final = 1_000  # items of one request
Ids = Annotated[list[Annotated[int, Field(ge=1, lt=1 << 63)]], Field(max_length=MOST)]
Word = Annotated[str, Query(max_length=80)]

log = logging.getLogger(__name__)


class Again(BaseModel, frozen=True, extra="forbid"):
    """What to try again: these, or all."""

    ids: Ids = []
    all: bool = False


class Drop(BaseModel, frozen=True, extra="forbid"):
    """What to take out for good."""

    ids: Annotated[Ids, Field(min_length=1)]


def quarantine_routes(parts: Parts, gateways: Gateways, births: Births, bus: Bus) -> APIRouter:
    """Return the routes; `bus` reaches the gateways, `births` explain aliases."""
    router = APIRouter(prefix="/quarantine", tags=["quarantine"])
    _reading(router, parts, births)
    _asking(router, topics.rerun(parts.plant.site.site.id), gateways, bus)
    return router


def _reading(router: APIRouter, parts: Parts, births: Births) -> None:
    known = {edge.id for edge in parts.plant.site.edges}

    def named(edge: str, name: str) -> dict[int, PointId] | None:
        return births.points(EdgeId(edge), name) if edge in known else None

    @router.get("")
    def listed(
        _: SignedIn,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None,
        reason: Word = "",
        origin: Word = "",
        rows: Annotated[int, Query(ge=0, le=1_000, description="readings of each")] = 100,
    ) -> dict[str, Any]:
        """Return the newest of what was put aside; `next` is the `before` of the next page."""
        page = aside.page(_store(parts), limit, before, reason=reason, edge=origin)
        found = [_view(aside.opened(item, named, rows)) for item in page.items]
        return {"items": found, "next": page.next}

    @router.get("/counts")
    def counts(_: SignedIn) -> dict[str, Any]:
        """Return readings and items of the last 24 h by reason and edge; not `whole`: at least."""
        since = unix_ms(parts.clock.now() - COUNTED)
        found = aside.counted(_store(parts), since)
        return {
            "since": since,
            "whole": found.whole,
            "items": sum(each.items for each in found.counts),
            "readings": sum(each.readings for each in found.counts),
            "counts": [
                {
                    "reason": each.reason,
                    "edge": each.edge,
                    "items": each.items,
                    "readings": each.readings,
                    "newest": each.newest,
                }
                for each in found.counts
            ],
        }


def _asking(router: APIRouter, topic: str, gateways: Gateways, bus: Bus) -> None:
    def ask(user: User, ids: list[int], *, drop: bool) -> dict[str, Any]:
        user.need("operator")
        if not gateways.there() or not bus.publish(topic, wire.encode(wire.Rerun(ids, drop))):
            raise Unreachable("server.no-gateway")
        log.info(
            "quarantine dropped" if drop else "quarantine rerun",
            extra={"by": user.id, "items": len(ids) or "all", "ids": ids},
        )
        return {"items": len(ids) or None}

    @router.post("/rerun", status_code=202)
    def rerun(user: SignedIn, asked: Again) -> dict[str, Any]:
        """Have a gateway try these again, or all; 202: it was asked, and takes some seconds.

        403: not an operator. 422: neither ids nor all, or both. 503: no gateway is there.
        """
        if asked.all == bool(asked.ids):
            raise NotPossible("server.quarantine-which", field="ids")
        return ask(user, asked.ids, drop=False)

    @router.post("/drop", status_code=202)
    def drop(user: SignedIn, asked: Drop) -> dict[str, Any]:
        """Have a gateway take these out for good; as `rerun`."""
        return ask(user, asked.ids, drop=True)


def _store(parts: Parts) -> History:
    history = parts.history.get()
    if history is None:
        raise Unreachable("server.no-history")
    return history


def _view(opened: Opened) -> dict[str, Any]:
    item = opened.item
    return {
        "id": item.id,
        "at": item.at,
        "edge": opened.edge,
        "reason": opened.reason,
        "why": opened.why,
        "readings": item.readings,
        "rows": [row._asdict() for row in opened.rows],
        "gap": opened.gap,
        "excerpt": opened.excerpt,
    }
