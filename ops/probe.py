"""`watchkeeper probe` and `scan`: what does this device say, and who answers on this bus?

Both only read. A serial port must not be in use: stop the edge that polls it first.
"""

import argparse
import asyncio
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge import decode, plan
from edge.drivers.modbus import Line, LineDown, NoAnswer, Refused, Where, request
from edge.judge import Judge
from watchkeeper import profile as profiles
from watchkeeper.errors import ConfigError
from watchkeeper.profile import Point, Profile
from watchkeeper.quality import Quality
from watchkeeper.settings import Settings
from watchkeeper.site import (
    LAST_RTU_UNIT,
    ModbusRtu,
    ModbusRtuTcp,
    ModbusTcp,
    Unit,
    at_primary,
    ratio,
    transformed,
)
from watchkeeper.units import SYMBOLS

_ADDRESS: Final = re.compile(r"(?P<host>[^:/]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?")
_UNITS: Final = re.compile(r"(\d+)(?:-(\d+))?")
_PORT: Final = 502
_LAST_PORT: Final = 65535
_SHOWN: Final = 4  # raw registers in a line


def arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of these commands."""
    parser.add_argument("where", help="HOST[:PORT], or a serial port such as /dev/ttyUSB0")
    parser.add_argument("--rtu", action="store_true", help="HOST passes RTU frames through")
    parser.add_argument("--baud", type=int, default=9600, help="of a serial port")
    parser.add_argument("--parity", choices=["N", "E", "O"], default="N", help="likewise")
    parser.add_argument("--stop", type=int, choices=[1, 2], default=1, help="likewise")
    if command == "probe":
        parser.add_argument("--profile", required=True, help="its id in the catalog, or a file")
        parser.add_argument("--unit", type=int, default=1, help="the device's number on the bus")
        parser.add_argument("--ct", default="", help='"200/5", as in the site file')
        parser.add_argument("--pt", default="", help='"10000/100", likewise')
    else:
        parser.add_argument("--units", default=f"1-{LAST_RTU_UNIT}", help="which numbers to try")
        parser.add_argument("--timeout", type=float, default=0.3, help="seconds for each")


def run(settings: Settings, options: argparse.Namespace, command: str) -> int:
    """Run one of the two; return 0 when all fits, or when somebody answered."""
    line = Line(where_of(options))
    try:
        return _scanned(line, options) if command == "scan" else _probed(line, settings, options)
    except LineDown as why:
        raise ConfigError(
            where=str(why), what="cannot be opened", fix="check address, cable and who else uses it"
        ) from None


def _scanned(line: Line, options: argparse.Namespace) -> int:
    first, last = _range(options.units)
    found = asyncio.run(scan(line, range(first, last + 1), options.timeout, print))
    print(f"{len(found)} of {last - first + 1} numbers answer")
    return 0 if found else 1


def _probed(line: Line, settings: Settings, options: argparse.Namespace) -> int:
    made = _profile(settings, options.profile)
    unit = Unit("probed", made.id, unit=options.unit, ct=options.ct, pt=options.pt)
    _check_ratios(unit)
    rows = asyncio.run(probe(line, made, unit))
    for text in table(rows):
        print(text)
    return 0 if all(not row.misfit for row in rows) else 1


def where_of(options: argparse.Namespace) -> Where:
    """Return the connection the options name; ConfigError: they name none."""
    text: str = options.where
    if text.startswith("/"):
        return _converted(
            {"port": text, "baud": options.baud, "parity": options.parity, "stop": options.stop}
        )
    match = _ADDRESS.fullmatch(text)
    port = int(match["port"] or _PORT) if match else 0
    if match is None or not 1 <= port <= _LAST_PORT:
        raise ConfigError(where=text, what="is no address", fix="write HOST, HOST:PORT or /dev/…")
    kind = ModbusRtuTcp if options.rtu else ModbusTcp
    return kind(match["host"].strip("[]"), port)


def _converted(words: dict[str, object]) -> ModbusRtu:
    try:
        return msgspec.convert(words, ModbusRtu)
    except msgspec.ValidationError as error:
        raise ConfigError(
            where="--baud", what=str(error), fix="use 1200, 2400 … 9600, 19200 … 115200"
        ) from error


def _range(text: str) -> tuple[int, int]:
    match = _UNITS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 <= first <= last <= 255 or match is None:  # noqa: PLR2004 - one byte
        raise ConfigError(where="--units", what=f"`{text}` is no range", fix="write 1-247 or 5")
    return first, last


def _check_ratios(unit: Unit) -> None:
    for key, text in (("--ct", unit.ct), ("--pt", unit.pt)):
        try:
            ratio(text)
        except ValueError as error:
            raise ConfigError(where=key, what=f"`{text}`", fix='write it as "200/5"') from error


def _profile(settings: Settings, name: str) -> Profile:
    folder = settings.catalog_folder() / "profiles"
    file = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml")))
        raise ConfigError(where=name, what="is no profile", fix=f"use a file or one of {known}")
    return profiles.load(file)


@dataclass(slots=True)
class Row:
    """A point as the device has it now."""

    point: Point
    raw: bytes = b""
    value: float = math.nan
    text: str = ""
    quality: Quality = Quality.GOOD
    misfits: list[str] = field(default_factory=list)

    @property
    def misfit(self) -> str:
        """Return what does not fit, "" where all does."""
        return "; ".join(self.misfits)


async def probe(line: Line, profile: Profile, unit: Unit) -> list[Row]:
    """Read a device once; a row for each point of the profile, in its order.

    Raises LineDown: the bus cannot be reached.
    """
    rows = [Row(at_primary(point, unit)) for point in profile.points]
    try:
        waiting = plan.blocks(profile.points, profile.modbus, texts=True)
        while waiting:
            waiting = await _step(line, profile, unit.unit, rows, waiting)
    finally:
        line.close()
    found = _numbers(rows, profile, unit)
    for row in rows:
        if row.raw and row.point.type != "string":
            _judged(row, found)
    return rows


async def _step(
    line: Line, profile: Profile, unit: int, rows: list[Row], waiting: list[plan.Block]
) -> list[plan.Block]:
    """Read the first block; return what is left to read."""
    block, rest = waiting[0], waiting[1:]
    held = [rows[position] for position in block.points]
    try:
        data = await line.read(request(unit, block, profile.modbus.timeout_s))
    except Refused as refused:
        parts = plan.halves(block, profile.points) if refused.code in plan.NOT_THERE else []
        if not parts:
            for row in held:
                row.quality = Quality.REFUSED
                row.misfits.append(f"refused, exception {refused.code}")
        return parts + rest
    except NoAnswer as why:
        for row in held:
            row.quality = Quality.NO_ANSWER
            row.misfits.append(f"no answer: {why}")
        return rest
    for row in held:
        row.raw = plan.registers_of(block, row.point, data)
        if row.point.type == "string":
            row.text = decode.text(row.point, row.raw, profile.modbus)
    return rest


def _numbers(rows: list[Row], profile: Profile, unit: Unit) -> dict[str, float]:
    """Return the values before they are scaled by other points, by id; NaN where there is none."""
    return {
        row.point.id: decode.decode(
            row.point, row.raw, profile.modbus, transformed(row.point, unit)
        )
        if row.raw and row.point.type != "string"
        else math.nan
        for row in rows
    }


def _judged(row: Row, found: dict[str, float]) -> None:
    point = row.point
    value = found[point.id] * decode.factor(point, found)
    held = np.array([value])
    quality = Judge([point])(held)
    row.value, row.quality = float(held[0]), Quality(int(quality[0]))
    row.misfits += _misfits(row, value)


def _misfits(row: Row, value: float) -> Iterator[str]:
    point = row.point
    if row.quality == Quality.NOT_AVAILABLE:
        yield "no value" if not point.factors else "no value, or none to scale it by"
    elif row.quality == Quality.OUTSIDE_POSSIBLE:
        yield f"{value:g} is outside possible {_limits(point.possible)}"
    elif row.quality == Quality.OUTSIDE_USUAL:
        yield f"outside usual {_limits(point.usual)}"
    if point.words and not math.isnan(row.value) and row.value not in _codes(point):
        yield f"no word for {row.value:g}"


def _codes(point: Point) -> set[float]:
    return {float(word.value) for word in point.words}


def _limits(limits: tuple[float, float] | None) -> str:
    return f"{limits[0]:g} to {limits[1]:g}" if limits else ""


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    width = max((len(row.point.id) for row in rows), default=5)
    yield f"{'point':{width}} {'raw registers':20} {'value':>16} {'unit':5} {'quality':16} misfit"
    for row in rows:
        words = [row.raw[n : n + 2].hex() for n in range(0, len(row.raw), 2)]
        raw = " ".join(words[:_SHOWN]) + (" …" if len(words) > _SHOWN else "")
        unit = SYMBOLS.get(row.point.unit, row.point.unit)
        quality = row.quality.name.lower().replace("_", " ")
        line = (
            f"{row.point.id:{width}} {raw:20} {_shown(row):>16} {unit:5} {quality:16} {row.misfit}"
        )
        yield line.rstrip()
    odd = sum(bool(row.misfit) for row in rows)
    yield f"{len(rows)} points, {odd} of them do not fit"


def _shown(row: Row) -> str:
    if row.text:
        return repr(row.text)
    if math.isnan(row.value):
        return "-"
    word = next((word.name.en for word in row.point.words if word.value == row.value), "")
    number = f"{row.value:,.{row.point.decimals}f}"
    return f"{number} {word}".rstrip() if word else number


async def scan(line: Line, units: range, timeout_s: float, say: Callable[[str], None]) -> list[int]:
    """Ask each number for one register; return those that answer, be it with an exception.

    Raises LineDown: the bus cannot be reached.
    """
    block, found = plan.Block("normal", 3, 0, 1, ()), []
    try:
        for unit in units:
            word = await _asked(line, unit, block, timeout_s)
            if word:
                found.append(unit)
                say(f"unit {unit:3} {word}")
    finally:
        line.close()
    return found


async def _asked(line: Line, unit: int, block: plan.Block, timeout_s: float) -> str:
    """Return how a unit answers, "" when it does not."""
    try:
        data = await line.read(request(unit, block, timeout_s))
    except Refused as refused:
        return f"answers (exception {refused.code} to holding register 0)"
    except NoAnswer:
        return ""
    return f"answers (holding register 0 is {data.hex()})"
