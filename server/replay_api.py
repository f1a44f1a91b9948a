"""HTTP face of the replay: an edge sends again what it keeps, after a restore of the store."""

import logging
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from server.edges import Edges
from server.http import SignedIn
from server.parts import Parts
from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.ids import EdgeId
from watchkeeper.instants import instant

log = logging.getLogger(__name__)


class Ask(BaseModel, frozen=True, extra="forbid"):
    """From when on."""

    since: int | str = Field(description="Unix ms, or ISO 8601 with an offset")

    @property
    def at(self) -> int:
        """Return it as Unix ms. Raises NotPossible: it is no time."""
        try:
            return instant(str(self.since))
        except ValueError as error:
            raise NotPossible("server.time", field="since", given=str(self.since)[:40]) from error


def replay_routes(parts: Parts, edges: Edges, bus: Bus) -> APIRouter:
    """Return the route; `bus` reaches the edges."""
    router = APIRouter(tags=["site"])
    site = parts.plant.site.site.id
    known = {edge.id for edge in parts.plant.site.edges}

    @router.post("/edges/{edge}/replay", status_code=202)
    def replay(edge: str, user: SignedIn, asked: Ask) -> dict[str, Any]:
        """Ask an edge to send again what it still keeps (a day); 202, it takes its time.

        403: not an admin. 404: no such edge. 503: it is lost, and nothing was sent.
        """
        user.need("admin")
        since = asked.at
        if edge not in known:
            raise KeyError(edge)
        message, there = wire.encode(wire.Replay(since)), edges.is_there(EdgeId(edge))
        if not there or not bus.publish(topics.down(site, edge, "replay"), message):
            raise Unreachable("server.edge-lost", edge=edge)
        log.info("replay", extra={"edge": edge, "by": user.id, "since": since})
        return {"edge": edge, "since": since}

    return router
