"""Which readings of a batch can be stored, by what their birth says and by the time it is. Pure."""

from typing import Final, NamedTuple

import numpy as np

from gateway.births import Numbers
from watchkeeper.batch import Batch, Flags, Times
from watchkeeper.quality import FIRST_BAD
from watchkeeper.settings import HistorySettings

FUTURE_MS: Final = 5 * 60_000  # an edge's clock may be ahead by this much
KEPT_MS: Final = 5 * 366 * 86_400_000  # older than any history we keep: a clock that was reset
_DAY_MS: Final = 86_400_000


class Checked(NamedTuple):
    """A batch in two heaps."""

    good: Batch  # by series number
    wrong: dict[str, Batch]  # by reason, by alias as they came


def limits(kept: HistorySettings, samples: Flags, now: int) -> Times | None:
    """Return by alias until when readings are kept, Unix ms; None: all are.

    What is older would only be dropped: the store has summaries of that time, which stand.
    """
    if not kept.keep_telemetry_days:
        return None
    first = now - kept.keep_telemetry_days * _DAY_MS
    rest = now - kept.keep_events_days * _DAY_MS if kept.keep_events_days else 0
    return np.where(samples, first, rest)


def checked(batch: Batch, numbers: Numbers, now: int, oldest: Times | None = None) -> Checked:
    """Return what can be stored and what cannot.

    Args:
        batch: Readings by alias.
        numbers: Series numbers by alias, -1 where the birth names none.
        now: Unix ms.
        oldest: By alias, Unix ms; what is older is not kept.
    """
    inside = batch.series < len(numbers)
    if not len(numbers):
        numbers = np.full(1, -1, np.int64)
    alias = np.where(inside, batch.series, 0)
    series = numbers[alias]
    unknown = ~inside | (series < 0)
    timely = (batch.at <= now + FUTURE_MS) & (batch.at >= now - KEPT_MS)
    real = np.isfinite(batch.value) | (batch.quality >= FIRST_BAD)
    kept = np.ones(len(batch), np.bool_)
    if oldest is not None and len(oldest):
        kept = batch.at >= oldest[alias]
    good = timely & real & kept & ~unknown
    found = Batch(series.astype(np.uint32), batch.at, batch.value, batch.quality)
    if good.all():
        return Checked(found, {})
    reasons = {
        "alias": unknown,
        "value": ~real & ~unknown,
        "time": ~timely & real & ~unknown,
        "retention": ~kept & timely & real & ~unknown,
    }
    wrong = {reason: batch.take(mask) for reason, mask in reasons.items() if mask.any()}
    return Checked(found.take(good), wrong)
