"""What leaves no quiet band is never looked at, and still nothing is missed, for every kind."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.alarms import decide
from server.alarms.model import Effect, Rule, RuleState, Sample, Watch
from server.backtest import points, replay
from server.calendars import Calendar
from server.conditions import (
    Bounds,
    Codes,
    Condition,
    Count,
    Expression,
    Jump,
    Rate,
    Side,
    Stuck,
    Within,
)
from server.formula import parse
from server.latest import Latest
from server.watching import Watching
from watchkeeper.batch import Batch
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.history import Track
from watchkeeper.ids import PointId, UnitId
from watchkeeper.profile import Point, Profile
from watchkeeper.site import About, Bus, Edge, ModbusTcp, Plant, Site, Unit

TEXT = Text("热", "Hot")
MONDAY = 1_780_272_000_000
A, B, C = PointId("u/a"), PointId("u/b"), PointId("u/c")
PLANT = Plant(
    Site(About("here", TEXT), [], [
        Edge("e", [Bus("lan", modbus_tcp=ModbusTcp("127.0.0.1", 1))], [Unit("u", "abc", "lan", 1)])
    ]),
    {"abc": Profile("abc", TEXT, "sensor", "", [Point(n, TEXT, 0, "float32") for n in "abc"])},
)  # fmt: skip
HOURS = Calendar("office", "Asia/Shanghai", (((480, 482), (483, 490)),) * 7)
UNITS = dict.fromkeys("abc", "")
KINDS: dict[str, Condition] = {
    "limit": Bounds(-5, 5, -3, 3),
    "four": Bounds(high=4, inner_high=3,
                   sides=(Side("high", 4, 3, 3), Side("high_high", 7, 6, 1))),
    "codes": Codes(frozenset({1.0, 2.0})),
    "rate": Rate(5 / 60_000, 8 / 60_000, 60_000),
    "fast rate": Rate(1 / 1_000, inf, 12_000),
    "count": Count(Bounds(-5, 5, -3, 3), 2, 60_000),
    "count codes": Count(Codes(frozenset({1.0})), 3, 90_000),
    "jump": Jump(4, inf),
    "stuck": Stuck(20_000),
    "stuck while": Stuck(20_000, parse("b > 0", UNITS), (B,)),
    "expression": Expression(parse("a + b > 5 and not c == 2", UNITS), (A, A, B, C)),
    "without its own": Expression(parse("b > 4 or c < -4", UNITS), (A, B, C)),
    "quotient": Expression(parse("a / b > 0.5", UNITS), (A, A, B)),
    "within": Within(Bounds(-5, 5, -3, 3), HOURS),
    "rate without": Within(Rate(5 / 60_000, 8 / 60_000, 60_000), HOURS, inside=False),
}  # fmt: skip
Values = st.one_of(
    st.integers(-10, 10).map(float),
    st.floats(-10, 10).map(lambda value: round(value, 1)),
    st.just(nan),
)
# whose reading, seconds since the one before, value
Steps = st.lists(st.tuples(st.sampled_from("aaabc"), st.integers(1, 20), Values), max_size=60)


def watch(condition: Condition, on_s: float, off_s: float) -> Watch:
    rule = Rule(
        key="hot", revision=1, priority=3, title=TEXT, guidance=TEXT, on_delay_s=on_s,
        off_delay_s=off_s,
    )  # fmt: skip
    return Watch("hot|u/a", rule, A, UnitId("u"), "", "", condition)


@dataclass
class House:
    """The lane, the writer and its timers, on one thread."""

    watch: Watch
    state: RuleState = field(default_factory=RuleState)
    happened: list[tuple[Effect, int]] = field(default_factory=list)
    looked: int = 0

    def __post_init__(self) -> None:
        self.latest = Latest(PLANT, MONDAY)
        self.watching = Watching(PLANT, [self.watch], {}, self.latest)

    def take(self, readings: list[tuple[str, int, float]]) -> None:
        batch = Batch(
            np.array(
                [self.latest.index[PointId(f"u/{name}")] for name, _, _ in readings], np.uint32
            ),
            np.array([at for _, at, _ in readings], np.int64),
            np.array([value for _, _, value in readings]),
            np.array([128 if isnan(value) else 0 for _, _, value in readings], np.uint8),
        )
        moves = []
        chosen = batch.take(self.watching.restless(batch))
        for slot, at, value in zip(
            chosen.series.tolist(), chosen.at.tolist(), chosen.value.tolist(), strict=True
        ):
            self.looked += 1
            sample = Sample(decide.instant(at), None if isnan(value) else value)
            moves += self.watching.judge(slot, sample)
        for move in moves:
            self.state, effect = decide.learn(self.watch, self.state, move.sample, move.memory)
            self.note(effect, unix_ms(move.sample.at))
            self.watching.follow(self.watch.key, self.state)
            self.watching.landed(move.watch)

    def timer(self, before: int) -> None:
        left = decide.left_s(self.watch.rule, self.state)
        if left is not None and self.state.since is not None:
            due = self.state.since + timedelta(seconds=left)
            if unix_ms(due) < before:
                self.state, effect = decide.expire(self.state, self.state.generation)
                self.note(effect, unix_ms(due))
                self.watching.follow(self.watch.key, self.state)

    def note(self, effect: Effect, at: int) -> None:
        if effect in {Effect.RAISE, Effect.RETURN}:
            self.happened.append((effect, at))


def expected(rule: Watch, readings: list[tuple[str, int, float]]) -> list[tuple[Effect, int]]:
    def track(name: PointId) -> Track:
        own = [(at, value) for short, at, value in readings if name == f"u/{short}"]
        return Track(
            np.array([at for at, _ in own], np.int64), np.array([value for _, value in own], float),
            np.zeros(len(own), np.uint8),
        )  # fmt: skip

    end = readings[-1][1] + 1 if readings else MONDAY
    found = replay(rule, [track(name) for name in points(rule)], MONDAY, end).raised
    return [
        (effect, at)
        for each in found
        for effect, at in ((Effect.RAISE, each.at), (Effect.RETURN, each.returned_at))
        if at is not None
    ]


def timed(steps: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    at = MONDAY + np.cumsum([pause * 1000 for _, pause, _ in steps], dtype=np.int64)
    return [(name, int(t), value) for (name, _, value), t in zip(steps, at, strict=True)]


@pytest.mark.parametrize("name", KINDS)
@given(Steps, st.sampled_from([0, 15]), st.sampled_from([0, 20]))
@settings(max_examples=600, deadline=None)
def test_one_by_one_nothing_is_missed(
    name: str, steps: list[tuple[str, int, float]], on_s: float, off_s: float
) -> None:
    house, readings = House(watch(KINDS[name], on_s, off_s)), timed(steps)
    for each in readings:
        house.timer(each[1])
        house.take([each])
    house.timer(readings[-1][1] + 1 if readings else MONDAY)
    assert house.happened == expected(house.watch, readings)


@pytest.mark.parametrize("name", KINDS)
@given(Steps, st.integers(2, 7))
@settings(max_examples=600, deadline=None)
def test_in_batches_nothing_is_missed(
    name: str, steps: list[tuple[str, int, float]], size: int
) -> None:
    house, readings = House(watch(KINDS[name], 0, 0)), timed(steps)
    for first in range(0, len(readings), size):
        house.take(readings[first : first + size])
    assert house.happened == expected(house.watch, readings)


def test_two_inputs_of_a_formula_that_move_in_one_batch_are_both_looked_at() -> None:
    house = House(watch(KINDS["expression"], 0, 0))
    house.take([("b", MONDAY, 9.0), ("c", MONDAY + 1_000, 0.0), ("a", MONDAY + 2_000, -8.0)])
    house.take([("a", MONDAY + 3_000, -4.0), ("b", MONDAY + 4_000, 10.0)])  # b is in its old band
    assert house.happened == [(Effect.RAISE, MONDAY + 4_000)]


@pytest.mark.parametrize("name", ["limit", "rate", "jump", "quotient", "within"])
def test_what_stays_in_its_band_is_not_looked_at(name: str) -> None:
    house = House(watch(KINDS[name], 0, 0))
    for second in range(600):
        at = MONDAY + second * 1000
        house.take([("a", at, 1 + 0.01 * (second % 3)), ("b", at + 300, 8.0)])
    assert house.looked < 150


def test_an_expression_that_came_too_soon_is_evaluated_when_its_pace_allows_it() -> None:
    house = House(watch(KINDS["expression"], 0, 0))
    house.take([("a", MONDAY, 0.0), ("b", MONDAY + 10, 0.0), ("c", MONDAY + 20, 0.0)])
    house.take([("a", MONDAY + 30, 9.0)])
    assert house.happened == []
    assert house.watching.overdue(MONDAY + 100) == []
    (move,) = house.watching.overdue(MONDAY + 500)
    after, effect = decide.learn(house.watch, house.state, move.sample, move.memory)
    assert effect is Effect.RAISE
    assert move.sample.value == 9
    house.watching.follow(house.watch.key, after)
    house.watching.landed(move.watch)
    assert not house.watching.due


def test_what_was_remembered_is_there_after_a_restart() -> None:
    house = House(watch(KINDS["count codes"], 0, 0))
    for second, value in enumerate([0, 1, 0, 1, 0]):
        house.take([("a", MONDAY + second * 1000, value)])
    again = replace(house, happened=[])
    again.watching = Watching(PLANT, [again.watch], {again.watch.key: house.state}, again.latest)
    again.take([("a", MONDAY + 6_000, 0.0)])
    again.take([("a", MONDAY + 7_000, 1.0)])
    assert again.happened == [(Effect.RAISE, MONDAY + 7_000)]
