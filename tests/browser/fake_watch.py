"""Figures about alarms, the journal and a why, made up: one noisy source, one life told."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

SOURCE = "feeder-overload|hvac-1/active_power"
TITLE = {"zh": "A 座空调总表 过负荷", "en": "Tower A air conditioning overloaded"}
NOBODY = {"zh": "", "en": ""}


def _target(key: str, value: float, limit: float, *, met: bool) -> dict[str, Any]:
    return {
        "key": key, "value": value, "limit": limit, "kind": "at_most", "unit": "alarms",
        "met": met, "mark": "seen", "source": "",
    }  # fmt: skip


def _line(what: str, at: int, by: str, origin: str) -> dict[str, Any]:
    return {
        "kind": "alarm", "number": at, "recorded_at": at, "happened_at": at - 80, "what": what,
        "by": by, "name": {"zh": "陈磊", "en": "Chen Lei"}, "origin": origin, "edge": "plant-b1",
        "channels": [], "subject": "alm_1", "rule": "feeder-overload", "unit": "hvac-1",
        "point": "hvac-1/active_power", "place": "tower-a/B1", "priority": 2, "value": 231_000.0,
        "title": TITLE, "note": NOBODY,
    }  # fmt: skip


def _flag(kind: str) -> dict[str, Any]:
    return {
        "id": f"flg_{kind}", "kind": kind, "subject": f"alarm:{SOURCE}", "name": TITLE,
        "since": 0, "until": None, "by": "chenlei", "reason": "fan under repair",
    }  # fmt: skip


def routes(now: Callable[[], int]) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/alarms/kpis")
    def kpis(positions: int = 1) -> dict[str, Any]:
        width, end = 600_000, now() // 600_000 * 600_000
        starts = [end - n * width for n in range(144, 0, -1)]
        return {
            "start": starts[0], "end": end, "positions": positions, "raises": 42,
            "floods": [{"start": starts[3], "end": starts[5], "alarms": 17, "over": True}],
            "flood_share": 0.02, "top_share": 0.7,
            "rates": {}, "manageable": 0.98, "chattering": {SOURCE: 12}, "fleeting": {},
            "priorities": [{"priority": n, "count": 10} for n in (1, 2, 3, 4)],
            "waits": [{"priority": 2, "count": 9, "p50_s": 34.0, "p90_s": 80.0, "open": 0}],
            "guide": [
                _target("rate", 0.4, 1, met=True), _target("chattering", 1, 0, met=False),
            ],
            "picture": {"width": width, "start": starts, "counts": [n % 13 for n in range(144)]},
            "sources": [{
                "source": SOURCE, "raises": 30, "rule": "feeder-overload", "title": TITLE,
                "point": "hvac-1/active_power",
            }],
            "stale": [], "shelved": [_flag("shelved")], "suppressed": [_flag("suppressed")],
            "out_of_service": [], "test": [],
        }  # fmt: skip

    @router.get("/journal")
    def journal(kind: str = "", text: str = "") -> dict[str, Any]:
        lines = [
            _line("acknowledge", now() - 50_000, "chenlei", "person"),
            _line("raise", now() - 60_000, "system", "edge"),
        ]
        shown = [each for each in lines if kind in {"", "alarm"} and text in each["title"]["en"]]
        return {"start": 0, "end": now(), "more": False, "lines": shown}

    @router.get("/journal/export", response_class=Response)
    def export(lang: str = "") -> Response:
        head, what = {"zh": ("记录时间,事件", "确认")}.get(lang, ("recorded,what", "Acknowledged"))
        body = f"\ufeff{head}\r\n2026-11-24T10:00:00.000+08:00,{what}\r\n"
        named = {"Content-Disposition": 'attachment; filename="riverside-journal.csv"'}
        return Response(body, media_type="text/csv; charset=utf-8", headers=named)

    @router.get("/supervision")
    def supervision() -> dict[str, Any]:
        unit = {
            "kind": "unit", "id": "hvac-1", "edge": "plant-b1", "rule": "panel-silent",
            "allowed_s": 15.0, "heard": now() - 3_000, "state": "ok", "since": None,
        }  # fmt: skip
        return {"now": now(), "limit_s": 100.0, "site": {}, "edges": [], "units": [unit]}

    @router.get("/points/{point:path}/why")
    def why(point: str) -> dict[str, Any]:
        if not point.endswith("/active_power"):
            raise HTTPException(404)
        return {
            "point": point, "unit": point.partition("/")[0], "now": now(), "value": 140_000.0,
            "at": now() - 2_000, "age_s": 2.0,
            "value_text": {"zh": "140.0 kW", "en": "140.0 kW"}, "fresh_at": now(), "quality": 0,
            "quality_text": {"zh": "正常", "en": "Good"}, "stale": False, "stale_after_s": 30.0,
            "band": {"low": None, "high": 200_000.0, "until": None},
            "edge": {"id": "plant-b1", "state": "online", "age_s": 3.0},
            "reasons": [{"code": "none-true", "rule": None, "text": {
                "zh": "没有规则成立：140.0 kW 未超过 200.0 kW。",
                "en": "No rule is true: 140.0 kW is not above 200.0 kW.",
            }}],
            "rules": [{
                "key": "feeder-overload", "watch": SOURCE, "title": TITLE, "revision": 1,
                "priority": 2, "handling": "highly_managed", "kind": "limit",
                "span": {"zh": "200.0 kW", "en": "200.0 kW"}, "truth": False, "open": True,
                "phase": "normal", "since": None, "spent_s": 0.0, "on_delay_s": 5.0,
                "off_delay_s": 10.0, "timers": [], "alarm": None, "messages": [{
                    "person": "wangqiang", "name": "Wang Qiang", "at": now(),
                    "channels": [{"channel": "inbox", "state": "read", "at": now()},
                                 {"channel": "mail", "state": "accepted", "at": now()}],
                }],
            }],
            "flags": [],
        }  # fmt: skip

    return router
