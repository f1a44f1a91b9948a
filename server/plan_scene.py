"""How a run of a plan moves: timeline, calls, steps. Pure; server/emergency/decide.py says when."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from server.emergency.model import (
    LIVE,
    Action,
    Branch,
    Call,
    Condition,
    End,
    Entry,
    EntryKind,
    Opening,
    Parallel,
    Person,
    Role,
    Roster,
    Run,
    Said,
    Start,
    State,
    StepRun,
    StepState,
    Timer,
)
from server.events import Event, RoleCalled, RunMoved, RunStarted
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, PersonId

SYSTEM = Person(PersonId(""), "")
CALM_S = 600  # seconds between two calls for a role that nobody takes, at most


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happens, who could be called then, and the words of the timeline."""

    at: datetime
    roster: Roster
    words: Mapping[str, Text]  # catalog/i18n


@dataclass(frozen=True, slots=True)
class Decided:
    """The run afterwards, what happened, and what must be looked at later."""

    run: Run
    events: tuple[Event, ...] = ()
    timers: tuple[Timer, ...] = ()


class Scene:
    """One decision being made: collects the run as it becomes, events and timers."""

    def __init__(self, run: Run, moment: Moment, *, new: bool = False) -> None:
        self.run, self.moment, self._new = run, moment, new
        self._events: list[Event] = []
        self._timers: list[Timer] = []

    def decided(self) -> Decided:
        """Return what came of it; of a new run, first that it exists."""
        run = self.run
        begun = RunStarted(
            run.id, run.plan.key, run.title, run.place, run.level, run.mode, run.alarms,
            self.moment.at, state=run.state,
        )  # fmt: skip
        events = (begun, *self._events) if self._new else tuple(self._events)
        return Decided(run, events, tuple(self._timers))

    def set(self, **changes: object) -> None:
        """Change fields of the run."""
        self.run = replace(self.run, **changes)  # type: ignore[arg-type]  # names are checked by replace

    def log(
        self,
        kind: EntryKind,
        key: str,
        actor: Person = SYSTEM,
        *,
        pinned: bool = False,
        **facts: object,
    ) -> None:
        """Add a line to the timeline; `key` names its text in catalog/i18n/emergency.yaml."""
        template = self.moment.words[f"emergency.{key}"]
        facts = {"who": actor.names or actor.name, **facts}
        text = Text(
            template.zh.format(**{name: _in(fact, "zh") for name, fact in facts.items()}).strip(),
            template.en.format(**{name: _in(fact, "en") for name, fact in facts.items()}).strip(),
        )
        last = self.run.log[-1] if self.run.log else None
        line = Entry(
            seq=last.seq + 1 if last else 1,
            at=self.moment.at,
            kind=kind,
            actor=actor.name,
            text=text,
            pinned=pinned,
            prev_hash=last.hash if last else "",
            hash="",
        )
        self.set(log=(*self.run.log, replace(line, hash=digest(self.run, line))))

    def moved(self, by: PersonId = SYSTEM.id, alarms: tuple[AlarmId, ...] = ()) -> None:
        """Say that the run itself moved, or took in alarms."""
        run = self.run
        self._events.append(
            RunMoved(run.id, run.state, "", "", by, self.moment.at, mode=run.mode, alarms=alarms)
        )

    def warn(self) -> None:
        """Ask a person to look, and set the time after which silence means real."""
        trigger = self.run.plan.trigger
        due = self.moment.at + timedelta(seconds=trigger.unanswered_s)
        generation = self.run.warning_generation + 1
        self.set(warning_due=due, warning_generation=generation)
        self._timers.append(Timer("emergency.warning", self.run.id, generation, due))
        self.call(self.run.plan.role(trigger.verify))

    def go(self, by: PersonId = SYSTEM.id) -> None:
        """Let the plan run: call every role nobody was called for yet, open the first steps."""
        self.set(state=State.RUNNING, warning_due=None, doubted_by=None)
        if not self._new:
            self.moved(by, self.run.alarms)
        for role in self.run.plan.roles:
            if self.run.calls[role.key].called_at is None:
                self.call(role)
        self.activate(self.run.plan.first().key)

    def call(self, role: Role) -> None:
        """Call the next person for a role; when all were asked, who was asked longest ago.

        Each round leaves twice the time of the one before: who is called too often stops hearing.
        """
        now = self.run.calls[role.key]
        order = line_up(self.run, role, self.moment.roster)
        left = [each for each in order if each.id not in now.asked]
        if not left:
            self.log("system", "log-nobody-for-role", role=role.name)
            left = sorted(order, key=lambda each: now.asked.index(each.id))
        person = left[0] if left else None
        others = tuple(each for each in now.asked if person is None or each != person.id)
        generation = now.generation + 1
        self.put_call(
            replace(
                now,
                asked=(*others, person.id) if person else others,
                person=person.id if person else None,
                person_name=person.name if person else "",
                called_at=self.moment.at,
                acknowledged_at=None,
                generation=generation,
            )
        )
        rounds = now.generation // max(1, len(order))
        patience = min(role.ack_within_s * 2 ** min(rounds, 10), CALM_S)
        due = self.moment.at + timedelta(seconds=max(patience, role.ack_within_s))
        subject = f"{self.run.id}/{role.key}"
        self._timers.append(Timer("emergency.role", subject, generation, due))
        if person:
            self.log(
                "system", "log-role-called", role=role.name, person=person.names or person.name
            )
            self._events.append(
                RoleCalled(
                    self.run.id, role.key, role.name, person.id, self.run.title, role.duty,
                    self.run.mode, self.moment.at,
                )
            )  # fmt: skip

    def put_call(self, call: Call) -> None:
        """Replace a role's call."""
        self.set(calls={**self.run.calls, call.role: call})

    def activate(self, key: str) -> None:
        """Make a step ready; what needs no person passes through to what follows."""
        self._open(key)
        while self._joined():
            pass

    def _open(self, key: str) -> None:
        step = self.run.plan.step(key)
        match step:
            case Action():
                self._ready(step)
            case Parallel():
                self._put(key, state=StepState.DOING)
                for each in step.next_steps:
                    self._open(each)
            case Start():
                self._put(key, state=StepState.DONE)
                self._open(step.on_completion)
            case Branch():
                self._put(key, state=StepState.DONE)
                self._open(step.on_true if holds(step.condition, self.run) else step.on_false)
            case End():
                self._put(key, state=StepState.DONE)

    def _joined(self) -> bool:
        """Complete one parallel step whose branches have all ended; tell whether there was one."""
        for step in self.run.plan.steps:
            if isinstance(step, Parallel) and self.run.steps[step.key].state is StepState.DOING:
                inside = self.run.plan.reached(step.next_steps)
                if not any(self.run.steps[key].state in LIVE for key in inside):
                    self._put(step.key, state=StepState.DONE)
                    self._open(step.on_completion)
                    return True
        return False

    def finish(self, step: Action, after: StepState, by: Person, said: Said) -> None:
        """Write down what became of a step, and open what follows."""
        at = self.moment.at
        now = self.run.steps[step.key]
        begun = after is StepState.DOING
        self._put(
            step.key,
            state=after,
            started_at=now.started_at or at,
            ended_at=None if begun else at,
            by=by.name,
            note=said.note or said.reason or now.note,
        )
        words = " · ".join(part for part in (said.reason, said.note) if part)
        self.log("step", f"log-step-{after}", by, step=step.do, words=words)
        self._step_moved(step, after, by=by.id)
        if not begun:
            failed = after is StepState.FAILED
            self.activate((step.on_failure if failed else None) or step.on_success)

    def overdue(self, step: Action) -> None:
        """Mark a step that is late, and tell its owner and who is in command."""
        self._put(step.key, overdue=True)
        self.log("system", "log-step-overdue", pinned=True, step=step.do)
        commander = self.run.plan.close.all_clear_by
        self._step_moved(step, "overdue", tell=self._people(step.owner, commander))

    def wake(self, asleep: timedelta) -> None:
        """Go on after a pause: what was due is due so much later."""
        for key, now in self.run.steps.items():
            if now.state in LIVE and now.due_at:
                generation, due = now.generation + 1, now.due_at + asleep
                self._put(key, due_at=due, generation=generation)
                subject = f"{self.run.id}/{key}"
                self._timers.append(Timer("emergency.step", subject, generation, due))
        for call in self.run.calls.values():
            if call.called_at and not call.acknowledged_at:
                self.call(self.run.plan.role(call.role))

    def _ready(self, step: Action) -> None:
        now = self.run.steps[step.key]
        if now.state in LIVE:  # two ways led here at the same time: it is one piece of work
            return
        plan, at = self.run.plan, self.moment.at
        due = (
            self.run.started_at + timedelta(seconds=plan.limit(step.clock, self.run.site))
            if step.clock
            else at + timedelta(seconds=step.timeout_s or 0)
        )
        fresh = StepRun(step.key, StepState.READY, due, generation=now.generation + 1)
        self.set(steps={**self.run.steps, step.key: fresh})
        subject = f"{self.run.id}/{step.key}"
        self._timers.append(Timer("emergency.step", subject, fresh.generation, due))
        self._step_moved(step, StepState.READY, tell=self._people(step.owner))

    def _put(self, key: str, **changes: object) -> None:
        step = replace(self.run.steps[key], **changes)  # type: ignore[arg-type]  # likewise
        self.set(steps={**self.run.steps, key: step})

    def _people(self, *roles: str) -> tuple[PersonId, ...]:
        people = (self.run.calls[role].person for role in roles)
        return tuple(dict.fromkeys(person for person in people if person))

    def _step_moved(
        self,
        step: Action,
        state: str,
        *,
        by: PersonId = SYSTEM.id,
        tell: tuple[PersonId, ...] = (),
    ) -> None:
        run, at = self.run, self.moment.at
        self._events.append(
            RunMoved(
                run.id, run.state, step.key, state, by, at, mode=run.mode, tell=tell, text=step.do
            )
        )


def opened(opening: Opening, at: datetime, moment: Moment) -> Scene:
    """Return the scene of a new run: a warning, with everything still to do."""
    plan = opening.plan
    run = Run(
        id=opening.id, plan=plan, sha256=opening.sha256, site=opening.site, mode=opening.mode,
        scope=opening.scope, place=opening.place, zone=opening.zone, title=opening.title,
        level=plan.start_level, state=State.WARNING, started_at=at,
        calls={role.key: Call(role.key) for role in plan.roles},
        steps={step.key: StepRun(step.key) for step in plan.steps},
    )  # fmt: skip
    return Scene(run, moment, new=True)


def line_up(run: Run, role: Role, roster: Roster) -> list[Person]:
    """Return who to ask for a role: its best, the deputy's people, the rest of its own.

    People who have no other role in this run come first; who called it false is not asked again.
    """
    busy = {call.person for call in run.calls.values() if call.role != role.key and call.person}
    own = sorted(roster.get(role.key, ()), key=lambda person: person.id in busy)
    order = (*own[:1], *roster.get(role.deputy, ()), *own[1:])
    return list({each.id: each for each in order if each.id != run.doubted_by}.values())


def holds(condition: Condition, run: Run) -> bool:
    """Tell whether a condition is true of the run as it stands."""
    match condition.op:
        case "at_least":
            return run.plan.rank(run.level) >= run.plan.rank(condition.value)
        case "is":
            return _fact(condition, run) == condition.value
        case "is_not":
            return _fact(condition, run) != condition.value


def _fact(condition: Condition, run: Run) -> str:
    return {"level": run.level, "zone": run.zone, "place": run.place, "mode": run.mode}[
        condition.fact
    ]


def digest(run: Run, line: Entry) -> str:
    """Return the SHA-256 of a line of the timeline together with the line before it."""
    said = (
        run.id, line.seq, unix_ms(line.at), line.kind, line.actor, line.text.zh, line.text.en,
        line.pinned, line.prev_hash,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _in(fact: object, language: str) -> object:
    return getattr(fact, language) if isinstance(fact, Text) else fact
