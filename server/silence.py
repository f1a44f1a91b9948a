"""How long a point had been silent, as its readings tell it: what a rule on silence is tested on.

Live the edge says how long ago each unit answered. History has the readings: a bad one says that
the device did not answer, and where none comes for HOLD_MS nobody was there to hear it: unknown.
"""

import numpy as np

from watchkeeper.batch import Times
from watchkeeper.history import HOLD_MS, Track
from watchkeeper.quality import FIRST_BAD, Quality


def silence(track: Track, after_s: float) -> Track:
    """Return seconds of silence over time: 0 with each good reading, NaN where nobody knows.

    Args:
        track: Readings of the point.
        after_s: The silence that counts; the instant at which it is exceeded is among the others.
    """
    if not len(track.at):
        return track
    bad = track.quality >= FIRST_BAD
    begin = _began(track.at, bad)
    now = np.where(bad, (track.at - begin) / 1000, 0.0)
    due = begin + round(after_s * 1000) + 1
    until = np.append(track.at[1:], track.at[-1] + HOLD_MS)
    crossed = bad & (due > track.at) & (due < until) & (due <= track.at + HOLD_MS)
    lost = np.append(np.diff(track.at) > HOLD_MS, [False])
    at = np.concatenate([track.at, due[crossed], track.at[lost] + HOLD_MS + 1])
    gone = np.full(np.count_nonzero(lost), np.nan)
    value = np.concatenate([now, ((due - begin) / 1000)[crossed], gone])
    order = np.argsort(at, kind="stable")
    value = value[order]
    quality = np.where(np.isnan(value), int(Quality.STALE), int(Quality.GOOD)).astype(np.uint8)
    return Track(at[order], value, quality)


def _began(at: Times, bad: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Times:
    """Return when the run of bad readings began that each bad reading stands in."""
    first = bad & ~np.concatenate([[False], bad[:-1]])
    return np.maximum.accumulate(np.where(first, at, at[0]))
