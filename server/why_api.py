"""HTTP face of "why did it not ring?": one point, what is true of it, and what follows."""

from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import APIRouter

from server.conditions import NEVER
from server.edges import Edges
from server.http import SignedIn
from server.parts import Parts
from server.plan_here import PlantNames
from server.timers import TIMERS
from server.why import Reason, why
from server.why_seen import Look, Looked
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import PointId
from watchkeeper.texts import Texts

LANGUAGES = ("zh", "en")


def why_routes(parts: Parts, edges: Edges) -> APIRouter:
    """Return the route; the whole path is taken, for a point's id holds a slash."""
    router = APIRouter(tags=["alarms"])
    index = {item.id: item for item in parts.plant.points()}
    names = PlantNames(parts.plant)

    @router.get("/points/{point:path}/why")
    def answer(point: str, _: SignedIn) -> dict[str, Any]:
        """Return why the point rings or does not: `reasons`, of which the first is the answer."""
        item = index[PointId(point)]
        look = Look(parts, item)
        seen = look.seen()
        zone = parts.plant.site.site.time_zone
        reasons = [_reason(each, parts.texts, zone, look.now) for each in why(seen)]
        edge = edges.show().get(look.edge, {})
        return {
            "point": item.id,
            "name": both(names.of(item.id)),
            "unit": item.unit.id,
            "place": item.unit.place,
            "now": look.now,
            "value": look.row["value"],
            "value_text": None if seen.value is None else both(seen.value),
            "at": seen.at,
            "age_s": None if seen.at is None else (look.now - seen.at) / 1000,
            "fresh_at": seen.fresh_at,
            "quality": look.row["quality"],
            "quality_text": both(look.quality(int(look.row["quality"]))),
            "stale": seen.stale,
            "stale_after_s": item.point.stale_after_s,
            "band": _band(look, parts),
            "edge": {"id": look.edge, **edge},
            "reasons": reasons,
            "rules": [_rule(each, parts) for each in look.rules],
            "flags": _flags(look),
        }

    return router


def both(text: Text) -> dict[str, str]:
    """Return a text as the API tells it."""
    return {"zh": text.zh, "en": text.en}


def _band(look: Look, parts: Parts) -> dict[str, Any] | None:
    """Return the band in which no reading changes a rule; None when every reading is looked at."""
    if not look.rules:
        return None
    _, band = parts.watching.seen(look.rules[0].watch.key)
    if band.low > band.high:
        return None
    until = None if band.until == NEVER else band.until
    low, high = (each if isfinite(each) else None for each in (band.low, band.high))
    return {"low": low, "high": high, "until": until}


def _rule(looked: Looked, parts: Parts) -> dict[str, Any]:
    watch, seen, state, alarm = looked.watch, looked.seen, looked.state, looked.alarm
    with parts.read.connect() as connection:
        query = sa.select(TIMERS.c.kind, TIMERS.c.due).where(TIMERS.c.subject == watch.key)
        timers = [{"kind": row.kind, "due": unix_ms(row.due)} for row in connection.execute(query)]
    return {
        "key": watch.rule.key,
        "watch": watch.key,
        "title": both(seen.title),
        "revision": watch.rule.revision,
        "priority": watch.rule.priority,
        "handling": watch.rule.handling,
        "kind": seen.kind,
        "span": both(seen.span),
        "truth": seen.truth,
        "open": seen.open,
        "phase": seen.phase,
        "since": None if state.since is None else unix_ms(state.since),
        "spent_s": seen.spent_s,
        "on_delay_s": watch.rule.on_delay_s,
        "off_delay_s": watch.rule.off_delay_s,
        "timers": timers,
        "alarm": None if alarm is None else _alarm(alarm),
        "messages": looked.messages,
    }


def _alarm(alarm: Mapping[str, Any]) -> dict[str, Any]:
    instants = ("raised_at", "returned_at", "acknowledged_at")
    plain = {name: alarm[name] for name in ("id", "life", "count", "late", "order", "run")}
    return plain | {name: alarm[name] and unix_ms(alarm[name]) for name in instants}


def _flags(look: Look) -> list[dict[str, Any]]:
    found = dict.fromkeys(flag for rule in look.rules for flag in rule.seen.flags)
    return [
        {"kind": each.kind, "by": both(each.by), "reason": each.reason, "until": each.until}
        for each in found
    ]


def _reason(reason: Reason, texts: Texts, zone: str, now: int) -> dict[str, Any]:
    text = said_in(reason, texts, zone, now)
    return {"code": reason.code, "rule": reason.rule, "text": text}


def said_in(reason: Reason, texts: Texts, zone: str, now: int) -> dict[str, str]:
    """Return a reason in words, in each language, by the clock of the site."""
    site = ZoneInfo(zone)
    today = datetime.fromtimestamp(now / 1000, site).date()

    def clock(at: int) -> str:
        moment = datetime.fromtimestamp(at / 1000, site)
        return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%m-%d %H:%M}"

    return {language: _said(reason, texts, clock, language) for language in LANGUAGES}


def _said(reason: Reason, texts: Texts, clock: Callable[[int], str], language: str) -> str:
    facts: dict[str, Any] = {
        name: getattr(fact, language) if isinstance(fact, Text) else fact
        for name, fact in reason.facts.items()
    } | {name: clock(at) for name, at in reason.instants.items()}
    facts.setdefault("since", "?")  # an alarm that is on its way into its table
    until = facts.get("until")
    facts["until"] = texts("why.until", language, at=until) if until else ""
    return texts(f"why.{_text_of(reason)}", language, **facts)


def _text_of(reason: Reason) -> str:
    """Return which text says a reason: that no rule is true is said with what is known of it."""
    if reason.code != "none-true":
        return reason.code
    code = f"none-true-{reason.facts.get('code')}"
    if code in {f"none-true-false-{each}" for each in ("within", "below", "above")}:
        return code
    return "none-true-value" if "value" in reason.facts else "none-true"
