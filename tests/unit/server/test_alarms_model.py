import pytest

from server.alarms.model import figure


@pytest.mark.parametrize(
    ("value", "decimals", "symbol", "written"),
    [
        pytest.param(239_917.0, 0, "W", "239.9 kW", id="a feeder"),
        pytest.param(250_000.0, 0, "W", "250.0 kW", id="a rating"),
        pytest.param(10_000.0, 0, "W", "10.0 kW", id="from here on in thousands"),
        pytest.param(9_870.4, 0, "W", "9,870 W", id="below it with separators"),
        pytest.param(-12_340.0, 0, "W", "-12.3 kW", id="fed back"),
        pytest.param(2_345_678.0, 0, "W", "2,345.7 kW", id="a building"),
        pytest.param(1_234_567.0, 1, "Wh", "1,234.6 kWh", id="energy"),
        pytest.param(20_000.0, 0, "VA", "20.0 kVA", id="apparent"),
        pytest.param(15_000.0, 0, "var", "15.0 kvar", id="reactive"),
        pytest.param(1_234_567.89, 1, "kWh", "1,234,567.9 kWh", id="has its prefix"),
        pytest.param(185.44, 1, "V", "185.4 V", id="decimals of the point"),
        pytest.param(-0.04, 1, "°C", "0.0 °C", id="no minus zero"),
        pytest.param(52.0, 0, "", "52", id="no unit"),
        pytest.param(86_400.0, 0, "s", "86,400 s", id="silence"),
    ],
)
def test_a_number_is_written_for_a_person(
    value: float, decimals: int, symbol: str, written: str
) -> None:
    assert figure(value, decimals, symbol) == written
