"""The server put together; the outside world is handed in, so tests hand in fakes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI

from server import duty, http, plans, rules, site_api, subjects, wiring
from server.acks import Acks
from server.alarms import handlers as alarms
from server.alarms import store as alarm_store
from server.alarms.api import here
from server.backtest_api import backtest_routes
from server.births import Births
from server.buses import Buses
from server.completeness_api import completeness_routes
from server.edges import Edges
from server.event_lane import EventLane
from server.gateways import Gateways
from server.guard import Guard, origins
from server.history_api import history_routes
from server.incidents_api import incident_routes
from server.journal_api import journal_routes
from server.kpi_api import kpi_routes
from server.late import Late
from server.latest import Latest
from server.live_lane import QUEUE, LiveLane
from server.migrate import upgrade
from server.outward import Outward
from server.overload import Overload, Own
from server.parts import Parts, Printer
from server.past import Past
from server.quarantine_api import quarantine_routes
from server.reactions import Sure
from server.replay_api import replay_routes
from server.rulebook import store as rulebook
from server.rules_here import text_of
from server.sql import Engines
from server.stream import Hub
from server.subjects import Worker
from server.supervision_api import supervision_routes
from server.sweep import Judge, Sweep
from server.timers import Clockwork
from server.unit import Unit
from server.watching import Watching
from server.why_api import why_routes
from server.writer import Writer
from watchkeeper import site, texts
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import Unreachable
from watchkeeper.export import Write
from watchkeeper.ids import NewId, PointId
from watchkeeper.settings import Settings
from watchkeeper.site import Plant

REACTION_FAILED = "reaction-failed"  # the rule of the alarm about it
ANSWER_S = 10.0  # a person waits so long for a commit

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the server stands on."""

    engines: Engines
    events: Bus  # two connections: a full data window never holds an event back
    live: Bus
    history: Past
    clock: Clock
    new_id: NewId
    printers: Mapping[str, Printer] = field(default_factory=dict)
    writers: Mapping[str, Write] = field(default_factory=dict)
    outward: Outward = field(default_factory=Outward)
    demo: bool = False  # a demonstration: every screen says so


class Server:
    """Everything between the buses and the API, on one site."""

    def __init__(self, settings: Settings, outside: Outside) -> None:
        """Bring the database up to date and build; nothing runs before `start`."""
        upgrade(outside.engines.write)
        self._outside = outside
        self.parts = _parts(settings, outside)
        self.hub = Hub(outside.engines.read, self.parts.latest)
        self.writer = Writer(
            outside.engines.write, wiring.reactions(self.parts), outside.clock, self.hub.publish
        )
        sure = Sure(self.writer, wiring.essential(self.parts), partial(_failed, self.parts))
        actions = subjects.actions(self.parts)
        self.timers = Clockwork(outside.engines.read, self.writer, outside.clock, actions, sure.do)
        self._ingest(sure)
        self._workers: list[Worker] = [
            self.late, self.live_lane, self.timers, self.sweep, outside.history,
        ]  # fmt: skip
        self._workers += subjects.workers(self.parts, self.writer)
        self.app = self._app(settings)

    def listen(self) -> None:
        """Subscribe on the buses."""
        self.edges.listen(self._outside.events)
        self.gateways.listen(self._outside.events)
        self.event_lane.listen(self._outside.events)
        self.live_lane.listen(self._outside.live)
        self.late.listen(self._outside.live)

    def start(self) -> None:
        """Let the threads work: what waited in the tables, then what comes in."""
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Stop in the order in which work flows; what is committed is kept."""
        self._outside.events.close()
        self._outside.live.close()
        for worker in self._workers:
            worker.close()
        self.writer.close()
        for engine in set(self._outside.engines):
            engine.dispose()

    def do(self, work: Callable[[Unit], Any]) -> Any:
        """Hand a person's command to the writer and wait for its commit."""
        try:
            return self.writer.do(work).result(ANSWER_S)
        except TimeoutError as error:
            raise Unreachable("server.busy", seconds=ANSWER_S) from error

    def _ingest(self, sure: Sure) -> None:
        parts, outside, name = self.parts, self._outside, self.parts.plant.site.site.id
        latest, watching, clock = parts.latest, parts.watching, parts.clock
        judge = Judge(parts.rules, watching, sure, clock, parts.new_id)
        acks = Acks(name, outside.events)
        self.writer.on_commit(acks.flush)
        lost_s = parts.plant.site.site.supervision_s
        self.edges = Edges(name, latest, clock, judge.signal, lost_s)
        self.event_lane = EventLane(
            name,
            latest,
            watching,
            Births(name, latest, outside.events.publish, clock),
            acks,
            sure,
            clock,
            parts.new_id,
        )
        self.births = Births(name, latest, outside.live.publish, clock)
        self.late = Late(
            name, parts.rules, latest, watching, outside.history, parts.read, self.writer,
            sure, clock, parts.new_id,
        )  # fmt: skip
        self.live_lane = LiveLane(
            name, latest, watching, self.births, sure, clock, parts.new_id, self.late
        )
        self.gateways = Gateways(clock)
        self.overload = Overload(self.gateways, self._queues, clock, judge.signal)
        buses = Buses(parts.plant, latest, judge.signal)
        self.sweep = Sweep(
            parts.rules,
            latest,
            watching,
            self.edges,
            buses,
            self.overload,
            self.writer,
            clock,
            judge,
        )

    def _queues(self) -> Own:
        lane = self.live_lane
        return Own(lane.waiting(), QUEUE, lane.dropped, self.writer.waiting())

    def _app(self, settings: Settings) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            self.hub.attach(asyncio.get_running_loop())
            yield

        app = FastAPI(
            title="Watchkeeper",
            version=site_api.VERSION,
            lifespan=lifespan,
            openapi_url="/api/openapi.json",
            docs_url=None,
            redoc_url=None,
        )
        app.state.who = subjects.who(self.parts, self.do)
        http.install(app)
        app.add_middleware(Guard, allowed=origins(settings.server.public_url))
        parts = self.parts
        for router in (
            site_api.site_routes(parts, demo=self._outside.demo),
            history_routes(parts),
            incident_routes(parts, self.do),  # before /alarms/{alarm}
            kpi_routes(parts),
            journal_routes(parts),
            why_routes(parts, self.edges),
            backtest_routes(parts, text_of(parts)),
            supervision_routes(parts, self.edges),
            duty.duty_routes(parts, self.edges, self._outside.events),
            replay_routes(parts, self.edges, self._outside.events),
            quarantine_routes(parts, self.gateways, self.births, self._outside.events),
            completeness_routes(parts, self.births),
            site_api.health_routes(self._outside.events, self.edges, parts.history, self.overload),
            site_api.stream_routes(
                self.hub, partial(subjects.snapshot, parts, self.do), subjects.own
            ),
            *subjects.routers(parts, self.do),
        ):
            app.include_router(router, prefix="/api/v1", dependencies=[Depends(http.storable)])
        for router in subjects.pages(parts, self.do):
            app.include_router(router)
        return app


def _parts(settings: Settings, outside: Outside) -> Parts:
    catalog = settings.catalog_folder()
    plant = site.load(settings.site_file(), catalog / "profiles")
    for each in plant.left_out:
        log.error("device left out", extra=each.facts)
    with outside.engines.read.connect() as connection:
        approved = {key: each.text for key, each in rulebook.approved(connection).items()}
    book = rules.load(catalog / "rules", plant, approved)
    latest = _latest(plant, outside)
    states = alarm_store.states(outside.engines.read)
    return Parts(
        settings=settings,
        plant=plant,
        rules=book,
        texts=texts.load(catalog / "i18n"),
        clock=outside.clock,
        new_id=outside.new_id,
        read=outside.engines.read,
        latest=latest,
        watching=Watching(plant, book.watches.values(), states, latest),
        history=outside.history,
        printers=outside.printers,
        writers=outside.writers,
        outward=outside.outward,
        plans=plans.load(catalog / "plans"),
    )


def _latest(plant: Plant, outside: Outside) -> Latest:
    """Return the newest values, beginning with what the history store has that is still fresh."""
    now = unix_ms(outside.clock.now())
    latest = Latest(plant, now)
    if history := outside.history.get():
        try:
            latest.prime(history.latest(latest.names).values(), now)
        except Unreachable as error:
            log.warning("the newest values are not known yet", extra=dict(error.facts))
    return latest


def _failed(parts: Parts, unit: Unit, _: BaseException) -> None:
    """Make the failure of a reaction an alarm of its own."""
    if REACTION_FAILED in parts.rules.rules:
        watch = parts.rules.signal(REACTION_FAILED, PointId("server/reactions"))
        alarms.notice(watch, unit.now, here(unit, parts.new_id))
