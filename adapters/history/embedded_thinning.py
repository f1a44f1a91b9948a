"""Which readings stay when old ones are thinned; pure."""

import numpy as np

from watchkeeper.batch import Batch, Flags
from watchkeeper.history import Thinning
from watchkeeper.quality import FIRST_BAD, FIRST_UNCERTAIN


def kept(batch: Batch, thinning: Thinning) -> Flags:
    """Return which readings stay; thinning what was thinned changes nothing.

    In each span, of each run of good, uncertain or bad readings the first and the last stay. So
    every change between the three stays, and what is interpolated at the edge of a span, such as
    energy at a quarter hour, is what it was. Of a counter both sides of every fall stay as well.

    Args:
        batch: n readings, ascending in (series, time).
        thinning: Which series, until when, and the span.
    """
    series, value = batch.series, batch.value
    span = batch.at // thinning.width
    trust = np.add(batch.quality >= FIRST_UNCERTAIN, batch.quality >= FIRST_BAD, dtype=np.uint8)
    on = (
        (series[1:] == series[:-1]) & (span[1:] == span[:-1]) & (trust[1:] == trust[:-1])
    )  # a run goes on
    cut = ~on | ((value[1:] < value[:-1]) & np.isin(series[1:], thinning.counters))
    stays = (batch.at >= thinning.before) | ~np.isin(series, thinning.sampled)
    stays[:1] = stays[-1:] = True  # both ends of the batch are ends of a series
    stays[1:] |= cut
    stays[:-1] |= cut
    return stays
