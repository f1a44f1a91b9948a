import logging

import pytest

from server.edges import Edges
from server.latest import Latest
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.unit.server.emergency.cast import CATALOG
from watchkeeper import site
from watchkeeper.clock import unix_ms
from watchkeeper.ids import PointId


class Watch:
    """Edges on a bus, and what they signalled."""

    def __init__(self, *, connected: bool) -> None:
        self.clock, self.said = FixedClock(), list[tuple[str, bool | None]]()
        plant = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
        latest = Latest(plant, unix_ms(self.clock.now()))
        self.edges = Edges("riverside", latest, self.clock, self.hear)
        self.edges.listen(FakeBus(connected=connected))

    def hear(self, rule: str, _: PointId, so: bool | None) -> None:  # noqa: FBT001 - a Signal
        self.said.append((rule, so))

    def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.pass_(1)
            self.edges.look()


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "server.edges")


def test_a_broker_that_is_there_is_good_news_told_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(connected=True)
    watch.pass_(3)
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("INFO", "the broker is there")
    ]
    assert watch.said == [("broker-lost", False)]


def test_nothing_is_said_of_a_broker_that_never_answered_until_it_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = Watch(connected=False)
    watch.pass_(30)
    assert (caplog.records, watch.said) == ([], [])
    watch.pass_(1)
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("WARNING", "the broker is lost")
    ]
    assert watch.said == [("broker-lost", True)]
