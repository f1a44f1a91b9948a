"""Plays the story and keeps what was observed: rows of {name, observed, ms, ok}."""

import json
from pathlib import Path

import httpx

from adapters.system_clock import SystemClock
from ops.demo import PASSWORD
from ops.observe import Api, Building, Json, Missed, Sink
from ops.programs import Supervisor
from ops.story.steps import STEPS, Stage
from watchkeeper.settings import Settings


def play(settings: Settings, programs: Supervisor, sink: Sink | None, file: Path | None) -> int:
    """Play every step; return 0 only when all were seen."""
    if sink is None:
        raise ValueError("the story needs a webhook sink")
    clock = SystemClock()
    people: dict[str, Api] = {}

    def person(account: str) -> Api:
        if account not in people:
            people[account] = Api(settings.server.public_url, account, PASSWORD, clock)
        return people[account]

    building = Building(settings.ports.simulators)
    stage = Stage(settings, programs, person("chenlei"), person, sink, building, clock)
    rows: list[Json] = []
    for name, step in STEPS.items():
        began = clock.tick()
        try:
            observed, ok = step(stage), True
        except (Missed, httpx.HTTPError, KeyError, IndexError) as error:
            observed, ok = f"{type(error).__name__}: {error}", False
        ms = round(1000 * (clock.tick() - began))
        row: Json = {
            "name": name,
            "observed": observed,
            "ms": ms,
            "ok": ok,
        }
        rows.append(row)
        print(
            f"{'ok  ' if ok else 'MISS'} {name:11} {ms / 1000:6.1f} s  {observed}",
            flush=True,
        )
    if file is not None:
        file.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", "utf-8")
    for api in people.values():
        api.close()
    building.close()
    return 0 if all(row["ok"] for row in rows) else 1
