"""Who may write from a browser: our own origin, with the token only our own page can read.

A browser always says where a POST comes from; silence is refused too. A program that says
`Authorization: Bearer` needs neither: no foreign page can make a browser send that header.
"""

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http import CSRF_COOKIE, CSRF_HEADER, problem

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOGIN = "/api/v1/login"  # there is no token before it


def origins(public_url: str) -> frozenset[str]:
    """Return the origin of the public URL; one of this machine goes by each of its names."""
    parts = urlsplit(public_url)
    port = f":{parts.port}" if parts.port else ""
    loopback = ("127.0.0.1", "localhost")
    hosts = loopback if parts.hostname in loopback else (parts.hostname or "",)
    return frozenset(f"{parts.scheme}://{host}{port}" for host in hosts)


class Guard:
    """Refuses a write under /api that a foreign page may have caused (403)."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer with a problem."""
        if scope["type"] == "http" and (code := self._refused(scope)):
            await problem(403, code, {})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> str:
        path: str = scope["path"]
        if scope["method"] in _READS or not path.startswith("/api/"):
            return ""
        headers = Headers(scope=scope)
        if headers.get("authorization", "").lower().startswith("bearer "):
            return ""
        if headers.get("origin") not in self._allowed:
            return "server.foreign-origin"
        if path != _LOGIN and not _same(headers):
            return "server.no-csrf"
        return ""


def _same(headers: Headers) -> bool:
    """Return whether the header holds what the cookie holds."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(CSRF_COOKIE)
    except CookieError:
        return False
    if cookie is None or not cookie.value:
        return False
    given = headers.get(CSRF_HEADER, "")
    return secrets.compare_digest(cookie.value.encode(), given.encode())
