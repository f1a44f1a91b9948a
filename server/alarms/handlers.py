"""One function per command or event of alarms: load, decide, save."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from server.alarms import decide
from server.alarms.model import (
    Acknowledge,
    Alarm,
    Effect,
    Hold,
    Life,
    Memory,
    Missed,
    Phase,
    Reset,
    Rule,
    Sample,
    Watch,
    said,
    subjects,
)
from server.alarms.ports import Alarms, Causes
from server.events import (
    AlarmAcknowledged,
    AlarmCalmed,
    AlarmRaised,
    AlarmReturned,
    AlarmWorsened,
    FlagEnded,
    FlagStands,
    OrderJoined,
    OrderOpened,
    RunMoved,
    RunStarted,
)
from watchkeeper.clock import unix_ms
from watchkeeper.errors import Refused, WatchkeeperError
from watchkeeper.ids import AlarmId, NewId, PersonId, PointId

SYSTEM = "system"  # who did it, in the log of an alarm
ECHO = timedelta(seconds=60)  # an alarm raised so shortly before may be about the same trouble
RuleOf: TypeAlias = Callable[[str], Rule | None]  # of a watch; None: it has left the catalog


@dataclass(frozen=True, slots=True)
class Here:
    """What every handler works with: the alarms of this unit, its instant, names for new things."""

    alarms: Alarms
    now: datetime
    new_id: NewId
    causes: Causes


def observe(watch: Watch, sample: Sample, here: Here, memory: Memory | None = None) -> None:
    """Decide the rule on the newest sample; `memory` is the lane's, where that is newer."""
    state = here.alarms.state(watch.key)
    after, effect = decide.learn(watch, state, sample, memory)
    if after == state:
        return
    left = decide.left_s(watch.rule, after)
    here.alarms.keep(watch.key, after, None if left is None else here.now + timedelta(seconds=left))
    _apply(watch, effect, sample, here, watch.priority_of(after.grade))


def expire(watch: Watch, generation: int, value: float | None, here: Here) -> None:
    """End a delay whose timer fired; a timer of an older state does nothing."""
    state = here.alarms.state(watch.key)
    left = decide.left_s(watch.rule, state)
    after, effect = decide.expire(state, generation)
    if after == state or state.since is None or left is None:
        return
    here.alarms.keep(watch.key, after, None)
    due = Sample(state.since + timedelta(seconds=left), value)
    _apply(watch, effect, due, here, watch.priority_of(after.grade))


def record_late(watch: Watch, sample: Sample, here: Here) -> None:
    """Record what the backlog says was true once and is over: on the list to be seen, not paged."""
    at = unix_ms(sample.at)
    if not decide.evaluate(watch.condition, Phase.NORMAL, sample.value, at):
        return
    found = here.alarms.open_of(watch.key)
    if found is None:
        rule, made = watch.rule, replace(_made(watch, sample, here), late=True)
        over = decide.returned(made, sample.at, latch=rule.latch, acknowledge=rule.acknowledge)
        here.alarms.add(replace(over, raises=(), fleeting=False), watch.key)
    elif sample.at < found.raised_at:
        here.alarms.save(found, "late", SYSTEM)


def missed(watch: Watch, spell: Missed, here: Here) -> None:
    """Record what was so while nobody looked: over, it is there to be seen; else it rings now."""
    sample, found = Sample(spell.at, spell.value, late=True), here.alarms.open_of(watch.key)
    if spell.returned_at is None:
        _raise(watch, sample, found, here, spell.priority)
        return
    rule, made = watch.rule, _made(watch, sample, here)
    made = replace(made, priority=spell.priority, priority_max=spell.priority)
    made = replace(made, late=True, untold=True, raises=())
    over = decide.returned(made, spell.returned_at, latch=rule.latch, acknowledge=rule.acknowledge)
    if found is not None:
        over = replace(over, life=Life.NORMAL)  # there is one to be seen already
    here.alarms.add(over, watch.key)
    here.alarms.log(over, "return", SYSTEM)


def over_meanwhile(watch: Watch, at: datetime, here: Here) -> None:
    """End what rang before anybody stopped looking, by the time of the readings."""
    _apply(watch, Effect.RETURN, Sample(at, None), here)


def acknowledge(command: Acknowledge, here: Here) -> None:
    """Say: seen, mine. The first wins."""
    alarm = decide.acknowledge(here.alarms.get(command.alarm), command, here.now)
    happened = AlarmAcknowledged(alarm.id, command.by, here.now)
    here.alarms.save(alarm, "acknowledge", command.by, happened)


def acknowledge_all(alarms: Sequence[AlarmId], by: PersonId, here: Here) -> list[dict[str, object]]:
    """Acknowledge several at once; say of each what became of it. Life safety is seen singly."""
    return [{"id": alarm, **_one_of_many(alarm, by, here)} for alarm in alarms]


def _one_of_many(alarm: AlarmId, by: PersonId, here: Here) -> dict[str, object]:
    try:
        if here.alarms.get(alarm).handling == "life_safety":
            raise Refused("alarms.bulk-life-safety", alarm=alarm)
        acknowledge(Acknowledge(alarm, by), here)
    except KeyError:
        return {"ok": False, "type": "unknown"}
    except WatchkeeperError as error:
        return {"ok": False, "type": error.code, **error.facts}
    return {"ok": True}


def too_late(command: Acknowledge, here: Here) -> None:
    """Log that somebody acknowledged what another had taken before."""
    here.alarms.log(here.alarms.get(command.alarm), "acknowledge-refused", command.by)


def reset(command: Reset, here: Here) -> None:
    """Let a latched alarm go that is over and seen."""
    alarm = decide.reset(here.alarms.get(command.alarm), command)
    here.alarms.save(alarm, "reset", command.by)


def grade(watch: Watch, priority: int, sample: Sample, here: Here) -> None:
    """Give the active alarm of a watch the priority it has now; worse, it must be seen again."""
    found = here.alarms.open_of(watch.key)
    after, worse = decide.graded(found, priority) if found else (None, False)
    if found is None or after is None or after == found:
        return
    title = said(watch, watch.rule.title, sample.value)
    after = replace(after, value=sample.value, title=title)
    if not worse:
        here.alarms.save(after, "ease", SYSTEM)
        return
    after = decide.told(after)
    happened = AlarmWorsened(_told(after, watch.rule, sample.at), found.priority)
    here.alarms.save(after, "worsen", SYSTEM, happened)


def calmed(rule: Rule, key: str, here: Here) -> None:
    """End the chattering of a watch that has been quiet for long enough."""
    found = here.alarms.newest(rule.key, PointId(key.partition("|")[2]))
    if found is None or found.chatter_since is None:
        return
    due = decide.calm(found, here.now)
    if due is not None:
        here.alarms.calm_at(key, due)
        return
    happened = AlarmCalmed(
        _told(found, rule, here.now), found.chatter_count, found.chatter_since, found.active
    )
    here.alarms.save(decide.calmed(found), "calm", SYSTEM, happened)


def flag_stands(event: FlagStands, here: Here, rule_of: RuleOf) -> None:
    """The alarms of the flag's subject carry it. Safe to run twice."""
    here.alarms.hold(Hold(event.flag, event.kind, event.subject, event.until))
    for alarm in here.alarms.touched(event.subject, event.kind):
        after = decide.flagged(alarm, holds_of(alarm, rule_of(alarm.key), here)[0])
        if after != alarm:
            here.alarms.save(after, event.kind, event.by, note=event.reason)
        elif alarm.id == event.alarm:
            here.alarms.log(alarm, event.kind, event.by, event.reason)


def flag_ended(event: FlagEnded, here: Here, rule_of: RuleOf) -> None:
    """Alarms carry the flag no more; what nobody was told of meanwhile is told. Safe to run twice.

    What was raised in test mode and is over is closed with it.
    """
    here.alarms.unhold(event.flag)
    touched = [(each, rule_of(each.key)) for each in here.alarms.touched(event.subject, event.kind)]
    for alarm, rule in sorted(touched, key=lambda each: bool(each[1] and each[1].echo_of)):
        holds, echo = holds_of(alarm, rule, here)
        after = decide.flagged(alarm, holds)
        if after == alarm:
            continue
        if event.kind == "test" and after.test and not after.active:
            after = _closed(after, event, here)
        elif echo and not after.flags:
            after = replace(after, untold=False, test=False)  # another alarm says it
        else:
            release(after, rule, here, f"{event.kind}-ended", event.by, event.why)
            continue
        here.alarms.save(after, f"{event.kind}-ended", event.by, note=event.why)


def release(
    alarm: Alarm, rule: Rule | None, here: Here, what: str, by: str, note: str = ""
) -> None:
    """Something holds an alarm back no more: tell of it where nobody was told meanwhile."""
    after, tell = decide.released(alarm)
    happened = [_told(after, rule, _newest_raise(after))] if tell else []
    if after.handling != "life_safety":
        happened = [replace(each, flood=_flood(here)) for each in happened]
    here.alarms.save(after, what, by, *happened, note=note)


def _closed(alarm: Alarm, event: FlagEnded, here: Here) -> Alarm:
    try:
        return decide.acknowledge(alarm, Acknowledge(alarm.id, event.by), here.now)
    except Refused:  # it latches, and somebody has seen it
        return alarm


def order_opened(event: OrderOpened | OrderJoined, alarms: Alarms) -> None:
    """The alarm shows its work order. Safe to run twice."""
    if event.alarm is not None:
        _linked(event.alarm, {"order": event.order}, alarms)


def run_started(event: RunStarted | RunMoved, alarms: Alarms) -> None:
    """The alarms that are signals of a run show it. Safe to run twice."""
    for alarm in event.alarms:
        _linked(alarm, {"run": event.run}, alarms)


def notice(watch: Watch, at: datetime, here: Here) -> None:
    """Raise an alarm about something that happened once: it is over, and stays until it is seen.

    Happening again before that counts on the same alarm.
    """
    _apply(watch, Effect.RAISE, Sample(at, None), here)
    _apply(watch, Effect.RETURN, Sample(at, None), here)


def _linked(alarm: AlarmId, link: Mapping[str, str], alarms: Alarms) -> None:
    found = alarms.get(alarm)
    after = decide.linked(found, **link)
    if after != found:
        alarms.save(after, next(iter(link)), SYSTEM)


def _apply(
    watch: Watch, effect: Effect, sample: Sample, here: Here, priority: int | None = None
) -> None:
    found = here.alarms.open_of(watch.key)
    if effect is Effect.RAISE:
        _raise(watch, sample, found, here, priority or watch.rule.priority)
    elif effect is Effect.GRADE:
        grade(watch, priority or watch.rule.priority, sample, here)
    elif effect is Effect.RETURN and found is not None and found.active:
        rule = watch.rule
        after = decide.returned(found, sample.at, latch=rule.latch, acknowledge=rule.acknowledge)
        happened = AlarmReturned(after.id, after.rule, after.point, after.unit, sample.at)
        here.alarms.save(after, "return", SYSTEM, happened)


def _raise(watch: Watch, sample: Sample, found: Alarm | None, here: Here, priority: int) -> None:
    if found is None:
        alarm = replace(_made(watch, sample, here), priority=priority, priority_max=priority)
        before = here.alarms.newest(alarm.rule, alarm.point)
        known = before is not None and not before.untold
    elif found.active:
        return
    else:
        title = said(watch, watch.rule.title, sample.value)
        alarm, known = decide.raised(found, sample.at, sample.value, title, priority)
        before = found
    alarm = decide.chattering(replace(alarm, late=alarm.late or sample.late), before, sample.at)
    alarm = replace(alarm, cause=here.causes.root_of(watch.roots, here.now - decide.SETTLE))
    repeat = known and (found is not None or alarm.chatter_since is not None)
    holds, echo = holds_of(alarm, watch.rule, here)
    alarm = decide.flagged(alarm, holds)
    alarm = replace(alarm, test="test" in alarm.flags and (found is None or found.test))
    alarm = decide.told(alarm, rest=repeat or echo)
    happened = _told(alarm, watch.rule, sample.at, repeat=repeat, echo=echo)
    if not (repeat or echo or alarm.flags or alarm.handling == "life_safety"):
        happened = replace(happened, flood=_flood(here))
    if found is None:
        here.alarms.add(alarm, watch.key, happened)
    else:
        here.alarms.save(alarm, "raise", SYSTEM, happened)
    _chatters(alarm, before, here)


def _chatters(alarm: Alarm, before: Alarm | None, here: Here) -> None:
    """Note that an alarm begins to chatter, and ask later whether it has stopped."""
    if alarm.chatter_since is None:
        return
    if before is None or before.chatter_since is None:
        here.alarms.log(alarm, "chatter", SYSTEM)
    here.alarms.calm_at(alarm.key, here.now + decide.CALM)


def holds_of(alarm: Alarm, rule: Rule | None, here: Here) -> tuple[list[Hold], bool]:
    """Return the flags of an alarm, and whether people are told by another one just now.

    What is only the echo of alarms that a flag holds back is held back with them.
    """
    about = subjects(alarm.unit, alarm.point, alarm.zone, alarm.key)
    holds = here.alarms.holds(about)
    if alarm.cause and here.causes.stands(alarm.cause, here.now - decide.SETTLE):
        holds = [*holds, Hold("", "suppressed", alarm.cause)]
    if rule is None or not rule.echo_of:
        return holds, False
    since = _newest_raise(alarm) - ECHO
    others = here.alarms.ringing(rule.echo_of, alarm.unit, since)
    if any(not each.flags for each in others):
        return holds, True
    kinds = {kind for each in others for kind in each.flags}
    return [*holds, *(Hold("", kind, "") for kind in sorted(kinds))], False


def _flood(here: Here) -> bool:
    """Return whether this alarm is one of too many; note when that begins."""
    if here.causes.flood() is not None:
        return True
    recent = here.causes.recent(here.now - decide.FLOOD, decide.FLOOD_BEGINS)
    begins = decide.flooded(standing=False, recent=recent)
    if begins:
        here.causes.flooding(here.now)
    return begins


def _newest_raise(alarm: Alarm) -> datetime:
    return alarm.raises[-1] if alarm.raises else alarm.raised_at


def _made(watch: Watch, sample: Sample, here: Here) -> Alarm:
    rule = watch.rule
    return Alarm(
        id=AlarmId(here.new_id("alm")),
        rule=rule.key,
        revision=rule.revision,
        override=watch.override,
        point=watch.point,
        unit=watch.unit,
        place=watch.place,
        zone=watch.zone,
        priority=rule.priority,
        handling=rule.handling,
        life=Life.UNACKNOWLEDGED,
        title=said(watch, rule.title, sample.value),
        guidance=said(watch, rule.guidance, sample.value),
        value=sample.value,
        limit=watch.limit,
        unit_symbol=watch.symbol,
        raised_at=sample.at,
        recorded_at=here.now,
        priority_max=rule.priority,
        raises=(sample.at,),
    )


def _told(
    alarm: Alarm, rule: Rule | None, at: datetime, *, repeat: bool = False, echo: bool = False
) -> AlarmRaised:
    """Return the news of an alarm; of a rule that has left the catalog only people are told."""
    return AlarmRaised(
        alarm=alarm.id,
        rule=alarm.rule,
        revision=alarm.revision,
        point=alarm.point,
        unit=alarm.unit,
        place=alarm.place,
        zone=alarm.zone,
        priority=alarm.priority,
        handling=alarm.handling,
        title=alarm.title,
        guidance=alarm.guidance,
        order=rule is not None and rule.wants_order,
        plan=rule.plan if rule else "",
        skill=rule.skill if rule else "",
        value=alarm.value,
        at=at,
        repeat=repeat,
        echo=echo,
        held=alarm.flags,
        telling=alarm.tellings,
        root=rule is not None and bool(rule.brings),
    )
