"""docker-compose.yml: its file is right, and what it starts works together."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from adapters.mqtt import Mqtt
from adapters.system_clock import SystemClock
from ops.main import main
from ops.observe import Api, Building, Json
from tests import parts
from tests.deploy.composed import (
    ADMIN,
    FILE,
    OURS,
    PASSWORD,
    ROOT,
    Composed,
    add_admin,
    bare,
    composed,
    log_lines,
    resolved,
    secrets,
)
from tests.fakes_postgres import Cluster
from tests.parts import until
from watchkeeper.settings import load

POINT, DETECTOR = "main-1/active_power", "fire-panel/detector-05"
compose = pytest.mark.part("docker-compose")


@compose
@pytest.mark.serves("H4")
def test_the_file_is_right_with_the_secrets_of_the_manual(tmp_path: Path) -> None:
    services = resolved(secrets(tmp_path))
    assert set(OURS) < set(services)
    published = [name for name, service in services.items() if service.get("ports")]
    assert published == ["dashboard"]


@compose
@pytest.mark.serves("G4")
def test_with_the_file_for_it_every_line_to_the_broker_is_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = resolved(secrets(tmp_path), ROOT / "deploy/tls.yml")
    for name in ("gateway", "server", "edge"):
        own = services[name]
        settings = load(None, own["environment"]).mqtt
        assert (settings.host, settings.port, settings.tls) == ("mosquitto", 8883, True)
        assert f"{ROOT}/deploy/mosquitto/ca.pem:{settings.ca}:ro" in own["volumes"]
        assert len(own["volumes"]) > 1, "its own are still there"
    monkeypatch.setenv("WATCHKEEPER_MQTT__PORT", "8883")
    words = ["--render", str(tmp_path / "m"), "--env", str(tmp_path / "e"), "--tls"]
    assert main(["broker", *words]) == 0
    told = (tmp_path / "m/mosquitto.conf").read_text("utf-8")
    assert {"listener 8883", "certfile /mosquitto/config/cert.pem"} < set(told.splitlines())


@compose
def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    env = secrets(tmp_path)
    text = env.read_text("utf-8")
    for name in [line.partition("=")[0] for line in text.splitlines()]:
        env.write_text("".join(f"{line}\n" for line in text.splitlines() if name not in line))
        done = subprocess.run(
            [parts.program("docker-compose"), "--env-file", str(env), "config", "-q"],
            capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, env=bare(),
        )  # fmt: skip
        assert done.returncode != 0
        assert name in done.stderr


def test_a_service_knows_no_secret_it_does_not_need() -> None:
    services: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))["services"]
    knows = {name: str(service.get("environment", "")) for name, service in services.items()}
    holders = {
        secret: sorted(name for name, text in knows.items() if secret in text)
        for secret in ("POSTGRES_PASSWORD", "INFLUX_TOKEN", "MQTT_PLANT_B1", "MQTT_SERVER")
    }
    assert holders == {
        "POSTGRES_PASSWORD": ["postgres", "server"],
        "INFLUX_TOKEN": ["gateway", "influxdb", "server"],
        "MQTT_PLANT_B1": ["edge"],
        "MQTT_SERVER": ["server"],
    }


def test_every_program_of_ours_is_locked_down() -> None:
    services: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))["services"]
    for name in OURS:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Composed]:
    with composed(tmp_path_factory.mktemp("composed"), postgres) as running:
        yield running


real = [pytest.mark.part(name) for name in ("docker-compose", "mosquitto", "influxd", "postgres")]


class TestTheWhole:
    """One start for all of these."""

    pytestmark: ClassVar = [*real, pytest.mark.timeout(120)]

    @pytest.mark.serves("H4")
    def test_a_reading_and_an_alarm_reach_the_person_who_was_added(self, whole: Composed) -> None:
        assert f"added {ADMIN}" in add_admin(whole)
        clock = SystemClock()
        api = Api(whole.settings.server.public_url, ADMIN, PASSWORD, clock)

        def fresh() -> Json | None:
            (found,) = api.get("/points/latest", points=POINT)
            return found if found["value"] and not found["stale"] else None

        seen = api.wait("a fresh reading", fresh, 30)
        span = {"start": seen["at"] - 60_000, "end": seen["at"] + 60_000}
        api.wait(
            "readings in InfluxDB",
            lambda: api.get("/history", point=POINT, width=0, **span)["at"], 30,
        )  # fmt: skip
        building = Building(whole.settings.ports.simulators)
        building.scenario("fire", unit="fire-panel", detectors=[5])
        rung = api.wait("the alarm", lambda: _of(api, DETECTOR), 20)
        assert (rung["rule"], rung["priority"]) == ("detector-fire", 1)
        building.close()
        api.close()

    def test_everyone_speaks_mqtt_5(self, whole: Composed) -> None:
        for name in ("edge", "server", "gateway"):
            lines = log_lines(whole.programs.programs[name], "adapters.mqtt")
            assert any("connected to the broker" in line for line in lines), name
            assert not any("3.1.1" in line for line in lines), name

    def test_whoever_has_no_password_stays_outside(self, whole: Composed) -> None:
        mqtt = whole.settings.mqtt
        inside = Mqtt(
            mqtt.host, mqtt.port, "check", username="plant-b1",
            password=whole.passwords["MQTT_PLANT_B1_PASSWORD"],
        )  # fmt: skip
        until(lambda: inside.connected, "the rendered password does not fit")
        inside.close()
        outside = Mqtt(mqtt.host, mqtt.port, "check-2", username="plant-b1", password="guessed")  # noqa: S106 - wrong on purpose
        log = whole.programs.programs["edge"].log_file.parent / "log"
        until(lambda: "not authorised" in log.read_text("utf-8"), "nobody was refused")
        assert not outside.connected
        outside.close()


def _of(api: Api, point: str) -> Json | None:
    alarms: list[Json] = api.get("/alarms", open=True)
    return next((alarm for alarm in alarms if alarm["point"] == point), None)
