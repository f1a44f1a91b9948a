import pytest

from ops.bench.figure import Figure, percentile


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        pytest.param([3, 1, 2], 0.5, 2, id="median"),
        pytest.param([1] * 49 + [900], 0.99, 900, id="p99 of few is the maximum"),
        pytest.param([*range(2_000)], 0.99, 1_980, id="p99 of many"),
    ],
)
@pytest.mark.serves("H6")
def test_percentile(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


@pytest.mark.parametrize(
    ("relation", "value", "ok"),
    [("<", 9, True), ("<", 10, False), (">=", 10, True), (">=", 9, False)],
)
def test_a_bar_holds_or_not(relation: str, value: float, ok: bool) -> None:  # noqa: FBT001
    figure = Figure("x", value, "ms", 10, relation, "load")  # type: ignore[arg-type]
    assert figure.ok is ok
    assert figure.row()["ok"] is ok
