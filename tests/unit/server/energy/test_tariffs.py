"""Tariffs as data: bands, prices, and what is refused with file and line."""

from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from server.energy import decide, store
from tests.fakes_energy import CATALOG, SHANGHAI, ms
from watchkeeper.errors import ConfigError
from watchkeeper.ids import UnitId

E08 = Path(__file__).resolve().parents[3] / "golden/energy/e08-tariff.yaml"
E08_HOURS = [*[40] * 8, 120, 120, 180, 180, 120, 120, 180, 180, 180, 150, 150, 90, 90, 90, 40, 40]


@pytest.mark.serves("F3")
@pytest.mark.parametrize("case", ["E08"])
def test_a_day_is_priced_by_lines_rounded_half_up(case: str) -> None:
    tariff = store.tariff(E08)
    day = decide.quarters("2026-07", SHANGHAI, ms("2026-07-02 00:00"))
    of = decide.bands_of(tariff, day)
    quarters = np.repeat(np.array(E08_HOURS), 4) * 25  # hundredths of a kWh a quarter hour
    lines = {
        band.id: decide.price(band, decide.kwh(int(quarters[of == number].sum())))
        for number, band in enumerate(tariff.bands)
    }
    assert case == "E08"
    assert {key: str(line.cost) for key, line in lines.items()} == {
        "valley": "134.20",
        "flat": "514.35",
        "peak": "683.83",
        "sharp": "633.91",
    }
    assert sum(line.kwh for line in lines.values()) == 2350
    assert sum(line.cost for line in lines.values()) == Decimal("1966.29")


def test_half_up_and_not_half_even() -> None:
    band = store.tariff(E08).bands[0]
    assert decide.price(type(band)(band.id, band.name, Decimal("2.345")), Decimal(1)).cost == (
        Decimal("2.35")  # E18
    )


@pytest.mark.parametrize("path", sorted((CATALOG / "tariffs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_tariff_of_the_catalog_prices_every_quarter_hour(path: Path) -> None:
    tariff = store.tariff(path)
    for month in range(1, 13):
        calendar = decide.quarters(f"2026-{month:02}", SHANGHAI, ms("2027-01-01 00:00"))
        assert (decide.bands_of(tariff, calendar) != decide.NO_BAND).all()


def test_the_sharp_band_takes_precedence_over_the_peak_in_its_months() -> None:
    tariff = store.tariffs(CATALOG / "tariffs")[0]
    names = [band.id for band in tariff.bands]
    for month, expected in (("2026-08", "sharp"), ("2026-10", "peak")):
        calendar = decide.quarters(month, SHANGHAI, ms("2026-12-01 00:00"))
        at_noon = decide.bands_of(tariff, calendar)[calendar.minute == 11 * 60 + 30]
        assert {names[band] for band in at_noon} == {expected}


def test_a_tariff_holds_from_its_month_until_the_next() -> None:
    tariff = store.tariff(E08)
    assert decide.tariff_for([tariff], "2025-12") is None
    assert decide.tariff_for([tariff], "2026-01") is tariff


def edited(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "t.yaml"
    text = E08.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('from: "08:00", to: "10:00"', 'from: "08:30", to: "10:00"', 14, "no band from 08:00"),
        ('from: "08:00", to: "10:00"', 'from: "07:45", to: "10:00"', 15, "both cover 07:45"),
        ('from: "08:00", to: "10:00"', 'from: "08:10", to: "10:00"', 15, "from"),
        ("{band: flat", "{band: plain", 15, "no band `plain`"),
        ("id: flat", "id: valley", 8, "`valley` stands twice"),
        ("11, 12]", "11]", 12, "month 12 (weekdays) stands in 0 seasons"),
        ("valid_from: 2026-01-01", "valid_from: 2026-01-15", 4, "valid_from"),
        ('"0.3355"', '"cheap"', 7, "price"),
        ("version:", "revision:", 3, "revision"),
    ],
)
@pytest.mark.serves("A2")
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(ConfigError) as refused:
        store.tariff(path)
    assert refused.value.where == f"{path}:{line}"
    assert what in refused.value.what


def test_two_tariffs_may_not_begin_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(E08.read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigError, match=r"begins on 2026-01-01, as a\.yaml does"):
        store.tariffs(tmp_path)


@pytest.mark.parametrize(
    ("month", "quarters"),
    [("2026-03", 743 * 4), ("2026-10", 745 * 4), ("2026-04", 720 * 4)],
    ids=["E13-23-hours", "E13-25-hours", "plain"],
)
def test_months_have_the_quarter_hours_they_really_have(month: str, quarters: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    calendar = decide.quarters(month, berlin, ms("2027-01-01 00:00", berlin))
    assert len(calendar.day) == quarters
    assert calendar.minute[0] == 0
    assert not calendar.month_open


@pytest.mark.parametrize("word", ["2026-13", "2026-1", "october", "", "26-10", "9999-12"])
def test_no_month(word: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decide.quarters(word, SHANGHAI, 0)


def test_the_month_before() -> None:
    assert [decide.month_before(month) for month in ("2026-01", "2026-12")] == [
        "2025-12",
        "2026-11",
    ]


EXCHANGES = """schema: wk.exchanges/1
exchanges:
  - unit: lifts
    out: {at: 2026-10-05 10:20, value: 84213.6}
    in: {at: 2026-10-05 10:35, value: 0.3}
"""


def test_exchanges_are_read_in_local_time(tmp_path: Path) -> None:
    path = tmp_path / "riverside.yaml"
    assert store.exchanges(path, "Asia/Shanghai") == {}
    path.write_text(EXCHANGES, "utf-8")
    (found,) = store.exchanges(path, "Asia/Shanghai")[UnitId("lifts")]
    assert (found.out_at, found.in_at) == (ms("2026-10-05 10:20"), ms("2026-10-05 10:35"))


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [("10:35", "10:15", 5, "is before `out`"), ("10:20", "noon", 4, "is no time")],
)
def test_a_wrong_exchange_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    path = tmp_path / "riverside.yaml"
    path.write_text(EXCHANGES.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=what) as refused:
        store.exchanges(path, "Asia/Shanghai")
    assert refused.value.where == f"{path}:{line}"
