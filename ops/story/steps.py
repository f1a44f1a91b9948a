"""The steps of the story. Each causes something physical and returns what was observed of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from ops.observe import Api, Building, Json, Missed, Sink
from ops.programs import Supervisor
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.settings import Settings


@dataclass(frozen=True, slots=True)
class Stage:
    """What a step may touch and look at."""

    settings: Settings
    programs: Supervisor
    api: Api  # an operator
    person: Callable[[str], Api]  # somebody else, by account
    sink: Sink
    building: Building
    clock: Clock

    def now(self) -> int:
        """Return Unix ms."""
        return unix_ms(self.clock.now())


EVIDENCE = {"note": "seen and done", "headcount": {"found": 12, "missing": 0}}

Step = Callable[[Stage], str]  # what was observed; raises Missed


def flow(stage: Stage) -> str:
    """Meters flow, and the wall's stream carries them."""
    point = "main-1/active_power"

    def fresh() -> Json | None:
        found: list[Json] = stage.api.get("/points/latest", points=point)
        ok = found and found[0]["value"] and not found[0]["stale"]
        return found[0] if ok and stage.now() - found[0]["at"] < 5_000 else None  # noqa: PLR2004

    seen = stage.api.wait(f"{point} fresh", fresh, 30)
    frames = _stream_until(stage, point)
    return f"{point} {seen['value'] / 1000:.1f} kW, {frames} frames to its first value on the wall"


def _stream_until(stage: Stage, point: str) -> int:
    """Follow the wall's own stream through the dashboard until it carries the point."""
    base = stage.settings.server.public_url
    cookies = dict(stage.api.client.cookies)
    with httpx.stream(
        "GET", f"{base}/api/v1/stream", params={"points": point, "after": "-1"},
        cookies=cookies, timeout=15.0, trust_env=False,
    ) as answer:  # fmt: skip
        for number, line in enumerate(answer.iter_lines()):
            if line.startswith("data:") and f'"{point}"' in line and '"alarms"' not in line:
                return number
    raise Missed("the stream ended without the point")


def overload(stage: Stage) -> str:
    """A feeder overloads: alarm, order, accepted by the link, mended, verified, closed."""
    unit = "hvac-1"
    since = stage.now()
    stage.building.scenario("overload", unit=unit)
    alarm = _alarm(stage, "feeder-overload", unit, since, 30)
    order = stage.api.wait("the order", lambda: _order_of(stage, alarm["id"]), 10)
    _, message = stage.sink.wait(
        lambda body: bool(body.get("link")) and body.get("subject") == order["id"], 15
    )
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=10.0) as phone:
        shown = phone.get(message["link"])
        untouched = stage.api.get(f"/orders/{order['id']}")["state"]
        accepted = phone.post(message["link"])
        again = phone.post(message["link"])
    if shown.status_code != httpx.codes.OK or untouched != "assigned":
        raise Missed(f"looking at the link acted: {shown.status_code}, {untouched}")
    if not accepted.is_success or again.status_code != httpx.codes.GONE:
        raise Missed(f"accepting answered {accepted.status_code}, again {again.status_code}")
    worker = stage.person(message["person"])
    for verb in ("depart", "arrive", "start"):
        worker.post(f"/orders/{order['id']}/{verb}")
    stage.building.scenario("overload", unit=unit, clear=True)
    stage.api.wait(
        "the load back to normal",
        lambda: stage.api.get(f"/alarms/{alarm['id']}")["returned_at"], 60,
    )  # fmt: skip
    worker.post(f"/orders/{order['id']}/done", {"cause": "overload", "remedy": "load shed"})
    _settle(stage, alarm["id"])
    closed = stage.api.wait(
        "the order verified and closed", lambda: _in_state(stage, order["id"], "closed"), 60
    )
    by = [note["by"] for note in closed["notes"]]
    return f"{alarm['id']} -> {order['id']}, accepted by link, closed; hands: {', '.join(by)}"


def entrapment(stage: Stage) -> str:
    """An elevator stops between floors with a passenger: first in line, a plan run, closed."""
    unit = "lift-3"
    since = stage.now()
    stage.building.scenario("entrapment", unit=unit)
    alarm = _alarm(stage, "lift-entrapment", unit, since, 60)
    first = stage.api.get("/alarms", open=True)[0]
    if first["priority"] != 1:
        raise Missed(f"first in line is {first['rule']} of priority {first['priority']}")
    run = stage.api.wait("the plan's run", lambda: _run_of(stage, alarm["id"]), 15)
    _, call = stage.sink.wait(lambda body: body.get("subject") == run["id"], 15)
    done = finish_run(
        stage, run["id"], lambda: stage.building.scenario("entrapment", unit=unit, clear=True)
    )
    _settle(stage, alarm["id"])
    return f"{alarm['id']} first in line, {done}, {call['person']} was called"


def fire(stage: Stage) -> str:
    """Two detectors of one zone: the fire plan runs."""
    since = stage.now()
    stage.building.scenario("fire", unit="fire-panel", detectors=[7, 8])
    alarm = _alarm(stage, "detector-fire", "fire-panel", since, 15)
    run = stage.api.wait("the fire plan", lambda: _run_of(stage, alarm["id"], "running"), 15)
    both = stage.api.wait(
        "both detectors in one run",
        lambda: _grown(stage, run["id"], 2), 15,
    )  # fmt: skip
    done = finish_run(
        stage, run["id"],
        lambda: stage.building.scenario("fire", unit="fire-panel", detectors=[7, 8], clear=True),
    )  # fmt: skip
    for each in both["alarms"]:
        _settle(stage, each)
    return f"plan {run['plan']} with {len(both['alarms'])} detectors, {done}"


def finish_run(stage: Stage, run: str, clear: Callable[[], object]) -> str:
    """Do what the people of the run would do, until it is closed; return what was seen."""
    found: Json = stage.api.get(f"/runs/{run}")
    for role in found["roles"]:
        if role["acknowledged_at"] is None and role["person"]:
            stage.person(role["person"]).post(f"/runs/{run}/roles/{role['key']}/acknowledge")
    clear()
    steps = 0
    for _ in range(60):
        found = stage.api.get(f"/runs/{run}")
        ready = [step["key"] for step in found["steps"] if step["state"] in {"ready", "doing"}]
        if not ready:
            break
        for key in ready:
            stage.api.post(f"/runs/{run}/steps/{key}/done", EVIDENCE)
            steps += 1
    commander = next(role["person"] for role in found["roles"] if role["key"] == "commander")
    if found["state"] != "stable":
        stage.person(commander).post(f"/runs/{run}/stable", {"note": "under control"})
    stage.person(commander).post(f"/runs/{run}/close", EVIDENCE)
    closed = stage.api.wait("the run closed", lambda: _closed(stage, run), 10)
    return f"run {run} with {steps} steps done and {len(closed['log'])} entries, closed"


def link_cut(stage: Stage) -> str:
    """The edge's link is cut for 20 s: nothing is lost, reading by reading."""
    from ops.story.checker import compare  # noqa: PLC0415 - numpy only here

    begin = stage.now()
    stage.building.link("cut")
    stage.api.rest(20)
    stage.building.link("forward")
    restored = stage.now()
    stage.api.rest(5)
    return stage.api.wait("every reading", lambda: compare(stage, begin, restored), 90)


def store_down(stage: Stage) -> str:
    """The store is stopped for 20 s: alarms go on, nothing is lost."""
    from ops.story.checker import compare  # noqa: PLC0415

    begin = stage.now()
    stage.programs.programs["gateway"].stop()
    try:
        stage.building.scenario("fire", unit="fire-panel", detectors=[41])
        alarm = _alarm(stage, "detector-fire", "fire-panel", begin, 10)
        told = stage.now() - begin
        stage.building.scenario("fire", unit="fire-panel", detectors=[41], clear=True)
        stage.api.rest(20)
    finally:
        stage.programs.restart("gateway")
    restarted = stage.now()
    _end_runs(stage, alarm["id"])
    stage.api.rest(5)
    seen = stage.api.wait("every reading", lambda: compare(stage, begin, restarted), 90)
    return f"a fire was told {told} ms into the outage; {seen}"


def report(stage: Stage) -> str:
    """A whole past month's kWh equal the simulator's true energy."""
    from ops.story.checker import month_true  # noqa: PLC0415

    return stage.api.wait("the imported month", lambda: month_true(stage), 240)


def _alarm(stage: Stage, rule: str, unit: str, since: int, within_s: float) -> Json:
    def look() -> Json | None:
        alarms: list[Json] = stage.api.get("/alarms", open=True)
        return next(
            (
                alarm
                for alarm in alarms
                if alarm["rule"] == rule and alarm["unit"] == unit
                and alarm["raised_at"] >= since - 2_000 and alarm["life"] == "unacknowledged"
            ),
            None,
        )  # fmt: skip

    return stage.api.wait(f"alarm {rule} of {unit}", look, within_s)


def _order_of(stage: Stage, alarm: str) -> Json | None:
    orders: list[Json] = stage.api.get("/orders", open=True)
    return next((o for o in orders if o["alarm"] == alarm and o["state"] == "assigned"), None)


def _run_of(stage: Stage, alarm: str, state: str = "") -> Json | None:
    runs: list[Json] = stage.api.get("/runs", open=True)
    return next((r for r in runs if alarm in r["alarms"] and state in {"", r["state"]}), None)


def _grown(stage: Stage, run: str, count: int) -> Json | None:
    found: Json = stage.api.get(f"/runs/{run}")
    return found if len(found["alarms"]) >= count else None


def _closed(stage: Stage, run: str) -> Json | None:
    found: Json = stage.api.get(f"/runs/{run}")
    return found if found["state"] == "closed" else None


def _in_state(stage: Stage, order: str, state: str) -> Json | None:
    found: Json = stage.api.get(f"/orders/{order}")
    return found if found["state"] == state else None


def _settle(stage: Stage, alarm: str) -> None:
    """Acknowledge an alarm that nobody has yet; one that is settled already is left alone."""
    found: Any = stage.api.get(f"/alarms/{alarm}")
    if found["acknowledged_at"] is None and found["life"] in {"unacknowledged", "returned"}:
        stage.api.post(f"/alarms/{alarm}/acknowledge")


def _end_runs(stage: Stage, alarm: str) -> None:
    """A single detector only warned: two persons say that it was false."""
    run = _run_of(stage, alarm)
    if run is not None:
        for eyes in (stage.api, stage.person("liumin")):
            eyes.post(f"/runs/{run['id']}/confirm", {"real": False})
    _settle(stage, alarm)


STEPS: dict[str, Step] = {
    "flow": flow,
    "overload": overload,
    "entrapment": entrapment,
    "fire": fire,
    "link-cut": link_cut,
    "store-down": store_down,
    "report": report,
}
