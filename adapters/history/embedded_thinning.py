"""Which readings stay when old ones are thinned or dropped; pure."""

from typing import Final, NamedTuple

import numpy as np

from watchkeeper.batch import Batch, Flags, Series
from watchkeeper.history import Retention, Thinning
from watchkeeper.quality import FIRST_BAD, FIRST_UNCERTAIN

DROPPED: Final = 1 << 62  # as a segment's `thinned.before`: its samples are gone


class Loss(NamedTuple):
    """What one UTC day is to lose."""

    before: int  # until when it is then thinned, Unix ms, or DROPPED
    thinning: Thinning | None  # None: everything goes
    series: Series | None  # of these alone; None: of all

    def touches(self, batch: Batch) -> Flags:
        """Return of which readings there will be summaries."""
        if self.series is None:
            return np.ones(len(batch), np.bool_)
        return np.isin(batch.series, self.series)

    def leaves(self, batch: Batch) -> Flags:
        """Return which readings stay."""
        return ~self.touches(batch) if self.thinning is None else kept(batch, self.thinning)


def dropped(retention: Retention, day_end: int) -> Loss:
    """Return what is lost by a day that is older than what is kept."""
    return Loss(DROPPED, None, None if day_end <= retention.before else retention.sampled)


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
