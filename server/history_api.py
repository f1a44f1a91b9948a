"""HTTP face of the history: newest values, readings and summaries, and files of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response

from server.history_asked import (
    MOST_FILE_POINTS,
    MOST_POINTS,
    MOST_ROWS,
    MOST_SHAPED,
    AskedAnswer,
    AskedFile,
    Chosen,
    Subject,
    chosen,
    subject,
)
from server.history_file import Files, noted
from server.http import SignedIn
from server.parts import Parts
from watchkeeper import decimate, export
from watchkeeper.errors import NotPossible
from watchkeeper.excerpt import Columns, Span, rows_of, whole
from watchkeeper.history import History, Track
from watchkeeper.ids import PointId
from watchkeeper.site import Plant

SHAPES = {"lttb": decimate.lttb, "minmax": decimate.min_max}


def history_routes(parts: Parts) -> APIRouter:
    """Return the routes about newest values and history."""
    router = APIRouter(tags=["history"])
    latest, index = parts.latest, {item.id: item for item in parts.plant.points()}
    files = Files({"csv": export.csv, **parts.writers})

    @router.get("/points/latest")
    def newest(_: SignedIn, asked: Annotated[Chosen, Query()]) -> list[dict[str, Any]]:
        """Return the newest value of each point; without fresh data its value is null."""
        points = [item.id for item in chosen(asked, index, len(index))]
        return latest.show(points or latest.names)

    @router.get("/history")
    def past(_: SignedIn, asked: Annotated[AskedAnswer, Query()]) -> Response:
        """Return readings or summaries in start <= t < end: of one point, or of many."""
        about = subject(asked, index, parts.history, MOST_POINTS)
        if asked.shape and about.span.width:
            raise NotPossible("server.shape-width")
        answer = (
            _one(asked, about) if asked.point and len(about.points) == 1 else _many(asked, about)
        )
        return Response(msgspec.json.encode(answer), media_type="application/json")

    @router.get("/history/export", response_class=Response)
    def file(user: SignedIn, asked: Annotated[AskedFile, Query()]) -> Response:
        """Return the same as a file, however long; without aggregates mean, min, max, count."""
        about = subject(asked, index, parts.history, MOST_FILE_POINTS)
        span = about.span
        if span.width and not span.columns:
            span = span._replace(columns=export.SUMMARY)
        language = asked.lang or user.language
        labels = [export.label(item, language) for item in about.points]
        page = export.sheet(parts.plant, parts.texts, language, span, bom=asked.bom)
        pieces = export.taken(about.history, labels, span)
        answer = files.begin(asked.format, _file_name(parts.plant, span), pieces, page)
        noted(user, asked.format, len(labels), start=span.start, end=span.end, width=span.width)
        return answer

    return router


def _one(asked: AskedAnswer, about: Subject) -> Mapping[str, Any]:
    """Return the columns of one point; what width `auto` came to stands beside them."""
    (item,) = about.points
    columns = _listed(_columns(about.history, item.id, about.span, asked, MOST_ROWS))
    named = {} if about.span.width else {"point": item.id}
    came_to = {"width": about.span.width} if asked.width == "auto" else {}
    return named | columns | came_to


def _many(asked: AskedAnswer, about: Subject) -> Mapping[str, Any]:
    left, rows = MOST_ROWS, []
    for item in about.points:
        columns = _columns(about.history, item.id, about.span, asked, left)
        left -= rows_of(columns)
        rows.append({"point": item.id, **_listed(columns)})
    span = about.span
    return {"start": span.start, "end": span.end, "width": span.width, "points": rows}


def _columns(
    history: History, point: PointId, span: Span, asked: AskedAnswer, left: int
) -> Columns:
    """Return the columns of a point, at most `left` rows.

    Raises NotPossible: there are more. Unreachable: the store does not answer.
    """
    before = 0 if asked.shape else MOST_ROWS - left
    most = MOST_SHAPED if asked.shape else MOST_ROWS
    try:
        found = whole(history, point, span, most - before)
    except ValueError as error:
        raise NotPossible(
            "server.span", start=span.start, end=span.end, width=span.width
        ) from error
    if isinstance(found, int):
        raise NotPossible("server.too-much", most=most, found=before + found)
    if asked.shape:
        found = SHAPES[asked.shape](Track(**found), asked.wanted)._asdict()
        if (rows := rows_of(found)) > left:
            raise NotPossible("server.too-much", most=MOST_ROWS, found=MOST_ROWS - left + rows)
    if not span.columns:
        found.pop("coverage", None)  # who wants to have it names it
    return found


def _listed(columns: Columns) -> dict[str, list[Any]]:
    """Return columns as JSON has them; msgspec writes NaN as null."""
    return {name: column.tolist() for name, column in columns.items()}


def _file_name(plant: Plant, span: Span) -> str:
    """Return "riverside-20261101-20261201" in the site's days."""
    zone = ZoneInfo(plant.site.site.time_zone)
    days = (datetime.fromtimestamp(at / 1000, zone) for at in (span.start, span.end))
    return "-".join([plant.site.site.id, *(f"{day:%Y%m%d}" for day in days)])
