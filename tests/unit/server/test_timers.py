import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from server import events
from server.migrate import upgrade
from server.sql import open_engines
from server.timers import Action, Clockwork, Timer, Timers
from server.unit import Unit
from server.writer import Writer
from tests.fakes import FixedClock


class Clocked:
    """A writer and a clockwork whose clock the test moves."""

    def __init__(self, engine: sa.Engine, action: Action | None = None) -> None:
        self.fired: list[Timer] = []
        self.clock = FixedClock()
        self.writer = Writer(engine, lambda _: dict.fromkeys(events.Event.__args__, ()), self.clock)
        act = action or (lambda _, timer: self.fired.append(timer))
        self.clockwork = Clockwork(engine, self.writer, self.clock, {"sla": act})

    def set(self, subject: str, in_s: float, generation: int = 1) -> None:
        due = self.clock.now() + timedelta(seconds=in_s)
        timer = Timer("sla", subject, generation, due, {"why": "测试"})
        self.writer.do(lambda unit: Timers(unit).set(timer)).result(5)

    def pass_(self, seconds: float) -> list[str]:
        """Let time go by; return which subjects fired."""
        self.clock.pass_(seconds)
        before = len(self.fired)
        for done in self.clockwork.fire():
            done.exception(5)
        self.writer.do(lambda _: None).result(5)  # who waits for a timer is told by now
        return [timer.subject for timer in self.fired[before:]]

    def close(self) -> None:
        self.clockwork.close()
        self.writer.close()


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_engines(url).write
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clocked(engine: sa.Engine) -> Iterator[Clocked]:
    made = Clocked(engine)
    yield made
    made.close()


def test_a_timer_fires_once_at_its_instant(clocked: Clocked) -> None:
    clocked.set("o1", 10)
    clocked.set("o2", 5)
    assert clocked.pass_(4.9) == []
    assert clocked.pass_(0.1) == ["o2"]
    assert clocked.pass_(100) == ["o1"]
    assert clocked.pass_(100) == []
    assert clocked.fired[0].facts == {"why": "测试"}


def test_setting_it_again_moves_it(clocked: Clocked) -> None:
    clocked.set("o1", 5)
    clocked.set("o1", 50)
    assert clocked.pass_(49) == []
    assert clocked.pass_(1) == ["o1"]


def test_a_cancelled_timer_does_not_fire(clocked: Clocked) -> None:
    clocked.set("o1", 5)
    clocked.set("o1", 6, generation=2)
    clocked.writer.do(lambda unit: Timers(unit).cancel("sla", "o1")).result(5)
    assert clocked.pass_(10) == []


def test_after_a_stop_what_is_due_fires_once(engine: sa.Engine, clocked: Clocked) -> None:
    clocked.set("o1", 5)
    clocked.close()
    later = Clocked(engine)
    later.clock.pass_(1200)
    assert later.pass_(0) == ["o1"]
    assert later.pass_(0) == []
    later.close()


def test_an_action_that_fails_is_tried_again(engine: sa.Engine) -> None:
    tries: list[str] = []

    def act(_: Unit, timer: Timer) -> None:
        tries.append(timer.subject)
        if len(tries) == 1:
            raise ZeroDivisionError

    clocked = Clocked(engine, act)
    clocked.set("o1", 5)
    clocked.pass_(5)
    clocked.pass_(29)
    assert tries == ["o1"]
    clocked.pass_(1)
    assert tries == ["o1", "o1"]
    clocked.close()


def test_the_thread_fires_what_becomes_due(engine: sa.Engine) -> None:
    rang = threading.Event()
    clocked = Clocked(engine, lambda _, __: rang.set())
    clocked.clockwork.start()
    clocked.set("o1", 0)
    assert rang.wait(5)
    clocked.close()
