"""What the catalog refuses to take for a plan, and what its own plans hold."""

from pathlib import Path

import pytest

from server import plans
from server.emergency.model import Action, Plan
from tests.unit.server.emergency.cast import CATALOG, SHELF
from watchkeeper.errors import ConfigError

PLANS = CATALOG / "plans"


def changed(folder: Path, old: str, new: str, name: str = "entrapment") -> Path:
    text = (PLANS / f"{name}.yaml").read_text("utf-8")
    assert old in text
    path = folder / f"{name}.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        pytest.param("verify: desk", "verify: nobody", "no `nobody`", id="role of the trigger"),
        pytest.param("start_level: III", "start_level: V", "no `V`", id="level"),
        pytest.param(
            "all_clear_by: commander", "all_clear_by: boss", "no `boss`", id="role of the end"
        ),
        pytest.param("deputy: desk", "deputy: boss", "no `boss`", id="deputy"),
        pytest.param("owner: desk", "owner: boss", "no role `boss`", id="owner"),
        pytest.param("on_success: arrive", "on_success: fly", "no step `fly`", id="next step"),
        pytest.param("clock: answer", "clock: lunch", "no clock `lunch`", id="clock"),
        pytest.param("clock: answer", "life_safety: false", "twice", id="a key twice"),
        pytest.param(
            "    clock: arrive\n", "", "needs a time limit, exactly one", id="no time limit"
        ),
        pytest.param(
            "clock: arrive\n",
            "clock: arrive\n    timeout_s: 5\n",
            "needs a time limit, exactly one",
            id="two time limits",
        ),
        pytest.param("key: look", "key: speak", "`speak` stands twice", id="a step twice"),
        pytest.param(
            "on_failure: look", "on_failure: rescue", "look: nothing leads here", id="unreachable"
        ),
        pytest.param(
            "{type: end, key: finish}",
            "{type: if-condition, key: finish, condition: {fact: mode, op: is, value: x},"
            " on_true: report, on_false: report}",
            "no way leads to an end",
            id="a loop without an end",
        ),
        pytest.param(
            "on_true: call-ambulance", "on_true: how-ill", "without anybody acting", id="a spin"
        ),
        pytest.param(
            "on_success: guarding-ends",
            "on_success: health",
            "a branch leaves to",
            id="a branch that does not end",
        ),
        pytest.param("op: at_least, value: II", "op: is, value: V", "no level `V`", id="value"),
        pytest.param("{fact: level, op: at", "{fact: zone, op: at", "only a level", id="fact"),
        pytest.param("key: begin, on", "key: begin, type: end, on", "twice", id="two types"),
        pytest.param("en: Anybody unwell}", 'en: ""}', "no en", id="an empty language"),
        pytest.param(", en: Anybody unwell}", "}", "missing required field `en`", id="no English"),
        pytest.param(
            "title: {zh: 电梯困人, en", "title: {de: Lift, en", "de", id="a language more"
        ),
        pytest.param("on_completion: health", "on_done: health", "on_done", id="a word unknown"),
        pytest.param("ack_within_s: 30", "ack_within_s: 0", ">= 1", id="a number out of bounds"),
    ],
)
@pytest.mark.serves("E1")
def test_a_mistake_is_told_with_file_and_line(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(ConfigError) as mistake:
        plans.load_file(path)
    assert what in str(mistake.value)
    assert mistake.value.where.startswith(f"{path}:")
    assert int(mistake.value.where.rpartition(":")[2]) > 1


def test_the_line_of_a_mistake_is_its_own(tmp_path: Path) -> None:
    path = changed(tmp_path, "on_success: arrive", "on_success: fly")
    lines = path.read_text("utf-8").splitlines()
    expected = next(n for n, line in enumerate(lines, 1) if line == "  - type: action" and (
        lines[n] == "    key: call-contractor"
    ))  # fmt: skip
    with pytest.raises(ConfigError) as mistake:
        plans.load_file(path)
    assert mistake.value.where == f"{path}:{expected}"


def test_a_signal_has_one_plan(tmp_path: Path) -> None:
    changed(tmp_path, "signals: [entrapment]", "signals: [fire]")
    changed(tmp_path, "key: fire", "key: fire", "fire")
    with pytest.raises(ConfigError, match="`fire` is taken by entrapment"):
        plans.load(tmp_path)


@pytest.mark.parametrize("key", ["fire", "entrapment", "flooding"])
@pytest.mark.serves("E2")
def test_a_plan_of_the_catalog_is_complete(key: str) -> None:
    plan = SHELF.get(key).plan
    assert list(plans.faults(plan)) == []
    assert SHELF.of_signal(key) == SHELF.get(key)
    assert plan.roles
    assert plan.resources
    assert plan.contacts
    assert plan.reports
    assert plan.life_safety
    assert plan.close.headcount
    assert {contact.phone for contact in plan.contacts} >= {"119", "120"}
    assert longest(plan) <= 30


def longest(plan: Plan) -> int:
    """Characters of the longest Chinese step; a step is read at a glance."""
    return max(len(step.do.zh) for step in plan.steps if isinstance(step, Action))


def test_the_panel_is_never_reset_or_silenced_by_us() -> None:
    fire = SHELF.get("fire").plan
    linkage = fire.step("linkage")
    assert isinstance(linkage, Action)
    assert linkage.note is not None
    assert linkage.note.en == "By hand at the panel. Do not reset, do not silence"


def test_talking_comes_first_in_an_entrapment() -> None:
    plan = SHELF.get("entrapment").plan
    assert plan.first().on_completion == "speak"
