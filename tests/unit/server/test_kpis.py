"""Figures of alarms: cases worked by hand, and what must hold whatever the log says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import kpi_guide, kpis
from server.kpis import DAY_MS, HOUR_MS, MINUTE_MS, WINDOW_MS, Cycle, Line

S = 1_000
A, B = "feeder-overload|hvac-1/active_power", "lift-fault|lift-1/fault_code"


def raises(*at_s: float, source: str = A, priority: int = 2) -> list[Line]:
    """Return raises, each of an alarm of its own that returns half a second later."""
    lines: list[Line] = []
    for number, at in enumerate(at_s):
        name, ms = f"{source}-{number}", round(at * S)
        lines.append(Line(name, source, priority, "raise", ms))
        lines.append(Line(name, source, priority, "return", ms + S // 2))
    return lines


def at(*at_s: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(each * S) for each in at_s], np.int64)


@pytest.mark.serves("C1")
def test_a_rate_is_of_one_operator_position() -> None:
    found = kpis.figures(raises(*range(0, 3_600, 60)), 0, HOUR_MS, positions=2)
    assert found.raises == 60
    assert found.rates["ten_minutes"].mean == 5
    assert found.rates["hour"].most == 30
    assert found.rates["day"].mean == 60 * 24 / 2


def test_the_busiest_stretch_may_lie_across_a_full_hour() -> None:
    found = kpis.rate(at(3_590, 3_595, 3_605), 0, 2 * HOUR_MS, MINUTE_MS, 1)
    assert (found.most, found.most_at) == (3, 3_590 * S)


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        pytest.param([], 1.0, id="nothing rang"),
        pytest.param([0, 1], 5 / 6, id="two in one of six stretches"),
        pytest.param([0, 600, 1_200], 1.0, id="one in each"),
    ],
)
def test_a_stretch_with_at_most_one_alarm_is_manageable(seconds: list[int], share: float) -> None:
    assert kpis.calm(at(*seconds), 0, HOUR_MS, 1) == pytest.approx(share)


@pytest.mark.parametrize(
    ("seconds", "floods"),
    [
        pytest.param(range(10), [], id="ten in ten minutes are none"),
        pytest.param(range(11), [(10, 606, 11)], id="eleven are; over when four are left"),
        pytest.param(
            [*range(11), *range(300, 304)], [(10, 610, 15)], id="a second wave keeps it up"
        ),
        pytest.param(
            [*range(11), *range(2_000, 2_011)], [(10, 606, 11), (2_010, 2_606, 11)], id="two"
        ),
        pytest.param([*range(10), 600], [], id="the first has left when the last comes"),
    ],
)
def test_a_flood_starts_over_ten_and_ends_under_five(
    seconds: list[int], floods: list[tuple[int, int, int]]
) -> None:
    found = kpis.floods(at(*seconds), DAY_MS)
    assert [(each.start, each.end, each.alarms) for each in found] == [
        (start * S, end * S, count) for start, end, count in floods
    ]
    assert all(each.over for each in found)


def test_a_flood_that_goes_on_ends_with_the_period() -> None:
    found = kpis.figures(raises(*range(11)), 0, 100 * S)
    (flood,) = found.floods
    assert (flood.end, flood.over) == (100 * S, False)
    assert found.flood_share == pytest.approx(0.9)


def test_two_operator_positions_bear_twice_as_much() -> None:
    assert kpis.floods(at(*range(20)), DAY_MS, positions=2) == []
    assert len(kpis.floods(at(*range(21)), DAY_MS, positions=2)) == 1


def cycled(*times_s: tuple[float, float | None], source: str = A) -> list[Cycle]:
    return [
        Cycle(source, round(up * S), None if down is None else round(down * S))
        for up, down in times_s
    ]


@pytest.mark.parametrize(
    ("times", "bursts", "fleeting"),
    [
        pytest.param([(0, 5), (20, 25), (40, 45)], 1, 0, id="three within a minute"),
        pytest.param([(0, 5), (20, 25), (40, 61)], 0, 0, id="the third clears too late"),
        pytest.param([(n * 10, n * 10 + 5) for n in range(60)], 1, 0, id="ten minutes: one burst"),
        pytest.param(
            [(n, n + 5) for n in (0, 10, 20, 900, 910, 920)],
            2, 0, id="again a quarter of an hour later",
        ),
        pytest.param([(0, 30)], 0, 1, id="once, short"),
        pytest.param([(0, 61)], 0, 0, id="once, not short"),
        pytest.param([(0, 30), (80, 110)], 0, 0, id="twice within a minute is neither"),
        pytest.param([(0, 30), (91, 95)], 0, 2, id="a quiet minute between"),
        pytest.param([(0, None)], 0, 0, id="active still"),
        pytest.param([(0, 0)], 0, 0, id="a notice is over by design"),
    ],
)  # fmt: skip
def test_chattering_and_fleeting(
    times: list[tuple[float, float | None]], bursts: int, fleeting: int
) -> None:
    found = cycled(*times)
    assert sum(kpis.chattering(found).values()) == bursts
    assert sum(kpis.fleeting(found).values()) == fleeting


def test_sources_are_kept_apart() -> None:
    mixed = sorted(
        [*cycled((0, 5), (20, 25)), *cycled((10, 15), (30, 35), source=B)],
        key=lambda each: each.raised,
    )
    assert kpis.chattering(mixed) == {}


def test_stale_is_active_for_more_than_a_day() -> None:
    lines = [Line("a", A, 2, "raise", 0), Line("b", B, 2, "raise", 2 * S)]
    found = kpis.figures(lines, DAY_MS, DAY_MS + S)
    assert [each.source for each in found.stale] == [A]
    assert found.raises == 0  # it rang before


def test_ten_sources_make_the_list_and_their_share() -> None:
    lines = [line for n in range(12) for line in raises(*range(n + 1), source=f"r|p{n:02}")]
    found = kpis.figures(lines, 0, DAY_MS)
    assert [each.source for each in found.sources] == [f"r|p{n:02}" for n in range(11, 1, -1)]
    assert found.top_share == pytest.approx((78 - 1 - 2) / 78)


def test_the_wait_begins_with_the_first_raise_that_nobody_saw() -> None:
    lines = [
        Line("a", A, 1, "raise", 0),
        Line("a", A, 1, "return", 10 * S),
        Line("a", A, 1, "raise", 20 * S),
        Line("a", A, 1, "acknowledge", 30 * S),
        Line("b", A, 1, "raise", 100 * S),
        Line("b", A, 1, "acknowledge", 110 * S),
        Line("c", B, 3, "raise", 200 * S),
    ]
    found = kpis.figures(lines, 0, HOUR_MS)
    assert found.waits[1] == kpis.Waits(2, 20.0, 28.0, 0)
    assert found.waits[3] == kpis.Waits(0, None, None, 1)


@pytest.mark.parametrize(("start", "end", "positions"), [(1, 1, 1), (2, 1, 1), (0, 1, 0)])
def test_an_empty_period_is_refused(start: int, end: int, positions: int) -> None:
    with pytest.raises(ValueError, match="for"):
        kpis.figures([], start, end, positions)


def test_a_period_without_alarms_meets_the_guide_where_there_is_a_figure() -> None:
    targets = kpi_guide.guide(kpis.figures([], 0, DAY_MS))
    assert {each["met"] for each in targets} == {True, None}
    assert {each["mark"] for each in targets} == {"seen", "memory"}


def test_what_was_read_names_its_source_and_what_was_not_names_none() -> None:
    assert all(bool(each.source) == (each.mark == "seen") for each in kpi_guide.TARGETS)


_logs = st.lists(
    st.tuples(st.integers(0, 3_600), st.sampled_from([A, B]), st.integers(1, 120)), max_size=80
)


@given(_logs, st.integers(1, 4))
def test_whatever_rang_the_figures_agree_with_each_other(
    log: list[tuple[int, str, int]], positions: int
) -> None:
    lines: list[Line] = []
    for number, (begin, source, lasting) in enumerate(sorted(log)):
        name, priority = f"{source}{number}", 1 if source == A else 3
        lines.append(Line(name, source, priority, "raise", begin * S))
        lines.append(Line(name, source, priority, "return", (begin + lasting) * S))
    lines.sort(key=lambda each: each.at)
    found = kpis.figures(lines, 0, 2 * HOUR_MS, positions)
    assert found.raises == sum(found.priorities.values()) == sum(e.raises for e in found.sources)
    assert found.rates["minute"].most <= found.rates["ten_minutes"].most
    assert found.rates["ten_minutes"].most <= found.rates["hour"].most
    assert 0 <= found.flood_share <= 1
    for flood, after in zip(found.floods, found.floods[1:], strict=False):
        assert flood.end <= after.start
    picture = kpis.picture(lines, 0, 2 * HOUR_MS, 240)
    assert sum(picture["counts"]) == found.raises


@given(st.lists(st.integers(0, 5_000), max_size=120).map(sorted))
def test_floods_are_those_a_second_by_second_look_finds(seconds: list[int]) -> None:
    times, slow, flooded, begin = at(*seconds), [], False, 0
    for now in range(6_000):
        inside = sum(now - WINDOW_MS // S < each <= now for each in seconds)
        if not flooded and inside > kpis.FLOOD_OVER:
            flooded, begin = True, now
        elif flooded and inside < kpis.FLOOD_UNDER:
            flooded = False
            slow.append((begin * S, now * S))
    assert [(each.start, each.end) for each in kpis.floods(times, 6_000 * S)] == slow
