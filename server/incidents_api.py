"""HTTP face of incidents: a root alarm and what it explains; and whether there is a flood."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import sqlalchemy as sa
from fastapi import APIRouter, Query

from server.alarms import handlers
from server.alarms.api import here
from server.alarms.decide import LIFE, SETTLE
from server.alarms.model import Alarm, Life, view
from server.alarms.store import ALARMS, COLUMNS, alarm_of, one
from server.causes_store import flood_now
from server.http import Do, SignedIn
from server.parts import Parts
from watchkeeper.ids import AlarmId

State: TypeAlias = Literal["open", "acknowledged", "mitigated", "resolved", "closed", "merged"]


def incident_routes(parts: Parts, do: Do) -> APIRouter:
    """Return the routes."""
    engine, clock = parts.read, parts.clock
    router = APIRouter(tags=["alarms"])

    @router.get("/alarms/flood")
    def flood(_: SignedIn) -> dict[str, int | None]:
        """Return since when alarms come too fast for a person, Unix ms, and how many came."""
        return flood_now(engine)

    @router.get("/incidents")
    def incidents(
        _: SignedIn,
        *,
        open_: Annotated[bool, Query(alias="open")] = True,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[dict[str, Any]]:
        """Return roots that explain other alarms, the newest first, without what they explain."""
        return [
            {key: each[key] for key in ("id", "state", "root", "count", "active")}
            for each in _found(engine, clock.now(), only_open=open_, limit=limit)
        ]

    @router.get("/incidents/{root}")
    def incident(root: AlarmId, _: SignedIn) -> dict[str, Any]:
        """Return a root and all it explains; 404 when it explains nothing.

        Of an alarm that another explains it says by which: `merged_into`.
        """
        found, symptoms = _whole(engine, root)
        shown = _shown(found, symptoms, clock.now())
        return shown | {"symptoms": [view(each) for each in symptoms]}

    @router.post("/incidents/{root}/acknowledge")
    def acknowledge(root: AlarmId, user: SignedIn) -> list[dict[str, Any]]:
        """See a root and all it explains; each of life safety is seen alone.

        The answer says of each alarm that waited for it what became of it.
        """
        found, symptoms = _whole(engine, root)
        ids = [each.id for each in (found, *symptoms) if (each.life, "acknowledge") in LIFE]
        answer: list[dict[str, Any]] = do(
            lambda unit: handlers.acknowledge_all(ids, user.id, here(unit, parts.new_id))
        )
        return answer

    return router


def state(root: Alarm, symptoms: Iterable[Alarm], now: datetime) -> State:
    """Return where an incident stands (dispatch table "incident").

    Its root over it is mitigated; quiet for a while and nothing of it active, resolved; all of it
    seen, closed: and then it takes no alarm any more, because its root explains none.
    """
    if root.cause is not None:
        return "merged"
    if root.returned_at is None:
        return "acknowledged" if root.life is Life.ACKNOWLEDGED else "open"
    every = [root, *symptoms]
    if now - root.returned_at < SETTLE or any(each.active for each in every):
        return "mitigated"
    return "closed" if all(each.life is Life.NORMAL for each in every) else "resolved"


def _whole(engine: sa.Engine, root: AlarmId) -> tuple[Alarm, list[Alarm]]:
    """Return an alarm and what it explains; KeyError: it is no part of an incident."""
    with engine.connect() as connection:
        found = one(connection, root)
        rows = connection.execute(sa.select(*COLUMNS).where(ALARMS.c.cause == root))
        symptoms = [alarm_of(row) for row in rows]
    if not symptoms and found.cause is None:
        raise KeyError(root)
    return found, symptoms


def _found(
    engine: sa.Engine, now: datetime, *, only_open: bool, limit: int
) -> list[dict[str, Any]]:
    roots = sa.select(ALARMS.c.cause).where(ALARMS.c.cause.is_not(None))
    if only_open:
        whole = ALARMS.alias()
        rings = sa.select(whole.c.cause).where(
            whole.c.cause.is_not(None), whole.c.open_key.is_not(None)
        )
        roots = roots.where(
            ALARMS.c.cause.in_(rings)
            | ALARMS.c.cause.in_(sa.select(whole.c.id).where(whole.c.open_key.is_not(None)))
        )
    query = sa.select(*COLUMNS).where(ALARMS.c.id.in_(roots)).order_by(ALARMS.c.raised_at.desc())
    with engine.connect() as connection:
        found = [alarm_of(row) for row in connection.execute(query.limit(limit))]
        ids = [each.id for each in found]
        rows = connection.execute(sa.select(*COLUMNS).where(ALARMS.c.cause.in_(ids)))
        of: dict[AlarmId | None, list[Alarm]] = {}
        for row in rows:
            symptom = alarm_of(row)
            of.setdefault(symptom.cause, []).append(symptom)
    return [_shown(each, of.get(each.id, []), now) for each in found]


def _shown(root: Alarm, symptoms: list[Alarm], now: datetime) -> dict[str, Any]:
    return {
        "id": root.id,
        "state": state(root, symptoms, now),
        "merged_into": root.cause,
        "root": view(root),
        "count": len(symptoms),
        "active": sum(each.active for each in symptoms),
    }
