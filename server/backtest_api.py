"""HTTP face of the backtest: what a rule, or a draft of one, would have raised in a period.

Reads the history alone, one point after the other, one question at a time: alarms go on meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from server.alarms.model import Watch
from server.backtest import backtest, before, points
from server.backtest_asked import Asked, AskedPlot, AskedTwo, Meant, TextOf, Which
from server.backtest_told import (
    LISTED,
    Outcome,
    Period,
    coverage,
    limits,
    shaded,
    side_by_side,
    told,
)
from server.continued import Continued, reading
from server.http import SignedIn
from server.parts import Parts
from watchkeeper import decimate, excerpt
from watchkeeper.clock import Clock
from watchkeeper.errors import NotPossible, Unreachable
from watchkeeper.excerpt import Span
from watchkeeper.history import Track
from watchkeeper.ids import PointId

BUDGET_S: Final = 20.0  # of computing; points that were not reached say so
MOST_READINGS: Final = 4_000_000  # of one point: 68 MB
WAIT_S: Final = 5.0  # for whoever asked before


def backtest_routes(parts: Parts, text_of: TextOf | None = None) -> APIRouter:
    """Return the routes; `text_of` knows revisions that are not in force.

    They stand before /rules/{key}, which would take `backtest` for a key.
    """
    router = APIRouter(prefix="/rules/backtest", tags=["rules"])
    meant, bench = Meant(parts, text_of), Bench(parts)

    @router.post("")
    def tested(_: SignedIn, asked: Asked) -> Response:
        """Return what the rule would have raised: counts, lengths, and a list, newest first."""
        period = meant.period(asked)
        rule, watches = meant.watches(asked, asked.point, period)
        with bench.turn() as patient:
            return _json(told(rule, bench.all(watches, period, patient), period))

    @router.post("/compare")
    def compared(_: SignedIn, asked: AskedTwo) -> Response:
        """Return the same of two, and which alarms only one has; lists have LISTED rows at most."""
        period = meant.period(asked)
        sides = [meant.watches(which, asked.point, period) for which in (asked.a, asked.b)]
        with bench.turn() as patient:
            found = [bench.all(side[1], period, patient) for side in sides]
        first, second = sides[0][0], sides[1][0]
        both = side_by_side(found[0], found[1], period)
        counts = {name: len(rows) for name, rows in both.items()}
        return _json({
            "a": told(first, found[0], period), "b": told(second, found[1], period),
            **{name: rows[:LISTED] for name, rows in both.items()}, "counts": counts,
        })  # fmt: skip

    @router.post("/plot")
    def plotted(_: SignedIn, asked: AskedPlot) -> Response:
        """Return the readings of one point, few enough to draw, and when the rule rang."""
        period = meant.period(asked)
        which = Which(text=asked.text, key=asked.key, revision=asked.revision)
        watches = meant.watches(which, asked.point, period)[1]
        if len(watches) > 1:
            raise NotPossible("backtest.one-point", found=len(watches))
        with bench.turn() as patient:
            return _json(bench.plot(watches[0], period, asked.wanted, patient))

    return router


class Bench:
    """Tests rules one at a time on the history."""

    def __init__(self, parts: Parts) -> None:
        self._plant, self._past, self._clock = parts.plant, parts.history, parts.clock
        self._continued = Continued(parts.clock)
        self._free = BoundedSemaphore(1)

    @contextmanager
    def turn(self) -> Iterator["Patience"]:
        """Wait for one's turn; Unreachable: whoever asked before takes too long."""
        if not self._free.acquire(timeout=WAIT_S):
            raise Unreachable("backtest.busy", seconds=WAIT_S)
        try:
            yield Patience(self._clock, BUDGET_S)
        finally:
            self._free.release()

    def all(
        self, watches: Sequence[Watch], period: Period, patient: Callable[[], None]
    ) -> list[Outcome]:
        """Return what came of it at every point; Unreachable: there is no store."""
        return [self._one(watch, period, patient) for watch in watches]

    def plot(
        self, watch: Watch, period: Period, wanted: int, patient: Callable[[], None]
    ) -> dict[str, Any]:
        """Return readings and shaded stretches of one point."""
        tracks = self._tracks(watch, period)
        raised = backtest(watch, tracks, period.start, period.end, patient)
        drawn = decimate.min_max(_within(tracks[0], period), wanted)
        return {
            "point": watch.point, "symbol": "" if watch.rule.stale else watch.symbol,
            "start": period.start, "end": period.end, "at": drawn.at, "value": drawn.value,
            "quality": drawn.quality, "intervals": shaded(raised, period),
            "count": len(raised), "limits": limits(watch),
        }  # fmt: skip

    def _one(self, watch: Watch, period: Period, patient: Callable[[], None]) -> Outcome:
        try:
            patient()
            tracks = self._tracks(watch, period)
            raised = backtest(watch, tracks, period.start, period.end, patient)
        except NotPossible as error:
            return Outcome(watch.point, error={"type": error.code, **error.facts})
        known = min(coverage(track, period) for track in tracks)
        return Outcome(watch.point, raised, round(known, 4))

    def _tracks(self, watch: Watch, period: Period) -> list[Track]:
        history = self._past.get()
        if history is None:
            raise Unreachable("server.no-history")
        read = reading(history, self._plant, self._continued)
        span, left = Span(max(0, period.start - before(watch)), period.end), MOST_READINGS
        found: dict[PointId, Track] = {}
        for point in dict.fromkeys(points(watch)):
            columns = excerpt.whole(read, point, span, left)
            if isinstance(columns, int):
                raise NotPossible("backtest.too-many-readings", most=MOST_READINGS, point=point)
            found[point] = Track(**columns)
            left -= len(found[point].at)
        return [found[point] for point in points(watch)]


class Patience:
    """Raises NotPossible once the time for an answer is over."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._until, self._seconds = clock, clock.tick() + seconds, seconds

    def __call__(self) -> None:
        """Ask for more time."""
        if self._clock.tick() > self._until:
            raise NotPossible("backtest.no-time", seconds=self._seconds)


def _within(track: Track, period: Period) -> Track:
    low, high = track.at.searchsorted((period.start, period.end))
    return Track(track.at[low:high], track.value[low:high], track.quality[low:high])


def _json(found: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(found, enc_hook=_listed), media_type="application/json")


def _listed(column: Any) -> Any:
    return column.tolist()
