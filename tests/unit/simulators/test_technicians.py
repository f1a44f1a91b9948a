import json
from collections.abc import Callable

import httpx
import pytest
from msgspec import structs

from simulators.technicians import Memory, Order, Technician, World, moves

NOW = 1_790_000_000_000
ORDER = Order("ord_1", "hvac-1", "assigned", 2, "wangqiang", NOW)


def verbs(order: Order, after_s: float, memory: Memory, *, eager: bool = False) -> list[str]:
    found = moves([order], memory, NOW + round(after_s * 1000), eager=eager)
    return [move.verb for move in found]


@pytest.mark.parametrize(
    ("state", "priority", "own", "after_s", "expected"),
    [
        pytest.param("assigned", 2, False, 59, [], id="a person may be first"),
        pytest.param("assigned", 2, False, 60, ["accept"], id="nobody was"),
        pytest.param("assigned", 1, False, 45, ["accept"], id="before an urgent offer ends"),
        pytest.param("accepted", 2, False, 30, [], id="a person accepted it"),
        pytest.param("accepted", 2, True, 6, ["depart"], id="its own goes on"),
        pytest.param("in_progress", 2, True, 8, ["fix"], id="repaired before it is done"),
        pytest.param("on_hold", 2, True, 999, [], id="a pause is a person's"),
    ],
)
def test_what_is_done_when(
    state: str, priority: int, *, own: bool, after_s: float, expected: list[str]
) -> None:
    memory = Memory(moved={"ord_1": NOW} if own else {})
    order = structs.replace(ORDER, state=state, priority=priority)
    assert verbs(order, after_s, memory) == expected


def test_who_is_eager_waits_for_nobody() -> None:
    assert verbs(ORDER, 6, Memory(), eager=True) == ["accept"]


def test_one_job_at_a_time() -> None:
    away = structs.replace(ORDER, id="ord_0", state="on_site")
    waiting = structs.replace(ORDER, state="accepted")
    memory = Memory(moved={"ord_0": NOW, "ord_1": NOW})
    assert [m.verb for m in moves([away, waiting], memory, NOW + 4_000, eager=False)] == []
    found = moves([away, waiting], memory, NOW + 20_000, eager=False)
    assert [(move.order.id, move.verb) for move in found] == [("ord_0", "start")]


NEXT = {
    "accept": "accepted",
    "depart": "en_route",
    "arrive": "on_site",
    "start": "in_progress",
    "done": "done",
}


class Office:
    """As much of the server's API as a technician meets; it moves an order as it is told."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.order: dict[str, object] = {
            "id": "ord_1", "unit": "hvac-1", "state": "assigned", "priority": 2,
            "person": "wangqiang", "moved_at": now_ms(), "title": {"zh": "过载", "en": "Overload"},
        }  # fmt: skip
        self.bodies: list[dict[str, str]] = []
        self.session, self._now_ms = "s1", now_ms

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/login":
            if request.headers.get("Origin") != "http://home":
                return httpx.Response(403, json={"type": "server.foreign-origin"})
            return httpx.Response(204, headers={"Set-Cookie": f"wk_session={self.session}; Path=/"})
        if request.headers.get("Authorization") != f"Bearer {self.session}":
            return httpx.Response(401, json={"type": "people.signed-out"})
        if request.method == "GET":
            return httpx.Response(200, json=[self.order] if self.order["state"] != "done" else [])
        verb = request.url.path.rsplit("/", 1)[1]
        self.order |= {"state": NEXT[verb], "moved_at": self._now_ms()}
        self.bodies.append(json.loads(request.content))
        return httpx.Response(200, json=self.order)


def world(fix: Callable[[str], None], now_ms: Callable[[], int]) -> World:
    return World("http://office", "http://home", fix, now_ms)


@pytest.mark.serves("A10")
async def test_an_order_goes_all_the_way_and_the_cause_is_removed_before_it_is_done() -> None:
    seconds, fixed = [0], []
    office = Office(lambda: NOW + seconds[0] * 1000)

    def fix(unit: str) -> None:
        fixed.append((unit, office.order["state"]))

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(office), base_url="http://office"
    ) as client:
        worker = Technician("wangqiang", client, world(fix, lambda: NOW + seconds[0] * 1000))
        while office.order["state"] != "done" and seconds[0] < 200:
            await worker.round()
            seconds[0] += 2
    assert 100 < seconds[0] < 140
    assert fixed == [("hvac-1", "in_progress")]
    assert len(office.bodies) == 5
    assert office.bodies[-1]["cause"]


async def test_an_expired_session_is_renewed() -> None:
    office = Office(lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(office), base_url="http://office"
    ) as client:
        worker = Technician("wangqiang", client, world(lambda _: None, lambda: NOW))
        await worker.round()
        office.session = "s2"
        with pytest.raises(httpx.HTTPStatusError):
            await worker.round()
        await worker.round()
