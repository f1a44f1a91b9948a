"""What can be kept of a batch in which some readings make no sense, and why the rest cannot. Pure.

The ordinary way reads a batch as one typed message (watchkeeper/wire.py), all or nothing. Here it
is taken apart reading by reading, so that a text where a number belongs costs that reading alone.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np

from watchkeeper import wire
from watchkeeper.batch import Batch
from watchkeeper.quality import FIRST_BAD

LONGEST_TEXT: Final = 1_000  # characters kept of a value that is a text
_ALIASES: Final = 1 << 32
_FARTHEST_MS: Final = 1 << 52  # from 1970; beyond it no float64 keeps a millisecond
_QUALITIES: Final = 256

Row: TypeAlias = list[Any]  # alias, time in Unix ms, value, quality, as they came


class Salvaged(NamedTuple):
    """A batch in two heaps."""

    message: wire.Data  # its envelope; the columns are empty
    batch: Batch  # the readings that can be read, series = alias
    odd: dict[str, list[Row]]  # the others by reason: alias, time, type, value, quality


def salvaged(payload: bytes) -> Salvaged:
    """Return what can be read of a batch.

    Raises ValueError: not even its envelope can be, or its columns do not fit together.
    """
    try:
        # Not msgspec: this one takes NaN and Infinity, which are no JSON and are sent all the same.
        raw = json.loads(payload)
        columns = [raw[key] for key in ("a", "d", "y")]
        codes = dict(map(tuple, raw["x"]))
        envelope = {**raw, "a": [], "d": [], "y": [], "x": []}
        message = msgspec.convert(envelope, wire.Data)
    except (KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ValueError(f"no batch: {error}") from error
    if not all(isinstance(each, list) and len(each) == len(columns[0]) for each in columns):
        raise ValueError("its columns do not fit together")
    if not all(isinstance(each, int) and 0 <= each < len(columns[0]) for each in codes):
        raise ValueError("a quality names no reading")
    rows = [
        [alias, _time(message.start, offset), value, codes.get(index, 0)]
        for index, (alias, offset, value) in enumerate(zip(*columns, strict=True))
    ]
    return Salvaged(message, *sifted(rows))


def sifted(rows: Sequence[Row]) -> tuple[Batch, dict[str, list[Row]]]:
    """Return the rows that make sense as columns, and the others by reason."""
    good: list[Row] = []
    odd: dict[str, list[Row]] = {}
    for row in rows:
        reason = _reason(row)
        if reason:
            odd.setdefault(reason, []).append([_short(each) for each in row])
        else:
            good.append(row)
    return _columns(good), odd


def _columns(rows: Sequence[Row]) -> Batch:
    alias, at, value, quality = zip(*rows, strict=True) if rows else ((), (), (), ())
    batch = Batch(
        np.array(alias, np.uint32),
        np.array(at, np.int64),
        np.array(value, np.float64),
        np.array(quality, np.uint8),
    )
    batch.value[batch.quality >= FIRST_BAD] = np.nan
    return batch


def _reason(row: Row) -> str:
    """Return why a reading cannot be kept, "" when it can."""
    if len(row) != len(("alias", "time", "value", "quality")):
        return "type"
    alias, at, value, quality = row
    if not _is_whole(alias, 0, _ALIASES):
        return "alias"
    if not _is_whole(at, -_FARTHEST_MS, _FARTHEST_MS):
        return "time"
    if not _is_whole(quality, 0, _QUALITIES):
        return "quality"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "type"
    return "" if _is_finite(value) or quality >= FIRST_BAD else "value"


def _time(start: int, offset: Any) -> Any:
    return start + offset if isinstance(offset, int) and not isinstance(offset, bool) else offset


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer no float can hold
        return False


def _short(value: Any) -> Any:
    """Return a value as it is kept: what is no JSON as a text, a huge one cut."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, int | float | None):
        return value if _is_finite(value or 0) else str(value)[:LONGEST_TEXT]
    return json.dumps(value)[:LONGEST_TEXT]
