"""Who is there is judged by us, on either broker: by no keepalive and by no late will."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest

from server.edges import LOST_S, Edges
from server.latest import Latest
from tests import parts
from tests.brokers import ROOT, Broker, embedded, mosquitto, secret_of
from tests.fakes import FixedClock
from tests.parts import until
from tests.unit.server.emergency.cast import CATALOG
from watchkeeper import site, wire
from watchkeeper.clock import unix_ms
from watchkeeper.ids import EdgeId, PointId
from watchkeeper.topics import up

EDGE = EdgeId("plant-b1")
TOPIC = up("riverside", EDGE, "state")
OLD = """
import sys, threading
from adapters.mqtt import Mqtt
from watchkeeper import wire
def said(word, n):
    return wire.encode(wire.State(word, "boot-1", n, 0))
port, topic, user, password, name = sys.argv[1:]
bus = Mqtt("127.0.0.1", int(port), name, username=user, password=password or None,
           will=lambda n: (topic, said("lost", n), True))
bus.on_connect(lambda: bus.publish(topic, said("online", bus.connection), retain=True))
threading.Event().wait()
"""


@pytest.fixture(
    params=[pytest.param(True, marks=pytest.mark.part("mosquitto")), False],
    ids=["mosquitto", "embedded"],
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path, mosquitto if request.param else embedded, accounts=request.param)
    yield made
    made.close()


class Judge:
    """The server's own judgement, on a real connection and on a clock the test moves."""

    def __init__(self, broker: Broker) -> None:
        self.clock, self.lost, self.heard = FixedClock(), list[bool | None](), list[wire.State]()
        plant = site.load(CATALOG / "sites/riverside-plaza.yaml", CATALOG / "profiles")
        self.edges = Edges(
            "riverside", Latest(plant, unix_ms(self.clock.now())), self.clock, self._signal
        )
        self.bus = broker.connect("server", "server")
        self.bus.subscribe(TOPIC, lambda _, payload: self.heard.append(wire.decode_state(payload)))
        self.edges.listen(self.bus)
        until(lambda: self.bus.connected, "the server does not connect")

    def _signal(self, rule: str, _: PointId, so: bool | None) -> None:  # noqa: FBT001 - a Signal
        if rule == "edge-lost":
            self.lost.append(so)

    def state(self) -> str:
        return str(self.edges.show()[EDGE]["state"])

    def pass_(self, seconds: float) -> None:
        self.clock.pass_(seconds)
        self.edges.look()

    def words(self) -> list[tuple[str, str, int]]:
        return [(each.state, each.boot, each.connection) for each in self.heard]


@pytest.fixture
def judge(broker: Broker) -> Iterator[Judge]:
    made = Judge(broker)
    yield made
    made.bus.close()


def edge_program(broker: Broker, folder: Path) -> "subprocess.Popen[bytes]":
    """Start the real edge; the broker is told to be patient, so that it decides nothing here."""
    login = broker.login(EDGE)
    settings = {
        "DATA": folder, "MQTT__PORT": broker.port, "MQTT__KEEPALIVE_S": 600,
        **{f"MQTT__{key.upper()}": value for key, value in login.items()},
    }  # fmt: skip
    words = ["env", *(f"WATCHKEEPER_{key}={value}" for key, value in settings.items())]
    with (folder / "edge.log").open("ab") as log:
        return subprocess.Popen(
            [*words, sys.executable, "-m", "ops.main", "edge", "--edge", EDGE],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip


def hang(judge: Judge, edge: "subprocess.Popen[bytes]") -> None:
    """Stop the edge and let 30 s pass."""
    until(lambda: judge.state() == "online", "the edge does not come", 20)
    edge.send_signal(signal.SIGSTOP)
    said = len(judge.heard)
    judge.pass_(LOST_S - 1)
    assert judge.state() == "online"
    judge.pass_(2)
    assert judge.state() == "lost"
    assert len(judge.heard) == said, "it was our clock, not a word of the broker"
    assert judge.lost == [False, True]


@pytest.mark.serves("B2")
def test_an_edge_that_hangs_is_lost_after_30_s_though_its_connection_stands(
    broker: Broker, judge: Judge, tmp_path: Path
) -> None:
    with parts.ended(edge_program(broker, tmp_path)) as edge:
        hang(judge, edge)
        edge.send_signal(signal.SIGCONT)


@pytest.mark.part("mosquitto")
@pytest.mark.serves("B2")
@pytest.mark.parametrize("broker", [True], indirect=True, ids=["mosquitto"])
def test_an_edge_that_goes_on_is_there_again(broker: Broker, judge: Judge, tmp_path: Path) -> None:
    with parts.ended(edge_program(broker, tmp_path)) as edge:
        hang(judge, edge)
        edge.send_signal(signal.SIGCONT)
        until(lambda: judge.state() == "online", "it does not come back")
        assert judge.lost == [False, True, False]
        assert {each.connection for each in judge.heard} == {1}


@pytest.mark.serves("B2")
@pytest.mark.parametrize(("boot", "connection"), [("boot-1", 2), ("boot-2", 1)])
@pytest.mark.parametrize("client", ["plant-b1", "plant-b1-before"])
def test_a_will_of_before_does_not_end_the_session_of_now(
    broker: Broker, judge: Judge, client: str, boot: str, connection: int
) -> None:
    def said(word: Literal["online", "lost"]) -> bytes:
        return wire.encode(wire.State(word, boot, connection, 0))

    login = (EDGE, secret_of(EDGE)) if broker.accounts else ("", "")
    words = [str(broker.port), TOPIC, *login, client]
    with ExitStack() as stack:
        old = subprocess.Popen([sys.executable, "-c", OLD, *words], cwd=ROOT)
        stack.enter_context(parts.ended(old))
        until(lambda: ("online", "boot-1", 1) in judge.words(), "the old session does not come")
        old.send_signal(signal.SIGSTOP)  # it hangs; its connection stands

        new = broker.connect(EDGE, EDGE, will=(TOPIC, said("lost"), True))
        stack.callback(new.close)
        new.on_connect(lambda: new.publish(TOPIC, said("online"), retain=True))
        until(lambda: ("online", boot, connection) in judge.words(), "the new one does not come")
        old.kill()
        until(lambda: ("lost", "boot-1", 1) in judge.words(), "the broker leaves no will")
        judge.pass_(LOST_S - 1)
        assert judge.state() == "online"
        # Of one name there is one session: mosquitto ends the old one before it opens the new one.
        assert judge.lost == [False] if client != EDGE else judge.lost[-1] is False
        judge.pass_(2)
        assert judge.state() == "lost", "of its own silence"
