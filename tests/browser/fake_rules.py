"""A rule book, made up: one rule of the catalog, drafts that are kept, a backtest with a count."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse

TEXT = """schema: wk.rules/1
rules:
- key: feeder-overload
  revision: 1
  limit: {high: 200000}
"""
ROW: dict[str, Any] = {
    "key": "feeder-overload", "revision": 1, "priority": 2, "handling": "highly_managed",
    "title": {"zh": "过负荷", "en": "Overloaded"}, "kind": "limit", "points": 3,
    "origin": "catalog",
}  # fmt: skip
WATCH = {"point": "hvac-1/active_power", "limit": 200_000.0, "unit_symbol": "W"}


def routes(now: Callable[[], int], user: Callable[[Request], str]) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/v1/rules")
    versions: list[dict[str, Any]] = []
    _reading(router, versions)
    _writing(router, versions, now, user)
    _history(router, now)
    return router


def _reading(router: APIRouter, versions: list[dict[str, Any]]) -> None:

    @router.get("")
    def book() -> dict[str, Any]:
        waiting = [each for each in versions if each["state"] in {"draft", "review"}]
        return {"rules": [ROW], "waiting": waiting}

    @router.get("/export", response_class=PlainTextResponse)
    def export() -> str:
        return TEXT

    @router.get("/{key}")
    def rule(key: str) -> dict[str, Any]:
        if key != ROW["key"]:
            raise HTTPException(404)
        return ROW | {"text": TEXT, "watches": [WATCH], "versions": versions}


def _writing(
    router: APIRouter,
    versions: list[dict[str, Any]],
    now: Callable[[], int],
    user: Callable[[Request], str],
) -> None:
    @router.post("/check")
    def check(body: dict[str, Any]) -> dict[str, Any]:
        if "hgih" in body["text"]:
            mistake = {"where": "rule:5", "line": 5, "what": "hgih: unknown", "fix": "high?"}
            return {"ok": False, "mistakes": [mistake], "rules": []}
        found = {"key": ROW["key"], "revision": 2, "points": 3, "watches": [WATCH]}
        return {"ok": True, "mistakes": [], "rules": [found]}

    @router.post("/drafts", status_code=201)
    def draft(body: dict[str, Any], request: Request) -> list[dict[str, Any]]:
        version = {
            "id": f"rul_{len(versions)}", "key": ROW["key"], "revision": 2, "text": body["text"],
            "leaves": False, "life_safety": False, "state": "draft", "note": body["note"],
            "author": user(request), "at": now(), "judge": None, "judged_at": None,
            "judged_note": "",
        }  # fmt: skip
        versions.append(version)
        return [version]

    @router.post("/versions/{version}/{verb}")
    def move(version: str, verb: str) -> JSONResponse:
        found = next(each for each in versions if each["id"] == version)
        found["state"] = {"submit": "review", "approve": "approved", "reject": "rejected"}[verb]
        return JSONResponse(found)


def _history(router: APIRouter, now: Callable[[], int]) -> None:
    @router.post("/backtest")
    def backtest(body: dict[str, Any]) -> dict[str, Any]:
        raised = [{"at": now() - 60_000, "returned_at": now(), "value": 231e3, "priority": 2}]
        raised *= 5 if body.get("text") else 7
        point = {"point": WATCH["point"], "count": len(raised), "raised": raised, "error": None}
        return {"points": [point], "total": {"count": len(raised), "duration_s": 420.0}}

    @router.post("/backtest/plot")
    def plot(body: dict[str, Any]) -> dict[str, Any]:
        at = [body["start"] + n * 60_000 for n in range(100)]
        return {
            "point": WATCH["point"], "symbol": "W", "start": body["start"], "end": body["end"],
            "at": at, "value": [float(n) for n in range(100)], "quality": [0] * 100,
            "intervals": [{"start": at[10], "end": at[20], "priority": 2}], "count": 7,
            "limits": {"high": 50.0},
        }  # fmt: skip
