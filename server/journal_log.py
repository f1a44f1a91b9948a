"""The logs of all subjects as one, read beside the writer: the only place that knows their tables.

Every branch below is one log with the same columns; what a log does not have is empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from server.alarms.store import ALARMS
from server.alarms.store import LOG as ALARM_LOG
from server.emergency.store import LOG as RUN_LOG
from server.emergency.store import RUNS
from server.flags.store import FLAGS
from server.journal import Around, Row
from server.notify.store import DELIVERIES, MESSAGES
from server.orders.store import ORDERS, MoveRow
from server.parts import Parts
from server.people.store import SqlPeople
from server.sql import Instant
from watchkeeper.clock import unix_ms
from watchkeeper.documents import Text

MOVES = MoveRow.metadata.tables["work_order_move"]
AT_ONCE = 1_000  # rows fetched at a time, however many there are
_NO_TIME = sa.cast(sa.null(), Instant)
_NO_INT = sa.cast(sa.null(), sa.Integer)
_NO_FLOAT = sa.cast(sa.null(), sa.Float)
_NONE: sa.ColumnElement[Any] = sa.literal("")
_text = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the journal; what is empty filters nothing."""

    start: int  # recorded, Unix ms
    end: int  # exclusive
    kinds: Sequence[str] = ()
    points: Sequence[str] = ()
    units: Sequence[str] = ()
    places: Sequence[str] = ()  # "tower-a" takes all its floors
    rules: Sequence[str] = ()
    by: Sequence[str] = ()
    subject: str = ""
    text: str = ""  # in title, note, or what was done


def _branch(kind: str, number: Any, recorded: Any, **columns: Any) -> sa.Select[Any]:
    blank = {
        "happened": _NO_TIME, "what": _NONE, "by": _NONE, "subject": _NONE, "rule": _NONE,
        "point": _NONE, "unit": _NONE, "place": _NONE, "priority": _NO_INT, "value": _NO_FLOAT,
        "title": _NONE, "note_zh": _NONE, "note_en": _NONE,
    }  # fmt: skip
    every = {"kind": sa.literal(kind), "number": number, "recorded": recorded} | blank | columns
    return sa.select(*(every[name].label(name) for name in Row._fields))


def _alarm_lines() -> sa.Select[Any]:
    about = {name: ALARMS.c[name] for name in ("rule", "point", "unit", "place", "title")}
    return _branch(
        "alarm", ALARM_LOG.c.id, ALARM_LOG.c.at, happened=ALARM_LOG.c.source_at,
        what=ALARM_LOG.c.what, by=ALARM_LOG.c.by, subject=ALARM_LOG.c.alarm,
        priority=ALARMS.c.priority, value=ALARM_LOG.c.value,
        note_zh=ALARM_LOG.c.note, note_en=ALARM_LOG.c.note, **about,
    ).join_from(ALARM_LOG, ALARMS, ALARM_LOG.c.alarm == ALARMS.c.id)  # fmt: skip


def _order_lines() -> sa.Select[Any]:
    about = {name: ORDERS.c[name] for name in ("unit", "place", "priority", "title")}
    return _branch(
        "order", MOVES.c.id, MOVES.c.at, what=MOVES.c.after, by=MOVES.c.by,
        subject=MOVES.c.order_id, **about,
    ).join_from(MOVES, ORDERS, MOVES.c.order_id == ORDERS.c.id)  # fmt: skip


def _run_lines() -> sa.Select[Any]:
    return _branch(
        "run", RUN_LOG.c.seq, RUN_LOG.c.at, what=RUN_LOG.c.kind, by=RUN_LOG.c.actor,
        subject=RUN_LOG.c.run, place=RUNS.c.place, title=RUNS.c.title,
        note_zh=RUN_LOG.c.zh, note_en=RUN_LOG.c.en,
    ).join_from(RUN_LOG, RUNS, RUN_LOG.c.run == RUNS.c.id)  # fmt: skip


def _message_lines() -> Iterator[sa.Select[Any]]:
    about = {"subject": MESSAGES.c.id, "priority": MESSAGES.c.priority, "title": MESSAGES.c.title}
    person = {"note_zh": MESSAGES.c.person_name, "note_en": MESSAGES.c.person}
    yield _branch("message", sa.literal(0), MESSAGES.c.at, what=MESSAGES.c.kind, **about, **person)
    yield _branch(
        "message", sa.literal(1), MESSAGES.c.read_at, what=sa.literal("read"),
        by=MESSAGES.c.person, **about, **person,
    ).where(MESSAGES.c.read_at.is_not(None))  # fmt: skip


def _flag_lines() -> Iterator[sa.Select[Any]]:
    about = {
        "subject": FLAGS.c.id,
        "title": FLAGS.c.name,
        "rule": _named("alarm"),
        "point": _named("point"),
        "unit": _named("unit"),
    }
    reason = {"note_zh": FLAGS.c.reason, "note_en": FLAGS.c.reason}
    yield _branch(
        "flag", sa.literal(0), FLAGS.c.since, what=FLAGS.c.kind, by=FLAGS.c.by, **about, **reason
    )
    what = sa.literal("ended-") + FLAGS.c.ended_why
    yield _branch(
        "flag", sa.literal(1), FLAGS.c.ended_at, what=what, by=FLAGS.c.ended_by, **about
    ).where(FLAGS.c.ended_at.is_not(None))


def _named(what: str) -> sa.ColumnElement[str]:
    """Return the name behind "point:…" where a flag is about one, "" elsewhere."""
    prefix = f"{what}:"
    name = sa.func.substr(FLAGS.c.subject, len(prefix) + 1)
    return sa.case((FLAGS.c.subject.startswith(prefix, autoescape=True), name), else_="")


_BRANCHES = (_alarm_lines(), _order_lines(), _run_lines(), *_message_lines(), *_flag_lines())
_ALL = sa.union_all(*_BRANCHES).subquery("line")
_LINE = _ALL.c
_ORDER = (_LINE.recorded, _LINE.kind, _LINE.number, _LINE.subject)


def _filters(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    start, end = (datetime.fromtimestamp(at / 1000, UTC) for at in (wanted.start, wanted.end))
    yield _LINE.recorded >= start
    yield _LINE.recorded < end
    for column, values in (
        (_LINE.kind, wanted.kinds), (_LINE.point, wanted.points), (_LINE.unit, wanted.units),
        (_LINE.rule, wanted.rules), (_LINE.by, wanted.by),
    ):  # fmt: skip
        if values:
            yield column.in_(values)
    if wanted.places:
        yield sa.or_(*(_inside(place) for place in wanted.places))
    if wanted.subject:
        yield _LINE.subject == wanted.subject
    if wanted.text:
        columns = (_LINE.title, _LINE.note_zh, _LINE.note_en, _LINE.what)
        yield sa.or_(*(each.icontains(wanted.text, autoescape=True) for each in columns))


def _inside(place: str) -> sa.ColumnElement[bool]:
    return (_LINE.place == place) | _LINE.place.startswith(f"{place}/", autoescape=True)


def page(engine: sa.Engine, wanted: Wanted, limit: int, offset: int) -> list[Row]:
    """Return lines, the newest first."""
    query = sa.select(_ALL).where(*_filters(wanted))
    query = query.order_by(*(each.desc() for each in _ORDER)).limit(limit).offset(offset)
    with engine.connect() as connection:
        return [Row(*row) for row in connection.execute(query)]


def every(engine: sa.Engine, wanted: Wanted) -> Iterator[list[Row]]:
    """Yield all lines, the oldest first, some at a time; memory holds those alone."""
    query = sa.select(_ALL).where(*_filters(wanted)).order_by(*_ORDER)
    with engine.connect() as connection:
        found = connection.execution_options(yield_per=AT_ONCE).execute(query)
        for some in found.partitions():
            yield [Row(*row) for row in some]


def around(parts: Parts) -> Around:
    """Return what lines need to be understood, as it is now."""
    with parts.read.connect() as connection:
        people = {each.id: each.name for each in SqlPeople(connection).all()}
    edges = {unit.id: edge.id for edge in parts.plant.site.edges for unit in edge.units}
    names = {edge.id for edge in parts.plant.site.edges}

    def edge_of(point: str) -> str:
        unit = point.partition("/")[0]
        return unit if unit in names else edges.get(unit, "")

    return Around(
        {str(name): Text(text.zh, text.en) for name, text in people.items()},
        edge_of,
        lambda messages: channels(parts.read, messages),
        _text,
    )


def channels(engine: sa.Engine, messages: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    """Return by which channels messages went, and where each of them stands."""
    found: dict[str, list[dict[str, Any]]] = {}
    if not messages:
        return found
    query = (
        sa.select(DELIVERIES).where(DELIVERIES.c.message.in_(messages)).order_by(DELIVERIES.c.id)
    )
    with engine.connect() as connection:
        for row in connection.execute(query.order_by(DELIVERIES.c.id)):
            way = {"channel": row.channel, "state": row.state, "at": unix_ms(row.next_at)}
            found.setdefault(row.message, []).append(way)
    return found
