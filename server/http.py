"""What every route shares: who asks, how a command is handed over, how an error is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from server.unit import Unit
from watchkeeper.errors import Forbidden, NotPossible, Refused, Unreachable, WatchkeeperError
from watchkeeper.ids import PersonId

Do: TypeAlias = Callable[[Callable[[Unit], Any]], Any]  # runs work in a unit, returns its result

SESSION_COOKIE = "wk_session"  # HttpOnly
CSRF_COOKIE = "wk_csrf"  # readable by our own page, sent back in the header below
CSRF_HEADER = "x-csrf"


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person."""

    id: PersonId
    name: str
    roles: frozenset[str]  # of admin, operator, technician, manager
    language: str = "zh"

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
        return problem(_STATUS.get(type(error), 500), error.code, error.facts)

    @app.exception_handler(KeyError)
    def unknown(_: Request, error: KeyError) -> JSONResponse:
        return problem(404, "unknown", {"id": str(error.args[0])})


def problem(status: int, code: str, facts: dict[str, object]) -> JSONResponse:
    """Return a problem document; `type` is the code that catalog/i18n has words for."""
    body = {"type": code, "status": status, **facts}
    return JSONResponse(body, status, media_type="application/problem+json")
