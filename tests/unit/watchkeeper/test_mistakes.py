"""Every kind of mistake an integrator makes: told with file, line and reason, in both modes.

Strict refuses any of them. Otherwise a device with one is left out and the rest runs; what makes
the whole file mean nothing is refused all the same.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper import profile, site
from watchkeeper.errors import ConfigError

PROFILE = """schema: wk.profile/1
id: thing
name: {zh: 物, en: Thing}
equipment: electricity_meter
source: made up for this test
modbus: {function: 3, max_registers: 60}
points:
  - {id: power, name: {zh: 功率, en: Power}, address: 52, type: float32, unit: W}
  - {id: "light-{n}", name: {zh: 灯, en: "L {n}"}, address: 100, type: uint16, repeat: {count: 3}}
"""
PANEL = """schema: wk.profile/1
id: panel
name: {zh: 盘, en: Panel}
equipment: fire_panel
source: made up for this test
points:
  - {id: fire, name: {zh: 火, en: Fire}, address: 1, type: uint16, component: {system: 1}}
"""
SITE = """schema: wk.site/1
site: {id: s, name: {zh: 甲, en: S}}
places:
  - {id: hall, name: {zh: 厅, en: Hall}, floors: B1..2}
  - {id: roof, name: {zh: 顶, en: Roof}}
edges:
  - id: e1
    buses:
      - {id: lan, modbus_tcp: {host: 127.0.0.1, port: 1502}}
      - {id: rs485, modbus_rtu: {port: /dev/ttyUSB0, baud: 9600}}
      - {id: fire, gb26875: {host: 127.0.0.1, port: 1503}}
    alone: {bus: lan, unit: 9, coil: 0}
    units:
      - {id: m-1, profile: thing, bus: lan, unit: 1, place: hall/1}
      - {id: m-2, profile: thing, bus: rs485, unit: 2, place: roof, ct: 200/5}
      - {id: p-1, profile: panel, bus: fire, source: "010000000000", place: hall}
      - {id: m-0, profile: thing, bus: lan, unit: 7, place: hall, replaced_by: m-1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/thing.yaml").write_text(PROFILE, "utf-8")
    (tmp_path / "profiles/panel.yaml").write_text(PANEL, "utf-8")
    return tmp_path


def load(folder: Path, text: str, *, strict: bool = False) -> site.Plant:
    path = folder / "site.yaml"
    path.write_text(text, "utf-8")
    return site.load(path, folder / "profiles", strict=strict)


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1
    return text.replace(old, new, 1)


def test_the_examples_are_right(folder: Path) -> None:
    plant = load(folder, SITE, strict=True)
    assert [unit.id for unit in plant.units()] == ["m-1", "m-2", "p-1"]
    assert (list(plant.left_out), [unit.id for unit in plant.retired]) == ([], ["m-0"])


DEVICE = [  # what is changed, the line, the device that is left out, what is told
    ("profile: thing, bus: lan, unit: 1", "profile: nobody, bus: lan, unit: 1",
     14, "m-1", "no profile `nobody`"),
    ("profile: thing, bus: lan, unit: 1", "profile: ../site, bus: lan, unit: 1",
     14, "m-1", "no profile `../site`"),
    ("bus: lan, unit: 1", "bus: wan, unit: 1", 14, "m-1", "bus: no bus `wan`"),
    ("bus: lan, unit: 1", "unit: 1", 14, "m-1", "bus: no bus ``"),
    ("bus: lan, unit: 1", "bus: lan", 14, "m-1", "unit: `m-1` is on a Modbus bus"),
    ("bus: lan, unit: 1", "bus: lan, unit: 256", 14, "m-1", "unit: Expected `int` <= 255"),
    ("bus: lan, unit: 1", "bus: lan, unit: one", 14, "m-1", "unit: Expected `int`, got `str`"),
    ("bus: lan, unit: 1", "bus: lan, unit: 1, source: '010000000000'",
     14, "m-1", "is on a Modbus bus"),
    ("bus: rs485, unit: 2", "bus: rs485, unit: 0", 15, "m-2", "nobody answers as 0"),
    ("bus: rs485, unit: 2", "bus: rs485, unit: 248", 15, "m-2", "nobody answers as 248"),
    ("place: roof", "place: moon", 15, "m-2", "place: no place `moon`"),
    ("place: roof, ", "", 15, "m-2", "place: no place ``"),
    ("ct: 200/5", "ct: 200", 15, "m-2", "ct: Expected `str`"),
    ("ct: 200/5", "ct: 200:5", 15, "m-2", "ct: Expected `str`, got `int`"),
    ("ct: 200/5", "ct: 200/0", 15, "m-2", "ct: `200/0` is no ratio"),
    ("ct: 200/5", "pt: 10 kV", 15, "m-2", "pt: `10 kV` is no ratio"),
    ("ct: 200/5", "rated_kw: much", 15, "m-2", "rated_kw: Expected `float`"),
    ("ct: 200/5", "feeds: m-1", 15, "m-2", "feeds: Expected `array`"),
    ("ct: 200/5", "colour: red", 15, "m-2", "unknown field `colour`"),
    ("ct: 200/5", "zones: [{id: z, place: hall}]", 15, "m-2", "zones[0].name"),
    ('source: "010000000000"', "unit: 3", 16, "p-1", "source: `p-1` is on a gb26875 bus"),
    ('source: "010000000000"', 'source: "0100"', 16, "p-1", "source: Expected `str` matching"),
    ('source: "010000000000", ', "", 16, "p-1", "source: `p-1` is on a gb26875 bus"),
    ("bus: lan, unit: 7, place: hall, replaced_by: m-1",
     "bus: fire, source: '010000000000', place: hall", 17, "m-0", "is not for bus"),
    ("profile: thing, bus: lan, unit: 7, place: hall, replaced_by: m-1",
     "profile: panel, bus: fire, source: '010000000000', place: hall", 17, "m-0", "stands twice"),
    ("profile: panel", "profile: thing", 16, "p-1", "`thing` is not for bus `fire`"),
    ("profile: thing, bus: lan, unit: 1", "profile: panel, bus: lan, unit: 1",
     14, "m-1", "`panel` is not for bus `lan`"),
    ("{id: m-1, ", "{id: M 1, ", 14, "M 1", "id: Expected `str` matching"),
    ("{id: m-2, ", "{", 15, "edges[0].units[1]", "missing required field `id`"),
    ("profile: thing, bus: rs485", "bus: rs485", 15, "m-2", "missing required field `profile`"),
    ("- {id: m-2, profile: thing, bus: rs485, unit: 2, place: roof, ct: 200/5}", "- m-2",
     15, "edges[0].units[1]", "Expected `object`"),
]  # fmt: skip


@pytest.mark.serves("A2")
@pytest.mark.parametrize(("old", "new", "line", "unit", "what"), DEVICE)
def test_a_device_with_a_mistake_is_left_out_and_the_rest_runs(
    folder: Path, old: str, new: str, line: int, unit: str, what: str
) -> None:
    text = changed(SITE, old, new)
    if unit == "M 1":  # what it replaced has no successor then
        text = text.replace(", replaced_by: m-1", ", replaced_by: m-2")
    plant = load(folder, text)
    (out,) = plant.left_out
    assert (out.id, out.edge) == (unit, "e1")
    assert out.facts["where"] == f"{folder / 'site.yaml'}:{line}"
    assert what in str(out.facts["what"])
    assert out.facts["fix"]
    assert len(plant.units()) == (3 if unit == "m-0" else 2)
    assert unit not in {each.id for each in plant.units()}
    assert not [item for item in plant.points() if item.unit.id == unit]


@pytest.mark.serves("A2")
@pytest.mark.parametrize(("old", "new", "line", "unit", "what"), DEVICE)
def test_strict_refuses_a_device_with_a_mistake(
    folder: Path, old: str, new: str, line: int, unit: str, what: str
) -> None:
    with pytest.raises(ConfigError) as told:
        load(folder, changed(SITE, old, new), strict=True)
    found = [each for each in told.value.all if each.where.endswith(f"site.yaml:{line}")]
    assert any(what in each.what and each.fix for each in found), (unit, str(told.value))


WHOLE = [
    ("schema: wk.site/1", "schema: wk.sites/1", 1, "`schema: wk.site/1` is missing"),
    ("places:", "places", 4, "not readable as YAML"),
    ("places:", "\tplaces:", 3, "not readable as YAML"),
    ("id: lan, modbus_tcp", "id: lan, id: lan, modbus_tcp", 9, "`id` stands twice"),
    ("site: {id: s,", "site: {id: !!int s,", 2, "not readable as YAML"),
    ("site: {id: s,", "site: {!!int : s,", 2, "not readable as YAML"),
    ("site: {id: s, name: {zh: 甲, en: S}}", "site: {id: s}", 2, "site.name"),
    ("en: S}", "en: S}, time_zone: Mars/Base", 2, "no time zone `Mars/Base`"),
    ("en: S}", "en: S}, time_zone: ''", 2, "no time zone ``"),
    ("en: S}", "en: S}, area: 3", 2, "unknown field `area`"),
    ("floors: B1..2", "floors: B1-2", 4, "places[0].floors"),
    ("{id: roof,", "{id: hall,", 5, "place `hall` stands twice"),
    ("{id: rs485,", "{id: lan,", 10, "bus `lan` stands twice"),
    ("{id: m-2,", "{id: m-1,", 15, "unit `m-1` stands twice"),
    (", modbus_tcp: {host: 127.0.0.1, port: 1502}", "", 9, "`lan` is of no kind"),
    ("port: 1502}", "port: 1502}, modbus_rtu: {port: /dev/x}", 9, "modbus_tcp and modbus_rtu"),
    ("port: 1502", "port: 70000", 9, "modbus_tcp.port: Expected `int` <= 65535"),
    ("baud: 9600", "baud: 9601", 10, "modbus_rtu.baud"),
    ("modbus_rtu:", "modbus_serial:", 10, "unknown field `modbus_serial`"),
    ("alone: {bus: lan", "alone: {bus: fire", 12, "no Modbus bus `fire`"),
    ("coil: 0}", "coil: -1}", 12, "alone.coil: Expected `int` >= 0"),
    ("replaced_by: m-1", "replaced_by: m-9", 17, "replaced_by: no unit `m-9`"),
    ("replaced_by: m-1", "replaced_by: m-0", 17, "leads in a circle"),
    ("place: hall/1", "place: hall/1, replaced_by: m-0", 14, "leads in a circle"),
    ("ct: 200/5", "replaced_by: m-1", 17, "`m-1` takes over from `m-2` already"),
    ("units:", "unit:", 7, "missing required field `units`"),
]


@pytest.mark.serves("A2")
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize(("old", "new", "line", "what"), WHOLE)
def test_what_makes_the_whole_file_mean_nothing_is_refused_in_both_modes(
    folder: Path, old: str, new: str, line: int, what: str, *, strict: bool
) -> None:
    with pytest.raises(ConfigError) as told:
        load(folder, changed(SITE, old, new), strict=strict)
    found = [each for each in told.value.all if what in each.what]
    assert f"{folder / 'site.yaml'}:{line}" in [each.where for each in found], str(told.value)
    assert found[0].fix


IN_PROFILE = [
    ("schema: wk.profile/1", "schema: wk.site/1", 1, "`schema: wk.profile/1` is missing"),
    ("points:", "points", 8, "not readable as YAML"),
    ("id: thing\n", "", 1, "id: Object missing required field `id`"),
    ("name: {zh: 物, en: Thing}", "name: Thing", 3, "name: Expected `object`"),
    ("en: Thing}", "cn: Thing}", 3, "name.cn: Object contains unknown field `cn`"),
    ("electricity_meter", "electric_meter", 4, "equipment: Invalid enum value"),
    ("function: 3", "function: 7", 6, "modbus.function"),
    ("max_registers: 60", "max_registers: 126", 6, "modbus.max_registers"),
    ("max_registers: 60", "max_register: 60", 6, "unknown field `max_register`"),
    ("address: 52", "address: -1", 8, "points[0].address: Expected `int` >= 0"),
    ("address: 52", "address: 65535", 8, "ends past register 65535"),
    ("address: 52", "adress: 52", 8, "unknown field `adress`"),
    ("address: 52", "address: 400h", 8, "points[0].address: Expected `int`, got `str`"),
    ("type: float32", "type: float", 8, "points[0].type: Invalid enum value"),
    (
        "type: float32",
        "type: float32, bit: 3",
        8,
        "points[0].bit: point `power`: a bit of a float32",
    ),
    ("type: float32", "type: uint16, bits: [7, 3]", 8, "points[0].bits"),
    ("type: float32", "type: uint16, bits: [1, 2, 3]", 8, "points[0].bits"),
    (
        "unit: W",
        "unit: W, possible: [5, 1]",
        8,
        "points[0].possible: point `power`: from 5 up to 1",
    ),
    ("unit: W", "unit: W, possible: 5", 8, "points[0].possible: Expected `array"),
    ("unit: W", "unit: W, possible: [.nan, 5]", 8, "points[0].possible"),
    ("unit: W", "unit: W, usual: [5, 1]", 8, "points[0].usual"),
    ("unit: W", "unit: W, kind: counter, rollover: 0", 8, "points[0].rollover"),
    ("unit: W", "unit: W, kind: meter", 8, "points[0].kind"),
    ("unit: W", "unit: W, class: safety", 8, "points[0].class"),
    ("unit: W", "unit: W, scale_from: exponent", 8, "no point `exponent` to be scaled by"),
    ("unit: W", "unit: W, ratio_from: [pt]", 8, "points[0].ratio_from"),
    ("unit: W", "unit: Hz, through: true", 8, "points[0].through: point `power`: no transformer"),
    ("unit: W", "unit: W, deadband: -1", 8, "points[0].deadband"),
    ("unit: W", "unit: W, words: [{value: 1}]", 8, "points[0].words[0].name"),
    ("unit: W", "unit: W, component: {system: 1}", 8, "a component has one uint16"),
    ("id: power", "id: Power", 8, "points[0].id: Expected `str` matching"),
    ("id: power", "id: light-2", 9, "point `light-2` stands twice"),
    ("id: power", 'id: "power{n}"', 8, "points[0].id: braces stand for nothing"),
    ('"light-{n}"', '"light-{i}"', 9, "points[1].id: braces stand for nothing"),
    ('"L {n}"', '"L {n"', 9, "points[1].id: braces stand for nothing"),
    ('"light-{n}"', "light", 9, "point `light` stands twice"),
    ("count: 3", "count: 0", 9, "points[1].repeat.count"),
    ("address: 100", "address: 65534", 9, "points[1].address: point `light-3` ends past"),
]


@pytest.mark.serves("A2")
@pytest.mark.parametrize(("old", "new", "line", "what"), IN_PROFILE)
def test_a_mistake_in_a_profile_leaves_its_devices_out(
    folder: Path, old: str, new: str, line: int, what: str
) -> None:
    file = folder / "profiles/thing.yaml"
    file.write_text(changed(PROFILE, old, new), "utf-8")
    plant = load(folder, SITE)
    assert [each.id for each in plant.left_out] == ["m-1", "m-2"]
    assert [unit.id for unit in plant.units()] == ["p-1"]
    assert [unit.id for unit in plant.retired] == ["m-0"]
    assert plant.past_points() == []
    with pytest.raises(ConfigError) as told:
        load(folder, SITE, strict=True)
    for mistake in (told.value, plant.left_out[0].mistake):
        found = [each for each in mistake.all if what in each.what]
        assert [each.where for each in found] == [f"{file}:{line}"], str(mistake)
        assert found[0].fix


def test_all_mistakes_of_all_files_are_told_at_once_each_of_them_once(folder: Path) -> None:
    file = folder / "profiles/thing.yaml"
    text = changed(PROFILE, "address: 52", "address: -1")
    file.write_text(changed(text, "count: 3", "count: 0"), "utf-8")
    text = changed(SITE, "bus: lan, unit: 1, place: hall/1", "bus: wan, unit: 300, place: moon")
    text = changed(text, "place: roof, ct: 200/5", "place: mars, ct: 5")
    text = changed(text, "replaced_by: m-1", "replaced_by: m-1, colour: red")
    with pytest.raises(ConfigError) as told:
        load(folder, text, strict=True)
    where = f"{folder}/"
    assert [(e.where.removeprefix(where), e.what.split(":")[0]) for e in told.value.all] == [
        ("site.yaml:14", "edges[0].units[0].unit"),
        ("site.yaml:14", "edges[0].units[0].bus"),
        ("site.yaml:14", "edges[0].units[0].place"),
        ("site.yaml:15", "edges[0].units[1].ct"),
        ("site.yaml:15", "edges[0].units[1].place"),
        ("site.yaml:17", "edges[0].units[3].colour"),
        ("profiles/thing.yaml:8", "points[0].address"),
        ("profiles/thing.yaml:9", "points[1].repeat.count"),
    ]
    assert str(told.value).count("\n") == 7


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """Give a file somebody's cat has walked over: words exchanged, cut, doubled, replaced."""
    odd = [
        "", "{", "]", ": ", "- ", "!!int ", "&a ", "*a", "'", "\t", "null", ".nan", "1e999", "~",
           "99999999999999999999", "-1", "true", "{n}", "{x}", "\u2028", "[]", "{}", "? ", "|",
    ]  # fmt: skip
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(18, len(text) - 1))
        end = start + draw(st.integers(0, 12))
        put = draw(st.sampled_from(odd) | st.text(max_size=3) | st.just(text[end : end + 9]))
        text = text[:start] + put + text[end:]
    return text


def refused(read: Callable[[], object]) -> bool:
    """Read; return whether that was refused, with all a person needs. Other errors pass."""
    try:
        read()
    except ConfigError as error:
        return all(each.where and each.what and each.fix for each in error.all)
    return False


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=mutated(SITE))
def test_any_site_file_is_read_or_refused(folder: Path, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    if not refused(lambda: load(folder, text)):
        plant = load(folder, text)
        assert len(plant.points()) == sum(len(plant.points(each)) for each in plant.site.edges)
        assert refused(lambda: load(folder, text, strict=True)) is bool(plant.left_out)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=mutated(PROFILE))
def test_any_profile_is_read_or_refused(folder: Path, text: str) -> None:
    file = folder / "profiles/any.yaml"
    file.write_text(text.encode("utf-8", "replace").decode(), "utf-8")
    if not refused(lambda: profile.load(file)):
        assert all("{" not in point.id for point in profile.load(file).points)
