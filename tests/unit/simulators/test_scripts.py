"""Scenarios of the catalog: each is loaded and played once, in its own time."""

from pathlib import Path

import pytest

from simulators.building import Building
from simulators.extras import Extras
from simulators.scenarios import script
from simulators.scenarios.script import Player
from simulators.scenarios.stage import Stage
from watchkeeper import site
from watchkeeper.errors import ConfigError, NotPossible

CATALOG = Path(__file__).resolve().parents[3] / "catalog"
FILES = sorted((CATALOG / "scenarios").glob("*.yaml"))
HEAD = "schema: wk.scenario/1\nname: {zh: 试, en: Try}\nabout: {zh: 试, en: Try}\nsteps:\n"


def on(name: str, start_ms: int) -> Player:
    """Return a player on the sample site, or on the one with a transmission device."""
    where = "lakeside-school" if name == "clock-jump" else "riverside-plaza"
    plant = site.load(CATALOG / f"sites/{where}.yaml", CATALOG / "profiles")
    building = Building(plant, seed=7, start_ms=start_ms, extras=Extras())
    return Player(Stage(building), CATALOG / "scenarios")


@pytest.mark.serves("A10")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_scenario_begins_happens_and_leaves_nothing_wrong(path: Path, noon: int) -> None:
    player = on(path.stem, noon)
    stage, at = player.stage, noon
    written = player.begin(path.stem, noon)
    step_ms = 1_000 if written.requests()[-1][0] < 300 else 5_000
    wrong, played = set(), 0
    while not player.over:
        stage.advance(at)
        for request in player.due(at):
            stage.play(request, at)
            played += 1
        wrong |= {cause.name for cause in stage.active()}
        at += step_ms
    causes = {step.cause for step in written.steps}
    lasting = {each for each in causes if script.SCENARIOS[each].clear is not None}
    assert wrong == lasting
    assert played == len(written.requests())
    assert stage.active() == []


def test_the_fire_rings_again_after_a_reset_in_smoke(noon: int) -> None:
    player, states = on("fire", noon), []
    player.begin("fire", noon)
    for at in range(noon, noon + 140_000, 1000):
        player.stage.advance(at)
        for request in player.due(at):
            player.stage.play(request, at)
        states.append(player.stage.building.panels["fire-panel"].state)
    assert [states[second] for second in (4, 40, 61, 70, 125, 135)] == [0, 1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("steps", "line", "what"),
    [
        pytest.param("  - {at_s: 1, cause: flood}\n", 5, "no cause `flood`", id="cause"),
        pytest.param("  - {at_s: 1, cause: fire}\n  - {cause: fire}\n", 6, "at_s", id="no time"),
        pytest.param("  - {at_s: -1, cause: fire}\n", 5, "at_s", id="before the beginning"),
        pytest.param("  - {at_s: 1, cause: fire, sped: 3}\n", 5, "sped", id="unknown field"),
        pytest.param(
            "  - at_s: 1\n    cause: fire\n    share: 0.5\n", 7, "nothing to `fire`", id="parameter"
        ),
        pytest.param("  - {at_s: 1, cause: bus-noise, share: 3}\n", 5, "share", id="share over 1"),
        pytest.param(
            "  - {at_s: 1, cause: panel-mute, for_s: 9}\n", 5, "in a moment", id="mute lasts"
        ),
        pytest.param("  - {at_s: 1, cause: fire, for_s: 9, clear: true}\n", 5, "last", id="both"),
        pytest.param("  []\n", 5, "steps", id="nothing happens"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, steps: str, line: int, what: str
) -> None:
    file = tmp_path / "try.yaml"
    file.write_text(HEAD + steps, "utf-8")
    with pytest.raises(ConfigError, match=what) as refused:
        script.load(file)
    assert refused.value.where == f"{file}:{line}"


def test_what_the_site_has_not_is_refused_before_anything_happens(
    tmp_path: Path, stage: Stage, noon: int
) -> None:
    file = tmp_path / "try.yaml"
    file.write_text(
        HEAD + "  - {at_s: 0, cause: fire}\n  - {at_s: 9, cause: outage, unit: main-9}\n", "utf-8"
    )
    player = Player(stage, CATALOG / "scenarios")
    with pytest.raises(NotPossible, match=r"simulators\.no-unit"):
        player.begin(str(file), noon)
    assert player.over
    with pytest.raises(ConfigError, match="outage"):
        player.begin("earthquake", noon)


def test_two_scenarios_play_beside_each_other(stage: Stage, noon: int) -> None:
    player = Player(stage, CATALOG / "scenarios")
    player.begin("leak", noon)
    player.begin("entrapment", noon + 10_000)
    assert [request.name for request in player.due(noon + 20_000)] == ["water-leak", "entrapment"]
    assert player.due(noon + 20_000) == []
