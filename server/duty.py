"""HTTP face of the duty check (查岗): is somebody at the fire panel?

The edge asks; what becomes of it comes back as an event of the unit's own point, so that it is on
record and a rule can alarm.
"""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from server.edges import Edges
from server.http import SignedIn
from server.parts import Parts
from watchkeeper import topics, wire
from watchkeeper.bus import Bus
from watchkeeper.duty import Duty
from watchkeeper.errors import Refused, Unreachable
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.site import Plant

log = logging.getLogger(__name__)


class Ask(BaseModel, frozen=True, extra="forbid"):
    """A duty check."""

    minutes: int = Field(5, ge=1, le=255, description="a person may take to answer")


def point_of(plant: Plant, unit: str) -> tuple[EdgeId, PointId]:
    """Return the edge of a unit and the point that says what became of a duty check.

    Raises KeyError: there is no such unit. Refused: its profile knows no duty check.
    """
    for edge in plant.site.edges:
        for item in plant.points(edge):
            if item.unit.id == unit and item.point.component and item.point.component.duty:
                return EdgeId(edge.id), item.id
    if all(each.id != unit for each in plant.units()):
        raise KeyError(unit)
    raise Refused("server.no-duty-check", unit=unit)


def duty_routes(parts: Parts, edges: Edges, bus: Bus) -> APIRouter:
    """Return the route that starts one; `bus` reaches the edges."""
    router = APIRouter(tags=["site"])
    site = parts.plant.site.site.id

    @router.post("/units/{unit}/duty-check", status_code=202)
    def duty_check(
        unit: str, user: SignedIn, asked: Annotated[Ask, Body(default_factory=Ask)]
    ) -> dict[str, Any]:
        """Ask whether somebody is at a fire panel; 202 with the point that will say so.

        403: not an operator. 404: no such unit. 409: it knows no duty check, or one runs. 503: its
        edge is lost, and nothing was sent.
        """
        user.need("operator")
        edge, point = point_of(parts.plant, unit)
        if parts.latest.value_of(point) == Duty.ASKED:
            raise Refused("server.duty-check-runs", unit=unit)
        command = wire.Command(parts.new_id("cmd"), unit, "duty_check", asked.minutes)
        there = edges.is_there(edge)
        if not there or not bus.publish(topics.down(site, edge, "cmd"), wire.encode(command)):
            raise Unreachable("server.edge-lost", edge=edge)
        log.info(
            "duty check",
            extra={"unit": unit, "by": user.id, "minutes": asked.minutes, "id": command.id},
        )
        return {"id": command.id, "point": point, "minutes": asked.minutes}

    return router
