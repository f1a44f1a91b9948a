from pathlib import Path

import pytest

from ops.main import main

PROFILE = """schema: wk.profile/1
id: thing
name: {zh: 物, en: Thing}
equipment: electricity_meter
source: made up for this test
modbus: {function: 3}
points:
  - {id: "p{n}", name: {zh: 点, en: Point}, address: 0, type: float32, repeat: {count: 50, step: 2}}
"""
SITE = """schema: wk.site/1
site: {{id: s, name: {{zh: 甲, en: S}}}}
places: [{{id: hall, name: {{zh: 厅, en: Hall}}}}]
edges:
  - id: e1
    buses: [{{id: rs485, modbus_rtu: {{port: /dev/ttyUSB0, baud: {baud}, parity: E}}}}]
    units:
      - {{id: m-1, profile: thing, bus: rs485, unit: 1, place: hall}}
      - {{id: m-2, profile: thing, bus: rs485, unit: 2, place: hall}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "thing.yaml").write_text(PROFILE, "utf-8")
    (tmp_path / "watchkeeper.toml").write_text(f'catalog = "{tmp_path}"\n', "utf-8")
    return tmp_path


def plan(catalog: Path, baud: int) -> int:
    file = catalog / "site.yaml"
    file.write_text(SITE.format(baud=baud), "utf-8")
    config = catalog / "watchkeeper.toml"
    return main(["edge", "plan", "--config", str(config), str(file)])


@pytest.mark.serves("A3")
def test_shows_the_time_a_serial_line_is_busy(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(catalog, 9600) == 0

    told = capsys.readouterr().out
    # 8 + 205 characters of 11 bits, twice 3.5 between them, 5 ms of the device
    milliseconds = 1000 * ((213 + 7) * 11 / 9600 + 0.005)
    assert f"1       100   {milliseconds:.1f}  1 each 1 s" in told
    assert "/dev/ttyUSB0 9600 8E1" in told
    assert "busy 51%: ok" in told


@pytest.mark.serves("A3")
def test_a_line_that_cannot_keep_up_is_told(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(catalog, 2400) == 1

    told = capsys.readouterr().out
    assert "1 each 1 s (~2 s)" in told
    assert "busy 203%: cannot keep its rates" in told


def test_the_demo_site_keeps_its_rates(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edge", "plan", "--edge", "plant-b1"]) == 0
    told = capsys.readouterr().out
    assert main(["edge", "plan", "riverside-plaza", "--edge", "plant-b1"]) == 0
    assert capsys.readouterr().out == told
    assert "cannot keep" not in told
    assert "plant-b1  bus meters" in told


def test_a_device_that_is_left_out_is_told(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = catalog / "site.yaml"
    file.write_text(SITE.format(baud=9600).replace("unit: 2", "unit: 0"), "utf-8")
    assert main(["edge", "plan", str(file), "--config", str(catalog / "watchkeeper.toml")]) == 1
    told = capsys.readouterr().out
    assert f"left out: m-2\n  {file}:9: edges[0].units[1].unit: nobody answers as 0" in told
    assert "  m-1 " in told


def test_the_plan_stands_under_the_edge_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 2
    assert "no command `plan`" in capsys.readouterr().err
