import io
from zoneinfo import ZoneInfo

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import parquet
from adapters.system_clock import SystemClock
from watchkeeper.excerpt import Columns
from watchkeeper.export import Label, Piece, Sheet
from watchkeeper.ids import PointId
from watchkeeper.quality import Quality

WORDS = [f"word {code}" for code in range(256)]
SHEET = Sheet("riverside", ZoneInfo("Asia/Shanghai"), WORDS)
AT = 1_763_942_400_000
POWER = Label(PointId("main-1/active_power"), "1#进线 有功功率", "W")


def readings(count: int) -> Columns:
    at = AT + 1000 * np.arange(count, dtype=np.int64)
    return {
        "at": at,
        "value": np.where(np.arange(count) == 1, np.nan, at % 977 / 10),
        "quality": np.where(np.arange(count) == 1, Quality.NO_ANSWER, 0).astype(np.uint8),
    }


def file(*pieces: Piece, sheet: Sheet = SHEET) -> pq.ParquetFile:
    return pq.ParquetFile(io.BytesIO(b"".join(parquet.parquet(pieces, sheet))))


@pytest.mark.serves("H3")
def test_a_file_reads_back_with_types_nulls_and_what_it_is_about() -> None:
    found = file(Piece(POWER, readings(3)))
    word = pa.dictionary(pa.int32(), pa.string())
    assert {each.name: each.type for each in found.schema_arrow} == {
        "time": pa.timestamp("ms", tz="UTC"), "point": word, "name": word,
        "value": pa.float64(), "quality": pa.uint8(), "unit": word,
    }  # fmt: skip
    table = found.read()
    assert table["time"].cast(pa.int64()).to_pylist() == [AT, AT + 1000, AT + 2000]
    assert table["value"].to_pylist()[1] is None
    assert table["quality"].to_pylist() == [0, 129, 0]
    assert set(table["name"].to_pylist()) == {"1#进线 有功功率"}
    assert found.schema_arrow.metadata[b"time_zone"] == b"Asia/Shanghai"
    assert b"word 129" in found.schema_arrow.metadata[b"quality_words"]


def test_a_row_group_may_hold_several_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 50)
    others = [Piece(Label(PointId(f"m-{n}/p"), f"M {n}", "kW"), readings(20)) for n in range(6)]
    found = file(*others, Piece(POWER, readings(0)))
    groups = range(found.num_row_groups)
    assert [found.metadata.row_group(n).num_rows for n in groups] == [50, 10, 50, 10]
    wanted = [f"m-{n}/p" for n in range(6) for _ in range(20)]
    assert found.read()["point"].to_pylist() == wanted


def test_summaries_have_the_columns_that_were_named() -> None:
    columns: Columns = {
        "start": np.array([AT]), "mean": np.array([2.5]), "count": np.array([7])
    }  # fmt: skip
    sheet = Sheet("riverside", ZoneInfo("Asia/Shanghai"), WORDS, ("mean", "count"))
    table = file(Piece(POWER, columns), sheet=sheet).read()
    assert table.column_names == ["time", "point", "name", "mean", "count", "unit"]
    assert (table["mean"][0].as_py(), table["count"][0].as_py()) == (2.5, 7)


def test_nothing_is_a_file_too() -> None:
    assert file().read().num_rows == 0


@given(st.text(), st.text())
def test_names_come_back_as_they_were(name: str, unit: str) -> None:
    table = file(Piece(Label(PointId("a/b"), name, unit), readings(2))).read()
    assert table["name"].to_pylist() == [name, name]
    assert table["unit"].to_pylist() == [unit, unit]


def test_two_million_rows_take_seconds_and_little_memory() -> None:
    columns = readings(100_000)
    clock, process = SystemClock(), psutil.Process()
    file(*[Piece(POWER, columns)] * 3)
    before, most, began = process.memory_info().rss, 0, clock.tick()
    size = 0
    for part in parquet.parquet([Piece(POWER, columns)] * 20, SHEET):
        size += len(part)
        most = max(most, process.memory_info().rss)
    assert size > 0
    assert clock.tick() - began < 10
    assert most - before < 100e6
