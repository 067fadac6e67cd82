"""Parquet and Arrow files in chunks of rows."""

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from modelport.columnar.arrays import json_values
from modelport.columnar.limit import Limit
from modelport.columnar.reading import packed
from modelport.files.chunk import Chunk, Request
from modelport.files.source import Source, unreadable
from modelport_runtime.schema import Schema

_MAX_ROWS = 1 << 16
"""Beyond it larger chunks are no faster, and take memory."""
_READ_AHEAD = 1 << 20
"""Bytes of each Parquet column read at a time; otherwise a whole row group's columns lie in memory."""
_UNKNOWN_WIDTH = 64
"""Bytes that a text or list is taken for."""


class TableChunk:
    """Rows of an Arrow table. ``row``: that of the file with which it begins; ``numbers``: of each row, if it was picked."""

    def __init__(self, table: Any, sent: list[str], consumed: int, row: int, numbers: list[int] | None = None) -> None:
        self._table = table
        self._sent = sent
        self.consumed = consumed
        self._row = row
        self._numbers = numbers

    def request(self) -> Request:
        return Request("columns", packed(self._table.select(self._sent), Limit()))

    def rows(self) -> int:
        return int(self._table.num_rows)

    def place(self, row: int) -> dict[str, Any]:
        return {"row": self._numbers[row] if self._numbers is not None else self._row + row}

    def value(self, row: int, column: Any) -> Any:
        return self._record(row).get(str(column))

    def _record(self, row: int) -> dict[str, Any]:
        one = self._table.slice(row, 1)
        return {
            name: json_values(column.combine_chunks(), name, Limit())[0]
            for name, column in zip(one.column_names, one.columns, strict=True)
        }

    def as_it_stood(self, row: int) -> Any:
        return self._record(row)

    def pick(self, rows: Sequence[int]) -> "TableChunk":
        numbers = [self.place(row)["row"] for row in rows]
        return TableChunk(self._table.take(list(rows)), self._sent, self.consumed, self._row, numbers)

    def misread(self, message: str) -> tuple[int | None, str]:
        return None, message

    def table(self) -> Any:
        return self._table


def read(
    source: Source, format: str, size: int | None, rows: int | None, schema: Schema | None, keep: bool
) -> Iterator[Chunk]:
    """The chunks of a ``parquet`` or ``arrow`` file, at least one, with the declared columns; ``keep``: with all.

    Raises:
        InvalidInput: the file is damaged, or of another format.
    """
    import pyarrow as pa

    batches = _parquet_batches if format == "parquet" else _arrow_batches
    try:
        number = 0
        for batch, sent in batches(source, size, rows, schema, keep):
            batch.validate(full=True)  # nothing of a damaged file is touched before this
            yield TableChunk(batch, sent, source.consumed, number)
            number += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        kind = "Parquet file" if format == "parquet" else "Arrow file or stream"
        raise unreadable(f"{source.name} (as a {kind})", error) from None


def _parquet_batches(
    source: Source, size: int | None, rows: int | None, schema: Schema | None, keep: bool
) -> Iterator[tuple[Any, list[str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    opened: Any = source.file
    if not source.is_regular:  # Parquet begins at its end
        opened = tempfile.TemporaryFile()  # noqa: SIM115  ends with this generator
        shutil.copyfileobj(source.file, opened, _READ_AHEAD)
        opened.seek(0)
    # Not mapped into memory: whoever truncates the file meanwhile would end this process.
    file = pq.ParquetFile(pa.PythonFile(opened, mode="r"), pre_buffer=False, buffer_size=_READ_AHEAD)
    found = file.schema_arrow
    sent = _sent(found.names, schema)
    columns = None if keep else sent
    count = _rows_per_chunk(size, rows, found if keep else pa.schema([found.field(name) for name in sent]))
    empty = True
    for batch in file.iter_batches(count or max(file.metadata.num_rows, 1), columns=columns, use_threads=False):
        empty = False
        source.consumed = min(opened.tell(), source.size or opened.tell())
        yield _table_of(batch, found.metadata), sent
    if empty:
        yield (found.empty_table() if keep else found.empty_table().select(sent)), sent


def _arrow_batches(
    source: Source, size: int | None, rows: int | None, schema: Schema | None, keep: bool
) -> Iterator[tuple[Any, list[str]]]:
    import pyarrow as pa

    start = source.read(8)
    # A file is the stream after a mark, and a footer that repeats where everything is.
    stream = _Stream(source, b"" if start.startswith(b"ARROW1\0\0") else start)
    reader = pa.ipc.open_stream(pa.PythonFile(stream, mode="r"), options=pa.ipc.IpcReadOptions(use_threads=False))
    found = reader.schema
    sent = _sent(found.names, schema)
    kept = found.names if keep else sent
    if size is None:
        yield reader.read_all().select(kept), sent
        return
    count = _rows_per_chunk(size, rows, found) or _MAX_ROWS
    empty = True
    for batch in reader:
        for start_row in range(0, batch.num_rows, count):
            empty = False
            yield _table_of(batch.slice(start_row, count), found.metadata).select(kept), sent
    if empty:
        yield found.empty_table().select(kept), sent


class _Stream(io.RawIOBase):
    """The source behind bytes that were read already."""

    def __init__(self, source: Source, start: bytes) -> None:
        self._source = source
        self._start = start

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            start, self._start = self._start, b""
            return start + self._source.read_all()
        start, self._start = self._start[:size], self._start[size:]
        return start + self._source.read(size - len(start))


def _table_of(batch: Any, metadata: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch]).replace_schema_metadata(metadata)


def _sent(names: list[str], schema: Schema | None) -> list[str]:
    """The columns that the model is sent: the declared ones, all of them where none are declared by name."""
    if schema is None or not schema.has_names:
        return list(names)
    declared = {str(name) for name in schema.names}
    return [name for name in names if name in declared]


def _rows_per_chunk(size: int | None, rows: int | None, schema: Any) -> int | None:
    if size is None or rows is not None:
        return rows
    width = 0
    for field in schema:
        try:
            width += max(field.type.bit_width // 8, 1)
        except ValueError:
            width += _UNKNOWN_WIDTH
    return max(1, min(_MAX_ROWS, size // max(width, 1)))
