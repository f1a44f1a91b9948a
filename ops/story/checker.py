"""The checker: what the registers really held, against what history has of it."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from ops.observe import Json
from ops.story.steps import Stage
from watchkeeper.clock import unix_ms

POLL_MS = 1_500  # a change may be read one poll later
ANSWER_MS = 300  # a device may answer with what is true after the request was sent
BEFORE_MS = 120_000  # two heartbeats: what did not change was reported before the span
STEP_KWH = 0.1  # a float32 register above 1,677,721 kWh steps by more than this


def compare(stage: Stage, start: int, end: int) -> str | None:
    """Return what was compared when history agrees with the registers, None while it does not.

    Only changes are reported. So a value that a register held for two polls must be the one in
    force in history at the end of that time; and a reading in history must be a value that the
    register held when it was read.
    """
    changes: dict[str, list[Json]] = {}
    for row in stage.building.log(0):
        changes.setdefault(row["point"], []).append(row)
    readings = 0
    for point, held in changes.items():
        track = stage.api.get("/history", point=point, start=start - BEFORE_MS, end=end, width=0)
        at = np.array(track["at"], np.int64)
        value = np.array([np.nan if v is None else v for v in track["value"]])
        if not (_all_kept(held, at, value, start, end) and _none_invented(held, at, value)):
            return None
        readings += len(at)
    if not readings:
        return None
    return f"{readings} readings of {len(changes)} points, none lost and none invented"


def _all_kept(held: list[Json], at: np.ndarray, value: np.ndarray, start: int, end: int) -> bool:
    """Return whether every value held long enough in [start, end) was in force at its end."""
    for now, then in pairwise([*held, {"at": end}]):
        begin, until = max(now["at"], start), min(then["at"], end) - ANSWER_MS
        if until - begin < 2 * POLL_MS:
            continue  # too short to be surely read
        last = int(np.searchsorted(at, until)) - 1
        if last < 0 or not _same(value[last], now["value"]):
            return False
    return True


def _none_invented(held: list[Json], at: np.ndarray, value: np.ndarray) -> bool:
    """Return whether every good reading is what the register held when it was read."""
    since = np.array([row["at"] for row in held], np.int64)
    for when, read in zip(at.tolist(), value.tolist(), strict=True):
        first = max(int(np.searchsorted(since, when - POLL_MS, "right")) - 1, 0)
        last = int(np.searchsorted(since, when + ANSWER_MS, "right"))
        known = np.isnan(read) or last == 0  # before the record began
        if not known and not any(_same(read, row["value"]) for row in held[first:last]):
            return False
    return True


def _same(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=1e-6, atol=1e-6))


def month_true(stage: Stage) -> str | None:
    """Return the comparison of last month's report with the true energy; None until it is there."""
    site = stage.api.get("/site")
    zone = ZoneInfo(site["time_zone"])
    start, end = last_month(stage.clock.now().astimezone(zone))
    report = stage.api.get("/energy/month", month=f"{start:%Y-%m}")
    if report["coverage"] < 0.999:  # noqa: PLR2004 - the import is still under way
        return None
    worst = 0.0
    meters = [meter for meter in report["meters"] if meter["kwh"] is not None]
    for meter in meters:
        true = stage.building.energy(meter["unit"], unix_ms(start), unix_ms(end))
        off = abs(meter["kwh"] - true)
        if off > max(0.001 * true, STEP_KWH):
            return None
        worst = max(worst, off / max(true, 1e-9))
    return (
        f"{start:%Y-%m}: {len(meters)} meters, site {report['total_kwh']:.1f} kWh, "
        f"largest difference {100 * worst:.4f} %"
    )


def last_month(now: datetime) -> tuple[datetime, datetime]:
    """Return the local midnights between which last month lies."""
    end = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (end - timedelta(days=1)).replace(day=1), end
