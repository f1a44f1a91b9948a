"""Putting readings in order, and deciding which segments to merge; pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Batch, Series
from watchkeeper.history import Track

WAIT = 8  # segments a running day gathers before some are merged
COLD_GROWTH = 16  # a finished day is written anew when this part of it has come in late


def ascending(batch: Batch) -> Batch:
    """Return the readings in (series, time), each pair once: the last arrival."""
    batch = batch.take(_by_series(batch.series))
    same = batch.series[1:] == batch.series[:-1]
    if not np.any(same & (batch.at[1:] <= batch.at[:-1])):
        return batch
    batch = batch.take(np.lexsort((batch.at, batch.series)))  # stable: arrival order stays
    last = np.ones(len(batch), np.bool_)
    last[:-1] = (batch.series[1:] != batch.series[:-1]) | (batch.at[1:] != batch.at[:-1])
    return batch.take(last)


def _by_series(series: Series) -> npt.NDArray[np.intp]:
    """Return the stable order by series; numpy sorts 16 bits in linear time, so in two halves."""
    order = np.argsort((series & 0xFFFF).astype(np.uint16), kind="stable")
    high = (series >> 16).astype(np.uint16)
    if high.any():
        order = order[np.argsort(high[order], kind="stable")]
    return order


def one_track(tracks: Sequence[Track]) -> Track:
    """Return tracks of one series, older arrivals first, as one: the last arrival wins."""
    if not tracks:
        return Track(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8))
    track = tracks[0]
    if len(tracks) > 1:
        at, value, quality = (np.concatenate(column) for column in zip(*tracks, strict=True))
        track = Track(at, value, quality)
    if np.all(track.at[1:] > track.at[:-1]):
        return track
    order = np.argsort(track.at, kind="stable")
    at = track.at[order]
    order = order[np.append(at[1:] != at[:-1], [True])]
    return Track(track.at[order], track.value[order], track.quality[order])


def to_merge(sizes: Sequence[int], *, cold: bool) -> int | None:
    """Return from which segment of a day on all are to become one, or None.

    A segment is written anew only with enough younger readings beside it, so that late readings
    that trickle in do not rewrite a large day each time.

    Args:
        sizes: Readings of the day's segments in order of arrival.
        cold: The day is over.
    """
    if len(sizes) < (2 if cold else WAIT):
        return None
    growth = COLD_GROWTH if cold else 1
    younger = sum(sizes)
    for place, size in enumerate(sizes[:-1]):
        younger -= size
        if size <= growth * younger:
            return place
    return None
