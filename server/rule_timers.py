"""What happens when the delay of a rule is over, and when an alarm chatters no more."""

from server.alarms import handlers as alarms
from server.alarms.api import here
from server.parts import Parts
from server.timers import Action, Timer
from server.unit import Unit


def ended(parts: Parts) -> Action:
    """Return the action of timers of kind `rule`; a rule that has left the catalog does nothing."""

    def act(unit: Unit, timer: Timer) -> None:
        watch = parts.rules.get(timer.subject)
        if watch is not None:
            value = parts.latest.value_of(watch.point)
            ours = here(unit, parts.new_id, parts.watching.follow)
            alarms.expire(watch, timer.generation, value, ours)

    return act


def calmed(parts: Parts) -> Action:
    """Return the action of the timers that ask whether an alarm chatters no more."""

    def act(unit: Unit, timer: Timer) -> None:
        watch = parts.rules.get(timer.subject)
        if watch is not None:
            alarms.calmed(watch.rule, timer.subject, here(unit, parts.new_id))

    return act
