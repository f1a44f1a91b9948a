"""One function per command, event or timer of emergency: load, decide, save."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from server.emergency import decide
from server.emergency.decide import Decided, Moment
from server.emergency.model import Action, Entry, Mode, Opening, Person, Role, Run, State
from server.emergency.ports import Here, Plans, Published
from server.events import AlarmAcknowledged, AlarmRaised, AlarmReturned
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.errors import NotPossible
from watchkeeper.ids import RunId

LINES = 100  # of the timeline in each frame of the stream
ALL_LINES = 100_000

log = logging.getLogger(__name__)


def alarm_raised(event: AlarmRaised, here: Here) -> None:
    """An alarm that is a signal of a plan stands in exactly one run of it. Safe to run twice."""
    if not event.plan:
        return
    published = here.plans.of_signal(event.plan)
    if published is None:
        log.error("alarm %s signals `%s`, which no plan answers", event.alarm, event.plan)
        return
    unit_scope = published.plan.trigger.within == "unit"
    scope = (event.unit if unit_scope else event.zone) or event.place
    opening = _opening(published, "actual", scope, event.place, event.zone, here)
    run = _running(here, opening)
    _save(decide.signal(run or opening, event, _moment(run or opening, here)), here, before=run)


def alarm_returned(event: AlarmReturned, here: Here) -> None:
    """The run of this alarm knows that the signal is gone."""
    if run := here.runs.of_alarm(event.alarm):
        _save(
            decide.returned(run, here.names.of(event.point), _moment(run, here)), here, before=run
        )


def alarm_acknowledged(event: AlarmAcknowledged, here: Here) -> None:
    """The run of this alarm knows who saw it. It does not confirm anything."""
    if run := here.runs.of_alarm(event.alarm):
        by = here.people.named(event.by)
        _save(decide.acknowledged(run, by, _moment(run, here)), here, before=run)


def start(plan: str, place: str, mode: Mode, by: Person, here: Here) -> Run:
    """Start a plan on a person's word; where it already runs, join it and confirm a warning."""
    if not place.strip():
        raise NotPossible("emergency.place-needed")
    opening = _opening(here.plans.get(plan), mode, place, place, "", here)
    run = _running(here, opening)
    if run is None:
        return _save(decide.start(opening, by, _moment(opening, here)), here)
    if run.state is State.WARNING:
        return _save(decide.confirm(run, by, _moment(run, here), real=True), here, before=run)
    return run


def command(run: RunId, do: Callable[[Run, Moment], Decided], here: Here) -> Run:
    """Let a decision about one run be made and kept; KeyError: no such run, role or step."""
    before = here.runs.get(run)
    return _save(do(before, _moment(before, here)), here, before=before)


def due(kind: str, subject: str, generation: int, here: Here) -> None:
    """Do what a timer of ours is for; one that is stale does nothing."""
    key, _, part = subject.partition("/")
    run = RunId(key)
    match kind:
        case "emergency.warning":
            command(run, lambda now, m: decide.warning_unanswered(now, generation, m), here)
        case "emergency.role":
            command(run, lambda now, m: decide.role_unanswered(now, part, generation, m), here)
        case "emergency.step":
            command(run, lambda now, m: decide.step_overdue(now, part, generation, m), here)
        case _:
            raise ValueError(f"timer kind {kind!r} is not ours")


def _running(here: Here, opening: Opening) -> Run | None:
    """Return the active run that what would be opened is a part of.

    A person names a floor or a building, a detector its zone: where only one of the two is known,
    a fire zone's run is found by the place.
    """
    for run in here.runs.active():
        if (run.plan.key, run.mode) != (opening.plan.key, opening.mode):
            continue
        by_place = run.plan.trigger.within == "zone" and not (run.zone and opening.zone)
        if run.scope == opening.scope or (by_place and _overlap(run.place, opening.place)):
            return run
    return None


def _overlap(one: str, other: str) -> bool:
    """Tell whether one place is the other, or stands in it: "tower-a/12" in "tower-a"."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _opening(
    published: Published, mode: Mode, scope: str, place: str, zone: str, here: Here
) -> Opening:
    plan = published.plan
    what, where = plan.title, here.names.of(scope)
    return Opening(
        id=RunId(here.new_id("run")),
        plan=plan,
        sha256=published.sha256,
        site=here.site,
        mode=mode,
        scope=scope,
        place=place,
        zone=zone,
        title=Text(f"{what.zh} · {where.zh}", f"{what.en} · {where.en}"),
    )


def _moment(run: Run | Opening, here: Here) -> Moment:
    roster = {
        role.key: tuple(here.people.candidates(role.any_of, role.skills)) for role in run.plan.roles
    }
    return Moment(here.now, roster, here.words)


def _save(decided: Decided, here: Here, before: Run | None = None) -> Run:
    """Keep what was decided; drills halt while something real happens."""
    run = decided.run
    if run == before:
        return run
    here.runs.save(run, view(run, here.plans), *decided.events)
    for timer in decided.timers:
        here.timers.set(timer)
    if run.mode == "actual" and (before is None or run.over):
        _drills(here)
    return run


def _drills(here: Here) -> None:
    active = here.runs.active()
    turn = decide.pause if any(run.mode == "actual" for run in active) else decide.resume
    for drill in active:
        if drill.mode == "exercise":
            _save(turn(drill, _moment(drill, here)), here, before=drill)


def view(run: Run, plans: Plans, lines: int = LINES) -> dict[str, Any]:
    """Return a run as screens and the API show it, with its newest lines; instants in Unix ms."""
    plan = run.plan
    return {
        "id": run.id,
        "plan": plan.key,
        "plan_version": plan.version,
        "plan_sha256": run.sha256,
        "newer_version": _newer(run, plans),
        "title": _both(run.title),
        "risk": _both(plan.risk),
        "place": run.place,
        "zone": run.zone,
        "scope": run.scope,
        "level": run.level,
        "levels": [{"key": each.key, "name": _both(each.name)} for each in plan.levels],
        "mode": run.mode,
        "paused": run.paused_at is not None,
        "state": run.state,
        "started_at": unix_ms(run.started_at),
        "warning_due": _ms(run.warning_due),
        "stable_at": _ms(run.stable_at),
        "ended_at": _ms(run.ended_at),
        "alarms": list(run.alarms),
        "doubted_by": run.doubted_by,
        "roles": [_role(run, role) for role in plan.roles],
        "steps": [_step(run, step) for step in plan.steps if isinstance(step, Action)],
        "log": [_line(line) for line in run.log[-lines:]],
        "resources": msgspec.to_builtins(plan.resources),
        "contacts": msgspec.to_builtins(plan.contacts),
        "reports": [
            {
                "to": _both(report.to),
                "due_at": unix_ms(run.started_at) + 1000 * report.within_s,
                "fields": [_both(each) for each in report.fields],
            }
            for report in plan.reports
        ],
        "close": _close(run),
        "may": decide.may(run),
    }


def _newer(run: Run, plans: Plans) -> int | None:
    """Return the version the catalog has by now, None while the run has the newest."""
    try:
        version = plans.get(run.plan.key).plan.version
    except KeyError:  # the plan was withdrawn; the run keeps its own copy
        return None
    return version if version > run.plan.version else None


def _role(run: Run, role: Role) -> dict[str, Any]:
    call = run.calls[role.key]
    return {
        "key": role.key,
        "name": _both(role.name),
        "duty": _both(role.duty),
        "person": call.person,
        "person_name": call.person_name,
        "called_at": _ms(call.called_at),
        "acknowledged_at": _ms(call.acknowledged_at),
    }


def _step(run: Run, step: Action) -> dict[str, Any]:
    now = run.steps[step.key]
    return {
        "key": step.key,
        "text": _both(step.do),
        "note": _both(step.note) if step.note else None,
        "owner": step.owner,
        "owner_name": _both(run.plan.role(step.owner).name),
        "person_name": run.calls[step.owner].person_name,
        "state": now.state,
        "due_at": _ms(now.due_at),
        "overdue": now.overdue,
        "started_at": _ms(now.started_at),
        "ended_at": _ms(now.ended_at),
        "by": now.by,
        "said": now.note,
        "life_safety": step.life_safety,
        "skippable": step.skippable == "with_reason",
        "evidence": list(step.evidence),
    }


def _line(line: Entry) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "at": unix_ms(line.at),
        "kind": line.kind,
        "actor": line.actor,
        "text": _both(line.text),
        "pinned": line.pinned,
        "hash": line.hash,
    }


def _close(run: Run) -> dict[str, Any]:
    asked, commander = run.plan.close, run.calls[run.plan.close.all_clear_by]
    return {
        "all_clear_by": asked.all_clear_by,
        "headcount_needed": asked.headcount,
        "headcount": msgspec.to_builtins(run.headcount),
        "unmet": decide.unmet(run, commander.person),
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else unix_ms(at)


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
