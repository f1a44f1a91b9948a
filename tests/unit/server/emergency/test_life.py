"""Whatever happens in whatever order: a run has a way out, people finish steps, the log holds."""

from collections.abc import Callable
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.emergency import decide
from server.emergency.decide import Decided, Moment
from server.emergency.model import LIVE, Headcount, Person, Run, Said, State, StepState
from tests.unit.server.emergency.cast import ADMIN, CHEN, LIU, WANG, ZHAO, Stage, actions
from watchkeeper.errors import WatchkeeperError

PEOPLE = st.sampled_from([CHEN, WANG, LIU, ZHAO, ADMIN])
SAID = st.builds(
    Said,
    reason=st.sampled_from(["", "smoke"]),
    note=st.sampled_from(["", "two people"]),
    headcount=st.one_of(st.none(), st.builds(Headcount, st.integers(0, 9), st.integers(0, 1))),
)
ALL_HERE = Said(reason="why", note="what", headcount=Headcount(5, 0))


class Life(RuleBasedStateMachine):
    """One fire zone and one lift, everybody clicking what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.done: dict[tuple[str, str], int] = {}  # how often a person finished a step
        self.lengths: dict[str, int] = {}

    def runs(self) -> list[Run]:
        return list(self.stage.memory.rows.values())

    def tries(self, index: int, decision: Callable[[Run, Moment], Decided]) -> None:
        runs = self.runs()
        if runs:
            with suppress(WatchkeeperError):
                self.stage.does(runs[index % len(runs)], decision)

    @rule(detector=st.integers(1, 3), late=st.booleans())
    def a_detector_rings(self, detector: int, *, late: bool) -> None:
        self.stage.rings(detector, late=late)

    @rule()
    def a_lift_traps(self) -> None:
        self.stage.trapped()

    @rule(detector=st.integers(1, 3))
    def a_signal_returns(self, detector: int) -> None:
        self.stage.returns(f"alm_{detector}")

    @rule(seconds=st.sampled_from([1, 29, 61, 200, 2000]))
    def time_passes(self, seconds: int) -> None:
        before = self.finished()
        self.stage.pass_(seconds)
        assert self.finished() == before

    @rule(index=st.integers(0, 3), by=PEOPLE, real=st.booleans())
    def somebody_confirms(self, index: int, by: Person, *, real: bool) -> None:
        self.tries(index, lambda run, m: decide.confirm(run, by, m, real=real))

    @rule(index=st.integers(0, 3), by=PEOPLE, number=st.integers(0, 6))
    def somebody_takes_a_role(self, index: int, by: Person, number: int) -> None:
        def take(run: Run, m: Moment) -> Decided:
            return decide.take_role(run, list(run.calls)[number % len(run.calls)], by, m)

        self.tries(index, take)

    @rule(
        index=st.integers(0, 3),
        by=PEOPLE,
        number=st.integers(0, 40),
        verb=st.sampled_from(["begin", "done", "fail", "skip"]),
        said=SAID,
    )
    def somebody_moves_a_step(
        self, index: int, by: Person, number: int, verb: decide.Verb, said: Said
    ) -> None:
        def move(run: Run, m: Moment) -> Decided:
            live = [step.key for step in actions(run.plan) if run.steps[step.key].state in LIVE]
            key = live[number % len(live)] if live else run.plan.first().key
            return decide.move_step(run, key, verb, by, said, m)

        self.tries(index, move)

    @rule(index=st.integers(0, 3), by=PEOPLE)
    def somebody_says_stable(self, index: int, by: Person) -> None:
        self.tries(index, lambda run, m: decide.stable(run, by, m))

    @rule(index=st.integers(0, 3), by=PEOPLE, said=SAID)
    def somebody_closes(self, index: int, by: Person, said: Said) -> None:
        self.tries(index, lambda run, m: decide.close(run, by, said, m))

    @rule(index=st.integers(0, 3), by=PEOPLE)
    def somebody_calls_it_false(self, index: int, by: Person) -> None:
        self.tries(index, lambda run, m: decide.abort(run, "steam", by, m))

    @rule(index=st.integers(0, 3), by=PEOPLE, to=st.sampled_from(["up", "down", "I"]))
    def somebody_moves_the_level(self, index: int, by: Person, to: str) -> None:
        self.tries(index, lambda run, m: decide.level(run, to, by, m))

    def finished(self) -> set[tuple[str, str]]:
        return {
            (run.id, step.key)
            for run in self.runs()
            for step in actions(run.plan)
            if run.steps[step.key].state in {StepState.DONE, StepState.SKIPPED, StepState.FAILED}
        }

    @invariant()
    def only_people_finish_steps(self) -> None:
        for run in self.runs():
            for key in (step.key for step in actions(run.plan)):
                step = run.steps[key]
                assert (step.ended_at is not None) == (
                    step.state in {StepState.DONE, StepState.SKIPPED, StepState.FAILED}
                )
                assert step.by or step.ended_at is None

    @invariant()
    def the_timeline_only_grows_and_holds(self) -> None:
        for run in self.runs():
            assert decide.intact(run)
            assert len(run.log) >= self.lengths.get(run.id, 0)
            self.lengths[run.id] = len(run.log)

    @invariant()
    def one_active_run_for_a_plan_and_a_place(self) -> None:
        active = [(run.plan.key, run.mode, run.scope) for run in self.runs() if not run.over]
        assert len(active) == len(set(active))

    @invariant()
    def somebody_is_being_called_for_every_role_that_nobody_took(self) -> None:
        waiting = {(timer.kind, timer.subject, timer.generation) for timer in self.stage.waiting}
        for run in self.runs():
            for call in run.calls.values():
                timer = ("emergency.role", f"{run.id}/{call.role}", call.generation)
                taken = call.acknowledged_at is not None or call.called_at is None
                assert run.over or taken or timer in waiting
            for key, step in run.steps.items():
                timer = ("emergency.step", f"{run.id}/{key}", step.generation)
                live = step.state in LIVE and step.due_at is not None and not step.overdue
                assert run.over or not live or timer in waiting

    @invariant()
    def every_run_has_two_ways_out(self) -> None:
        for run in self.runs():
            if not run.over:
                assert self.aborted(run).state is State.ABORTED
                assert self.ended(run).state is State.CLOSED

    def aborted(self, run: Run) -> Run:
        moment = self.stage.moment(run)
        for by in (CHEN, ZHAO):
            with suppress(WatchkeeperError):
                run = decide.abort(run, "steam", by, moment).run
        return run

    def ended(self, run: Run) -> Run:
        """Confirm, take command, do every step, say stable, end."""
        moment = self.stage.moment(run)
        if run.state is State.WARNING:
            run = decide.confirm(run, CHEN, moment, real=True).run
        run = decide.take_role(run, run.plan.close.all_clear_by, ADMIN, moment).run
        for _ in range(100):
            live = [step.key for step in actions(run.plan) if run.steps[step.key].state in LIVE]
            if not live:
                break
            run = decide.move_step(run, live[0], "done", ADMIN, ALL_HERE, moment).run
        if run.state is State.RUNNING:
            run = decide.stable(run, ADMIN, moment).run
        return decide.close(run, ADMIN, ALL_HERE, moment).run

    @precondition(lambda self: all(run.over for run in self.runs()) and self.runs())
    @rule()
    def nothing_calls_after_the_end(self) -> None:
        before = len(self.stage.memory.events)
        self.stage.pass_(3600)
        assert len(self.stage.memory.events) == before


Life.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
