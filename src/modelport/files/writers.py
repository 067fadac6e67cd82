"""One writer per output format: answers of workers → bytes of the file, chunk by chunk, in order."""

from typing import Any, BinaryIO, Protocol

import orjson

from modelport.columnar.arrays import json_values
from modelport.columnar.limit import Limit
from modelport.columnar.reading import packed
from modelport.columnar.writing import csv_line, table_of, write_csv
from modelport.errors import InvalidInput, ModelportError
from modelport.files.chunk import Chunk
from modelport.files.csv_chunks import CsvChunk
from modelport.files.json_chunks import LinesChunk

_JSON_ROWS = 4096
"""Rows that are Python objects at a time."""
_START, _END = b'{"predictions":', b"}"


class Writer(Protocol):
    """Writes answers one after the other."""

    answer: str
    """What workers are asked for: ``json`` or ``columns``."""

    def write(self, answer: bytes, chunk: Chunk) -> None:
        """The answer to a chunk."""

    def finish(self) -> None:
        """There are no more."""


def writer_for(format: str, file: BinaryIO, keep: bool) -> Writer:
    """``keep``: with the columns of the input before those of the prediction."""
    if format == "json":
        if keep:
            raise InvalidInput(
                "JSON output has predictions only, so the input's columns cannot be kept",
                hint="Give --output-type csv, jsonl, parquet or arrow.",
            )
        return JsonWriter(file)
    if format == "csv":
        return CsvWriter(file, keep)
    return LinesWriter(file, keep) if format == "jsonl" else ArrowWriter(file, keep, format)


class JsonWriter:
    """What `/invocations` answers: one chunk's answer byte for byte, several joined into one list."""

    answer = "json"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._chunks = 0
        self._is_list = False
        self._wrapped = False
        self._any_items = False

    def write(self, answer: bytes, chunk: Chunk) -> None:
        wrapped = answer.startswith(_START) and answer.endswith(_END)
        body = answer[len(_START) : -len(_END)] if wrapped else answer
        is_list = wrapped and body.startswith(b"[")
        self._chunks += 1
        if self._chunks > 1 and not (is_list and self._is_list):
            raise InvalidInput(
                "the model's answer to a part of the rows is no list, so the answers cannot be joined",
                hint="Give --whole, so that the model gets all rows at once.",
            )
        self._is_list = is_list
        if not is_list:
            self._file.write(answer)
            return
        if self._chunks == 1:
            self._file.write(_START + b"[")
        items = body[1:-1]
        if items and self._any_items:
            self._file.write(b",")
        self._file.write(items)
        self._any_items = self._any_items or bool(items)

    def finish(self) -> None:
        if self._is_list:
            self._file.write(b"]" + _END)
        elif not self._chunks:
            self._file.write(_START + b"[]" + _END)


class CsvWriter:
    """A header, and a line for each prediction; kept columns of CSV input as the text they were."""

    answer = "columns"

    def __init__(self, file: BinaryIO, keep: bool) -> None:
        self._file = file
        self._keep = keep
        self._names: list[str] | None = None

    def write(self, answer: bytes, chunk: Chunk) -> None:
        import pyarrow as pa

        table, _ = table_of(answer)
        names = table.column_names
        if self._keep and isinstance(chunk, CsvChunk):
            _check_rows(table, chunk)
            names = chunk.layout.names + names
        elif self._keep:
            table = _beside(_normal(chunk.table()), table, chunk)
            names = table.column_names
        if names != self._names:
            self._begin(names)
        sink = pa.BufferOutputStream()
        write_csv(table, sink, header=False)
        text = sink.getvalue()
        if self._keep and isinstance(chunk, CsvChunk):
            predictions = _lines(text, table.num_rows)
            lines = list(map(b",".join, zip(chunk.texts(), predictions, strict=True)))
            self._file.write(b"\n".join([*lines, b""]))
        else:
            self._file.write(text)

    def _begin(self, names: list[str]) -> None:
        if self._names is not None:
            raise _differs("columns", self._names, names)
        _check_names(names)
        self._names = names
        self._file.write(csv_line(names))

    def finish(self) -> None:
        pass


def _lines(text: Any, rows: int) -> list[bytes]:
    """The rows of CSV that we wrote."""
    from modelport.files import csv_text

    data = bytes(text)
    if data.count(b"\n") == rows:
        return data.split(b"\n")[:rows]
    return [row for _, row in csv_text.rows_of(data)]


class LinesWriter:
    """An object a line, with a key for each column."""

    answer = "columns"

    def __init__(self, file: BinaryIO, keep: bool) -> None:
        self._file = file
        self._keep = keep

    def write(self, answer: bytes, chunk: Chunk) -> None:
        table, json_names = table_of(answer)
        kept_json: frozenset[str] = frozenset()
        if self._keep and not isinstance(chunk, LinesChunk):
            kept, kept_json = table_of(packed(chunk.table(), Limit()))
            table = _beside(kept, table, chunk)
        elif self._keep:
            _check_rows(table, chunk)
        as_json = json_names | kept_json
        for start in range(0, table.num_rows, _JSON_ROWS):
            part = table.slice(start, _JSON_ROWS)
            records = _records(part, as_json)
            if self._keep and isinstance(chunk, LinesChunk):
                records = [_joined(chunk.record(start + row), record) for row, record in enumerate(records)]
            write = orjson.dumps
            self._file.write(b"".join([write(record, option=orjson.OPT_APPEND_NEWLINE) for record in records]))

    def finish(self) -> None:
        pass


def _records(table: Any, as_json: frozenset[str]) -> list[dict[str, Any]]:
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = json_values(column.combine_chunks(), name, Limit())
        if name in as_json:
            values = [None if value is None else orjson.Fragment(value) for value in values]
        columns.append(values)
    names = table.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _joined(kept: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    _check_names([*kept, *record])
    return {**kept, **record}


class ArrowWriter:
    """Parquet, or an Arrow file; the columns are of the types that those of the first chunk have."""

    answer = "columns"

    def __init__(self, file: BinaryIO, keep: bool, format: str) -> None:
        self._file = file
        self._keep = keep
        self._format = format
        self._writer: Any = None
        self._schema: Any = None

    def write(self, answer: bytes, chunk: Chunk) -> None:
        import pyarrow as pa

        table, _ = table_of(answer)
        if self._keep:
            table = _beside(chunk.table().replace_schema_metadata(None), table, chunk)
        if self._writer is None:
            _check_names(table.column_names)
            self._schema = table.schema
            self._writer = self._open()
        try:
            if table.schema != self._schema:
                table = table.cast(self._schema)
            self._writer.write_table(table)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, ValueError) as error:
            if table.column_names != self._schema.names:
                raise _differs("columns", self._schema.names, table.column_names) from None
            raise _differs("types", self._types(self._schema), self._types(table.schema)) from error

    @staticmethod
    def _types(schema: Any) -> list[str]:
        return [f"{field.name}: {field.type}" for field in schema]

    def _open(self) -> Any:
        import pyarrow as pa

        if self._format == "arrow":
            return pa.ipc.new_file(self._file, self._schema)
        import pyarrow.parquet as pq

        return pq.ParquetWriter(self._file, self._schema)

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _normal(table: Any) -> Any:
    """The columns in the few types that predictions have too; nested values as JSON."""
    return table_of(packed(table, Limit()))[0]


def _beside(kept: Any, predicted: Any, chunk: Chunk) -> Any:
    """The columns of both tables."""
    import pyarrow as pa

    _check_rows(predicted, chunk)
    names = kept.column_names + predicted.column_names
    _check_names(names)
    return pa.Table.from_arrays([*kept.columns, *predicted.columns], names=names)


def _check_rows(predicted: Any, chunk: Chunk) -> None:
    if predicted.num_rows != chunk.rows():
        raise InvalidInput(
            f"the model answers {predicted.num_rows} rows to {chunk.rows()}, so the input's columns cannot stand beside them",
            hint="Leave out --keep-columns.",
        )


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidInput(
            f"the output would have two columns of the name {', '.join(map(repr, twice))}",
            hint="Rename the column of the input, or leave out --keep-columns.",
        )


def _differs(what: str, first: list[str], later: list[str]) -> ModelportError:
    return InvalidInput(
        f"the {what} of the predictions change in the middle: {', '.join(first)[:200]}; then {', '.join(later)[:200]}",
        hint="Write JSON lines (--output-type jsonl), which need no common columns, or give --whole.",
    )
