"""What may be asked of the history, and where an answer ends; an error says what to do instead."""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field

from server.past import Past
from watchkeeper import excerpt
from watchkeeper.decimate import FEWEST
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.excerpt import Span
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.instants import instant
from watchkeeper.site import SitePoint
from watchkeeper.spans import DAY_MS, WIDTHS, width_for

MOST_POINTS = 100  # in one JSON answer
MOST_FILE_POINTS = 2_000  # in one file
MOST_ROWS = 200_000  # in one JSON answer, of all points together
MOST_SHAPED = 2_000_000  # readings a point that are decimated
LONGEST_RAW_MS = 400 * DAY_MS  # of readings
LONGEST_MS = 20 * 366 * DAY_MS  # of summaries
STEP_MS = 1_000  # readings are seldom closer: `auto` answers with them where they are few enough

Width: TypeAlias = Annotated[int, Field(ge=0, le=LONGEST_MS)] | Literal["auto"]
Index: TypeAlias = Mapping[PointId, SitePoint]  # of the site
_NAMES = 40_000  # characters


class Chosen(BaseModel, frozen=True):
    """Which points: one, several, all of some units."""

    point: str = Field("", max_length=200, description="one point")
    points: str = Field("", max_length=_NAMES, description="point ids, separated by commas")
    unit: str = Field("", max_length=_NAMES, description="unit ids: all points of these units")


class Asked(Chosen, frozen=True):
    """What is asked of the history."""

    start: str = Field(max_length=40, description="Unix ms, or ISO 8601 with an offset; inclusive")
    end: str = Field(max_length=40, description="likewise; exclusive")
    width: Width = Field(
        0, description="ms of a summary; 0: readings; auto: for `wanted` summaries"
    )
    wanted: int = Field(500, ge=FEWEST, le=10_000, description="how many are to be drawn")
    aggregate: str = Field("", max_length=200, description=", ".join(excerpt.AGGREGATES))


class AskedAnswer(Asked, frozen=True):
    """What is asked to be answered as JSON."""

    shape: Literal["", "lttb", "minmax"] = Field(
        "", description="`wanted` readings that look like all of them, instead of all"
    )


class AskedFile(Asked, frozen=True):
    """What is asked to be answered as a file."""

    format: Literal["csv", "parquet"] = "csv"
    lang: Literal["", "zh", "en"] = Field("", description="of names; the asker's if none is named")
    bom: bool = Field(default=True, description="CSV: begin with a byte order mark, for Excel")


class Subject(NamedTuple):
    """What is asked, found to make sense."""

    history: History
    points: list[SitePoint]
    span: Span


def chosen(asked: Chosen, index: Index, most: int) -> list[SitePoint]:
    """Return the points that are asked for, each once; none: nothing was named.

    Raises KeyError: points or units there are not. NotPossible: more than `most` points.
    """
    points = [PointId(each) for each in excerpt.names(f"{asked.point},{asked.points}")]
    units = excerpt.names(asked.unit)
    known = {item.unit.id for item in index.values()} if units else set()
    missing: list[str] = [each for each in points if each not in index]
    missing += [each for each in units if each not in known]
    if missing:
        raise KeyError(", ".join(missing))
    points += [item.id for item in index.values() if item.unit.id in units]
    found = [index[each] for each in dict.fromkeys(points)]
    if len(found) > most:
        raise NotPossible("server.too-many-points", most=most, found=len(found))
    return found


def subject(asked: Asked, index: Index, past: Past, most: int) -> Subject:
    """Return what is asked for, of a store that is there.

    Raises KeyError: unknown points. Unreachable: no store. NotPossible: what makes no sense.
    """
    points = chosen(asked, index, most)
    if not points:
        raise NotPossible("server.points-needed")
    history = past.get()
    if history is None:
        raise Unreachable("server.no-history")
    return Subject(history, points, _span(asked))


def _span(asked: Asked) -> Span:
    start, end = _instant(asked.start, "start"), _instant(asked.end, "end")
    columns = excerpt.names(asked.aggregate)
    width = asked.width
    if width == "auto":
        width = width_for(end - start, asked.wanted, STEP_MS) or (WIDTHS[0] if columns else 0)
    if end < start:
        raise NotPossible("server.span", start=start, end=end, width=width)
    longest = LONGEST_MS if width else LONGEST_RAW_MS
    if end - start > longest:
        raise NotPossible("server.too-long", most_days=longest // DAY_MS)
    if unknown := excerpt.unknown(columns):
        raise NotPossible("server.aggregate", unknown=unknown, known=list(excerpt.AGGREGATES))
    if columns and not width:
        raise NotPossible("server.aggregate-width")
    return Span(start, end, width, tuple(columns))


def _instant(text: str, field: str) -> int:
    try:
        return instant(text)
    except ValueError as error:
        raise NotPossible("server.time", field=field, given=text) from error
