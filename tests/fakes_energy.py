"""A small house with energy meters, and a history in memory that its counters can be written to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from typing_extensions import override

from server.energy import store
from server.energy.ports import Sources
from tests.fakes_history import MemoryHistory
from watchkeeper.batch import Flags
from watchkeeper.documents import Text
from watchkeeper.history import Track
from watchkeeper.ids import PointId
from watchkeeper.profile import Point, Profile
from watchkeeper.site import About, Bus, Edge, ModbusTcp, Plant, Site, Unit

CATALOG = Path(__file__).resolve().parent.parent / "catalog"
SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE_MS = 60_000


class Tracks(MemoryHistory):
    """A history whose readings are given as whole tracks by point."""

    def __init__(self, tracks: Mapping[str, Track] | None = None) -> None:
        super().__init__()
        self.tracks = dict(tracks or {})

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        track = self.tracks.get(point, made_track([], []))
        first, last = np.searchsorted(track.at, [start, end])
        return part(track, slice(first, last))


def part(track: Track, chosen: slice | Flags) -> Track:
    """Return the chosen readings."""
    return Track(track.at[chosen], track.value[chosen], track.quality[chosen])


def made_track(at: Sequence[int], value: Sequence[float], quality: Sequence[int] = ()) -> Track:
    """Return a track; good readings unless qualities are given."""
    marks = np.array(quality, np.uint8) if len(quality) else np.zeros(len(at), np.uint8)
    values = np.where(marks >= 128, np.nan, np.array(value, float))
    return Track(np.array(at, np.int64), values, marks)


def ms(local: str, zone: ZoneInfo = SHANGHAI) -> int:
    """Return a local time ("2026-10-01 00:00") as Unix ms."""
    return round(datetime.fromisoformat(local).replace(tzinfo=zone).timestamp() * 1000)


def counter(start: str, end: str, kw: Callable[[int], float], every_min: int = 15) -> Track:
    """Return the readings of a counter that passes kw(Unix ms) from each reading to the next."""
    at = np.arange(ms(start), ms(end) + 1, every_min * MINUTE_MS, dtype=np.int64)
    steps = [kw(int(each)) * every_min / 60 for each in at[:-1]]
    return made_track(at.tolist(), (1000 + np.concatenate([[0.0], np.cumsum(steps)])).tolist())


def office(at: int) -> float:
    """Return a load in kW that follows the clock of an office, weekends apart."""
    local = datetime.fromtimestamp(at / 1000, SHANGHAI)
    day = 1.0 if local.weekday() < 5 else 0.45
    hour = local.hour + local.minute / 60
    busy = max(0.0, 1 - abs(hour - 14) / 8)
    return 60 + 240 * day * busy + 3 * (local.day % 5)


def _of_office(share: float, at: int) -> float:
    return office(at) * share


def house(units: Sequence[Unit] | None = None, *, area_m2: float = 0.0) -> Plant:
    """Return a site with these meters: two incoming ones and what they feed, unless given."""
    profile = Profile(
        id="meter",
        name=Text("电表", "Meter"),
        equipment="electricity_meter",
        source="made up",
        points=[
            Point("active_power", Text("功率", "Power"), 0, "float32", unit="W"),
            Point("export_energy", Text("反向", "Out"), 2, "float32", unit="kWh", kind="counter"),
            Point(
                "import_energy", Text("正向", "In"), 4, "float32", unit="kWh", kind="counter",
                rollover=1_000_000.0,
            ),
        ],
    )  # fmt: skip
    made = units or [
        meter("main-1", "1 号总表", "Main 1", feeds=["hvac-1", "lifts"], rated_kw=600),
        meter("main-2", "2 号总表", "Main 2", feeds=["tenants"], rated_kw=400),
        meter("hvac-1", "空调", "HVAC", feeds=["chiller-1"]),
        meter("chiller-1", "冷机", "Chiller"),
        meter("lifts", "电梯", "Lifts"),
        meter("tenants", "租户", "Tenants"),
    ]
    about = About("riverside", Text("滨江广场", "Riverside Plaza"), area_m2=area_m2)
    edge = Edge("plant-b1", [Bus("meters", ModbusTcp("127.0.0.1", 15020))], list(made))
    return Plant(Site(about, [], [edge]), {"meter": profile})


def meter(unit: str, zh: str, en: str, **more: Any) -> Unit:
    return Unit(unit, "meter", "meters", 1, "podium/B1", name=Text(zh, en), **more)


def october(without: Sequence[str] = (), *, area_m2: float = 42_600.0) -> Sources:
    """Return October 2026 of the house, read every quarter hour; September as well."""
    shares = {
        "main-1": 1.0, "main-2": 0.4, "hvac-1": 0.6, "chiller-1": 0.45, "lifts": 0.35,
        "tenants": 0.38,
    }  # fmt: skip
    tracks = {
        f"{unit}/import_energy": counter(
            "2026-08-31 00:00", "2026-11-03 00:00", partial(_of_office, share)
        )
        for unit, share in shares.items()
        if unit not in without
    }
    return Sources(Tracks(tracks), house(area_m2=area_m2), store.tariffs(CATALOG / "tariffs"))


def without(track: Track, start: str, end: str) -> Track:
    """Return the track with a hole from one local time to another."""
    kept = (track.at <= ms(start)) | (track.at >= ms(end))
    return part(track, kept)
