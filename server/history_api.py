"""HTTP face of the history: newest values, readings and summaries, and files of them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response

from server.continued import Continued, reading
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
from watchkeeper.excerpt import Columns, Read, Span, rows_of, whole
from watchkeeper.history import Track
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.site import Plant

SHAPES = {"lttb": decimate.lttb, "minmax": decimate.min_max}


def history_routes(parts: Parts) -> APIRouter:
    """Return the routes about newest values and history."""
    router = APIRouter(tags=["history"])
    latest, plant = parts.latest, parts.plant
    ended = {item.id: item for item in plant.past_points()}
    index = {item.id: item for item in plant.points()} | ended
    continued = Continued(parts.clock)
    files = Files({"csv": export.csv, **parts.writers})

    @router.get("/points/latest")
    def newest(_: SignedIn, asked: Annotated[Chosen, Query()]) -> list[dict[str, Any]]:
        """Return the newest value of each point; without fresh data its value is null.

        A retired unit's never has one, and a new unit's is never that of the one it replaced.
        """
        names = [item.id for item in chosen(asked, index, len(index))] or latest.names
        known = {row["point"]: row for row in latest.show([n for n in names if n not in ended])}
        return [known.get(name) or _nothing(name) for name in names]

    @router.get("/history")
    def past(_: SignedIn, asked: Annotated[AskedAnswer, Query()]) -> Response:
        """Return readings or summaries in start <= t < end: of one point, or of many.

        Where a unit has replaced others, theirs are read for the time before.
        """
        about = subject(asked, index, parts.history, MOST_POINTS)
        if asked.shape and about.span.width:
            raise NotPossible("server.shape-width")
        answers = Answers(about, asked, plant, continued)
        alone = asked.point and len(about.points) == 1
        answer = answers.one() if alone else answers.many()
        return Response(msgspec.json.encode(answer), media_type="application/json")

    @router.get("/history/export", response_class=Response)
    def file(user: SignedIn, asked: Annotated[AskedFile, Query()]) -> Response:
        """Return the same as a file, however long; without aggregates mean, min, max, count."""
        about = subject(asked, index, parts.history, MOST_FILE_POINTS)
        span = about.span if about.span.columns else export.usual(about.span)
        language = asked.lang or user.language
        labels = [export.label(item, language) for item in about.points]
        pieces = export.taken(reading(about.history, plant, continued), labels, span)
        page = export.sheet(plant, parts.texts, language, span, bom=asked.bom)
        answer = files.begin(asked.format, _file_name(plant, span), pieces, page)
        noted(user, asked.format, len(labels), span)
        return answer

    return router


class Answers:
    """What is asked, as JSON has it; all points together have MOST_ROWS rows at most."""

    def __init__(
        self, about: Subject, asked: AskedAnswer, plant: Plant, continued: Continued
    ) -> None:
        self._about, self._asked, self._plant = about, asked, plant
        self._continued = continued
        self._left = MOST_ROWS

    def one(self) -> Mapping[str, Any]:
        """Return the columns of one point; what width `auto` came to stands beside them."""
        (item,) = self._about.points
        width = self._about.span.width
        named = {} if width else {"point": item.id}
        came_to = {"width": width} if self._asked.width == "auto" else {}
        return named | self._columns(item.id) | came_to

    def many(self) -> Mapping[str, Any]:
        """Return the columns of each point, and what they have in common."""
        span = self._about.span
        rows = [{"point": item.id, **self._columns(item.id)} for item in self._about.points]
        return {"start": span.start, "end": span.end, "width": span.width, "points": rows}

    def _columns(self, point: PointId) -> dict[str, list[Any]]:
        """Return the columns of a point, and where its device was changed.

        Raises NotPossible: there are too many rows, or no such summaries.
        """
        history, _, span = self._about
        try:
            found = self._found(reading(history, self._plant, self._continued), point)
        except ValueError as error:
            facts = {"start": span.start, "end": span.end, "width": span.width}
            raise NotPossible("server.span", **facts) from error
        self._left -= rows_of(found)
        if not span.columns:
            found.pop("coverage", None)  # who wants to have it names it
        listed = {name: column.tolist() for name, column in found.items()}
        if len(line := self._plant.lineage(point)) > 1:
            _, changes = self._continued.spans(history, line, span.start, span.end)
            listed["changes"] = [change._asdict() for change in changes]
        return listed

    def _found(self, read: Read, point: PointId) -> Columns:
        shape, before = self._asked.shape, MOST_ROWS - self._left
        if not shape:
            found = whole(read, point, self._about.span, self._left)
            if isinstance(found, int):
                raise NotPossible("server.too-much", most=MOST_ROWS, found=before + found)
            return found
        track = whole(read, point, self._about.span, MOST_SHAPED)
        if isinstance(track, int):
            raise NotPossible("server.too-much", most=MOST_SHAPED, found=track)
        shaped = SHAPES[shape](Track(**track), self._asked.wanted)._asdict()
        if (rows := rows_of(shaped)) > self._left:
            raise NotPossible("server.too-much", most=MOST_ROWS, found=before + rows)
        return shaped


def _nothing(point: str) -> dict[str, Any]:
    quality = int(Quality.STALE)
    return {"point": point, "at": None, "value": None, "quality": quality, "stale": True}


def _file_name(plant: Plant, span: Span) -> str:
    """Return "riverside-20261101-20261201" in the site's days."""
    zone = ZoneInfo(plant.site.site.time_zone)
    days = (datetime.fromtimestamp(at / 1000, zone) for at in (span.start, span.end))
    return "-".join([plant.site.site.id, *(f"{day:%Y%m%d}" for day in days)])
