"""HTTP face of alarms."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from server.alarms import handlers, store
from server.alarms.handlers import Here
from server.alarms.model import Acknowledge, Reset, view
from server.causes_store import SqlCauses
from server.http import Do, SignedIn
from server.unit import Unit
from watchkeeper.errors import Refused
from watchkeeper.ids import AlarmId, NewId

MOST = 2_000  # alarms in one answer

Follow = store.Follow
# who was told of an alarm, order or run, by which channels: notify's part of the picture
ToldOf: TypeAlias = Callable[[Sequence[str]], Sequence[dict[str, Any]]]


class Several(BaseModel, frozen=True, extra="forbid"):
    """Alarms that are acknowledged together."""

    ids: Annotated[list[AlarmId], Field(min_length=1, max_length=200)]


def routes(do: Do, engine: sa.Engine, new_id: NewId, told_of: ToldOf) -> APIRouter:
    """Return the routes under /alarms; `engine` is for reading."""
    router = APIRouter(prefix="/alarms", tags=["alarms"])

    @router.get("")
    def alarms(
        _: SignedIn,
        *,
        open_: Annotated[bool, Query(alias="open")] = True,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 200,
        rule: Annotated[str | None, Query(max_length=80)] = None,
        point: Annotated[str | None, Query(max_length=120)] = None,
    ) -> list[dict[str, Any]]:
        """Return the open alarms, most urgent first; `open=false`: all, newest first.

        `rule` and `point` leave only those of one rule, of one point: how it went before.
        """
        return shown(engine, only_open=open_, limit=limit, of={"rule": rule, "point": point})

    @router.get("/{alarm}")
    def one(alarm: AlarmId, _: SignedIn) -> dict[str, Any]:
        """Return one alarm and who was told of it; 404 when there is none of this id."""
        with engine.connect() as connection:
            found = store.one(connection, alarm)
        subjects = [each for each in (found.id, found.order, found.run) if each]
        return view(found) | {"told": told_of(subjects)}

    @router.post("/{alarm}/acknowledge", status_code=204)
    def acknowledge(alarm: AlarmId, user: SignedIn) -> None:
        """Say: seen, mine. 409 with the state and who was first when it is no longer possible."""
        command = Acknowledge(alarm, by=user.id)
        try:
            do(lambda unit: handlers.acknowledge(command, here(unit, new_id)))
        except Refused:
            do(lambda unit: handlers.too_late(command, here(unit, new_id)))
            raise

    @router.post("/acknowledge")
    def acknowledge_all(body: Several, user: SignedIn) -> list[dict[str, Any]]:
        """Acknowledge several at once, none of life safety; the answer says of each what became."""
        ids = list(dict.fromkeys(body.ids))
        found: list[dict[str, Any]] = do(
            lambda unit: handlers.acknowledge_all(ids, user.id, here(unit, new_id))
        )
        return found

    @router.post("/{alarm}/reset", status_code=204)
    def reset(alarm: AlarmId, user: SignedIn) -> None:
        """Let a latched alarm go. 409: it is not over, or nobody has seen it."""
        command = Reset(alarm, by=user.id)
        do(lambda unit: handlers.reset(command, here(unit, new_id)))

    return router


def shown(
    engine: sa.Engine, *, only_open: bool = True, limit: int = MOST, of: store.Of = store.ANY
) -> list[dict[str, Any]]:
    """Return alarms as the API shows them; the snapshot of the stream too."""
    return [view(alarm) for alarm in store.listed(engine, only_open=only_open, limit=limit, of=of)]


def here(unit: Unit, new_id: NewId, follow: Follow = store.nobody) -> Here:
    """Return what the handlers need within a unit of work; `follow` hears of rules that moved."""
    return Here(store.SqlAlarms(unit, follow), unit.now, new_id, SqlCauses(unit))
