from pathlib import Path

import pytest

from watchkeeper import profile, site
from watchkeeper.errors import ConfigError
from watchkeeper.ids import PointId

PROFILE = """schema: wk.profile/1
id: thing
name: {zh: 物, en: Thing}
equipment: electricity_meter
source: made up for this test
points:
  - {id: power, name: {zh: 功率, en: Power}, address: 52, type: float32, unit: W}
  - id: "light-{n}"
    name: {zh: '灯 {n}', en: "Light {n}"}
    address: 100
    type: uint16
    class: fault
    repeat: {count: 12, step: 2}
"""
SITE = """schema: wk.site/1
site: {id: s, name: {zh: 甲, en: S}}
places: [{id: hall, name: {zh: 厅, en: Hall}, floors: 1..2}]
edges:
  - id: e1
    buses: [{id: lan, modbus_tcp: {host: 127.0.0.1, port: 1502}}]
    units:
      - {id: m-1, profile: thing, bus: lan, unit: 1, place: hall/1}
      - {id: m-2, profile: thing, bus: lan, unit: 2, place: hall}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "thing.yaml").write_text(PROFILE, "utf-8")
    return tmp_path


def load(folder: Path, text: str, *, strict: bool = False) -> site.Plant:
    path = folder / "the-site.yaml"
    path.write_text(text, "utf-8")
    return site.load(path, folder, strict=strict)


def test_points_have_the_unit_and_the_profile_in_their_id(folder: Path) -> None:
    plant = load(folder, SITE)
    ids = [point.id for point in plant.points()]
    assert ids[:3] == ["m-1/power", "m-1/light-01", "m-1/light-02"]
    assert len(ids) == 26


def test_repeated_points_step_through_the_registers(folder: Path) -> None:
    points = {point.id: point for point in profile.load(folder / "thing.yaml").points}
    assert points["light-12"].address == 122
    assert points["light-12"].name.en == "Light 12"


def test_aliases_count_in_the_order_of_the_file(folder: Path) -> None:
    born = site.born(load(folder, SITE).points())
    assert [point.alias for point in born] == list(range(26))
    assert (born[1].kind, born[0].unit) == ("fault", "W")


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        pytest.param("bus: lan, unit: 2", "bus: wan, unit: 2", 9, "no bus `wan`", id="bus"),
        pytest.param("id: m-2", "id: m-1", 9, "unit `m-1` stands twice", id="twice"),
        pytest.param("place: hall}", "place: moon}", 9, "no place `moon`", id="place"),
        pytest.param("profile: thing, bus: lan, unit: 1", "profile: no, bus: lan, unit: 1", 8,
                     "no profile `no`", id="profile"),
        pytest.param("  - id: e1\n", "  - id: e1\n    alone: {bus: wan, unit: 9, coil: 0}\n", 6,
                     "alone.bus: no Modbus bus `wan`", id="alone"),
        pytest.param("en: S}", "en: S}, time_zone: Mars/Base", 2, "no time zone", id="zone"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told_with_its_line(
    folder: Path, old: str, new: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        load(folder, SITE.replace(old, new), strict=True)
    assert told.value.where.endswith(f"the-site.yaml:{line}")


RTU = "modbus_rtu: {port: /dev/ttyUSB0, baud: 19200, parity: E, stop: 1}"
TCP = "modbus_tcp: {host: 127.0.0.1, port: 1502}"


@pytest.mark.parametrize("kind", [RTU, "modbus_rtu_tcp: {host: roof, port: 4001}", TCP])
def test_a_bus_is_of_one_kind(folder: Path, kind: str) -> None:
    (bus,) = load(folder, SITE.replace(TCP, kind)).site.edges[0].buses
    assert bus.kinds == [kind.partition(":")[0]]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        pytest.param(SITE.replace(TCP, f"{TCP}, {RTU}"), 6, "is modbus_tcp and modbus_rtu", id="2"),
        pytest.param(SITE.replace(f", {TCP}", ""), 6, "is of no kind", id="none"),
        pytest.param(SITE.replace(TCP, RTU).replace("unit: 2", "unit: 0"), 9, "as 0", id="all"),
        pytest.param(SITE.replace(TCP, RTU.replace("19200", "19201")), 6, "Invalid", id="baud"),
    ],
)
def test_a_bus_that_cannot_be_is_told_with_its_line(
    folder: Path, text: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        load(folder, text, strict=True)
    assert told.value.where.endswith(f"the-site.yaml:{line}")


def test_a_missing_site_file_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        site.load(folder / "nowhere.yaml", folder)


REPLACED = SITE.replace("id: m-1, ", "id: m-1, replaced_by: m-2, ")


def test_a_retired_unit_is_not_polled_and_keeps_its_name_and_its_points(folder: Path) -> None:
    plant = load(folder, REPLACED.replace("place: hall/1", "name: {zh: 旧, en: Old}"), strict=True)
    assert [unit.id for unit in plant.units()] == ["m-2"]
    assert {item.unit.id for item in plant.points()} == {"m-2"}
    assert [unit.id for unit in plant.site.edges[0].units] == ["m-2"]
    assert [unit.name.en for unit in plant.retired if unit.name] == ["Old"]
    assert plant.past_points()[0].id == "m-1/power"


@pytest.mark.parametrize(
    "gone", ["bus: lan, unit: 1", "profile: thing, bus: lan", "profile: thing, bus: lan, unit: 1"]
)
def test_a_retired_unit_needs_neither_its_bus_nor_its_profile(folder: Path, gone: str) -> None:
    left = "profile: gone" if "profile" in gone else "bus: gone"
    plant = load(folder, REPLACED.replace(gone, left, 1), strict=True)
    assert [unit.id for unit in plant.retired] == ["m-1"]
    assert bool(plant.past_points()) is (left == "bus: gone")
    assert plant.lineage(PointId("m-2/power")) == ["m-2/power", "m-1/power"]


def test_history_goes_back_over_several_replacements(folder: Path) -> None:
    more = "      - {id: m-0, profile: thing, replaced_by: m-1}\n"
    plant = load(folder, REPLACED + more, strict=True)
    assert plant.lineage(PointId("m-2/power")) == ["m-2/power", "m-1/power", "m-0/power"]
    assert plant.lineage(PointId("m-1/power")) == ["m-1/power", "m-0/power"]
    assert plant.lineage(PointId("m-0/power")) == ["m-0/power"]


def test_what_a_left_out_meter_feeds_keeps_its_place_in_the_tree(folder: Path) -> None:
    text = SITE.replace("id: m-1, ", "id: m-1, feeds: [m-2], ").replace("unit: 1,", "unit: x,")
    assert load(folder, text).feeders() == {}  # nothing of it can be read
    text = SITE.replace("id: m-1, ", "id: m-1, feeds: [m-2], ").replace("lan, unit: 1", "wan")
    assert load(folder, text).feeders() == {"m-2": "m-1"}


def test_a_retired_meter_gives_its_place_in_the_tree_to_its_successor(folder: Path) -> None:
    text = REPLACED.replace("id: m-1, ", "id: m-1, feeds: [a, b], ")
    text = text.replace("id: m-2, ", "id: m-2, feeds: [a], ")
    assert load(folder, text).feeders() == {"a": "m-2", "b": "m-1"}


def test_the_outline_asks_no_profile_and_skips_what_cannot_be_read(folder: Path) -> None:
    path = folder / "the-site.yaml"
    path.write_text(SITE.replace("thing", "nobody").replace("unit: 2", "unit: two"), "utf-8")
    found = site.outline(path)
    assert (found.site.id, [unit.id for unit in found.edges[0].units]) == ("s", ["m-1"])
