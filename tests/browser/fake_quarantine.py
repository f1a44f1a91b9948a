"""What was put aside, made up: each reason once or more, with text somebody meant as markup."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

EVIL = "<script>document.title='taken'</script> **bold** [link](http://example.test)"
HOUR = 3_600_000


def _items(now: int) -> list[dict[str, Any]]:
    def row(alias: object, point: str | None, value: object, quality: object = 0) -> dict[str, Any]:
        at = now + HOUR
        return {"alias": alias, "point": point, "at": at, "value": value, "quality": quality}

    power, floor = "main-1/active_power", "lift-1/floor"
    said: list[tuple[str, int, list[dict[str, Any]], str]] = [
        ("time", 240, [row(n, power, 1_200.5 + n) for n in range(12)], ""),
        ("value", 3, [row(0, power, "nan"), row(1, floor, "inf")], ""),
        ("type", 1, [row(4, None, EVIL)], ""),
        ("alias", 2, [row(977, None, 21.5), row(978, None, 22.0)], ""),
        ("unreadable", 0, [], EVIL),
        ("gap", 5_400, [], ""),
        ("store", 1, [], "reading,point=main-1/active_power,site=riverside v=1 1764000000000"),
    ]
    return [
        {
            "id": 900 - number, "at": now - number * 7 * 60_000, "edge": "plant-b1",
            "reason": reason, "why": "partial write: field type conflict" * (reason == "store"),
            "readings": readings, "rows": rows, "excerpt": excerpt,
            "gap": [now - 3 * HOUR, now - 2 * HOUR] if reason == "gap" else None,
        }
        for number, (reason, readings, rows, excerpt) in enumerate(said)
    ]  # fmt: skip


def routes(now: Callable[[], int], asked: list[tuple[str, str]]) -> APIRouter:
    """Return the routes; what is dropped is gone, `asked` gets who posted what."""
    router = APIRouter(prefix="/api/v1/quarantine")
    kept = _items(now())

    @router.get("")
    def listed(limit: int = 50, reason: str = "", origin: str = "") -> dict[str, Any]:
        found = [each for each in kept if reason in {"", each["reason"]}]
        return {"items": [e for e in found if origin in {"", e["edge"]}][:limit], "next": None}

    @router.get("/counts")
    def counts() -> dict[str, Any]:
        rows = [
            {"reason": e["reason"], "edge": e["edge"], "items": 1, "readings": e["readings"],
             "newest": e["at"]}
            for e in sorted(kept, key=lambda each: -int(each["readings"]))
        ]  # fmt: skip
        readings = sum(int(each["readings"]) for each in kept)
        whole = {"since": now() - 24 * HOUR, "whole": True, "items": len(kept)}
        return whole | {"readings": readings, "counts": rows}

    @router.post("/{deed}", status_code=202)
    async def deed(deed: str, request: Request) -> dict[str, Any]:
        ids = (await request.json()).get("ids", [])
        asked.append((deed, ",".join(map(str, ids)) or "all"))
        kept[:] = [each for each in kept if deed != "drop" or each["id"] not in ids]
        return {"items": len(ids) or None}

    return router
