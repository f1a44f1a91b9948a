"""What a signal, a person or an instant does to a run. Pure: run, cause, moment -> run, events.

Two things never happen here: time never makes a step done, and no signal ever ends a run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from server.emergency.model import (
    LIVE,
    Action,
    Branch,
    Opening,
    Person,
    Run,
    Said,
    State,
    StepState,
)
from server.events import AlarmRaised
from server.plan_scene import (
    SYSTEM,
    Decided,
    Moment,
    Scene,
    digest,
    holds,
    line_up,
    opened,
)
from watchkeeper.documents import Text
from watchkeeper.errors import Forbidden, NotPossible, Refused
from watchkeeper.ids import PersonId

__all__ = ["Decided", "Moment"]

Verb = Literal["begin", "done", "fail", "skip"]
DESK = frozenset({"operator", "manager", "admin"})  # may act for others: reports come by radio


def signal(run: Run | Opening, event: AlarmRaised, m: Moment) -> Decided:
    """Take an alarm into its run, or open one; enough different sources confirm each other.

    A late signal (found in a backlog) never confirms: a person looks first. Safe to run twice.
    """
    scene = Scene(run, m) if isinstance(run, Run) else opened(run, event.at, m)
    before = scene.run
    again = before.stable_at is not None and event.at > before.stable_at
    if event.alarm in before.alarms and not again:
        return Decided(before)
    scene.set(
        alarms=tuple(dict.fromkeys((*before.alarms, event.alarm))),
        sources=tuple(dict.fromkeys((*before.sources, event.point))),
    )
    scene.log("signal", "log-signal", pinned=True, signal=event.title)
    if before.doubted_by and scene.run.sources != before.sources:
        scene.set(doubted_by=None)
        scene.log("system", "log-doubt-void", pinned=True)
    match before.state:
        case State.WARNING if _confirmed(scene.run) and not event.late:
            scene.log("system", "log-started", pinned=True, count=len(scene.run.sources))
            scene.go()
        case State.WARNING if not before.warning_due:
            limit = before.plan.trigger.unanswered_s
            scene.log("system", "log-warning", pinned=True, limit=limit)
            scene.warn()
        case State.STABLE:
            scene.set(state=State.RUNNING, stable_at=None)
            scene.log("system", "log-again", pinned=True)
            scene.moved(alarms=(event.alarm,))
        case _:
            scene.moved(alarms=(event.alarm,))
    return scene.decided()


def start(opening: Opening, by: Person, m: Moment) -> Decided:
    """Open a run on a person's word: it runs at once."""
    scene = opened(opening, m.at, m)
    scene.log("person", f"log-started-by-person-{opening.mode}", by, pinned=True)
    scene.go(by.id)
    return scene.decided()


def confirm(run: Run, by: Person, m: Moment, *, real: bool) -> Decided:
    """Say what one saw on the spot: real (anybody may), or a false alarm. Only of a warning."""
    if run.state is not State.WARNING:
        raise Refused("emergency.not-a-warning", state=run.state)
    if not real:
        return abort(run, "", by, m)
    scene = Scene(run, m)
    scene.log("person", "log-confirmed-by-person", by, pinned=True)
    scene.go(by.id)
    return scene.decided()


def abort(run: Run, reason: str, by: Person, m: Moment) -> Decided:
    """Call it a false alarm; where lives are at stake a second person must say so too.

    A first doubt about a warning gives the second person the answer time once more; after that
    the plan goes on as real.
    """
    _need_open(run)
    _need_involved(run, by)
    scene = Scene(run, m)
    if run.plan.life_safety and run.mode == "actual" and run.doubted_by in {None, by.id}:
        if run.doubted_by == by.id:
            raise Refused("emergency.second-person-needed", by=by.name)
        scene.set(doubted_by=by.id)
        scene.log("person", "log-doubted", by, pinned=True, reason=reason)
        if run.state is State.WARNING:
            scene.warn()
        return scene.decided()
    scene.set(state=State.ABORTED, ended_at=m.at)
    scene.log("person", "log-aborted", by, pinned=True, reason=reason)
    scene.moved(by=by.id)
    return scene.decided()


def take_role(run: Run, key: str, by: Person, m: Moment) -> Decided:
    """Say: this role is mine. A manager may take it over from somebody; doing it twice is fine."""
    _need_open(run)
    call, role = run.calls[key], run.plan.role(key)
    if by.id not in {*call.asked, *(person.id for person in line_up(run, role, m.roster))} and (
        "admin" not in by.roles
    ):
        raise Forbidden("emergency.not-for-role", role=key)
    if call.acknowledged_at and call.person == by.id:
        return Decided(run)
    if call.acknowledged_at and not by.roles & {"manager", "admin"}:
        raise Refused("emergency.role-taken", role=key, by=call.person_name)
    scene = Scene(run, m)
    taken = replace(call, person=by.id, person_name=by.name, acknowledged_at=m.at)
    scene.put_call(replace(taken, called_at=call.called_at or m.at))
    scene.log("person", "log-role-taken", by, role=role.name)
    return scene.decided()


def move_step(run: Run, key: str, verb: Verb, by: Person, said: Said, m: Moment) -> Decided:
    """Begin, finish, fail or skip a step. Refused when the step is not live or something lacks."""
    _need_working(run)
    step, now = run.plan.step(key), run.steps[key]
    fits = {StepState.READY} if verb == "begin" else LIVE
    if not isinstance(step, Action) or now.state not in fits:
        raise Refused("emergency.step-not-live", step=key, state=now.state)
    if not (by.roles & DESK or by.id == run.calls[step.owner].person):
        raise Forbidden("emergency.not-your-step", step=key, owner=step.owner)
    _check_said(run, step, verb, by, said)
    scene = Scene(run, m)
    if said.headcount:
        scene.set(headcount=said.headcount)
    scene.finish(step, _AFTER[verb], by, said)
    return scene.decided()


_AFTER: Mapping[Verb, StepState] = {
    "begin": StepState.DOING,
    "done": StepState.DONE,
    "fail": StepState.FAILED,
    "skip": StepState.SKIPPED,
}


def stable(run: Run, by: Person, m: Moment) -> Decided:
    """Say: no further harm. The steps go on."""
    _need_working(run)
    _need_involved(run, by)
    if run.state is not State.RUNNING:
        raise Refused("emergency.already-stable", state=run.state)
    scene = Scene(run, m)
    scene.set(state=State.STABLE, stable_at=m.at)
    scene.log("person", "log-stable", by, pinned=True)
    scene.moved(by=by.id)
    return scene.decided()


def close(run: Run, by: Person, said: Said, m: Moment) -> Decided:
    """End procedure. Refused, with what is unmet, unless all that the plan asks for is there."""
    if run.state is not State.STABLE or run.paused_at:
        raise Refused("emergency.not-stable", state=run.state)
    scene = Scene(run, m)
    if said.headcount:
        scene.set(headcount=said.headcount)
    if lacking := unmet(scene.run, by.id):
        raise Refused("emergency.not-ready-to-close", unmet=lacking)
    scene.set(state=State.CLOSED, ended_at=m.at)
    open_steps = [key for key, step in run.steps.items() if step.state in LIVE]
    scene.log("person", "log-closed", by, pinned=True, note=said.note, open=len(open_steps))
    scene.moved(by=by.id)
    return scene.decided()


def unmet(run: Run, by: PersonId | None) -> list[str]:
    """Return what the end procedure still asks for when `by` gives the all-clear."""
    asked = run.plan.close
    call = run.calls[asked.all_clear_by]
    counted = run.headcount is not None and run.headcount.missing == 0
    wanted = {
        "all-clear": call.acknowledged_at is not None and call.person == by,
        "headcount": counted or not asked.headcount,
        "life-safety-steps": not any(
            run.steps[step.key].state in LIVE
            for step in run.plan.steps
            if isinstance(step, Action) and step.life_safety
        ),
    }
    return [name for name, met in wanted.items() if not met]


def level(run: Run, to: str, by: Person, m: Moment) -> Decided:
    """Raise or lower the level ("up", "down" or its key); branches that ask for more then open."""
    _need_open(run)
    _need_involved(run, by)
    keys = [each.key for each in run.plan.levels]
    step = {"up": 1, "down": -1}.get(to)
    rank = run.plan.rank(run.level) + step if step else keys.index(to) if to in keys else -1
    if not 0 <= rank < len(keys) or keys[rank] == run.level:
        raise NotPossible("emergency.no-such-level", level=to, levels=keys)
    scene = Scene(run, m)
    scene.set(level=keys[rank])
    scene.log("person", "log-level", by, pinned=True, before=run.level, after=keys[rank])
    scene.moved(by=by.id)
    for each in run.plan.steps:
        if (
            isinstance(each, Branch)
            and run.steps[each.key].state is StepState.DONE
            and holds(each.condition, scene.run)
            and not holds(each.condition, run)
        ):
            scene.activate(each.on_true)
    return scene.decided()


def note(run: Run, text: str, by: Person, m: Moment) -> Decided:
    """Add a line to the timeline, also after the end: a correction is a new line."""
    if not text.strip():
        raise NotPossible("emergency.note-empty")
    scene = Scene(run, m)
    scene.log("person", "log-note", by, note=text.strip())
    return scene.decided()


def returned(run: Run, about: Text, m: Moment) -> Decided:
    """Note that a signal is gone; it ends nothing: smoke clears before a fire is out."""
    return _noted(run, "log-returned", SYSTEM, m, about=about)


def acknowledged(run: Run, by: Person, m: Moment) -> Decided:
    """Note that a person saw the alarm; seeing is not confirming."""
    return _noted(run, "log-acknowledged", by, m)


def warning_unanswered(run: Run, generation: int, m: Moment) -> Decided:
    """Nobody said what it is: go on as real. A stale timer does nothing."""
    if run.state is not State.WARNING or run.warning_generation != generation or run.paused_at:
        return Decided(run)
    scene = Scene(run, m)
    scene.log("system", "log-unanswered", pinned=True, limit=run.plan.trigger.unanswered_s)
    scene.go()
    return scene.decided()


def role_unanswered(run: Run, key: str, generation: int, m: Moment) -> Decided:
    """Call the next person for a role. A stale timer does nothing."""
    call = run.calls[key]
    if run.over or run.paused_at or call.acknowledged_at or call.generation != generation:
        return Decided(run)
    scene = Scene(run, m)
    if call.person:
        known = {each.id: each.names for people in m.roster.values() for each in people}
        person = known.get(call.person) or call.person_name
        role = run.plan.role(key).name
        scene.log("system", "log-role-unanswered", role=role, person=person)
    scene.call(run.plan.role(key))
    return scene.decided()


def step_overdue(run: Run, key: str, generation: int, m: Moment) -> Decided:
    """Flag a step that is late and tell people. A stale timer does nothing."""
    step, now = run.plan.step(key), run.steps[key]
    stale = now.generation != generation or now.overdue or now.state not in LIVE
    if stale or run.over or run.paused_at or not isinstance(step, Action):
        return Decided(run)
    scene = Scene(run, m)
    scene.overdue(step)
    return scene.decided()


def pause(run: Run, m: Moment) -> Decided:
    """Halt a drill: something real happens on the site. Safe to run twice."""
    if run.mode == "actual" or run.over or run.paused_at:
        return Decided(run)
    scene = Scene(run, m)
    scene.set(paused_at=m.at)
    scene.log("system", "log-paused", pinned=True)
    scene.moved()
    return scene.decided()


def resume(run: Run, m: Moment) -> Decided:
    """Let a drill go on, its limits moved by the length of the pause. Safe to run twice."""
    if run.over or run.paused_at is None:
        return Decided(run)
    scene = Scene(run, m)
    scene.set(paused_at=None)
    scene.log("system", "log-resumed", pinned=True)
    scene.wake(m.at - run.paused_at)
    scene.moved()
    return scene.decided()


def may(run: Run) -> list[str]:
    """Return what the state of the run allows now; who may do it is asked on the command."""
    if run.over:
        return ["note"]
    if run.paused_at:
        return ["abort", "level", "note"]
    first = {State.WARNING: "confirm", State.RUNNING: "stable", State.STABLE: "close"}[run.state]
    return [first, "abort", "level", "note"]


def intact(run: Run) -> bool:
    """Tell whether no line of the timeline was changed, removed or put in between."""
    before = ""
    for number, line in enumerate(run.log, start=1):
        whole = line.seq == number and line.prev_hash == before
        if not whole or line.hash != digest(run, line):
            return False
        before = line.hash
    return True


def _noted(run: Run, key: str, by: Person, m: Moment, about: Text | None = None) -> Decided:
    if run.over:
        return Decided(run)
    scene = Scene(run, m)
    scene.log("person" if by.id else "signal", key, by, about=about)
    return scene.decided()


def _confirmed(run: Run) -> bool:
    return len(run.sources) >= run.plan.trigger.sources


def _need_open(run: Run) -> None:
    if run.over:
        raise Refused("emergency.over", state=run.state)


def _need_working(run: Run) -> None:
    if run.state not in {State.RUNNING, State.STABLE}:
        raise Refused("emergency.not-running", state=run.state)
    if run.paused_at:
        raise Refused("emergency.drill-paused", state=run.state)


def _need_involved(run: Run, by: Person) -> None:
    people = {each for call in run.calls.values() for each in (call.person, *call.asked)}
    if not by.roles & DESK and by.id not in people:
        raise Forbidden("emergency.not-involved", roles=sorted(DESK))


def _check_said(run: Run, step: Action, verb: Verb, by: Person, said: Said) -> None:
    if verb in {"fail", "skip"} and not said.reason.strip():
        raise NotPossible("emergency.reason-needed", step=step.key)
    if verb == "skip" and step.skippable == "no":
        raise Refused("emergency.not-skippable", step=step.key)
    commander = run.calls[run.plan.close.all_clear_by]
    if verb == "skip" and step.life_safety and by.id != commander.person:
        raise Forbidden("emergency.commander-only", step=step.key, by=commander.person_name)
    given = {"note": bool(said.note.strip()), "headcount": said.headcount is not None}
    if verb == "done" and (lacking := [each for each in step.evidence if not given[each]]):
        raise NotPossible("emergency.evidence-needed", step=step.key, evidence=lacking)
