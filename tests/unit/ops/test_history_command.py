import csv
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from adapters.history.embedded import EmbeddedHistory
from ops.main import main
from tests.fakes import FixedClock
from watchkeeper.batch import Batch
from watchkeeper.excerpt import DAY_MS
from watchkeeper.ids import PointId

POWER = "hvac-1/active_power"
DAY = 20_600 * DAY_MS  # 2026-05-27T08:00 in Shanghai


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = EmbeddedHistory(
        tmp_path / "history" / "riverside.db", clock=FixedClock(), writable=True
    )
    at = np.arange(DAY, DAY + DAY_MS, 60_000, dtype=np.int64)
    (series,) = store.series([PointId(POWER)]).tolist()
    numbers, good = np.full(len(at), series, np.uint32), np.zeros(len(at), np.uint8)
    store.write(Batch(numbers, at, np.arange(len(at)) / 10, good))
    store.close()
    return tmp_path


def export(data: Path, *words: str) -> int:
    return main(["history", "export", "--data", str(data), *words])


@pytest.mark.serves("H3")
def test_a_file_is_made_without_the_server(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "a.csv"
    span = ["--from", "2026-05-27", "--to", "2026-05-27T08:03"]
    assert export(data, "--points", POWER, *span, "--language", "en", "--out", str(out)) == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"), newline="")))
    assert [(row["time"][11:16], row["value"]) for row in rows] == [
        ("08:00", "0.0"), ("08:01", "0.1"), ("08:02", "0.2"),
    ]  # fmt: skip
    assert rows[0]["quality_word"] == "Good"
    assert f"{out}: 3 rows, {out.stat().st_size} bytes" in capsys.readouterr().out
    assert [each.name for each in data.iterdir() if each.is_file()] == ["a.csv"]


def test_summaries_of_a_unit_as_parquet(data: Path) -> None:
    out = data / "a.parquet"
    span = ["--from", str(DAY), "--to", "2026-05-27T12:00:00+08:00", "--width", "3600"]
    words = ["--unit", "hvac-1", *span, "--format", "parquet", "--aggregate", "max,count"]
    assert export(data, *words, "--out", str(out)) == 0
    table = pq.read_table(out)
    assert (table["max"].to_pylist(), table["count"].to_pylist()) == (
        [5.9, 11.9, 17.9, 23.9], [60] * 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--points", "x/y", "--from", "0", "--to", "1"], "there is no x/y"),
        (["--from", "0", "--to", "1"], "no points are named"),
        (["--points", POWER, "--from", "soon", "--to", "1"], "no time"),
        (["--points", POWER, "--from", "1", "--to", "0"], "make no sense"),
        (["--points", POWER, "--from", "0", "--to", "1", "--width", "-1"], "make no sense"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(
    data: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert export(data, *words, "--out", str(data / "a.csv")) == 2
    assert said in capsys.readouterr().err
    assert not (data / "a.csv").exists()


def test_a_file_that_cannot_be_written_is_told(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--points", POWER, "--from", "0", "--to", "1"]
    assert export(data, *words, "--out", str(data / "nowhere" / "a.csv")) == 2
    assert "cannot be written" in capsys.readouterr().err
