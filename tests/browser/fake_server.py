"""The server's API with a made-up story, for the screens' own tests: `python fake_server.py PORT`.

Riverside Plaza as the catalog describes it; accounts and passwords as in the demonstration. POST
/fake/alarm, /fake/return, /fake/order, /fake/run and /fake/value make things happen at once.
"""

import asyncio
import contextlib
import json
import math
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from adapters.system_clock import SystemClock
from tests.browser import fake_completeness, fake_quarantine, fake_rules, fake_watch
from tests.browser.fake_story import Story
from watchkeeper import site
from watchkeeper.clock import unix_ms
from watchkeeper.units import SYMBOLS

CATALOG = Path(__file__).parents[2] / "catalog"
PASSWORD = "watch-the-house"  # noqa: S105 - of the demonstration
ROLES = {
    "chenlei": ("陈磊", ["operator"], []),
    "wangqiang": ("王强", ["technician"], ["electrical"]),
    "liumin": ("刘敏", ["technician"], ["elevator", "fire"]),
    "zhaoyan": ("赵燕", ["manager"], []),
    "admin": ("管理员", ["admin"], []),
}
CLOCK = SystemClock()


def now() -> int:
    """Return the time, Unix ms."""
    return unix_ms(CLOCK.now())


def described() -> dict[str, Any]:
    """Return the site of the catalog as GET /site tells it."""
    plant = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
    units = [
        {
            "id": unit.id, "name": unit.name, "profile": unit.profile,
            "equipment": plant.profiles[unit.profile].equipment, "place": unit.place,
            "part_of": unit.part_of, "feeds": unit.feeds, "rated_kw": unit.rated_kw,
            "zones": unit.zones,
        }
        for unit in plant.units()
    ]  # fmt: skip
    points = [
        {
            "id": item.id, "unit": item.unit.id, "name": item.point.name,
            "unit_symbol": SYMBOLS.get(item.point.unit, item.point.unit),
            "decimals": item.point.decimals, "class": item.point.point_class,
            "kind": item.point.kind, "words": item.point.words,
            "stale_after_s": item.point.stale_after_s,
        }
        for item in plant.points()
    ]  # fmt: skip
    about = plant.site.site
    found: dict[str, Any] = msgspec.to_builtins(
        {
            "id": about.id, "name": about.name, "time_zone": about.time_zone, "demo": True,
            "places": plant.site.places, "units": units, "points": points,
        }
    )  # fmt: skip
    return found


class Hub:
    """Everything the fake server remembers."""

    def __init__(self) -> None:
        self.site = described()
        self.sessions: dict[str, tuple[str, str]] = {}  # id -> user, csrf
        self.log: list[bytes] = []
        self.woken: set[asyncio.Event] = set()
        self.asked: list[tuple[str, str]] = []  # user, path of each POST
        self.flags: list[dict[str, Any]] = []
        self.story = Story(self.site, now, self.tell)

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        """Add a change to the log."""
        text = json.dumps(body, ensure_ascii=False)
        self.log.append(f"id: {len(self.log) + 1}\nevent: {kind}\ndata: {text}\n\n".encode())
        for event in self.woken:
            event.set()


hub = Hub()
app = FastAPI()
app.include_router(fake_quarantine.routes(now, hub.asked))
app.include_router(fake_watch.routes(now))
app.include_router(fake_completeness.routes(now, lambda: hub.site))


def user(request: Request) -> str:
    """Return who asks; 401 for nobody."""
    found = hub.sessions.get(request.cookies.get("wk_session", ""))
    if found is None:
        raise HTTPException(401)
    return found[0]


def program_of(request: Request) -> str:
    """Return for whom the dashboard asks, by the session it brings."""
    return hub.sessions[request.headers["authorization"].partition(" ")[2]][0]


app.include_router(fake_rules.routes(now, program_of))


def writer(request: Request) -> str:
    """Return who writes; 403 without the session's own token."""
    who = user(request)
    if request.headers.get("x-csrf") != hub.sessions[request.cookies["wk_session"]][1]:
        raise HTTPException(403)
    hub.asked.append((who, request.url.path))
    return who


@app.post("/api/v1/login", status_code=204)
async def login(request: Request, response: Response) -> None:
    """Sign in."""
    asked = await request.json()
    if asked["user"] not in ROLES or asked["password"] != PASSWORD:
        raise HTTPException(401)
    session, csrf = secrets.token_urlsafe(), secrets.token_urlsafe()
    hub.sessions[session] = (asked["user"], csrf)
    response.set_cookie("wk_session", session, httponly=True, samesite="lax")
    response.set_cookie("wk_csrf", csrf, samesite="lax")


@app.post("/api/v1/logout", status_code=204)
def logout(request: Request) -> None:
    """Sign out."""
    writer(request)
    hub.sessions.pop(request.cookies["wk_session"])


@app.get("/api/v1/me")
def me(request: Request) -> dict[str, Any]:
    """Return who asks."""
    who = user(request)
    return {"id": who, "name": ROLES[who][0], "roles": ROLES[who][1], "language": "zh"}


@app.get("/api/v1/health")
def health() -> dict[str, Any]:
    """Return how things are."""
    edges = {"plant-b1": {"state": "online", "age_s": 1.2}}
    return {"ok": True, "broker": True, "history": True, "edges": edges, "version": "0.1.0"}


@app.get("/api/v1/site")
def get_site(request: Request) -> dict[str, Any]:
    """Return the site."""
    user(request)
    return hub.site


@app.get("/api/v1/people")
def people(request: Request) -> list[dict[str, Any]]:
    """Return everybody."""
    user(request)
    return [
        {"id": who, "name": name, "roles": roles, "skills": skills, "on_shift": who != "admin"}
        for who, (name, roles, skills) in ROLES.items()
    ]


@app.get("/api/v1/points/latest")
def latest(points: str = "") -> list[dict[str, Any]]:
    """Return newest values."""
    return hub.story.values.latest(points.split(","))


@app.get("/api/v1/history")
def history(point: str, start: int, end: int, width: int | str = 0) -> dict[str, Any]:
    """Return a plausible day, with a hole between 09:15 and 10:00."""
    step = width if isinstance(width, int) and width else 60_000
    starts = list(range(start // step * step, end, step))
    base = hub.story.values.base(point)
    at = [(each // 3_600_000 + 8 + (each % 3_600_000) / 3_600_000) % 24 for each in starts]
    means = [
        None if 9.25 < hour < 10 else base * (0.35 + 0.65 * math.exp(-(((hour - 14) / 5) ** 2)))
        for hour in at
    ]
    columns = {"start": starts, "mean": means, "low": means, "high": means}
    return columns | {"counts": [10] * len(at), "width": step}


@app.get("/api/v1/orders/{order}")
def one_order(order: str, request: Request) -> Any:
    """Return one order."""
    return hub.story.order_for(hub.story.orders[order], user(request))


@app.get("/api/v1/energy/month")
def energy(month: str, request: Request) -> Any:
    """Return a month."""
    user(request)
    return hub.story.values.month(month)


@app.get("/api/v1/alarms/flood")
def flood() -> dict[str, int | None]:
    """There is none."""
    return {"since": None, "alarms": 0}


@app.get("/api/v1/alarms/{alarm}")
def one_alarm(alarm: str, request: Request) -> Any:
    """Return an alarm and who was told of it."""
    user(request)
    found = hub.story.alarms[alarm]
    at = found["raised_at"]
    ways = [{"channel": "inbox", "state": "read", "at": at}]
    return found | {"told": [{"person": "gone", "name": "Li", "at": at, "channels": ways}]}


@app.post("/api/v1/alarms/acknowledge")
async def acknowledge_all(request: Request) -> Any:
    """Acknowledge several, none of life safety."""
    who = writer(request)
    ids = (await request.json())["ids"]
    for alarm in ids:
        hub.story.acknowledge(alarm, who)
    return [{"id": alarm, "ok": True} for alarm in ids]


@app.post("/api/v1/alarms/{alarm}/shelve")
async def shelve(alarm: str, request: Request) -> Any:
    """Put an alarm aside for a while."""
    who, asked = writer(request), await request.json()
    found = hub.story.alarms[alarm]
    until = now() + round(asked["minutes"] * 60_000)
    found |= {"flags": ["shelved"], "shelved_until": until}
    flag = {
        "id": f"flg-{alarm}", "kind": "shelved", "by": who, "since": now(), "until": until,
        "subject": f"alarm:{found['rule']}|{found['point']}", "name": found["title"],
        "reason": asked["reason"], "one_shot": asked["one_shot"], "ended_at": None,
    }  # fmt: skip
    hub.flags.append(flag)
    hub.tell("flag", flag)
    hub.tell("alarm", found)
    return flag


@app.post("/api/v1/alarms/{alarm}/acknowledge")
def acknowledge(alarm: str, request: Request) -> Any:
    """Acknowledge."""
    who = writer(request)
    if hub.story.alarms[alarm]["life"] not in {"unacknowledged", "returned"}:
        by = hub.story.alarms[alarm]["acknowledged_by"]
        body = {
            "type": "alarms.not-unacknowledged",
            "status": 409,
            "state": "acknowledged",
            "by": by,
        }
        return JSONResponse(body, 409)
    hub.story.acknowledge(alarm, who)
    return Response(status_code=204)


@app.post("/api/v1/orders/{order}/{verb}")
async def move(order: str, verb: str, request: Request) -> Any:
    """Move an order."""
    who = writer(request)
    return hub.story.move(order, verb, who, await request.json())


@app.post("/api/v1/plans/{plan}/start")
async def start(plan: str, request: Request) -> Any:
    """Start a plan."""
    writer(request)
    asked = await request.json()
    return hub.story.runs.start(plan, asked["place"], asked["mode"], alarms=[])


@app.post("/api/v1/runs/{run}/{rest:path}")
async def run_move(run: str, rest: str, request: Request) -> Any:
    """Work on a run."""
    who = writer(request)
    return hub.story.runs.work(run, rest, who, ROLES[who][0], await request.json())


@app.post("/api/v1/inbox/{message}/read", status_code=204)
def read(message: str, request: Request) -> None:
    """Read a message."""
    writer(request)
    hub.story.read.add(message)


@app.get("/api/v1/stream")
async def stream(request: Request, points: str = "", after: int = -1) -> StreamingResponse:
    """Follow."""
    asked = request.headers.get("last-event-id")
    row = int(asked) if asked else after
    return StreamingResponse(
        frames(request.cookies["wk_session"], [each for each in points.split(",") if each], row),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-who": user(request)},
    )


async def frames(session: str, points: list[str], row: int) -> AsyncIterator[bytes]:
    """Yield the log from `row` on, values twice a second, a beat every 2 s."""
    if row < 0:
        row = len(hub.log)
        whole = json.dumps(hub.story.snapshot() | {"flags": hub.flags})
        yield f"event: snapshot\ndata: {whole}\n\n".encode()
    beat = CLOCK.tick()
    woken = asyncio.Event()
    hub.woken.add(woken)
    try:
        while session in hub.sessions:
            for line in hub.log[row:]:
                yield line
            row = len(hub.log)
            if points:
                read = json.dumps(hub.story.values.values(points))
                yield f"event: values\ndata: {read}\n\n".encode()
            if CLOCK.tick() >= beat:
                beat = CLOCK.tick() + 2
                yield f'event: beat\ndata: {{"row": {row}}}\n\n'.encode()
            woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), 0.5)
    finally:
        hub.woken.discard(woken)


@app.get("/api/v1/{what}")
def listed(what: str, request: Request) -> Any:
    """Return alarms, orders, runs, plans or messages."""
    who = user(request)
    found = {
        "alarms": lambda: list(hub.story.alarms.values()),
        "orders": lambda: [hub.story.order_for(each, who) for each in hub.story.orders.values()],
        "runs": lambda: list(hub.story.runs.all.values()),
        "plans": hub.story.runs.listed,
        "inbox": lambda: hub.story.inbox(who),
    }.get(what)
    if found is None:
        raise HTTPException(404)
    return found()


@app.get("/go/{token}", response_class=HTMLResponse)
def go(token: str) -> str:
    """Show an accept link."""
    return f"<p>{token}</p>"


@app.post("/fake/{what}")
async def happen(what: str, request: Request) -> Any:
    """Make something happen now."""
    asked = await request.json()
    return getattr(hub.story, f"make_{what}")(**asked)


@app.get("/fake/asked")
def asked() -> list[tuple[str, str]]:
    """Return who posted what."""
    return hub.asked


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
