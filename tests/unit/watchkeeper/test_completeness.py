"""What was known of a point: cases worked out by hand, and what must hold for all."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.history.spans import summarised
from watchkeeper.completeness import (
    Hole,
    Missing,
    Spans,
    Stretches,
    by_cause,
    days,
    explained,
    filled,
    holes,
    merged,
    stretches,
)
from watchkeeper.history import Buckets, Track
from watchkeeper.quality import Quality
from watchkeeper.spans import QUARTER_MS

S, MIN, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 20_000 * DAY
EDGES = np.array([START, START + DAY])
NO_LATE = np.empty(0, np.int64)
Row = tuple[int, float, int]  # ms after START, value, quality


def track(rows: list[Row]) -> Track:
    return Track(
        np.array([START + at for at, _, _ in rows], np.int64),
        np.array([value for _, value, _ in rows], np.float64),
        np.array([quality for _, _, quality in rows], np.uint8),
    )


def beats(start: int, end: int, quality: int = 0, step: int = MIN) -> list[Row]:
    """Return a reading each minute in start <= t < end."""
    return [(at, 1.0, quality) for at in range(start, end, step)]


@dataclass
class Case:
    rows: list[Row]
    good: int  # ms of the day, as the others
    bad: int = 0
    missing: int = 0
    doubtful: int = 0
    late: int = 0
    behind: int = 0
    holes: list[tuple[int, int, int]] = field(default_factory=list)  # ms after START
    late_minutes: list[int] = field(default_factory=list)  # of the day


NOON = 12 * HOUR
CASES = {
    "a whole day of heartbeats": Case(beats(0, DAY), DAY),
    "nothing at all": Case([], 0, missing=DAY, holes=[(0, DAY, Missing.UNEXPLAINED)]),
    "two heartbeats lost are no hole": Case(beats(0, NOON) + beats(NOON + 2 * MIN, DAY), DAY),
    # last reading 11:59, stands until 12:02; the next 12:30
    "half an hour away": Case(
        beats(0, NOON) + beats(NOON + 30 * MIN, DAY),
        DAY - 28 * MIN,
        missing=28 * MIN,
        holes=[(NOON + 2 * MIN, NOON + 30 * MIN, Missing.UNEXPLAINED)],
    ),
    "the reading of the evening before stands": Case(
        [(-MIN, 1.0, 0), *beats(MIN, DAY)], DAY
    ),
    "a dead unit says so, ever more rarely": Case(
        [*beats(0, HOUR), *[(HOUR + n * 5 * MIN, np.nan, Quality.NO_ANSWER) for n in range(12)],
         *beats(2 * HOUR, DAY)],
        DAY - HOUR,
        bad=HOUR,
        holes=[(HOUR, 2 * HOUR, Quality.NO_ANSWER)],
    ),
    # the reason of a bad reading stands for 8 minutes, then nobody knows
    "a dead unit, then a dead edge": Case(
        [*beats(0, HOUR), (HOUR, np.nan, Quality.NO_ANSWER)],
        HOUR,
        bad=8 * MIN,
        missing=DAY - HOUR - 8 * MIN,
        holes=[(HOUR, HOUR + 8 * MIN, Quality.NO_ANSWER),
               (HOUR + 8 * MIN, DAY, Missing.UNEXPLAINED)],
    ),
    "what a device refuses is asked again once a day": Case(
        [(0, np.nan, Quality.REFUSED)], 0, bad=DAY, holes=[(0, DAY, Quality.REFUSED)]
    ),
    "doubt is no hole, and not good": Case(
        beats(0, HOUR) + beats(HOUR, 2 * HOUR, Quality.OUTSIDE_USUAL) + beats(2 * HOUR, DAY),
        DAY - HOUR,
        doubtful=HOUR,
    ),
    "a bus that is behind is good": Case(
        beats(0, HOUR, Quality.LATE) + beats(HOUR, DAY), DAY, behind=HOUR
    ),
    "a load profile stands from quarter to quarter": Case(
        beats(0, DAY + 1, step=QUARTER_MS)[:96], DAY - 12 * MIN, missing=12 * MIN,
        holes=[(DAY - 12 * MIN, DAY, Missing.UNEXPLAINED)],
    ),
    "readings a quarter apart, not on the quarter, are none": Case(
        beats(7, DAY, step=QUARTER_MS)[:2], 6 * MIN, missing=DAY - 6 * MIN,
        holes=[(0, 7, -1), (3 * MIN + 7, 15 * MIN + 7, -1), (18 * MIN + 7, DAY, -1)],
    ),
    "an hour came afterwards": Case(
        beats(0, DAY), DAY, late=HOUR, late_minutes=list(range(60, 120))
    ),
}  # fmt: skip


@pytest.mark.serves("B4")
@pytest.mark.parametrize("name", CASES)
def test_a_day(name: str) -> None:
    case = CASES[name]
    rows = track(case.rows)
    late = np.array(case.late_minutes, np.int64) + START // MIN
    found = stretches(rows, START, START + DAY, late)
    figures = days(found, EDGES, rows, Buckets.none())
    own = [START <= START + at < START + DAY for at, _, _ in case.rows]
    assert figures.length.tolist() == [DAY]
    assert figures.good.tolist() == [case.good]
    assert figures.bad.tolist() == [case.bad]
    assert figures.missing.tolist() == [case.missing]
    assert figures.doubtful.tolist() == [case.doubtful]
    assert figures.late.tolist() == [case.late]
    assert figures.behind.tolist() == [case.behind]
    assert figures.received.tolist() == [sum(own)]
    assert holes(found, EDGES) == [
        [Hole(START + begin, START + end, code) for begin, end, code in case.holes]
    ]


def test_a_hole_has_the_cause_that_was_known_then_the_first_that_fits() -> None:
    found = stretches(track([]), START, START + DAY, NO_LATE)
    given_up = Spans.of([(START + HOUR, START + 2 * HOUR)])
    lost = Spans.of([(START, START + 3 * HOUR), (START + 2 * HOUR, START + 4 * HOUR)])
    found = explained(found, [(Missing.GIVEN_UP, given_up), (Missing.EDGE_LOST, lost)])
    assert [(h.begin - START, h.end - START, h.code) for h in holes(found, EDGES)[0]] == [
        (0, HOUR, Missing.EDGE_LOST),
        (HOUR, 2 * HOUR, Missing.GIVEN_UP),
        (2 * HOUR, 4 * HOUR, Missing.EDGE_LOST),
        (4 * HOUR, DAY, Missing.UNEXPLAINED),
    ]
    assert {code: ms.tolist() for code, ms in by_cause(found, EDGES).items()} == {
        Missing.EDGE_LOST: [3 * HOUR],
        Missing.GIVEN_UP: [HOUR],
        Missing.UNEXPLAINED: [20 * HOUR],
    }


def test_what_was_known_is_not_explained_away() -> None:
    found = stretches(track(beats(0, DAY)), START, START + DAY, NO_LATE)
    lost = Spans.of([(START, START + DAY)])
    assert holes(explained(found, [(Missing.EDGE_LOST, lost)]), EDGES) == [[]]


@pytest.mark.serves("B5")
def test_a_thinned_day_is_as_complete_as_it_was() -> None:
    full = track(beats(0, NOON) + beats(NOON + 37 * MIN, DAY))
    rows = summarised(full, QUARTER_MS, START, START + DAY)
    span = full.at // QUARTER_MS
    ends = np.append(span[1:] != span[:-1], [True]) | np.append([True], span[1:] != span[:-1])
    thinned = Track(*(column[ends] for column in full))
    found = filled(stretches(thinned, START, START + DAY, NO_LATE), rows)
    figures = days(found, EDGES, thinned, rows)
    assert figures.good.tolist() == [DAY - 35 * MIN]
    assert figures.missing.tolist() == [35 * MIN]
    assert figures.received.tolist() == [len(full.at)]
    (hole,) = holes(found, EDGES)[0]  # to the quarter hour where it lies
    assert (hole.begin - START, hole.end - START) == (NOON + 2 * MIN, NOON + 37 * MIN)


def test_of_a_day_whose_readings_are_gone_the_share_is_left() -> None:
    full = track(beats(0, DAY - HOUR))
    rows = summarised(full, QUARTER_MS, START, START + DAY)
    found = filled(stretches(track([]), START, START + DAY, NO_LATE), rows)
    figures = days(found, EDGES, track([]), rows)
    assert figures.good.tolist() == [DAY - HOUR]  # a quarter hour without a reading has no summary
    assert figures.received.tolist() == [23 * 60]


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    """Return readings of three days, most of them near the middle one."""
    at = sorted(draw(st.sets(st.integers(-DAY, 2 * DAY), max_size=60)))
    codes = [0, 1, 64, 66, 128, 129, 130, 133, 255]
    return track([(each, 1.0, draw(st.sampled_from(codes))) for each in at])


@st.composite
def spans(draw: st.DrawFn) -> Spans:
    pairs = draw(st.lists(st.tuples(st.integers(-DAY, DAY), st.integers(0, DAY)), max_size=5))
    return Spans.of([(START + begin, START + begin + length) for begin, length in pairs])


@given(tracks(), spans(), spans(), st.sets(st.integers(0, 1439), max_size=5))
def test_the_parts_add_up_to_the_day(
    rows: Track, lost: Spans, aside: Spans, late: set[int]
) -> None:
    minutes = np.array(sorted(late), np.int64) + START // MIN
    found = stretches(rows, START, START + DAY, minutes)
    found = filled(found, summarised(rows, QUARTER_MS, START, START + DAY))
    found = explained(found, [(Missing.EDGE_LOST, lost), (Missing.PUT_ASIDE, aside)])
    figures = days(found, EDGES, rows, Buckets.none())
    assert covers(found)
    total = figures.good + figures.doubtful + figures.bad + figures.missing
    assert total.tolist() == figures.length.tolist() == [DAY]
    causes = sum((ms for ms in by_cause(found, EDGES).values()), np.zeros(1, np.int64))
    assert causes.tolist() == (figures.bad + figures.missing).tolist()
    listed = sum(hole.end - hole.begin for hole in holes(found, EDGES)[0])
    assert [listed] == causes.tolist()
    assert 0 <= figures.late[0] <= figures.good[0] + figures.doubtful[0]


@given(tracks())
def test_good_is_what_the_store_calls_covered(rows: Track) -> None:
    rows = Track(*(column[rows.at % QUARTER_MS != 0] for column in rows))  # no load profile
    stored = summarised(rows, DAY, START, START + DAY)
    good = days(stretches(rows, START, START + DAY, NO_LATE), EDGES, rows, Buckets.none()).good
    if len(stored.start):  # where no good reading lies in it, the store has no row
        assert good[0] / DAY == pytest.approx(stored.coverage[0], abs=1e-9)


@given(spans())
def test_merged_spans_ascend_and_cover_the_same(found: Spans) -> None:
    once = merged(found)
    assert (once.begin[1:] > once.end[:-1]).all()
    for begin, end in zip(found.begin.tolist(), found.end.tolist(), strict=True):
        assert ((once.begin <= begin) & (once.end >= end)).any()


def covers(found: Stretches) -> bool:
    joined = (found.begin[1:] == found.end[:-1]).all() and (found.end > found.begin).all()
    return bool(joined and found.begin[0] == START and found.end[-1] == START + DAY)
