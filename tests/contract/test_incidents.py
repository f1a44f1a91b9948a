"""Golden scenarios of one cause and many alarms: a whole server on real databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes_flags import Home, Reaper, Step, lived

METERS = [f"tenant-{number:03}" for number in range(300)]
MAINS, FIRE = "gen-1/mains_voltage_l1", "fire-panel/detector-07"
SITE = """schema: wk.site/1
site: {id: riverside, name: {zh: 滨江广场, en: Riverside Plaza}, time_zone: Asia/Shanghai}
places: [{id: tower-a, name: {zh: A 座, en: Tower A}, floors: B3..28}]
edges:
  - id: plant-b1
    buses:
      - {id: meters, modbus_tcp: {host: 127.0.0.1, port: 15020}}
      - {id: power, modbus_tcp: {host: 127.0.0.1, port: 15023}}
      - {id: fire, modbus_tcp: {host: 127.0.0.1, port: 15022}}
    units:
      - {id: gen-1, name: {zh: 发电机, en: Generator 1}, profile: dse-7320, bus: power, unit: 10, place: tower-a/B1}
      - {id: ups-1, name: {zh: UPS, en: UPS}, profile: apc-smart-ups, bus: power, unit: 1, place: tower-a/B1}
      - {id: fire-panel, name: {zh: 火灾报警控制器, en: Fire panel}, profile: fire-panel-gateway, bus: fire, unit: 1, place: tower-a/1,
         zones: [{id: zone-1, name: {zh: 1 区, en: Zone 1}, place: tower-a/1, detectors: [1, 20]}]}
"""  # noqa: E501 - one unit a line
METER = (
    "      - {{id: {id}, name: {{zh: 租户, en: Tenant}}, profile: eastron-sdm630, bus: meters,"
    " unit: {number}, place: tower-a/5, rated_kw: 10}}\n"
)


class Tower(Home):
    """300 meters, a generator that senses the mains, a fire panel that goes on answering."""

    answering: tuple[str, ...] = ("gen-1", "ups-1", "fire-panel", *METERS)

    def __init__(self, folder: Path, database: str) -> None:
        folder.mkdir(exist_ok=True)
        units = "".join(METER.format(id=each, number=n % 240 + 1) for n, each in enumerate(METERS))
        path = folder / "site.yaml"
        path.write_text(SITE + units, "utf-8")
        super().__init__(folder, database, site=str(path))

    def second(self, number: int = 1) -> None:
        """Let time go by: the edge says who answers, rules and timers are looked at."""
        for _ in range(number):
            self.state("online", ages=dict.fromkeys(self.answering, 0.0))
            self.pass_(1)

    def mains(self, value: float) -> None:
        self.data(MAINS, (0, value))

    def incident(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the root and what it explains."""
        (root,) = [each for each in self.alarms() if each["rule"] == "mains-failed"]
        return root, [each for each in self.alarms() if each["cause"] == root["id"]]


@pytest.fixture
def tower(tmp_path: Path, url: str) -> Iterator[Tower]:
    made = Tower(tmp_path, url)
    made.mains(230.0)
    made.second()
    yield made
    made.close()


def power_goes(tower: Tower) -> None:
    """The mains fail, and within a minute every tenant's meter with them."""
    tower.answering = ("gen-1", "ups-1", "fire-panel")
    for _ in range(4):
        tower.mains(3.0)
        tower.second()


@pytest.mark.serves("C3")
@pytest.mark.timeout(90)
def test_300_alarms_of_one_power_loss_are_one_incident_and_a_fire_in_it_rings_alone(
    tower: Tower,
) -> None:
    power_goes(tower)
    tower.second(60)
    tower.event(FIRE, 1.0)
    root, symptoms = tower.incident()
    assert {each["rule"] for each in symptoms} >= {"meter-silent", "bus-silent"}
    assert len([each for each in symptoms if each["rule"] == "meter-silent"]) == len(METERS)
    assert {tuple(each["flags"]) for each in symptoms} == {("suppressed",)}
    told = tower.rows("select kind, subject from message where person = 'chenlei' order by at, id")
    fire = tower.alarm("detector-fire")
    assert [row.subject for row in told if row.kind == "alarm"] == [root["id"], fire["id"]]
    assert len(tower.rows("select id from work_order where alarm is not null")) <= 2


@pytest.mark.serves("C3")
@pytest.mark.timeout(90)
def test_a_root_that_comes_late_corrects_once_also_after_a_restart(tower: Tower) -> None:
    tower.answering = ("gen-1", "fire-panel")
    tower.second(65)  # the bus is silent: an alarm nothing explains yet
    early = tower.alarm("bus-silent")
    assert tower.messages("alarm", early["id"]) == ["alarm"]
    steps: list[Step] = [lambda _: power_goes(tower)]
    lived(tower, steps, Reaper())
    tower.restart()
    tower.second(5)
    root, symptoms = tower.incident()
    assert early["id"] in {each["id"] for each in symptoms}
    assert (tower.messages("explained"), tower.messages("alarm", early["id"])) == (
        ["explained"],
        ["alarm"],
    )
    orders = tower.rows("select alarm, state from work_order")
    assert [row.state for row in orders if row.alarm == early["id"]] == ["duplicate"]
    desk = tower.clients["chenlei"]
    (shown,) = desk.get("/api/v1/incidents").json()
    assert (shown["id"], shown["state"], shown["count"]) == (root["id"], "open", len(symptoms))
    whole = desk.get(f"/api/v1/incidents/{root['id']}").json()
    assert {each["id"] for each in whole["symptoms"]} == {each["id"] for each in symptoms}
    assert desk.get(f"/api/v1/incidents/{early['id']}").status_code == 404


@pytest.mark.serves("C3")
@pytest.mark.timeout(90)
def test_what_outlives_its_root_is_told_then(tower: Tower) -> None:
    power_goes(tower)
    tower.second(60)
    tower.answering = ("gen-1", "ups-1", "fire-panel", *METERS[1:])
    for _ in range(15):
        tower.mains(230.0)
        tower.second()
    tower.second(70)
    left = [each for each in tower.alarms() if each["rule"] == "meter-silent" and each["active"]]
    assert [(each["point"], each["flags"]) for each in left] == [(f"{METERS[0]}/active_power", [])]


def overload(tower: Tower, meters: list[str], watts: float) -> None:
    """Let feeders carry this for longer than their delay."""
    for _ in range(2):
        for meter in meters:
            tower.data(f"{meter}/active_power", (0, watts))
        tower.second(6)


@pytest.mark.serves("C3")
@pytest.mark.timeout(90)
def test_in_a_flood_people_get_one_message_for_many_and_a_fire_alone(tower: Tower) -> None:
    overload(tower, METERS[:40], 20_000.0)
    tower.event(FIRE, 1.0)
    tower.second(31)
    fire = tower.alarm("detector-fire")
    assert tower.messages("alarm", fire["id"]) == ["alarm"]
    assert len(tower.messages("alarm")) == 10 + 1
    (digest,) = tower.rows(
        "select title, text from message where kind = 'flood' and person = 'chenlei'"
    )
    assert "30 more alarms" in digest.title
    assert len([a for a in tower.alarms() if a["rule"] == "feeder-overload"]) == 40
    desk = tower.clients["chenlei"]
    assert desk.get("/api/v1/alarms/flood").json() == {
        "since": fire["raised_at"] - 7_000,
        "alarms": 41,
    }


@pytest.mark.serves("C3")
def test_who_acknowledges_before_the_digest_is_not_told_of_it(tower: Tower) -> None:
    overload(tower, METERS[:14], 20_000.0)
    late = [a["id"] for a in tower.alarms() if a["rule"] == "feeder-overload"][:4]
    tower.clients["chenlei"].post("/api/v1/alarms/acknowledge", json={"ids": late})
    waiting = tower.rows("select alarm from message_gathered")
    assert not {row.alarm for row in waiting} & set(late)


@pytest.mark.serves("C3")
@pytest.mark.timeout(90)
def test_a_flood_ends_when_few_alarms_come(tower: Tower) -> None:
    overload(tower, METERS[:12], 20_000.0)
    assert tower.clients["chenlei"].get("/api/v1/alarms/flood").json()["since"] is not None
    for _ in range(12):
        tower.second(60)
    assert tower.clients["chenlei"].get("/api/v1/alarms/flood").json()["since"] is None
