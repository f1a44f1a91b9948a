from pathlib import Path

import numpy as np
import pytest

from ops import catalog
from simulators import shapes
from simulators.devices.electricity import _OWN
from watchkeeper.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "catalog/shapes/water.yaml").read_text("utf-8")
MEASURED = {"retail": "opendsm 1.2.7", "water": "river 0.26.1", "office": "demandlib 0.2.2"}


def line(text: str, begins: str) -> int:
    return next(n for n, row in enumerate(text.splitlines(), 1) if row.startswith(begins))


def test_every_load_of_the_building_has_a_shape_and_every_shape_a_load() -> None:
    assert set(shapes.installed()) == {curve for curve, _ in _OWN.values()} | {"water"}


def test_what_was_not_measured_says_so() -> None:
    found = {id_: shape.source for id_, shape in shapes.installed().items()}
    for id_, source in found.items():
        assert source == "assumption" or MEASURED[id_] in source, id_
    assert {id_ for id_, source in found.items() if source != "assumption"} == set(MEASURED)


@pytest.mark.parametrize("shape", shapes.installed().values(), ids=lambda each: each.id)
def test_a_shape_has_names_in_both_languages(shape: shapes.Shape) -> None:
    assert shape.name.zh
    assert shape.name.en


def test_people_use_least_water_at_night() -> None:
    water = shapes.installed()["water"]
    for hours in (water.workday, water.weekend):
        assert int(np.argmin(hours)) == 4
        assert 7 <= int(np.argmax(hours)) <= 12


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        pytest.param("id: water", "id: sea", "id:", "`sea` in water.yaml", id="other name"),
        pytest.param("[34, 21,", "[134, 21,", "workday:", "<= 100", id="more than all"),
        pytest.param("[34, 21,", "[34,", "workday:", "length", id="23 hours"),
        pytest.param("100, 93", "99, 93", "workday:", "highest hour", id="no full hour"),
        pytest.param("licence: BSD-3-Clause", "licence: ''", "source:", "licence", id="licence"),
        pytest.param("scatter: 0.12", "noise: 0.12", "noise:", "unknown", id="unknown field"),
        pytest.param("scatter: 0.12", "scatter: 2", "scatter:", "<= 0.3", id="wild"),
        pytest.param(
            "scatter: 0.12",
            "months: [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]",
            "months:",
            "highest month",
            id="no full month",
        ),
    ],
)
def test_a_wrong_shape_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, where: str, what: str
) -> None:
    assert TEXT.count(old) == 1
    text = TEXT.replace(old, new)
    file = tmp_path / "water.yaml"
    file.write_text(text, "utf-8")
    mistake = catalog.mistake(file, tmp_path)
    assert isinstance(mistake, ConfigError)
    assert mistake.where == f"{file}:{line(text, where)}"
    assert what in mistake.what


def test_a_day_on_which_nothing_is_drawn_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "schema: wk.shapes/1\nid: x\nname: {zh: x, en: x}\nsource: assumption\n"
        f"workday: [100{', 0' * 23}]\nweekend: [0{', 0' * 23}]\n",
        "utf-8",
    )
    with pytest.raises(ConfigError, match=r"x\.yaml:6.*nothing is drawn"):
        shapes.load(file)
