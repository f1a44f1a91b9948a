"""Simulated technicians: they follow their orders through the same API as people.

A person at the screen goes first: an order that somebody else moved is left alone for 60 s. Orders
the technician moved itself go on after short, realistic delays; one job at a time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx
from msgspec import Struct, convert

PEOPLE = ("wangqiang", "liumin")
PASSWORD = "watch-the-house"  # noqa: S105 - the published password of the demo
PATIENCE_S = 60.0  # how long a person may take before the simulation acts
PATIENCE_URGENT_S = 45.0  # priority 1: the platform withdraws an unanswered offer after 60 s
PAUSE_S = 2.0
FIX_S = 8.0  # of work, until the cause is gone
_NEXT: dict[str, tuple[str, float]] = {  # state of the order: verb, seconds in the state before it
    "assigned": ("accept", 6.0),
    "accepted": ("depart", 6.0),
    "en_route": ("arrive", 12.0),
    "on_site": ("start", 5.0),
    "in_progress": ("done", 20.0),
}
_AWAY = {"en_route", "on_site", "in_progress"}
_log = logging.getLogger(__name__)


class Order(Struct, frozen=True):
    """What a technician looks at in an order; the server sends more."""

    id: str
    unit: str
    state: str
    priority: int  # 1 is the most urgent
    person: str | None
    moved_at: int  # Unix ms


@dataclass(slots=True)
class Memory:
    """What a technician remembers of its orders."""

    moved: dict[str, int] = field(default_factory=dict)  # order: moved_at after its own last verb
    fixed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Move:
    """What to do next with an order: a verb of the API, or "fix"."""

    order: Order
    verb: str


def moves(orders: Sequence[Order], memory: Memory, now_ms: int, *, eager: bool) -> list[Move]:
    """Return what a technician does now with the orders assigned to it.

    Args:
        orders: Its own orders, the most urgent first.
        memory: What it did before.
        now_ms: The instant, Unix ms.
        eager: True: it does not wait for a person first.
    """
    away = next((order.id for order in orders if order.state in _AWAY), None)
    found: list[Move] = []
    for order in orders:
        if order.state not in _NEXT:
            continue
        verb, delay_s = _NEXT[order.state]
        own = eager or memory.moved.get(order.id) == order.moved_at
        waited_s = (now_ms - order.moved_at) / 1000
        if verb == "depart" and away not in (None, order.id):
            continue
        if verb == "done" and order.id not in memory.fixed and waited_s >= FIX_S and own:
            found.append(Move(order, "fix"))
        patience = PATIENCE_URGENT_S if order.priority == 1 else PATIENCE_S
        if waited_s >= (delay_s if own else patience):
            found.append(Move(order, verb))
            away = order.id if verb == "depart" else away
    return found


@dataclass(frozen=True, slots=True)
class World:
    """What technicians need of the world around them."""

    api: str  # base URL of the server
    origin: str  # scheme, host and port of the dashboard: only from there one may log in
    fix: Callable[[str], None]  # removes what is wrong at a unit
    now_ms: Callable[[], int]  # Unix ms


class Technician:
    """One person at the API."""

    def __init__(
        self, name: str, client: httpx.AsyncClient, world: World, *, eager: bool = False
    ) -> None:
        """Say who, by which client (with the server's base URL), in which world."""
        self._name, self._client, self._fix = name, client, world.fix
        self._now_ms, self._origin = world.now_ms, world.origin
        self._eager, self._memory, self._session = eager, Memory(), ""

    async def round(self) -> None:
        """Look at the orders once and do what is due. httpx.HTTPError: no answer."""
        if not self._session:
            await self._log_in()
        answer = await self._send("GET", "/api/v1/orders", params={"open": "true", "mine": "true"})
        orders = [
            order
            for order in convert(answer.json(), list[Order], strict=False)
            if order.person == self._name
        ]
        for move in moves(orders, self._memory, self._now_ms(), eager=self._eager):
            await self._do(move)

    async def _do(self, move: Move) -> None:
        order = move.order
        if move.verb == "fix" or (move.verb == "done" and order.id not in self._memory.fixed):
            self._memory.fixed.add(order.id)
            self._fix(order.unit)
        if move.verb == "fix":
            return
        body = {"reason": "", "note": "", "cause": "", "remedy": ""}
        if move.verb == "done":
            body |= {"cause": "component", "remedy": "repaired", "note": "已修复，现场试运行正常"}
        try:
            answer = await self._send("POST", f"/api/v1/orders/{order.id}/{move.verb}", json=body)
        except httpx.HTTPStatusError as error:
            if error.response.is_server_error:
                raise
            return  # somebody was faster: the next round sees what they did
        self._memory.moved[order.id] = convert(answer.json(), Order, strict=False).moved_at

    async def _log_in(self) -> None:
        body = {"user": self._name, "password": PASSWORD}
        headers = {"Origin": self._origin}  # what a browser says at the login page
        answer = await self._client.post("/api/v1/login", json=body, headers=headers)
        answer.raise_for_status()
        self._session = answer.cookies["wk_session"]
        self._client.cookies.clear()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: dict[str, str] | None = None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._session}"}
        answer = await self._client.request(method, path, params=params, json=json, headers=headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._session = ""  # expired, or the server was set up anew: log in next time
        answer.raise_for_status()
        return answer


async def follow(technician: Technician, pause: Callable[[float], Awaitable[None]]) -> None:
    """Let one technician work for ever; say once when the server is lost and once when back."""
    lost = False
    while True:
        try:
            await technician.round()
            if lost:
                _log.info("technician: the server answers again")
            lost = False
        except (httpx.HTTPError, ValueError, KeyError) as error:
            if not lost:
                _log.info("technician: the server does not answer: %s", error)
            lost = True
        await pause(PAUSE_S)


async def work(world: World) -> None:
    """Let all simulated technicians work until cancelled."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line a request
    async with asyncio.TaskGroup() as group:
        for name in PEOPLE:
            client = httpx.AsyncClient(base_url=world.api, timeout=10.0, trust_env=False)
            group.create_task(follow(Technician(name, client, world), asyncio.sleep))
