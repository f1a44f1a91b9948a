"""What happens in the fake server's house: alarms, orders, an emergency, moving values."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

MINUTE = 60_000
RULES = {
    "lift-entrapment": (1, "困人", "Trapped in the lift", "与轿厢通话，安抚乘客\n通知维保单位\n不得自行扒门", "Speak to the car, calm the people\nCall the lift contractor\nDo not force the door"),
    "detector-fire": (1, "探测器火警", "Detector in fire", "派人到现场核实\n确认后启动疏散\n电梯迫降", "Send somebody to look\nOnce confirmed, evacuate\nSend the lifts down"),
    "feeder-overload": (2, "馈线过载", "Feeder over its rating", "查哪路负荷新增\n必要时切除非重要负荷", "Find which load was added\nShed what can wait"),
    "detector-fault": (2, "探测器故障", "Detector fault", "查回路与底座\n故障期间加强巡查", "Check loop and base\nPatrol the area meanwhile"),
    "room-warm": (3, "室温偏高", "Room warm", "查空调与门", "Check cooling and the door"),
    "sump-high": (3, "集水坑液位高", "Sump level high", "查水泵是否运行", "Check that the pump runs"),
    "power-factor": (4, "功率因数偏低", "Power factor low", "查电容柜", "Check the capacitor bank"),
}  # fmt: skip
WAYS = {
    "assign": "assigned", "accept": "accepted", "decline": "triaged", "depart": "en_route",
    "arrive": "on_site", "start": "in_progress", "hold": "on_hold", "resume": "in_progress",
    "done": "done", "verify": "verified", "reject": "in_progress", "close": "closed",
    "cancel": "cancelled",
}  # fmt: skip
TECHNICIAN_MAY = {
    "assigned": ["accept", "decline"], "accepted": ["decline", "depart"], "en_route": ["arrive", "hold"],
    "on_site": ["start", "hold"], "in_progress": ["hold", "done"], "on_hold": ["resume"],
}  # fmt: skip
OPERATOR_MAY = {"done": ["verify", "reject"], "verified": ["reject", "close"]}
SKILL = {"lift": "elevator", "fire": "fire"}


def both(zh: str, en: str) -> dict[str, str]:
    """Return a text in both languages."""
    return {"zh": zh, "en": en}


class Story:
    """The state of the house, and how it changes."""

    def __init__(
        self, site: dict[str, Any], now: Callable[[], int], tell: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.site, self.now, self.tell = site, now, tell
        self.units = {unit["id"]: unit for unit in site["units"]}
        self.points = {point["id"]: point for point in site["points"]}
        self.alarms: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.set: dict[str, float | None] = {}
        self.read: set[str] = set()
        self.number = itertools.count(1)
        self.begin()

    def begin(self) -> None:
        """Raise what is already there when one comes on shift."""
        self.make_alarm("power-factor", "main-2/power_factor", 0.88, 0.9, ago_min=147, life="acknowledged")
        self.make_alarm("sump-high", "sump-1/level", 1.62, 1.5, ago_min=41, life="returned")
        self.make_alarm("room-warm", "room-transformer/temperature", 36.4, 35.0, ago_min=27)
        first = self.make_alarm("detector-fault", "fire-panel/detector-31", 2, None, ago_min=44, life="acknowledged")
        second = self.make_alarm("feeder-overload", "hvac-1/active_power", 214_300.0, 200_000.0, ago_min=21)
        self.set["fire-panel/detector-31"] = 2
        self.set["hvac-1/active_power"] = 214_300.0
        self.make_order(first, "liumin", "in_progress", ago_min=40, minutes=50)
        self.make_order(second, "wangqiang", "assigned", ago_min=12, minutes=90, respond=15)
        self.make_order(None, "wangqiang", "on_site", ago_min=65, minutes=80, title=both("1803 室 空调不冷", "Room 1803, no cooling"))
        self.make_order(None, "wangqiang", "on_hold", ago_min=95, minutes=480, title=both("12 层 茶水间漏水", "12F pantry leak"))
        self.make_order(None, None, "triaged", ago_min=22, minutes=240, respond=15, title=both("7 层 感应水龙头不出水", "7F sensor tap dry"))
        self.make_order(None, "liumin", "done", ago_min=200, minutes=480, title=both("大堂 2 号门 闭门器", "Lobby door 2, closer"))

    # what a test may ask for

    def make_alarm(  # noqa: PLR0913
        self, rule: str, point: str, value: float | None, limit: float | None = None,
        ago_min: float = 0, life: str = "unacknowledged",
    ) -> str:  # fmt: skip
        priority, zh, en, todo, to_do = RULES[rule]
        unit = self.units[point.split("/", maxsplit=1)[0]]
        name = unit["name"]
        at = self.now() - round(ago_min * MINUTE)
        alarm = {
            "id": f"alm_{next(self.number):04d}", "rule": rule, "revision": 3, "point": point,
            "unit": unit["id"], "place": unit["place"], "zone": "", "priority": priority,
            "handling": "latched", "life": life, "title": both(f"{name['zh']} {zh}", f"{name['en']}: {en}"),
            "guidance": both(todo, to_do), "value": value, "limit": limit,
            "unit_symbol": self.points[point]["unit_symbol"], "raised_at": at,
            "returned_at": at + 11 * MINUTE if life == "returned" else None,
            "acknowledged_at": at + 40_000 if life == "acknowledged" else None,
            "acknowledged_by": "chenlei" if life == "acknowledged" else None,
            "count": 1, "order": None, "run": None,
        }  # fmt: skip
        self.alarms[alarm["id"]] = alarm
        self.tell("alarm", alarm)
        return str(alarm["id"])

    def make_return(self, alarm: str) -> None:
        found = self.alarms[alarm]
        found |= {"life": "normal" if found["acknowledged_at"] else "returned", "returned_at": self.now()}
        self.tell("alarm", found)

    def make_value(self, point: str, value: float | None) -> None:
        self.set[point] = value

    def make_order(  # noqa: PLR0913
        self, alarm: str | None, person: str | None, state: str = "assigned", ago_min: float = 0,
        minutes: float = 120, respond: float = 10, title: dict[str, str] | None = None,
    ) -> str:  # fmt: skip
        at = self.now() - round(ago_min * MINUTE)
        about = self.alarms[alarm] if alarm else {"unit": "ahu-1", "place": "tower-a/12", "priority": 3}
        names = {"wangqiang": "王强", "liumin": "刘敏", None: ""}
        order = {
            "id": f"ord_{next(self.number):04d}", "alarm": alarm, "unit": about["unit"],
            "place": about["place"], "priority": about["priority"],
            "skill": SKILL.get(str(about["unit"]).split("-", maxsplit=1)[0], "electrical"),
            "title": title or about["title"], "state": state, "person": person,
            "person_name": names[person], "opened_at": at, "moved_at": at,
            "respond_due": at + round(respond * MINUTE), "restore_due": at + round(minutes * MINUTE),
            "reasons": [], "notes": [], "may": [],
        }  # fmt: skip
        self.orders[order["id"]] = order
        if alarm:
            self.alarms[alarm]["order"] = order["id"]
            self.tell("alarm", self.alarms[alarm])
        self.tell("order", self.order_for(order, "chenlei"))
        return str(order["id"])

    def make_run(self) -> str:
        """Trap somebody in lift 3 and start the rescue plan."""
        self.set |= {"lift-3-board/trapped_between_floors": 1, "lift-3/floor": 14, "lift-3/mode": 5, "lift-3/direction": 3, "lift-3/fault_code": 41}
        alarm = self.make_alarm("lift-entrapment", "lift-3-board/trapped_between_floors", 1, None, ago_min=5.4, life="acknowledged")
        run = self.start("entrapment", "lift-3", "actual", alarm=alarm, ago_min=5.4)
        self.alarms[alarm]["run"] = run["id"]
        self.tell("alarm", self.alarms[alarm])
        for step in run["steps"][:2]:
            self.work(str(run["id"]), f"steps/{step['key']}/done", "chenlei", "陈磊", {"note": ""})
        return str(run["id"])

    # what the API does

    def snapshot(self) -> dict[str, Any]:
        orders = [self.order_for(order, "chenlei") for order in self.orders.values()]
        return {"alarms": list(self.alarms.values()), "orders": orders, "runs": list(self.runs.values())}

    def acknowledge(self, alarm: str, who: str) -> None:
        found = self.alarms[alarm]
        over = found["life"] == "returned"
        found |= {"life": "normal" if over else "acknowledged", "acknowledged_at": self.now(), "acknowledged_by": who}
        self.tell("alarm", found)

    def order_for(self, order: dict[str, Any], who: str) -> dict[str, Any]:
        state = order["state"]
        may = TECHNICIAN_MAY.get(state, []) if who == order["person"] else []
        if who in {"chenlei", "admin"}:
            before = state in TECHNICIAN_MAY or state == "triaged"
            may = OPERATOR_MAY.get(state, []) + (["assign", "cancel"] if before else [])
        return {**order, "may": may}

    def move(self, order: str, verb: str, who: str, asked: dict[str, Any], people: Any) -> dict[str, Any]:
        found = self.orders[order]
        found |= {"state": WAYS[verb], "moved_at": self.now()}
        if verb == "assign":
            found |= {"person": asked["person"], "person_name": people[asked["person"]][0]}
        if verb == "decline":
            found |= {"person": None, "person_name": ""}
        words = " · ".join(filter(None, [asked.get(key, "") for key in ("reason", "cause", "remedy", "note")]))
        if words:
            found["notes"] = [*found["notes"], {"at": self.now(), "by": who, "text": words}]
        self.tell("order", self.order_for(found, "chenlei"))
        return self.order_for(found, who)

    def plans(self) -> list[dict[str, Any]]:
        return [{"key": key, "title": plan["title"], "version": plan["version"], "risk": plan["risk"]} for key, plan in self._plans().items()]

    @staticmethod
    def _plans() -> dict[str, Any]:
        folder = Path(__file__).parents[2] / "catalog/plans"
        read = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml"))]
        return {plan.get("key") or plan["id"]: plan for plan in read}

    def start(self, plan: str, place: str, mode: str, alarm: str | None = None, ago_min: float = 0) -> dict[str, Any]:
        about = self._plans()[plan]
        at = self.now() - round(ago_min * MINUTE)
        actions = [step for step in about["steps"] if step["type"] == "action"]
        roles = {role["key"]: role for role in about["roles"]}
        run = {
            "id": f"run_{next(self.number):04d}", "plan": plan, "title": about["title"], "place": place,
            "level": about["levels"][0]["key"], "levels": about["levels"], "mode": mode, "state": "running",
            "started_at": at, "ended_at": None, "alarms": [alarm] if alarm else [],
            "roles": [
                {"key": key, "name": role["name"], "person": "chenlei" if i == 0 else "liumin",
                 "person_name": "陈磊" if i == 0 else "刘敏", "called_at": at + 4_000,
                 "acknowledged_at": at + 17_000 if i == 0 and alarm else None}
                for i, (key, role) in enumerate(roles.items())
            ],
            "steps": [
                {"key": step["key"], "text": step["do"], "note": step.get("note"), "owner": step["owner"],
                 "owner_name": roles[step["owner"]]["name"], "person_name": "",
                 "state": "ready" if i == 0 else "waiting",
                 "due_at": at + 1000 * step["timeout_s"] if "timeout_s" in step else None,
                 "overdue": False, "started_at": None, "ended_at": None, "by": None, "said": "",
                 "life_safety": step.get("life_safety", False),
                 "skippable": step.get("skippable", "no") != "no", "evidence": step.get("evidence", [])}
                for i, step in enumerate(actions)
            ],
            "log": [], "contacts": about.get("contacts", []), "close": {},
            "may": ["stable", "abort", "level", "note"],
        }  # fmt: skip
        self.runs[str(run["id"])] = run
        if alarm:
            self._log(run, "signal", "", both("困人信号：非平层困人", "Signal: trapped between floors"), at)
        self._log(run, "system", "", both("预案启动", "Plan started"), at + 1_000)
        return run

    def _log(self, run: Any, kind: str, actor: str, text: dict[str, str], at: int | None = None) -> None:
        line = {"seq": len(run["log"]) + 1, "at": at or self.now(), "kind": kind, "actor": actor, "text": text, "pinned": False}
        run["log"] = [*run["log"], line]
        self.tell("run", run)

    def work(self, run_id: str, rest: str, who: str, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        run = self.runs[run_id]
        parts = rest.split("/")
        if parts[0] == "steps":
            step = next(step for step in run["steps"] if step["key"] == parts[1])
            step |= {"by": who, "state": {"begin": "doing", "done": "done", "fail": "failed", "skip": "skipped"}[parts[2]]}
            step["started_at"] = step["started_at"] or self.now()
            step["ended_at"] = None if parts[2] == "begin" else self.now()
            after = next((each for each in run["steps"] if each["state"] == "waiting"), None)
            if parts[2] != "begin" and after:
                after["state"] = "ready"
            self._log(run, "step", who, both(f"{step['text']['zh']}：{parts[2]}", f"{step['text']['en']}: {parts[2]}"))
        elif parts[0] == "roles":
            role = next(role for role in run["roles"] if role["key"] == parts[1])
            role |= {"acknowledged_at": self.now(), "person": who, "person_name": name}
            self._log(run, "person", who, both("应答", "answered"))
        elif parts[0] == "note":
            self._log(run, "person", who, both(asked["note"], asked["note"]))
        else:
            run["state"] = {"stable": "stable", "close": "closed", "abort": "aborted"}.get(parts[0], run["state"])
            run["may"] = {"stable": ["close", "abort", "level", "note"]}.get(run["state"], ["note"])
            run["level"] = asked.get("level", run["level"])
            self._log(run, "person", who, both(parts[0], parts[0]))
        return dict(run)

    def inbox(self, who: str) -> list[dict[str, Any]]:
        return [
            {"id": f"msg_{alarm['id']}", "person": who, "subject": alarm["id"], "kind": "alarm",
             "title": alarm["title"], "text": alarm["guidance"], "link": f"/alarms?alarm={alarm['id']}",
             "at": alarm["raised_at"] + 3000, "read_at": 1 if f"msg_{alarm['id']}" in self.read else None,
             "deliveries": [{"channel": "inbox", "state": "delivered", "attempts": 1, "at": alarm["raised_at"] + 3000, "error": None}]}
            for alarm in self.alarms.values()
            if alarm["life"] != "normal"
        ]  # fmt: skip

    # values

    def base(self, point: str) -> float:
        """Return about what a point reads: feeders by their rating, mains by the sum of theirs."""
        unit, _, name = point.partition("/")
        if name != "active_power":
            return {"temperature": 24.0, "level": 1.2, "power_factor": 0.93}.get(name, 10.0)
        if point in self.set:
            return float(self.set[point] or 0)
        fed = [each for each in self.units[unit]["feeds"] if f"{each}/active_power" in self.points]
        if fed:
            return sum(self.base(f"{each}/active_power") for each in fed) * 1.02
        return float((self.units[unit]["rated_kw"] or 30 + 7 * (len(unit) % 5)) * 520)

    def value(self, point: str) -> float | None:
        """Return what a point reads now."""
        if point in self.set and "active_power" not in point:
            return self.set[point]
        unit, _, name = point.partition("/")
        at = self.now() / 1000
        lift = int(unit.split("-")[1]) if unit.startswith("lift-") else 0
        if name == "floor":
            top = {1: 28, 2: 28, 3: 18, 4: 5}[lift]
            floor = round((math.sin(at / (9 + 3 * lift) + lift) + 1) / 2 * (top + 2)) - 2
            return floor if floor > 0 else floor - 1
        if name == "direction":
            return 1 if math.cos(at / (9 + 3 * lift) + lift) > 0 else 2
        if name == "mode":
            return 7
        if name == "active_power":
            value = self.base(point) * (1 + 0.01 * math.sin(at / 7 + len(point)))
            return None if point in self.set and self.set[point] is None else value
        return 0 if name.startswith(("detector", "trapped", "fault", "panel", "door", "person", "alarm")) else self.base(point)

    def values(self, points: list[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for point in points:
            value = self.value(point)
            if value is not None:
                found[point] = [self.now(), value, 0]
        return found

    def latest(self, points: list[str]) -> list[dict[str, Any]]:
        return [
            {"point": point, "at": self.now() - (0 if value is not None else 13 * MINUTE), "value": value,
             "quality": 0 if value is not None else 133, "stale": value is None}
            for point in points
            for value in [self.value(point)]
        ]  # fmt: skip

    def month(self, month: str) -> dict[str, Any]:
        days = [{"day": f"{month}-{n:02d}", "kwh": 6200 + 1500 * math.sin(n / 7 * 6.28) + 30 * n, "coverage": 0.62 if n == 9 else 0.998} for n in range(1, 31)]
        total = sum(day["kwh"] for day in days)
        bands = [("critical", "尖", "Critical peak", 0.11), ("peak", "峰", "Peak", 0.33), ("shoulder", "平", "Shoulder", 0.34), ("valley", "谷", "Valley", 0.22)]
        prices = [1.286, 1.072, 0.643, 0.271]
        meters = [
            {"unit": unit["id"], "name": unit["name"], "kwh": total * self.base(f"{unit['id']}/active_power") / 900_000, "coverage": 0.996,
             "role": "main" if unit["id"].startswith("main") else "feeder", "parent": None if unit["id"].startswith("main") else "main-1"}
            for unit in self.site["units"] if f"{unit['id']}/active_power" in self.points
        ]  # fmt: skip
        return {
            "month": month, "currency": "CNY", "total_kwh": total, "coverage": 0.985, "energy_coverage": 0.997,
            "previous_kwh": total * 1.08, "cost": sum(total * part * price for (*_, part), price in zip(bands, prices, strict=True)),
            "bands": [{"band": key, "name": both(zh, en), "kwh": total * part, "cost": total * part * price} for (key, zh, en, part), price in zip(bands, prices, strict=True)],
            "days": days, "hours": [180 + 320 * math.exp(-(((hour - 14) / 5) ** 2)) for hour in range(24)], "meters": meters,
            "tariff": {"name": both("上海两部制", "Shanghai two-part"), "version": "2026-07"}, "month_open": False,
        }  # fmt: skip
