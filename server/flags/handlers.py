"""One function per command, event or timer of flags: load, decide, save."""

from server.events import AlarmRaised, AlarmReturned
from server.flags import decide
from server.flags.model import Actor, Ask, Flag, Kind, SetOff, Target
from server.flags.ports import Here
from watchkeeper.errors import Refused
from watchkeeper.ids import PersonId


def stand(target: Target, ask: Ask, actor: Actor, here: Here) -> Flag:
    """Let a flag stand; where one of its kind stands, it stands for as long as is asked for now.

    An alarm raised meanwhile stays marked: extending a flag never loses it.
    """
    found = here.flags.standing(ask.kind, [target.subject])
    if found:
        flag, happened = decide.extend(found[0], target, ask, actor, here.now)
        here.flags.save(flag, happened)
    else:
        flag, happened = decide.begin(here.new_id("flg"), target, ask, actor, here.now)
        here.flags.add(flag, happened)
    here.ends.end_at(flag)
    return flag


def end_of(kind: Kind, subject: str, by: PersonId, here: Here) -> Flag:
    """End the flag of a kind on a subject. Refused: none stands."""
    found = here.flags.standing(kind, [subject])
    if not found:
        raise Refused("flags.not-standing", kind=kind.value)
    return _end(found[0], by, "ended", here)


def end(flag: str, by: PersonId, here: Here) -> Flag:
    """End a flag by its id; KeyError: unknown. Refused: it has ended."""
    return _end(here.flags.get(flag), by, "ended", here)


def expire(flag: str, generation: int, here: Here) -> None:
    """End a flag whose time is over; a timer of before an extension does nothing."""
    found = here.flags.get(flag)
    if decide.due(found, generation):
        _end(found, decide.TIMER_BY, "expired", here)


def alarm_returned(event: AlarmReturned, here: Here) -> None:
    """A one-shot shelf is over with its alarm. Safe to run twice."""
    subject = f"alarm:{event.rule}|{event.point}"
    for flag in here.flags.standing(Kind.SHELVED, [subject]):
        if flag.one_shot:
            _end(flag, decide.TIMER_BY, "returned", here)


def alarm_raised(event: AlarmRaised, here: Here) -> None:
    """A point that went active in test mode is tested. Safe to run twice."""
    if Kind.TEST not in event.held:
        return
    about = {event.unit, event.point.partition("/")[0]}
    subjects = [*(f"unit:{unit}" for unit in sorted(about)), f"zone:{event.zone}"]
    for flag in here.flags.standing(Kind.TEST, subjects):
        if event.point in flag.points:
            here.flags.went(flag, SetOff(event.point, event.alarm, event.at))


def _end(flag: Flag, by: PersonId, why: str, here: Here) -> Flag:
    tested = here.flags.tested(flag.id)
    after, happened = decide.end(flag, tested, by, why, here.now)
    here.flags.save(after, *happened)
    here.ends.end_at(after)
    return after
