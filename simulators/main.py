"""Simulated hardware: every bus of the site as a Modbus TCP server (`watchkeeper simulate`)."""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from adapters.system_clock import SystemClock
from simulators import modbus_server, technicians, transmitter
from simulators.building import Building
from simulators.extras import Extras
from simulators.fault_proxy import Proxies
from simulators.scenarios.control import Control
from simulators.scenarios.lively import Lively
from simulators.scenarios.script import Player
from simulators.scenarios.stage import Stage
from simulators.technicians import World
from watchkeeper import site
from watchkeeper.clock import unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings

TICK_S = 0.1
_log = logging.getLogger(__name__)


def extras_file(settings: Settings) -> Extras:
    """Return what scenarios added to loads at this site, kept under the data folder."""
    return Extras(settings.data / "simulators" / "extras.json")


def run(
    settings: Settings,
    *,
    seed: int,
    story_port: int | None = None,
    lively: bool = False,
    scenario: str = "",
) -> int:
    """Simulate the site until SIGTERM or SIGINT; return the exit code.

    Args:
        settings: Site, catalog, data folder, where the API of the server answers.
        seed: Everything by chance follows from it.
        story_port: Open the control port (scenarios/control.py) here; 0 takes a free one.
        lively: Let things go wrong by themselves, and simulated technicians repair them.
        scenario: Play this one from the start: a name of the catalog, or a file.
    """
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    for each in plant.left_out:
        _log.error("device left out", extra=each.facts)
    clock = SystemClock()

    def now_ms() -> int:
        return unix_ms(clock.now())

    building = Building(plant, seed=seed, start_ms=now_ms(), extras=extras_file(settings))
    # The power came back and a repair was done while this program was away.
    building.supply.failed.clear()
    player = Player(Stage(building), settings.catalog_folder() / "scenarios")
    if scenario:
        script = player.begin(scenario, now_ms())
        _log.info("playing %s, %.0f s", script.name.en, script.requests()[-1][0])
    life = Lively(seed, now_ms()) if lively else None
    world = _world(settings, player.stage, now_ms) if lively else None
    asyncio.run(until_stopped(player, life, story_port, world, now_ms))
    return 0


def _world(settings: Settings, stage: Stage, now_ms: Callable[[], int]) -> World:
    """Return what simulated technicians need: where the API is, and hands to repair with."""
    home = urlsplit(settings.server.public_url)
    return World(
        api=f"http://{settings.server.host}:{settings.ports.api}",
        origin=f"{home.scheme}://{home.netloc}",
        fix=lambda unit: _fix(stage, unit, now_ms()),
        now_ms=now_ms,
    )


async def serve(building: Building) -> list[asyncio.Server]:
    """Open every bus of the site. ConfigError: a port is taken."""
    servers = []
    for edge in building.plant.site.edges:
        for bus in edge.buses:
            where = bus.modbus_tcp
            if where is None:
                continue  # see transmitter.py; serial lines are not simulated
            try:
                made = await modbus_server.serve(
                    building.bus(bus.id), where.host, where.port, building.lines[bus.id]
                )
            except OSError as error:
                raise _taken(f"bus {bus.id}", where.host, where.port, error) from error
            servers.append(made)
            _log.info("bus %s answers on %s:%s", bus.id, where.host, where.port)
    return servers


def _taken(name: str, host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        where=name,
        what=f"{host}:{port} cannot be opened: {error.strerror}",
        fix="stop what holds the port, or choose another in the site file or the settings",
    )


async def until_stopped(
    player: Player,
    life: Lively | None,
    story_port: int | None,
    world: World | None,
    now_ms: Callable[[], int],
) -> None:
    """Answer on every bus and let time pass until SIGTERM or SIGINT; see `run`."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    building = player.stage.building
    async with AsyncExitStack() as stack:
        for server in await serve(building):
            stack.callback(server.close)
        if story_port is not None:
            proxies = Proxies(building.seed)
            stack.push_async_callback(proxies.close)
            try:
                control = await Control(player, proxies, now_ms).serve(story_port)
            except OSError as error:
                raise _taken("control port", "127.0.0.1", story_port, error) from error
            stack.callback(control.close)
            _log.info("control port %s", control.sockets[0].getsockname()[1])
        works = [_live(player, life, now_ms), *transmitter.lines(building)]
        tasks = [asyncio.create_task(work) for work in works]
        if world is not None:
            tasks.append(asyncio.create_task(technicians.work(world)))
        ended = asyncio.create_task(stopped.wait())
        await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # it never ends by itself: raise what ended it
            task.cancel()
        ended.cancel()


async def _live(player: Player, life: Lively | None, now_ms: Callable[[], int]) -> None:
    stage = player.stage
    while True:
        stage.advance(now_ms())
        due = player.due(now_ms()) + (life.due(stage, now_ms()) if life else [])
        for request in due:
            stage.play(request, now_ms())
            _log.info("%s %s%s", request.name, request.unit, " is over" if request.clear else "")
        await asyncio.sleep(TICK_S)


def _fix(stage: Stage, unit: str, at_ms: int) -> None:
    for cause in stage.fix(unit, at_ms):
        _log.info("%s %s is repaired", cause.name, cause.unit)
