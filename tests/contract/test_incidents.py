"""Golden scenarios of one cause and many alarms: a whole server on real databases."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes_flags import Home, Reaper, Step, lived

METERS = [f"tenant-{number:03}" for number in range(300)]
BOT = 20  # messages a minute, then it is silent for ten
FEW = 4
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

    answering: tuple[str, ...]

    def __init__(self, folder: Path, database: str = "", meters: int = len(METERS)) -> None:
        folder.mkdir(exist_ok=True)
        there = METERS[:meters]
        self.answering = ("gen-1", "ups-1", "fire-panel", *there)
        self.heard: dict[str, datetime] = {}  # when each unit answered last, as its edge knows
        units = "".join(METER.format(id=each, number=n % 240 + 1) for n, each in enumerate(there))
        path = folder / "site.yaml"
        path.write_text(SITE + units, "utf-8")
        super().__init__(folder, database, site=str(path))

    def second(self, number: int = 1) -> None:
        """Let time go by: the edge says who answers, rules and timers are looked at."""
        for _ in range(number):
            now = self.clock.now()
            self.heard |= dict.fromkeys(self.answering, now)
            self.state(
                "online", ages={k: (now - at).total_seconds() for k, at in self.heard.items()}
            )
            self.pass_(1)

    def later(self, seconds: int) -> None:
        """Let time go by in one step, in which nothing new is heard."""
        self.clock.pass_(seconds - 1)
        self.second()

    def sent(self) -> list[int]:
        """Return how many messages that are not of life safety left in each minute."""
        left = self.rows(
            "select m.at from delivery d join message m on m.id = d.message"
            " where not d.urgent and d.state not in ('bundled', 'cancelled')"
        )
        minutes = Counter(str(row.at)[:16] for row in left)
        return list(minutes.values())

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
    before = tower.ms()
    tower.event(FIRE, 1.0)
    root, symptoms = tower.incident()
    assert {each["rule"] for each in symptoms} >= {"meter-silent", "bus-silent"}
    assert len([each for each in symptoms if each["rule"] == "meter-silent"]) == len(METERS)
    assert {tuple(each["flags"]) for each in symptoms} == {("suppressed",)}
    told = tower.rows("select kind, subject from message where person = 'chenlei' order by at, id")
    fire = tower.alarm("detector-fire")
    assert [row.subject for row in told if row.kind == "alarm"] == [root["id"], fire["id"]]
    assert fire["recorded_at"] - before < 5_000
    orders = tower.rows("select alarm from work_order")
    assert [row.alarm for row in orders if row.alarm != fire["id"]] == [root["id"]]
    assert max(tower.sent()) <= BOT


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
    merged = desk.get(f"/api/v1/incidents/{early['id']}").json()
    assert (merged["state"], merged["merged_into"]) == ("merged", root["id"])
    assert desk.get("/api/v1/incidents/none").status_code == 404


@pytest.mark.serves("C3")
@pytest.mark.timeout(90)
def test_an_incident_is_seen_at_once_and_closes_when_all_of_it_is_over(tower: Tower) -> None:
    power_goes(tower)
    tower.second(65)
    root, symptoms = tower.incident()
    desk = tower.clients["chenlei"]
    address = f"/api/v1/incidents/{root['id']}"
    answers = desk.post(f"{address}/acknowledge").json()
    assert {each["id"] for each in answers if each["ok"]} == {
        each["id"] for each in (root, *symptoms)
    }
    assert desk.get(address).json()["state"] == "acknowledged"
    tower.answering = ("gen-1", "ups-1", "fire-panel", *METERS)
    for _ in range(15):
        tower.mains(230.0)
        tower.second()
    assert desk.get(address).json()["state"] == "mitigated"
    tower.second(70)
    assert desk.get(address).json()["state"] == "closed"
    assert desk.get("/api/v1/incidents").json() == []
    assert [each["state"] for each in desk.get("/api/v1/incidents?open=false").json()] == ["closed"]


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
    bundled = tower.rows(
        "select d.id from delivery d join message m on m.id = d.message"
        " where d.state = 'bundled' and m.person = 'chenlei'"
    )
    assert f"{30 + len(bundled)} more messages" in digest.title
    assert max(tower.sent()) <= BOT
    assert tower.rows("select id from delivery where urgent and state = 'bundled'") == []
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


def of(step: Callable[[Tower], object]) -> Step:
    """Return a step of a tower."""

    def take(home: Home) -> object:
        assert isinstance(home, Tower)
        return step(home)

    return take


def answers(*units: str) -> Step:
    def take(tower: Tower) -> None:
        tower.answering = units

    return of(take)


def fails(tower: Tower) -> None:
    """The mains are away for long enough."""
    for _ in range(3):
        tower.mains(3.0)
        tower.second()


def back(tower: Tower) -> None:
    for _ in range(7):
        tower.mains(230.0)
        tower.later(2)


def fault(value: float, name: str, ago_s: float = 0) -> Step:
    return lambda home: home.event("fire-panel/detector-01", value, id=name, ago_s=ago_s)


SILENT = answers("gen-1", "ups-1", "fire-panel")
POWER = [SILENT, of(fails), of(lambda tower: tower.later(62)), of(lambda tower: tower.later(3))]
SCENARIOS: Mapping[str, list[Step]] = {
    "15 power": [*POWER, lambda home: home.event(FIRE, 1.0, id="fire")],
    "18 late root": [SILENT, of(lambda tower: tower.later(65)), of(lambda tower: tower.later(3)),
                     of(fails), of(lambda tower: tower.later(3))],
    "left over": [*POWER, answers("gen-1", "ups-1", "fire-panel", *METERS[1:FEW]), of(back),
                  of(lambda tower: tower.later(62)), of(lambda tower: tower.later(3))],
    "20 old batch": [fault(0.0, "now"), fault(1.0, "old", 28_800), fault(0.0, "older", 28_700)],
}  # fmt: skip


def states(tower: Tower) -> dict[str, Any]:
    """Return what must be the same however often the process died."""
    alarms = tower.alarms(only_open=False)
    rules = {each["id"]: each["rule"] for each in alarms}
    return {
        "alarms": sorted(
            (each["rule"], each["point"], each["life"], each["count"], each["flags"],
             rules.get(each["cause"], ""), each["untold"], each["late"])
            for each in alarms
        ),
        "messages": sorted(each for each in tower.messages() if not each.startswith("order-")),
        "orders": sorted(row.state for row in tower.rows("select state from work_order")),
    }  # fmt: skip


def run(folder: Path, name: str, reaper: Reaper) -> dict[str, Any]:
    tower = Tower(folder, meters=FEW)
    tower.mains(230.0)
    tower.second()
    lived(tower, SCENARIOS[name], reaper)
    found = states(tower)
    tower.close()
    return found


@pytest.mark.serves("C3")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_incident_is_the_same_when_the_server_dies_at_any_commit(
    name: str, folder: Path
) -> None:
    count = Reaper()
    expected = run(folder / "whole", name, count)
    assert count.count >= 1
    for number in range(1, count.count + 1):
        found = run(folder / f"died-{number}", name, Reaper(number))
        assert found == expected, f"died at commit {number}"


@pytest.mark.serves("C1")
def test_a_clock_eight_hours_wrong_or_an_old_batch_pages_only_what_is_so_now(folder: Path) -> None:
    tower = Tower(folder, meters=1)
    now, then = tower.ms(), tower.ms(-28_800)
    tower.event(FIRE, 0.0)
    tower.event(FIRE, 1.0, ago_s=28_800)
    late = tower.alarm("detector-fire")
    assert (late["late"], late["raised_at"], late["recorded_at"]) == (True, then, now)
    assert late["returned_at"] is not None
    assert (tower.messages(), tower.rows("select id from work_order")) == ([], [])
    for number, ago_s, at in ((8, 28_800, then), (9, -28_800, now)):
        tower.event(f"fire-panel/detector-{number:02}", 1.0, ago_s=ago_s)
        alarm = tower.alarm("detector-fire", f"{number:02}")
        assert (alarm["raised_at"], alarm["recorded_at"], alarm["late"]) == (at, now, False)
        assert tower.messages("alarm", alarm["id"]) == ["alarm"]
    tower.close()
