"""HTTP face of supervision: who of fire and lifts was heard of when, and how long it may not be."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import APIRouter

from server.alarms.model import Bounds, Watch
from server.edges import EDGE_LOST, Edges
from server.http import SignedIn
from server.latest import NEVER
from server.parts import Parts
from server.supervision import EN_54_21_S, State, Supervised, judged, since, whole
from watchkeeper.clock import unix_ms

CRITICAL = 1  # silence of this priority is supervised


def supervision_routes(parts: Parts, edges: Edges) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["supervision"])

    @router.get("/supervision")
    def supervision(_: SignedIn) -> dict[str, Any]:
        """Return the site, its edges, and each unit whose silence is a critical alarm."""
        return supervised(parts, edges)

    return router


def supervised(parts: Parts, edges: Edges) -> dict[str, Any]:
    """Return everybody who must be heard of, and how they are now; instants in Unix ms."""
    now = unix_ms(parts.clock.now())
    told = edges.show()
    found = [_edge(name, told[name], edges.lost_s, now) for name in sorted(told)]
    of = {unit.id: edge.id for edge in parts.plant.site.edges for unit in edge.units}
    watches = [w for w in parts.rules.stale.values() if w.rule.priority == CRITICAL]
    units = [_unit(watch, of[watch.point.partition("/")[0]], parts) for watch in watches]
    site = whole(parts.plant.site.site.id, found, edges.lost_s)
    return {
        "now": now,
        "limit_s": EN_54_21_S,
        "site": asdict(site),
        "edges": [asdict(each) for each in found],
        "units": [asdict(each) for each in units],
    }


def _edge(name: str, told: Mapping[str, Any], allowed_s: float, now: int) -> Supervised:
    heard = None if told["state"] == "unknown" else now - round(told["age_s"] * 1000)
    gone = told["state"] == "lost"
    state: State = "lost" if gone else judged(heard, allowed_s, now, blind=False)
    began = since(state, heard, 0.0 if gone else allowed_s)
    return Supervised("edge", name, name, EDGE_LOST, allowed_s, heard, state, began)


def _unit(watch: Watch, edge: str, parts: Parts) -> Supervised:
    """Return how a unit is: by the word of its edge, as its rule of silence decides it."""
    latest = parts.latest
    slot = latest.index[watch.point]
    allowed_s = watch.condition.high if isinstance(watch.condition, Bounds) else 0.0
    heard = None if latest.at[slot] == NEVER else int(latest.seen[slot])
    (silence,) = latest.silence_s(np.array([slot], np.intp))
    then = int(latest.heard[slot])
    blind = bool(np.isnan(silence))
    state = judged(heard, allowed_s, then, blind=blind)
    unit = watch.point.partition("/")[0]
    began = since(state, heard, allowed_s)
    return Supervised("unit", unit, edge, watch.rule.key, allowed_s, heard, state, began)
