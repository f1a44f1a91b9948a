"""The MQTT broker behind the `Bus` port, on paho-mqtt 2.

A thread of our own supervises: it makes a fresh paho client for every connection, serves it until
it ends and waits a jittered back-off. So sessions are clean, nothing is queued in memory over a
reconnect (what must not be lost waits in a journal) and the will may carry the connection's number.
"""

import logging
import random
import socket
import ssl
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Final, TypeAlias

from paho.mqtt.client import (
    MQTT_ERR_SUCCESS,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    topic_matches_sub,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from typing_extensions import override

from adapters.backoff import Backoff
from adapters.system_clock import SystemClock
from adapters.tls import trusted
from watchkeeper import settings
from watchkeeper.bus import Bus, Receive, Version

Will: TypeAlias = tuple[str, bytes, bool]  # topic, payload, retain

IN_FLIGHT: Final = 1000  # PUBACKs we do not wait for; paho's own 20 stalls behind a slow broker
QUEUED: Final = 4000  # messages paho may hold; beyond it `publish` says False
# amqtt 0.12 reads an MQTT 5 CONNECT as 3.1.1. Without a user name it notices and refuses; with one
# it takes properties for lengths and waits for more. So an unproven 5 gets this long to answer.
FIRST_ANSWER_S: Final = 1.0
_VERSIONS: Final = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_WRONG_VERSION: Final = ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version")

log = logging.getLogger(__name__)


class Mqtt(Bus):
    """One connection that comes back by itself. MQTT 5, or 3.1.1 when the broker refuses it."""

    def __init__(  # noqa: PLR0913 - what a connection needs to be told
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        username: str = "",
        password: str | None = None,
        will: Will | Callable[[int], Will] | None = None,
        protocol: Version = "5",
        keepalive_s: int = 10,
        tls: ssl.SSLContext | None = None,
        loop: AbstractEventLoop | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Start connecting; does not wait for the broker.

        Args:
            host: Of the broker.
            port: Of the broker.
            client_id: Unique on the broker: a second one with this id ends the first.
            username: "" for none.
            password: None for none.
            will: What the broker says for us when we vanish (QoS 1); a function gets the number
                the connection will have.
            protocol: What is tried first.
            keepalive_s: Seconds between pings.
            tls: What the broker must prove; None: unencrypted.
            loop: Where to call receivers and `on_connect`; None: on the bus's own thread.
            jitter: Gives 0..1 for the back-off.
        """
        self._host, self._port, self._client_id = host, port, client_id
        self._login, self._tls = (username or None, password), tls
        self._will, self._keepalive_s, self._loop, self._jitter = will, keepalive_s, loop, jitter
        self._wanted = self._protocol = protocol
        self._proven = False  # this protocol version has connected once
        self._shares = False
        self._denied = 0
        self._told: set[str] = set()  # what is logged once only
        self._patience_s = FIRST_ANSWER_S
        self._lock = threading.Lock()
        self._live: Client | None = None  # connected and subscribed
        self._client: Client | None = None  # of this attempt
        self._connection = 0
        self._announced = False  # this connection has asked for the subscriptions there were
        self._granted: set[int] = set()  # SUBACKs still to come before we call it connected
        self._subscriptions: list[tuple[str, str, Receive, int]] = []
        self._after_connect: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._said = ""  # the last trouble logged, so that it is logged once
        self._thread = threading.Thread(
            target=self._supervise, name=f"mqtt {client_id}", daemon=True
        )
        self._thread.start()

    @property
    @override
    def connected(self) -> bool:
        return self._live is not None

    @property
    @override
    def connection(self) -> int:
        return self._connection

    @property
    @override
    def shares(self) -> bool:
        # Only a broker of MQTT 5 says so; amqtt 0.12 grants `$share/…` and delivers nothing.
        return self._shares

    @property
    @override
    def protocol(self) -> Version:
        return self._protocol

    @property
    @override
    def denied(self) -> int:
        return self._denied

    @override
    def subscribe(self, topic: str, receive: Receive, qos: int = 1) -> None:
        with self._lock:
            self._subscriptions.append((topic, _filter(topic), receive, qos))
            client = self._client if self._announced else None
        if client is not None:
            client.subscribe(topic, qos)

    @override
    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> bool:
        client = self._live
        return client is not None and (
            client.publish(topic, payload, qos, retain).rc == MQTT_ERR_SUCCESS
        )

    @override
    def on_connect(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._after_connect.append(call)
            late = self._live is not None
        if late:
            self._call(call)

    @override
    def close(self) -> None:
        self._closing.set()
        with self._lock:
            client, self._live = self._client, None
        if client is not None:
            client.disconnect()
        self._thread.join(timeout=10)

    def _supervise(self) -> None:
        clock, waits = SystemClock(), Backoff(self._jitter)
        while not self._closing.is_set():
            began, before = clock.tick(), self._connection
            if not self._serve():
                lasted_s = clock.tick() - began if self._connection > before else 0.0
                self._closing.wait(waits.after(lasted_s))

    def _serve(self) -> bool:
        """Connect once and stay until it ends; True: try again at once with the older version."""
        tried, before = self._protocol, self._connection
        client = self._made()
        with self._lock:
            self._client = client
        silent = threading.Timer(self._patience_s, self._hang_up, [client, before])
        try:
            client.connect(self._host, self._port, self._keepalive_s)
            if self._closing.is_set():
                client.disconnect()
            if not self._proven:
                silent.start()
            client.loop_forever()
            if not self._proven and before == self._connection and tried == self._protocol:
                self._try_the_other()
        except OSError as error:
            self._trouble(str(error))
        except Exception:
            log.exception("mqtt connection ended by a fault of ours")
        finally:
            silent.cancel()
            with self._lock:
                self._live = self._client = None
                self._announced = False
        return tried == "5" and self._protocol == "3.1.1"

    def _hang_up(self, client: Client, before: int) -> None:
        """End an attempt that got no answer at all."""
        if self._connection == before and not client.is_connected():
            client.disconnect()

    def _try_the_other(self) -> None:
        """Take turns until one version has connected: some brokers hang up on 5 without a word."""
        self._trouble("no answer" if self._protocol == "5" else "refused or no answer")
        if self._protocol == "3.1.1":
            self._patience_s *= 2  # perhaps the line is slow
        if self._wanted == "5":
            self._protocol = "3.1.1" if self._protocol == "5" else "5"

    def _made(self) -> Client:
        """Return a paho client for one connection."""
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if self._protocol == "5" else True,
            protocol=_VERSIONS[self._protocol],
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(IN_FLIGHT)
        client.max_queued_messages_set(QUEUED)
        client.username_pw_set(*self._login)
        client.suppress_exceptions = False
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            will = self._will(self._connection + 1) if callable(self._will) else self._will
            client.will_set(will[0], will[1], qos=1, retain=will[2])
        client.on_socket_open = _at_once
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        client.on_publish = lambda _c, _d, _mid, reason, _p: self._published(reason)
        client.on_disconnect = self._disconnected
        return client

    def _connected(
        self,
        client: Client,
        _data: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        told: Properties | None,
    ) -> None:
        if reason == _WRONG_VERSION and self._protocol == "5":
            self._protocol = "3.1.1"
            return
        if reason.is_failure:
            self._proven = self._proven or self._protocol == "5"  # it spoke 5 to us
            self._trouble(str(reason))
            return
        self._proven, self._said = True, ""
        self._told.discard("denied")
        if self._protocol == "3.1.1":
            self._once("3.1.1", "the broker speaks MQTT 3.1.1: it tells nobody of a denied publish")
        self._shares = self._protocol == "5" and bool(
            getattr(told, "SharedSubscriptionAvailable", 1)
        )
        with self._lock:
            self._connection += 1
            self._announced = True
            wanted = {(topic, qos) for topic, _, _, qos in self._subscriptions}
            self._granted = {client.subscribe(topic, qos)[1] or 0 for topic, qos in wanted}
        self._open_when_granted(client)

    def _subscribed(
        self,
        client: Client,
        _data: object,
        mid: int,
        _codes: list[ReasonCode],
        _p: Properties | None,
    ) -> None:
        if mid in self._granted:
            self._granted.discard(mid)
            self._open_when_granted(client)

    def _open_when_granted(self, client: Client) -> None:
        if self._granted or self._closing.is_set():
            return
        with self._lock:
            self._live = client
            calls = list(self._after_connect)
        log.info(
            "connected to the broker",
            extra={"client": self._client_id, "mqtt": self._protocol, "n": self._connection},
        )
        for call in calls:
            self._call(call)

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        topic, payload = message.topic, message.payload
        for _, wanted, receive, _ in self._subscriptions:
            if topic_matches_sub(wanted, topic):
                self._call(receive, topic, payload)

    def _published(self, reason: ReasonCode) -> None:
        """Notice what the broker does not let us say; only MQTT 5 tells."""
        if reason.is_failure:
            self._denied += 1
            self._once("denied", "the broker refuses what we publish", why=str(reason))

    def _disconnected(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        with self._lock:
            was, self._live = self._live, None
        if was is not None and not self._closing.is_set():
            log.warning("lost the broker", extra={"client": self._client_id, "why": str(reason)})

    def _call(self, call: Callable[..., None], *facts: object) -> None:
        """Call a receiver, in the loop when there is one; paho's thread must survive it."""
        try:
            if self._loop is None:
                call(*facts)
            else:
                self._loop.call_soon_threadsafe(_guarded, call, *facts)
        except Exception:
            if self._loop is None or not self._loop.is_closed():
                log.exception("a receiver of the bus failed", extra={"client": self._client_id})

    def _once(self, what: str, message: str, **facts: object) -> None:
        """Log a warning, unless it was told already."""
        if what not in self._told:
            self._told.add(what)
            log.warning(message, extra={"client": self._client_id, **facts})

    def _trouble(self, why: str) -> None:
        if why != self._said:
            self._said = why
            log.warning(
                "no connection to the broker",
                extra={
                    "client": self._client_id,
                    "broker": f"{self._host}:{self._port}",
                    "why": why,
                },
            )


def connection(
    mqtt: settings.Mqtt,
    client_id: str,
    *,
    username: str = "",
    will: Will | Callable[[int], Will] | None = None,
    loop: AbstractEventLoop | None = None,
) -> Mqtt:
    """Return a connection as [mqtt] of the settings says; `username` where that names none.

    Raises ConfigError: a certificate or key cannot be used.
    """
    return Mqtt(
        mqtt.host,
        mqtt.port,
        client_id,
        username=mqtt.username or username,
        password=mqtt.password.get_secret_value() if mqtt.password else None,
        will=will,
        protocol=mqtt.protocol,
        keepalive_s=mqtt.keepalive_s,
        tls=trusted(mqtt) if mqtt.tls else None,
        loop=loop,
    )


def _guarded(call: Callable[..., None], *facts: object) -> None:
    try:
        call(*facts)
    except Exception:
        log.exception("a receiver of the bus failed")


def _filter(topic: str) -> str:
    """Return what a subscription matches: of `$share/group/a/+` that is `a/+`."""
    return topic.split("/", 2)[2] if topic.startswith("$share/") else topic


def _at_once(_client: Client, _data: object, opened: object) -> None:
    """Let small messages leave at once.

    TCP would hold each until the one before is confirmed, and the other side confirms only every
    40 ms: what an acknowledgement after an event, or a second event, would have to wait for.
    """
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
