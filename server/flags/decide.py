"""Decisions about flags: who may, for how long, and when one ends."""

from dataclasses import replace
from datetime import datetime, timedelta

from server.events import Event, FlagEnded, FlagStands, WalkTestEnded
from server.flags.model import LONGEST, MAY, Actor, Ask, Flag, Kind, SetOff, Target
from watchkeeper.errors import Forbidden, NotPossible, Refused
from watchkeeper.ids import PersonId

TIMER_BY = PersonId("timer")  # who ends what runs out


def begin(flag: str, target: Target, ask: Ask, actor: Actor, now: datetime) -> tuple[Flag, Event]:
    """Return the new flag. Forbidden: not of this, not by this person, not for so long."""
    check(target, ask, actor, now)
    made = Flag(
        flag, ask.kind, target.subject, target.handling, target.name, ask.reason.strip(),
        actor.id, now, ask.until, ask.one_shot, ask.cause, ask.permit.strip(), ask.company.strip(),
        target.points if ask.kind is Kind.TEST else (),
    )  # fmt: skip
    return made, _stands(made, target, now)


def extend(flag: Flag, target: Target, ask: Ask, actor: Actor, now: datetime) -> tuple[Flag, Event]:
    """Return the flag with what is asked for now instead; its time is counted from now."""
    if flag.kind is Kind.TEST:
        raise Refused("flags.in-test", flag=flag.id, by=flag.by)
    check(target, ask, actor, now)
    after = replace(
        flag, reason=ask.reason.strip(), by=actor.id, until=ask.until, one_shot=ask.one_shot,
        cause=ask.cause, permit=ask.permit.strip(), generation=flag.generation + 1,
    )  # fmt: skip
    return after, _stands(after, target, now)


def check(target: Target, ask: Ask, actor: Actor, now: datetime) -> None:
    """Raise Forbidden or NotPossible with what stands against it."""
    which = (ask.kind, target.handling)
    longest = LONGEST.get(which)
    if longest is None:
        raise Forbidden("flags.life-safety", kind=ask.kind.value)
    if not actor.roles & {*MAY[which], "admin"}:
        raise Forbidden("people.role-needed", roles=sorted(MAY[which]))
    if not ask.reason.strip():
        raise NotPossible("flags.reason-needed", field="reason")
    work = ask.kind is Kind.OUT_OF_SERVICE and target.handling == "life_safety"
    if work and not ask.permit.strip():
        raise NotPossible("flags.permit-needed", field="permit")
    _check_until(ask, longest, now)


def _check_until(ask: Ask, longest: timedelta, now: datetime) -> None:
    if ask.until is None:
        if ask.kind is not Kind.SUPPRESSED:
            raise NotPossible("flags.until-needed", field="until")
    elif ask.until <= now:
        raise NotPossible("flags.until-past", field="until")
    elif ask.until - now > longest:
        raise Forbidden("flags.too-long", hours=longest.total_seconds() / 3600)


def end(
    flag: Flag, tested: list[SetOff], by: PersonId, why: str, now: datetime
) -> tuple[Flag, list[Event]]:
    """Return the flag that stands no more. Refused: it does not stand."""
    if flag.ended_at is not None:
        raise Refused("flags.ended", flag=flag.id, by=flag.ended_by)
    after = replace(flag, ended_at=now, ended_by=by, ended_why=why, generation=flag.generation + 1)
    happened: list[Event] = [FlagEnded(flag.id, flag.kind, flag.subject, why, by, now)]
    if flag.kind is Kind.TEST:
        happened.append(
            WalkTestEnded(
                flag.id, flag.name, len(tested), len(flag.points),
                tuple(missing(flag, tested)), flag.by, now,
            )
        )  # fmt: skip
    return after, happened


def due(flag: Flag, generation: int) -> bool:
    """Return whether a timer of `generation` ends the flag; an older one does not."""
    return flag.ended_at is None and flag.generation == generation


def missing(flag: Flag, tested: list[SetOff]) -> list[str]:
    """Return the points of a test that were never set off."""
    done = {each.point for each in tested}
    return [point for point in flag.points if point not in done]


def _stands(flag: Flag, target: Target, now: datetime) -> FlagStands:
    return FlagStands(
        flag.id, flag.kind, flag.subject, flag.until, flag.reason, flag.by, now, target.alarm
    )
