"""What every route shares: who asks, how a command is handed over, how an error is told."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from server.unit import Unit
from watchkeeper.documents import Text
from watchkeeper.errors import Forbidden, NotPossible, Refused, Unreachable, WatchkeeperError
from watchkeeper.ids import PersonId

Do: TypeAlias = Callable[[Callable[[Unit], Any]], Any]  # runs work in a unit, returns its result

SESSION_COOKIE = "wk_session"  # HttpOnly
CSRF_COOKIE = "wk_csrf"  # readable by our own page, sent back in the header below
CSRF_HEADER = "x-csrf"
AGAIN_S = "10"  # after so many seconds one may ask again, when a neighbour did not answer
_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person."""

    id: PersonId
    name: str
    roles: frozenset[str]  # of admin, operator, technician, manager
    language: str = "zh"
    names: Text | None = None  # in both languages, where they are known

    def need(self, *roles: str) -> None:
        """Raise Forbidden unless the person has one of the roles; an admin has all."""
        if not self.roles & {*roles, "admin"}:
            raise Forbidden("people.role-needed", roles=list(roles))


class SignedOut(WatchkeeperError):  # noqa: N818 - a word of the domain
    """Nobody is signed in (401)."""


def session(request: Request) -> str:
    """Return the session of a request: a program's bearer token, else the browser's cookie."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else request.cookies.get(SESSION_COOKIE, "")


def signed_in(request: Request) -> User:
    """Return who asks; main.py puts the look-up into the app's state."""
    user: User | None = request.app.state.who(session(request))
    if user is None:
        raise SignedOut("people.signed-out")
    return user


SignedIn = Annotated[User, Depends(signed_in)]


async def storable(request: Request) -> None:
    """Refuse text that no database can hold, before a route sees it; the fact names the field."""
    asked: dict[str, Any] = {**request.path_params, **request.query_params}
    if request.method == "POST" and await request.body():
        try:
            asked["body"] = await request.json()
        except (ValueError, RecursionError):
            return  # the route says what is wrong with it, or does not read it
    if (field := unstorable(asked)) is not None:
        raise NotPossible("server.text", field=field.removeprefix("body."))


def unstorable(value: object) -> str | None:
    """Return where a text with a NUL or half a character pair stands ("headcount.note"), or None.

    PostgreSQL refuses the first, UTF-8 the second.
    """
    waiting = [("", value)]
    while waiting:
        at, each = waiting.pop()
        inside = list(each.items()) if isinstance(each, dict) else []
        inside += enumerate(each) if isinstance(each, list) else []
        texts = [each, *(name for name, _ in inside)]
        if any(isinstance(text, str) and _UNSTORABLE.search(text) for text in texts):
            return at
        waiting += [(f"{at}.{name}".lstrip("."), inner) for name, inner in inside]
    return None


_STATUS: dict[type[WatchkeeperError], int] = {
    SignedOut: 401,
    Forbidden: 403,
    Refused: 409,
    NotPossible: 422,
    Unreachable: 503,
}


def install(app: FastAPI) -> None:
    """Tell errors as problem+json (RFC 9457); their words stand in catalog/i18n under the code."""

    @app.exception_handler(WatchkeeperError)
    def told(_: Request, error: WatchkeeperError) -> JSONResponse:
        status = _STATUS.get(type(error), 500)
        answer = problem(status, error.code, error.facts)
        if status == _STATUS[Unreachable]:
            answer.headers["Retry-After"] = AGAIN_S
        return answer

    @app.exception_handler(KeyError)
    def unknown(_: Request, error: KeyError) -> JSONResponse:
        return problem(404, "unknown", {"id": str(error.args[0])})


def problem(status: int, code: str, facts: dict[str, object]) -> JSONResponse:
    """Return a problem document; `type` is the code that catalog/i18n has words for."""
    body = {"type": code, "status": status, **facts}
    return JSONResponse(body, status, media_type="application/problem+json")
