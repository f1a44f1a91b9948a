"""What the points of the fake house read, and what a month of it used."""

import math
from collections.abc import Callable
from typing import Any

MINUTE = 60_000
TOPS = {1: 28, 2: 28, 3: 18, 4: 5}  # the highest floor of each lift
LOWEST = {1: 3, 2: 3, 3: 3, 4: 1}  # and how far down it goes
BASES = {"temperature": 24.0, "level": 1.2, "power_factor": 0.93, "load": 20.0}
QUIET = ("detector", "trapped", "fault", "panel", "door", "person", "alarm")
BANDS = (
    ("critical", "尖", "Critical peak", 0.11, 1.286),
    ("peak", "峰", "Peak", 0.33, 1.072),
    ("shoulder", "平", "Shoulder", 0.34, 0.643),
    ("valley", "谷", "Valley", 0.22, 0.271),
)


class Values:
    """Plausible readings; `set` holds what a test has fixed."""

    def __init__(self, site: dict[str, Any], now: Callable[[], int]) -> None:
        self.now = now
        self.units = {unit["id"]: unit for unit in site["units"]}
        self.points = {point["id"]: point for point in site["points"]}
        self.set: dict[str, float | None] = {}
        self.quiet: dict[str, int] = {}  # point -> ms since a value that still stands was reported

    def base(self, point: str) -> float:
        """Return about what a point reads: feeders by their rating, mains by the sum of theirs."""
        unit, _, name = point.partition("/")
        if name != "active_power":
            return BASES.get(name, 4.0)
        if point in self.set:
            return float(self.set[point] or 0)
        fed = [each for each in self.units[unit]["feeds"] if f"{each}/active_power" in self.points]
        if fed:
            return sum(self.base(f"{each}/active_power") for each in fed) * 1.02
        return float((self.units[unit]["rated_kw"] or 30 + 7 * (len(unit) % 5)) * 520)

    def value(self, point: str) -> float | None:
        """Return what a point reads now."""
        unit, _, name = point.partition("/")
        if point in self.set and (name != "active_power" or self.set[point] is None):
            return self.set[point]
        at = self.now() / 1000
        if unit.startswith("lift-") and name in {"floor", "direction", "mode"}:
            return self._lift(int(unit.split("-")[1]), name, at)
        if name == "active_power":
            return self.base(point) * (1 + 0.01 * math.sin(at / 7 + len(point)))
        return 0 if name.startswith(QUIET) else self.base(point)

    @staticmethod
    def _lift(number: int, name: str, at: float) -> float:
        turn = at / (9 + 3 * number) + number
        if name == "mode":
            return 7
        if name == "direction":
            return 1 if math.cos(turn) > 0 else 2
        span = TOPS[number] + LOWEST[number] - 1
        floor = round((math.sin(turn) + 1) / 2 * span) - LOWEST[number]
        return floor if floor < 0 else floor + 1

    def values(self, points: list[str]) -> dict[str, list[Any]]:
        """Return a frame of values; what is unknown is not in it."""
        read = {point: self.value(point) for point in points if point not in self.quiet}
        return {point: [self.now(), value, 0] for point, value in read.items() if value is not None}

    def latest(self, points: list[str]) -> list[dict[str, Any]]:
        """Return newest values; what is unknown was last known 13 min ago."""
        rows = []
        for point in points:
            value = self.value(point)
            old = value is None
            at = self.now() - (13 * MINUTE if old else self.quiet.get(point, 0))
            quality = 133 if old else 0
            row = {"point": point, "at": at, "value": value, "quality": quality, "stale": old}
            rows.append(row)
        return rows

    def month(self, month: str) -> dict[str, Any]:
        """Return a month's report."""
        days = [
            {
                "day": f"{month}-{n:02d}",
                "kwh": 6200 + 1500 * math.sin(n / 7 * 6.28) + 30 * n,
                "coverage": 0.62 if n == 9 else 0.998,
            }
            for n in range(1, 31)
        ]
        total = sum(day["kwh"] for day in days)
        bands = [
            {
                "band": key,
                "name": {"zh": zh, "en": en},
                "kwh": total * part,
                "cost": total * part * price,
            }
            for key, zh, en, part, price in BANDS
        ]
        return {
            "month": month,
            "currency": "CNY",
            "total_kwh": total,
            "coverage": 0.985,
            "energy_coverage": 0.997,
            "previous_kwh": total * 1.08,
            "previous_coverage": 0.99,
            "cost": sum(band["cost"] for band in bands),
            "bands": bands,
            "days": days,
            "hours": [180 + 320 * math.exp(-(((hour - 14) / 5) ** 2)) for hour in range(24)],
            "meters": self._meters(total),
            "tariff": {"name": {"zh": "两部制", "en": "Two-part"}, "version": "2026-07"},
            "peak": {"kw": 503.2, "at": self.now()},
            "month_open": False,
        }

    def _meters(self, total: float) -> list[dict[str, Any]]:
        return [
            {
                "unit": unit["id"],
                "name": unit["name"],
                "kwh": total * self.base(f"{unit['id']}/active_power") / 900_000,
                "coverage": 0.996,
                "role": "main" if unit["id"].startswith("main") else "feeder",
                "parent": None if unit["id"].startswith("main") else "main-1",
            }
            for unit in self.units.values()
            if f"{unit['id']}/active_power" in self.points
        ]
