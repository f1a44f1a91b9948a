"""HTTP face of flags: shelving, suppressing, taking out of service, test mode."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from server.flags import decide, handlers, store
from server.flags.model import Actor, Ask, Flag, Kind, Target, view
from server.flags.ports import Here, Targets
from server.http import Do, SignedIn, User
from server.unit import Unit
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import NotPossible
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

Said = Annotated[str, Field(max_length=500)]
Minutes = Annotated[float, Field(gt=0, le=100_000)]
LATEST_MS = 4_102_444_800_000  # the year 2100: a slip of the finger is no instant


class Term(BaseModel, frozen=True, extra="forbid"):
    """Why, and until when."""

    until: int | None = Field(None, ge=0, le=LATEST_MS, description="Unix ms; or `minutes`")
    minutes: Minutes | None = Field(None, description="from now; or `until`")
    reason: Said = ""

    def ends(self, now: datetime) -> datetime | None:
        """Return the instant that is meant; None: none is given."""
        if self.until is not None and self.minutes is not None:
            raise NotPossible("flags.until-or-minutes", field="minutes")
        if self.until is not None:
            return datetime.fromtimestamp(self.until / 1000, UTC)
        return None if self.minutes is None else now + timedelta(minutes=self.minutes)


class Shelf(Term, frozen=True, extra="forbid"):
    """What is put aside."""

    one_shot: bool = Field(default=False, description="ends when the alarm is over")


class Suppression(Term, frozen=True, extra="forbid"):
    """What explains an alarm."""

    cause: Annotated[str, Field(min_length=1, max_length=80)]


class Work(Term, frozen=True, extra="forbid"):
    """What is worked on."""

    permit: Annotated[str, Field(max_length=80)] = ""


class WorkOn(Work, frozen=True, extra="forbid"):
    """Of one alarm: its point alone, or the whole unit."""

    scope: Literal["point", "unit"] = "point"


class WorkAt(Work, frozen=True, extra="forbid"):
    """Exactly one of them."""

    unit: UnitId | None = None
    point: PointId | None = None


class Where(BaseModel, frozen=True, extra="forbid"):
    """Exactly one of them."""

    unit: UnitId | None = None
    point: PointId | None = None


class Trial(Term, frozen=True, extra="forbid"):
    """What a contractor sets off."""

    unit: UnitId | None = None
    zone: str | None = Field(None, max_length=80)
    company: Annotated[str, Field(max_length=120)] = ""


class Switchboard:
    """What the routes work with."""

    def __init__(
        self, do: Do, read: sa.Engine, clock: Clock, here: Callable[[Unit], Here], targets: Targets
    ) -> None:
        """`read` is for reading, `here` gives the handlers what they need."""
        self._do, self.read, self._clock, self._here = do, read, clock, here
        self.targets = targets

    def stand(self, target: Target, kind: Kind, term: Term, user: User, **more: object) -> object:
        """Let a flag stand; return it as it is told."""
        ask = Ask(kind, term.ends(self._clock.now()), term.reason, **more)  # type: ignore[arg-type] # by each route
        actor = Actor(user.id, user.roles)
        return self._told(lambda unit: handlers.stand(target, ask, actor, self._here(unit)))

    def end_of(self, kind: Kind, subject: str, by: PersonId) -> object:
        """End a flag; return it as it is told."""
        return self._told(lambda unit: handlers.end_of(kind, subject, by, self._here(unit)))

    def end(self, flag: str, by: PersonId) -> object:
        """End a flag by its id; return it with what was tested and what not."""
        self._do(lambda unit: handlers.end(flag, by, self._here(unit)))
        return self.detail(flag)

    def detail(self, flag: str) -> dict[str, object]:
        """Return a flag with its points: which were set off, when, and which never."""
        with self.read.connect() as connection:
            found = store.one(connection, flag)
            tested = store.tested_of(connection, flag)
        points = [{"point": e.point, "alarm": e.alarm, "at": unix_ms(e.at)} for e in tested]
        missing = decide.missing(found, tested)
        return view(found, len(tested)) | {"points": points, "missing": missing}

    def at(self, unit: UnitId | None, point: PointId | None) -> Target:
        """Return what exactly one of the two names."""
        if point is not None and unit is None:
            return self.targets.of_point(point)
        if unit is not None and point is None:
            return self.targets.of_unit(unit)
        raise NotPossible("flags.one-of", field="unit")

    def _told(self, work: Callable[[Unit], Flag]) -> object:
        flag: Flag = self._do(work)
        return view(flag, 0)


def routes(board: Switchboard) -> APIRouter:
    """Return the routes under /alarms that flags bring; they come before /alarms/{alarm}."""
    router = APIRouter(prefix="/alarms", tags=["alarms"])
    _lists(router, board)
    _shelves(router, board)
    _works(router, board)
    _trials(router, board)
    return router


def _lists(router: APIRouter, board: Switchboard) -> None:
    @router.get("/shelved")
    def shelved(_: SignedIn) -> list[dict[str, object]]:
        """Return what is shelved now, the newest first."""
        return store.shown(board.read, kind=Kind.SHELVED)

    @router.get("/flags")
    def flags(
        _: SignedIn,
        *,
        kind: Kind | None = None,
        open_: Annotated[bool, Query(alias="open")] = True,
        limit: Annotated[int, Query(ge=1, le=2_000)] = 200,
    ) -> list[dict[str, object]]:
        """Return every flag that stands; `open=false`: those that have ended too."""
        return store.shown(board.read, kind=kind, only_open=open_, limit=limit)


def _shelves(router: APIRouter, board: Switchboard) -> None:
    @router.post("/{alarm}/shelve")
    def shelve(alarm: AlarmId, body: Shelf, user: SignedIn) -> object:
        """Put an alarm aside, or for longer. 403: life safety, too long, or not by this person."""
        target = board.targets.of_alarm(alarm)
        return board.stand(target, Kind.SHELVED, body, user, one_shot=body.one_shot)

    @router.post("/{alarm}/unshelve")
    def unshelve(alarm: AlarmId, user: SignedIn) -> object:
        """Take it back. 409: it is not shelved."""
        return board.end_of(Kind.SHELVED, board.targets.of_alarm(alarm).subject, user.id)

    @router.post("/{alarm}/suppress")
    def suppress(alarm: AlarmId, body: Suppression, user: SignedIn) -> object:
        """Say what explains an alarm: a mode of the plant, or the id of a root alarm."""
        target = board.targets.of_alarm(alarm)
        return board.stand(target, Kind.SUPPRESSED, body, user, cause=body.cause)

    @router.post("/{alarm}/unsuppress")
    def unsuppress(alarm: AlarmId, user: SignedIn) -> object:
        """Say that nothing explains it any more. 409: it is not suppressed."""
        return board.end_of(Kind.SUPPRESSED, board.targets.of_alarm(alarm).subject, user.id)


def _works(router: APIRouter, board: Switchboard) -> None:
    @router.post("/out-of-service")
    def begin_at(body: WorkAt, user: SignedIn) -> object:
        """Take a unit or a point out of service, whether it rings or not."""
        target = board.at(body.unit, body.point)
        return board.stand(target, Kind.OUT_OF_SERVICE, body, user, permit=body.permit)

    @router.post("/return-to-service")
    def end_at(body: Where, user: SignedIn) -> object:
        """Put a unit or a point back into service. 409: it is in service."""
        target = board.at(body.unit, body.point)
        return board.end_of(Kind.OUT_OF_SERVICE, target.subject, user.id)

    @router.post("/{alarm}/out-of-service")
    def begin(alarm: AlarmId, body: WorkOn, user: SignedIn) -> object:
        """Take the point of an alarm, or its unit, out of service."""
        target = _of(alarm, board, body.scope)
        return board.stand(target, Kind.OUT_OF_SERVICE, body, user, permit=body.permit)

    @router.post("/{alarm}/return-to-service")
    def end(alarm: AlarmId, user: SignedIn, scope: Literal["point", "unit"] = "point") -> object:
        """Put it back into service. 409: it is in service."""
        return board.end_of(Kind.OUT_OF_SERVICE, _of(alarm, board, scope).subject, user.id)


def _of(alarm: AlarmId, board: Switchboard, scope: str) -> Target:
    targets = board.targets
    if scope == "unit":
        return targets.of_unit(targets.unit_of(alarm))
    return targets.of_point(targets.point_of(alarm))


def _trials(router: APIRouter, board: Switchboard) -> None:
    @router.get("/test-modes")
    def trials(
        _: SignedIn,
        *,
        open_: Annotated[bool, Query(alias="open")] = True,
        limit: Annotated[int, Query(ge=1, le=2_000)] = 200,
    ) -> list[dict[str, object]]:
        """Return the tests that run; `open=false`: those of before too."""
        return store.shown(board.read, kind=Kind.TEST, only_open=open_, limit=limit)

    @router.post("/test-modes", status_code=201)
    def begin(body: Trial, user: SignedIn) -> object:
        """Begin test mode in a zone or a unit. 409: it runs there already."""
        if (body.zone is None) == (body.unit is None):
            raise NotPossible("flags.one-of", field="unit")
        if body.zone is not None:
            target = board.targets.of_zone(body.zone)
        else:
            target = board.at(body.unit, None)
        return board.stand(target, Kind.TEST, body, user, company=body.company)

    @router.get("/test-modes/{flag}")
    def one(flag: str, _: SignedIn) -> dict[str, object]:
        """Return a test with its points: which were set off, when, and which never."""
        return board.detail(flag)

    @router.post("/test-modes/{flag}/end")
    def end(flag: str, user: SignedIn) -> object:
        """End a test before its time. 409: it has ended."""
        return board.end(flag, user.id)
