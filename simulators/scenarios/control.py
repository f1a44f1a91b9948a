"""The control port: a small local HTTP server, JSON in and out, for stories and curious people.

POST /scenario {"name", "unit", "clear", and what the cause takes (cause.py)}
POST /scenario {"play"}                     a scenario of the catalog, from its beginning
POST /fix      {"unit"}                     clear whatever is wrong there, as a technician does
POST /proxy    {"name", "to", "listen", "mode", any of the fields of faults.py}   see fault_proxy.py
GET  /active                                what is wrong now
GET  /log?since=ms                          what the watched registers really held, change by change
GET  /truth/energy?unit=&start=&end=        true energy, kWh
A wrong request is answered with 422 and its reason. It is for 127.0.0.1 and asks for no login.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from simulators.fault_proxy import Mode, Proxies
from simulators.faults import Faults
from simulators.scenarios.script import Player
from simulators.scenarios.stage import Request
from watchkeeper.errors import ConfigError, NotPossible

MOST_BYTES = 64_000
Shape = TypeVar("Shape")
_FAULTS = Faults.__struct_fields__


class Fix(msgspec.Struct, forbid_unknown_fields=True):
    """Body of /fix."""

    unit: str


class Play(msgspec.Struct, forbid_unknown_fields=True):
    """Body of /scenario for a whole one."""

    play: str


class Link(Faults, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of /proxy: opened by the first request of its name; a fault not named is over."""

    name: str
    to: str = ""  # "127.0.0.1:1883", needed the first time
    listen: int = 0  # 0: a free port
    mode: Mode = "forward"


class Control:
    """Routes requests to the stage and the proxies."""

    def __init__(self, player: Player, proxies: Proxies, now_ms: Callable[[], int]) -> None:
        self._player, self._stage = player, player.stage
        self._proxies, self._now_ms = proxies, now_ms
        self._routes: Mapping[str, Callable[[dict[str, str], bytes], Awaitable[object]]] = {
            "POST /scenario": self._scenario,
            "POST /fix": self._fix,
            "POST /proxy": self._proxy,
            "GET /active": self._active,
            "GET /log": self._log,
            "GET /truth/energy": self._energy,
        }

    async def answer(self, method: str, target: str, body: bytes) -> tuple[int, object]:
        """Return the HTTP status and what is sent as JSON."""
        parts = urlsplit(target)
        route = self._routes.get(f"{method} {parts.path}")
        if route is None:
            return 404, {"error": f"no {method} {parts.path}", "known": list(self._routes)}
        try:
            return 200, await route(dict(parse_qsl(parts.query)), body)
        except ConfigError as error:
            return 422, {"error": str(error)}
        except NotPossible as error:
            return 422, {"error": error.code, **error.facts}
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            return 422, {"error": f"{type(error).__name__}: {error}"}

    async def serve(self, port: int) -> asyncio.Server:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        return await asyncio.start_server(self._connected, "127.0.0.1", port, limit=MOST_BYTES)

    async def _scenario(self, _query: dict[str, str], body: bytes) -> object:
        said = msgspec.json.decode(body)
        if isinstance(said, dict) and "play" in said:
            script = self._player.begin(_read(body, Play).play, self._now_ms())
            return {"name": script.name, "lasts_s": script.requests()[-1][0]}
        return self._stage.play(_read(body, Request), self._now_ms())

    async def _fix(self, _query: dict[str, str], body: bytes) -> object:
        return self._stage.fix(_read(body, Fix).unit, self._now_ms())

    async def _proxy(self, _query: dict[str, str], body: bytes) -> object:
        link = _read(body, Link)
        proxy = await self._proxies.get(link.name, link.to, link.listen)
        proxy.switch(link.mode, Faults(**{name: getattr(link, name) for name in _FAULTS}))
        said = {name: getattr(link, name) for name in _FAULTS if getattr(link, name)}
        return {"name": link.name, "port": proxy.port, "mode": proxy.mode, **said}

    async def _active(self, _query: dict[str, str], _body: bytes) -> object:
        return self._stage.active()

    async def _log(self, query: dict[str, str], _body: bytes) -> object:
        return self._stage.changes(int(query.get("since", "0")))

    async def _energy(self, query: dict[str, str], _body: bytes) -> object:
        start, end = int(query["start"]), int(query["end"])
        kwh = self._stage.building.energy_kwh(query["unit"], start, end)
        return {"unit": query["unit"], "start": start, "end": end, "kwh": kwh}

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request and close: enough for a control port."""
        try:
            method, target, body = await _request(reader)
            status, made = await self.answer(method, target, body)
            data = msgspec.json.encode(made)
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
                "Content-Type: application/json",
                f"Content-Length: {len(data)}",
                "Connection: close",
            )
            writer.write("\r\n".join([*head, "", ""]).encode() + data)
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # the asker went away or sent no HTTP: nobody is there to be told
        finally:
            writer.close()


def _read(body: bytes, shape: type[Shape]) -> Shape:
    return msgspec.json.decode(body, type=shape)


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    """Return method, target and body. ValueError: it is no HTTP request, or too long."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    fields = dict(line.lower().split(":", 1) for line in head[1:] if ":" in line)
    length = int(fields.get("content-length", "0"))
    if length > MOST_BYTES:
        raise ValueError("body too long")
    return method, target, await reader.readexactly(length)
