from typing import Any

import numpy as np
import pytest

from edge.judge import Judge
from watchkeeper.documents import Text
from watchkeeper.profile import Point
from watchkeeper.quality import Quality

NAN, INFINITE = float("nan"), float("inf")


def judge(value: float, *, synchronised: bool = True, **limits: object) -> Quality:
    made = Point("p", Text("", ""), 0, "float32", **limits)  # type: ignore[arg-type]
    values = np.array([float(value)])
    (quality,) = Judge([made])(values, synchronised=synchronised)
    assert bool(np.isnan(values[0])) == (quality >= 128)
    return Quality(quality)


@pytest.mark.serves("A4")
@pytest.mark.parametrize(
    ("value", "limits", "expected"),
    [
        pytest.param(230, {}, Quality.GOOD, id="plain"),
        pytest.param(NAN, {}, Quality.NOT_AVAILABLE, id="nan"),
        pytest.param(INFINITE, {}, Quality.NOT_AVAILABLE, id="infinite"),
        pytest.param(0, {"possible": (0, 500)}, Quality.GOOD, id="limits belong to the range"),
        pytest.param(500.1, {"possible": (0, 500)}, Quality.OUTSIDE_POSSIBLE, id="impossible"),
        pytest.param(190, {"usual": (198, 236)}, Quality.OUTSIDE_USUAL, id="unusual"),
        pytest.param(
            -1, {"usual": (198, 236), "possible": (0, 500)}, Quality.OUTSIDE_POSSIBLE, id="worst"
        ),
        pytest.param(
            5, {"usual": (0, 10), "possible": (0, 4)}, Quality.OUTSIDE_POSSIBLE, id="wider usual"
        ),
    ],
)
def test_judge(value: float, limits: dict[str, Any], expected: Quality) -> None:
    assert judge(value, **limits) == expected


def test_an_unsynchronised_clock_makes_a_good_value_uncertain_and_no_bad_one_better() -> None:
    assert judge(1, synchronised=False) == Quality.CLOCK_UNSYNCHRONISED
    assert judge(9, synchronised=False, possible=(0, 4)) == Quality.OUTSIDE_POSSIBLE
