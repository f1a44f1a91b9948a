"""A history as a file: what its rows say, and the rows as CSV. Pure; docs/api.md has the columns.

Names are data, never code: a spreadsheet computes a cell that begins with = + - @ TAB or CR. Such a
name gets an apostrophe in front, and so does one that begins with an apostrophe: `plain` undoes it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from watchkeeper.batch import Floats, Times
from watchkeeper.excerpt import Columns, Read, Span, pieces, rows_of
from watchkeeper.ids import PointId
from watchkeeper.quality import third
from watchkeeper.site import Plant, SitePoint
from watchkeeper.texts import Texts
from watchkeeper.units import SYMBOLS

SUMMARY: Final = ("mean", "min", "max", "count")  # what a file of summaries holds if none is named
BOM: Final = b"\xef\xbb\xbf"
SLICE: Final = 20_000  # rows made at a time
QUARTER_MS: Final = 900_000  # clocks are put forward or back between two quarters of an hour
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")
_QUOTED: Final = frozenset(',"\r\n')


class Label(NamedTuple):
    """What a row says about its point."""

    point: PointId
    name: str  # in the reader's language: unit and point
    unit: str  # of measure, as people write it


class Piece(NamedTuple):
    """Some rows of one point."""

    label: Label
    columns: Columns


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file says about all its rows."""

    site: str
    zone: ZoneInfo
    words: Sequence[str]  # (256,) of each quality, in the reader's language
    columns: tuple[str, ...] = ()  # of a summary; none: readings
    bom: bool = True  # Excel takes a CSV without it for GBK in China


Write: TypeAlias = Callable[[Iterable[Piece], Sheet], Iterator[bytes]]


def usual(span: Span) -> Span:
    """Return what is asked for, with the columns a file of summaries holds if none is named."""
    return span._replace(columns=SUMMARY if span.width else ())


def label(item: SitePoint, language: str) -> Label:
    """Return what the rows of a point say about it."""
    unit, name = item.unit.name, item.point.name
    parts = [_pick(unit, language) if unit else item.unit.id, _pick(name, language)]
    return Label(item.id, " ".join(parts), SYMBOLS.get(item.point.unit, item.point.unit))


def sheet(plant: Plant, texts: Texts, language: str, span: Span, *, bom: bool = True) -> Sheet:
    """Return what the file of a site says about all its rows."""
    about = plant.site.site
    keys = [f"quality.code-{code}" for code in range(256)]
    known = [
        key if key in texts.by_key else f"quality.code-{third(code).value}"
        for code, key in enumerate(keys)
    ]
    words = [texts(key, language) for key in known]
    return Sheet(about.id, ZoneInfo(about.time_zone), words, span.columns, bom)


def taken(read: Read, labels: Iterable[Label], span: Span) -> Iterator[Piece]:
    """Yield the rows of all points, one after the other; memory holds one piece."""
    for each in labels:
        for columns in pieces(read, each.point, span):
            yield Piece(each, columns)


def csv(parts: Iterable[Piece], about: Sheet) -> Iterator[bytes]:
    """Yield the file: RFC 4180, UTF-8; b"" where a piece holds nothing."""
    head = ",".join(("time", "unix_ms", "point", "name", *(about.columns or ("value",)), "unit"))
    tail = "\r\n" if about.columns else ",quality,quality_word\r\n"
    yield (BOM if about.bom else b"") + (head + tail).encode()
    for piece in parts:
        rows = rows_of(piece.columns)
        make = _summaries if about.columns else _readings
        if not rows:
            yield b""
        for low in range(0, rows, SLICE):
            part = {name: column[low : low + SLICE] for name, column in piece.columns.items()}
            yield "".join(make(piece.label, part, about)).encode("utf-8", "replace")


def _readings(about: Label, columns: Columns, page: Sheet) -> list[str]:
    middle, unit = f"{cell(about.point)},{cell(about.name)}", cell(about.unit)
    codes = np.unique(columns["quality"]).tolist()
    ends = {code: f",{unit},{code},{cell(page.words[code])}\r\n" for code in codes}
    rows = zip(
        local(columns["at"], page.zone),
        columns["at"].tolist(),
        numbers(columns["value"]),
        columns["quality"].tolist(),
        strict=True,
    )
    return [f"{time},{at},{middle},{value}{ends[code]}" for time, at, value, code in rows]


def _summaries(about: Label, columns: Columns, page: Sheet) -> list[str]:
    middle, unit = f"{cell(about.point)},{cell(about.name)}", cell(about.unit)
    values = (numbers(columns[name]) for name in page.columns)
    rows = zip(
        local(columns["start"], page.zone),
        columns["start"].tolist(),
        map(",".join, zip(*values, strict=True)),
        strict=True,
    )
    return [f"{time},{at},{middle},{each},{unit}\r\n" for time, at, each in rows]


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet computes, quoted where CSV asks for it."""
    if text.lstrip(" ").startswith(_RISKY):
        text = f"'{text}"
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def plain(text: str) -> str:
    """Return the text that `cell` was given, of what a CSV reader found."""
    return text.removeprefix("'")


def numbers(column: Floats | Any) -> list[str]:
    """Return numbers as the shortest text that reads back the same; nothing for NaN."""
    if column.dtype.kind != "f":
        return [str(value) for value in column.tolist()]
    return ["" if value != value else repr(value) for value in column.tolist()]  # noqa: PLR0124 - NaN


def local(at: Times, zone: ZoneInfo) -> list[str]:
    """Return ISO 8601 in a time zone with its offset, in ms: "2026-11-24T08:00:00.000+08:00"."""
    quarters, which = np.unique(at // QUARTER_MS, return_inverse=True)
    moments = [datetime.fromtimestamp(each * QUARTER_MS / 1000, zone) for each in quarters.tolist()]
    seconds = np.array([round(each.utcoffset().total_seconds()) for each in moments], np.int64)  # type: ignore[union-attr] # a zone has one
    ends = [f"{each:%z}" for each in moments]
    ends = [f"{end[:3]}:{end[3:5]}" for end in ends]
    texts = np.datetime_as_string((at + seconds[which] * 1000).astype("datetime64[ms]")).tolist()
    if len(set(ends)) == 1:
        return [text + ends[0] for text in texts]
    return [text + ends[quarter] for text, quarter in zip(texts, which.tolist(), strict=True)]


def _pick(both: Any, language: str) -> str:
    text: str = both.zh if language.startswith("zh") else both.en
    return text
