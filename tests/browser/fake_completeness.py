"""Completeness, made up: a fortnight with a dead unit, a lost edge, and a day before the first."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

MIN, HOUR, WHOLE = 60_000, 3_600_000, 86_400_000
ZONE = ZoneInfo("Asia/Shanghai")
Hole = tuple[int, int, str]  # ms after midnight
LOST: Hole = (10 * HOUR, 11 * HOUR + 25 * MIN, "edge-lost")
DEAD: Hole = (2 * HOUR, 23 * HOUR, "no-answer")
ODD: Hole = (15 * HOUR, 15 * HOUR + 40_000, "unexplained")


def _holes(point: str, ago: int) -> list[Hole]:
    unit = point.partition("/")[0]
    found = [LOST] * (ago == 3)
    found += [DEAD] * (unit == "hvac-2" and ago in {1, 2})
    found += [ODD] * (unit == "lift-1" and ago == 5)
    return found


def _figures(points: list[str], ago: int, midnight: int) -> dict[str, Any]:
    whole = 0 if ago > 11 else WHOLE * len(points)
    listed = [hole for point in points for hole in _holes(point, ago)]
    causes: dict[str, int] = {}
    for start, end, cause in listed:
        causes[cause] = causes.get(cause, 0) + end - start
    bad = causes.get("no-answer", 0)
    missing = sum(causes.values()) - bad
    good = whole - bad - missing
    return {
        "share": good * 10_000 // whole / 10_000 if whole else None,
        "expected": whole // MIN, "received": good // MIN + 17, "put_aside": 0,
        "length_ms": whole, "good_ms": good, "doubtful_ms": 0, "bad_ms": bad,
        "missing_ms": missing, "late_ms": HOUR * (ago == 4), "behind_ms": 0,
        "points": len(points), "causes": causes, "holes_left_out": 0,
        "holes": [
            {"start": midnight + start, "end": midnight + end, "cause": cause}
            for start, end, cause in listed
        ],
    }  # fmt: skip


def routes(now: Callable[[], int], site: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/completeness")
    def completeness(
        first: Annotated[date, Query(alias="from")],
        last: Annotated[date, Query(alias="to")],
        unit: str = "",
    ) -> dict[str, Any]:
        today = datetime.fromtimestamp(now() / 1000, ZONE).date()
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        names = [point["id"] for point in site()["points"]]
        units = {each["id"]: [p for p in names if p.startswith(each["id"] + "/")]
                 for each in site()["units"] if unit in {"", each["id"]}}  # fmt: skip

        def row(points: list[str]) -> list[dict[str, Any]]:
            return [
                _figures(
                    points, (today - day).days,
                    round(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() * 1000),
                )
                for day in days
            ]  # fmt: skip

        chosen = [point for points in units.values() for point in points]
        return {
            "days": [day.isoformat() for day in days], "complete": True, "done": 1.0,
            "site": row(chosen), "quarantine_whole": True,
            "units": [{"unit": name, "days": row(points)} for name, points in units.items()],
            "left_out": [{"unit": "pump-9", "edge": "plant-b1"}],
            "points": [{"point": point, "days": row([point])} for point in chosen],
        }  # fmt: skip

    return router
