"""Emergencies of the fake house: the plans of the catalog, worked through by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Tell = Callable[[str, dict[str, Any]], None]
STATES = {"begin": "doing", "done": "done", "fail": "failed", "skip": "skipped"}
PLANS = Path(__file__).parents[2] / "catalog/plans"


def both(zh: str, en: str) -> dict[str, str]:
    """Return a text in both languages."""
    return {"zh": zh, "en": en}


class Runs:
    """Runs of plans, as the API tells them."""

    def __init__(self, now: Callable[[], int], tell: Tell) -> None:
        self.now, self.tell = now, tell
        self.all: dict[str, dict[str, Any]] = {}
        read = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(PLANS.glob("*.yaml"))]
        self.plans = {plan["key"]: plan for plan in read}

    def listed(self) -> list[dict[str, Any]]:
        """Return the plans one can start."""
        return [
            {key: plan[key] for key in ("key", "title", "version", "risk")}
            for plan in self.plans.values()
        ]

    def start(
        self, key: str, place: str, mode: str, *, alarms: list[str], since: int | None = None
    ) -> dict[str, Any]:
        """Start a plan; its first step is ready."""
        plan, at = self.plans[key], since or self.now()
        roles = {role["key"]: role for role in plan["roles"]}
        actions = [step for step in plan["steps"] if step["type"] == "action"]
        run: dict[str, Any] = {
            "id": f"run_{len(self.all) + 1:04d}",
            "plan": key,
            "title": plan["title"],
            "place": place,
            "level": plan["levels"][0]["key"],
            "levels": plan["levels"],
            "mode": mode,
            "state": "running",
            "started_at": at,
            "ended_at": None,
            "alarms": alarms,
            "roles": [self._role(role, at, first=i == 0) for i, role in enumerate(roles.values())],
            "steps": [self._step(step, roles, at, first=i == 0) for i, step in enumerate(actions)],
            "log": [],
            "contacts": plan.get("contacts", []),
            "close": {},
            "may": ["stable", "abort", "level", "note"],
        }
        self.all[run["id"]] = run
        if alarms:
            self._log(run, "signal", "", both("困人信号：非平层", "Signal: trapped between floors"))
        self._log(run, "system", "", both("预案启动", "Plan started"))
        return run

    @staticmethod
    def _role(role: dict[str, Any], at: int, *, first: bool) -> dict[str, Any]:
        return {
            "key": role["key"],
            "name": role["name"],
            "person": "chenlei" if first else "liumin",
            "person_name": "陈磊" if first else "刘敏",
            "called_at": at + 4_000,
            "acknowledged_at": None,
        }

    @staticmethod
    def _step(
        step: dict[str, Any], roles: dict[str, Any], at: int, *, first: bool
    ) -> dict[str, Any]:
        return {
            "key": step["key"],
            "text": step["do"],
            "note": step.get("note"),
            "owner": step["owner"],
            "owner_name": roles[step["owner"]]["name"],
            "person_name": "",
            "state": "ready" if first else "waiting",
            "due_at": at + 1000 * step["timeout_s"] if "timeout_s" in step else None,
            "overdue": False,
            "started_at": None,
            "ended_at": None,
            "by": None,
            "said": "",
            "life_safety": step.get("life_safety", False),
            "skippable": step.get("skippable", "no") != "no",
            "evidence": step.get("evidence", []),
        }

    def _log(self, run: dict[str, Any], kind: str, actor: str, text: dict[str, str]) -> None:
        line = {"seq": len(run["log"]) + 1, "at": self.now(), "kind": kind, "pinned": False}
        run["log"] = [*run["log"], {**line, "actor": actor, "text": text}]
        self.tell("run", run)

    def work(
        self, name: str, rest: str, who: str, person: str, asked: dict[str, Any]
    ) -> dict[str, Any]:
        """Do what a person asked of a run."""
        run, parts = self.all[name], rest.split("/")
        if parts[0] == "steps":
            self._move(run, parts[1], parts[2], who)
        elif parts[0] == "roles":
            role = next(role for role in run["roles"] if role["key"] == parts[1])
            role |= {"acknowledged_at": self.now(), "person": who, "person_name": person}
            self._log(run, "person", who, both("应答", "answered"))
        elif parts[0] == "note":
            self._log(run, "person", who, both(asked["note"], asked["note"]))
        else:
            states = {"stable": "stable", "close": "closed", "abort": "aborted"}
            run["state"] = states.get(parts[0], run["state"])
            run["may"] = ["close", "abort", "note"] if run["state"] == "stable" else ["note"]
            self._log(run, "person", who, both(parts[0], parts[0]))
        return run

    def _move(self, run: dict[str, Any], key: str, verb: str, who: str) -> None:
        step = next(step for step in run["steps"] if step["key"] == key)
        step |= {"by": who, "state": STATES[verb], "started_at": step["started_at"] or self.now()}
        step["ended_at"] = None if verb == "begin" else self.now()
        after = next((each for each in run["steps"] if each["state"] == "waiting"), None)
        if verb != "begin" and after:
            after["state"] = "ready"
        text = both(f"{verb}：{step['text']['zh']}", f"{verb}: {step['text']['en']}")
        self._log(run, "step", who, text)
