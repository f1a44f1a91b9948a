"""`watchkeeper history export`: readings as a file, straight from the store."""

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.history import open_history
from adapters.system_clock import SystemClock
from server.continued import Continued, reading
from watchkeeper import excerpt, export, site, texts
from watchkeeper.errors import ConfigError
from watchkeeper.excerpt import AGGREGATES, Span
from watchkeeper.export import SUMMARY, Write
from watchkeeper.history import History
from watchkeeper.ids import PointId
from watchkeeper.instants import instant
from watchkeeper.settings import Settings
from watchkeeper.site import Plant, SitePoint

PARTIAL = ".part"  # what is not finished has not its name yet


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of this command."""
    parser.add_argument("action", choices=["export"])
    parser.add_argument("--points", default="", help="point ids, separated by commas")
    parser.add_argument("--unit", default="", help="unit ids: all their points")
    parser.add_argument(
        "--from", dest="start", required=True,
        help="2026-11-01, 2026-11-01T08:00 (the site's time), with an offset, or Unix ms",
    )  # fmt: skip
    parser.add_argument("--to", dest="end", required=True, help="likewise; not included")
    parser.add_argument("--width", type=int, default=0, help="seconds of a summary; 0: readings")
    parser.add_argument(
        "--aggregate", default=",".join(SUMMARY), help=f"of a summary: {', '.join(AGGREGATES)}"
    )
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    parser.add_argument("--language", choices=["zh", "en"], default="zh", help="of names")
    parser.add_argument("--no-bom", action="store_true", help="CSV for programs, not for Excel")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Write the file; 0 when all of it is there."""
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    items = _items(plant, options)
    span = _span(plant, options)
    words = texts.load(settings.catalog_folder() / "i18n")
    page = export.sheet(plant, words, options.language, span, bom=not options.no_bom)
    labels = [export.label(item, options.language) for item in items]
    clock = SystemClock()
    began, rows = clock.tick(), 0

    def counted(history: History) -> Iterator[export.Piece]:
        nonlocal rows
        for piece in export.taken(reading(history, plant, Continued(clock)), labels, span):
            rows += excerpt.rows_of(piece.columns)
            yield piece

    name = plant.site.site.id
    with closing(open_history(settings, name, clock, writable=False)) as history:
        size = _written(options.out, _writer(options.format)(counted(history), page))
    print(f"{options.out}: {rows} rows, {size} bytes, {clock.tick() - began:.1f} s")
    return 0


def _written(out: Path, parts: Iterator[bytes]) -> int:
    """Write beside the file and put it in its place when it is whole; return its bytes."""
    partial = out.with_name(out.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            size = sum(file.write(part) for part in parts)
        partial.replace(out)
    except OSError as error:
        raise ConfigError(
            where=str(out), what=f"cannot be written: {error}", fix="choose another --out"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def _writer(name: str) -> Write:
    if name == "csv":
        return export.csv
    from adapters.parquet import parquet  # noqa: PLC0415 - only who asks for it needs pyarrow

    return parquet


def _items(plant: Plant, options: argparse.Namespace) -> list[SitePoint]:
    """Return the points that are named; ConfigError: none, or there is no such point or unit."""
    index = {item.id: item for item in [*plant.points(), *plant.past_points()]}
    points, units = excerpt.names(options.points), excerpt.names(options.unit)
    missing = [each for each in points if PointId(each) not in index]
    missing += [each for each in units if each not in {item.unit.id for item in index.values()}]
    if missing or not points + units:
        raise ConfigError(
            where="history export",
            what=f"there is no {', '.join(missing)}" if missing else "no points are named",
            fix="name points of the site with --points, or units with --unit",
        )
    wanted = dict.fromkeys(PointId(each) for each in points)
    wanted |= dict.fromkeys(item.id for item in index.values() if item.unit.id in units)
    return [index[each] for each in wanted]


def _span(plant: Plant, options: argparse.Namespace) -> Span:
    zone = ZoneInfo(plant.site.site.time_zone)
    try:
        start, end = instant(options.start, zone), instant(options.end, zone)
    except ValueError as error:
        raise ConfigError(
            where="history export", what=f"no time: {error}", fix="write it as 2026-11-01T08:00"
        ) from error
    columns = excerpt.names(options.aggregate) if options.width else []
    if end < start or options.width < 0 or excerpt.unknown(columns):
        raise ConfigError(
            where="history export",
            what="the span, the width or the aggregates make no sense",
            fix=f"--to after --from, --width in seconds, --aggregate of {', '.join(AGGREGATES)}",
        )
    return Span(start, end, options.width * 1000, tuple(columns))
