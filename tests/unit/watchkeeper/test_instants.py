from datetime import timedelta, timezone

import pytest

from watchkeeper.instants import instant

EIGHT = timezone(timedelta(hours=8))
AT = 1_763_942_400_000  # 2025-11-24T00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "1763942400000",
        "2025-11-24T00:00:00Z",
        "2025-11-24T08:00:00+08:00",
        "2025-11-24T08:00+0800",
        "2025-11-24T08:00:00.000 08:00",  # the plus sign of an address that was not escaped
        "2025-11-23T19:00:00-05:00",
    ],
)
def test_an_instant_is_unix_ms_or_iso_with_an_offset(text: str) -> None:
    assert instant(text) == AT


def test_eight_digits_are_a_day_where_a_zone_is_known() -> None:
    assert instant("20251124") == 20_251_124
    assert instant("20251124", EIGHT) == AT - 8 * 3_600_000


@pytest.mark.parametrize("text", ["2025-11-24", "2025-11-24T00:00", "2025-11-24 00:00"])
def test_a_time_without_an_offset_needs_a_zone(text: str) -> None:
    with pytest.raises(ValueError, match="no offset"):
        instant(text)
    assert instant(text, EIGHT) == AT - 8 * 3_600_000


@pytest.mark.parametrize(
    "text",
    ["", "now", "-1", "1e3", "17639424000000000000", "253402300800000", "1969-12-31T00:00Z",
     "2025-13-01T00:00Z", "0001-01-01T00:00:00+14:00", "２０２５"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of datetime's own words, too
        instant(text)
