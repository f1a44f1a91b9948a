"""`watchkeeper doctor`: configuration, ports, broker, store: what is wrong and how to mend it."""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import httpx

from adapters.history import open_history
from adapters.mqtt import connection
from adapters.system_clock import SystemClock
from ops import catalog
from ops.programs import check_free, listens
from watchkeeper import site
from watchkeeper.errors import ConfigError, Unreachable
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
    look: list[Callable[[Settings], Finding]] = [_site, _catalog, _disk]
    if settings.server.database:
        look.append(_database)
    for each in look:
        yield each(settings)
    yield from _ports(settings)
    yield _broker(settings)
    yield _store(settings)


def _site(settings: Settings) -> Finding:
    try:
        profiles = settings.catalog_folder() / "profiles"
        plant = site.load(settings.site_file(), profiles, strict=True)
    except ConfigError as error:
        if not error.others:
            fact, fix = f"{error.where}: {error.what}", error.fix
        else:
            fact, fix = "\n     ".join(error.lines), "correct the lines named"
        return Finding("site file", fine=False, fact=fact, fix=fix)
    fact = f"{settings.site_file()}: {len(plant.units())} units, {len(plant.points())} points"
    return Finding("site file", fine=True, fact=fact)


def _catalog(settings: Settings) -> Finding:
    folder = settings.catalog_folder()
    files = sorted(folder.rglob("*.yaml"))
    wrong = [error for path in files if (error := catalog.mistake(path, folder))]
    if wrong:
        lines = dict.fromkeys(line for error in wrong for line in error.lines)
        fix = "correct the lines named, then `watchkeeper catalog check`"
        return Finding("catalog", fine=False, fact="\n     ".join(lines), fix=fix)
    return Finding("catalog", fine=bool(files), fact=f"{len(files)} files", fix="reinstall")


def _disk(settings: Settings) -> Finding:
    fix = f"free {ENOUGH_BYTES / 1e9:.0f} GB there, or choose another folder with --data"
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data):
            free = shutil.disk_usage(settings.data).free
    except OSError as error:
        fact = f"{settings.data} cannot be written: {error.strerror}"
        return Finding("disk", fine=False, fact=fact, fix=fix)
    fact = f"{free / 1e9:.1f} GB free under {settings.data}"
    return Finding("disk", fine=free >= ENOUGH_BYTES, fact=fact, fix=fix)


def _database(settings: Settings) -> Finding:
    from server.sql import open_engines  # noqa: PLC0415 - an edge box has no database driver

    try:
        for engine in open_engines(settings.server.database):
            engine.dispose()
    except ConfigError as error:
        return Finding("database", fine=False, fact=error.what, fix=error.fix)
    return Finding("database", fine=True, fact="lets us in")


def _ports(settings: Settings) -> Iterator[Finding]:
    """Yield whether our ports are free, or ours already and all edges are heard."""
    ports = settings.ports
    health = _health(f"http://127.0.0.1:{ports.api}/api/v1/health")
    if health is None:
        yield _free("API", ports.api, "ports.api")
        yield _free("dashboard", ports.dashboard, "ports.dashboard")
        return
    yield Finding("port of the API", fine=True, fact=f"{ports.api} is answered by our server")
    there = listens("127.0.0.1", ports.dashboard)
    yield Finding(
        "port of the dashboard",
        fine=there,
        fact=f"{ports.dashboard} {'answers' if there else 'is silent'}",
        fix="start `watchkeeper dashboard`",
    )
    lost = [edge for edge, seen in health["edges"].items() if seen["state"] != "online"]
    yield Finding(
        "edges",
        fine=not lost,
        fact=f"not heard: {', '.join(lost)}" if lost else f"{len(health['edges'])} heard",
        fix="start `watchkeeper edge` there; check its line, user name and password, and its log",
    )
    yield from _load(health)


def _load(health: dict[str, Any]) -> Iterator[Finding]:
    """Yield whether readings are stored, and whether all keep up."""
    gateways = health.get("gateways", {})
    there = [name for name, seen in gateways.items() if seen["state"] == "online"]
    yield Finding(
        "gateways",
        fine=bool(there),
        fact=f"heard: {', '.join(there)}" if there else "none is heard",
        fix="start `watchkeeper gateway`; check its user name and password, and its log",
    )
    slow = [f"{each['what']} of {each['where']}" for each in health.get("reasons", [])]
    yield Finding(
        "load",
        fine=not slow,
        fact=f"overloaded: {', '.join(slow)}" if slow else "all keep up",
        fix="see docs/quarantine.md; add a gateway, or read fewer points less often",
    )


def _health(url: str) -> dict[str, Any] | None:
    """Return what our server says of itself, None when it is not ours that answers."""
    try:
        found = httpx.get(url, timeout=2.0, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    return found if isinstance(found, dict) and "edges" in found else None


def _free(name: str, port: int, key: str) -> Finding:
    try:
        check_free(key, "127.0.0.1", port)
    except ConfigError as error:
        return Finding(f"port of the {name}", fine=False, fact=error.what, fix=error.fix)
    return Finding(f"port of the {name}", fine=True, fact=f"{port} is free")


def _broker(settings: Settings) -> Finding:
    where = f"{settings.mqtt.host}:{settings.mqtt.port}"
    if not listens(settings.mqtt.host, settings.mqtt.port):
        fix = "start `watchkeeper broker` or mosquitto there, or correct [mqtt] host and port"
        return Finding("broker", fine=False, fact=f"nothing listens on {where}", fix=fix)
    bus = connection(settings.mqtt, "doctor")
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
    except ConfigError as error:
        return Finding(
            "history store", fine=False, fact=f"{error.where}: {error.what}", fix=error.fix
        )
    except Unreachable as error:
        fact = "{where}: {what}".format(**error.facts)
        fix = "embedded: mend the file's rights or its disk; influx: check [history] and its log"
        return Finding("history store", fine=False, fact=fact, fix=fix)
    return Finding("history store", fine=True, fact=f"{settings.history.store}: {known} points")
