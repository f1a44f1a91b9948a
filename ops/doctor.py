"""`watchkeeper doctor`: configuration, ports, broker, store: what is wrong and how to mend it."""

import argparse
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event

from adapters.mqtt import Mqtt

from adapters.history import open_history
from adapters.system_clock import SystemClock
from ops import catalog
from ops.programs import listens
from watchkeeper import site
from watchkeeper.errors import ConfigError, WatchkeeperError
from watchkeeper.settings import Settings

ENOUGH_BYTES = 1_000_000_000  # a month of a small site and room for the journals


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    fine: bool
    fact: str
    fix: str = ""


def arguments(_: argparse.ArgumentParser, __: str) -> None:
    """No options of its own."""


def run(settings: Settings, _: argparse.Namespace, __: str) -> int:
    """Look at everything; return 0 when all is fine, 1 when something is not."""
    findings = list(examine(settings))
    for finding in findings:
        print(f"{'ok  ' if finding.fine else 'MEND'} {finding.what}: {finding.fact}")
        if not finding.fine:
            print(f"     -> {finding.fix}")
    return 0 if all(finding.fine for finding in findings) else 1


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what is found, in the order in which one would mend it."""
    look: tuple[Callable[[Settings], Finding], ...] = (_site, _catalog, _disk)
    for each in look:
        yield each(settings)
    running = listens("127.0.0.1", settings.ports.api)
    for name, port in (("API", settings.ports.api), ("dashboard", settings.ports.dashboard)):
        yield _port(name, port, running=running)
    yield _broker(settings)
    yield _store(settings)


def _site(settings: Settings) -> Finding:
    try:
        plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    except ConfigError as error:
        return Finding("site file", fine=False, fact=f"{error.where}: {error.what}", fix=error.fix)
    fact = f"{settings.site_file()}: {len(plant.units())} units, {len(plant.points())} points"
    return Finding("site file", fine=True, fact=fact)


def _catalog(settings: Settings) -> Finding:
    folder = settings.catalog_folder()
    files = sorted(folder.rglob("*.yaml"))
    wrong = [str(error) for path in files if (error := catalog.mistake(path, folder))]
    if wrong:
        fix = "watchkeeper catalog check lists all; correct the lines named"
        return Finding("catalog", fine=False, fact=wrong[0], fix=fix)
    return Finding("catalog", fine=bool(files), fact=f"{len(files)} files", fix="reinstall")


def _disk(settings: Settings) -> Finding:
    settings.data.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data).free
    fact = f"{free / 1e9:.1f} GB free under {settings.data}"
    fix = f"free {ENOUGH_BYTES / 1e9:.0f} GB there, or choose another folder with --data"
    return Finding("disk", fine=free >= ENOUGH_BYTES, fact=fact, fix=fix)


def _port(name: str, port: int, *, running: bool) -> Finding:
    if running:
        taken = listens("127.0.0.1", port)
        fix = f"the API answers but nothing listens on {port}: start `watchkeeper {name.lower()}`"
        return Finding(f"port of the {name}", fine=taken, fact=f"{port} answers", fix=fix)
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            fix = "stop the program that has it, or choose another in [ports]"
            return Finding(f"port of the {name}", fine=False, fact=f"{port}: {error}", fix=fix)
    return Finding(f"port of the {name}", fine=True, fact=f"{port} is free")


def _broker(settings: Settings) -> Finding:
    where = f"{settings.mqtt.host}:{settings.mqtt.port}"
    if not listens(settings.mqtt.host, settings.mqtt.port):
        fix = "start `watchkeeper broker` or mosquitto there, or correct [mqtt] host and port"
        return Finding("broker", fine=False, fact=f"nothing listens on {where}", fix=fix)
    password = settings.mqtt.password
    bus = Mqtt(
        settings.mqtt.host,
        settings.mqtt.port,
        client_id="doctor",
        username=settings.mqtt.username,
        password=password.get_secret_value() if password else "",
    )
    granted = Event()
    bus.on_connect(granted.set)
    fine = bus.connected or granted.wait(5.0)
    bus.close()
    fix = "check the user name, WATCHKEEPER_MQTT__PASSWORD and the broker's own log"
    fact = f"{where} accepts us" if fine else f"{where} does not let us in"
    return Finding("broker", fine=fine, fact=fact, fix=fix)


def _store(settings: Settings) -> Finding:
    try:
        plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
        history = open_history(settings, plant.site.site.id, SystemClock(), writable=False)
        known = len(history.points())
        history.close()
    except WatchkeeperError as error:
        fix = "embedded: start `watchkeeper gateway` once; influx: check [history] url and its log"
        return Finding("history store", fine=False, fact=str(error), fix=fix)
    return Finding("history store", fine=True, fact=f"{settings.history.store}: {known} points")
