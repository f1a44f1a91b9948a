import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from adapters.system_clock import SystemClock
from tests.fakes_history import MemoryHistory
from watchkeeper import export
from watchkeeper.excerpt import DAY_MS, Columns, Span, straight
from watchkeeper.export import BOM, Label, Piece, Sheet, cell, local, plain
from watchkeeper.history import Track
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

SHANGHAI = ZoneInfo("Asia/Shanghai")
WORDS = [f"word {code}" for code in range(256)]
SHEET = Sheet("riverside", SHANGHAI, WORDS, bom=False)
AT = 1_763_942_400_000  # 2025-11-24T08:00+08:00
COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n")
NASTY = st.text(st.one_of(st.sampled_from("=+-@\t\r\n\0\"',;'|% ＝"), st.characters(codec="utf-8")))


def readings(*values: float, quality: int = 0) -> Columns:
    return {
        "at": AT + 1000 * np.arange(len(values), dtype=np.int64),
        "value": np.array(values),
        "quality": np.full(len(values), quality, np.uint8),
    }


def table(piece: Piece, sheet: Sheet = SHEET) -> list[list[str]]:
    text = b"".join(export.csv([piece], sheet)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.serves("H3")
def test_a_row_says_when_where_what_and_how_far_to_trust_it() -> None:
    label = Label(PointId("main-1/active_power"), "1#进线 有功功率", "W")
    head, first, second = table(Piece(label, readings(-12.5, 230)))
    assert head == ["time", "unix_ms", "point", "name", "value", "unit", "quality", "quality_word"]
    assert first == [
        "2025-11-24T08:00:00.000+08:00", str(AT), "main-1/active_power", "1#进线 有功功率",
        "-12.5", "W", "0", "word 0",
    ]  # fmt: skip
    assert second[4] == "230.0"


def test_a_bad_reading_has_no_value_and_says_why() -> None:
    columns = readings(np.nan, quality=Quality.NO_ANSWER)
    (_, row) = table(Piece(Label(PointId("a/b"), "A", "W"), columns))
    assert row[4:] == ["", "W", "129", "word 129"]


def test_summaries_have_the_columns_that_were_named() -> None:
    columns: Columns = {
        "start": np.array([AT]), "max": np.array([2.5]), "count": np.array([7])
    }  # fmt: skip
    sheet = Sheet("riverside", SHANGHAI, WORDS, ("max", "count"), bom=False)
    assert table(Piece(Label(PointId("a/b"), "A", "W"), columns), sheet) == [
        ["time", "unix_ms", "point", "name", "max", "count", "unit"],
        ["2025-11-24T08:00:00.000+08:00", str(AT), "a/b", "A", "2.5", "7", "W"],
    ]


@pytest.mark.parametrize("bom", [True, False])
def test_excel_in_china_is_told_that_it_is_utf_8(bom: bool) -> None:  # noqa: FBT001 - a case
    first = next(export.csv([], Sheet("riverside", SHANGHAI, WORDS, bom=bom)))
    assert first.startswith(BOM) == bom


@given(name=NASTY, unit=NASTY, value=st.floats(allow_nan=False, allow_infinity=False))
def test_names_are_data_and_come_back_as_they_were_and_numbers_stay_numbers(
    name: str, unit: str, value: float
) -> None:
    (_, row) = table(Piece(Label(PointId("a/b"), name, unit), readings(value)))
    assert (plain(row[3]), plain(row[5])) == (name, unit)
    assert not any(text.lstrip(" ").startswith(COMPUTED) for text in (row[3], row[5]))
    assert float(row[4]) == value


@given(st.lists(NASTY, min_size=2, max_size=2, unique=True))
def test_two_names_are_never_written_alike(names: list[str]) -> None:
    assert cell(names[0]) != cell(names[1])


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
@given(st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=20))
def test_local_times_carry_their_offset_on_either_side_of_a_change(
    name: str, instants: list[int]
) -> None:
    zone = ZoneInfo(name)
    texts = local(np.array(instants), zone)
    for text, at in zip(texts, instants, strict=True):
        moment = datetime.fromisoformat(text)
        assert round(moment.timestamp() * 1000) == at
        assert moment.utcoffset() == datetime.fromtimestamp(at / 1000, zone).utcoffset()


class Endless(MemoryHistory):
    """A reading a second for ever, of every point."""

    @override
    def raw(self, point: PointId, start: int, end: int) -> Track:
        at = np.arange(-(-start // 1000) * 1000, end, 1000, dtype=np.int64)
        return Track(at, np.round(at % 86_399_000 / 7e5, 2), np.zeros(len(at), np.uint8))


def test_two_million_rows_take_seconds_and_little_memory() -> None:
    labels = [Label(PointId(f"m-{n}/p"), "电表 功率", "kW") for n in range(4)]
    span = Span(AT, AT + 500_000_000)
    clock, process = SystemClock(), psutil.Process()
    list(export.csv(export.taken(straight(Endless()), labels[:1], Span(AT, AT + DAY_MS)), SHEET))
    before, most, rows, began = process.memory_info().rss, 0, 0, clock.tick()
    for part in export.csv(export.taken(straight(Endless()), labels, span), SHEET):
        rows += part.count(b"\n")
        most = max(most, process.memory_info().rss)
    assert rows == 2_000_001
    assert clock.tick() - began < 10
    assert most - before < 60e6
