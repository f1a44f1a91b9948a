"""Fewer points for a plot, without hiding what an operator must see; pure.

Both keep the first and the last reading and, of every stretch they look at, one reading without a
value where there is any: a break stays a break. Both return readings of the track, in its order.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from watchkeeper.batch import Flags, Floats
from watchkeeper.history import Track

FEWEST: Final = 5  # first, last, lowest, highest, and one without a value

_Places = npt.NDArray[np.intp]


def min_max(track: Track, n: int) -> Track:
    """Return at most n readings with the extremes of equal stretches of time: no spike is lost.

    Args:
        track: Readings in ascending time.
        n: The most to return.

    Raises ValueError: n below FEWEST.
    """
    if _few_enough(track, n):
        return track
    none = np.isnan(track.value)
    count = (n - 2) // (3 if none.any() else 2)
    span = int(track.at[-1]) - int(track.at[0]) + 1
    stretch = (track.at - track.at[0]) * count // span
    begin = np.flatnonzero(np.diff(stretch, prepend=-1))
    keep = _ends(len(none))
    for value in (track.value, -track.value):
        filled = np.where(none, np.inf, value)
        least = np.repeat(np.minimum.reduceat(filled, begin), np.diff(begin, append=len(none)))
        keep[_firsts((filled == least) & ~none, begin)] = True
    keep[_firsts(none, begin)] = True
    return _chosen(track, keep)


def lttb(track: Track, n: int) -> Track:
    """Return at most n readings that keep the shape a person sees; a single spike may be lost.

    Largest triangle three buckets: of each stretch of equally many readings the one stays that
    spans the largest triangle with the one kept before and the mean of the stretch that follows.
    Source: S. Steinarsson, Downsampling Time Series for Visual Representation, University of
    Iceland, 2013, section 4.2.

    Args:
        track: Readings in ascending time.
        n: The most to return.

    Raises ValueError: n below FEWEST.
    """
    if _few_enough(track, n):
        return track
    none = np.isnan(track.value)
    count = (n - 2) // (2 if none.any() else 1)
    begin = 1 + np.arange(count) * (len(none) - 2) // count  # the two ends stay in any case
    end = np.append(begin[1:], len(none) - 1)
    keep = _ends(len(none))
    keep[_largest(track, none, begin, end)] = True
    middle = none.copy()
    middle[[0, -1]] = False
    keep[_firsts(middle, begin)] = True
    return _chosen(track, keep)


def _largest(track: Track, none: Flags, begin: _Places, end: _Places) -> list[int]:
    """Return the place of the reading that each stretch with a value keeps."""
    at, value = (track.at - track.at[0]).astype(np.float64), track.value
    next_at, next_value = _followers(at, value, begin)
    before, places = 0, []
    for n, (low, high) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        valued = low + np.flatnonzero(~none[low:high])
        if not len(valued):
            continue
        from_at, from_value = at[before], value[before]
        if none[before]:  # the line begins here
            from_at, from_value = at[valued[0]], value[valued[0]]
        area = np.abs(
            (from_at - next_at[n]) * (value[valued] - from_value)
            - (from_at - at[valued]) * (next_value[n] - from_value)
        )
        before = int(valued[np.argmax(area)])
        places.append(before)
    return places


def _followers(at: Floats, value: Floats, begin: _Places) -> tuple[Floats, Floats]:
    """Return the mean time and value of the stretch after each; the next that has a value."""
    valued = ~np.isnan(value)
    starts = np.append(begin, len(at) - 1)  # the last reading is a stretch of its own
    many = np.maximum(np.add.reduceat(valued.astype(np.float64), starts), 0.0)
    sums = [np.add.reduceat(np.where(valued, each, 0.0), starts) for each in (at, value)]
    place = np.where(many > 0, np.arange(len(starts)), len(starts))
    place = np.minimum.accumulate(place[::-1])[::-1]
    last = int(place[place < len(starts)].max(initial=0))
    chosen = np.where(place < len(starts), place, last)[1:]
    count = np.maximum(many[chosen], 1.0)
    return sums[0][chosen] / count, sums[1][chosen] / count


def _few_enough(track: Track, n: int) -> bool:
    if n < FEWEST:
        raise ValueError(f"a plot of {n} points: at least {FEWEST}")
    return len(track.at) <= n


def _ends(count: int) -> Flags:
    keep = np.zeros(count, np.bool_)
    keep[0] = keep[-1] = True
    return keep


def _firsts(wanted: Flags, begin: _Places) -> _Places:
    """Return the first wanted place of each stretch that has one."""
    places = np.flatnonzero(wanted)
    stretch = np.searchsorted(begin, places, "right")
    return places[np.flatnonzero(np.diff(stretch, prepend=-1))]


def _chosen(track: Track, keep: Flags) -> Track:
    return Track(track.at[keep], track.value[keep], track.quality[keep])
