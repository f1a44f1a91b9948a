"""HTTP face of people: signing in and out, who am I, who is there."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from server.http import CSRF_COOKIE, SESSION_COOKIE, Do, SignedIn, problem, session
from server.people import decide, handlers
from server.people.model import told
from server.people.ports import Passwords
from server.people.store import REMEMBERED, SqlPeople
from server.unit import Unit
from watchkeeper.clock import Clock
from watchkeeper.ids import PersonId

COOKIE_S = 30 * 86_400  # the server ends a session 12 h after its last use; a wall never sleeps
LOOPBACK = frozenset({"127.0.0.1", "::1", "testclient"})


class SignIn(BaseModel, frozen=True, extra="forbid"):
    """Account and password."""

    user: str
    password: str


class Shift(BaseModel, frozen=True, extra="forbid"):
    """Whether somebody works now."""

    on_shift: bool


@dataclass(frozen=True, slots=True)
class Door:
    """What signing in needs."""

    do: Do
    read: sa.Engine
    clock: Clock
    passwords: Passwords
    new_token: Callable[[], str]  # 256 random bits
    secure: bool  # the public address is https: cookies never travel without it


def routes(door: Door) -> APIRouter:
    """Return the routes of people and their sessions."""
    router = APIRouter(tags=["people"])

    @router.post("/login", status_code=204)
    def login(body: SignIn, request: Request) -> Response:
        """Sign in. 401: account or password is wrong; 429: wait, too many wrong ones."""
        return _sign_in(body, _address(request), door)

    @router.post("/logout", status_code=204)
    def logout(request: Request, _: SignedIn) -> Response:
        """End this session at once."""
        token = session(request)
        door.do(lambda unit: handlers.sign_out(token, _people(unit)))
        request.app.state.who.forget(token)
        answer = Response(status_code=204)
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            answer.delete_cookie(name, secure=door.secure, samesite="lax")
        return answer

    @router.get("/me")
    def me(user: SignedIn) -> dict[str, Any]:
        """Return who asks."""
        return {
            "id": user.id,
            "name": user.name,
            "roles": sorted(user.roles),
            "language": user.language,
        }

    @router.get("/people")
    def people(_: SignedIn) -> list[dict[str, object]]:
        """Return everybody who works on the site."""
        with door.read.connect() as connection:
            return [told(person) for person in SqlPeople(connection).all()]

    @router.post("/people/{person}/shift", status_code=204)
    def shift(person: PersonId, body: Shift, user: SignedIn) -> None:
        """Begin or end a shift: one's own, or as an operator anybody's."""
        if person != user.id:
            user.need("operator")
        door.do(lambda unit: _people(unit).shift(person, on=body.on_shift))

    return router


def _sign_in(body: SignIn, address: str, door: Door) -> Response:
    """Check the password outside the writer: it takes long on purpose."""
    with door.read.connect() as connection:
        people = SqlPeople(connection)
        tries, stored = people.tries(body.user, address), people.password(body.user)
    if left := decide.wait(tries, door.clock.now()):
        wait_s = ceil(left.total_seconds())
        answer: JSONResponse = problem(429, "people.too-many", {"wait_s": wait_s})
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    if not door.passwords.verify(stored, body.password):
        door.do(lambda unit: handlers.wrong_password(body.user, address, _people(unit), unit.now))
        return problem(401, "people.wrong-password", {})
    token = door.new_token()
    person = PersonId(body.user)
    door.do(lambda unit: handlers.sign_in(person, token, address, _people(unit), unit.now))
    return _signed_in(token, door)


def _signed_in(token: str, door: Door) -> Response:
    answer = Response(status_code=204)
    for name, value, hidden in (
        (SESSION_COOKIE, token, True),
        (CSRF_COOKIE, decide.csrf(token), False),
    ):
        answer.set_cookie(
            name,
            value,
            max_age=COOKIE_S,
            httponly=hidden,
            secure=door.secure,
            samesite="lax",
        )
    return answer


def _address(request: Request) -> str:
    """Return where a request came from; only our own proxy is believed about others."""
    near = request.client.host if request.client else ""
    said = request.headers.get("x-forwarded-for", "").split(",")[-1].strip()
    return said if said and near in LOOPBACK else near


def _people(unit: Unit) -> SqlPeople:
    unit.forget(REMEMBERED)
    return SqlPeople(unit.session.connection())
