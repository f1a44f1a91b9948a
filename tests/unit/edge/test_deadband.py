import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.deadband import HEARTBEAT_MS, QUARTER_MS, Deadband
from watchkeeper.batch import Floats, Marks
from watchkeeper.documents import Text
from watchkeeper.profile import Point

START = 1_780_000_200_000 // QUARTER_MS * QUARTER_MS + 1000  # one second into a quarter
GOOD = np.zeros(1, np.uint8)


def point(**more: object) -> Point:
    return Point("p", Text("", ""), 0, "float32", **more)  # type: ignore[arg-type]


def reports(band: Deadband, at: int, value: float, quality: int = 0) -> bool:
    return len(band(at, np.array([value]), np.full(1, quality, np.uint8))) == 1


@pytest.mark.serves("A5")
@pytest.mark.parametrize(
    ("deadband", "values", "expected"),
    [
        pytest.param(0.0, [5, 5, 5.001], [True, False, True], id="none: any change"),
        pytest.param(1.0, [5, 5.9, 6, 6.5], [True, False, True, False], id="its size is reported"),
        pytest.param(1.0, [5, 5.6, 4.5, 5.9, 3.9], [True, False, False, False, True], id="drift"),
    ],
)
def test_reports_what_moved(deadband: float, values: list[float], expected: list[bool]) -> None:
    band = Deadband([point(deadband=deadband)])

    assert [reports(band, START + n, value) for n, value in enumerate(values)] == expected


@pytest.mark.serves("A5")
def test_a_percentage_is_one_of_what_was_last_reported() -> None:
    band = Deadband([point(deadband=1, deadband_percent=10)])

    said = [
        reports(band, START + n, value)
        for n, value in enumerate([100, 109, 110, 120.9, 121, 0, 0.9, 1, -1, float("nan"), 5])
    ]

    assert said == [True, False, True, False, True, True, False, True, True, False, True]


@pytest.mark.serves("A5")
def test_a_percentage_survives_a_value_that_is_none() -> None:
    band, bad = Deadband([point(deadband_percent=10)]), float("nan")

    told = [(100, 0), (bad, 129), (bad, 129), (100, 0), (105, 0), (111, 0)]
    said = [reports(band, START + n, value, quality) for n, (value, quality) in enumerate(told)]

    assert said == [True, True, False, True, False, True]


@pytest.mark.serves("A5")
def test_a_change_of_quality_is_reported_once() -> None:
    band, bad = Deadband([point(deadband=10)]), float("nan")

    said = [
        reports(band, START + n, value, quality)
        for n, (value, quality) in enumerate(
            [(1, 0), (1, 66), (1, 66), (bad, 129), (bad, 129), (1, 0)]
        )
    ]

    assert said == [True, True, False, True, False, True]


def test_everything_is_reported_at_least_every_minute() -> None:
    band = Deadband([point()])

    said = [at for at in range(START, START + 200_000, 1000) if reports(band, at, 1.0)]

    assert np.diff(said).tolist() == [HEARTBEAT_MS] * 3


def test_a_counter_is_reported_at_the_quarter_of_an_hour() -> None:
    counter, gauge = Deadband([point(kind="counter")]), Deadband([point()])
    before, after = START + QUARTER_MS - 11_000, START + QUARTER_MS - 1000

    for band in (counter, gauge):
        assert reports(band, before, 1.0)
    assert reports(counter, after, 1.0)
    assert not reports(gauge, after, 1.0)


def test_a_clock_that_jumps_back_does_not_silence_a_point() -> None:
    band = Deadband([point()])
    reports(band, START, 1.0)

    assert reports(band, START - 3_600_000, 1.0)
    assert not reports(band, START - 3_599_000, 1.0)


class Plain:
    """The same for one point, as a person would write it down."""

    def __init__(self, made: Point) -> None:
        self.made = made
        self.last: tuple[int, float, int] | None = None

    def __call__(self, at: int, value: float, quality: int) -> bool:
        if self.last is not None:
            was_at, was, was_quality = self.last
            size = abs(value - was)
            moved = size > 0 and size >= self.made.deadband
            quarter = self.made.kind == "counter" and was_at // QUARTER_MS != at // QUARTER_MS
            due = at - was_at >= HEARTBEAT_MS or quarter
            if not (moved or quality != was_quality or due):
                return False
        self.last = (at, value, quality)
        return True


STEPS = st.lists(
    st.tuples(
        st.integers(1, 90_000),
        st.lists(
            st.tuples(st.integers(-3, 3), st.sampled_from([0, 66, 129])), min_size=3, max_size=3
        ),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_block_reports_as_its_points_would_one_by_one(
    steps: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    made = [point(), point(deadband=2.0), point(kind="counter")]
    band, plain, at = Deadband(made), [Plain(each) for each in made], START
    for passed, seen in steps:
        at += passed
        quality: Marks = np.array([code for _, code in seen], np.uint8)
        values: Floats = np.array([float(value) for value, _ in seen])
        values[quality >= 128] = np.nan
        expected = [
            n for n, each in enumerate(plain) if each(at, float(values[n]), int(quality[n]))
        ]
        assert band(at, values, quality).tolist() == expected
