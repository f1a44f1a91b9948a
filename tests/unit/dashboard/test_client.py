"""The screens' way to the server: the viewer's cookie and no other, and clear trouble."""

import httpx
import pytest

from dashboard.client import Server
from watchkeeper.errors import Unreachable


def served(answer: httpx.Response, seen: list[httpx.Request]) -> Server:
    """Return a Server whose network is a function."""

    def answered(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    server = Server("http://server")
    server._http._transport = httpx.MockTransport(answered)  # noqa: SLF001 - no socket needed
    return server


def test_it_asks_with_the_viewers_cookie_and_keeps_none() -> None:
    seen: list[httpx.Request] = []
    sets = {"set-cookie": "wk_session=of-somebody; Path=/"}
    server = served(httpx.Response(200, json={"id": "a"}, headers=sets), seen)
    assert server.get("me", "mine", lang="zh") == {"id": "a"}
    assert server.get("me", "yours") == {"id": "a"}
    assert [request.headers["cookie"] for request in seen] == [
        "wk_session=mine",
        "wk_session=yours",
    ]
    assert seen[0].url == "http://server/api/v1/me?lang=zh"


def test_what_is_not_for_this_person_is_none() -> None:
    assert served(httpx.Response(401), []).get("me", "old") is None


def test_trouble_at_the_server_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        served(httpx.Response(502), []).get("me", "mine")


def test_a_deed_is_done_as_the_viewer_or_says_why_not() -> None:
    seen: list[httpx.Request] = []
    assert (
        served(httpx.Response(202, json={}), seen).post("quarantine/drop", "m", {"ids": [1]})
        is None
    )
    (sent,) = seen
    assert (sent.method, sent.url.path) == ("POST", "/api/v1/quarantine/drop")
    assert (sent.headers["authorization"], sent.content) == ("Bearer m", b'{"ids":[1]}')
    away = httpx.Response(503, json={"type": "server.no-gateway", "status": 503})
    problem = served(away, []).post("quarantine/rerun", "m", {"all": True})
    assert problem is not None
    assert problem.code == "server.no-gateway"
    with pytest.raises(Unreachable):
        served(httpx.Response(502, text="bad gateway"), []).post("x", "m", {})


def test_now_is_the_servers_clock() -> None:
    headers = {"date": "Tue, 24 Nov 2026 01:29:23 GMT"}
    now = served(httpx.Response(200, json={}, headers=headers), []).now()
    assert now.isoformat() == "2026-11-24T01:29:23+00:00"
