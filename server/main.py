"""Start the server: open database, buses and store, and serve the API until told to stop."""

import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from types import FrameType

import uvicorn
from typing_extensions import override

from adapters import log as logs
from adapters import mqtt, secret
from adapters.channels.mail import Mail
from adapters.channels.webhook import Webhook
from adapters.history import open_history
from adapters.report import excel, pdf
from adapters.system_clock import SystemClock
from server.alone import Alone
from server.compose import Outside, Server
from server.migrate import upgrade
from server.outward import Outward
from server.parts import Printer
from server.past import Past
from server.people import store as people
from server.people.model import Person
from server.sql import Engines, open_engines
from server.state import State
from watchkeeper import ids, site, texts
from watchkeeper.channel import Channel
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.documents import Text
from watchkeeper.export import Piece, Sheet
from watchkeeper.ids import NewId, PersonId
from watchkeeper.settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings, *, demo: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; 0 when asked to stop, 1 when the port is taken.

    Args:
        settings: Everything configured.
        demo: Make the demonstration's accounts when there are none, and say so on every screen.

    Raises ConfigError: the site, a profile, a rule or [history] does not make sense.
    """
    logs.start()
    engines = _database(settings)
    with Alone(engines.write):
        return _run(settings, engines, demo=demo)


def _run(settings: Settings, engines: Engines, *, demo: bool) -> int:
    clock = SystemClock()
    site_id = site.load(settings.site_file(), settings.catalog_folder() / "profiles").site.site.id
    history = Past(partial(open_history, settings, site_id, clock, writable=False))
    state = State(site_id, secrets.token_hex(8), clock)
    events = _connect(settings, f"server-{site_id}", state)
    live = _connect(settings, f"server-{site_id}-data", None)
    outside = Outside(
        engines,
        events,
        live,
        history,
        clock,
        _names(clock),
        _printers(settings),
        {"parquet": _parquet},
        _outward(settings, clock),
        demo=demo,
    )
    server = Server(settings, outside)
    if demo:
        accounts = settings.catalog_folder() / "people/demo.yaml"
        people.seed(outside.engines.write, accounts, outside.outward.passwords)
    state.tell_on(events)
    server.listen()
    server.start()
    try:
        return _serve(settings, server)
    finally:
        state.close()
        server.close()


class _Uvicorn(uvicorn.Server):
    """Ends the streams before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._server = server

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._server.hub.close_soon()
        super().handle_exit(sig, frame)


def _serve(settings: Settings, server: Server) -> int:
    config = uvicorn.Config(
        server.app,
        host=settings.server.host,
        port=settings.ports.api,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    running = _Uvicorn(config, server)
    log.info("API on http://%s:%d", settings.server.host, settings.ports.api)
    running.run()
    return 0 if running.started else 1


def _connect(settings: Settings, name: str, state: State | None) -> mqtt.Mqtt:
    return mqtt.connection(settings.mqtt, name, will=state.will if state else None)


def _database(settings: Settings) -> Engines:
    settings.data.mkdir(parents=True, exist_ok=True)
    path = (settings.data / "watchkeeper.db").resolve()
    return open_engines(settings.server.database or f"sqlite:///{path}")


def _outward(settings: Settings, clock: Clock) -> Outward:
    """Return the channels that are configured and the keys of this installation."""
    keys = settings.data / "secrets"
    channels: list[Channel] = []
    if url := settings.server.webhook_url:
        channels.append(Webhook(url, secret.key(keys, "webhook"), clock))
    if settings.smtp.host:
        channels.append(Mail(settings.smtp, clock))
    return Outward(channels, secret.key(keys, "links"))


def add_account(
    settings: Settings, account: str, name: str, roles: Sequence[str], password: str
) -> None:
    """Add an account; the server may be running.

    Raises:
        NotPossible: the name is the platform's own, or the password is too short.
        Refused: there is an account of this name.
    """
    engines = _database(settings)
    upgrade(engines.write)
    person = Person(PersonId(account), Text(name, name), frozenset(roles))
    people.create_account(engines.write, person, password, people.Argon2())
    for engine in set(engines):
        engine.dispose()


def _printers(settings: Settings) -> dict[str, Printer]:
    words = texts.load(settings.catalog_folder() / "i18n")
    return {"pdf": pdf.printer(words, settings.report.font), "xlsx": excel.printer(words)}


def _parquet(pieces: Iterable[Piece], about: Sheet) -> Iterator[bytes]:
    from adapters.parquet import parquet  # noqa: PLC0415 - 30 MB that most servers never need

    return parquet(pieces, about)


def _names(clock: Clock) -> NewId:
    return lambda prefix: ids.sortable(prefix, unix_ms(clock.now()), secrets.randbits(48))
