"""Neighbours that are away, wrong or talk rubbish: it is said once, and the rest goes on."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from broker import mosquitto
from ops.demo import PASSWORD, environment, placed, the_programs
from ops.observe import Api, Building, Json
from ops.programs import Program, Supervisor, answers
from tests import parts
from tests.parts import until
from watchkeeper.clock import unix_ms
from watchkeeper.settings import Settings

RUBBISH = (b"", b"{]", b"\xff\xfe\x00", b"null", b"[]", b'{"v":99}', b"7" * 5_000)
POINT, DETECTOR = "main-1/active_power", "fire-panel/detector-05"


@dataclass(frozen=True, slots=True)
class Running:
    """Our programs without the dashboard."""

    settings: Settings
    programs: Supervisor
    base: str  # of the API

    def log(self, name: str) -> str:
        return self.programs.programs[name].log_file.read_text("utf-8")

    def signed_in(self) -> Api:
        return Api(self.base, "zhaoyan", PASSWORD, SystemClock())

    @property
    def at_server(self) -> httpx.Client:
        return httpx.Client(base_url=self.base, trust_env=False, headers={"Origin": self.base})


@contextlib.contextmanager
def running(settings: Settings, programs: list[Program]) -> Iterator[Running]:
    """Start them, and stop them when the block ends."""
    supervisor = Supervisor(programs, SystemClock())
    try:
        supervisor.start(lambda *_: None, 40)
        yield Running(settings, supervisor, f"http://127.0.0.1:{settings.ports.api}")
    finally:
        supervisor.stop()


def settled(folder: Path) -> Settings:
    """Return settings on free ports; without a dashboard the API is what a person opens."""
    settings = placed(Settings(data=folder), parts.free_ports(12))
    server = {"public_url": f"http://127.0.0.1:{settings.ports.api}"}
    return settings.model_copy(update={"server": settings.server.model_copy(update=server)})


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = settled(tmp_path_factory.mktemp("var"))
    programs = the_programs(settings, seed=3, lively=False, sink=None)
    with running(settings, [each for each in programs if each.name != "dashboard"]) as made:
        yield made


class TestAmongPrograms:
    """One start for all of these."""

    pytestmark = pytest.mark.timeout(90)

    @pytest.mark.serves("B4")
    def test_rubbish_on_every_topic_stops_nobody(self, here: Running) -> None:
        _speak_rubbish(here)
        api, building = here.signed_in(), Building(here.settings.ports.simulators)
        building.scenario("fire", unit="fire-panel", detectors=[5])
        api.wait("the alarm", lambda: _alarm(api, DETECTOR), 20)
        spoken = unix_ms(SystemClock().now())

        def stored() -> bool:
            span = {"start": spoken, "end": spoken + 60_000, "width": 0}
            return bool(api.get("/history", point=POINT, **span)["at"])

        api.wait("a reading stored after the rubbish", stored, 20)
        building.close()
        api.close()
        for name in ("server", "gateway", "edge"):
            assert "Traceback" not in here.log(name), name

    def test_a_wrong_password_is_refused_and_the_right_one_still_works(self, here: Running) -> None:
        with here.at_server as client:
            wrong = client.post("/api/v1/login", json={"user": "chenlei", "password": "guessed"})
        assert wrong.status_code == 401
        assert wrong.json()["type"].startswith("people.")
        here.signed_in().close()

    def test_a_month_without_data_says_so(self, here: Running) -> None:
        api = here.signed_in()
        for path in ("/energy/month?month=2020-01", "/reports/month/2020-01.pdf"):
            answer = api.client.get(f"/api/v1{path}")
            assert (answer.status_code, answer.json()["type"]) == (422, "energy.no-data"), path
        assert api.client.get("/api/v1/energy/month?month=2026-13").status_code == 422
        api.close()

    @pytest.mark.parametrize("token", ["altered", "x" * 3_000, "..%2f..%2fetc", "%00"])
    def test_a_link_that_was_altered_is_a_page_that_says_so(
        self, here: Running, token: str
    ) -> None:
        with here.at_server as client:
            for answer in (client.get(f"/go/{token}"), client.post(f"/go/{token}")):
                assert answer.status_code == 404
                assert "Traceback" not in answer.text
            page = client.get("/go/altered", headers={"Accept-Language": "en"})
        assert "<html" in page.text

    def test_a_second_server_is_refused_and_disturbs_nothing(self, here: Running) -> None:
        connections = here.log("server").count("connected to the broker")
        first = here.programs.programs["server"]
        second = Program(
            "second", first.arguments, lambda: False, first.environment,
            here.settings.data / "second.log",
        )  # fmt: skip
        second.start()
        until(lambda: not second.alive(), "the second server runs")
        assert "is in use" in second.last_lines()
        assert here.log("server").count("connected to the broker") == connections


def _speak_rubbish(here: Running) -> None:
    site, edge = "wk/1/riverside", "plant-b1"
    mqtt = here.settings.mqtt
    bus = Mqtt(mqtt.host, mqtt.port, "rubbish", protocol="3.1.1")
    until(lambda: bus.connected, "the broker does not let us in")
    lanes = ("birth/0", "birth/x", "oldbirth", "data", "event", "state", "other")
    down = ("ack", "birth", "replay", "cmd", "cfg")
    topics = [f"{site}/{who}/up/{lane}" for who in (edge, "stranger") for lane in lanes]
    topics += [f"{site}/{edge}/down/{lane}" for lane in down]
    topics += ["wk/1/server/x/state", "wk/1/gateway/x/state", "wk/1", "wk/9/a/b/up/event"]
    for topic in topics:
        for payload in RUBBISH:
            until(lambda t=topic, p=payload: bus.publish(t, p), "the broker takes no more")
    heard = {"server": "unreadable message on wk/1/riverside/plant-b1/up/event",
             "edge": "an acknowledgement cannot be read"}  # fmt: skip
    for name, words in heard.items():
        until(lambda n=name, w=words: here.log(n).count(w) >= 5, f"{name} heard no rubbish")
    bus.close()


def _alarm(api: Api, point: str) -> Json | None:
    alarms: list[Json] = api.get("/alarms", open=True)
    return next((alarm for alarm in alarms if alarm["point"] == point), None)


def _alone(settings: Settings, name: str, *words: str, **more: str) -> Program:
    health = f"http://127.0.0.1:{settings.ports.api}/api/v1/health"
    return Program(
        name, [name, *words], (lambda: answers(health)) if name == "server" else lambda: True,
        environment(settings, **more), settings.data / "log" / f"{name}.log",
    )  # fmt: skip


@pytest.mark.timeout(90)
def test_broker_and_store_that_are_away_are_told_once_and_the_rest_serves(tmp_path: Path) -> None:
    settings, away = settled(tmp_path), f"http://127.0.0.1:{parts.free_port()}"
    store = {"WATCHKEEPER_HISTORY__STORE": "influx", "WATCHKEEPER_HISTORY__URL": away,
             "WATCHKEEPER_HISTORY__THIN_AFTER_H": "0"}  # fmt: skip
    programs = [
        _alone(settings, "simulate"),
        _alone(settings, "edge", "--edge", "plant-b1"),
        _alone(settings, "server", "--demo", **store),
    ]
    with running(settings, programs) as here:
        api = here.signed_in()
        health = api.get("/health")
        assert (health["ok"], health["broker"]) == (False, False)
        assert api.get("/alarms", open=True) is not None
        answer = api.client.get(
            "/api/v1/history", params={"point": POINT, "start": 0, "end": 1, "width": 0}
        )
        assert (answer.status_code, answer.json()["type"]) == (503, "history.unreachable")
        api.rest(3)
        api.close()
        for name in ("server", "edge"):  # each has two connections
            assert here.log(name).count("no connection to the broker") == 2, name
            assert f"127.0.0.1:{settings.mqtt.port}" in here.log(name)
            assert "Traceback" not in here.log(name), name


@pytest.mark.part("mosquitto")
@pytest.mark.timeout(90)
def test_an_edge_with_a_wrong_password_says_so_once_and_keeps_what_it_reads(
    tmp_path: Path,
) -> None:
    settings = settled(tmp_path / "var")
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)  # mosquitto gives up root and must still reach its files
    accounts = [("plant-b1", "the right one", bytes(12))]
    (tmp_path / "passwords").write_text(mosquitto.passwords(accounts), "utf-8")
    (tmp_path / "acl").write_text(mosquitto.access(["riverside"]), "utf-8")
    config = mosquitto.config(str(tmp_path), host="127.0.0.1", port=settings.mqtt.port)
    wrong = {"WATCHKEEPER_MQTT__PASSWORD": "guessed"}
    edge = _alone(settings, "edge", "--edge", "plant-b1", **wrong)
    with (
        parts.mosquitto(tmp_path, config, settings.mqtt.port),
        running(settings, [_alone(settings, "simulate"), edge]) as here,
    ):
        journal = settings.data / "edge/plant-b1/data.db-wal"
        until(lambda: "Not authorized" in here.log("edge"), "the edge does not say why")
        until(lambda: journal.exists() and journal.stat().st_size > 50_000, "nothing is kept")
        assert here.log("edge").count("Not authorized") == 2  # each has two connections
        assert "Traceback" not in here.log("edge")
