"""Alarms in memory, as their port says."""

from datetime import datetime

from server.alarms.model import Alarm, Life, RuleState
from server.events import Event
from watchkeeper.ids import AlarmId, UnitId


class MemoryAlarms:
    """Forgets everything when it goes."""

    def __init__(self) -> None:
        self.alarms: dict[AlarmId, Alarm] = {}
        self.keys: dict[str, AlarmId] = {}
        self.states: dict[str, RuleState] = {}
        self.due: dict[str, datetime | None] = {}
        self.happened: list[Event] = []

    def get(self, alarm: AlarmId) -> Alarm:
        return self.alarms[alarm]

    def open_of(self, key: str) -> Alarm | None:
        found = self.keys.get(key)
        return None if found is None else self.alarms[found]

    def add(self, alarm: Alarm, key: str, *happened: Event) -> None:
        if key in self.keys:
            raise ValueError(f"{key} has an open alarm")
        self.keys[key] = alarm.id
        self.save(alarm, "raise", "system", *happened)

    def save(self, alarm: Alarm, what: str, by: str, *happened: Event) -> None:
        del what, by
        self.alarms[alarm.id] = alarm
        if alarm.life is Life.NORMAL:
            self.keys = {key: name for key, name in self.keys.items() if name != alarm.id}
        self.happened += happened

    def rings(self, rule: str, unit: UnitId, since: datetime) -> bool:
        return any(
            (each.rule, each.unit, each.returned_at) == (rule, unit, None)
            and each.raised_at >= since
            for each in map(self.alarms.__getitem__, self.keys.values())
        )

    def state(self, key: str) -> RuleState:
        return self.states.get(key, RuleState())

    def keep(self, key: str, state: RuleState, due: datetime | None) -> None:
        self.states[key], self.due[key] = state, due
