"""A whole server on a real database between fake buses, in the hands of a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from server.alarms import api as alarms
from server.compose import Outside, Server
from server.http import User
from server.outward import Outward
from server.past import Past
from server.people.store import seed
from server.sql import open_engines
from server.writer import Turn
from tests import databases
from tests.fakes import FixedClock
from tests.fakes_bus import FakeBus
from tests.fakes_dispatch import PlainPasswords
from watchkeeper import topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.export import Write
from watchkeeper.history import History
from watchkeeper.ids import PersonId, PointId
from watchkeeper.quality import Quality, is_bad
from watchkeeper.settings import Settings
from watchkeeper.site import born

SITE, EDGE, JOURNAL = "riverside", "plant-b1", "j1"
SESSION = "session-of-chenlei"
CHENLEI = User(PersonId("chenlei"), "陈磊", frozenset({"operator"}))
ORIGIN = "http://127.0.0.1:8501"
BROWSER = {
    "Cookie": f"wk_session={SESSION}; wk_csrf=token",
    "X-CSRF": "token",
    "Origin": ORIGIN,
}


class House:
    """The demo site's server; the test plays edge, broker and clock."""

    writers: ClassVar[Mapping[str, Write]] = {}  # of files, beside CSV

    def __init__(
        self,
        folder: Path,
        history: History | None = None,
        database: str = "",
        outward: Outward | None = None,
        *,
        demo: bool = False,
        site: str = "riverside-plaza",
    ) -> None:
        self.folder, self.history, self.site = folder, history, Path(site)
        self.outward, self.demo = outward or Outward(), demo
        self.database = database or databases.at(folder)
        self.clock = FixedClock()
        self.numbers = count(1)
        self.names = count(1)
        self.attended = True  # a gateway says every second that it is there
        self.open()

    def open(self) -> None:
        """Start a server on the folder, as after a restart."""
        self.bus, self.live = FakeBus(), FakeBus()
        engines = open_engines(self.database)
        outside = Outside(
            engines, self.bus, self.live, Past(self.opened), self.clock,
            lambda prefix: f"{prefix}_{next(self.names):06}", outward=self.outward,
            demo=self.demo, writers=self.writers,
        )  # fmt: skip
        self.server = Server(Settings(data=self.folder, site=self.site), outside)
        self.server.listen()
        self.sessions = {SESSION: CHENLEI}
        self.server.app.state.who = self.sessions.get
        points = born(self.server.parts.plant.points())
        self.alias = {point.point: point.alias for point in points}
        self.hash = wire.birth_hash(points)
        self.births = list(wire.births(points, boot="b1", software="0", config="c"))

    def opened(self) -> History:
        if self.history is None:
            raise Unreachable("history.unreachable", what="none", where="here")
        return self.history

    def populate(self) -> None:
        """Make the accounts of the demonstration."""
        catalog = self.server.parts.settings.catalog_folder()
        engines = open_engines(self.database)
        seed(engines.write, catalog / "people/demo.yaml", PlainPasswords())
        for engine in set(engines):
            engine.dispose()

    def close(self) -> None:
        self.server.close()

    def ms(self, seconds: float = 0) -> int:
        """Return the clock's now, moved by seconds, in Unix ms."""
        return unix_ms(self.clock.now() + timedelta(seconds=seconds))

    def say(self, lane: str, message: Any, bus: FakeBus | None = None) -> None:
        (bus or self.bus).deliver(topics.up(SITE, EDGE, lane), wire.encode(message))

    def birth(self) -> None:
        """Explain all aliases, on both lanes."""
        for part in self.births:
            self.say(f"birth/{part.part}", part)
            self.live_says(f"birth/{part.part}", part)

    def event(
        self, point: str, value: float | None, *, ago_s: float = 0, **more: Any
    ) -> wire.Event:
        """Send a change of a point and wait until it is decided."""
        number = next(self.numbers)
        facts = {
            "journal": JOURNAL, "sequence": number, "birth": self.hash, "id": f"event-{number}",
            "kind": "life_safety", "at": self.ms(-ago_s), "synchronised": 1,
            "alias": self.alias[point], "before": None, "after": value,
            "quality": Quality.NO_ANSWER if value is None else Quality.GOOD,
        }  # fmt: skip
        event = wire.Event(**(facts | more))
        self.say("event", event)
        self.settle()
        return event

    def snapshot(self, values: Mapping[str, float | None], *, ago_s: float = 0) -> None:
        now = [
            (self.alias[p], v, int(Quality.NO_ANSWER if v is None else Quality.GOOD))
            for p, v in values.items()
        ]
        self.say("event", wire.Snapshot(self.hash, self.ms(-ago_s), 1, "life_safety", now))
        self.settle()

    def data(
        self, point: str, *readings: tuple[float, float | None], mode: Any = "live", **more: Any
    ) -> None:
        """Send readings (seconds from now, value or None) of one point on the live lane."""
        start = self.ms(readings[0][0])
        bad = [(i, int(Quality.NO_ANSWER)) for i, (_, v) in enumerate(readings) if v is None]
        facts = {
            "journal": JOURNAL, "sequence": 1, "birth": self.hash, "mode": mode, "start": start,
            "synchronised": 1, "aliases": [self.alias[point]] * len(readings),
            "offsets": [self.ms(s) - start for s, _ in readings],
            "values": [v or 0.0 for _, v in readings], "qualities": bad,
        }  # fmt: skip
        assert all(is_bad(quality) for _, quality in bad)
        self.live_says("data", wire.Data(**(facts | more)))
        self.settle()

    def live_says(self, lane: str, message: Any) -> None:
        """Judge a message of the live lane at once, without its thread."""
        self.server.live_lane.take(topics.up(SITE, EDGE, lane), wire.encode(message))

    def state(
        self,
        word: Any,
        boot: str = "b1",
        connection: int = 1,
        ages: Mapping[str, float] | None = None,
        health: Mapping[str, float] | None = None,
    ) -> None:
        """Let the edge say how it is, and how long ago its units answered."""
        state = wire.State(
            word, boot, connection, self.ms(), dict(health or {}), dict(ages or {})
        )  # fmt: skip
        self.say("state", state)
        self.settle()

    def gateway(
        self, word: Any = "online", name: str = "gateway-1", boot: str = "g1", **health: float
    ) -> None:
        """Let a gateway say how it is."""
        state = wire.State(word, boot, 1, self.ms(), health)
        self.bus.deliver(topics.program_state("gateway", name), wire.encode(state))

    def pass_(self, seconds: float) -> None:
        """Let time go by: due timers fire, the sweep looks."""
        self.clock.pass_(seconds)
        if self.attended:
            self.gateway()
        for done in self.server.timers.fire():
            done.result(5)
        self.server.sweep.look()
        self.settle()

    def settle(self) -> None:
        """Wait until everything handed to the writer is decided and acknowledged."""
        for _ in range(2):  # the second group begins when all of the first is told
            self.server.writer.do(lambda _: None, Turn.PERSON).result(5)

    def alarms(self, *, only_open: bool = True) -> list[dict[str, Any]]:
        return alarms.shown(self.server.parts.read, only_open=only_open)

    def alarm(self, rule: str, point: str = "") -> dict[str, Any]:
        """Return the one open alarm of a rule."""
        (found,) = [a for a in self.alarms() if a["rule"] == rule and a["point"].endswith(point)]
        return found

    def acks(self) -> list[wire.Ack]:
        return [wire.decode_ack(payload) for payload in self.bus.sent("down/ack")]

    def value(self, point: str) -> float | None:
        return self.server.parts.latest.value_of(PointId(point))


@contextmanager
def house(
    folder: Path,
    history: History | None = None,
    database: str = "",
    *,
    demo: bool = False,
    site: str = "riverside-plaza",
) -> Iterator[House]:
    """Give a house and close it."""
    made = House(folder, history, database, demo=demo, site=site)
    try:
        yield made
    finally:
        made.close()
