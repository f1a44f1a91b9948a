from pathlib import Path

import pytest

from edge.importing import Importer, import_history
from edge.journal import Journal
from edge.rows import data_message
from watchkeeper import site, wire
from watchkeeper.batch import Batch
from watchkeeper.settings import Settings

PROFILE = """schema: wk.profile/1
id: meter
name: {zh: 表, en: Meter}
equipment: electricity_meter
source: test
modbus: {function: 4}
points:
  - {id: voltage, name: {zh: u, en: u}, address: 0, type: uint16, unit: V}
  - {id: active_power, name: {zh: p, en: p}, address: 1, type: int16, unit: W, through: true}
  - {id: import_energy, name: {zh: e, en: e}, address: 10, type: uint32, scale: 0.01, unit: kWh,
     kind: counter, rollover: 10000, possible: [0, 10000], decimals: 2}
"""
SITE = """schema: wk.site/1
site: {id: here, name: {zh: 此, en: Here}}
places: [{id: house, name: {zh: 楼, en: House}}]
edges:
  - id: plant
    buses: [{id: lan, modbus_tcp: {host: 127.0.0.1}}]
    units:
      - {id: a, profile: meter, bus: lan, unit: 1, place: house}
      - {id: b, profile: meter, bus: lan, unit: 2, place: house, ct: 200/5}
"""
QUARTER = 900_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "meter.yaml").write_text(PROFILE, "utf-8")
    (tmp_path / "site.yaml").write_text(SITE, "utf-8")
    return Settings(data=tmp_path / "var", site=tmp_path / "site.yaml", catalog=tmp_path)


def instants(count: int) -> list[tuple[int, dict[str, dict[tuple[int, int], list[int]]]]]:
    return [
        (
            n * QUARTER,
            {
                unit: {(4, 0): [230, 100 + n], (4, 10): [0, 5 * n], (3, 0): [1]}
                for unit in ("a", "b", "elsewhere")
            },
        )
        for n in range(count)
    ]


def stored(settings: Settings) -> tuple[Batch, set[str]]:
    journal = Journal(settings.data / "edge" / "plant" / "data.db", lambda: "x", may_shed=True)
    messages = [
        wire.decode_data(data_message(journal.id, row, "back")) for row in journal.after(0, 10**6)
    ]
    modes = {row.mode for row in journal.after(0, 10**6)}
    journal.close()
    return Batch.joined([wire.columns(message) for message in messages]), modes


@pytest.mark.parametrize("count", [1, 95, 96, 97, 200])
def test_counters_and_powers_of_the_past_enter_the_journal_as_backlog(
    settings: Settings, count: int
) -> None:
    assert import_history(settings, "plant", instants(count)) == 4 * count

    batch, modes = stored(settings)

    assert modes == {"back"}
    assert (batch.at[1:] >= batch.at[:-1]).all()
    assert sorted(set(batch.series.tolist())) == [1, 2, 4, 5]
    expected = {
        1: [100.0 + n for n in range(count)],
        2: [0.05 * n for n in range(count)],
        4: [40.0 * (100 + n) for n in range(count)],
    }
    for alias, values in expected.items():
        assert batch.value[batch.series == alias] == pytest.approx(values)
        assert batch.at[batch.series == alias].tolist() == [n * QUARTER for n in range(count)]


def test_an_impossible_value_of_the_past_is_bad(settings: Settings) -> None:
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    importer = Importer(plant, plant.edge("plant"))

    batch = importer.batch([(0, {"a": {(4, 10): [0xFFFF, 0xFFFF]}})])

    assert batch.quality.tolist() == [131]
    assert batch.value != pytest.approx(0, nan_ok=False)


def test_explains_its_aliases_as_the_running_edge_does(settings: Settings) -> None:
    import_history(settings, "plant", instants(1))
    plant = site.load(settings.site_file(), settings.catalog_folder() / "profiles")
    name = wire.birth_hash(site.born(plant.points()))
    journal = Journal(settings.data / "edge" / "plant" / "data.db", lambda: "x", may_shed=True)

    assert journal.birth(name) is not None
    assert {row.birth for row in journal.after(0, 9)} == {name}
    journal.close()
