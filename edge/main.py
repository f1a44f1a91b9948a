"""The edge program: polls the devices of one edge of the site and publishes what they say."""

import asyncio
import hashlib
import logging
import secrets
import signal
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import uvloop

from adapters import log as logs
from adapters import machine, secret
from adapters.channels.edge_mail import EdgeMail
from adapters.channels.edge_notice import ANSWER_S, EdgeNotice
from adapters.channels.mail import Mail
from adapters.mqtt import Mqtt, Will, connection
from adapters.system_clock import SystemClock
from edge import health
from edge.agent import Agent, Means
from edge.alone import Route
from edge.plan import PERIODS_S
from edge.publish import Self
from watchkeeper import site, texts, wire
from watchkeeper.bus import Bus
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings
from watchkeeper.wire import State

log = logging.getLogger(__name__)


def run(settings: Settings, edge: str, *, strict: bool = False) -> int:
    """Run the edge until SIGTERM or SIGINT; return 0.

    Args:
        settings: Site, catalog, broker and data folder.
        edge: Which edge of the site.
        strict: Refuse to start where a device would be left out.

    Raises ConfigError: the site file or the edge's name does not make sense.
    """
    logs.start()
    profiles = settings.catalog_folder() / "profiles"
    plant = site.load(settings.site_file(), profiles, strict=strict)
    described = plant.edge(edge)
    for each in plant.left_out_of(described):
        log.error("device left out", extra=each.facts)
    points = site.born(plant.points(described))
    me = Self(
        plant.site.site.id,
        edge,
        secrets.token_hex(4),
        _software(),
        config_hash(settings.site_file()),
        points,
        wire.birth_hash(points),
    )
    means = Means(
        SystemClock(),
        lambda: secrets.randbits(74),
        lambda: secrets.token_hex(4),
        settings.data / "edge" / edge,
        PERIODS_S,
        machine.clock_synchronised,
        lambda: (machine.cpu_s(), machine.memory_bytes()),
        _routes(settings, described),
    )
    uvloop.run(_main(settings, lambda buses: Agent(plant, described, me, means, buses), me, means))
    return 0


def _routes(settings: Settings, edge: site.Edge) -> list[Route]:
    """Return the other ways to tell somebody that the site file names.

    Raises ConfigError: there are addresses and no relay.
    """
    named, clock, routes = edge.alone, SystemClock(), list[Route]()
    if named is None or not (named.webhook or named.mail):
        return routes
    words = texts.load(settings.catalog_folder() / "i18n")
    if named.webhook:
        signing = secret.key(settings.data / "secrets", "webhook")
        routes.append(EdgeNotice(named.webhook, signing, clock, words, edge.id))
    if named.mail and not settings.smtp.host:
        raise ConfigError(
            where=str(settings.site_file()),
            what=f"alone.mail: edge `{edge.id}` has no relay to send mail by",
            fix="set `smtp.host` in the configuration of this edge, or remove the addresses",
        )
    mail = Mail(settings.smtp, clock, answer_s=ANSWER_S)
    return [*routes, *(EdgeMail(mail, each, clock, words, edge.id) for each in named.mail)]


def config_hash(site_file: Path) -> str:
    """Return the 16 hex digits that name the site file the edge runs on."""
    return hashlib.sha256(site_file.read_bytes()).hexdigest()[:16]


def _software() -> str:
    try:
        return version("watchkeeper")
    except PackageNotFoundError:
        return "checkout"


async def _main(
    settings: Settings, agent: Callable[[tuple[Bus, Bus]], Agent], me: Self, means: Means
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    buses = (_bus(settings, me, means, "", loop), _bus(settings, me, means, ".data", loop))
    log.info(
        "edge starts",
        extra={"edge": me.edge, "points": len(me.points), "birth": me.birth, "boot": me.boot},
    )
    made, metrics = agent(buses), settings.ports.metrics
    server = await health.serve(made.metrics, metrics) if metrics else None
    try:
        await made.run(stop)
    finally:
        if server is not None:
            server.close()
        for bus in buses:
            await loop.run_in_executor(None, bus.close)
    log.info("edge stopped", extra={"edge": me.edge})


def _bus(
    settings: Settings, me: Self, means: Means, tail: str, loop: asyncio.AbstractEventLoop
) -> Mqtt:
    def will(connection: int) -> Will:
        state = State("lost", me.boot, connection, unix_ms(means.clock.now()))
        return me.up("state"), wire.encode(state), True

    return connection(
        settings.mqtt, me.edge + tail, username=me.edge, will=None if tail else will, loop=loop
    )
