"""Columns on the wire: the stored samples, what comes back of what was packed, and bodies that lie."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport_runtime.columns import CELLS, MOMENTS, NUMBERS, Column, cells, of_cells, pack, texts, unpack
from modelport_runtime.errors import InvalidInput

SAMPLES = Path(__file__).parent / "samples"

SAMPLE_TABLES = {
    "plain": (
        2,
        [
            Column("x", "float64", (), struct.pack("<2d", 0.5, -1.0)),
            Column(0, "int32", (), struct.pack("<2i", 7, -8)),
            Column("flag", "bool", (), b"\1\0"),
            of_cells("text", "utf8", ["é".encode(), b""]),
            Column("image", "uint8", (1, 3), bytes(range(6))),
            Column("at", "datetime64[ms]", (), struct.pack("<2q", 0, 1_700_000_000_000)),
        ],
    ),
    "gaps": (
        3,
        [
            Column("n", "int64", (), struct.pack("<3q", 1, 0, 3), None, b"\1\0\1"),
            of_cells("bytes", "binary", [b"\0\xff", None, b""]),
            of_cells("nested", "json", [b'{"a":[1,null]}', None, b'"x"']),
            Column("nothing", "null", validity=bytes(3)),
        ],
    ),
    "empty": (0, []),
}


def plain(columns: list[Column]) -> list[Any]:
    """The columns with their buffers as bytes, to be compared."""
    return [
        column._replace(**{name: _bytes(getattr(column, name)) for name in ("data", "offsets", "validity")})
        for column in columns
    ]


def _bytes(buffer: Any) -> bytes | None:
    return None if buffer is None else bytes(buffer)


@pytest.mark.parametrize("name", SAMPLE_TABLES)
def test_the_bytes_of_a_table_are_as_stored(name: str) -> None:
    rows, columns = SAMPLE_TABLES[name]
    stored = (SAMPLES / f"{name}.columns").read_bytes()
    assert pack(columns, rows) == stored, "the format changed: raise VERSION"
    found_rows, found = unpack(stored)
    assert found_rows == rows
    assert plain(found) == columns


names = st.one_of(st.text(max_size=5), st.integers(-5, 5))


@st.composite
def tables(draw: Any) -> Any:
    rows = draw(st.integers(0, 5))
    columns = []
    for _ in range(draw(st.integers(0, 4))):
        name, kind = draw(names), draw(st.sampled_from([*NUMBERS, *MOMENTS, *CELLS, "null"]))
        validity = draw(
            st.one_of(st.none(), st.lists(st.sampled_from([0, 1]), min_size=rows, max_size=rows).map(bytes))
        )
        if kind in CELLS:
            cell = st.one_of(st.none(), st.text(max_size=5).map(str.encode))
            columns.append(of_cells(name, kind, draw(st.lists(cell, min_size=rows, max_size=rows))))
        elif kind == "null":
            columns.append(Column(name, kind, validity=bytes(rows)))
        else:
            shape = draw(st.lists(st.integers(1, 3), max_size=2)) if kind in NUMBERS else []
            size = rows * NUMBERS.get(kind, 8)
            for length in shape:
                size *= length
            data = draw(st.binary(min_size=size, max_size=size))
            columns.append(Column(name, kind, tuple(shape), data, None, validity))
    return rows, columns


@given(tables())
def test_what_is_packed_comes_back(table: Any) -> None:
    rows, columns = table
    body = pack(columns, rows)
    found_rows, found = unpack(body)
    assert found_rows == rows
    assert plain(found) == columns
    for column in found:
        assert isinstance(column.data, memoryview)
        assert column.data.obj is body, "a view, not a copy"


def test_every_buffer_starts_at_a_multiple_of_8() -> None:
    body = pack([of_cells("a", "utf8", [b"x", None, b"yz"]), Column("b", "int64", (), bytes(24))], 3)
    (size,) = struct.unpack_from("<I", body)
    described = json.loads(body[4 : 4 + size])["columns"]
    assert [column["sizes"] for column in described] == [[3, 16, 3], [24, None, None]]
    assert len(body) == 4 + size + -(4 + size) % 8 + 8 + 16 + 8 + 24


@given(st.lists(st.one_of(st.none(), st.text(max_size=4)), max_size=6))
def test_text_comes_back_as_text(values: list[str | None]) -> None:
    column = of_cells("t", "utf8", [None if value is None else value.encode() for value in values])
    _, (found,) = unpack(pack([column], len(values)))
    assert texts(found) == values
    assert cells(found) == [None if value is None else value.encode() for value in values]


def test_text_that_is_no_utf8_is_the_callers_fault() -> None:
    with pytest.raises(InvalidInput, match=r"'t'.*not UTF-8"):
        texts(of_cells("t", "utf8", [b"\xff"]))


def body_of(header: Any, buffers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = struct.pack("<I", len(text)) + text
    return start + bytes(-len(start) % 8) + buffers


def described(kind: Any, sizes: Any, name: Any = "x", shape: Any = (), rows: Any = 2, version: Any = 1) -> Any:
    return {
        "version": version,
        "rows": rows,
        "columns": [{"name": name, "kind": kind, "shape": shape, "sizes": sizes}],
    }


OFFSETS = struct.pack("<3i", 0, 1, 2) + bytes(4)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\1\0",
        b"\xff\xff\xff\xff{}",
        body_of(b"no json"),
        body_of(b"[" * 100_000),
        body_of([]),
        body_of({"version": 1, "rows": 1}),
        body_of(described("float64", [16, None, None], version=2), bytes(16)),
        body_of(described("float64", [16, None, None], rows=-1), bytes(16)),
        body_of(described("float64", [16, None, None], rows=True), bytes(16)),
        body_of(described("float64", [16, None, None], rows=2.0), bytes(16)),
        body_of(described("float64", [16, None, None], name=None), bytes(16)),
        body_of(described("float64", [16, None, None]), bytes(8)),
        body_of(described("float64", [8, None, None]), bytes(8)),
        body_of(described("float64", [-8, None, None]), bytes(8)),
        body_of(described("float64", [None, None, None]), bytes(8)),
        body_of(described("float64", [16, None]), bytes(16)),
        body_of(described("float64", [16, 12, None]), bytes(32)),
        body_of(described("float64", [16, None, 1]), bytes(24)),
        body_of(described("float64", [16, None, None], shape=[2]), bytes(16)),
        body_of(described("float64", [0, None, None], shape=[0])),
        body_of(described("float64", [16, None, None], shape=[-1, -1]), bytes(16)),
        body_of(described("datetime64[ns]", [16, None, None], shape=[1]), bytes(16)),
        body_of(described("complex64", [16, None, None]), bytes(16)),
        body_of(described(["bool"], [2, None, None]), bytes(8)),
        body_of(described("null", [0, None, None])),
        body_of(described("utf8", [2, None, None]), bytes(8)),
        body_of(described("utf8", [2, 8, None]), bytes(16)),
        body_of(described("utf8", [1, 12, None]), bytes(8) + OFFSETS),
        body_of(described("utf8", [2, 12, None]), bytes(8) + struct.pack("<4i", 0, 2, 1, 0)),
        body_of(described("utf8", [2, 12, None]), bytes(8) + struct.pack("<4i", -1, 0, 1, 0)),
    ],
)
def test_a_body_that_lies_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        unpack(body)


def test_the_lies_are_near_the_truth() -> None:
    _, (column,) = unpack(body_of(described("utf8", [2, 12, None]), b"ab" + bytes(6) + OFFSETS))
    assert texts(column) == ["a", "b"]
    assert unpack(body_of(described("float64", [16, None, None]), bytes(16)))[0] == 2


@given(st.sampled_from(sorted(SAMPLE_TABLES)), st.data())
def test_damaged_bytes_never_do_worse_than_being_refused(name: str, data: Any) -> None:
    body = bytearray((SAMPLES / f"{name}.columns").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    try:
        _, columns = unpack(bytes(cut))
        for column in columns:
            if column.kind in CELLS:
                cells(column)
                texts(column)
    except InvalidInput:
        pass
