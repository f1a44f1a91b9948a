"""HTTP face of the site: what stands where, newest values, history, health, and the stream."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from server.continued import Continued, buckets, raw
from server.edges import Edges
from server.http import SignedIn, User, session
from server.latest import Latest
from server.parts import Parts
from server.past import Past
from server.stream import Hub, Own
from watchkeeper.batch import Floats
from watchkeeper.bus import Bus
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.site import LeftOut, Plant, SitePoint, Unit
from watchkeeper.units import SYMBOLS

VERSION = "0.1.0"
MOST_RAW = 200_000  # readings in one answer
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


def read(
    history: History | None,
    line: Sequence[PointId],
    start: int,
    end: int,
    width: int,
    continued: Continued,
) -> Any:
    """Return readings (width 0) or summaries of a point and those it continues, in columns.

    Raises Unreachable: there is no store. NotPossible: the span or the width makes no sense.
    """
    if history is None:
        raise Unreachable("server.no-history")
    if end < start or width < 0:
        raise NotPossible("server.span", start=start, end=end, width=width)
    spans, changes = continued.spans(history, line, start, end)
    said = {"changes": [change._asdict() for change in changes]} if len(line) > 1 else {}
    if width:
        try:
            summed = buckets(history, spans, width)
        except ValueError as error:
            raise NotPossible("server.span", start=start, end=end, width=width) from error
        return {name: _column(column) for name, column in summed._asdict().items()} | said
    track = raw(history, spans)
    if len(track.at) > MOST_RAW:
        raise NotPossible("server.too-much", most=MOST_RAW, found=len(track.at))
    columns = {name: _column(each) for name, each in track._asdict().items()}
    return {"point": line[0], **columns, **said}


def _column(column: Floats | Any) -> list[Any]:
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f" and np.isnan(column).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
    return values


def _names(points: str) -> list[str]:
    return [name for name in points.split(",") if name]


def _nothing(point: str) -> dict[str, Any]:
    quality = int(Quality.STALE)
    return {"point": point, "at": None, "value": None, "quality": quality, "stale": True}


def site_routes(parts: Parts, latest: Latest, *, demo: bool) -> APIRouter:
    """Return the routes about the site and its values; `demo`: say that nothing here is real."""
    router = APIRouter(tags=["site"])
    body = msgspec.to_builtins(described(parts.plant)) | {"demo": demo}
    ended, continued = {item.id for item in parts.plant.past_points()}, Continued(parts.clock)

    @router.get("/site")
    def site(_: SignedIn) -> dict[str, Any]:
        """Return places, units and points: everything a screen needs to name what it shows."""
        return body  # type: ignore[no-any-return]

    @router.get("/points/latest")
    def newest(_: SignedIn, points: Names = "") -> list[dict[str, Any]]:
        """Return the newest value of each point; without fresh data its value is null.

        A retired unit's never has one, and a new unit's is never that of the one it replaced.
        """
        names = _names(points) or latest.names
        known = {row["point"]: row for row in latest.show([n for n in names if n not in ended])}
        return [known.get(name) or _nothing(name) for name in names]

    @router.get("/history")
    def past(
        _: SignedIn,
        point: str,
        start: int,
        end: int,
        width: Annotated[int, Query(ge=0, description="ms of a summary; 0: readings")] = 0,
    ) -> Any:
        """Return readings or summaries of a point in start <= t < end (Unix ms).

        Where its unit has replaced others, theirs are read for the time before.
        """
        if PointId(point) not in latest.index and point not in ended:
            raise KeyError(point)
        line = parts.plant.lineage(PointId(point))
        return read(parts.history.get(), line, start, end, width, continued)

    return router


def health_routes(bus: Bus, edges: Edges, past: Past) -> APIRouter:
    """Return the one route that needs no session."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    def health() -> dict[str, Any]:
        """Return whether the server's neighbours answer."""
        broker, history = bus.connected, past.get() is not None
        ok = broker and history
        states = edges.show()
        return {
            "ok": ok and all(edge["state"] == "online" for edge in states.values()),
            "broker": broker,
            "history": history,
            "edges": states,
            "version": VERSION,
        }

    return router


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
