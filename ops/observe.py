"""How the story and the benchmarks look at the product from outside: API, stream, webhook sink."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any, TypeVar

import httpx
from typing_extensions import override

from watchkeeper.clock import Clock, unix_ms

Json = dict[str, Any]
Found = TypeVar("Found")


class Missed(Exception):  # noqa: N818 - says what happened
    """What should have been seen was not seen in time."""


class Api:
    """A person's view of the API, signed in with a session."""

    def __init__(self, base: str, user: str, password: str, clock: Clock) -> None:
        self._clock = clock
        self._pause = Event()  # never set: a wait that the clock rule allows
        self.client = httpx.Client(base_url=base, timeout=10.0, trust_env=False)
        answer = self.client.post(
            "/api/v1/login", json={"user": user, "password": password}, headers={"Origin": base}
        )
        answer.raise_for_status()
        self.client.headers.update(
            {"Origin": base, "X-CSRF": self.client.cookies.get("wk_csrf") or ""}
        )

    def get(self, path: str, **query: object) -> Any:
        """Return the answer's JSON."""
        found = {name: str(value).lower() if isinstance(value, bool) else str(value)
                 for name, value in query.items()}  # fmt: skip
        answer = self.client.get(f"/api/v1{path}", params=found)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Post and return the answer's JSON, None when it has none."""
        answer = self.client.post(f"/api/v1{path}", json=body or {})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def wait(self, what: str, look: Callable[[], Found | None], within_s: float) -> Found:
        """Look again and again until something is found; raises Missed with the last reason."""
        until = self._clock.tick() + within_s
        while True:
            try:
                found, why = look(), "nothing"
            except (httpx.HTTPError, Missed) as error:
                found, why = None, str(error)
            if found:
                return found
            if self._clock.tick() > until:
                raise Missed(f"{what}: not within {within_s:.0f} s: {why}")
            self._pause.wait(0.1)

    def rest(self, seconds: float) -> None:
        """Let time pass, as a person would who watches."""
        self._pause.wait(seconds)

    def close(self) -> None:
        """Let the connections go."""
        self.client.close()


class Sink:
    """A webhook receiver that keeps what arrives with the instant it arrived."""

    def __init__(self, clock: Clock) -> None:
        self.received: list[tuple[int, Json]] = []  # Unix ms, body
        self._news = Condition()
        sink = self

        class Receive(BaseHTTPRequestHandler):
            """One POST a message."""

            def do_POST(self) -> None:
                """Keep the message and say 204."""
                at = unix_ms(clock.now())
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                with sink._news:
                    sink.received.append((at, json.loads(body)))
                    sink._news.notify_all()
                self.send_response(204)
                self.end_headers()

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, name="sink", daemon=True).start()

    @property
    def url(self) -> str:
        """Return where to post to."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def wait(self, fits: Callable[[Json], bool], within_s: float) -> tuple[int, Json]:
        """Return the first message that fits, with its instant; raises Missed."""

        def first() -> tuple[int, Json] | None:
            return next(((at, body) for at, body in self.received if fits(body)), None)

        with self._news:
            if not self._news.wait_for(lambda: first() is not None, within_s):
                raise Missed(f"webhook: nothing that fits within {within_s:.0f} s")
            found = first()
        if found is None:
            raise Missed("webhook: the message is gone")
        return found

    def close(self) -> None:
        """Stop receiving."""
        self._server.shutdown()
        self._server.server_close()


class Building:
    """The simulated building's control: what a person would do with hands, and what was true."""

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=10.0, trust_env=False
        )

    def scenario(self, name: str, **facts: object) -> Json:
        """Set a physical cause, or clear it with clear=True; returns {"at": Unix ms, …}."""
        answer = self._client.post("/scenario", json={"name": name, **facts})
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def play(self, scenario: str) -> Json:
        """Play a scenario of the catalog, or a file; raises Missed with what is wrong with it."""
        answer = self._client.post("/scenario", json={"play": scenario})
        found: Json = answer.json()
        if not answer.is_success:
            raise Missed(f"scenario {scenario}: {found['error']}")
        return found

    def link(self, mode: str, to: str = "", listen: int = 0) -> None:
        """Put a proxy into the edge's link to the broker, or change it: forward, cut, stall."""
        body = {"name": "edge-to-broker", "mode": mode, "to": to, "listen": listen}
        self._client.post("/proxy", json=body).raise_for_status()

    def log(self, since: int) -> list[Json]:
        """Return what registers held: [{point, at, value}], every change since Unix ms."""
        answer = self._client.get("/log", params={"since": since})
        answer.raise_for_status()
        found: list[Json] = answer.json()
        return found

    def energy(self, unit: str, start: int, end: int) -> float:
        """Return the true energy of a meter over a span, kWh."""
        answer = self._client.get(
            "/truth/energy", params={"unit": unit, "start": start, "end": end}
        )
        answer.raise_for_status()
        return float(answer.json()["kwh"])

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()
