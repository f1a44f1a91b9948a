"""What alarms need from outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from server.alarms.model import Alarm, Hold, RuleState
from server.events import Event
from watchkeeper.ids import AlarmId, PointId, UnitId


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

    def save(self, alarm: Alarm, what: str, by: str, *happened: Event, note: str = "") -> None:
        """Store what became of the alarm, log `what` was done by whom, and tell what happened."""
        ...

    def log(self, alarm: Alarm, what: str, by: str, note: str = "") -> None:
        """Log something that changes nothing of the alarm."""
        ...

    def newest(self, rule: str, point: PointId) -> Alarm | None:
        """Return the alarm of a watch that was raised last, open or not."""
        ...

    def ringing(self, rule: str, unit: UnitId, since: datetime) -> list[Alarm]:
        """Return the alarms of the rule at the unit that were raised since and are not over."""
        ...

    def calm_at(self, key: str, due: datetime) -> None:
        """Set the timer that asks whether a watch chatters no more."""
        ...

    def hold(self, hold: Hold) -> None:
        """Store a flag, or what it has become."""
        ...

    def unhold(self, flag: str) -> None:
        """Forget a flag; none is no error."""
        ...

    def holds(self, subjects: Sequence[str]) -> list[Hold]:
        """Return the flags of any of these subjects."""
        ...

    def touched(self, subject: str, kind: str) -> list[Alarm]:
        """Return the open alarms of a flag's subject, and others that carry its kind."""
        ...

    def state(self, key: str) -> RuleState:
        """Return the state of a watch; a new one is normal."""
        ...

    def keep(self, key: str, state: RuleState, due: datetime | None) -> None:
        """Store the state of a watch and, when its delay runs, the timer that ends it."""
        ...


class Causes(Protocol):
    """What explains alarms, and when there are too many, within one unit of work."""

    def root_of(self, keys: Sequence[str], since: datetime) -> AlarmId | None:
        """Return the root of the first of these watches that rings, or has rung since.

        What a flag holds back explains nothing: nobody was told of it.
        """
        ...

    def stands(self, root: AlarmId, since: datetime) -> bool:
        """Return whether an alarm rings, or has rung since."""
        ...

    def caused_by(self, root: AlarmId) -> list[Alarm]:
        """Return the open alarms a root explains."""
        ...

    def unexplained(self, since: datetime) -> list[Alarm]:
        """Return the alarms raised since that ring and that nothing explains, the oldest first."""
        ...

    def recent(self, since: datetime, most: int) -> int:
        """Return how many alarms people were shown since, no life safety; `most` is enough."""
        ...

    def flood(self) -> datetime | None:
        """Return since when there are more alarms than a person can take; None: there are not."""
        ...

    def flooding(self, began: datetime | None) -> None:
        """Note that a flood begins, or with None that it is over."""
        ...

    def settle_at(self, root: AlarmId, due: datetime) -> None:
        """Set the timer that asks what is left of an incident whose root is over."""
        ...

    def look_again(self) -> None:
        """Ask again in a while whether the flood is over."""
        ...
