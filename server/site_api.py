"""HTTP face of the site: what stands where, health, and the stream."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from server.edges import Edges
from server.http import SignedIn, User, session
from server.overload import Overload
from server.parts import Parts
from server.past import Past
from server.stream import Hub, Own
from watchkeeper.bus import Bus
from watchkeeper.documents import Text
from watchkeeper.site import LeftOut, Plant, SitePoint, Unit
from watchkeeper.units import SYMBOLS

VERSION = "0.1.0"
Names = Annotated[str, Query(max_length=20_000, description="point ids, separated by commas")]


def described(plant: Plant) -> dict[str, Any]:
    """Return the site as the API shows it (docs/api.md)."""
    return {
        "id": plant.site.site.id,
        "name": plant.site.site.name,
        "time_zone": plant.site.site.time_zone,
        "area_m2": plant.site.site.area_m2,
        "places": plant.site.places,
        "units": [_unit(unit, plant) for unit in plant.units()],
        "points": [_point(item) for item in plant.points()],
        "retired": {
            "units": [_unit(unit, plant) for unit in plant.retired],
            "points": [_point(item) for item in plant.past_points()],
        },
        "left_out": [_left_out(each) for each in plant.left_out],
    }


def _left_out(device: LeftOut) -> dict[str, Any]:
    mistakes = device.mistake.all
    said = [
        {"file": Path(e.file).name, "line": e.line, "what": e.what, "fix": e.fix} for e in mistakes
    ]
    return {"id": device.id, "edge": device.edge, "mistakes": said}


def _unit(unit: Unit, plant: Plant) -> dict[str, Any]:
    return {
        "id": unit.id,
        "name": unit.name or Text(unit.id, unit.id),
        "profile": unit.profile,
        "equipment": plant.profiles[unit.profile].equipment
        if unit.profile in plant.profiles
        else "",
        "place": unit.place,
        "part_of": unit.part_of,
        "feeds": unit.feeds,
        "rated_kw": unit.rated_kw,
        "zones": unit.zones,
        "replaced_by": unit.replaced_by,
    }


def _point(item: SitePoint) -> dict[str, Any]:
    return {
        "id": item.id,
        "unit": item.unit.id,
        "name": item.point.name,
        "unit_symbol": SYMBOLS.get(item.point.unit, item.point.unit),
        "decimals": item.point.decimals,
        "class": item.point.point_class,
        "kind": item.point.kind,
        "words": item.point.words,
        "stale_after_s": item.point.stale_after_s,
    }


def _names(points: str) -> list[str]:
    return [name for name in points.split(",") if name]


def site_routes(parts: Parts, *, demo: bool) -> APIRouter:
    """Return the route about the site; `demo`: say that nothing here is real."""
    router = APIRouter(tags=["site"])
    body = msgspec.json.encode(described(parts.plant) | {"demo": demo})

    @router.get("/site")
    def site(_: SignedIn) -> Response:
        """Return places, units and points: everything a screen needs to name what it shows."""
        return Response(body, media_type="application/json")

    return router


def health_routes(bus: Bus, edges: Edges, past: Past, overload: Overload) -> APIRouter:
    """Return the one route that needs no session."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    def health() -> dict[str, Any]:
        """Return whether the server's neighbours answer, and whether all keep up.

        Overloaded: telemetry waits in the journals of the edges; events are not affected.
        """
        broker, history = bus.connected, past.get() is not None
        states, load = edges.show(), overload.show()
        there = all(map(_online, states.values())) and any(map(_online, load["gateways"].values()))
        return {
            "ok": broker and history and there and not load["overloaded"],
            "broker": broker,
            "history": history,
            "edges": states,
            **load,
            "version": VERSION,
        }

    return router


def _online(seen: Mapping[str, Any]) -> bool:
    return bool(seen["state"] == "online")


def stream_routes(
    hub: Hub, snapshot: Callable[[User], Mapping[str, Any]], own: Callable[[User], Own]
) -> APIRouter:
    """Return the stream of server-sent events; what it tells may depend on who looks."""
    router = APIRouter(tags=["stream"])

    @router.get("/stream")
    async def stream(
        request: Request,
        user: SignedIn,
        points: Names = "",
        after: int = -1,
        last_event_id: Annotated[int | None, Header()] = None,
    ) -> StreamingResponse:
        """Follow changes after line `after` of the change log, and the values of `points`.

        The header wins: a browser sets it when it reconnects by itself; a page that opens a new
        EventSource cannot set it and says `?after=`.
        """
        token, who = session(request), request.app.state.who
        frames = hub.frames(
            user.id,
            _names(points),
            after if last_event_id is None else last_event_id,
            lambda: snapshot(user),
            lambda: who(token) is not None,
            own(user),
        )
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(frames, media_type="text/event-stream", headers=headers)

    return router
