from pathlib import Path

import pytest

from watchkeeper import profile
from watchkeeper.errors import ConfigError

HEAD = """schema: wk.profile/1
id: thing
name: {zh: 物, en: Thing}
equipment: electricity_meter
source: made up for this test
points:
  - {id: ct, name: {zh: 比, en: CT}, address: 0, type: uint16}
  - {id: model, name: {zh: 型, en: Model}, address: 1, type: string, length: 4}
  - {id: scaled, name: {zh: 值, en: Scaled}, address: 5, type: uint16, scale_from: ct}
"""
FLOAT, WORD = "type: float32", "type: uint16"


def load(folder: Path, more: str) -> profile.Profile:
    path = folder / "thing.yaml"
    path.write_text(
        f"{HEAD}  - {{id: it, name: {{zh: 它, en: It}}, address: 9, {more}}}\n", "utf-8"
    )
    return profile.load(path)


@pytest.mark.serves("A2")
@pytest.mark.parametrize(
    ("more", "what"),
    [
        (f"{FLOAT}, fraction_bits: 8", "fraction bits of a float32"),
        (f"{WORD}, bits: [0, 3], fraction_bits: 1", "fraction bits of a uint16 field"),
        (f"{FLOAT}, time: epoch, unit: s", "seconds since 1970 in a float32"),
        (f"{WORD}, time: epoch, unit: s", "seconds since 1970 in a uint16"),
        ("type: uint32, time: calendar, unit: s", "a calendar in a uint32"),
        ("type: bcd48, time: calendar, unit: s, scale: 0.1", "a calendar in a bcd48"),
        ("type: uint32, time: epoch", "is an instant"),
        ("type: uint32, time: epoch, unit: s, kind: counter", "is an instant"),
        (f"{WORD}, scale_from: nothing", "no point `nothing` to be scaled by"),
        (f"{WORD}, scale_from: scaled", "`scaled` is scaled itself, a time or a text"),
        (f"{WORD}, ratio_from: [ct, model]", "`model` is scaled itself, a time or a text"),
        (f"{WORD}, ratio_from: [ct], through: true", "by a point and by `through`"),
        (f"{WORD}, ratio_from: [ct], offset: 1", "by a point and by `through`, `offset`"),
        (f"{WORD}, ratio_from: [ct], kind: counter, rollover: 10", "where it rolls over"),
        (f"{WORD}, kind: counter, deadband_percent: 1", "a percentage of a counter"),
        ("type: string, bit: 1", "a bit of a string"),
        ("type: string, class: fault", "is a text"),
        ("type: string, scale_from: ct", "is a text"),
        (f"{WORD}, bits: [4, 2]", "bits 4 to 2 of a uint16"),
        (f"{FLOAT}, bit: 2", "a bit of a float32"),
        (f"{WORD}, deadband_percent: 101", "deadband_percent"),
        (f"{WORD}, function: 1", "a uint16 of function 1"),
        (f"{FLOAT}, function: 2", "a float32 of function 2"),
        ("type: bool, bit: 3, function: 2", "a bool with a bit of function 2"),
        (f"{WORD}, function: 5", "function"),  # 5, 6, 15 and 16 write
        (f"{WORD}, function: 6", "function"),
        ("type: bool, function: 15", "function"),
        (f"{WORD}, function: 16", "function"),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_line(
    tmp_path: Path, more: str, what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        load(tmp_path, more)
    assert told.value.where.endswith("thing.yaml:10")
    assert told.value.fix


@pytest.mark.serves("A2")
@pytest.mark.parametrize(
    "more",
    [
        "type: int32, fraction_bits: 16",
        "type: uint64, time: epoch, unit: s, scale: 0.001, offset: -28800",
        "type: bcd48, time: calendar, unit: s, word_order: little, byte_order: little",
        "type: bcd48",
        f"{WORD}, scale_from: ct, scale_kind: factor",
        "type: uint32, ratio_from: [ct], kind: counter",
        f"{FLOAT}, deadband: 1, deadband_percent: 2",
        "type: bool, function: 1",
        "type: bool, function: 2, scale: -1, offset: 1",
        "type: bool, bit: 3, function: 3",
    ],
)
def test_what_goes_together_is_taken(tmp_path: Path, more: str) -> None:
    assert load(tmp_path, more).points[-1].id == "it"


def test_a_row_of_points_may_have_a_row_of_scales(tmp_path: Path) -> None:
    path = tmp_path / "thing.yaml"
    repeat = "type: uint16, repeat: {count: 2}"
    path.write_text(
        HEAD
        + f'  - {{id: "s{{n}}", name: {{zh: 比, en: S}}, address: 20, {repeat}}}\n'
        + f'  - {{id: "p{{n}}", name: {{zh: 值, en: P}}, address: 30, {repeat}, '
        'scale_from: "s{n}"}\n',
        "utf-8",
    )
    assert [point.scale_from for point in profile.load(path).points[-2:]] == ["s1", "s2"]


@pytest.mark.parametrize("function", [0, 5, 6, 15, 16, 22, 23])
def test_a_profile_cannot_name_a_function_that_writes(tmp_path: Path, function: int) -> None:
    path = tmp_path / "thing.yaml"
    path.write_text(HEAD.replace("points:", f"modbus: {{function: {function}}}\npoints:"), "utf-8")
    with pytest.raises(ConfigError, match="function") as told:
        profile.load(path)
    assert told.value.where.endswith("thing.yaml:6")
