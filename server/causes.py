"""One cause, one incident: what a root explains when it comes late, and what is left when it goes.

An alarm that comes while its root rings is quiet from the start (alarms/handlers.py). Here is what
happens around the root itself, and when a flood of alarms is over.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

from server.alarms import decide
from server.alarms.handlers import SYSTEM, Here, holds_of, release
from server.alarms.model import Watch
from server.events import AlarmRaised, AlarmReturned, AlarmsExplained
from watchkeeper.ids import AlarmId

LATE = timedelta(minutes=2)  # a root explains what came so long before it

WatchOf: TypeAlias = Callable[[str], Watch | None]  # by key; None: it has left the catalog


def root_raised(event: AlarmRaised, here: Here, watch_of: WatchOf) -> None:
    """What came before its root is explained now; whoever was told of it is told once of that.

    Safe to run twice.
    """
    if not event.root or event.held:
        return
    root = here.alarms.get(event.alarm)
    top = root.cause or root.id
    key = f"{event.rule}|{event.point}"
    found = [
        alarm
        for alarm in here.causes.unexplained(here.now - LATE)
        if alarm.id != top and (watch := watch_of(alarm.key)) is not None and key in watch.roots
    ]
    explained = AlarmsExplained(
        top, event.title, event.priority, event.place, tuple(each.id for each in found), event.at
    )  # fmt: skip
    for left, alarm in enumerate(found, 1 - len(found)):
        for below in here.causes.caused_by(alarm.id):  # it was a root itself: one incident now
            here.alarms.save(replace(below, cause=top), "explained", SYSTEM, note=event.title.en)
        after = replace(alarm, cause=top)
        watch = watch_of(alarm.key)
        after = decide.flagged(after, holds_of(after, watch.rule if watch else None, here)[0])
        happened = () if left else (explained,)
        here.alarms.save(after, "explained", SYSTEM, *happened, note=event.title.en)


def root_returned(event: AlarmReturned, here: Here) -> None:
    """Ask after a while what is left of its incident. Safe to run twice."""
    if here.causes.caused_by(event.alarm):
        here.causes.settle_at(event.alarm, here.now + decide.SETTLE)


def settled(root: AlarmId, here: Here, watch_of: WatchOf) -> None:
    """Tell of what still rings though its root is over: it has a cause of its own."""
    if here.causes.stands(root, here.now - decide.SETTLE):
        return
    for alarm in here.causes.caused_by(root):
        watch = watch_of(alarm.key)
        rule = watch.rule if watch else None
        after = decide.flagged(alarm, holds_of(alarm, rule, here)[0])
        if after.flags != alarm.flags:
            release(after, rule, here, "root-over", SYSTEM)


def flood_over(here: Here) -> None:
    """End a flood once few alarms come, or look again."""
    if here.causes.flood() is None:
        return
    recent = here.causes.recent(here.now - decide.FLOOD, decide.FLOOD_ENDS)
    if decide.flooded(standing=True, recent=recent):
        here.causes.look_again()
    else:
        here.causes.flooding(None)
