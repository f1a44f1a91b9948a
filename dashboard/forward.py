"""Passes /api and /go to the server as raw bytes, streams included: a page has one origin."""

from collections.abc import AsyncIterator

import anyio
import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

# Two heartbeats (5 s) and a bit: a server silent for longer is given up, the page then reconnects.
TIMEOUT_S = {"connect": 2.0, "read": 12.0, "write": 12.0, "pool": 2.0}
Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
    *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
}
_NOT_TO_SERVER = {b"accept-encoding", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"}
_NOT_TO_BROWSER = {b"date", b"server"}  # uvicorn writes its own


def transport() -> httpx.AsyncHTTPTransport:
    """Return the bare transport, not a client: a client's cookie jar would mix the users up.

    No limit on connections: each stream holds one, and an acknowledge must never queue behind them.
    Idle ones go after 2 s, before the server closes them (5 s) under a request just sent.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=2.0)
    return httpx.AsyncHTTPTransport(limits=limits, trust_env=False)


def passed_on(headers: Headers, dropped: set[bytes]) -> Headers:
    """Return the headers that go on: not the hop's own, not those `Connection` names."""
    named = {
        name.strip().lower()
        for key, value in headers
        if key.lower() == b"connection"
        for name in value.split(b",")
    }
    gone = _HOP_BY_HOP | dropped | named
    return [(key, value) for key, value in headers if key.lower() not in gone]


class Forward:
    """An ASGI app: the server, seen through this process."""

    def __init__(self, server: str, through: httpx.AsyncBaseTransport) -> None:
        self._server, self._through = httpx.URL(server), through

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its bytes back as they come; let go when the browser does."""
        if scope["type"] != "http":  # no websocket under /api
            await send({"type": "websocket.close"})
            return
        body = _Body(scope, receive)
        async with anyio.create_task_group() as group:

            async def leave_with_browser() -> None:
                await body.gone()
                group.cancel_scope.cancel()  # also while the server has not answered yet

            group.start_soon(leave_with_browser)
            try:
                response = await self._through.handle_async_request(self._request(scope, body))
            except httpx.TransportError as error:
                status = 504 if isinstance(error, httpx.TimeoutException) else 502
                await PlainTextResponse("The server does not answer", status)(scope, receive, send)
            else:
                await _give_back(response, send)
            group.cancel_scope.cancel()

    def _request(self, scope: Scope, body: "_Body") -> httpx.Request:
        headers = passed_on(scope["headers"], _NOT_TO_SERVER)
        headers.append((b"x-forwarded-for", scope["client"][0].encode()))
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        return httpx.Request(
            scope["method"],
            self._server.copy_with(raw_path=scope["raw_path"] + query),
            headers=headers,
            content=body.parts() if body.expected else None,
            extensions={"timeout": TIMEOUT_S},
        )


class _Body:
    """What the browser sends, and the moment it leaves: both come by the same `receive`."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        names = {key for key, _ in scope["headers"]}
        self.expected = bool(names & {b"content-length", b"transfer-encoding"})
        self._receive, self._read = receive, anyio.Event()

    async def parts(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            more = message.get("more_body", False)
            yield message.get("body", b"")
        self._read.set()

    async def gone(self) -> None:
        if self.expected:
            await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _give_back(response: httpx.Response, send: Send) -> None:
    """Send the raw bytes on. A server lost half-way leaves the answer unfinished: it shows."""
    headers = passed_on(response.headers.raw, _NOT_TO_BROWSER)
    start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
    try:
        await send(start)
        async for chunk in response.stream:  # type: ignore[union-attr] # raw: nothing is decoded
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except httpx.TransportError:
        return
    finally:
        await response.aclose()
