"""HTTP face of completeness: how much of each day was known, and why the rest was not."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from server.births import Births
from server.completeness import Completeness, PointDay, Row, grouped
from server.history_asked import Chosen, chosen
from server.http import SignedIn
from server.missing import Found, known
from server.parts import Parts
from watchkeeper.batch import Times
from watchkeeper.completeness import HEARTBEAT_MS, Missing
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.history import HOLD_MS, History
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality
from watchkeeper.site import Plant, SitePoint
from watchkeeper.spans import local_days

LONGEST_D: Final = 62
MOST: Final = 40_000  # days of points in one answer
MOST_LISTED: Final = 6_000  # the same where each is listed by itself
BUDGET_S: Final = 2.0  # of computing; what is left is asked for again
_OLDEST: Final = date(2000, 1, 1)
CAUSES: Final[Mapping[int, str]] = {
    Quality.BAD: "unknown",
    Quality.NO_ANSWER: "no-answer",
    Quality.REFUSED: "refused",
    Quality.OUTSIDE_POSSIBLE: "impossible",
    Quality.NOT_AVAILABLE: "not-given",
    Missing.UNEXPLAINED: "unexplained",
    Missing.EDGE_LOST: "edge-lost",
    Missing.BROKER_LOST: "broker-lost",
    Missing.GIVEN_UP: "given-up",
    Missing.PUT_ASIDE: "put-aside",
    Missing.NEVER: "never",
}


class AskedDays(Chosen, frozen=True):
    """Which points, which days."""

    first: date = Field(alias="from", description="first day, in the site's time zone")
    last: date = Field(alias="to", description="last day, included")
    listed: bool = Field(default=False, description="each point by itself, with its holes")


class _Days(NamedTuple):
    names: list[str]
    edges: Times  # (m + 1,) Unix ms


def completeness_routes(parts: Parts, births: Births) -> APIRouter:
    """Return the route; `births` explain what was put aside."""
    router = APIRouter(tags=["history"])
    index = {item.id: item for item in parts.plant.points()}
    completeness = Completeness(parts)

    @router.get("/completeness")
    def asked_days(_: SignedIn, asked: Annotated[AskedDays, Query()]) -> Response:
        """Return how much of each day was known, by unit and for all; with causes of the rest.

        Named points (or `listed`) stand by themselves as well, with their holes. Not `complete`:
        the days that are null are still to be computed; ask again.
        """
        days = _days(asked, parts)
        points = chosen(asked, index, len(index)) or list(index.values())
        listed = asked.listed or bool(asked.point or asked.points or asked.unit)
        most = MOST_LISTED if listed else MOST
        if (many := len(points) * len(days.names)) > most:
            raise NotPossible("server.too-many-days", most=most, found=many)
        history = parts.history.get()
        if history is None:
            raise Unreachable("server.no-history")
        about = known(parts, births, history, int(days.edges[0]), int(days.edges[-1]))
        rows = _rows(completeness, history, points, about, days)
        answer = _answer(parts.plant, points, rows, days, listed=listed)
        body = answer | {"quarantine_whole": about.whole}
        return Response(msgspec.json.encode(body), media_type="application/json")

    return router


def _days(asked: AskedDays, parts: Parts) -> _Days:
    """Return the days asked for, none after today. Raises NotPossible."""
    zone = ZoneInfo(parts.plant.site.site.time_zone)
    today = parts.clock.now().astimezone(zone).date()
    last = min(asked.last, today)
    count = (last - asked.first).days + 1
    if not 1 <= count <= LONGEST_D or asked.first < _OLDEST:
        raise NotPossible("server.days", most=LONGEST_D)
    names = [date.fromordinal(asked.first.toordinal() + each).isoformat() for each in range(count)]
    return _Days(names, local_days(asked.first, count, zone))


def _rows(
    completeness: Completeness,
    history: History,
    points: Sequence[SitePoint],
    about: Found,
    days: _Days,
) -> dict[PointId, Row]:
    wanted = [(item.id, about.edges[completeness.edge_of[item.unit.id]]) for item in points]
    return completeness.ask(history, wanted, days.edges, BUDGET_S)


def _answer(
    plant: Plant,
    points: Sequence[SitePoint],
    rows: Mapping[PointId, Row],
    days: _Days,
    *,
    listed: bool,
) -> dict[str, Any]:
    units = grouped({item.id: item.unit.id for item in points}, rows)
    done = sum(day is not None for row in rows.values() for day in row)
    found: dict[str, Any] = {
        "days": days.names,
        "edges": days.edges.tolist(),
        "heartbeat_ms": HEARTBEAT_MS,
        "hold_ms": HOLD_MS,
        "complete": done == len(rows) * len(days.names),
        "done": done / max(1, len(rows) * len(days.names)),
        "site": _summed(list(rows.values()), len(days.names)),
        "units": [
            {"unit": unit, "days": _summed(own, len(days.names))} for unit, own in units.items()
        ],
        "left_out": [{"unit": each.id, "edge": each.edge} for each in plant.left_out],
    }
    if listed:
        found["points"] = [
            {"point": point, "days": [day and _listed(day) for day in row]}
            for point, row in rows.items()
        ]
    return found


def _summed(rows: Sequence[Row], count: int) -> list[dict[str, Any] | None]:
    """Return the figures of several points together, by day; null until all are computed."""
    found: list[dict[str, Any] | None] = []
    for number in range(count):
        own = [day for row in rows if (day := row[number]) is not None]
        if len(own) < len(rows):
            found.append(None)
            continue
        causes: dict[str, int] = {}
        for name, ms in (pair for day in own for pair in _causes(day)):
            causes[name] = causes.get(name, 0) + ms
        found.append(_figures(own) | {"points": len(own), "causes": causes})
    return found


def _listed(day: PointDay) -> dict[str, Any]:
    """Return one day of one point."""
    holes = [
        {"start": hole.begin, "end": hole.end, "cause": cause_of(hole.code)} for hole in day.holes
    ]
    more = {"causes": dict(_causes(day)), "holes": holes, "holes_left_out": day.left_out}
    return _figures([day]) | more


def _figures(own: Sequence[PointDay]) -> dict[str, Any]:
    length, good = sum(day.length for day in own), sum(day.good for day in own)
    return {
        "share": floored(good, length),
        "expected": sum(-(-day.length // HEARTBEAT_MS) for day in own),
        "received": sum(day.received for day in own),
        "put_aside": sum(day.put_aside for day in own),
        "length_ms": length,
        "good_ms": good,
        "doubtful_ms": sum(day.doubtful for day in own),
        "bad_ms": sum(day.bad for day in own),
        "missing_ms": sum(day.missing for day in own),
        "late_ms": sum(day.late for day in own),
        "behind_ms": sum(day.behind for day in own),
    }


def floored(part: int, whole: int) -> float | None:
    """Return a share to four decimals, rounded down: 99.996 % is not everything."""
    return part * 10_000 // whole / 10_000 if whole else None


def _causes(day: PointDay) -> Iterable[tuple[str, int]]:
    """Return how long the point was not known, by the word of the cause."""
    found: dict[str, int] = {}
    for code, ms in day.causes:
        found[cause_of(code)] = found.get(cause_of(code), 0) + ms
    return found.items()


def cause_of(code: int) -> str:
    """Return the word of a cause; a code nobody knows is plainly unknown."""
    return CAUSES.get(code, "unknown")
