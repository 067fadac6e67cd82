"""CSV read by pyarrow here, and CSV read by the worker: the same data, or the worker is left to it."""

import contextlib
import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.files import csv_chunks, csv_text
from modelport.files.chunk import Chunk
from modelport.files.source import Source
from modelport_runtime.columns import unpack
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import column_blocks, decoding
from modelport_runtime.payload.casting import cast_frame
from modelport_runtime.policy import LENIENT
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec

TYPES = ("double", "float", "long", "integer", "boolean", "string")
CELLS = {
    "gaps": ("", '""', "NA", "NaN", "nan", "null", "NULL", "None", "none", "n/a", "N/A", "<NA>", "-nan", "NAN", "Nan"),
    "numbers": ("0", "007", "-0", "+5", "1.5", ".5", "5.", "1e3", "1E-3", "1e400", "-1e400", "1e-400", "0.1", "1_000"),
    "odd numbers": (" 1", "1 ", "\t1", "0x1F", "0X1f", "1d5", "\u0661", "--1", "1e", "e1", "1.0", "1.5.2"),
    "infinities": ("inf", "+inf", "-inf", "Infinity", "-Infinity", "INF", "infinity", "+Infinity", "infi"),
    "large": ("2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    "truths": ("True", "true", "TRUE", "False", "false", "FALSE", "tRUE", "1", "0", "yes", "t", " True"),
    "texts": ("abc", " abc ", '"a,b"', '"a""b"', '"a\nb"', "é", "a'b", 'a"b', "#N/A", '"NA"', '"1.5"', '" 2"', "\\N"),
}


def chunks(folder: Path, text: bytes, schema: Schema | None, size: int | None = 1 << 20, **more: Any) -> list[Chunk]:
    path = folder / "input.csv"
    path.write_bytes(text)
    with contextlib.closing(Source(str(path))) as source:
        return list(csv_chunks.read(source, size, more.get("rows"), schema, quick=True))


def frame_of(chunk: Chunk, schema: Schema) -> pd.DataFrame:
    """What the worker makes of the chunk's request."""
    content, body = chunk.request()
    if content == "csv":
        return enforce(decoding.read_csv(body, schema, LENIENT), schema, LENIENT)
    rows, columns = unpack(body)
    frame = cast_frame(column_blocks.to_frame(rows, columns, schema), schema, LENIENT, exact=True)
    return enforce(frame, schema, LENIENT)


def by_worker(text: bytes, schema: Schema) -> pd.DataFrame | None:
    try:
        return enforce(decoding.read_csv(text, schema, LENIENT), schema, LENIENT)
    except InvalidInput:
        return None


def check_same(folder: Path, text: bytes, schema: Schema) -> None:
    (chunk,) = chunks(folder, text, schema)
    expected = by_worker(text, schema)
    try:
        found = frame_of(chunk, schema)
    except InvalidInput:
        assert expected is None, text
        return
    assert expected is not None, (text, found)
    for frame in (found, expected):
        texts = [spec.name for spec in schema.columns if str(spec.type) == "string"]
        frame[texts] = frame[texts].astype(object).where(frame[texts].notna(), None)  # pandas has two types of text
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True), rtol=1e-15)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_a_cell_means_the_same_whoever_reads_it(tmp_path: Path, kind: str, cells: tuple[str, ...]) -> None:
    schema = Schema([ColSpec(kind, "x"), ColSpec("double", "y")])
    fine = {"boolean": "True", "string": "text"}.get(kind, "1")
    for cell in cells:
        for rows in ([cell], [fine, cell], [cell, fine]):
            text = "x,y\n" + "".join(f"{one},{place}.5\n" for place, one in enumerate(rows))
            check_same(tmp_path, text.encode(), schema)


@pytest.mark.parametrize(
    "text",
    [
        "x,y\r\n1,2\r\n3,4\r\n",
        "\ufeffx,y\n1,2\n",
        "x,y\n1,2\n\n3,4\n\n",
        "\n\nx,y\n1,2\n",
        "x,y\n1,2\n3,4",
        "x,y\n1,2\n   \n3,4\n",
        "y,x\n1,2\n",
        '"x","y"\n1,2\n',
        "x,y,z\n1,2,hello\n3,4,\n",
        "z,x,y,z\na,1,2,b\n",
        "1,2\n3,4\n",
        "x,y\r1,2\r3,4\r",
        "x,y\n1,2,3\n",
        "x,y\n1\n",
        "x,y\n1,2,\n3,4,\n",
        "x, y\n1,2\n",
        "x\n1\n",
        "x,y\n",
        "x,y",
        "",
        "x,x\n1,2\n",
        'x,y,z\n1,2,"a\nb"\n3,4,c\n',
        'x,y\n1,"2\n',
        "x,y\n1,2\x00\n",
        "x,y\n1,é\n",
    ],
)
def test_a_file_means_the_same_whoever_reads_it(tmp_path: Path, text: str) -> None:
    check_same(tmp_path, text.encode(), Schema([ColSpec("double", "x"), ColSpec("double", "y")]))


def test_bytes_that_are_no_utf_8_are_refused_by_both(tmp_path: Path) -> None:
    check_same(tmp_path, b"x,y\n\xff,1\n", Schema([ColSpec("string", "x"), ColSpec("double", "y")]))


def test_one_column_of_text_is_left_to_the_worker(tmp_path: Path) -> None:
    check_same(tmp_path, b"x\na\n \nb\n", Schema([ColSpec("string", "x")]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(sorted(itertools.chain(*CELLS.values())))] * 3), min_size=1, max_size=4))
def test_any_mixture_of_cells_means_the_same(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    for kinds in (("double", "string", "long"), ("boolean", "float", "integer")):
        schema = Schema([ColSpec(kind, name) for kind, name in zip(kinds, "abc", strict=True)])
        check_same(folder, ("a,b,c\n" + "".join(",".join(row) + "\n" for row in rows)).encode(), schema)


def test_plain_numbers_and_texts_take_the_quick_way(tmp_path: Path) -> None:
    schema = Schema([ColSpec("double", "x"), ColSpec("string", "s"), ColSpec("long", "n"), ColSpec("boolean", "b")])
    (chunk,) = chunks(tmp_path, b"x,s,more,n,b\n1.5,a,?,7,True\n,b,?,8,false\n", schema)
    assert chunk.request().content == "columns"


# -- where chunks end

RECORDS = st.lists(st.lists(st.text('ab",\n é', max_size=5), min_size=2, max_size=2), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(RECORDS, st.integers(1, 12), st.sampled_from(["\n", "\r\n"]))
def test_no_cut_goes_through_a_row(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[str]], size: int, end: str
) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator=end).writerows([["x", "y"], *records])
    found = chunks(tmp_path_factory.getbasetemp(), written.getvalue().encode(), None, size)
    texts = [text for chunk in found if isinstance(chunk, csv_chunks.CsvChunk) for text in chunk.texts()]
    rows = [next(csv.reader(io.StringIO(text.decode(), newline=""))) for text in texts]
    assert rows == records
    assert sum(chunk.rows() for chunk in found) == len(records)


def test_rows_know_their_lines_in_the_file(tmp_path: Path) -> None:
    text = b'\nx,y\n1,"a\nb"\n\n2,c\n3,"d"\n4,e'
    for size in (1, 5, 1 << 20):
        found = [
            chunk.place(row)["line"] for chunk in chunks(tmp_path, text, None, size) for row in range(chunk.rows())
        ]
        assert found == [3, 6, 7, 8]
    (whole,) = chunks(tmp_path, text, None)
    picked = whole.pick([1, 3])
    assert [picked.place(row)["line"] for row in (0, 1)] == [6, 8]
    assert [picked.value(row, "y") for row in (0, 1)] == ["c", "e"]


def test_a_quote_in_the_middle_of_a_field_opens_nothing() -> None:
    assert csv_text.last_end(b'5" pipe,1\n6",2\nx') == len(b'5" pipe,1\n6",2\n')


@given(st.text('",\r\nab ', max_size=16))
def test_the_quick_look_at_quotes_finds_ends_of_rows_only(text: str) -> None:
    """A cut is where one of the rows ends that pandas' rules find; without carriage returns it is the last one."""
    content = text.encode()
    end, certain = csv_text.last_end(content), list(ends_in_turn(content))
    assert end == 0 or end in certain
    if "\r" not in text:
        assert end == (certain[-1] if certain else 0)


def ends_in_turn(content: bytes) -> Iterator[int]:
    """Where rows end, each beginning where the one before it ended."""
    end = 0
    while (row := csv_text._WHOLE_ROW.match(content, end)) is not None:
        end = row.end()
        yield end


def test_a_file_without_header_has_the_declared_names_in_every_chunk(tmp_path: Path) -> None:
    schema = Schema([ColSpec("double", "x"), ColSpec("double", "y")])
    found = chunks(tmp_path, b"1,2\n,\n3,4\n", schema, rows=1)
    assert [len(frame_of(chunk, schema)) for chunk in found] == [1, 1, 1]
    assert [chunk.place(0)["line"] for chunk in found] == [1, 2, 3]


def test_chunks_have_no_more_rows_than_asked_for(tmp_path: Path) -> None:
    text = b"x\n" + b"".join(b'"%d"\n' % number for number in range(10))
    assert [chunk.rows() for chunk in chunks(tmp_path, text, None, rows=4)] == [4, 4, 2]


def test_a_line_in_the_workers_words_becomes_that_of_the_file(tmp_path: Path) -> None:
    chunk = chunks(tmp_path, b"x,y\n1,2\n3,4\n5,6,7\n", None, 8)[-1]
    row, message = chunk.misread("The body is not valid CSV: line 3 has 3 fields, the lines before it 2.")
    assert (row, message) == (1, "The body is not valid CSV: line 4 has 3 fields, the lines before it 2.")
