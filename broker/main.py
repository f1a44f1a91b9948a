"""The embedded broker of a first run: amqtt, on one machine, without accounts.

It keeps nothing over a restart; nothing of ours asks it to (docs/broker.md). A broker for more than
one machine is mosquitto or a cluster: broker/mosquitto.py renders the settings.
"""

import asyncio
import errno
import logging
import signal
import socket
from ipaddress import ip_address

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig

from watchkeeper.errors import ConfigError
from watchkeeper.settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serve on mqtt.host:mqtt.port until SIGTERM or SIGINT.

    Raises ConfigError: the address is in use, or others than this machine could reach it.
    """
    host, port = settings.mqtt.host, settings.mqtt.port
    _check_own(host)
    _check_free(host, port)
    # amqtt logs each packet and each connection that ends at INFO and WARNING.
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    # Whoever only looks whether the port answers is an ERROR to amqtt.
    logging.getLogger("amqtt.broker").addFilter(
        lambda record: not record.getMessage().startswith("No data from")
    )
    asyncio.run(_serve(host, port))
    return 0


async def _serve(host: str, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    broker = Broker(config(host, port))
    await broker.start()
    log.info("embedded broker on %s:%d", host, port)
    await stopped.wait()
    await broker.shutdown()


def config(host: str, port: int) -> BrokerConfig:
    """Return amqtt's settings: one listener, anyone may connect, no $SYS topics, no packet log."""
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return BrokerConfig(
        listeners={"default": ListenerConfig(bind=bind)},
        plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    )


def _check_own(host: str) -> None:
    """Refuse what others could reach: there are no accounts, and who connects may say anything."""
    try:
        own = host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name; nobody knows where it leads tomorrow
        own = False
    if not own:
        raise ConfigError(
            where="mqtt.host",
            what=f"{host} is no loopback address, and the embedded broker has no accounts",
            fix="set mqtt.host to 127.0.0.1, or run mosquitto for more machines (docs/broker.md)",
        )


def _check_free(host: str, port: int) -> None:
    """Say in our words what amqtt would log as a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                where="mqtt.port",
                what=f"{host}:{port} is in use"
                if error.errno == errno.EADDRINUSE
                else f"{host}:{port} cannot be bound: {error.strerror}",
                fix="stop the other broker or set mqtt.port",
            ) from error
