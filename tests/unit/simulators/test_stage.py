import pytest

from simulators.building import Building
from simulators.extras import Extras
from simulators.scenarios.lively import Lively
from simulators.scenarios.stage import SCENARIOS, Request, Stage
from watchkeeper.errors import NotPossible


def pass_(stage: Stage, seconds: int) -> None:
    for _ in range(seconds):
        stage.advance(stage.building.at_ms + 1000)


ELSEWHERE = {"clock-jump", "booster-trip"}  # units of other sites: test_scripts.py, test_booster.py
ON_THE_LINE = {"slow-device", "bus-noise"}  # test_modbus_server.py
WHEN_NEEDED = {"generator-fails", "ups-battery"}  # shown by an outage, a test: test_supply.py
LASTING = [
    name
    for name, scenario in SCENARIOS.items()
    if scenario.clear is not None and name not in ELSEWHERE | ON_THE_LINE | WHEN_NEEDED
]
MOMENTARY = [name for name, scenario in SCENARIOS.items() if scenario.clear is None]


@pytest.mark.parametrize("name", MOMENTARY)
def test_what_is_done_in_a_moment_is_not_wrong_afterwards(stage: Stage, name: str) -> None:
    stage.play(Request(name), stage.building.at_ms)
    assert stage.active() == []
    with pytest.raises(NotPossible, match=r"simulators\.no-clear"):
        stage.play(Request(name, clear=True), stage.building.at_ms)


@pytest.mark.serves("A10")
@pytest.mark.parametrize("name", LASTING)
def test_every_scenario_begins_shows_in_the_registers_and_ends(stage: Stage, name: str) -> None:
    def registers() -> dict[tuple[int, int], bytes] | None:
        slot = stage.building.slots[cause.unit]
        return None if slot.silent else dict(slot.blocks)

    cause = stage.play(Request(name), stage.building.at_ms)
    assert stage.active() == [cause]
    plant = stage.building.plant
    ordinary = Stage(Building(plant, seed=7, start_ms=cause.at, extras=Extras()))
    pass_(stage, 60)
    pass_(ordinary, 60)
    assert registers() != dict(ordinary.building.slots[cause.unit].blocks)
    stage.play(Request(name, clear=True), stage.building.at_ms)
    assert stage.active() == []


def test_an_overload_draws_so_much_of_the_rated_power(stage: Stage, noon: int) -> None:
    stage.play(Request("overload", unit="hvac-2", factor=1.15), noon)
    assert stage.building.power_w("hvac-2", noon) == pytest.approx(1.15 * 160_000)
    stage.play(Request("overload", unit="hvac-2", clear=True), noon + 60_000)
    assert stage.building.power_w("hvac-2", noon + 60_000) < 160_000


def test_a_fire_in_a_zone_rings_there_and_nowhere_else(stage: Stage, noon: int) -> None:
    stage.play(Request("fire", zone="zone-3"), noon)
    ringing = {point: value for point, value in stage.building.held().items() if value == 1}
    fire = {point for point in ringing if point.startswith("fire-panel/")}
    assert fire == {"fire-panel/panel_state", "fire-panel/detector-43", "fire-panel/detector-44"}


def test_the_log_has_every_change_with_its_time(stage: Stage, noon: int) -> None:
    stage.advance(noon)
    stage.play(Request("fire", detectors=[5]), noon + 1_234)
    stage.play(Request("fire", clear=True), noon + 9_999)
    changes = [
        (change.at - noon, change.value)
        for change in stage.changes(noon)
        if change.point == "fire-panel/detector-05"
    ]
    assert changes == [(0, 0.0), (1_234, 1.0), (9_999, 0.0)]


def test_a_technician_at_the_board_repairs_the_lift(stage: Stage, noon: int) -> None:
    stage.play(Request("entrapment", unit="lift-2"), noon)
    stage.play(Request("detector"), noon)
    fixed = stage.fix("lift-2-board", noon + 60_000)
    assert [cause.unit for cause in fixed] == ["lift-2"]
    assert [cause.name for cause in stage.active()] == ["detector"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(Request("earthquake"), "simulators.no-scenario", id="scenario"),
        pytest.param(Request("overload", unit="lift-1"), "simulators.no-unit", id="unit"),
        pytest.param(Request("fire", zone="zone-9"), "simulators.no-zone", id="zone"),
        pytest.param(Request("fire", detectors=[61]), "simulators.no-detector", id="detector"),
    ],
)
def test_what_does_not_exist_is_refused(
    stage: Stage, noon: int, request_: Request, code: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        stage.play(request_, noon)
    assert refused.value.code == code
    assert stage.active() == []


def test_a_lively_hour_has_events_and_fires_and_each_ends(stage: Stage, noon: int) -> None:
    life = Lively(7, noon)
    begun: list[Request] = []
    over: list[Request] = []
    for at in range(noon, noon + 3_600_000, 5_000):
        for request in life.due(stage, at):
            stage.play(request, at)
            (over if request.clear else begun).append(request)
    assert 35 <= len(begun) <= 65
    assert 3 <= sum(request.name == "fire" for request in begun) <= 6
    assert len({request.name for request in begun}) >= 6
    assert len(begun) - len(over) == len(stage.active()) <= 8


def test_the_same_seed_lives_the_same_life(stage: Stage, noon: int) -> None:
    def life(seed: int) -> list[Request]:
        lively, later = Lively(seed, noon), range(noon, noon + 600_000, 5_000)
        return [request for at in later for request in lively.due(stage, at)]

    assert life(1) == life(1)
    assert life(1) != life(2)
