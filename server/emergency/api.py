"""HTTP face of emergency: plans and their runs."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

import sqlalchemy as sa
from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from server.emergency import decide, handlers, store
from server.emergency.decide import Decided, Moment
from server.emergency.handlers import ALL_LINES, view
from server.emergency.model import Headcount, Mode, Person, Plan, Run, Said
from server.emergency.ports import Here, Plans
from server.http import Do, SignedIn, User
from server.unit import Unit
from watchkeeper.ids import RunId

MOST = 200  # runs in one answer
Shown: TypeAlias = dict[str, Any]


class _Asked(BaseModel, frozen=True, extra="forbid"):
    """A request body."""


class StartPlan(_Asked):
    """Start a plan."""

    place: str = Field(min_length=1, max_length=80)
    mode: Mode = "actual"


class Counted(_Asked):
    """The count at the assembly point."""

    found: int = Field(ge=0)
    missing: int = Field(ge=0)


class Words(_Asked):
    """What a person says with a command."""

    reason: str = Field("", max_length=500)
    note: str = Field("", max_length=2000)
    headcount: Counted | None = None

    def said(self) -> Said:
        """Return it as the decisions take it."""
        counted = self.headcount
        return Said(
            self.reason, self.note, Headcount(counted.found, counted.missing) if counted else None
        )


class Confirm(_Asked):
    """What one saw on the spot."""

    real: bool


class ToLevel(_Asked):
    """Another level: its key, or one step "up" or "down"."""

    level: str = Field(max_length=4)


Spoken = Annotated[Words, Body(default_factory=Words)]
HereOf: TypeAlias = Callable[[Unit], Here]
Decide: TypeAlias = Callable[[RunId, Callable[[Run, Moment], Decided]], Shown]


def routes(do: Do, engine: sa.Engine, here: HereOf, plans: Plans) -> APIRouter:
    """Return the routes under /plans and /runs; `engine` is for reading."""
    router = APIRouter(tags=["emergency"])
    _plans(router, do, here, plans)
    _reading(router, engine, plans)

    def decided(run: RunId, decision: Callable[[Run, Moment], Decided]) -> Shown:
        after = do(lambda unit: handlers.command(run, decision, here(unit)))
        return view(after, plans)

    _working(router, decided)
    _moving(router, decided)
    return router


def shown(engine: sa.Engine, plans: Plans, *, only_open: bool = True) -> list[Shown]:
    """Return runs as the API shows them; the snapshot of the stream too."""
    with engine.connect() as connection:
        found = store.listed(connection, only_open=only_open, limit=MOST)
    return [view(run, plans) for run in found]


def _plans(router: APIRouter, do: Do, here: HereOf, plans: Plans) -> None:
    @router.get("/plans")
    def every(_: SignedIn) -> list[Shown]:
        """Return the plans one can start."""
        return [_listed(each.plan) for each in plans.all()]

    @router.post("/plans/{key}/start")
    def start(key: str, asked: StartPlan, user: SignedIn) -> Shown:
        """Start a plan at a place, as the real thing or as a drill; join it where it runs."""
        user.need("operator", "manager", "technician")
        return view(
            do(
                lambda unit: handlers.start(key, asked.place, asked.mode, _person(user), here(unit))
            ),
            plans,
        )


def _reading(router: APIRouter, engine: sa.Engine, plans: Plans) -> None:
    @router.get("/runs")
    def runs(_: SignedIn, *, open_: Annotated[bool, Query(alias="open")] = True) -> list[Shown]:
        """Return the open runs, oldest first; `open=false`: all, newest first."""
        return shown(engine, plans, only_open=open_)

    @router.get("/runs/{run}")
    def one(run: RunId, _: SignedIn) -> Shown:
        """Return one run with its whole timeline; 404 when there is none of this id."""
        with engine.connect() as connection:
            return view(store.one(connection, run), plans, ALL_LINES)


def _working(router: APIRouter, decided: Decide) -> None:
    @router.post("/runs/{run}/roles/{role}/acknowledge")
    def take_role(run: RunId, role: str, user: SignedIn) -> Shown:
        """Say: this role is mine. 403 when it is not for this person, 409 when it is taken."""
        return decided(run, lambda now, m: decide.take_role(now, role, _person(user), m))

    @router.post("/runs/{run}/steps/{step}/{verb}")
    def move_step(
        run: RunId,
        step: str,
        verb: Literal["begin", "done", "fail", "skip"],
        user: SignedIn,
        words: Spoken,
    ) -> Shown:
        """Begin, finish, fail or skip a step; fail and skip need a reason."""
        by, said = _person(user), words.said()
        return decided(run, lambda now, m: decide.move_step(now, step, verb, by, said, m))

    @router.post("/runs/{run}/confirm")
    def confirm(run: RunId, asked: Confirm, user: SignedIn) -> Shown:
        """Answer a warning: real, or a false alarm."""
        by = _person(user)
        return decided(run, lambda now, m: decide.confirm(now, by, m, real=asked.real))


def _moving(router: APIRouter, decided: Decide) -> None:
    @router.post("/runs/{run}/stable")
    def stable(run: RunId, user: SignedIn) -> Shown:
        """Say: no further harm."""
        return decided(run, lambda now, m: decide.stable(now, _person(user), m))

    @router.post("/runs/{run}/close")
    def close(run: RunId, user: SignedIn, words: Spoken) -> Shown:
        """End procedure; 409 with what is unmet."""
        return decided(run, lambda now, m: decide.close(now, _person(user), words.said(), m))

    @router.post("/runs/{run}/abort")
    def abort(run: RunId, user: SignedIn, words: Spoken) -> Shown:
        """Call it a false alarm; where lives are at stake a second person must agree."""
        return decided(run, lambda now, m: decide.abort(now, words.reason, _person(user), m))

    @router.post("/runs/{run}/level")
    def level(run: RunId, asked: ToLevel, user: SignedIn) -> Shown:
        """Raise or lower the level of response."""
        return decided(run, lambda now, m: decide.level(now, asked.level, _person(user), m))

    @router.post("/runs/{run}/note")
    def note(run: RunId, user: SignedIn, words: Spoken) -> Shown:
        """Add a line to the timeline."""
        return decided(run, lambda now, m: decide.note(now, words.note, _person(user), m))


def _person(user: User) -> Person:
    return Person(user.id, user.name, user.roles, user.names)


def _listed(plan: Plan) -> Shown:
    return {
        "key": plan.key,
        "title": {"zh": plan.title.zh, "en": plan.title.en},
        "version": plan.version,
        "risk": {"zh": plan.risk.zh, "en": plan.risk.en},
        "review": plan.review.isoformat(),
    }
