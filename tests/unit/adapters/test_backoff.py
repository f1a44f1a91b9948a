"""Soon at first, then at most one attempt a second, whatever becomes of the connections."""

from itertools import accumulate, pairwise
from random import Random

from hypothesis import given
from hypothesis.strategies import floats, integers, lists

from adapters.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff


def test_the_first_comes_soon_and_a_steady_connection_makes_the_next_a_first_one() -> None:
    waits = Backoff(lambda: 0.5)
    assert [waits.after(0) for _ in range(4)] == [FIRST_S, 2.0, LONGEST_S, LONGEST_S]
    assert waits.after(STEADY_S) == FIRST_S
    assert waits.after(STEADY_S / 2) == 2.0


@given(lists(floats(0, 3), min_size=2, max_size=50), integers())
def test_no_second_holds_two_attempts_but_for_the_first_after_a_loss(
    lasted_s: list[float], seed: int
) -> None:
    waits = Backoff(Random(seed).random)  # noqa: S311 - chance, no secret
    attempts = list(accumulate(lasted + waits.after(lasted) for lasted in lasted_s))
    assert all(after - before >= 1.0 for before, after in pairwise(attempts))
