"""Summaries over equal spans of time; pure."""

import numpy as np

from watchkeeper.history import Buckets, Track
from watchkeeper.quality import FIRST_UNCERTAIN


def summarised(track: Track, width: int) -> Buckets:
    """Return the summaries of an ascending track over spans of `width` ms; good readings only."""
    good = track.quality < FIRST_UNCERTAIN
    at, value = track.at, track.value
    if not good.all():
        at, value = at[good], value[good]
    if not len(at):
        none = np.empty(0)
        return Buckets(np.empty(0, np.int64), np.empty(0, np.int64), none, none, none, none, none)
    span = at // width
    begin = np.concatenate(([0], np.flatnonzero(span[1:] != span[:-1]) + 1))
    end = np.append(begin[1:], len(at))
    counts = (end - begin).astype(np.int64)
    return Buckets(
        start=span[begin] * width,
        counts=counts,
        mean=np.add.reduceat(value, begin) / counts,
        low=np.minimum.reduceat(value, begin),
        high=np.maximum.reduceat(value, begin),
        first=value[begin],
        last=value[end - 1],
    )
