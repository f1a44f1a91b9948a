"""Tariffs and confirmed exchanges as files of the catalog."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from server.energy import decide
from server.energy.model import TARIFF_SCHEMA, Exchange, Tariff
from watchkeeper import documents
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.ids import UnitId

EXCHANGES_SCHEMA = "wk.exchanges/1"


def tariff(path: Path) -> Tariff:
    """Return a tariff whose every minute has one band; ConfigError says file, line and field."""
    read = documents.read(path, Tariff, TARIFF_SCHEMA)
    for fault in decide.faults(read):
        line = documents.line_of(path.read_text("utf-8"), *fault.steps)
        raise ConfigError(
            where=f"{path}:{line}", what=f"{'.'.join(fault.steps)}: {fault.what}", fix=fault.fix
        )
    return read


def tariffs(folder: Path) -> list[Tariff]:
    """Return every tariff of the folder; ConfigError: one is wrong, or two begin together."""
    found: dict[str, Path] = {}
    read: list[Tariff] = []
    for path in sorted(folder.glob("*.yaml")):
        read.append(tariff(path))
        other = found.setdefault(read[-1].valid_from, path)
        if other is not path:
            raise ConfigError(
                where=str(path),
                what=f"begins on {read[-1].valid_from}, as {other.name} does",
                fix="keep one of the two, or correct `valid_from`",
            )
    return read


class _Reading(Struct, frozen=True, forbid_unknown_fields=True):
    at: str  # local time, "2026-10-05 10:20"
    value: Annotated[float, Meta(ge=0)]  # in the point's unit


class _Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    unit: str
    last: _Reading = field(name="out")
    first: _Reading = field(name="in")
    factor: Annotated[float, Meta(gt=0)] = 1.0
    note: str = ""  # who confirmed it, and why


class _Exchanges(Struct, frozen=True, forbid_unknown_fields=True):
    exchanges: list[_Exchange]


def exchanges(path: Path, time_zone: str) -> dict[UnitId, list[Exchange]]:
    """Return the confirmed exchanges of each meter in order; none when there is no such file."""
    found: dict[UnitId, list[Exchange]] = defaultdict(list)
    if not path.is_file():
        return found
    zone = ZoneInfo(time_zone)
    for number, each in enumerate(documents.read(path, _Exchanges, EXCHANGES_SCHEMA).exchanges):
        out_at, in_at = (
            _instant(path, number, key, reading.at, zone)
            for key, reading in (("out", each.last), ("in", each.first))
        )
        if in_at < out_at:
            raise _wrong(path, number, "in", "is before `out`", "correct one of the two times")
        found[UnitId(each.unit)].append(
            Exchange(out_at, each.last.value, in_at, each.first.value, each.factor)
        )
    for in_order in found.values():
        in_order.sort(key=lambda exchange: exchange.out_at)
    return found


def _instant(path: Path, number: int, key: str, text: str, zone: ZoneInfo) -> int:
    try:
        return unix_ms(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=zone))
    except ValueError as error:
        what, fix = f"`{text}` is no time", "write it as 2026-10-05 10:20, local time"
        raise _wrong(path, number, key, what, fix) from error


def _wrong(path: Path, number: int, key: str, what: str, fix: str) -> ConfigError:
    line = documents.line_of(path.read_text("utf-8"), "exchanges", str(number), key)
    return ConfigError(where=f"{path}:{line}", what=f"exchanges.{number}.{key}: {what}", fix=fix)
