import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import shapes
from simulators.loads import DAY_MS, Load, Loads
from simulators.shapes import Shape
from watchkeeper.documents import Text

ZONE = "Asia/Shanghai"
LOADS = [Load("office", "office", 40_000.0), Load("chiller", "cooling", 90_000.0)]
FLAT = (100.0,) * 24


def loads(seed: int = 7) -> Loads:
    return Loads(LOADS, shapes.installed(), seed=seed, zone=ZONE)


YEAR = (100.0,) * 12


def shaped(
    name: str, days: int, workday: tuple[float, ...] = FLAT, months: tuple[float, ...] = YEAR
) -> np.ndarray:
    """Return (days, 24) amounts of the hours of a load of 1 kW with this course."""
    made = Shape("x", Text("", ""), "assumption", workday, FLAT, months=months)
    one = Loads([Load(name, "x", 1000.0)], {"x": made}, seed=7, zone=ZONE)
    amount = one.amount(one.epoch_ms + np.arange(24 * days + 1) * 3_600_000)[:, 0]
    return np.diff(amount).reshape(days, 24)


KEPT = loads()
instants = st.integers(KEPT.epoch_ms, KEPT.epoch_ms + 1500 * DAY_MS)


@given(start=instants, length=st.integers(0, 3 * DAY_MS))
def test_amount_never_falls(start: int, length: int) -> None:
    amount = KEPT.amount(np.array([start, start + length]))
    assert (amount[1] >= amount[0]).all()


@given(start=instants)
def test_amount_is_the_integral_of_the_rate(start: int) -> None:
    minute = start - start % 60_000  # straight lines between minutes: three points are exact
    at = np.array([minute, minute + 30_000, minute + 59_999])
    rate, amount = KEPT.rate(at), KEPT.amount(at)
    simpson = (rate[0] + 4 * rate[1] + rate[2]) / 6 * 59.999 / 3600
    assert amount[2] - amount[0] == pytest.approx(simpson, rel=1e-4)


def test_amount_runs_on_over_midnight() -> None:
    midnight = KEPT.epoch_ms + 900 * DAY_MS
    amount = KEPT.amount(np.array([midnight - 1, midnight]))
    assert amount[1] - amount[0] == pytest.approx(KEPT.rate(np.array([midnight]))[0] / 3.6e6, rel=1)


def test_same_seed_same_building_other_seed_another() -> None:
    at = np.array([KEPT.epoch_ms + 800 * DAY_MS + 12_345_678])
    assert (loads().amount(at) == KEPT.amount(at)).all()
    assert not np.isclose(loads(seed=8).amount(at), KEPT.amount(at)).any()


def test_one_look_or_many_give_the_same() -> None:
    at = KEPT.epoch_ms + 700 * DAY_MS + np.arange(0, 3 * DAY_MS, 900_000)
    one_by_one = np.vstack([loads().amount(at[n : n + 1]) for n in range(0, len(at), 60)])
    assert (KEPT.amount(at)[::60] == one_by_one).all()


def test_an_office_works_by_day_and_rests_at_weekends() -> None:
    monday = KEPT.epoch_ms + 700 * DAY_MS
    hours = KEPT.rate(monday + np.arange(24 * 7) * 3_600_000)[:, 0].reshape(7, 24)
    assert hours[0, 11] > 3 * hours[0, 3]
    assert hours[0, 11] > 2 * hours[6, 11]


def test_instants_before_the_epoch_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the years"):
        KEPT.rate(np.array([KEPT.epoch_ms - 1]))


def test_an_hour_draws_its_share_of_the_peak() -> None:
    course = tuple(50.0 + 50.0 * (8 <= hour < 18) for hour in range(24))
    drawn = shaped("a", 5 * 7, workday=course).reshape(5, 7, 24)
    mean = drawn[:, :5].mean(axis=(0, 1)) / 1000
    # The lines from mid-hour to mid-hour round the hours beside a step off.
    assert mean[[2, 12, 22]] == pytest.approx([0.5, 1.0, 0.5], rel=0.03)
    assert mean[[7, 8]] == pytest.approx([0.5625, 0.9375], rel=0.03)
    assert drawn[:, 5:].mean() / 1000 == pytest.approx(1.0, rel=0.03)


def test_the_months_of_a_shape_are_those_of_the_year() -> None:
    months = (50.0, 50.0, 50.0, 50.0, 50.0, 75.0, 100.0, 75.0, 50.0, 50.0, 50.0, 50.0)
    days = shaped("b", 366, months=months).sum(axis=1) / 24_000
    january, july = days[5:25].mean(), days[190:203].mean()
    assert january == pytest.approx(0.5, rel=0.05)
    assert july == pytest.approx(1.0, rel=0.1)


def test_a_load_without_a_shape_is_refused() -> None:
    with pytest.raises(KeyError, match="no-such"):
        Loads([Load("x", "no-such", 1.0)], shapes.installed(), seed=7, zone=ZONE)
