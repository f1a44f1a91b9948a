"""What the timers of alarms do: a delay is over, one chatters no more, a root is gone."""

from dataclasses import replace
from datetime import timedelta

from server import causes
from server.alarms import handlers as alarms
from server.alarms.api import here
from server.parts import Parts
from server.timers import Action, Timer, Timers
from server.unit import Unit
from watchkeeper.ids import AlarmId

AGAIN = timedelta(seconds=1)  # while the history of what was missed is evaluated


def ended(parts: Parts) -> Action:
    """Return the action of timers of kind `rule`; a rule that has left the catalog does nothing."""

    def act(unit: Unit, timer: Timer) -> None:
        watch = parts.rules.get(timer.subject)
        if watch is not None and parts.watching.held and watch.key in parts.rules.watches:
            Timers(unit).set(replace(timer, due=unit.now + AGAIN))
        elif watch is not None:
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


def settled(parts: Parts) -> Action:
    """Return the action of the timers that ask what is left of an incident."""

    def act(unit: Unit, timer: Timer) -> None:
        causes.settled(AlarmId(timer.subject), here(unit, parts.new_id), parts.rules.get)

    return act


def flood_over(parts: Parts) -> Action:
    """Return the action of the timers that ask whether a flood is over."""

    def act(unit: Unit, _: Timer) -> None:
        causes.flood_over(here(unit, parts.new_id))

    return act
