"""What happens in the fake server's house: alarms and orders, and how they change."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.browser.fake_runs import Runs, both
from tests.browser.fake_values import MINUTE, Values

RULES = yaml.safe_load(Path(__file__).with_name("fake_story.yaml").read_text("utf-8"))
WAYS = {
    "assign": "assigned", "accept": "accepted", "decline": "triaged", "depart": "en_route",
    "arrive": "on_site", "start": "in_progress", "hold": "on_hold", "resume": "in_progress",
    "done": "done", "verify": "verified", "reject": "in_progress", "close": "closed",
    "cancel": "cancelled",
}  # fmt: skip
TECHNICIAN_MAY = {
    "assigned": ["accept", "decline"], "accepted": ["decline", "depart"],
    "en_route": ["arrive", "hold"], "on_site": ["start", "hold"],
    "in_progress": ["hold", "done"], "on_hold": ["resume"],
}  # fmt: skip
OPERATOR_MAY = {"done": ["verify", "reject"], "verified": ["reject", "close"]}
NAMES = {"wangqiang": "王强", "liumin": "刘敏", None: ""}
OVERLOAD = 214_300.0  # W


class Story:
    """The state of the house, and how it changes; make_* are what a test may ask for."""

    def __init__(
        self,
        site: dict[str, Any],
        now: Callable[[], int],
        tell: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.now, self.tell = now, tell
        self.values = Values(site, now)
        self.runs = Runs(now, tell)
        self.alarms: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.read: set[str] = set()
        self.number = itertools.count(1)
        self._begin()

    def _begin(self) -> None:
        """Raise what is already there when one comes on shift."""
        fault, hot = "fire-panel/detector-31", "hvac-1/active_power"
        self.values.set |= {fault: 2, hot: OVERLOAD}
        self.make_alarm("power-factor", "main-2/power_factor", 0.88, 0.9, 147, "acknowledged")
        self.make_alarm("sump-high", "sump-1/level", 1.62, 1.5, 41, "returned")
        self.make_alarm("room-warm", "room-transformer/temperature", 36.4, 35.0, 27)
        first = self.make_alarm("detector-fault", fault, 2, None, 44, "acknowledged")
        second = self.make_alarm("feeder-overload", hot, OVERLOAD, 200_000.0, 21)
        self.make_order("liumin", "in_progress", 40, 50, alarm=first)
        self.make_order("wangqiang", "assigned", 12, 90, alarm=second)
        self.make_order("wangqiang", "on_site", 65, 80, zh="1803 室 空调不冷", en="Room 1803 warm")
        self.make_order(
            "wangqiang", "on_hold", 95, 480, zh="12 层 茶水间漏水", en="12F pantry leak"
        )
        self.make_order(None, "triaged", 22, 240, zh="7 层 水龙头不出水", en="7F tap dry")
        self.make_order("liumin", "done", 200, 480, zh="大堂 2 号门 闭门器", en="Lobby door 2")

    def make_alarm(
        self,
        rule: str,
        point: str,
        value: float | None,
        limit: float | None = None,
        ago_min: float = 0,
        life: str = "unacknowledged",
    ) -> str:
        """Raise an alarm; return its id."""
        about, unit = RULES[rule], self.values.units[point.split("/", maxsplit=1)[0]]
        name, at = unit["name"], self.now() - round(ago_min * MINUTE)
        seen = life == "acknowledged"
        alarm: dict[str, Any] = {
            "id": f"alm_{next(self.number):04d}",
            "rule": rule,
            "revision": 3,
            "point": point,
            "unit": unit["id"],
            "place": unit["place"],
            "zone": "",
            "priority": about["priority"],
            "handling": "life_safety" if about["priority"] == 1 else "highly_managed",
            "life": life,
            "title": both(f"{name['zh']} {about['zh']}", f"{name['en']}: {about['en']}"),
            "guidance": both(about["todo"], about["to_do"]),
            "value": value,
            "limit": limit,
            "unit_symbol": self.values.points[point]["unit_symbol"],
            "raised_at": at,
            "returned_at": at + 11 * MINUTE if life == "returned" else None,
            "acknowledged_at": at + 40_000 if seen else None,
            "acknowledged_by": "chenlei" if seen else None,
            "count": 1,
            "order": None,
            "run": None,
        }
        self.alarms[alarm["id"]] = alarm
        self.tell("alarm", alarm)
        return str(alarm["id"])

    def make_return(self, alarm: str) -> None:
        """Let an alarm be over."""
        found = self.alarms[alarm]
        life = "normal" if found["acknowledged_at"] else "returned"
        found |= {"life": life, "returned_at": self.now()}
        self.tell("alarm", found)

    def make_value(self, point: str, value: float | None, quiet_s: int = 0) -> None:
        """Fix what a point reads; None: nobody knows. Quiet: it stands, reported that long ago."""
        self.values.set[point] = value
        if quiet_s:
            self.values.quiet[point] = quiet_s * 1000

    def make_order(  # noqa: PLR0913, PLR0917 - a made-up order has this much to it
        self,
        person: str | None,
        state: str = "assigned",
        ago_min: float = 0,
        minutes: float = 120,
        zh: str = "",
        en: str = "",
        alarm: str | None = None,
    ) -> str:
        """Open an order; return its id."""
        at = self.now() - round(ago_min * MINUTE)
        about = self.alarms[alarm] if alarm else {"unit": "ahu-1", "place": "tower-a/12"}
        order: dict[str, Any] = {
            "id": f"ord_{next(self.number):04d}",
            "alarm": alarm,
            "unit": about["unit"],
            "place": about["place"],
            "priority": about.get("priority", 3),
            "skill": "fire" if about["unit"] == "fire-panel" else "electrical",
            "title": about.get("title") or both(zh, en),
            "state": state,
            "person": person,
            "person_name": NAMES[person],
            "opened_at": at,
            "moved_at": at,
            "respond_due": at + 15 * MINUTE,
            "restore_due": at + round(minutes * MINUTE),
            "reasons": [],
            "notes": [],
            "may": [],
        }
        self.orders[order["id"]] = order
        if alarm:
            self.alarms[alarm]["order"] = order["id"]
            self.tell("alarm", self.alarms[alarm])
        self.tell("order", self.order_for(order, "chenlei"))
        return str(order["id"])

    def make_run(self) -> str:
        """Trap somebody in lift 3 and start the rescue plan, 5.4 min ago; return the run's id."""
        board, lift = "lift-3-board/trapped_between_floors", "lift-3"
        self.values.set |= {board: 1, f"{lift}/floor": 14, f"{lift}/mode": 5}
        self.values.set |= {f"{lift}/direction": 3, f"{lift}/fault_code": 41}
        alarm = self.make_alarm("lift-entrapment", board, 1, None, 5.4, "acknowledged")
        since = self.now() - round(5.4 * MINUTE)
        run = self.runs.start("entrapment", lift, "actual", alarms=[alarm], since=since)
        self.alarms[alarm]["run"] = run["id"]
        self.tell("alarm", self.alarms[alarm])
        for step in run["steps"][:2]:
            self.runs.work(run["id"], f"steps/{step['key']}/done", "chenlei", "陈磊", {})
        return str(run["id"])

    def snapshot(self) -> dict[str, Any]:
        """Return what a new viewer is sent."""
        orders = [self.order_for(order, "chenlei") for order in self.orders.values()]
        runs = list(self.runs.all.values())
        return {"alarms": list(self.alarms.values()), "orders": orders, "runs": runs}

    def acknowledge(self, alarm: str, who: str) -> None:
        """Acknowledge an alarm."""
        found = self.alarms[alarm]
        life = "normal" if found["life"] == "returned" else "acknowledged"
        found |= {"life": life, "acknowledged_at": self.now(), "acknowledged_by": who}
        self.tell("alarm", found)

    def order_for(self, order: dict[str, Any], who: str) -> dict[str, Any]:
        """Return an order with what this person may do with it."""
        state = order["state"]
        may = TECHNICIAN_MAY.get(state, []) if who == order["person"] else []
        if who in {"chenlei", "admin"}:
            before = state in TECHNICIAN_MAY or state == "triaged"
            may = OPERATOR_MAY.get(state, []) + (["assign", "cancel"] if before else [])
        return {**order, "may": may}

    def move(self, order: str, verb: str, who: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Move an order on."""
        found = self.orders[order]
        found |= {"state": WAYS[verb], "moved_at": self.now()}
        if verb in {"assign", "decline"}:
            person = asked.get("person")
            found |= {"person": person, "person_name": NAMES[person]}
        said = [asked.get(key, "") for key in ("reason", "cause", "remedy", "note")]
        if any(said):
            note = {"at": self.now(), "by": who, "text": " · ".join(filter(None, said))}
            found["notes"] = [*found["notes"], note]
        self.tell("order", self.order_for(found, "chenlei"))
        return self.order_for(found, who)

    def inbox(self, who: str) -> list[dict[str, Any]]:
        """Return a person's messages: one for each open alarm."""
        return [
            self._message(alarm, who) for alarm in self.alarms.values() if alarm["life"] != "normal"
        ]

    def _message(self, alarm: dict[str, Any], who: str) -> dict[str, Any]:
        at, name = alarm["raised_at"] + 3000, f"msg_{alarm['id']}"
        sent = {"channel": "inbox", "state": "delivered", "attempts": 1, "at": at, "error": None}
        return {
            "id": name,
            "person": who,
            "subject": alarm["id"],
            "kind": "alarm",
            "title": alarm["title"],
            "text": alarm["guidance"],
            "link": f"/alarms?alarm={alarm['id']}",
            "at": at,
            "read_at": at if name in self.read else None,
            "deliveries": [sent],
        }
