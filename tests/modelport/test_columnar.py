"""Parquet, Arrow and CSV become tables on the wire and are made of them; bodies that lie or explode are refused."""

import base64
import csv
import datetime
import decimal
import io
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.columnar import decode, encode
from modelport_runtime.columns import Column, of_cells, pack, unpack
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload.column_blocks import from_prediction, to_frame

LIMIT = 1 << 24


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def file(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


CARRIERS = {"parquet": ("parquet", parquet), "stream": ("arrow", stream), "file": ("arrow", file)}


def columns_of(table: pa.Table, carrier: str = "stream", limit: int = LIMIT) -> list[Column]:
    content, write = CARRIERS[carrier]
    rows, columns = unpack(decode(content, write(table), limit))
    assert rows == table.num_rows
    return columns


def frame_of(table: pa.Table, carrier: str = "stream") -> Any:
    content, write = CARRIERS[carrier]
    return to_frame(*unpack(decode(content, write(table), LIMIT)), None)


# -- reading

BERLIN = datetime.timezone(datetime.timedelta(hours=1))
NOON = datetime.datetime(2020, 1, 2, 12, 0, 0, 5)
NAN = float("nan")


@pytest.mark.parametrize(
    ("array", "kind", "values"),
    [
        (pa.array([1, 2, None], pa.int8()), "int8", [1, 2, None]),
        (pa.array([1, 2, 3], pa.uint64()), "uint64", [1, 2, 3]),
        (pa.array([0.5, None, NAN], pa.float16()), "float16", [0.5, None, NAN]),
        (pa.array([0.5, 1, NAN], pa.float32()), "float32", [0.5, 1.0, NAN]),
        (pa.array([0.5, 1, None]), "float64", [0.5, 1.0, None]),
        (pa.array([True, False, True]), "bool", [True, False, True]),
        (pa.array([True, None, False]), "bool", [True, None, False]),
        (pa.nulls(2), "null", [None, None]),
        (pa.array(["a", "é", None]), "utf8", ["a", "é", None]),
        (pa.array(["a", "", "b"], pa.large_string()), "utf8", ["a", "", "b"]),
        (pa.array(["a" * 20, "é", None], pa.string_view()), "utf8", ["a" * 20, "é", None]),
        (pa.array([b"a", b"\xff", None]), "binary", [b"a", b"\xff", None]),
        (pa.array([b"ab", None], pa.binary(2)), "binary", [b"ab", None]),
        (pa.array([b"a", b""], pa.large_binary()), "binary", [b"a", b""]),
        (pa.array([b"a", None], pa.binary_view()), "binary", [b"a", None]),
        (pa.array(["x", None, "x"]).dictionary_encode(), "utf8", ["x", None, "x"]),
        (pa.array(["x", "y"], pa.large_string()).dictionary_encode(), "utf8", ["x", "y"]),
        (pa.array([7, 7, None]).dictionary_encode(), "int64", [7, 7, None]),
        (pa.array([decimal.Decimal("1.50"), None]), "float64", [1.5, None]),
        (pa.array([decimal.Decimal("1.50")], pa.decimal256(40, 2)), "float64", [1.5]),
        (pa.array([datetime.date(2020, 1, 2), None]), "datetime64[s]", ["2020-01-02", None]),
        (pa.array([datetime.date(2020, 1, 2)], pa.date64()), "datetime64[ms]", ["2020-01-02"]),
        (pa.array([datetime.time(12, 0, 5), None]), "utf8", ["12:00:05.000000", None]),
        (pa.array([NOON, None]), "datetime64[us]", [NOON, None]),
        (pa.array([NOON.replace(tzinfo=BERLIN)]), "datetime64[us]", [NOON.replace(hour=11)]),
        (pa.array([5, None], pa.timestamp("ns", "Europe/Berlin")), "datetime64[ns]", [np.datetime64(5, "ns"), None]),
        (pa.array([5, None], pa.duration("us")), "timedelta64[us]", [pd.Timedelta(5, "us"), None]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)), "int32", [[1, 2], [3, 4]]),
        (pa.array([[1, 2], [3, None]], pa.list_(pa.int32(), 2)), "json", [[1, 2], [3, None]]),
        (pa.array([[True, False]], pa.list_(pa.bool_(), 2)), "bool", [[True, False]]),
        (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), "json", [["a", "b"]]),
        (pa.array([[[1], [2]], [[3], [4]]], pa.list_(pa.list_(pa.int8(), 1), 2)), "int8", [[[1], [2]], [[3], [4]]]),
        (pa.array([[1, None], None, []]), "json", [[1, None], None, []]),
        (pa.array([[NAN, 1.5], [None, 0.5]]), "json", [[NAN, 1.5], [None, 0.5]]),
        (pa.array([["null"], [None]]), "json", [["null"], [None]]),
        (pa.array([[2**63]], pa.list_(pa.uint64())), "json", [[2**63]]),
        (pa.array([{"a": 1, "b": [b"\xff"]}, None]), "json", [{"a": 1, "b": ["/w=="]}, None]),
        (pa.array([{"at": NOON}, {"at": None}]), "json", [{"at": "2020-01-02T12:00:00.000005"}, {"at": None}]),
        (
            pa.array([[1, 2 * 10**9]], pa.list_(pa.timestamp("ns", "UTC"))),
            "json",
            [["1970-01-01T00:00:00.000000001", "1970-01-01T00:00:02.000000000"]],
        ),
        (pa.array([[datetime.date(2020, 1, 2)]]), "json", [["2020-01-02"]]),
        (pa.array([[datetime.timedelta(milliseconds=1500), None]]), "json", [[1.5, None]]),
        (pa.array([[decimal.Decimal("1.50")]]), "json", [[1.5]]),
        (pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())), "json", [{"a": 1}, None, {}]),
        (pa.array([[(7, ["x"])]], pa.map_(pa.int32(), pa.list_(pa.string()))), "json", [{"7": ["x"]}]),
        (pa.array([[0.5]], pa.list_(pa.float16())), "json", [[0.5]]),
        (pa.array([["x", "x"], None], pa.list_(pa.dictionary(pa.int32(), pa.string()))), "json", [["x", "x"], None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_type_arrives(array: pa.Array, kind: str, values: list[Any], carrier: str) -> None:
    unknown_to_parquet = pa.types.is_date64(array.type) or pa.types.is_decimal256(array.type)
    table = pa.table({"x": array})
    (column,) = columns_of(table, carrier)
    if not (carrier == "parquet" and unknown_to_parquet):
        assert column.kind == kind
    found = frame_of(table, carrier)["x"]
    if kind.startswith(("datetime", "timedelta")):
        assert found.equals(pd.Series(values, name="x").astype(found.dtype))
    else:
        np.testing.assert_equal(
            [None if value is None else value for value in found.tolist()], _as_pandas(kind, values)
        )


def _as_pandas(kind: str, values: list[Any]) -> list[Any]:
    """NaN for what is missing in columns of numbers, and in pandas' own text."""
    if kind.startswith(("int", "uint", "float", "utf8")):
        return [NAN if value is None else value for value in values]
    return values


def test_the_types_that_pyarrow_cannot_make_of_values() -> None:
    views = pa.ListViewArray.from_arrays(
        pa.array([0, 0, 2], pa.int32()), pa.array([2, 0, 1], pa.int32()), pa.array([1, 2, 3])
    )
    assert frame_of(pa.table({"x": views}))["x"].tolist() == [[1, 2], [], [3]]
    tensor = pa.fixed_shape_tensor(pa.float32(), (2, 2))
    tensors = pa.ExtensionArray.from_storage(tensor, pa.array([[1, 2, 3, 4]], pa.list_(pa.float32(), 4)))
    (column,) = columns_of(pa.table({"x": tensors}))
    assert (column.kind, column.shape) == ("float32", (2, 2))
    (column,) = columns_of(pa.table({"x": pa.array(['{"a": 1}', None]).cast(pa.json_())}))
    assert column.kind == "json"
    nested = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array([["a"], ["b", None]]))
    assert frame_of(pa.table({"x": nested}))["x"].tolist() == [["b", None], ["a"], ["b", None]]


def test_slices_and_chunks_are_one_column() -> None:
    texts = pa.array(["zero", "one", None, "é", "four"])
    lists = pa.array([[0, 0], [1, 1], None, [3, 3], [4, 4]], pa.list_(pa.int8(), 2))
    numbers = pa.array([0, 1, None, 3, 4])
    nested = pa.array([{"a": [0]}, None, {"a": None}, {"a": [3]}, {"a": []}])
    flags = pa.array([True, False, None, True, False])
    whole = pa.table({"t": texts, "l": lists, "n": numbers, "s": nested, "f": flags})
    chunked = pa.concat_tables([whole.slice(1, 2), whole.slice(3), whole.slice(0, 0)])
    expected = frame_of(whole).iloc[1:].reset_index(drop=True)
    for carrier in CARRIERS:
        pd.testing.assert_frame_equal(frame_of(chunked, carrier), expected)
        pd.testing.assert_frame_equal(frame_of(whole.slice(1), carrier), expected)


def test_chunks_with_dictionaries_of_their_own_are_one_column() -> None:
    chunks = pa.chunked_array([pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "a"]).dictionary_encode()])
    table = pa.table({"x": chunks})
    assert frame_of(table)["x"].tolist() == ["a", "b", "c", "a"]
    assert frame_of(table, "parquet")["x"].tolist() == ["a", "b", "c", "a"]


def test_tables_without_rows_or_columns() -> None:
    empty = pa.table(
        {"n": pa.array([], pa.int64()), "t": pa.array([], pa.string()), "l": pa.array([], pa.list_(pa.int8()))}
    )
    for carrier in CARRIERS:
        assert [column.kind for column in columns_of(empty, carrier)] == ["int64", "utf8", "json"]
        assert columns_of(pa.table({}), carrier) == []


def test_compressed_streams_are_read() -> None:
    table = pa.table({"x": list(range(1000)), "t": [str(number) for number in range(1000)]})
    for compression in ("lz4", "zstd"):
        assert unpack(decode("arrow", stream(table, compression=compression), LIMIT))[0] == 1000


def test_the_index_of_a_frame_is_no_column() -> None:
    for frame in (
        pd.DataFrame({"x": [1, 2]}, index=[5, 7]),
        pd.DataFrame({"x": [1, 2]}, index=pd.Index([5, 7], name="key")),
        pd.DataFrame({"x": [1, 2]}),
    ):
        assert frame.to_parquet() and columns_of(pa.Table.from_pandas(frame), "parquet")[0].name == "x"
        for carrier in CARRIERS:
            assert len(columns_of(pa.Table.from_pandas(frame), carrier)) == 1
    assert len(columns_of(pa.table({"__index_level_0__": [1], "x": [2]}))) == 2, "pandas has not written this one"


def test_integer_labels_of_a_frame_stay_integers() -> None:
    for carrier in CARRIERS:
        table = pa.Table.from_pandas(pd.DataFrame([[1, 2]], columns=[0, -3]))
        assert [column.name for column in columns_of(table, carrier)] == [0, -3]
        assert [column.name for column in columns_of(pa.table({"0": [1]}), carrier)] == ["0"]


@pytest.mark.parametrize("metadata", [b"", b"[]", b"{", b'{"column_indexes": [1]}', b'{"index_columns": 3}', b"\xff"])
def test_odd_metadata_of_pandas_is_ignored(metadata: bytes) -> None:
    table = pa.table({"0": [1]}).replace_schema_metadata({b"pandas": metadata})
    assert [column.name for column in columns_of(table, "parquet")] == ["0"]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_two_columns_of_one_name_are_refused(carrier: str) -> None:
    with pytest.raises(InvalidInput, match="'a' is given twice"):
        columns_of(pa.table([[1], [2]], names=["a", "a"]), carrier)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([pa.MonthDayNano([1, 2, 3])]),
        pa.array([[pa.MonthDayNano([1, 2, 3])]]),
        pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([7])),
    ],
)
def test_types_that_no_model_takes_are_named(array: pa.Array) -> None:
    with pytest.raises(InvalidInput, match=r"Column 'odd' .* which no model takes"):
        columns_of(pa.table({"odd": array}))


@pytest.mark.parametrize("content", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "body", [b"", b"x", b"{}" * 50, b"PAR1" + bytes(50) + b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff" * 9]
)
def test_bytes_of_another_format_are_refused(content: str, body: bytes) -> None:
    expected = "a Parquet file" if content == "parquet" else "an Arrow IPC stream"
    with pytest.raises(InvalidInput, match=expected) as refused:
        decode(content, body, LIMIT)
    assert "\n" not in refused.value.message


RICH = pa.table(
    {
        "n": pa.array([1, None, 3]),
        "t": pa.array(["a", "é", None]),
        "d": pa.array(["x", "y", "x"]).dictionary_encode(),
        "l": pa.array([[1], None, [2, 3]]),
        "s": pa.array([{"a": 1.5}, {"a": None}, None]),
        "m": pa.array([1, 2, 3], pa.timestamp("us")),
        "v": pa.array(["a" * 20, None, "b"], pa.string_view()),
    }
)


@pytest.mark.parametrize("carrier", ["parquet", "stream", "compressed"])
def test_damaged_bodies_never_do_worse_than_being_refused(carrier: str) -> None:
    whole = {"parquet": parquet(RICH), "stream": stream(RICH), "compressed": stream(RICH, compression="zstd")}[carrier]
    content = "parquet" if carrier == "parquet" else "arrow"
    chance = random.Random(7)
    outcomes = set()
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        try:
            table = decode(content, bytes(body[: chance.choice([len(body), chance.randrange(len(body))])]), LIMIT)
            unpack(table)
            outcomes.add("read")
        except InvalidInput:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_offsets_that_lead_out_of_an_arrow_body_are_refused() -> None:
    body = stream(pa.table({"x": ["ab", "c"]}))
    true, lying = struct.pack("<3i", 0, 2, 3), struct.pack("<3i", 0, 2**30, 2**30)
    assert body.count(true) == 1
    with pytest.raises(InvalidInput, match="offset"):
        decode("arrow", body.replace(true, lying), LIMIT)


# -- bodies that grow

KILOBYTE = "x" * (1 << 10)


def too_large(content: str, body: bytes, limit: int) -> None:
    """Decoding is refused, and has not allocated much more than the limit when it is."""
    default = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(default)
    pa.set_memory_pool(counting)
    try:
        with pytest.raises(InvalidInput, match=f"more than the limit of {limit} bytes") as refused:
            decode(content, body, limit)
    finally:
        pa.set_memory_pool(default)
    assert refused.value.code == "REQUEST_TOO_LARGE"
    assert counting.max_memory() <= 2 * limit + (1 << 20)


def repeated(in_lists: bool = False) -> pa.Table:
    """20 thousand times the same 64 KiB."""
    rows = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, dtype=np.int16)), pa.array([64 * KILOBYTE]))
    return pa.table({"x": pa.ListArray.from_arrays(pa.array(range(20_001), pa.int32()), rows) if in_lists else rows})


def repeated_as_text() -> pa.Table:
    return pa.table({"x": [64 * KILOBYTE] * 2000})


def zeros() -> pa.Table:
    return pa.table({"x": np.zeros(1 << 21, dtype=np.int64)})


def lists_of_the_same_bytes() -> pa.Table:
    offsets, sizes = np.zeros(100_000, dtype=np.int32), np.full(100_000, 10_000, dtype=np.int32)
    items = pa.array(np.zeros(10_000, dtype=np.int8))
    return pa.table({"x": pa.ListViewArray.from_arrays(pa.array(offsets), pa.array(sizes), items)})


def views_of_the_same_bytes() -> pa.Table:
    views = struct.pack("<i4sii", 64 << 10, b"xxxx", 0, 0) * 20_000
    return pa.table(
        {
            "x": pa.Array.from_buffers(
                pa.string_view(), 20_000, [None, pa.py_buffer(views), pa.py_buffer(64 * KILOBYTE.encode())]
            )
        }
    )


def nulls() -> pa.Table:
    return pa.table({"x": pa.Array.from_buffers(pa.null(), 1 << 30, [None])})


GROWING: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one text, often, in Parquet": ("parquet", lambda: parquet(repeated())),
    "one text, often, in plain Parquet": ("parquet", lambda: parquet(repeated_as_text(), store_schema=False)),
    "one text, often, in lists in Parquet": ("parquet", lambda: parquet(repeated(in_lists=True), store_schema=False)),
    "texts that differ in nothing, in Parquet": (
        "parquet",
        lambda: parquet(repeated_as_text(), use_dictionary=False, column_encoding={"x": "DELTA_BYTE_ARRAY"}),
    ),
    "one long list of zeros in Parquet": ("parquet", lambda: parquet(pa.table({"x": [np.zeros(1 << 21)]}))),
    "zeros in Parquet": ("parquet", lambda: parquet(zeros())),
    "zeros in compressed Parquet": ("parquet", lambda: parquet(zeros(), use_dictionary=False, compression="zstd")),
    "one text, often, in Arrow": ("arrow", lambda: stream(repeated())),
    "one text, often, in lists in Arrow": ("arrow", lambda: stream(repeated(in_lists=True))),
    "zeros in compressed Arrow": ("arrow", lambda: stream(zeros(), compression="zstd")),
    "nulls without bytes": ("arrow", lambda: stream(nulls())),
    "lists of the same bytes": ("arrow", lambda: stream(lists_of_the_same_bytes(), compression="zstd")),
    "views of the same bytes": ("arrow", lambda: stream(views_of_the_same_bytes(), compression="zstd")),
}


@pytest.mark.parametrize("name", GROWING)
def test_a_small_body_cannot_become_a_large_table(name: str) -> None:
    content, write = GROWING[name]
    body = write()
    assert len(body) < 300 << 10
    too_large(content, body, 1 << 22)


def test_a_table_just_within_the_limit_is_read() -> None:
    table = pa.table({"x": np.arange(1 << 17, dtype=np.float64)})
    for content, body in (("parquet", parquet(table, use_dictionary=False)), ("arrow", stream(table))):
        assert unpack(decode(content, body, (1 << 20) + (1 << 15)))[0] == 1 << 17
        too_large(content, body, (1 << 20) - 1)


def test_repeated_texts_within_the_limit_are_read() -> None:
    table = pa.table({"x": [1024 * KILOBYTE] * 3, "l": [[KILOBYTE]] * 3})
    _, columns = unpack(decode("parquet", parquet(table), (3 << 20) + 8192))
    assert [len(column.data) for column in columns] == [3 << 20, 3 * 1028]


# -- the way through

PLAIN = [
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.int64(), st.integers(-(2**53), 2**53)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint16(), st.integers(0, 2**16 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(max_size=5, alphabet=st.characters(codec="utf-8"))),
    (pa.binary(), st.binary(max_size=5)),
    (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
]


@st.composite
def plain_tables(draw: Any) -> pa.Table:
    rows = draw(st.integers(0, 6))
    columns = {}
    for name in draw(st.lists(st.text(max_size=3, alphabet="abé "), min_size=1, max_size=4, unique=True)):
        type_, values = draw(st.sampled_from(PLAIN))
        cells = st.lists(st.one_of(st.none(), values), min_size=rows, max_size=rows)
        columns[name] = pa.array(draw(cells), type_)
    return pa.table(columns)


@settings(deadline=None)
@given(plain_tables(), st.sampled_from(sorted(CARRIERS)))
def test_a_model_sees_what_pandas_reads(table: pa.Table, carrier: str) -> None:
    expected = table.to_pandas()
    for name in expected.columns:  # pandas has a text type also where there is no text
        if expected[name].isna().all() and pd.api.types.is_string_dtype(expected[name].dtype):
            expected[name] = expected[name].astype(object).where(expected[name].notna(), None)
    pd.testing.assert_frame_equal(frame_of(table, carrier), expected)


@settings(deadline=None)
@given(plain_tables(), st.sampled_from(["parquet", "arrow"]))
def test_a_prediction_comes_back_as_it_was(table: pa.Table, answer: str) -> None:
    frame = table.to_pandas()
    body = encode(from_prediction(frame), answer)
    read = pq.read_table(io.BytesIO(body)) if answer == "parquet" else pa.ipc.open_stream(body).read_all()
    back = read.to_pandas()
    for name in frame.columns:
        if frame[name].isna().all() and frame[name].dtype != back[name].dtype:
            assert back[name].isna().all()
            back[name] = frame[name]
    pd.testing.assert_frame_equal(back, frame)


# -- writing

EVERYTHING = pd.DataFrame(
    {
        "n": pd.array([1, None], dtype="Int64"),
        "f": [0.5, NAN],
        "b": [True, False],
        "t": ["plain", "é"],
        "at": pd.to_datetime(["2020-01-02T03:04:05", None]),
        "long": pd.to_timedelta(["1500ms", None]),
        "raw": [b"\xff", None],
        "j": [[1, "x"], {"k": None}],
        "none": [None, None],
    }
)


def test_csv_has_a_header_row_and_nothing_for_gaps() -> None:
    plain = EVERYTHING.drop(columns="j")
    assert encode(from_prediction(plain), "csv").decode() == (
        "n,f,b,t,at,long,raw,none\n1,0.5,true,plain,2020-01-02T03:04:05,1.5,/w==,\n,nan,false,é,,,,\n"
    )


def test_csv_quotes_what_needs_it() -> None:
    body = encode(
        from_prediction(pd.DataFrame({"a,b": ['x"y', "line\nbreak", None], "j": [[1, "x"], None, {"k": 2}]})), "csv"
    )
    assert body.startswith(b'"a,b",j\n')
    read = pd.read_csv(io.BytesIO(body))
    assert read["a,b"].tolist()[:2] == ['x"y', "line\nbreak"]
    assert [json.loads(text) for text in read["j"].dropna()] == [[1, "x"], {"k": 2}]


@pytest.mark.parametrize("values", [[1.5, None, 2.5], ["a", None, ""], [None, None, None], [True, None, False]])
def test_csv_of_one_column_keeps_its_rows(values: list[Any]) -> None:
    body = encode(from_prediction(values), "csv")
    assert len(pd.read_csv(io.BytesIO(body))) == 3


def test_csv_of_numbers_is_read_back_exactly() -> None:
    frame = pd.DataFrame({"f": [0.1, 1e300, -1 / 3], "i": [2**62, -1, 0], "g": np.array([0.1, 1, 2], dtype=np.float32)})
    read = list(csv.DictReader(io.StringIO(encode(from_prediction(frame), "csv").decode())))
    assert [float(row["f"]) for row in read] == frame["f"].tolist()
    assert [int(row["i"]) for row in read] == frame["i"].tolist()
    assert [np.float32(row["g"]) for row in read] == frame["g"].tolist()


def test_shapes_are_fixed_size_lists_and_json_in_csv() -> None:
    table = from_prediction({"x": np.arange(8, dtype=np.int16).reshape(2, 2, 2), "f": [True, False]})
    read = pq.read_table(io.BytesIO(encode(table, "parquet")))
    assert read["x"].to_pylist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    read = pa.ipc.open_stream(encode(table, "arrow")).read_all()
    assert read.schema.field("x").type == pa.list_(pa.list_(pa.int16(), 2), 2)
    assert pd.read_csv(io.BytesIO(encode(table, "csv")))["x"].tolist() == ["[[0,1],[2,3]]", "[[4,5],[6,7]]"]


def test_gaps_in_columns_with_a_shape_stay_gaps() -> None:
    table = pack([Column("x", "bool", (2,), b"\1\0\1\1", None, b"\1\0"), Column("h", "float16", (), bytes(4))], 2)
    for answer in ("parquet", "arrow"):
        body = encode(table, answer)
        read = pq.read_table(io.BytesIO(body)) if answer == "parquet" else pa.ipc.open_stream(body).read_all()
        assert read["x"].to_pylist() == [[True, False], None]
    assert encode(table, "csv") == b'x,h\n"[true,false]",0\n,0\n'


def test_nested_values_are_json_text_and_come_back_nested() -> None:
    body = encode(from_prediction(EVERYTHING), "parquet")
    assert json.loads(pq.read_table(io.BytesIO(body))["j"].to_pylist()[0]) == [1, "x"]


def test_tables_without_rows_or_columns_are_written() -> None:
    assert encode(pack([], 0), "csv") == b"\n"
    assert encode(from_prediction(pd.DataFrame({"a": [], "b": []})), "csv") == b"a,b\n"
    for answer in ("parquet", "arrow"):
        assert encode(pack([], 0), answer)
        assert encode(from_prediction([]), answer)


def test_a_damaged_table_is_not_written() -> None:
    with pytest.raises(InvalidInput):
        encode(b"nonsense", "csv")


# -- where it runs


def test_threads_do_not_disturb_each_other() -> None:
    bodies = [parquet(pa.table({"x": [number] * 1000, "t": [str(number)] * 1000})) for number in range(8)]

    def there_and_back(number: int) -> bool:
        table = decode("parquet", bodies[number % 8], LIMIT)
        read = pa.ipc.open_stream(encode(table, "arrow")).read_all()
        return read["x"].to_pylist() == [number % 8] * 1000 and read["t"].to_pylist() == [str(number % 8)] * 1000

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(there_and_back, range(64)))


def test_pyarrow_is_imported_when_it_is_needed_and_pandas_never() -> None:
    body = base64.b64encode(parquet(RICH)).decode()
    program = (
        "import base64, sys\n"
        "from modelport.columnar import decode, encode\n"
        "assert 'pyarrow' not in sys.modules\n"
        f"table = decode('parquet', base64.b64decode('{body}'), 1 << 20)\n"
        "for answer in ('parquet', 'arrow', 'csv'):\n"
        "    encode(table, answer)\n"
        "assert 'pyarrow' in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_text_that_is_no_utf8_is_refused() -> None:
    damaged = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(struct.pack("<2i", 0, 1)), pa.py_buffer(b"\xff")]
    )
    for carrier in CARRIERS:
        with pytest.raises(InvalidInput):
            columns_of(pa.table({"x": damaged}), carrier)


def test_cells_of_a_table_are_views_of_what_pyarrow_read() -> None:
    """The bytes of a column are copied once, into the table."""
    table = decode("arrow", stream(pa.table({"x": [1.5, 2.5], "t": ["a", "bc"]})), LIMIT)
    assert table == pack(
        [Column("x", "float64", (), struct.pack("<2d", 1.5, 2.5)), of_cells("t", "utf8", [b"a", b"bc"])], 2
    )
