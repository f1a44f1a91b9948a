from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from server import wiring
from server.events import DeliveryExhausted, Event, OrderOpened, RunStarted
from server.unit import Unit
from tests.fakes_server import House, house
from watchkeeper.documents import Text
from watchkeeper.ids import AlarmId, OrderId, PersonId, RunId, UnitId

TEXT = Text("消防", "Fire")


@pytest.fixture
def here(folder: Path) -> Iterator[House]:
    with house(folder) as made:
        made.birth()
        yield made


def test_every_event_has_a_line_in_both_tables(here: House) -> None:
    def work(unit: Unit) -> None:
        assert set(wiring.reactions(here.server.parts)(unit)) == set(get_args(Event))
        assert set(wiring.essential(here.server.parts)(unit)) == set(get_args(Event))

    here.server.writer.do(work).result(5)


def test_an_alarm_shows_its_order_and_its_run(here: House) -> None:
    here.event("fire-panel/detector-07", 3.0)
    alarm, now = AlarmId(here.alarm("detector-disabled")["id"]), here.clock.now()
    table = wiring.reactions(here.server.parts)
    opened = OrderOpened(OrderId("o1"), alarm, UnitId("u"), 1, TEXT, "tower-a", "fire", now)
    started = RunStarted(RunId("r1"), "fire", TEXT, "tower-a", "L1", "actual", (alarm,), now)

    def work(unit: Unit) -> None:
        for event in (opened, started):
            table(unit)[type(event)][0](event)

    here.server.writer.do(work).result(5)
    shown = here.alarm("detector-disabled")
    assert (shown["order"], shown["run"]) == ("o1", "r1")


def test_that_nobody_can_be_reached_is_an_alarm_of_its_own(here: House) -> None:
    gone = DeliveryExhausted(PersonId("li"), "ord_1", ("webhook",), here.clock.now())
    for _ in range(2):
        here.server.writer.do(lambda unit: unit.happened(gone)).result(5)
    alarm = here.alarm("delivery-exhausted")
    assert (alarm["title"]["en"], alarm["count"]) == ("li cannot be reached", 2)
