"""Whether the platform keeps up: what the gateways and the server's own queues say.

Under overload the edges keep telemetry in their journals and send it again; events have a lane of
their own and are not touched. A new trouble is a line of TROUBLES and a rule with `signal: true` in
catalog/rules/platform.yaml.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NamedTuple

from server.edges import Signal
from server.gateways import Gateways, Said
from watchkeeper.clock import Clock
from watchkeeper.ids import PointId

WINDOW_S: Final = 60.0  # counters are judged by how much they rose in it
AWAY_S: Final = 10.0  # a store may be away for so long before it is an overload
FULL: Final = 0.5  # of a queue
WRITER_LONG: Final = 1_000  # units of work that wait: about half a second's
ASIDE_HIGH: Final = 100  # readings put aside a minute: rising
ASIDE_LOW: Final = 20  # and no longer


class Reason(NamedTuple):
    """One thing that does not keep up."""

    what: str  # gateway-queue, gateway-drops, store-away, live-queue, live-drops, writer-queue
    where: str  # the gateway's name, or "server"
    value: float  # messages, units of work or seconds
    limit: float


class Own(NamedTuple):
    """The server's own queues."""

    live_waiting: int  # messages
    live_most: int
    live_dropped: int  # since start
    writer_waiting: int  # units of work


@dataclass(frozen=True, slots=True)
class Picture:
    """How things are now; None: nobody knows."""

    reasons: Sequence[Reason] = ()
    known: bool = False  # a gateway is there, and its counters have been watched for long enough
    lost: bool | None = None  # no gateway is there
    store_away: bool | None = None
    aside_rises: bool | None = None

    @property
    def overloaded(self) -> bool | None:
        """Return whether anything does not keep up."""
        return True if self.reasons else False if self.known else None


class Trouble(NamedTuple):
    """What is signalled to which rule."""

    rule: str
    point: PointId
    so: Callable[[Picture], bool | None]


TROUBLES: Final = (
    Trouble("gateway-lost", PointId("server/gateways"), lambda now: now.lost),
    Trouble("history-away", PointId("history/store"), lambda now: now.store_away),
    Trouble("quarantine-rising", PointId("history/quarantine"), lambda now: now.aside_rises),
    Trouble("platform-overloaded", PointId("server/load"), lambda now: now.overloaded),
)


class Rise:
    """By how much counters rose within the window; one that begins again begins at 0."""

    def __init__(self, now: float) -> None:
        """Watch from now on."""
        self._since, self._last = now, dict[str, tuple[str, float]]()
        self._steps = deque[tuple[float, str, float]]()  # tick, whose, by how much

    def take(self, whose: str, boot: str, value: float, now: float) -> None:
        """Take a counter; the first figure of each is where its watch begins."""
        was = self._last.get(whose)
        self._last[whose] = boot, value
        if was is None:
            return
        step = value - (was[1] if was[0] == boot else 0.0)
        if step > 0:
            self._steps.append((now, whose, step))

    def of(self, whose: str, now: float) -> float:
        """Return by how much one rose within the window."""
        self._forget(now)
        return sum(step for _, name, step in self._steps if name == whose)

    def all(self, now: float) -> float:
        """Return by how much all rose together."""
        self._forget(now)
        return sum(step for _, _, step in self._steps)

    def watched(self, now: float) -> bool:
        """Return whether a whole window has been seen."""
        return now - self._since >= WINDOW_S

    def _forget(self, now: float) -> None:
        while self._steps and now - self._steps[0][0] > WINDOW_S:
            self._steps.popleft()


class Overload:
    """Looked at by the sweep; tells the alarms what changed, and all of it once after a start."""

    def __init__(
        self, gateways: Gateways, own: Callable[[], Own], clock: Clock, signal: Signal
    ) -> None:
        """`own` tells of the server's queues, `signal` reaches the alarms."""
        self._gateways, self._own, self._clock, self._signal = gateways, own, clock, signal
        self._told: dict[str, bool | None] = {}
        self._aside_rises: bool | None = None
        self._now = Picture()
        self._lock = Lock()
        self._live = Rise(clock.tick())
        self._watch_anew()

    def look(self) -> None:
        """Judge everything, now; once a second."""
        with self._lock:
            self._gateways.look()
            self._now = now = self._pictured()
            for trouble in TROUBLES:
                so = trouble.so(now)
                if self._told.get(trouble.rule) is not so:
                    self._told[trouble.rule] = so
                    self._signal(trouble.rule, trouble.point, so)

    @property
    def now(self) -> Picture:
        """Return how things were at the last look."""
        return self._now

    def show(self) -> dict[str, Any]:
        """Return {gateways, overloaded, reasons} for the health page."""
        return {
            "gateways": self._gateways.show(),
            "overloaded": bool(self._now.reasons),
            "reasons": [reason._asdict() for reason in self._now.reasons],
        }

    def _watch_anew(self) -> None:
        now = self._clock.tick()
        self._drops, self._aside = Rise(now), Rise(now)
        self._away_since: dict[str, float] = {}
        self._aside_rises = None

    def _pictured(self) -> Picture:
        there, now = self._gateways.there(), self._clock.tick()
        mine = self._of_server(now)
        if not there:
            self._watch_anew()
            return Picture(mine, lost=self._gateways.lost)
        reasons = [reason for said in there for reason in self._of_gateway(said, now)]
        return Picture(
            [*reasons, *mine],
            known=self._drops.watched(now),
            lost=False,
            store_away=any(said.health.get("store_away") for said in there),
            aside_rises=self._judged_aside(now),
        )

    def _of_gateway(self, said: Said, now: float) -> list[Reason]:
        health, name = said.health, said.name
        self._drops.take(name, said.boot, health.get("dropped", 0), now)
        put_aside = health.get("quarantined", 0) + health.get("refused", 0)
        self._aside.take(name, said.boot, put_aside, now)
        if not health.get("store_away"):
            self._away_since.pop(name, None)
        away_s = now - self._away_since.setdefault(name, now) if health.get("store_away") else 0.0
        most = FULL * health.get("queue_limit", float("inf"))
        return _beyond(
            Reason("gateway-queue", name, health.get("queued", 0), most),
            Reason("gateway-drops", name, self._drops.of(name, now), 0),
            Reason("store-away", name, round(away_s, 1), AWAY_S),
        )

    def _of_server(self, now: float) -> list[Reason]:
        own, where = self._own(), "server"
        self._live.take(where, "", own.live_dropped, now)
        return _beyond(
            Reason("live-queue", where, own.live_waiting, FULL * own.live_most),
            Reason("live-drops", where, self._live.of(where, now), 0),
            Reason("writer-queue", where, own.writer_waiting, WRITER_LONG),
        )

    def _judged_aside(self, now: float) -> bool | None:
        """Return whether too much is put aside; between the two limits as before."""
        rate = self._aside.all(now)
        if rate > ASIDE_HIGH:
            self._aside_rises = True
        elif rate <= ASIDE_LOW and self._aside.watched(now):
            self._aside_rises = False
        return self._aside_rises


def _beyond(*figures: Reason) -> list[Reason]:
    return [figure for figure in figures if figure.value > figure.limit]
