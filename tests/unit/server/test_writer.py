import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from server import events
from server.migrate import upgrade
from server.sql import open_engines
from server.unit import Change, Unit
from server.writer import Turn, Writer
from tests.fakes import FixedClock


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_engines(url).write
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def published() -> list[Change]:
    return []


@pytest.fixture
def writer(engine: sa.Engine, published: list[Change]) -> Iterator[Writer]:
    writer = Writer(
        engine, lambda _: dict.fromkeys(events.Event.__args__, ()), FixedClock(), published.extend
    )
    yield writer
    writer.close()


def rows(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("select kind from change order by id")).scalars())


def held(writer: Writer) -> threading.Event:
    """Keep the writer busy, so that what follows waits in the queue."""
    gate, busy = threading.Event(), threading.Event()

    def hold(_: Unit) -> None:
        busy.set()
        gate.wait(5)

    writer.do(hold)
    busy.wait(5)
    return gate


def test_the_most_urgent_goes_first(writer: Writer) -> None:
    done: list[str] = []

    def note(word: str) -> Callable[[Unit], Any]:
        return lambda _: done.append(word)

    gate = held(writer)
    writer.do(note("person"))
    writer.do(note("fault"), Turn.EVENT)
    last = writer.do(note("second person"))
    writer.do(note("fire"), Turn.LIFE_SAFETY)
    gate.set()
    last.result(5)
    assert done == ["fire", "fault", "person", "second person"]


def test_a_failing_unit_leaves_nothing_behind_and_hurts_no_other(
    writer: Writer, engine: sa.Engine
) -> None:
    def fails(unit: Unit) -> None:
        unit.changed("bad", {})
        raise ZeroDivisionError

    gate = held(writer)
    bad, good = writer.do(fails), writer.do(lambda unit: unit.changed("good", {}))
    gate.set()
    good.result(5)
    with pytest.raises(ZeroDivisionError):
        bad.result(5)
    assert rows(engine) == ["good"]


def test_a_group_is_published_in_the_order_of_its_ids(
    writer: Writer, published: list[Change]
) -> None:
    gate = held(writer)
    for number in range(5):
        last = writer.do(lambda unit, n=number: unit.changed(f"k{n}", {"n": n}))
    gate.set()
    last.result(5)
    assert [change.kind for change in published] == ["k0", "k1", "k2", "k3", "k4"]
    assert [change.id for change in published] == sorted(change.id for change in published)


def test_who_asked_is_answered_after_the_commit_and_after_memory_followed(
    writer: Writer, engine: sa.Engine
) -> None:
    seen: list[list[str]] = []

    def work(unit: Unit) -> None:
        unit.changed("alarm", {})
        unit.afterwards(lambda: seen.append(rows(engine)))

    writer.do(work).result(5)
    assert seen == [["alarm"]]


def test_a_step_after_the_commit_that_fails_stops_nothing(writer: Writer) -> None:
    def work(unit: Unit) -> int:
        unit.afterwards(lambda: 1 // 0)
        return 7

    assert writer.do(work).result(5) == 7
    assert writer.do(lambda _: 8).result(5) == 8


def test_a_database_that_refuses_the_commit_is_told_to_all_who_asked(
    writer: Writer, engine: sa.Engine
) -> None:
    gate = held(writer)
    asked = [writer.do(lambda unit: unit.changed("alarm", {})) for _ in range(2)]

    @sa.event.listens_for(engine, "commit", once=True)
    def full(_: sa.Connection) -> None:
        raise OSError("disk full")

    gate.set()
    for one in asked:
        with pytest.raises(OSError, match="disk full"):
            one.result(5)
    assert writer.do(lambda _: "alive").result(5) == "alive"
    assert rows(engine) == []


def test_close_finishes_what_waits(engine: sa.Engine) -> None:
    writer = Writer(engine, lambda _: {}, FixedClock())
    asked = [writer.do(lambda unit: unit.changed("alarm", {})) for _ in range(120)]
    writer.close()
    assert all(one.done() for one in asked)
    assert len(rows(engine)) == 120
