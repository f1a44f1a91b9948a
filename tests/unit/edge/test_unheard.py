"""When the edge says that nobody stores what it sends."""

import logging

import pytest

from edge.unheard import UNHEARD_S, Unheard
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus


class Lane:
    """A lane that hears nothing since an instant."""

    def __init__(self) -> None:
        self.clock, self.bus, self.since = FixedClock(), FakeBus(), 0.0
        self.unheard = Unheard("event", self.bus, self.silence_s, self.clock)
        self.unheard.look()

    def silence_s(self) -> float:
        return self.clock.tick() - self.since

    def pass_(self, seconds: float) -> bool:
        for _ in range(round(seconds)):
            self.clock.pass_(1)
            self.unheard.look()
        return self.unheard.now


def test_silence_is_a_fault_after_a_while_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    lane = Lane()
    assert not lane.pass_(UNHEARD_S - 1)
    assert lane.pass_(100)
    lane.since = lane.clock.tick()
    assert not lane.pass_(1)
    assert [(each.levelno, each.message) for each in caplog.records] == [
        (logging.ERROR, "no acknowledgement: nobody stores what is sent, all of it is kept"),
        (logging.WARNING, "acknowledged again"),
    ]


def test_what_waits_through_an_outage_of_the_broker_is_not_unheard() -> None:
    lane = Lane()
    lane.bus.lose()
    assert not lane.pass_(600)
    lane.bus.come_back()
    assert not lane.pass_(UNHEARD_S)
    assert lane.pass_(2), "but it is when nobody takes it now"


def test_a_new_connection_is_a_new_chance() -> None:
    lane = Lane()
    for _ in range(5):
        assert not lane.pass_(UNHEARD_S - 1)
        lane.bus.lose()
        lane.bus.come_back()
