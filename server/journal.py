"""The journal of events: what was done in the house, when, by whom, from where. Pure.

It is no table of its own: every subject keeps its log for good, and the journal reads them all
(journal_log.py). So nothing can stand in the journal that did not happen, or the other way round.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text
from watchkeeper.export import BOM, cell
from watchkeeper.texts import Texts

KINDS: Final = ("alarm", "order", "run", "message", "flag")
PERSON, SYSTEM, EDGE = "person", "system", "edge"  # from where
ROBOTS: Final = frozenset({"", "system", "telemetry", "dispatch"})  # no account has these names
READINGS: Final = frozenset(
    {"raise", "return", "late", "worsen"}
)  # of alarms: an edge brought them
COLUMNS: Final = (
    "recorded", "recorded_ms", "happened", "happened_ms", "kind", "what", "by", "name", "origin",
    "edge", "channels", "subject", "rule", "point", "unit", "place", "priority", "value", "title",
    "note",
)  # fmt: skip
SLICE: Final = 500  # rows of a file made at a time


class Row(NamedTuple):
    """A line as one of the logs has it."""

    kind: str
    number: int  # in its log; with `subject` unique in a kind
    recorded: datetime
    happened: datetime | None  # source time, where the log has one
    what: str
    by: str
    subject: str  # alarm, order, run, message, flag
    rule: str
    point: str
    unit: str
    place: str
    priority: int | None
    value: float | None
    title: str  # JSON {zh, en}
    note_zh: str  # of a message: for whom, as it was called then
    note_en: str  # of a message: for whom, the account


@dataclass(frozen=True, slots=True)
class Around:
    """What the lines need to be understood: people, edges and channels."""

    people: Mapping[str, Text]
    edge_of: Callable[[str], str]  # of a point, "" for none
    channels: Callable[[Sequence[str]], Mapping[str, Sequence[Mapping[str, Any]]]]  # of messages
    text: Callable[[str], Mapping[str, str]]  # JSON -> {zh, en}


def origin(row: Row, edge: str) -> str:
    """Return from where a line came: a person, an edge by its readings, or the platform itself."""
    if row.by not in ROBOTS:
        return PERSON
    return EDGE if row.kind == "alarm" and row.what in READINGS and edge else SYSTEM


def told(rows: Sequence[Row], around: Around) -> list[dict[str, Any]]:
    """Return lines as the API tells them."""
    ways = around.channels([row.subject for row in rows if row.kind == "message"])
    return [_told(row, around, ways.get(row.subject, ())) for row in rows]


def _told(row: Row, around: Around, ways: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    edge = around.edge_of(row.point) if row.point else ""
    whence = origin(row, edge)
    name = around.people.get(row.by, Text(row.by, row.by))
    return {
        "kind": row.kind,
        "number": row.number,
        "recorded_at": unix_ms(row.recorded),
        "happened_at": None if row.happened is None else unix_ms(row.happened),
        "what": row.what,
        "by": row.by,
        "name": {"zh": name.zh, "en": name.en},
        "origin": whence,
        "edge": edge if whence == EDGE else "",
        "channels": list(ways),
        "subject": row.subject,
        "rule": row.rule,
        "point": row.point,
        "unit": row.unit,
        "place": row.place,
        "priority": row.priority,
        "value": row.value,
        "title": around.text(row.title) if row.title else {"zh": "", "en": ""},
        "note": _note(row, around),
    }


def _note(row: Row, around: Around) -> dict[str, str]:
    """Return what was said of it; of a message the name of its person, as it was when that left."""
    if row.kind != "message":
        return {"zh": row.note_zh, "en": row.note_en}
    name = around.people.get(row.note_en, Text(row.note_zh, row.note_zh))
    return {"zh": name.zh, "en": name.en}


@dataclass(frozen=True, slots=True)
class Page:
    """How a file says things."""

    texts: Texts
    language: str
    zone: ZoneInfo
    bom: bool = True


def csv(lines: Iterable[Mapping[str, Any]], page: Page) -> Iterator[bytes]:
    """Yield the file: RFC 4180, UTF-8, no cell that a spreadsheet computes."""
    head = ",".join(page.texts(f"journal.column-{name}", page.language) for name in COLUMNS)
    yield (BOM if page.bom else b"") + f"{head}\r\n".encode()
    part: list[str] = []
    for line in lines:
        part.append(",".join(_cells(line, page)))
        if len(part) == SLICE:
            yield _bytes(part)
            part = []
    if part:
        yield _bytes(part)


def _bytes(part: Sequence[str]) -> bytes:
    return "".join(f"{row}\r\n" for row in part).encode("utf-8", "replace")


def _cells(line: Mapping[str, Any], page: Page) -> Iterator[str]:
    yield from _instants(line["recorded_at"], page)
    yield from _instants(line["happened_at"], page)
    yield cell(page.texts(f"journal.kind-{line['kind']}", page.language))
    yield cell(word(line["kind"], line["what"], page))
    yield cell(line["by"])
    yield cell(line["name"][page.language])
    yield cell(page.texts(f"journal.origin-{line['origin']}", page.language))
    yield cell(line["edge"])
    yield cell(" ".join(f"{each['channel']}:{each['state']}" for each in line["channels"]))
    for name in ("subject", "rule", "point", "unit", "place"):
        yield cell(line[name])
    yield "" if line["priority"] is None else str(line["priority"])
    yield "" if line["value"] is None else repr(line["value"])
    yield cell(line["title"][page.language])
    yield cell(line["note"][page.language])


def _instants(at: int | None, page: Page) -> tuple[str, str]:
    if at is None:
        return "", ""
    moment = datetime.fromtimestamp(at / 1000, page.zone)
    return moment.isoformat(timespec="milliseconds"), str(at)


def word(kind: str, what: str, page: Page) -> str:
    """Return what was done, in words; one nobody wrote words for stands as it is in the log."""
    key = f"journal.{kind}-{what}"
    return page.texts(key, page.language) if key in page.texts.by_key else what
