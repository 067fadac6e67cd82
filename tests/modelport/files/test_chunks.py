"""JSON lines, Parquet and Arrow in chunks: what is sent, and where each row stands."""

import contextlib
import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelport.errors import InvalidInput
from modelport.files import tables
from modelport.files.chunk import Chunk
from modelport.files.json_chunks import read_lines
from modelport.files.source import Source
from modelport_runtime.columns import unpack
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec

SCHEMA = Schema([ColSpec("double", "x"), ColSpec("string", "s")])


def lines(folder: Path, text: bytes, size: int | None, rows: int | None = None) -> list[Chunk]:
    (folder / "in.jsonl").write_bytes(text)
    with contextlib.closing(Source(str(folder / "in.jsonl"))) as source:
        return list(read_lines(source, size, rows, "dataframe_records"))


def read(path: Path, size: int | None = 1 << 20, rows: int | None = None, **more: Any) -> list[Chunk]:
    with contextlib.closing(Source(str(path))) as source:
        format = "parquet" if path.suffix == ".parquet" else "arrow"
        return list(tables.read(source, format, size, rows, more.get("schema", SCHEMA), more.get("keep", False)))


def test_lines_are_sent_as_records_whatever_the_chunks(tmp_path: Path) -> None:
    records = [{"x": number, "s": "é\n"} for number in range(20)]
    text = b"\xef\xbb\xbf" + b"\n".join(json.dumps(record).encode() for record in records[:10])
    text += b"\r\n\n" + b"\r\n".join(json.dumps(record).encode() for record in records[10:])
    for size, rows in ((1, None), (64, None), (None, None), (1 << 20, 3)):
        chunks = lines(tmp_path, text, size, rows)
        found = [record for chunk in chunks for record in json.loads(chunk.request().body)["dataframe_records"]]
        assert found == records
        places = [chunk.place(row)["line"] for chunk in chunks for row in range(chunk.rows())]
        assert places == [*range(1, 11), *range(12, 22)]


def test_picked_lines_keep_their_places(tmp_path: Path) -> None:
    (chunk,) = lines(tmp_path, b'{"x":1}\n\n{"x":2}\n{"x":3}\n', None)
    picked = chunk.pick([2, 1])
    assert [picked.place(0), picked.place(1)] == [{"line": 4}, {"line": 3}]
    assert [picked.value(0, "x"), picked.value(1, "y")] == [3, None]
    assert picked.as_it_stood(1) == '{"x":2}'


def test_the_line_that_is_no_record_is_found(tmp_path: Path) -> None:
    (chunk,) = lines(tmp_path, b'{"x":1}\n[2]\n', None)
    assert chunk.misread("it cannot be read") == (1, "this is no JSON object")


TABLE = pa.table({"other": [1, 2, 3, 4, 5], "s": ["a", None, "c", "d", "e"], "x": [1.0, 2.0, 3.0, 4.0, 5.0]})


def stored(folder: Path, name: str, table: pa.Table = TABLE) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(table, path, row_group_size=3)
        return path
    new = pa.ipc.new_file if name.endswith(".arrow") else pa.ipc.new_stream
    with new(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return path


@pytest.mark.parametrize("name", ["in.parquet", "in.arrow", "in.arrows"])
def test_tables_are_sent_in_chunks_of_their_declared_columns(tmp_path: Path, name: str) -> None:
    path = stored(tmp_path, name)
    for size, rows, count in ((1 << 20, None, 2), (1 << 20, 2, None), (None, None, 1)):
        chunks = read(path, size, rows)
        assert count is None or len(chunks) <= max(count, 2)
        assert sum(chunk.rows() for chunk in chunks) == 5
        for chunk in chunks:
            assert rows is None or chunk.rows() <= rows
            content, body = chunk.request()
            assert content == "columns"
            assert {column.name for column in unpack(body)[1]} == {"s", "x"}
        places = [chunk.place(row)["row"] for chunk in chunks for row in range(chunk.rows())]
        assert places == list(range(5))


def test_all_columns_are_read_where_they_are_kept(tmp_path: Path) -> None:
    (chunk, *_) = read(stored(tmp_path, "in.parquet"), keep=True)
    assert chunk.table().column_names == ["other", "s", "x"]
    assert {column.name for column in unpack(chunk.request().body)[1]} == {"s", "x"}


def test_picked_rows_keep_their_places_and_values(tmp_path: Path) -> None:
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5)
    table = pa.table({"x": [1.0, 2.0, 3.0], "s": ["a", "b", None], "when": [moment] * 3})
    (chunk,) = read(stored(tmp_path, "in.arrow", table), schema=None)
    picked = chunk.pick([2, 0])
    assert [picked.place(0), picked.place(1)] == [{"row": 2}, {"row": 0}]
    assert picked.value(1, "s") == "a"
    assert picked.as_it_stood(0) == {"x": 3.0, "s": None, "when": "2020-01-02T03:04:05"}


@pytest.mark.parametrize("name", ["in.parquet", "in.arrow", "in.arrows"])
def test_a_table_without_rows_is_one_chunk(tmp_path: Path, name: str) -> None:
    (chunk,) = read(stored(tmp_path, name, TABLE.slice(0, 0)))
    assert unpack(chunk.request().body)[0] == 0


def test_a_cut_off_file_is_an_error_and_no_crash(tmp_path: Path) -> None:
    for name in ("in.parquet", "in.arrow"):
        whole = stored(tmp_path, name).read_bytes()
        for end in range(0, len(whole), max(1, len(whole) // 40)):
            (tmp_path / name).write_bytes(whole[:end])
            with contextlib.suppress(InvalidInput):  # an Arrow stream may end after any batch
                read(tmp_path / name)
