"""A history as a Parquet file, written as a stream: a row group at a time, the footer last."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from watchkeeper.excerpt import Columns, rows_of
from watchkeeper.export import Label, Piece, Sheet

GROUP_ROWS: Final = 200_000  # of a row group; what is in memory at a time

_NAME = pa.dictionary(pa.int32(), pa.string())


class _Pipe:
    """Takes what pyarrow writes until somebody fetches it; a Parquet file is written forwards."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._written += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open here."""

    def fetch(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def parquet(pieces: Iterable[Piece], about: Sheet) -> Iterator[bytes]:
    """Yield the file; b"" while a row group is gathered."""
    pipe, schema = _Pipe(), _schema(about)
    with pq.ParquetWriter(pa.PythonFile(pipe, mode="w"), schema, compression="zstd") as writer:
        gathered: list[Any] = []
        rows = 0
        for piece in pieces:
            if found := rows_of(piece.columns):
                gathered.append(_batch(piece.label, piece.columns, schema))
                rows += found
            if rows >= GROUP_ROWS:
                _group(writer, gathered, schema)
                gathered, rows = [], 0
            yield pipe.fetch()
        if gathered:
            _group(writer, gathered, schema)
    yield pipe.fetch()


def _group(writer: Any, batches: list[Any], schema: Any) -> None:
    table = pa.Table.from_batches(batches, schema).unify_dictionaries()
    writer.write_table(table, row_group_size=GROUP_ROWS)


def _schema(about: Sheet) -> Any:
    if about.columns:
        values = [(name, _type(name)) for name in about.columns]
    else:
        values = [("value", pa.float64()), ("quality", pa.uint8())]
    facts = {
        "site": about.site,
        "time_zone": about.zone.key,
        "quality_words": json.dumps(dict(enumerate(about.words)), ensure_ascii=False),
    }
    time = ("time", pa.timestamp("ms", tz="UTC"))
    fields = [time, ("point", _NAME), ("name", _NAME), *values, ("unit", _NAME)]
    return pa.schema(fields, metadata=facts)


def _type(column: str) -> Any:
    return pa.int64() if column == "count" else pa.float64()


def _batch(label: Label, columns: Columns, schema: Any) -> Any:
    """Return the rows of a piece; a value that is none is null."""
    rows = rows_of(columns)
    which = pa.array(np.zeros(rows, np.int32))
    times, *_ = columns.values()
    made = []
    for field in schema:
        if field.name == "time":
            made.append(pa.array(times, pa.int64()).cast(field.type))
        elif field.name in Label._fields:
            words = pa.array([getattr(label, field.name)], pa.string())
            made.append(pa.DictionaryArray.from_arrays(which, words))
        else:
            made.append(pa.array(columns[field.name], field.type, from_pandas=True))
    return pa.RecordBatch.from_arrays(made, schema=schema)
