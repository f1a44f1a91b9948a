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
