"""kill -9 of every program, once each, while detectors ring and meters flow."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from adapters.system_clock import SystemClock
from ops.demo import PASSWORD, placed, the_programs
from ops.observe import Api, Building, Json, Sink
from ops.programs import Supervisor
from ops.story.checker import compare
from ops.story.steps import Stage
from tests import parts
from watchkeeper.settings import Settings

KILLED = ("edge", "broker", "gateway", "server", "dashboard")
BEFORE, DURING = 3, 1  # detectors that ring just before a kill, and while the program is dead
FLOW_S = 8  # of meters between two kills
NOT_YET_KEPT_MS = 500  # what an edge has just read may wait for its journal's next commit


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock, sink = SystemClock(), Sink(SystemClock())
    settings = placed(Settings(data=tmp_path), parts.free_ports(12))
    programs = Supervisor(the_programs(settings, seed=3, lively=False, sink=None), clock)
    building = Building(settings.ports.simulators)
    try:
        programs.start(lambda *_: None)
        Thread(target=programs.watch, name="supervisor", daemon=True).start()
        api = Api(settings.server.public_url, "chenlei", PASSWORD, clock)
        yield Stage(settings, programs, api, lambda _: api, sink, building, clock)
        api.close()
    finally:
        programs.stop()
        building.close()
        sink.close()


@pytest.mark.serves("A6")
@pytest.mark.serves("B4")
@pytest.mark.timeout(200)
def test_nothing_is_lost_or_doubled_whatever_is_killed(stage: Stage) -> None:
    begin = stage.now()
    stage.api.rest(FLOW_S)
    rung: list[str] = []
    spans: list[tuple[int, int]] = []
    for number, name in enumerate(KILLED):
        killed = stage.now()
        rung += _ring_and_kill(stage, name, 20 * (number % 3) + 1 + 5 * (number // 3))
        if name == "edge":  # what nobody reads while it is dead cannot be kept
            spans.append((begin, killed - NOT_YET_KEPT_MS))
            begin = stage.now()
        stage.api.rest(FLOW_S)
    spans.append((begin, stage.now()))
    for start, end in spans:
        seen = stage.api.wait(
            f"every reading of {(end - start) / 1000:.0f} s",
            lambda start=start, end=end: compare(stage, start, end), 60,
        )  # fmt: skip
        assert "none lost" in seen
    _each_rang_once(stage, rung)


def _ring_and_kill(stage: Stage, name: str, first: int) -> list[str]:
    """Let detectors ring around the death of a program; return their points once all is well."""
    program = stage.programs.programs[name]
    before = program.process
    assert before is not None
    detectors = list(range(first, first + BEFORE + DURING))
    _fire(stage, detectors[:BEFORE])
    before.kill()
    before.wait(10)
    _fire(stage, detectors[BEFORE:])
    stage.api.wait(
        f"{name} started again",
        lambda: program.process is not before and program.ready(), 30,
    )  # fmt: skip
    points = [f"fire-panel/detector-{number:02}" for number in detectors]
    stage.api.wait(f"alarms around the death of {name}", lambda: _ringing(stage, points), 30)
    stage.building.scenario("fire", unit="fire-panel", clear=True)
    stage.api.wait(f"their return after the death of {name}", lambda: _over(stage, points), 30)
    return points


def _fire(stage: Stage, detectors: list[int]) -> None:
    stage.building.scenario("fire", unit="fire-panel", detectors=detectors)


def _fires(stage: Stage, points: list[str]) -> list[Json]:
    alarms: list[Json] = stage.api.get("/alarms", open=False, limit=2000)
    return [a for a in alarms if a["rule"] == "detector-fire" and a["point"] in points]


def _ringing(stage: Stage, points: list[str]) -> bool:
    found = _fires(stage, points)
    return {a["point"] for a in found if a["returned_at"] is None} == set(points)


def _over(stage: Stage, points: list[str]) -> bool:
    return all(alarm["returned_at"] is not None for alarm in _fires(stage, points))


def _each_rang_once(stage: Stage, points: list[str]) -> None:
    """One alarm, raised once, returned once, for each detector that rang.

    A snapshot may have raised it before its own event came: that is noted as late, not raised.
    """
    alarms = _fires(stage, points)
    assert sorted(alarm["point"] for alarm in alarms) == sorted(points)
    assert {alarm["count"] for alarm in alarms} == {1}
    with sqlite3.connect(stage.settings.data / "watchkeeper.db") as database:
        rows = database.execute(
            "select alarm.point, alarm_log.what, count(*) from alarm_log"
            " join alarm on alarm.id = alarm_log.alarm"
            " where alarm.rule = 'detector-fire' and what in ('raise', 'return')"
            " group by alarm.point, what"
        ).fetchall()
    database.close()
    assert sorted(rows) == sorted(
        (point, what, 1) for point in points for what in ("raise", "return")
    )
