"""Alarms in memory, as their port says."""

from collections.abc import Sequence
from datetime import datetime

from server.alarms.model import Alarm, Hold, Life, RuleState, subjects
from server.events import Event
from watchkeeper.ids import AlarmId, PointId, UnitId


class MemoryAlarms:
    """Forgets everything when it goes."""

    def __init__(self) -> None:
        self.alarms: dict[AlarmId, Alarm] = {}
        self.keys: dict[str, AlarmId] = {}
        self.states: dict[str, RuleState] = {}
        self.due: dict[str, datetime | None] = {}
        self.happened: list[Event] = []
        self.logged: list[tuple[AlarmId, str, str, str]] = []
        self.flags: dict[str, Hold] = {}
        self.calm: dict[str, datetime] = {}

    def get(self, alarm: AlarmId) -> Alarm:
        return self.alarms[alarm]

    def open_of(self, key: str) -> Alarm | None:
        found = self.keys.get(key)
        return None if found is None else self.alarms[found]

    def add(self, alarm: Alarm, key: str, *happened: Event) -> None:
        if key in self.keys:
            raise ValueError(f"{key} has an open alarm")
        self.keys[key] = alarm.id
        self.save(alarm, "late" if alarm.late else "raise", "system", *happened)

    def save(self, alarm: Alarm, what: str, by: str, *happened: Event, note: str = "") -> None:
        self.log(alarm, what, by, note)
        self.alarms[alarm.id] = alarm
        if alarm.life is Life.NORMAL:
            self.keys = {key: name for key, name in self.keys.items() if name != alarm.id}
        self.happened += happened

    def log(self, alarm: Alarm, what: str, by: str, note: str = "") -> None:
        self.logged.append((alarm.id, what, by, note))

    def newest(self, rule: str, point: PointId) -> Alarm | None:
        found = [each for each in self.alarms.values() if (each.rule, each.point) == (rule, point)]
        return max(found, key=lambda each: (each.raised_at, each.id), default=None)

    def ringing(self, rule: str, unit: UnitId, since: datetime) -> list[Alarm]:
        return [
            each
            for each in self._open()
            if (each.rule, each.unit, each.returned_at) == (rule, unit, None)
            and each.raised_at >= since
        ]

    def calm_at(self, key: str, due: datetime) -> None:
        self.calm[key] = due

    def hold(self, hold: Hold) -> None:
        self.flags[hold.flag] = hold

    def unhold(self, flag: str) -> None:
        self.flags.pop(flag, None)

    def holds(self, subjects: Sequence[str]) -> list[Hold]:
        return [each for each in self.flags.values() if each.subject in subjects]

    def touched(self, subject: str, kind: str) -> list[Alarm]:
        return [
            each
            for each in self._open()
            if subject in subjects(each.unit, each.point, each.zone, each.key) or kind in each.flags
        ]

    def _open(self) -> list[Alarm]:
        return [self.alarms[name] for name in self.keys.values()]

    def state(self, key: str) -> RuleState:
        return self.states.get(key, RuleState())

    def keep(self, key: str, state: RuleState, due: datetime | None) -> None:
        self.states[key], self.due[key] = state, due


class MemoryCauses:
    """What explains alarms, over alarms in memory."""

    def __init__(self, alarms: MemoryAlarms) -> None:
        self.of = alarms
        self.settle: dict[str, datetime] = {}
        self.looks = 0
        self.began: datetime | None = None

    def root_of(self, keys: Sequence[str], since: datetime) -> AlarmId | None:
        found = {
            each.key: each
            for each in self.of.alarms.values()
            if _rings(each, since) and (each.cause or not each.flags)
        }
        return next((found[key].cause or found[key].id for key in keys if key in found), None)

    def stands(self, root: AlarmId, since: datetime) -> bool:
        return root in self.of.alarms and _rings(self.of.alarms[root], since)

    def caused_by(self, root: AlarmId) -> list[Alarm]:
        found = self.of.alarms.values()
        return [each for each in found if each.cause == root and each.life is not Life.NORMAL]

    def unexplained(self, since: datetime) -> list[Alarm]:
        return sorted(
            (
                each
                for each in self.of.alarms.values()
                if each.recorded_at >= since
                and each.active
                and each.cause is None
                and each.handling != "life_safety"
            ),
            key=lambda each: (each.recorded_at, each.id),
        )

    def recent(self, since: datetime, most: int) -> int:
        found = [
            each
            for each in self.of.alarms.values()
            if each.recorded_at > since and each.handling != "life_safety" and not each.flags
        ]
        return min(len(found), most)

    def flood(self) -> datetime | None:
        return self.began

    def flooding(self, began: datetime | None) -> None:
        self.began = began

    def look_again(self) -> None:
        self.looks += 1

    def settle_at(self, root: AlarmId, due: datetime) -> None:
        self.settle[root] = due


def _rings(alarm: Alarm, since: datetime) -> bool:
    return alarm.returned_at is None or alarm.returned_at > since
