"""Golden scenarios of emergencies, told with a fixed clock on the plans of the catalog."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from server.emergency import decide, handlers
from server.emergency.handlers import view
from server.emergency.model import Headcount, Person, Run, Said, State, StepState
from server.emergency.ports import Published
from server.events import AlarmAcknowledged, RoleCalled, RunMoved, RunStarted
from server.plans import Shelf
from tests.unit.server.emergency.cast import (
    ADMIN,
    CHEN,
    LIU,
    SHELF,
    STRANGER,
    WANG,
    ZHAO,
    Stage,
    actions,
)
from watchkeeper.errors import Forbidden, NotPossible, Refused, WatchkeeperError
from watchkeeper.ids import AlarmId, RunId

ALL_HERE = Headcount(found=12, missing=0)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def fire(stage: Stage) -> Run:
    """Two detectors of a zone: the plan runs."""
    stage.rings(7)
    stage.rings(8)
    return stage.run("alm_7")


def step(stage: Stage, run: Run, key: str, verb: decide.Verb = "done", **said: object) -> Run:
    by = said.pop("by", CHEN)
    assert isinstance(by, Person)
    words = Said(**said)  # type: ignore[arg-type]  # the table's own words
    return stage.does(run, lambda now, m: decide.move_step(now, key, verb, by, words, m))


def take(stage: Stage, run: Run, role: str, by: Person) -> Run:
    return stage.does(run, lambda now, m: decide.take_role(now, role, by, m))


def lines(run: Run) -> list[str]:
    return [line.text.en for line in run.log]


Act = Callable[[Stage], object]


@pytest.mark.parametrize(
    ("acts", "state"),
    [
        pytest.param([lambda s: s.rings(7)], "warning", id="one detector is a warning"),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.rings(8)], "running", id="two of a zone are real"
        ),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.rings(27)],
            "warning",
            id="two of different zones do not confirm each other",
        ),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.rings(7, alarm="alm_again")],
            "warning",
            id="the same detector twice is one source",
        ),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.rings(8, late=True)],
            "warning",
            id="a late signal does not confirm",
        ),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.pass_(179)], "warning", id="silence, not yet"
        ),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.pass_(181)], "running", id="silence means real"
        ),
        pytest.param(
            [
                lambda s: s.rings(7),
                lambda s: s.does(
                    s.run("alm_7"), lambda r, m: decide.confirm(r, CHEN, m, real=True)
                ),
            ],
            "running",
            id="one detector and a person",
        ),
        pytest.param(
            [
                lambda s: s.rings(7),
                lambda s: handlers.start("fire", "tower-a/12", "actual", WANG, s.here()),
            ],
            "running",
            id="a person who starts the plan there confirms",
        ),
        pytest.param(
            [
                lambda s: s.rings(7),
                lambda s: handlers.alarm_acknowledged(
                    AlarmAcknowledged(AlarmId("alm_7"), CHEN.id, s.clock.now()), s.here()
                ),
            ],
            "warning",
            id="acknowledging is not confirming",
        ),
        pytest.param(
            [lambda s: s.rings(7), lambda s: s.returns("alm_7")],
            "warning",
            id="a signal that goes away ends nothing",
        ),
        pytest.param([lambda s: s.rings(7), lambda s: s.rings(7)], "warning", id="told twice"),
    ],
)
@pytest.mark.serves("E3")
def test_what_it_takes_to_believe_a_signal(stage: Stage, acts: list[Act], state: str) -> None:
    for act in acts:
        act(stage)
    assert stage.run("alm_7").state == state


def test_a_warning_sends_a_person_to_look_and_says_so(stage: Stage) -> None:
    stage.rings(7)
    run = stage.run("alm_7")
    assert stage.called() == [("verifier", "liumin")]
    assert run.calls["commander"].called_at is None
    assert [step.state for step in run.steps.values()] == ["waiting"] * len(run.steps)
    assert "Warning, to be verified. No answer in 180 s: treated as real" in lines(run)
    started = stage.memory.events[0]
    assert isinstance(started, RunStarted)
    assert (started.state, started.alarms) == ("warning", ("alm_7",))


@pytest.mark.serves("E3")
def test_one_false_alarm_needs_two_persons_and_the_second_has_time(stage: Stage) -> None:
    stage.rings(7)
    run = stage.run("alm_7")
    stage.pass_(170)
    run = stage.does(run, lambda r, m: decide.confirm(r, LIU, m, real=False))
    assert run.state is State.WARNING
    stage.pass_(170)
    with pytest.raises(Refused, match="second-person-needed"):
        stage.does(run, lambda r, m: decide.abort(r, "steam", LIU, m))
    run = stage.does(run, lambda r, m: decide.abort(r, "steam", CHEN, m))
    assert (run.state, run.log[-1].actor) == (State.ABORTED, "Chen Lei")


def test_when_the_second_person_stays_silent_it_goes_on_as_real(stage: Stage) -> None:
    stage.rings(7)
    run = stage.does(stage.run("alm_7"), lambda r, m: decide.confirm(r, LIU, m, real=False))
    stage.pass_(181)
    assert stage.run("alm_7").state is State.RUNNING
    assert run.doubted_by == LIU.id


def test_another_signal_makes_the_false_alarm_call_void(stage: Stage) -> None:
    stage.rings(7)
    stage.does(stage.run("alm_7"), lambda r, m: decide.confirm(r, LIU, m, real=False))
    stage.rings(8)
    run = stage.run("alm_7")
    assert (run.state, run.doubted_by) == (State.RUNNING, None)


def test_one_active_run_for_a_plan_and_a_zone(stage: Stage) -> None:
    run = fire(stage)
    stage.rings(9)
    stage.rings(31)
    assert [each.scope for each in stage.memory.active()] == ["zone-1", "zone-2"]
    assert stage.run("alm_9").id == run.id
    moves = [event for event in stage.memory.events if isinstance(event, RunMoved)]
    assert ("alm_9",) in [event.alarms for event in moves]


def test_two_lifts_of_a_building_are_two_runs(stage: Stage) -> None:
    first, second = stage.trapped("lift-3"), stage.trapped("lift-4")
    assert first.id != second.id
    assert (first.state, first.scope, first.place) == (State.RUNNING, "lift-3", "tower-a")


def test_the_plan_begins_with_five_branches_and_calls_everybody(stage: Stage) -> None:
    run = fire(stage)
    ready = {key for key, step in run.steps.items() if step.state is StepState.READY}
    assert ready == {"linkage", "reach-fire", "leave-floors", "lifts-home", "clear-lane"}
    called = dict(stage.called())
    assert called["commander"] == "zhaoyan"
    assert called["desk"] == "chenlei"
    assert called["utilities"] == "wangqiang"
    assert set(called) == {role.key for role in run.plan.roles}


def test_who_does_not_answer_is_followed_by_the_deputy_and_nobody_is_forgotten(
    stage: Stage,
) -> None:
    fire(stage)
    stage.pass_(125)
    commander = [who for role, who in stage.called() if role == "commander"]
    assert commander == ["zhaoyan", "chenlei", "zhaoyan"]
    run = take(stage, stage.run("alm_7"), "commander", CHEN)
    assert run.calls["commander"].person == "chenlei"
    stage.pass_(600)
    assert [who for role, who in stage.called() if role == "commander"] == commander


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        pytest.param(ZHAO, ZHAO, None, id="twice is fine"),
        pytest.param(ZHAO, CHEN, "emergency.role-taken", id="the first wins"),
        pytest.param(CHEN, ZHAO, None, id="a manager takes over"),
        pytest.param(STRANGER, CHEN, "emergency.not-for-role", id="not for everybody"),
        pytest.param(ADMIN, CHEN, "emergency.role-taken", id="an admin may always"),
    ],
)
def test_who_may_take_a_role(
    stage: Stage, first: Person, second: Person, error: str | None
) -> None:
    run = fire(stage)
    code = None
    try:
        take(stage, run, "commander", first)
        run = take(stage, run, "commander", second)
    except WatchkeeperError as refused:
        code = refused.code
    assert code == error
    assert error or run.calls["commander"].person == second.id


def test_a_deleted_person_is_not_called_any_more(stage: Stage) -> None:
    fire(stage)
    stage.staff.leave(ZHAO)
    stage.pass_(200)
    assert [who for role, who in stage.called() if role == "commander"] == [
        "zhaoyan",
        "chenlei",
        "chenlei",
    ]


@pytest.mark.serves("E4")
def test_a_late_step_is_flagged_and_told_but_never_done(stage: Stage) -> None:
    run = take(stage, fire(stage), "desk", CHEN)
    stage.pass_(31)
    late = stage.run("alm_7").steps["linkage"]
    assert (late.state, late.overdue) == (StepState.READY, True)
    told = [
        event
        for event in stage.memory.events
        if isinstance(event, RunMoved) and event.step_state == "overdue"
    ]
    assert [(event.step, event.tell) for event in told] == [("linkage", ("chenlei", "zhaoyan"))]
    stage.pass_(20_000)
    run = stage.run("alm_7")
    assert not any(run.steps[step.key].state is StepState.DONE for step in actions(run.plan))


def test_branches_join_only_when_each_has_ended(stage: Stage) -> None:
    run = fire(stage)
    order = [
        "linkage", "call-119", "announce", "report-head", "reach-fire", "put-out", "watch-embers",
        "leave-floors", "search", "lifts-home", "pumps", "cut-power", "clear-lane", "first-aid",
        "meet-brigade",
    ]  # fmt: skip
    for key in order:
        run = step(stage, run, key)
        assert run.steps["hand-over"].state is StepState.WAITING
    run = step(stage, run, "count", headcount=ALL_HERE)
    assert run.steps["first-response"].state is StepState.DONE
    assert run.steps["hand-over"].state is StepState.READY


def test_a_failed_step_takes_its_own_way_and_a_loop_comes_round(stage: Stage) -> None:
    run = fire(stage)
    run = step(stage, run, "reach-fire", "fail", reason="smoke")
    assert run.steps["pull-back"].state is StepState.READY
    for key in ("leave-floors", "search"):
        run = step(stage, run, key)
    run = step(stage, run, "count", "fail", reason="one missing")
    run = step(stage, run, "missing", note="Li, 12F east")
    assert run.steps["count"].state is StepState.READY
    assert run.steps["count"].generation == 2


@pytest.mark.serves("E4")
def test_raising_the_level_opens_the_branch_that_asks_for_it(stage: Stage) -> None:
    run = fire(stage)
    assert run.steps["leave-building"].state is StepState.WAITING
    run = stage.does(run, lambda r, m: decide.level(r, "up", CHEN, m))
    assert run.level == "II"
    assert run.steps["leave-building"].state is StepState.READY
    run = stage.does(run, lambda r, m: decide.level(r, "III", CHEN, m))
    assert run.steps["leave-building"].state is StepState.READY
    with pytest.raises(NotPossible, match="no-such-level"):
        stage.does(run, lambda r, m: decide.level(r, "down", CHEN, m))


@pytest.mark.parametrize(
    ("key", "verb", "said", "error"),
    [
        pytest.param("linkage", "skip", {"reason": "x"}, "emergency.not-skippable", id="no skip"),
        pytest.param("linkage", "fail", {}, "emergency.reason-needed", id="no reason"),
        pytest.param("call-119", "done", {}, "emergency.step-not-live", id="not its turn"),
        pytest.param("first-response", "done", {}, "emergency.step-not-live", id="no action"),
        pytest.param("linkage", "done", {"by": STRANGER}, "emergency.not-your-step", id="not his"),
    ],
)
def test_what_a_step_refuses(
    stage: Stage, key: str, verb: decide.Verb, said: dict[str, object], error: str
) -> None:
    run = fire(stage)
    with pytest.raises(WatchkeeperError, match=error):
        step(stage, run, key, verb, **said)


def test_evidence_is_asked_for(stage: Stage) -> None:
    run = stage.trapped()
    with pytest.raises(NotPossible) as asked:
        step(stage, run, "speak")
    assert asked.value.facts["evidence"] == ["note"]
    run = step(stage, run, "speak", note="2 adults, well")
    assert run.steps["call-contractor"].state is StepState.READY


def test_the_clocks_of_a_rescue_run_from_the_signal_and_are_site_data(stage: Stage) -> None:
    run = stage.trapped()
    began = run.started_at
    stage.pass_(20)
    run = step(stage, run, "speak", note="2 adults, well")
    due = run.steps["call-contractor"].due_at
    assert due is not None
    assert (due - began).total_seconds() == 180
    plan = SHELF.get("entrapment").plan
    assert plan.limit("arrive", "riverside") == plan.limit("arrive", "elsewhere") == 1800
    village = replace_clock(plan.clocks[2], 3600)
    assert village.sites["village"] == 3600


def replace_clock(clock: object, seconds: int) -> object:
    return msgspec.structs.replace(clock, sites={"village": seconds})  # type: ignore[type-var]


def through(stage: Stage, run: Run) -> Run:
    """Do every step that becomes ready until none is left."""
    for _ in range(200):
        live = [key for key, each in run.steps.items() if each.state is StepState.READY]
        ours = [each.key for each in actions(run.plan) if each.key in live]
        if not ours:
            return run
        run = step(stage, run, ours[0], note="done", headcount=ALL_HERE)
    raise AssertionError("the steps do not come to an end")


@pytest.mark.parametrize("plan", ["fire", "entrapment"])
@pytest.mark.serves("E4")
def test_the_end_procedure_asks_for_all_it_needs(stage: Stage, plan: str) -> None:
    run = fire(stage) if plan == "fire" else stage.trapped()
    with pytest.raises(Refused, match="not-stable"):
        stage.does(run, lambda r, m: decide.close(r, ZHAO, Said(), m))
    run = stage.does(run, lambda r, m: decide.stable(r, CHEN, m))
    with pytest.raises(Refused) as refused:
        stage.does(run, lambda r, m: decide.close(r, ZHAO, Said(), m))
    assert refused.value.facts["unmet"] == ["all-clear", "headcount", "life-safety-steps"]
    run = through(stage, take(stage, run, "commander", ZHAO))
    with pytest.raises(Refused) as refused:
        stage.does(run, lambda r, m: decide.close(r, CHEN, Said(), m))
    assert refused.value.facts["unmet"] == ["all-clear"]
    missing = Said(headcount=Headcount(found=11, missing=1))
    with pytest.raises(Refused) as refused:
        stage.does(run, lambda r, m: decide.close(r, ZHAO, missing, m))
    assert refused.value.facts["unmet"] == ["headcount"]
    run = stage.does(run, lambda r, m: decide.close(r, ZHAO, Said(headcount=ALL_HERE), m))
    assert run.state is State.CLOSED
    with pytest.raises(Refused, match="over"):
        stage.does(run, lambda r, m: decide.abort(r, "", CHEN, m))
    run = stage.does(run, lambda r, m: decide.note(r, "Lift passed its test", CHEN, m))
    assert lines(run)[-1] == "Lift passed its test"


def test_a_stable_run_with_a_new_signal_runs_again(stage: Stage) -> None:
    run = fire(stage)
    stage.does(run, lambda r, m: decide.stable(r, CHEN, m))
    stage.pass_(10)
    stage.rings(7)
    assert stage.run("alm_7").state is State.RUNNING


def test_an_alarm_that_rings_again_after_the_end_opens_a_new_run(stage: Stage) -> None:
    run = fire(stage)
    stage.does(run, lambda r, m: decide.abort(r, "test", CHEN, m))
    stage.does(run, lambda r, m: decide.abort(r, "test", ZHAO, m))
    stage.rings(7)
    again = stage.run("alm_7")
    assert again.id != run.id
    assert again.state is State.WARNING


@pytest.mark.serves("E3")
def test_golden_11_a_drill_is_marked_and_halts_when_something_real_happens(stage: Stage) -> None:
    drill = handlers.start("fire", "zone-1", "exercise", CHEN, stage.here())
    marks = {getattr(event, "mode", None) for event in stage.memory.events}
    assert marks == {"exercise"}
    due_before = drill.steps["linkage"].due_at
    stage.pass_(10)
    run = fire(stage)
    assert (run.mode, run.state) == ("actual", State.RUNNING)
    drill = stage.memory.get(drill.id)
    assert drill.paused_at is not None
    stage.pass_(3600)
    with pytest.raises(Refused, match="drill-paused"):
        step(stage, drill, "linkage")
    assert not stage.memory.get(drill.id).steps["linkage"].overdue
    stage.does(run, lambda r, m: decide.abort(r, "test", CHEN, m))
    stage.does(run, lambda r, m: decide.abort(r, "test", ZHAO, m))
    drill = stage.memory.get(drill.id)
    due_after = drill.steps["linkage"].due_at
    assert drill.paused_at is None
    assert due_before is not None
    assert due_after is not None
    assert (due_after - due_before).total_seconds() == 3600
    assert step(stage, drill, "linkage").steps["call-119"].state is StepState.READY


def test_one_person_ends_a_drill(stage: Stage) -> None:
    drill = handlers.start("fire", "zone-1", "exercise", CHEN, stage.here())
    assert stage.does(drill, lambda r, m: decide.abort(r, "", CHEN, m)).state is State.ABORTED


def test_golden_12_a_run_keeps_the_version_it_began_with() -> None:
    old = SHELF.get("fire")
    stage = Stage()
    run = fire(stage)
    newer = msgspec.structs.replace(old.plan, version=old.plan.version + 1, roles=old.plan.roles)
    stage.shelf = Shelf([Published(newer, "f" * 64), SHELF.get("entrapment")])
    stage.pass_(70)
    run = step(stage, run, "linkage")
    assert (run.plan.version, run.sha256) == (old.plan.version, old.sha256)
    seen = view(run, stage.shelf)
    assert seen["newer_version"] == old.plan.version + 1
    assert seen["plan_sha256"] == old.sha256
    stage.shelf = Shelf([SHELF.get("entrapment")])
    assert view(run, stage.shelf)["newer_version"] is None
    assert through(stage, run).plan == old.plan


def test_a_signal_no_plan_answers_changes_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.shelf = Shelf([])
    assert stage.rings(7) is None
    assert "no plan answers" in caplog.text


def test_the_timeline_shows_when_a_line_was_changed_or_removed(stage: Stage) -> None:
    run = fire(stage)
    assert decide.intact(run)
    changed = replace(run.log[2], actor="somebody else")
    assert not decide.intact(replace(run, log=(*run.log[:2], changed, *run.log[3:])))
    assert not decide.intact(replace(run, log=(*run.log[:2], *run.log[3:])))


def test_the_view_has_what_a_screen_needs(stage: Stage) -> None:
    seen = view(fire(stage), SHELF)
    assert seen["title"] == {"zh": "火灾 · zone-1", "en": "Fire · zone-1"}
    assert seen["may"] == ["stable", "abort", "level", "note"]
    first = seen["steps"][0]
    assert first["key"] == "linkage"
    assert first["owner_name"] == {"zh": "消控值班", "en": "Control room"}
    assert seen["contacts"][0]["phone"] == "119"
    assert seen["close"]["unmet"] == ["all-clear", "headcount", "life-safety-steps"]
    assert seen["reports"][0]["due_at"] == seen["started_at"] + 60_000
    msgspec.json.encode(seen)


def test_every_call_says_what_to_do_first(stage: Stage) -> None:
    fire(stage)
    calls = [event for event in stage.memory.events if isinstance(event, RoleCalled)]
    desk = next(call for call in calls if call.role == "desk")
    assert desk.duty.en == "Hold the control room. Linkage to automatic. Call 119"
    assert desk.run == RunId("run_1")


def test_a_stranger_to_the_run_has_no_say(stage: Stage) -> None:
    run = fire(stage)
    with pytest.raises(Forbidden, match="not-involved"):
        stage.does(run, lambda r, m: decide.stable(r, STRANGER, m))


def test_skipping_for_life_safety_is_the_commanders(stage: Stage) -> None:
    plan = SHELF.get("entrapment").plan
    loose = msgspec.structs.replace(
        plan,
        steps=[
            msgspec.structs.replace(each, skippable="with_reason")
            if each.key == "guard-doors"
            else each
            for each in plan.steps
        ],
    )
    stage.shelf = Shelf([Published(loose, "0" * 64)])
    run = step(stage, stage.trapped(), "speak", note="well")
    with pytest.raises(Forbidden, match="commander-only"):
        step(stage, run, "guard-doors", "skip", reason="glass lift")
    run = take(stage, run, "commander", ZHAO)
    run = step(stage, run, "guard-doors", "skip", reason="glass lift", by=ZHAO)
    assert run.steps["guard-doors"].state is StepState.SKIPPED
