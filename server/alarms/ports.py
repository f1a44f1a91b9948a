"""What alarms need from outside."""

from datetime import datetime
from typing import Protocol

from server.alarms.model import Alarm, RuleState
from server.events import Event
from watchkeeper.ids import AlarmId, UnitId


class Alarms(Protocol):
    """Alarms and rule states within one unit of work."""

    def get(self, alarm: AlarmId) -> Alarm:
        """Return the alarm; KeyError when unknown."""
        ...

    def open_of(self, key: str) -> Alarm | None:
        """Return the open alarm of a watch, if there is one."""
        ...

    def add(self, alarm: Alarm, key: str, *happened: Event) -> None:
        """Store a new alarm; at most one open alarm a key."""
        ...

    def save(self, alarm: Alarm, what: str, by: str, *happened: Event) -> None:
        """Store what became of the alarm, log `what` was done by whom, and tell what happened."""
        ...

    def rings(self, rule: str, unit: UnitId, since: datetime) -> bool:
        """Tell whether an alarm of the rule at the unit was raised since and is not over."""
        ...

    def state(self, key: str) -> RuleState:
        """Return the state of a watch; a new one is normal."""
        ...

    def keep(self, key: str, state: RuleState, due: datetime | None) -> None:
        """Store the state of a watch and, when its delay runs, the timer that ends it."""
        ...
