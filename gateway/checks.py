"""Which readings of a batch can be stored, by what their birth says and by the time it is. Pure."""

from typing import Final, NamedTuple

import numpy as np

from gateway.births import Numbers
from watchkeeper.batch import Batch
from watchkeeper.quality import FIRST_BAD

FUTURE_MS: Final = 5 * 60_000  # an edge's clock may be ahead by this much
KEPT_MS: Final = 5 * 366 * 86_400_000  # older than any history we keep: a clock that was reset


class Checked(NamedTuple):
    """A batch in two heaps."""

    good: Batch  # by series number
    wrong: dict[str, Batch]  # by reason, by alias as they came


def checked(batch: Batch, numbers: Numbers, now: int) -> Checked:
    """Return what can be stored and what cannot.

    Args:
        batch: Readings by alias.
        numbers: Series numbers by alias, -1 where the birth names none.
        now: Unix ms.
    """
    inside = batch.series < len(numbers)
    if not len(numbers):
        numbers = np.full(1, -1, np.int64)
    series = numbers[np.where(inside, batch.series, 0)]
    unknown = ~inside | (series < 0)
    timely = (batch.at <= now + FUTURE_MS) & (batch.at >= now - KEPT_MS)
    real = np.isfinite(batch.value) | (batch.quality >= FIRST_BAD)
    good = timely & real & ~unknown
    found = Batch(series.astype(np.uint32), batch.at, batch.value, batch.quality)
    if good.all():
        return Checked(found, {})
    reasons = {
        "alias": unknown,
        "value": ~real & ~unknown,
        "time": ~timely & real & ~unknown,
    }
    wrong = {reason: batch.take(mask) for reason, mask in reasons.items() if mask.any()}
    return Checked(found.take(good), wrong)
