"""The life of an alarm: the table, flags beside it, chattering, severity."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from server.alarms import decide, handlers
from server.alarms.handlers import Here
from server.alarms.model import (
    Acknowledge,
    Alarm,
    Codes,
    Effect,
    Hold,
    Life,
    Reset,
    Rule,
    Sample,
    Watch,
    view,
)
from server.events import AlarmCalmed, AlarmRaised, AlarmWorsened, Event, FlagEnded, FlagStands
from tests.fakes_alarms import MemoryAlarms, MemoryCauses
from watchkeeper.documents import Text
from watchkeeper.errors import Refused
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEXT = Text("高温", "Too warm")
LI = PersonId("li")
RUNG = Alarm(
    AlarmId("a1"), "warm", 1, PointId("u/p"), UnitId("u"), "", "z1", 3, "normal",
    Life.UNACKNOWLEDGED, TEXT, TEXT, 1.0, None, "", NOON, NOON, raises=(NOON,),
)  # fmt: skip
ALL = list(product((False, True), repeat=2))
SHELF = Hold("f1", "shelved", "alarm:warm|u/p", NOON + timedelta(hours=1))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def walked(*, latch: bool, seen: bool, steps: Sequence[str]) -> Life:
    alarm = RUNG
    for step in steps:
        match step:
            case "ack":
                alarm = decide.acknowledge(alarm, Acknowledge(alarm.id, LI), NOON)
            case "rtn":
                alarm = decide.returned(alarm, at(60), latch=latch, acknowledge=seen)
            case "raise":
                alarm, _ = decide.raised(alarm, at(61), 1.0, TEXT)
            case _:
                alarm = decide.reset(alarm, Reset(alarm.id, LI))
    return alarm.life


@pytest.mark.serves("C2")
@pytest.mark.parametrize(
    ("latch", "seen", "steps", "life"),
    [
        (False, True, "rtn", Life.RETURNED),
        (False, True, "rtn ack", Life.NORMAL),
        (False, True, "rtn raise", Life.UNACKNOWLEDGED),
        (False, True, "ack rtn", Life.NORMAL),
        (False, False, "rtn", Life.NORMAL),
        (False, False, "ack rtn", Life.NORMAL),
        (True, True, "rtn", Life.LATCHED_UNACKNOWLEDGED),
        (True, True, "rtn ack", Life.LATCHED),
        (True, True, "rtn ack reset", Life.NORMAL),
        (True, True, "rtn raise", Life.UNACKNOWLEDGED),
        (True, True, "ack rtn", Life.LATCHED),
        (True, True, "ack rtn raise", Life.UNACKNOWLEDGED),
        (True, False, "rtn", Life.LATCHED),
        (True, False, "rtn reset", Life.NORMAL),
        (True, False, "ack rtn reset", Life.NORMAL),
    ],
)
def test_the_table_of_an_alarms_life(latch: bool, seen: bool, steps: str, life: Life) -> None:  # noqa: FBT001
    assert walked(latch=latch, seen=seen, steps=steps.split()) is life


@pytest.mark.parametrize(
    "steps", ["reset", "ack reset", "rtn reset", "ack ack", "rtn rtn", "raise", "ack raise"]
)
def test_what_the_table_has_no_line_for_is_refused(steps: str) -> None:
    with pytest.raises(Refused):
        walked(latch=True, seen=True, steps=steps.split())


@pytest.mark.parametrize(("latch", "seen"), ALL)
def test_no_life_is_a_trap(latch: bool, seen: bool) -> None:  # noqa: FBT001
    """From every life that can be reached, normal can be reached."""
    edges: dict[Life, set[Life]] = {}
    for (life, _), after in decide.LIFE.items():
        edges.setdefault(life, set()).add(after)
    for (life, latches, needs), after in decide.RETURN.items():
        if (latches, needs) == (latch, seen):
            edges.setdefault(life, set()).add(after)
    reached, new = {Life.UNACKNOWLEDGED}, {Life.UNACKNOWLEDGED}
    while new:
        new = {after for life in new for after in edges.get(life, ())} - reached
        reached |= new
    for start in reached:
        seen_lives, new = {start}, {start}
        while new:
            new = {after for life in new for after in edges.get(life, ())} - seen_lives
            seen_lives |= new
        assert Life.NORMAL in seen_lives, start


def test_a_worse_alarm_must_be_seen_again_and_a_better_one_keeps_the_worst() -> None:
    seen = decide.acknowledge(RUNG, Acknowledge(RUNG.id, LI), NOON)
    worse, tell = decide.graded(seen, 2)
    assert (worse.life, worse.priority, worse.priority_max, tell) == (
        Life.UNACKNOWLEDGED, 2, 2, True,
    )  # fmt: skip
    seen = decide.acknowledge(worse, Acknowledge(RUNG.id, LI), NOON)
    better, tell = decide.graded(seen, 4)
    assert (better.life, better.priority, better.priority_max, tell) == (
        Life.ACKNOWLEDGED, 4, 2, False,
    )  # fmt: skip
    assert decide.graded(better, 4) == (better, False)
    over = decide.returned(better, at(1))
    assert decide.graded(over, 1) == (over, False)


@pytest.mark.parametrize(
    ("gaps_s", "chatters"),
    [
        pytest.param([5, 5], True, id="three in ten seconds"),
        pytest.param([29, 30], True, id="three in a minute"),
        pytest.param([30, 30], False, id="three in a minute and a moment"),
        pytest.param([5], False, id="two"),
        pytest.param([300, 300, 300], False, id="now and then"),
    ],
)
def test_three_raises_in_a_minute_are_chattering(gaps_s: list[float], chatters: bool) -> None:  # noqa: FBT001
    alarm, now = RUNG, 0.0
    for gap in gaps_s:
        now += gap
        alarm = decide.chattering(alarm, alarm, at(now))
    assert (alarm.chatter_since is not None) is chatters
    assert alarm.chatter_count == (len(gaps_s) + 1 if chatters else 0)


def test_what_is_over_by_itself_at_once_is_fleeting() -> None:
    assert decide.returned(RUNG, at(9)).fleeting
    assert not decide.returned(RUNG, at(10)).fleeting
    seen = decide.acknowledge(RUNG, Acknowledge(RUNG.id, LI), NOON)
    assert not decide.returned(seen, at(9)).fleeting


def test_the_view_has_the_flags_and_not_what_is_ours() -> None:
    shown = view(decide.flagged(RUNG, [SHELF]))
    assert (shown["flags"], shown["active"]) == (["shelved"], True)
    assert shown["shelved_until"] == 1_780_318_800_000
    assert not {"raises", "tellings"} & shown.keys()


class LifeUnderFlags(RuleBasedStateMachine):
    """Against a plain account of what people know: nothing is lost, nothing is told twice.

    The handlers run on the store in memory; the account below knows only what happened.
    """

    @initialize(latch=st.booleans(), seen=st.booleans())
    def begin(self, latch: bool, seen: bool) -> None:  # noqa: FBT001 - hypothesis gives it
        self.alarms, self.now = MemoryAlarms(), NOON
        names = iter(range(10_000))
        self.new_id = lambda prefix: f"{prefix}_{next(names):05}"
        made = Rule(
            key="warm", revision=1, priority=3, title=TEXT, guidance=TEXT, latch=latch,
            acknowledge=seen,
        )  # fmt: skip
        self.watch = Watch(
            "warm|u/p", made, PointId("u/p"), UnitId("u"), "", "z1", Codes(frozenset({1.0}))
        )
        self.true = False
        self.flags: set[str] = set()
        self.ignorant = False  # something happened under a flag that nobody knows
        self.missed = False  # the row before was closed, and nobody ever knew of it
        self.heard = 0  # events of which people were told, read so far

    def here(self) -> Here:
        return Here(self.alarms, self.now, self.new_id, MemoryCauses(self.alarms))

    def news(self) -> list[Event]:
        found = self.alarms.happened[self.heard :]
        self.heard = len(self.alarms.happened)
        return [
            each
            for each in found
            if (isinstance(each, AlarmRaised) and not each.held and not each.repeat)
            or (isinstance(each, AlarmWorsened) and not each.now.held)
        ]

    def open(self) -> Alarm | None:
        return self.alarms.open_of(self.watch.key)

    @precondition(lambda self: not self.true)
    @rule(pause=st.sampled_from([1, 20, 700]), priority=st.sampled_from([1, 2, 3]))
    def goes_wrong(self, pause: float, priority: int) -> None:
        self.now += timedelta(seconds=pause)
        before = self.open()
        handlers._apply(  # noqa: SLF001 - what observe ends in, with a priority
            self.watch, Effect.RAISE, Sample(self.now, 1.0), self.here(), priority
        )
        self.true, news = True, self.news()
        alarm = self.open()
        assert alarm is not None
        assert alarm.life is Life.UNACKNOWLEDGED
        if before is None:
            known = alarm.chatter_since is not None and not self.missed
        else:
            over = before.returned_at
            soon = over is not None and self.now - over < decide.FLAPPING
            known = soon and priority >= before.priority and not self.ignorant
        assert len(news) == (not known and not self.flags), "told once, unless they know"
        self.ignorant = bool(self.flags) and (self.ignorant or not known)
        self.missed = False

    @precondition(lambda self: self.true)
    @rule(pause=st.sampled_from([1, 20]))
    def is_over(self, pause: float) -> None:
        self.now += timedelta(seconds=pause)
        handlers._apply(self.watch, Effect.RETURN, Sample(self.now, 0.0), self.here())  # noqa: SLF001
        self.true = False
        assert self.news() == []
        self.forget_if_closed()

    def forget_if_closed(self) -> None:
        if self.open() is None:
            self.missed, self.ignorant = self.ignorant, False

    @precondition(lambda self: self.true)
    @rule(priority=st.sampled_from([1, 2, 3, 4]))
    def changes(self, priority: int) -> None:
        before = self.open()
        assert before is not None
        handlers.grade(self.watch, priority, Sample(self.now, 2.0), self.here())
        news, worse, after = self.news(), priority < before.priority, self.open()
        assert after is not None
        assert len(news) == (worse and not self.flags)
        assert after.priority_max == min(before.priority_max, priority)
        assert after.life is (Life.UNACKNOWLEDGED if worse else before.life)
        self.ignorant = (self.ignorant or worse) and bool(self.flags)

    @precondition(lambda self: self.open() is not None)
    @rule()
    def somebody_looks(self) -> None:
        alarm = self.open()
        assert alarm is not None
        command = Acknowledge(alarm.id, LI)
        if (alarm.life, "acknowledge") in decide.LIFE:
            handlers.acknowledge(command, self.here())
            self.ignorant = False
        else:
            with pytest.raises(Refused):
                handlers.acknowledge(command, self.here())
        assert self.news() == []

    @precondition(lambda self: self.open() is not None)
    @rule()
    def somebody_resets(self) -> None:
        alarm = self.open()
        assert alarm is not None
        if alarm.life is Life.LATCHED:
            handlers.reset(Reset(alarm.id, LI), self.here())
            assert self.open() is None
            self.forget_if_closed()
        else:
            with pytest.raises(Refused):
                handlers.reset(Reset(alarm.id, LI), self.here())

    @rule(
        kind=st.sampled_from(["shelved", "out_of_service", "suppressed"]), hours=st.integers(1, 9)
    )
    def a_flag_stands_or_is_extended(self, kind: str, hours: int) -> None:
        until = self.now + timedelta(hours=hours)
        event = FlagStands(kind, kind, self.subject(kind), until, "known", LI, self.now)
        handlers.flag_stands(event, self.here(), lambda _: self.watch.rule)
        self.flags.add(kind)
        assert self.news() == []

    @precondition(lambda self: self.flags)
    @rule(data=st.data(), twice=st.booleans())
    def a_flag_ends(self, data: st.DataObject, twice: bool) -> None:  # noqa: FBT001
        kind = data.draw(st.sampled_from(sorted(self.flags)))
        event = FlagEnded(kind, kind, self.subject(kind), "expired", LI, self.now)
        for _ in range(1 + twice):
            handlers.flag_ended(event, self.here(), lambda _: self.watch.rule)
        self.flags.remove(kind)
        expected = self.true and self.ignorant and not self.flags
        assert len(self.news()) == expected, "exactly when told to"
        if expected:
            self.ignorant = False

    @staticmethod
    def subject(kind: str) -> str:
        return {"shelved": "alarm:warm|u/p", "out_of_service": "unit:u"}.get(kind, "zone:z1")

    @invariant()
    def the_row_says_what_is_so(self) -> None:
        alarm = self.open()
        assert len(self.alarms.keys) <= 1, "at most one open row"
        if self.true:
            assert alarm is not None
        if alarm is None:
            return
        assert alarm.active == self.true
        assert set(alarm.flags) == self.flags
        assert alarm.untold == self.ignorant
        assert (alarm.shelved_until is not None) == ("shelved" in self.flags)


TestLifeUnderFlags = LifeUnderFlags.TestCase
TestLifeUnderFlags.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLifeUnderFlags.pytestmark = [pytest.mark.serves("C2")]


def quiet_here(alarms: MemoryAlarms, seconds: float) -> Here:
    names = lambda prefix: f"{prefix}_{len(alarms.alarms)}"  # noqa: E731 - a name for it
    return Here(alarms, at(seconds), names, MemoryCauses(alarms))


def test_chattering_goes_on_over_rows_that_are_seen_and_is_told_once() -> None:
    alarms = MemoryAlarms()
    made = Rule(key="warm", revision=1, priority=2, title=TEXT, guidance=TEXT)
    watch = Watch("warm|u/p", made, PointId("u/p"), UnitId("u"), "", "", Codes(frozenset({1.0})))
    for second in range(0, 60, 10):
        here = quiet_here(alarms, second)
        handlers.observe(watch, Sample(at(second), 1.0), here)
        rung = alarms.open_of(watch.key)
        assert rung is not None
        handlers.acknowledge(Acknowledge(rung.id, LI), here)
        handlers.observe(watch, Sample(at(second + 5), 0.0), here)
    raised = [each for each in alarms.happened if isinstance(each, AlarmRaised)]
    assert [each.repeat for each in raised] == [False, False, True, True, True, True]
    handlers.calmed(made, watch.key, quiet_here(alarms, 340))
    assert alarms.calm[watch.key] == at(50 + 300)
    handlers.calmed(made, watch.key, quiet_here(alarms, 350))
    handlers.calmed(made, watch.key, quiet_here(alarms, 351))
    (calm,) = [each for each in alarms.happened if isinstance(each, AlarmCalmed)]
    assert (calm.count, calm.since, calm.active) == (6, at(0), False)


def test_a_bulk_acknowledgement_says_of_each_what_became_of_it() -> None:
    alarms = MemoryAlarms()
    here = quiet_here(alarms, 0)
    fire = replace(RUNG, id=AlarmId("fire"), handling="life_safety")
    seen = replace(RUNG, id=AlarmId("seen"), life=Life.ACKNOWLEDGED, acknowledged_by=LI)
    for each in (RUNG, fire, seen):
        alarms.alarms[each.id] = each
    asked = [RUNG.id, fire.id, seen.id, AlarmId("none")]
    said = handlers.acknowledge_all(asked, PersonId("wang"), here)
    assert [each["ok"] for each in said] == [True, False, False, False]
    assert [each.get("type") for each in said] == [
        None, "alarms.bulk-life-safety", "alarms.not-unacknowledged", "unknown",
    ]  # fmt: skip
    assert said[2]["by"] == "li"
    assert alarms.get(RUNG.id).acknowledged_by == "wang"
