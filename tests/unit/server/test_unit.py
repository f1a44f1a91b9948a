from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlmodel import Session

from server.events import AlarmAcknowledged, AlarmReturned, Event
from server.migrate import upgrade
from server.sql import Instant, open_engines
from server.unit import Reactions, Table, Unit, log_changes
from watchkeeper.ids import AlarmId, PersonId, PointId, UnitId

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SEEN = AlarmAcknowledged(AlarmId("a1"), PersonId("li"), NOON)
OVER = AlarmReturned(AlarmId("a1"), "hot", PointId("u/p"), UnitId("u"), NOON)
NOBODY: Table = dict.fromkeys(Event.__args__, ())


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    engine = open_engines(url).write
    upgrade(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def unit(session: Session, reactions: Reactions) -> Unit:
    return Unit(session, reactions, NOON)


def test_reactions_see_what_other_reactions_cause(session: Session) -> None:
    seen: list[str] = []

    def reactions(unit: Unit) -> Table:
        def acknowledged(_: AlarmAcknowledged) -> None:
            seen.append("acknowledged")
            unit.happened(OVER)

        over = (lambda _: seen.append("over"),)
        return NOBODY | {AlarmAcknowledged: (acknowledged,), AlarmReturned: over}

    one = unit(session, reactions)
    one.happened(SEEN)
    one.react()
    assert seen == ["acknowledged", "over"]
    assert one.seen == [SEEN, OVER]


def test_an_event_without_a_line_in_the_wiring_is_an_error(session: Session) -> None:
    one = unit(session, lambda _: {})
    one.happened(SEEN)
    with pytest.raises(KeyError):
        one.react()


def test_changes_are_numbered_lines_of_the_log(session: Session) -> None:
    one = unit(session, lambda _: NOBODY)
    one.changed("alarm", {"id": "a1"})
    one.changed("order", {"id": "o1"})
    log_changes(session, [one, unit(session, lambda _: NOBODY)])
    session.commit()
    found = session.connection().execute(sa.text("select id, kind, body from change")).all()
    assert [tuple(row) for row in found] == [
        (change.id, change.kind, change.body.decode()) for change in one.changes
    ]


def test_an_instant_keeps_its_zone_and_a_naive_one_is_refused() -> None:
    dialect = sqlite.dialect()
    stored = Instant().process_bind_param(NOON, dialect)
    assert Instant().process_result_value(stored, dialect) == NOON
    with pytest.raises(ValueError, match="naive"):
        Instant().process_bind_param(NOON.replace(tzinfo=None), dialect)
