"""`watchkeeper demo`: a simulated building and the whole product, started by one command."""

import argparse
import json
import shutil
import signal
from functools import partial
from pathlib import Path

from adapters.system_clock import SystemClock
from ops.observe import Building, Missed, Sink
from ops.programs import DidNotStart, Program, Supervisor, answers, check_free, listens
from watchkeeper import site, texts
from watchkeeper.settings import Ports, Settings

PASSWORD = "watch-the-house"  # noqa: S105 - of the demonstration's accounts, printed at start
ACCOUNTS = ("chenlei", "wangqiang", "liumin", "zhaoyan", "admin")


def arguments(parser: argparse.ArgumentParser, _: str) -> None:
    """Add the options of the demonstration."""
    parser.add_argument("--port-base", type=int, help="API at N, dashboard N+1, broker N+2, …")
    parser.add_argument("--reset", action="store_true", help="forget what earlier runs stored")
    parser.add_argument("--headless", action="store_true", help="no dashboard banner; for scripts")
    parser.add_argument("--story", action="store_true", help="play the story, then end")
    parser.add_argument("--scenario", default="", help="play this one, and nothing else happens")
    parser.add_argument("--json", type=Path, help="write the story's rows to this file")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same building")
    parser.add_argument("--language", choices=["zh", "en"], default="en", help="of what is printed")


def run(settings: Settings, options: argparse.Namespace, _: str) -> int:
    """Start everything, say where it is, keep it running until Ctrl-C."""
    if options.reset and settings.data.exists():
        shutil.rmtree(settings.data)
    settings = placed(settings, options.port_base)
    check_ports(settings)
    clock = SystemClock()
    say = texts.load(settings.catalog_folder() / "i18n")
    sink = Sink(clock) if options.story else None
    programs = Supervisor(
        the_programs(
            settings,
            seed=options.seed,
            lively=not (options.story or options.scenario),
            sink=sink,
        ),
        clock,
    )
    signal.signal(signal.SIGTERM, lambda *_: programs.finish())
    signal.signal(signal.SIGINT, lambda *_: programs.finish())

    def told(name: str, seconds: float) -> None:
        print(
            say("demo.started", options.language, name=name, seconds=f"{seconds:.1f}"), flush=True
        )

    try:
        print(say("demo.starting", options.language, data=settings.data), flush=True)
        programs.start(told)
        past(settings, options.seed).start()
        if options.story:
            from ops.story.main import play  # noqa: PLC0415 - the story's needs are its own

            return play(settings, programs, sink, options.json)
        ready(settings, options, say)
        programs.watch()
    except DidNotStart as error:
        print(error)
        return 1
    finally:
        print(say("demo.stopping", options.language), flush=True)
        programs.stop()
        if sink is not None:
            sink.close()
    return 0


def ready(settings: Settings, options: argparse.Namespace, say: texts.Texts) -> None:
    """Say where the product is, and what will happen."""
    print(
        say(
            "demo.ready",
            options.language,
            address=settings.server.public_url,
            accounts=", ".join(ACCOUNTS),
            password=PASSWORD,
            happens=begin(settings, options, say),
            logs=settings.data / "log",
        ),
        flush=True,
    )


def begin(settings: Settings, options: argparse.Namespace, say: texts.Texts) -> str:
    """Let the building play what was asked for; return what will happen, or why nothing does."""
    if not options.scenario:
        return say("demo.lively", options.language)
    building = Building(settings.ports.simulators)
    try:
        name = building.play(options.scenario)["name"][options.language]
    except Missed as error:
        return str(error)
    finally:
        building.close()
    return say("demo.playing", options.language, name=name)


def placed(settings: Settings, port_base: int | None) -> Settings:
    """Return the settings with all ports moved to `port_base`, and a site file that agrees."""
    settings.data.mkdir(parents=True, exist_ok=True)
    if port_base is None:
        return settings
    ports = Ports(api=port_base, dashboard=port_base + 1, simulators=port_base + 3)
    moved = settings.data / "site.yaml"
    text = settings.site_file().read_text("utf-8")
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    for number, bus in enumerate(bus for edge in plant.site.edges for bus in edge.buses):
        if (tcp := bus.modbus_tcp or bus.gb26875) is not None:
            text = text.replace(f"port: {tcp.port}}}", f"port: {port_base + 5 + number}}}")
    moved.write_text(text, "utf-8")
    return settings.model_copy(
        update={
            "site": moved,
            "ports": ports,
            "mqtt": settings.mqtt.model_copy(update={"port": port_base + 2}),
            "server": settings.server.model_copy(
                update={"public_url": f"http://127.0.0.1:{port_base + 1}"}
            ),
        }
    )


def check_ports(settings: Settings) -> None:
    """Raise ConfigError when another program has one of our ports."""
    for name, port in (
        ("ports.dashboard", settings.ports.dashboard),
        ("ports.api", settings.ports.api),
        ("mqtt.port", settings.mqtt.port),
        ("ports.simulators", settings.ports.simulators),
    ):
        check_free(name, "127.0.0.1", port)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return the settings as WATCHKEEPER_… variables for the programs."""
    found = {
        "WATCHKEEPER_DATA": str(settings.data),
        "WATCHKEEPER_SITE": str(settings.site),
        "WATCHKEEPER_PORTS__DASHBOARD": str(settings.ports.dashboard),
        "WATCHKEEPER_PORTS__API": str(settings.ports.api),
        "WATCHKEEPER_PORTS__SIMULATORS": str(settings.ports.simulators),
        "WATCHKEEPER_MQTT__HOST": settings.mqtt.host,
        "WATCHKEEPER_MQTT__PORT": str(settings.mqtt.port),
        "WATCHKEEPER_SERVER__PUBLIC_URL": settings.server.public_url,
        "WATCHKEEPER_SERVER__WEBHOOK_URL": settings.server.webhook_url,
        "WATCHKEEPER_HISTORY__THIN_AFTER_H": "24" if settings.history.store == "embedded" else "0",
        "OMP_NUM_THREADS": "1",  # numpy's own threads would only stand in each other's way
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    return found | more


def the_programs(
    settings: Settings, *, seed: int, lively: bool, sink: Sink | None
) -> list[Program]:
    """Return the programs of the demonstration in the order of their start."""
    if sink is not None:
        settings = settings.model_copy(
            update={"server": settings.server.model_copy(update={"webhook_url": sink.url})}
        )
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    edge = plant.site.edges[0]
    host, broker = settings.mqtt.host, settings.mqtt.port
    api = f"http://127.0.0.1:{settings.ports.api}"
    health = f"{api}/api/v1/health"
    # In the story the edge's link can be cut: a proxy of the simulators stands in it.
    link = settings.ports.simulators + 1 if sink is not None else broker

    def program(name: str, *words: str, ready: object, **more: str) -> Program:
        if not callable(ready):
            raise TypeError(name)
        return Program(
            name, words, ready, environment(settings, **more), settings.data / "log" / f"{name}.log"
        )

    lively_words = ("--lively",) if lively else ()
    return [
        program("broker", "broker", ready=partial(listens, host, broker)),
        program(
            "simulators", "simulate", "--seed", str(seed), *lively_words,
            ready=partial(_simulated, settings, link),
        ),
        program("gateway", "gateway", ready=partial(_exists, settings, plant.site.site.id)),
        program(
            "edge", "edge", "--edge", edge.id,
            ready=(settings.data / "edge" / edge.id / "data.db").exists,
            WATCHKEEPER_MQTT__PORT=str(link),
        ),
        # After the edge, so that it is stopped before it: an edge that is ended is no alarm.
        program("server", "server", "--demo", ready=partial(_flowing, health, edge.id)),
        program(
            "dashboard", "dashboard",
            ready=partial(
                answers, f"http://127.0.0.1:{settings.ports.dashboard}/api/v1/health"
            ),
        ),
    ]  # fmt: skip


def past(settings: Settings, seed: int) -> Program:
    """Return the import of last month: it ends by itself, in the background."""
    return Program(
        "past",
        ["simulate", "--seed", str(seed), "--history", "last-month"],
        lambda: True,
        environment(settings),
        settings.data / "log" / "past.log",
    )


def _exists(settings: Settings, site_id: str) -> bool:
    return (settings.data / "history" / f"{site_id}.db").exists()


def _simulated(settings: Settings, link: int) -> bool:
    """Return whether the building answers; put the proxy into the edge's link when there is one."""
    if not listens("127.0.0.1", settings.ports.simulators):
        return False
    if link != settings.mqtt.port:
        building = Building(settings.ports.simulators)
        building.link("forward", f"{settings.mqtt.host}:{settings.mqtt.port}", link)
        building.close()
    return True


def _flowing(health: str, edge: str) -> bool:
    """Return whether the server hears the edge."""
    import httpx  # noqa: PLC0415 - with the programs, not with --help

    try:
        found = json.loads(httpx.get(health, timeout=2.0, trust_env=False).content)
    except (httpx.HTTPError, ValueError):
        return False
    return bool(found.get("edges", {}).get(edge, {}).get("state") == "online")
