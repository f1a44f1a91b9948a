"""One function per command or event of alarms: load, decide, save."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.alarms import decide
from server.alarms.model import (
    Acknowledge,
    Alarm,
    Effect,
    Life,
    Phase,
    Sample,
    Watch,
    figure,
)
from server.alarms.ports import Alarms
from server.events import (
    AlarmAcknowledged,
    AlarmRaised,
    AlarmReturned,
    OrderJoined,
    OrderOpened,
    RunMoved,
    RunStarted,
)
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, NewId

SYSTEM = "system"  # who did it, in the log of an alarm
ECHO = timedelta(seconds=60)  # an alarm raised so shortly before may be about the same trouble


@dataclass(frozen=True, slots=True)
class Here:
    """What every handler works with: the alarms of this unit, its instant, names for new things."""

    alarms: Alarms
    now: datetime
    new_id: NewId


def observe(watch: Watch, sample: Sample, here: Here) -> None:
    """Decide the rule on the newest sample of its point."""
    state = here.alarms.state(watch.key)
    truth = decide.evaluate(watch.condition, state.phase, sample.value)
    after, effect = decide.step(watch.rule, state, truth, sample.at)
    if after == state:
        return
    left = decide.left_s(watch.rule, after)
    here.alarms.keep(watch.key, after, None if left is None else here.now + timedelta(seconds=left))
    _apply(watch, effect, sample, here)


def expire(watch: Watch, generation: int, value: float | None, here: Here) -> None:
    """End a delay whose timer fired; a timer of an older state does nothing."""
    state = here.alarms.state(watch.key)
    left = decide.left_s(watch.rule, state)
    after, effect = decide.expire(state, generation)
    if after == state or state.since is None or left is None:
        return
    here.alarms.keep(watch.key, after, None)
    _apply(watch, effect, Sample(state.since + timedelta(seconds=left), value), here)


def record_late(watch: Watch, sample: Sample, here: Here) -> None:
    """Record what the backlog says was true once and is over: on the list to be seen, not paged."""
    if not decide.evaluate(watch.condition, Phase.NORMAL, sample.value):
        return
    found = here.alarms.open_of(watch.key)
    if found is None:
        here.alarms.add(_made(watch, sample, here, late=True), watch.key)
    elif sample.at < found.raised_at:
        here.alarms.save(found, "late", SYSTEM)


def acknowledge(command: Acknowledge, here: Here) -> None:
    """Say: seen, mine. The first wins."""
    alarm = decide.acknowledge(here.alarms.get(command.alarm), command, here.now)
    happened = AlarmAcknowledged(alarm.id, command.by, here.now)
    here.alarms.save(alarm, "acknowledge", command.by, happened)


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


def _apply(watch: Watch, effect: Effect, sample: Sample, here: Here) -> None:
    found = here.alarms.open_of(watch.key)
    if effect is Effect.RAISE:
        _raise(watch, sample, found, here)
    elif effect is Effect.RETURN and found is not None and found.returned_at is None:
        after = decide.returned(found, sample.at)
        happened = AlarmReturned(after.id, after.rule, after.point, after.unit, sample.at)
        here.alarms.save(after, "return", SYSTEM, happened)


def _raise(watch: Watch, sample: Sample, found: Alarm | None, here: Here) -> None:
    if found is None:
        alarm = _made(watch, sample, here)
        here.alarms.add(
            alarm, watch.key, _told(watch, alarm, sample, echo=_echo(watch, sample, here))
        )
    elif found.life is Life.RETURNED:
        title = said(watch, watch.rule.title, sample.value)
        alarm, flapping = decide.raised(found, sample.at, sample.value, title)
        echo = _echo(watch, sample, here)
        happened = _told(watch, alarm, sample, repeat=flapping, echo=echo)
        here.alarms.save(alarm, "raise", SYSTEM, happened)


def _made(watch: Watch, sample: Sample, here: Here, *, late: bool = False) -> Alarm:
    rule = watch.rule
    return Alarm(
        id=AlarmId(here.new_id("alm")),
        rule=rule.key,
        revision=rule.revision,
        point=watch.point,
        unit=watch.unit,
        place=watch.place,
        zone=watch.zone,
        priority=rule.priority,
        handling=rule.handling,
        life=Life.RETURNED if late else Life.UNACKNOWLEDGED,
        title=said(watch, rule.title, sample.value),
        guidance=said(watch, rule.guidance, sample.value),
        value=sample.value,
        limit=watch.limit,
        unit_symbol=watch.symbol,
        raised_at=sample.at,
        recorded_at=here.now,
        returned_at=sample.at if late else None,
        late=late,
    )


def _echo(watch: Watch, sample: Sample, here: Here) -> bool:
    """Tell whether people are paged for the same trouble just now; an older page is not enough."""
    other, since = watch.rule.echo_of, sample.at - ECHO
    return bool(other) and here.alarms.rings(other, watch.unit, since)


def _told(
    watch: Watch, alarm: Alarm, sample: Sample, *, repeat: bool = False, echo: bool = False
) -> AlarmRaised:
    rule = watch.rule
    return AlarmRaised(
        alarm=alarm.id,
        rule=rule.key,
        revision=rule.revision,
        point=watch.point,
        unit=watch.unit,
        place=watch.place,
        zone=watch.zone,
        priority=rule.priority,
        handling=rule.handling,
        title=alarm.title,
        guidance=alarm.guidance,
        order=rule.wants_order,
        plan=rule.plan,
        skill=rule.skill,
        value=sample.value,
        at=sample.at,
        repeat=repeat,
        echo=echo,
    )


def said(watch: Watch, text: Text, value: float | None) -> Text:
    """Return a rule's text with {equipment}, {point}, {place}, {zone}, {value}, {limit} filled."""
    facts = {
        name: (words.zh, words.en)
        for name, words in {
            **watch.names,
            "value": _written(watch, value),
            "limit": _written(watch, watch.limit),
        }.items()
    }
    return Text(
        text.zh.format(**{name: zh for name, (zh, _) in facts.items()}),
        text.en.format(**{name: en for name, (_, en) in facts.items()}),
    )


def _written(watch: Watch, value: float | None) -> Text:
    if value is None:
        return Text("—", "—")
    if value in watch.words:
        return watch.words[value]
    number = figure(value, watch.decimals, watch.symbol)
    return Text(number, number)
