import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import uvicorn

from server import stream
from server.stream import Hub
from server.unit import Change
from tests.fakes_server import CHENLEI, SESSION, House, house

FIRE, POWER = "fire-panel/detector-07", "hvac-1/active_power"
BEARER = {"Authorization": f"Bearer {SESSION}"}


class Frame(NamedTuple):
    event: str
    data: Any
    id: int | None


@contextmanager
def served(here: House) -> Iterator[str]:
    """Serve the house's API on a port of its own."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        config = uvicorn.Config(here.server.app, log_config=None, timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
        finally:
            here.server.hub.close_soon()
            server.should_exit = True
            thread.join(10)


@contextmanager
def stream_of(url: str, **ask: Any) -> Iterator[Iterator[Frame]]:
    """Open a stream and give its frames as they come."""
    headers = BEARER | ask.pop("headers", {})
    with (
        httpx2.Client(timeout=10) as client,
        client.stream("GET", f"{url}/stream", params=ask, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        yield frames(answer.iter_lines())


def frames(lines: Iterator[str]) -> Iterator[Frame]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Frame(fields["event"], json.loads(fields["data"]), number)
            fields = {}


def until(found: Iterator[Frame], wanted: Callable[[Frame], bool]) -> Frame:
    return next(frame for frame in found if wanted(frame))


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.birth()
        yield made


@pytest.fixture
def url(here: House) -> Iterator[str]:
    with served(here) as url:
        yield url


@pytest.mark.serves("H3")
def test_a_viewer_sees_a_snapshot_then_what_changes(here: House, url: str) -> None:
    here.event(FIRE, 3.0)
    with stream_of(url) as found:
        first = next(found)
        assert (first.event, [a["rule"] for a in first.data["alarms"]]) == (
            "snapshot", ["detector-disabled"],
        )  # fmt: skip
        here.event("fire-panel/detector-08", 3.0)
        new = until(found, lambda frame: frame.event == "alarm")
        assert new.data["point"] == "fire-panel/detector-08"
        assert new.data == here.alarm("detector-disabled", "08")
        assert new.id is not None


@pytest.mark.parametrize("how", ["header", "address"])
def test_a_viewer_resumes_where_it_stopped_also_after_a_restart(here: House, how: str) -> None:
    here.event(FIRE, 3.0)
    seen = here.server.hub.last
    here.event(FIRE, 0.0)
    here.close()
    here.open()
    header: dict[str, Any] = {"headers": {"Last-Event-ID": str(seen)}, "after": 0}
    ask = header if how == "header" else {"after": seen}
    with served(here) as url, stream_of(url, **ask) as found:
        missed = next(found)
        assert (missed.event, missed.data["life"]) == ("alarm", "returned")
        beat = until(found, lambda frame: frame.event == "beat")
        assert beat.data == {"row": missed.id}


def test_values_are_sent_for_the_points_asked_for_and_become_unknown(here: House, url: str) -> None:
    here.data(POWER, (0, 1.0))
    with stream_of(url, points=f"{POWER},nobody/knows", after=here.server.hub.last) as found:
        assert until(found, lambda f: f.event == "values").data == {POWER: [here.ms(), 1.0, 0]}
        at = here.ms()
        here.data("hvac-2/active_power", (0, 5.0))
        here.pass_(61)
        assert until(found, lambda f: f.event == "values").data == {POWER: [at, None, 133]}


def test_many_changes_of_a_value_are_one_frame(here: House, url: str) -> None:
    with stream_of(url, points=POWER) as found:
        until(found, lambda frame: frame.event == "values")
        for number in range(50):
            here.clock.pass_(0.01)
            here.data(POWER, (0, float(number)))
        seen = []
        until(found, lambda f: f.event == "values" and (seen.append(f) or f.data[POWER][1] == 49))
        assert len(seen) <= 10


def test_a_message_goes_to_its_person_alone(here: House, url: str) -> None:
    with stream_of(url, after=here.server.hub.last) as found:
        for person in ("wangqiang", CHENLEI.id):
            view = {"id": person, "person": person}
            here.server.writer.do(lambda unit, view=view: unit.changed("message", view)).result(5)
        got = until(found, lambda frame: frame.event == "message")
        assert got.data["person"] == CHENLEI.id


def test_a_stream_ends_when_its_person_signs_out(
    here: House, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "ASK_EVERY_S", 0.05)
    with stream_of(url) as found:
        next(found)
        here.sessions.clear()
        assert all(frame.event in {"beat", "values"} for frame in found)


async def test_who_was_away_for_too_long_gets_a_snapshot(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP", 3)
    hub = Hub(here.server.parts.read, here.server.parts.latest)
    here.event(FIRE, 3.0)  # a line of the log that only the table has
    for row in range(2, 8):
        hub.publish([Change(row, "order", b"{}")])
    assert await hub.after(7) == []
    assert [line.id for line in await hub.after(4) or []] == [5, 6, 7]
    assert await hub.after(8) is None
    assert await hub.after(-1) is None


def test_viewers_that_left_leave_nothing_behind(here: House, url: str) -> None:
    for _ in range(3):
        with stream_of(url) as found:
            next(found)

    async def gone() -> None:
        async with asyncio.timeout(5):
            while here.server.hub.viewers:
                here.event(FIRE, 3.0)
                await asyncio.sleep(0)

    asyncio.run(gone())
    assert not here.server.hub.viewers
