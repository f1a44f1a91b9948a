"""A storm: 5,000 distinct faults in 10 s from one edge, and a fire after the 2,500th.

    python -m benchmarks.storm [--short | --smoke]

A real broker, the server as a user starts it, a webhook that receives, a viewer on the stream. 84
fire panels of 60 detectors; each fault is an event of its own, acknowledged after its commit.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Final

import httpx
import psutil

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from ops.bench.figure import Figure
from ops.demo import PASSWORD
from ops.observe import Api, Sink
from ops.programs import Program, answers
from server.migrate import upgrade
from server.people import store as people
from server.sql import open_engines
from tests import parts
from watchkeeper import site, topics, wire
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings
from watchkeeper.site import born

CLOCK: Final = SystemClock()
SITE_ID, EDGE = "storm", "storm-1"
PANELS, DETECTORS, BUS = 84, 60, 40  # panels on a bus
FAULTS, SECONDS = 5_000, 10.0
FAULTS_A_STATE = 1_000  # 2 s
FAULT, FIRE = 2.0, 1.0  # words of a detector
# A fault rings at once and is told to people: nothing makes the storm milder.
OVERRIDE = """schema: wk.overrides/1
overrides:
  - {rule: detector-fault, revision: 1, why: a storm, priority: 2, on_delay_s: 0}
"""
LIST_EVERY_S, DONE_S = 0.5, 90.0


@dataclass
class Seen:
    """What was measured, ms and MB."""

    stream_ms: float = 0.0
    webhook_ms: float = 0.0
    list_ms: list[float] = field(default_factory=list)
    rows: int = 0
    messages: int = 0
    grown_mb: float = 0.0
    behind_s: float = 0.0  # the last acknowledgement after the last fault


def measure(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Return the figures of one storm."""
    faults = 200 if options.smoke else FAULTS
    with TemporaryDirectory() as folder:
        seen = _run(settings, Path(folder), faults)
    load = f"{faults:,} faults in {faults * SECONDS / FAULTS:.1f} s, the fire in their midst"
    worst = max(seen.stream_ms, seen.webhook_ms)
    told = f"{load}; stream {seen.stream_ms:.0f}, webhook {seen.webhook_ms:.0f}"
    late = f"{load}; the last acknowledged {seen.behind_s:.1f} s after it was sent"
    return [
        Figure("alarm.storm_fire_ms_max", worst, "ms", 1_000, "<", told),
        Figure("alarm.storm_lost", faults + 1 - seen.rows, "alarms", 1, "<", late),
        Figure("alarm.storm_messages", seen.messages, "messages", 21, "<", load),
        Figure("alarm.storm_rss_mb", seen.grown_mb, "MB", 100, "<", load),
        Figure("alarm.storm_list_ms_max", max(seen.list_ms), "ms", 500, "<", load),
    ]


def _run(settings: Settings, folder: Path, faults: int) -> Seen:
    with ExitStack() as stack:
        mine = placed(settings, folder)
        config = f"listener {mine.mqtt.port} 127.0.0.1\nallow_anonymous true\n"
        stack.enter_context(parts.mosquitto(folder, config, mine.mqtt.port))
        people_of_demo(mine)
        sink = Sink(CLOCK)
        stack.callback(sink.close)
        program = server(mine, sink.url)
        stack.callback(program.stop, 60)
        program.start()
        parts.until(program.ready, "the server is not ready", 60)
        api = Api(mine.server.public_url, "chenlei", PASSWORD, CLOCK)
        stack.callback(api.close)
        edge = _Edge(mine, stack)
        return _stormed(edge, api, sink, program, faults)


def people_of_demo(settings: Settings) -> None:
    """Add those of the demonstration: an operator is told, orders can be offered to somebody."""
    settings.data.mkdir(parents=True)
    engines = open_engines(f"sqlite:///{settings.data / 'watchkeeper.db'}")
    upgrade(engines.write)
    people.seed(engines.write, settings.catalog_folder() / "people/demo.yaml", people.Argon2())
    for engine in set(engines):
        engine.dispose()


def _stormed(edge: "_Edge", api: Api, sink: Sink, program: Program, faults: int) -> Seen:
    process = psutil.Process(program.process.pid if program.process else 0)
    seen, before = Seen(), process.memory_info().rss
    points = [f"panel-{p:03}/detector-{d:02}" for p in range(PANELS) for d in range(1, 61)]
    fire = points.pop(len(points) // 2)
    with _lists(api, seen), _stream(api, fire) as shown:
        sent = edge.storm(points[:faults], fire)
        parts.until(lambda: len(edge.acked) == faults + 1, "not all were acknowledged", DONE_S)
        seen.behind_s = CLOCK.tick() - edge.ended
        parts.until(lambda: bool(shown), "the stream does not show the fire", DONE_S)
        at, _ = sink.wait(lambda body: body.get("subject") == shown[0][1], DONE_S)
    seen.stream_ms, seen.webhook_ms = shown[0][0] - sent, at - sent
    seen.grown_mb = (process.memory_info().rss - before) / 1e6
    seen.rows, seen.messages = edge.rows(), len(sink.received)
    return seen


class _Edge:
    """Publishes events as an edge does, and counts what is acknowledged."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._database = settings.data / "watchkeeper.db"
        plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
        known = born(plant.points())
        self._alias = {str(each.point): each.alias for each in known}
        self._hash = wire.birth_hash(known)
        self.acked, self.ended = set[int](), 0.0
        self._bus = Mqtt("127.0.0.1", settings.mqtt.port, EDGE)
        stack.callback(self._bus.close)
        self._bus.subscribe(topics.down(SITE_ID, EDGE, "ack"), self._acknowledged)
        parts.until(lambda: self._bus.connected, "the edge does not connect", 20)
        self._panels = dict.fromkeys(sorted({each.partition("/")[0] for each in self._alias}), 0.0)
        self._state()
        for part in wire.births(known, boot="b1", software="0", config="c"):
            self._say(f"birth/{part.part}", part)

    def rows(self) -> int:
        """Return of how many points the server has an alarm."""
        engines = open_engines(f"sqlite:///{self._database}")
        query = "select count(distinct point) from alarm where rule like 'detector-f%'"
        with engines.read.connect() as connection:
            found = connection.exec_driver_sql(query).scalar()
        for engine in set(engines):
            engine.dispose()
        return int(found or 0)

    def storm(self, points: list[str], fire: str) -> int:
        """Send a fault of each, evenly, the fire in their midst; return when that left, ms."""
        pause, began, sent = Event(), CLOCK.tick(), 0
        for number, point in enumerate(points):
            pause.wait(max(0.0, began + number * SECONDS / FAULTS - CLOCK.tick()))
            self._event(number + 1, point, FAULT)
            if number % FAULTS_A_STATE == 0:
                self._state()
            if number == len(points) // 2:
                sent = unix_ms(CLOCK.now())
                self._event(len(points) + 1, fire, FIRE)
        self.ended = CLOCK.tick()
        return sent

    def _state(self) -> None:
        """Say that every panel answers."""
        state = wire.State("online", "b1", 1, unix_ms(CLOCK.now()), {}, self._panels)
        self._say("state", state)

    def _event(self, number: int, point: str, value: float) -> None:
        event = wire.Event(
            journal="j1", sequence=number, birth=self._hash, id=f"storm-{number}",
            kind="life_safety", at=unix_ms(CLOCK.now()), synchronised=1, alias=self._alias[point],
            before=0.0, after=value, quality=0,
        )  # fmt: skip
        self._say("event", event)

    def _say(self, lane: str, message: Any) -> None:
        self._bus.publish(topics.up(SITE_ID, EDGE, lane), wire.encode(message))

    def _acknowledged(self, _: str, payload: bytes) -> None:
        for first, last in wire.decode_ack(payload).ok:
            self.acked |= set(range(first, last + 1))


@contextmanager
def _lists(api: Api, seen: Seen) -> Iterator[None]:
    """Ask for the alarm list all the while, as a screen that opens does."""
    stop = Event()

    def ask() -> None:
        while not seen.list_ms or not stop.wait(LIST_EVERY_S):
            began = CLOCK.tick()
            api.get("/alarms", open=True)
            seen.list_ms.append(1_000 * (CLOCK.tick() - began))

    thread = Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _stream(api: Api, point: str) -> Iterator[list[tuple[int, str]]]:
    """Look at the stream; yield when the point's alarm was shown, Unix ms."""
    shown: list[tuple[int, str]] = []
    ready = Event()

    def look() -> None:
        with (
            httpx.Client(
                base_url=api.client.base_url,
                cookies=api.client.cookies,
                timeout=60,
                trust_env=False,
            ) as client,
            client.stream("GET", "/api/v1/stream") as answer,
        ):
            ready.set()
            for line in answer.iter_lines():
                if not line.startswith("data:") or point not in line:
                    continue
                body = json.loads(line[5:])
                if body.get("point") == point:
                    shown.append((unix_ms(CLOCK.now()), body["id"]))
                    return

    Thread(target=look, daemon=True).start()
    ready.wait(20)
    yield shown


def placed(settings: Settings, folder: Path, panels: int = PANELS) -> Settings:
    """Return settings of a site of so many panels, where a fault rings at once."""
    path = folder / "storm.yaml"
    path.write_text(_site(panels), "utf-8")
    catalog = folder / "catalog"
    catalog.mkdir()
    for each in settings.catalog_folder().iterdir():
        if each.name != "overrides":
            (catalog / each.name).symlink_to(each.resolve())
    (catalog / "overrides").mkdir()
    (catalog / f"overrides/{SITE_ID}.yaml").write_text(OVERRIDE, "utf-8")
    api = parts.free_port()
    return settings.model_copy(
        update={
            "data": folder / "var",
            "catalog": catalog,
            "site": path,
            "mqtt": settings.mqtt.model_copy(update={"port": parts.free_port()}),
            "ports": settings.ports.model_copy(update={"api": api}),
            "server": settings.server.model_copy(update={"public_url": f"http://127.0.0.1:{api}"}),
        }
    )


def _site(panels: int) -> str:
    buses = "".join(
        f"      - {{id: fire-{n}, modbus_tcp: {{host: 127.0.0.1, port: {16_000 + n}}}}}\n"
        for n in range(-(-panels // BUS))
    )
    units = "".join(
        f"      - {{id: panel-{n:03}, name: {{zh: {n} 号控制器, en: Panel {n}}},"
        f" profile: fire-panel-gateway, bus: fire-{n // BUS}, unit: {n % BUS + 1}, place: tower/1,"
        f" zones: [{{id: zone-{n:03}, name: {{zh: {n} 区, en: Zone {n}}}, place: tower/1,"
        f" detectors: [1, {DETECTORS}]}}]}}\n"
        for n in range(panels)
    )
    return (
        "schema: wk.site/1\n"
        f"site: {{id: {SITE_ID}, name: {{zh: 风暴, en: Storm}}, time_zone: Asia/Shanghai}}\n"
        "places: [{id: tower, name: {zh: 塔楼, en: Tower}, floors: 1..9}]\n"
        f"edges:\n  - id: {EDGE}\n    buses:\n{buses}    units:\n{units}"
    )


def server(settings: Settings, webhook: str) -> Program:
    """Return the server on such a site, telling people by a webhook."""
    environment = {
        "WATCHKEEPER_DATA": str(settings.data),
        "WATCHKEEPER_CATALOG": str(settings.catalog_folder()),
        "WATCHKEEPER_SITE": str(settings.site),
        "WATCHKEEPER_MQTT__PORT": str(settings.mqtt.port),
        "WATCHKEEPER_PORTS__API": str(settings.ports.api),
        "WATCHKEEPER_SERVER__PUBLIC_URL": settings.server.public_url,
        "WATCHKEEPER_SERVER__WEBHOOK_URL": webhook,
    }
    health = f"{settings.server.public_url}/api/v1/health"
    log = settings.data / "log" / "server.log"
    return Program("server", ["server"], lambda: answers(health), environment, log)
