"""The gateway: from the broker's data lane into the history store, acknowledging what is stored."""

import logging
import secrets
import signal
from threading import Event
from typing import Final

from adapters import log as logs
from adapters.history import open_history
from adapters.mqtt import connection
from adapters.system_clock import SystemClock
from gateway.ingest import EVERYTHING, Ingest
from gateway.loop import Loop
from gateway.presence import Presence
from gateway.rerun import Reruns
from gateway.thinning import Housekeeping
from watchkeeper import ids
from watchkeeper.bus import Bus
from watchkeeper.clock import Clock, unix_ms
from watchkeeper.errors import ConfigError
from watchkeeper.history import History
from watchkeeper.settings import HistorySettings, Settings
from watchkeeper.site import outline
from watchkeeper.topics import all_up, rerun, shared

STATE_S: Final = 10.0
GROUP: Final = "gateways"  # of shared subscriptions
LISTEN_S: Final = 0.5  # for the retained states of other gateways, once connected

log = logging.getLogger(__name__)


def run(settings: Settings, name: str) -> int:
    """Serve until SIGTERM or SIGINT.

    Raises ConfigError: another gateway serves this broker or writes this store.
    """
    logs.start()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = SystemClock()
    site = outline(settings.site_file()).site.id
    history = open_history(settings, site, clock, writable=True)
    try:
        presence = Presence(name, ids.uuid7(unix_ms(clock.now()), secrets.randbits(74)), clock)
        bus = connection(settings.mqtt, f"gateway-{name}", will=presence.will)
        try:
            serve(bus, history, presence, clock, site=site, stop=stop, kept=settings.history)
        finally:
            bus.close()
    finally:
        history.close()
    return 0


def serve(  # noqa: PLR0913 - composition
    bus: Bus,
    history: History,
    presence: Presence,
    clock: Clock,
    *,
    site: str,
    stop: Event,
    kept: HistorySettings = EVERYTHING,
) -> None:
    """Store what edges of the site send until `stop` is set.

    Raises ConfigError: another gateway is online, and this broker and store cannot have two.
    """
    connected = Event()
    presence.listen(bus)
    bus.on_connect(connected.set)
    while not connected.wait(0.2):
        if stop.is_set():
            return
    stop.wait(LISTEN_S)
    # Without shared subscriptions (the embedded broker has none that work) each gateway gets
    # everything: two would do all work twice and, with the embedded store, fight over its file.
    together = bus.shares and history.many_writers
    if not together and (rival := presence.rival()):
        raise ConfigError(
            where="gateway",
            what=f"gateway `{rival}` serves this broker",
            fix="stop one of the two; several need MQTT 5 with shared subscriptions and InfluxDB",
        )
    ingest = Ingest(history, bus.publish, clock, kept)
    housekeeping = Housekeeping(ingest.births, history, clock, kept)
    reruns = Reruns(ingest, history, clock)
    loop = Loop(ingest, clock, [housekeeping.look, reruns.look])
    loop.start()
    bus.subscribe(all_up("birth", site), loop.receive_birth)
    bus.subscribe(all_up("oldbirth", site), loop.receive_birth)
    for topic, receive in ((all_up("data", site), loop.receive), (rerun(site), reruns.receive)):
        bus.subscribe(shared(topic, GROUP) if together else topic, receive)
    bus.on_connect(lambda: presence.tell(bus, loop.health()))
    log.info("gateway serves", extra={"site": site})
    try:
        while not stop.wait(STATE_S):
            presence.tell(bus, loop.health())
    finally:
        loop.close()
        presence.leave(bus)
