"""Tables on the wire become the frames that other carriers give; predictions of any type become tables."""

import datetime
import decimal
import enum
import json
import struct
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport_runtime.columns import Column, cells, of_cells, pack, texts, unpack
from modelport_runtime.data_types import Scalar
from modelport_runtime.errors import InvalidInput, ModelFailed
from modelport_runtime.payload.blocks import Block, BlockReader, join
from modelport_runtime.payload.column_blocks import from_prediction, to_frame
from modelport_runtime.payload.decoding import split_frame
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def numbers(name: Any, kind: str, values: Any, **more: Any) -> Column:
    return Column(name, kind, data=np.array(values, dtype=kind).tobytes(), **more)


def text(name: Any, *values: Any) -> Column:
    return of_cells(name, "utf8", [None if value is None else value.encode() for value in values])


def documents(name: Any, *values: Any) -> Column:
    return of_cells(name, "json", [None if value is None else json.dumps(value).encode() for value in values])


def frame_of(*columns: Column, rows: int = 2, schema: Any = None) -> Any:
    return to_frame(*unpack(pack(columns, rows)), schema)


def schema_of(**types: str) -> Schema:
    return Schema(tuple(ColSpec(Scalar(type_name), name) for name, type_name in types.items()))


GAP = {"validity": b"\1\0"}


# -- a request's columns


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (numbers("x", "float64", [0.5, float("nan")]), [0.5, float("nan")]),
        (numbers("x", "float64", [0.5, 9], **GAP), [0.5, None]),
        (numbers("x", "int64", [2**62, -1]), [2**62, -1]),
        (numbers("x", "int64", [2, -1], **GAP), [2, None]),
        (numbers("x", "bool", [True, False]), [True, False]),
        (numbers("x", "bool", [True, False], **GAP), [True, None]),
        (text("x", "é", ""), ["é", ""]),
        (text("x", "a", None), ["a", None]),
        (documents("x", [1, [2]], {"k": None}), [[1, [2]], {"k": None}]),
        (documents("x", ["a"], None), [["a"], None]),
        (of_cells("x", "json", [b"[NaN]", b"[18446744073709551616]"]), [[float("nan")], [2**64]]),
        (of_cells("x", "binary", [b"\xff", None]), [b"\xff", None]),
        (Column("x", "null"), [None, None]),
        (Column("x", "float64", (2,), struct.pack("<4d", 1, 2, 3, 4)), [[1.0, 2.0], [3.0, 4.0]]),
        (Column("x", "int8", (1, 2), bytes(range(4)), **GAP), [[[0, 1]], None]),
        (Column("x", "bool", (2,), b"\1\0\0\1"), [[True, False], [False, True]]),
    ],
)
def test_a_column_is_what_a_split_frame_makes_of_its_values(column: Column, values: list[Any]) -> None:
    expected = split_frame({"columns": ["x"], "data": [[value] for value in values]})
    pd.testing.assert_frame_equal(frame_of(column), expected)


@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float16", "float32"]
)
def test_numbers_keep_their_type_where_it_can_say_what_is_missing(kind: str) -> None:
    frame = frame_of(numbers("a", kind, [1, 2]), numbers("b", kind, [1, 2], **GAP))
    assert frame.dtypes.astype(str).tolist() == [kind, kind if "float" in kind else "float64"]
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].isna().tolist() == [False, True]


@pytest.mark.parametrize("kind", ["datetime64", "timedelta64"])
@pytest.mark.parametrize(("unit", "ticks"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_moments_and_durations_have_nanoseconds(kind: str, unit: str, ticks: int) -> None:
    column = Column("x", f"{kind}[{unit}]", (), struct.pack("<2q", 5 * ticks, 7), None, b"\1\0")
    frame = frame_of(column)
    assert str(frame["x"].dtype) == f"{kind}[ns]"
    assert frame["x"].astype("int64").tolist() == [5 * 10**9, -(2**63)]


FAR = Column("x", "datetime64[s]", (), struct.pack("<2q", 0, 253402300799))


def test_declared_moments_beyond_nanoseconds_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'x', row 1: 9999-12-31T23:59:59 is out of the range"):
        frame_of(FAR, schema=schema_of(x="datetime"))


def test_undeclared_moments_beyond_nanoseconds_stay_what_they_are() -> None:
    if not hasattr(pd.Timestamp, "as_unit"):  # pandas 1 has no other unit
        with pytest.raises(InvalidInput):
            frame_of(FAR)
        return
    frame = frame_of(FAR, numbers("y", "float64", [1, 2]), schema=schema_of(y="double"))
    assert frame["x"].dt.year.tolist() == [1970, 9999]


def test_names_become_those_of_the_signature() -> None:
    schema = Schema((ColSpec(Scalar("double"), 0), ColSpec(Scalar("double"), 1), ColSpec(Scalar("double"), "2")))
    columns = [numbers(name, "float64", [1, 2]) for name in ("1", 0, 2, "other")]
    assert frame_of(*columns, schema=schema).columns.tolist() == [1, 0, "2", "other"]
    assert frame_of(*columns).columns.tolist() == ["1", 0, 2, "other"]


def test_a_signature_without_names_takes_columns_as_they_are_called() -> None:
    schema = Schema((ColSpec(Scalar("double")), ColSpec(Scalar("double"))))
    columns = [numbers(name, "float64", [1, 2]) for name in ("b", "a")]
    assert frame_of(*columns, schema=schema).columns.tolist() == ["b", "a"]


def test_two_columns_of_one_name_stay_two() -> None:
    frame = frame_of(numbers("a", "int64", [1, 2]), numbers("a", "int64", [3, 4]))
    assert frame.columns.tolist() == ["a", "a"]
    assert frame.to_numpy().tolist() == [[1, 3], [2, 4]]


def test_tables_without_rows_or_columns() -> None:
    assert frame_of(rows=3).shape == (3, 0)
    frame = frame_of(numbers("a", "float64", []), text("t"), documents("j"), Column("n", "null"), rows=0)
    assert frame.shape == (0, 4)
    assert frame["a"].dtype == np.float64


def test_a_model_may_write_into_its_frame() -> None:
    frame = frame_of(numbers("a", "float64", [1, 2]), numbers("b", "int32", [1, 2]))
    frame.loc[0, "a"] = 9.0
    frame.loc[1, "b"] = 9
    assert frame.to_numpy().tolist() == [[9.0, 1.0], [2.0, 9.0]]


@pytest.mark.parametrize("cell", [b"1,2", b"1],[2", b"{", b""])
def test_json_that_is_none_is_refused(cell: bytes) -> None:
    with pytest.raises(InvalidInput):
        frame_of(of_cells("x", "json", [cell, b"1"]))


# -- the short way

DOUBLES = schema_of(a="double", b="double")
MIXED = schema_of(n="long", t="string", d="double", i="integer", b="boolean")
MIXED_COLUMNS = [
    numbers("i", "int32", [1, 2]),
    numbers("n", "int64", [2**62, 4]),
    numbers("d", "float64", [0.5, float("nan")]),
    numbers("b", "bool", [True, False]),
    numbers("extra", "int8", [0, 0]),
    text("t", "x", "é"),
]


def short(schema: Schema, columns: list[Column], rows: int = 2) -> Any:
    reader = BlockReader.of(schema)
    assert reader is not None
    return reader.read_table(*unpack(pack(columns, rows)))


@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        (DOUBLES, [numbers("a", "float64", [1, 2]), numbers("b", "float64", [3, float("inf")])]),
        (DOUBLES, [numbers("b", "float64", [1, 2]), text("c", "x", "y"), numbers("a", "float64", [3, 4])]),
        (MIXED, MIXED_COLUMNS),
        (
            Schema((ColSpec(Scalar("double"), 0), ColSpec(Scalar("double"), 1))),
            [numbers("0", "float64", [1, 2]), numbers(1, "float64", [3, 4])],
        ),
    ],
)
def test_the_short_way_gives_the_frame_of_the_general_way(schema: Schema, columns: list[Column]) -> None:
    block = short(schema, columns)
    assert isinstance(block, Block)
    expected = frame_of(*columns, schema=schema)[list(schema.names)]
    pd.testing.assert_frame_equal(block.frame(), expected, check_column_type=True)
    pd.testing.assert_frame_equal(join([block, block]).frame(), pd.concat([expected, expected], ignore_index=True))
    for array in [block.columns] if block.table.all_double else block.columns:
        assert isinstance(array, list) or array.flags.writeable


@pytest.mark.parametrize(
    ("schema", "columns", "rows"),
    [
        (DOUBLES, [numbers("a", "float64", [1, 2])], 2),
        (DOUBLES, [numbers("a", "float64", []), numbers("b", "float64", [])], 0),
        (DOUBLES, [numbers("a", "float64", [1, 2]), numbers("b", "float64", [1, 2], **GAP)], 2),
        (DOUBLES, [numbers("a", "float64", [1, 2]), numbers("b", "float32", [1, 2])], 2),
        (DOUBLES, [numbers("a", "float64", [1, 2]), numbers("b", "int64", [1, 2])], 2),
        (DOUBLES, [numbers("a", "float64", [1, 2]), Column("b", "float64", (1,), bytes(16))], 2),
        (DOUBLES, [numbers(name, "float64", [1, 2]) for name in "aab"], 2),
        (MIXED, [column._replace(kind="binary") if column.name == "t" else column for column in MIXED_COLUMNS], 2),
        (MIXED, [text("t", "x", None) if column.name == "t" else column for column in MIXED_COLUMNS], 2),
        (
            Schema((ColSpec(Scalar("double"), 0), ColSpec(Scalar("double"), "0"))),
            [numbers("0", "float64", [1, 2])],
            2,
        ),
    ],
)
def test_what_does_not_just_fit_takes_the_general_way(schema: Schema, columns: list[Column], rows: int) -> None:
    assert short(schema, columns, rows) is None


# -- a prediction's columns


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Verdict:
    label: str
    score: float


def table_of(prediction: Any) -> dict[Any, Any]:
    """Name → (kind, values) of a prediction's table: texts as text, documents as what they hold."""
    rows, columns = unpack(from_prediction(prediction))
    found = {}
    for column in columns:
        values: Any
        if column.kind == "utf8":
            values = texts(column)
        elif column.kind == "json":
            values = [None if cell is None else json.loads(cell) for cell in cells(column)]
        elif column.kind == "binary":
            values = cells(column)
        elif column.kind == "null":
            values = [None] * rows
        else:
            kind = column.kind if "64[" not in column.kind else "int64"
            values = np.frombuffer(column.data, dtype=kind).reshape(rows, *column.shape).tolist()
            if column.validity is not None:
                values = [value if there else None for value, there in zip(values, column.validity, strict=True)]
        assert len(values) == rows
        found[column.name] = (column.kind, values)
    return found


SECOND = datetime.datetime(1970, 1, 1, 0, 0, 1)
INDIA = datetime.timezone(datetime.timedelta(hours=5.5))


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (np.array([1.5, 2.5]), {"predictions": ("float64", [1.5, 2.5])}),
        (np.array([1, 2], dtype=">i4"), {"predictions": ("int32", [1, 2])}),
        (np.array([True, False]), {"predictions": ("bool", [True, False])}),
        (np.array([1.5, 2.5], dtype=np.longdouble), {"predictions": ("float64", [1.5, 2.5])}),
        (np.array([[1, 2], [3, 4]], dtype=np.int8), {"0": ("int8", [1, 3]), "1": ("int8", [2, 4])}),
        (np.zeros((2, 1, 2)), {"predictions": ("float64", [[[0.0, 0.0]], [[0.0, 0.0]]])}),
        (np.zeros((2, 0, 2)), {"predictions": ("json", [[], []])}),
        (np.zeros((2, 0)), {}),
        (np.array(7), {"predictions": ("int64", [7])}),
        (np.float32(0.5), {"predictions": ("float32", [0.5])}),
        (np.array(["a", "é"]), {"predictions": ("utf8", ["a", "é"])}),
        (np.array([b"a", b"\xff"]), {"predictions": ("binary", [b"a", b"\xff"])}),
        (np.array(["a", None], dtype=object), {"predictions": ("utf8", ["a", None])}),
        (np.array(["a", 1, [2]], dtype=object), {"predictions": ("json", ["a", 1, [2]])}),
        (np.array([1 + 2j]), {"predictions": ("json", [{"real": 1.0, "imag": 2.0}])}),
        (np.array(["1970-01-02", "NaT"], dtype="M8[D]"), {"predictions": ("datetime64[s]", [86400, None])}),
        (np.array(["1970-01-01T00:00:01"], dtype="M8[ms]"), {"predictions": ("datetime64[ms]", [1000])}),
        (np.array([3], dtype="m8[m]"), {"predictions": ("timedelta64[s]", [180])}),
        (np.ma.array([1, 2], mask=[False, True]), {"predictions": ("int64", [1, None])}),
        (
            np.ma.array([[1, 2], [3, 4]], mask=[[0, 0], [0, 1]]),
            {"0": ("int64", [1, 3]), "1": ("int64", [2, None])},
        ),
        (pd.Series([1, 2], name="s", index=[5, 6]), {"s": ("int64", [1, 2])}),
        (pd.Series([1.5, None]), {"0": ("float64", [1.5, float("nan")])}),
        (pd.DataFrame({0: [1], "b": ["x"]}, index=[9]), {"0": ("int64", [1]), "b": ("utf8", ["x"])}),
        (pd.DataFrame([[1, 2.5]], columns=["a", "a"]), {"a": ("float64", [2.5])}),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), {"a": ("int64", [1, None])}),
        (pd.DataFrame({"a": pd.array([True, None], dtype="boolean")}), {"a": ("bool", [True, None])}),
        (pd.DataFrame({"a": pd.array([0.5, None], dtype="Float32")}), {"a": ("float32", [0.5, None])}),
        (pd.DataFrame({"a": pd.array(["x", None], dtype="string")}), {"a": ("utf8", ["x", None])}),
        (pd.DataFrame({"a": ["x", float("nan")]}), {"a": ("utf8", ["x", None])}),
        (pd.DataFrame({"a": pd.Categorical(["x", None])}), {"a": ("utf8", ["x", None])}),
        (pd.DataFrame({"a": pd.Categorical([3, 4])}), {"a": ("int64", [3, 4])}),
        (pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.5])}), {"a": ("float64", [0.0, 1.5])}),
        (pd.DataFrame({"a": pd.period_range("2020", periods=1, freq="D")}), {"a": ("json", ["2020-01-01"])}),
        (
            pd.DataFrame({"a": np.array([1, 0], dtype="M8[ns]")}).assign(b=pd.NaT),
            {"a": ("datetime64[ns]", [1, 0]), "b": ("any", [None, None])},
        ),
        (
            pd.Series(pd.to_datetime(["1970-01-01T05:30:01"]))
            .dt.tz_localize("Asia/Kolkata")
            .astype("datetime64[ns, Asia/Kolkata]"),
            {"0": ("datetime64[ns]", [10**9])},
        ),
        (pd.DataFrame(), {}),
        ([1, 2], {"predictions": ("int64", [1, 2])}),
        ([1, None, 2.5], {"predictions": ("float64", [1.0, None, 2.5])}),
        ([decimal.Decimal("1.5")], {"predictions": ("float64", [1.5])}),
        ([2**63, 1], {"predictions": ("uint64", [2**63, 1])}),
        ([2**64, 1], {"predictions": ("json", [2**64, 1])}),
        ([-1, 2**63], {"predictions": ("json", [-1, 2**63])}),
        ([True, None], {"predictions": ("bool", [True, None])}),
        ([True, 1], {"predictions": ("json", [True, 1])}),
        ([np.float32(0.5), np.float32(1)], {"predictions": ("float64", [0.5, 1.0])}),
        ([None, None], {"predictions": ("null", [None, None])}),
        ([], {"predictions": ("null", [])}),
        ([b"a", bytearray(b"b"), None], {"predictions": ("binary", [b"a", b"b", None])}),
        (["a", float("nan"), pd.NA], {"predictions": ("utf8", ["a", None, None])}),
        (["\ud800"], {"predictions": ("utf8", ["?"])}),
        ([Colour.RED, "x"], {"predictions": ("utf8", ["red", "x"])}),
        ([[1, 2], [3]], {"predictions": ("json", [[1, 2], [3]])}),
        ([np.array([1, 2]), None], {"predictions": ("json", [[1, 2], None])}),
        ([[float("nan"), b"x"]], {"predictions": ("json", [[None, "eA==\n"]])}),
        ([SECOND, None, datetime.date(1970, 1, 2)], {"predictions": ("datetime64[us]", [10**6, None, 86400 * 10**6])}),
        ([SECOND.replace(hour=5, minute=30, tzinfo=INDIA)], {"predictions": ("datetime64[us]", [10**6])}),
        ([pd.Timestamp(1001), pd.NaT], {"predictions": ("datetime64[ns]", [1001, None])}),
        ([np.datetime64(1001, "ns"), np.datetime64("NaT")], {"predictions": ("datetime64[ns]", [1001, None])}),
        ([datetime.timedelta(seconds=1), pd.Timedelta(1)], {"predictions": ("timedelta64[ns]", [10**9, 1])}),
        ([{"a": 1}, {"b": "x", "a": None}], {"a": ("int64", [1, None]), "b": ("utf8", [None, "x"])}),
        ([{"a": 1}, None], {"predictions": ("json", [{"a": 1}, None])}),
        ([Verdict("x", 0.5)], {"label": ("utf8", ["x"]), "score": ("float64", [0.5])}),
        ({"a": [1, 2], "b": np.array(["x", "y"])}, {"a": ("int64", [1, 2]), "b": ("utf8", ["x", "y"])}),
        ({"a": np.zeros((1, 2)), 1: pd.Series([True])}, {"a": ("float64", [[0.0, 0.0]]), "1": ("bool", [True])}),
        ({"a": [1, 2], "b": [1]}, {"predictions": ("json", [{"a": [1, 2], "b": [1]}])}),
        ({"a": [1, 2], "b": 1}, {"predictions": ("json", [{"a": [1, 2], "b": 1}])}),
        ({"label": "x", "score": np.float64(0.5)}, {"label": ("utf8", ["x"]), "score": ("float64", [0.5])}),
        ({"a": {"b": 1}}, {"predictions": ("json", [{"a": {"b": 1}}])}),
        ({}, {"predictions": ("json", [{}])}),
        ("text", {"predictions": ("utf8", ["text"])}),
        (None, {"predictions": ("null", [None])}),
        (True, {"predictions": ("bool", [True])}),
        (0.5, {"predictions": ("float64", [0.5])}),
        (b"\xff", {"predictions": ("binary", [b"\xff"])}),
        (SECOND, {"predictions": ("datetime64[us]", [10**6])}),
        (pd.NaT, {"predictions": ("null", [None])}),
        (uuid.UUID(int=1), {"predictions": ("utf8", ["00000000-0000-0000-0000-000000000001"])}),
        ({"x", "y"}, {"predictions": ("utf8", ["x", "y"])}),
        ((value for value in [1, 2]), {"predictions": ("int64", [1, 2])}),
        (pd.Index([1, 2]), {"predictions": ("int64", [1, 2])}),
        (Verdict("x", 0.5), {"label": ("utf8", ["x"]), "score": ("float64", [0.5])}),
        (Colour.RED, {"predictions": ("utf8", ["red"])}),
    ],
)
def test_a_prediction_of_any_type_is_a_table(prediction: Any, expected: dict[Any, Any]) -> None:
    found = table_of(prediction)
    assert list(found) == list(expected)
    for name, (kind, values) in expected.items():
        assert found[name][0] == kind or kind == "any"
        np.testing.assert_equal(found[name][1], values)


def test_a_prediction_that_contains_itself_is_the_models_failure() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ModelFailed, match="cannot be written as a table"):
        from_prediction(endless)


frames = st.integers(0, 4).flatmap(
    lambda rows: st.dictionaries(
        st.text(max_size=3),
        st.one_of(
            *(
                st.lists(values, min_size=rows, max_size=rows).map(
                    lambda found, dtype=dtype: np.array(found, dtype=dtype)
                )
                for values, dtype in [
                    (st.floats(), "float64"),
                    (st.floats(width=32), "float32"),
                    (st.integers(-(2**63), 2**63 - 1), "int64"),
                    (st.integers(0, 255), "uint8"),
                    (st.booleans(), "bool"),
                    (st.integers(-(2**62), 2**62), "datetime64[ns]"),
                    (st.text(max_size=4, alphabet=st.characters(codec="utf-8")), object),
                    (st.binary(max_size=4), object),
                ]
            )
        ),
        min_size=1,
        max_size=4,
    )
)


@given(frames)
def test_a_frame_that_goes_out_comes_in_the_same(columns: dict[str, Any]) -> None:
    frame = pd.DataFrame(columns)
    pd.testing.assert_frame_equal(to_frame(*unpack(from_prediction(frame)), None), frame)
