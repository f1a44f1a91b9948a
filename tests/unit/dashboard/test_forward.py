"""The forwarding over real sockets: bytes as they come, nobody's cookie, clear answers alone."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from dashboard.forward import Forward, passed_on, transport

DEADLINE_S = 10.0


class Upstream:
    """A server that tells what it was asked."""

    def __init__(self) -> None:
        self.go_on, self.left = threading.Event(), threading.Event()
        self.app = Starlette(
            routes=[
                Route("/api/who", self.who, methods=["GET", "POST"]),
                Route("/api/cookie", self.cookie),
                Route("/api/stream", self.stream),
                Route("/api/never", self.never),
                Route("/api/packed", self.packed),
            ]
        )

    @staticmethod
    async def who(request: Request) -> Response:
        body = (await request.body()).decode()
        headers = dict(request.headers)
        query = str(request.query_params)
        return JSONResponse({"headers": headers, "body": body, "query": query})

    @staticmethod
    async def cookie(_: Request) -> Response:
        answer = PlainTextResponse("set")
        answer.set_cookie("wk_session", "secret", httponly=True)
        return answer

    async def stream(self, _: Request) -> Response:
        async def frames() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"
            await anyio.to_thread.run_sync(self.go_on.wait, DEADLINE_S)
            yield b"data: 2\n\n"

        return StreamingResponse(frames(), media_type="text/event-stream")

    async def never(self, request: Request) -> Response:
        with anyio.move_on_after(DEADLINE_S):
            while (await request.receive())["type"] != "http.disconnect":
                pass
            self.left.set()
        return PlainTextResponse("late")

    @staticmethod
    async def packed(_: Request) -> Response:
        return Response(b"\x1f\x8bnot really", headers={"content-encoding": "gzip"})


def forwarding(server: str) -> Starlette:
    """Return an app that only forwards; it closes its connections when it ends."""
    through = transport()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with through:
            yield

    return Starlette(lifespan=lifespan, routes=[Mount("/api", app=Forward(server, through))])


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an app on a free port; yield its address."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    settings = uvicorn.Config(app, ws="none", log_level="error", access_log=False)
    settings.timeout_graceful_shutdown = 1
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        bound.close()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def front(upstream: Upstream) -> Iterator[httpx.Client]:
    with (
        serving(upstream.app) as server,
        serving(forwarding(server)) as url,
        httpx.Client(base_url=url, timeout=DEADLINE_S) as client,
    ):
        yield client


def test_a_request_arrives_with_its_body_query_and_cookie(front: httpx.Client) -> None:
    told = front.post(
        "/api/who?lang=zh&x=%20", content="报警".encode(), headers={"cookie": "wk_session=a"}
    ).json()
    assert told["body"] == "报警"
    assert told["query"] == "lang=zh&x=+"
    assert told["headers"]["cookie"] == "wk_session=a"
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_a_stream_passes_frame_by_frame(front: httpx.Client, upstream: Upstream) -> None:
    with front.stream("GET", "/api/stream") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"data: 1\n\n"  # the second one is not even written yet
        upstream.go_on.set()
        assert next(chunks) == b"data: 2\n\n"


def test_one_users_cookie_is_never_sent_for_another(front: httpx.Client) -> None:
    assert "wk_session=secret" in front.get("/api/cookie").headers["set-cookie"]
    with httpx.Client(base_url=front.base_url) as other:
        assert "cookie" not in other.get("/api/who").json()["headers"]


def test_when_the_browser_leaves_so_does_the_request(
    front: httpx.Client, upstream: Upstream
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        front.get("/api/never", timeout=0.3)
    assert upstream.left.wait(DEADLINE_S)


def test_nothing_is_unpacked_on_the_way(front: httpx.Client) -> None:
    with front.stream("GET", "/api/packed") as answer:
        assert b"".join(answer.iter_raw()) == b"\x1f\x8bnot really"


def test_a_server_that_is_away_is_a_502() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with serving(forwarding(server)) as url:
            assert httpx.get(f"{url}/api/who").status_code == 502


def test_headers_of_the_hop_stay_behind() -> None:
    headers = [(b"Connection", b"x-own, keep-alive"), (b"X-Own", b"1"), (b"Accept", b"*/*")]
    assert passed_on(headers, {b"accept-encoding"}) == [(b"Accept", b"*/*")]
