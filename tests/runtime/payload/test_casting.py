"""Values a JSON or CSV client can send, as the types a signature declares."""

import math

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.data_types import AnyType, Array, Map, Object, Property, Scalar
from modelport_runtime.errors import MAX_DETAILS, InvalidInput, SchemaMismatch
from modelport_runtime.payload import scalars
from modelport_runtime.payload.casting import cast_frame, cast_nested
from modelport_runtime.policy import LENIENT, STRICT
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

NAN = math.nan
REFUSED = "refused"


def scalar_schema(type_name, required=True):
    return Schema((ColSpec(Scalar(type_name), "x", required),))


def cast(type_name, cells, policy, required=True):
    frame = pd.DataFrame({"x": cells}) if cells else pd.DataFrame({"x": pd.Series([], dtype=object)})
    return cast_frame(frame, scalar_schema(type_name, required), policy)["x"]


def same(found, expected):
    return len(found) == len(expected) and all(
        a == b or (b is None and (a is None or a is pd.NaT)) or (b != b and a != a)
        for a, b in zip(found, expected, strict=True)
    )


# (type, cells, what LENIENT makes of them, what STRICT makes of them)
TABLE = [
    ("integer", [1, 2], [1, 2], [1, 2]),
    ("integer", [1.0, 2.0], [1, 2], [1, 2]),
    ("integer", [1.7, -1.7], [1, -1], REFUSED),
    ("integer", ["3", "4"], [3, 4], REFUSED),
    ("integer", [True, False], [1, 0], REFUSED),
    ("integer", [1.5, "2", True], [1, 2, 1], REFUSED),
    ("integer", [1, None], REFUSED, REFUSED),
    ("integer", ["x"], REFUSED, REFUSED),
    ("integer", [2**31], REFUSED, REFUSED),
    ("integer", [2**31 - 1, -(2**31)], [2**31 - 1, -(2**31)], [2**31 - 1, -(2**31)]),
    ("integer", [2147483647.5], [2147483647], REFUSED),
    ("integer", ["2147483648"], REFUSED, REFUSED),
    ("integer", [1e300], REFUSED, REFUSED),
    ("integer", [], [], []),
    ("long", [2**63 - 1], [2**63 - 1], [2**63 - 1]),
    ("long", [2**63], REFUSED, REFUSED),
    ("long", [2**70], REFUSED, REFUSED),
    ("long", [9.3e18], REFUSED, REFUSED),
    ("long", [48.0], [48], [48]),
    ("long", [48.5], [48], REFUSED),
    ("double", [1, 2], [1.0, 2.0], [1.0, 2.0]),
    ("double", ["1.5", "nan"], [1.5, NAN], REFUSED),
    ("double", [True], [1.0], REFUSED),
    ("double", [1.5, None], [1.5, NAN], [1.5, NAN]),
    ("double", [None], [NAN], [NAN]),
    ("double", ["x"], REFUSED, REFUSED),
    ("double", [2**70], [2.0**70], [2.0**70]),
    ("float", [1e300], [math.inf], REFUSED),
    ("float", [0.5], [0.5], [0.5]),
    ("boolean", [True, False], [True, False], [True, False]),
    ("boolean", [True, None], [True, None], [True, None]),
    ("boolean", ["a", ""], [True, False], REFUSED),
    ("boolean", ["false"], [True], REFUSED),
    ("boolean", [0.5, 0], [True, False], REFUSED),
    ("boolean", [1, None], [True, None], REFUSED),
    ("boolean", [2, 0], [True, False], REFUSED),
    ("binary", ["YQ=="], [b"a"], [b"a"]),
    ("binary", ["dGVz\ndA==\n"], [b"test"], [b"test"]),
    ("binary", ["YQA="], [b"a\0"], [b"a\0"]),
    ("binary", ["!!!"], [b""], REFUSED),
    ("binary", ["YQ"], REFUSED, REFUSED),
    ("binary", [7], REFUSED, REFUSED),
    ("binary", ["YQ==", None], REFUSED, REFUSED),
    ("string", ["007", "b"], ["007", "b"], ["007", "b"]),
    ("string", [7, 8], [7, 8], [7, 8]),
]


@pytest.mark.parametrize(("policy", "answer"), [(LENIENT, 0), (STRICT, 1)], ids=["lenient", "strict"])
@pytest.mark.parametrize("case", TABLE, ids=lambda case: f"{case[0]} {case[1]}")
@pytest.mark.divergence("binary-strict", "integer-fraction", "number-from-text", "boolean-truthiness", "string-numbers")
def test_a_column_is_cast_or_refused(case, policy, answer):
    type_name, cells, *answers = case
    if answers[answer] is REFUSED:
        with pytest.raises(SchemaMismatch) as caught:
            cast(type_name, cells, policy)
        assert caught.value.code == "BAD_REQUEST"
        assert {detail["column"] for detail in caught.value.details} == {"x"}
        assert {detail["expected"] for detail in caught.value.details} == {type_name}
    else:
        assert same(cast(type_name, cells, policy).tolist(), answers[answer])


@pytest.mark.parametrize(
    ("type_name", "cells", "dtype"),
    [
        ("integer", [1], "int32"),
        ("long", [1], "int64"),
        ("float", [1], "float32"),
        ("double", [1], "float64"),
        ("boolean", [1], "bool"),
        ("string", [1], "object"),
        ("datetime", ["2020-01-01"], "datetime64[ns]"),
        ("integer", [], "int32"),
        ("datetime", [], "datetime64[ns]"),
    ],
)
def test_the_column_gets_the_declared_numpy_type(type_name, cells, dtype):
    assert cast(type_name, cells, LENIENT).dtype == np.dtype(dtype)


MOMENT = "2020-01-02T03:04:05"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([MOMENT], [MOMENT]),
        (["2020-01-02"], ["2020-01-02T00:00:00"]),
        ([MOMENT + "Z"], [MOMENT]),
        ([MOMENT + "+02:00", MOMENT], ["2020-01-02T01:04:05", MOMENT]),
        (["2020-01-02", MOMENT + "Z", None], ["2020-01-02T00:00:00", MOMENT, "NaT"]),
        ([MOMENT + ".123456789"], [MOMENT + ".123456789"]),
        (["20200102"], ["2020-01-02T00:00:00"]),
        (["01/02/2020"], ["2020-01-02T00:00:00"]),
        ([None], ["NaT"]),
    ],
)
@pytest.mark.parametrize("policy", [LENIENT, STRICT], ids=["lenient", "strict"])
def test_moments_become_naive_utc(cells, expected, policy):
    assert cast("datetime", cells, policy).to_numpy().tolist() == np.array(expected, "M8[ns]").tolist()


@pytest.mark.parametrize("cells", [["x"], [True], ["1600-01-01"], [1e300], ["2020-13-01"]])
@pytest.mark.parametrize("policy", [LENIENT, STRICT], ids=["lenient", "strict"])
@pytest.mark.divergence("datetime-out-of-range")
def test_what_is_no_moment_is_refused(cells, policy):
    with pytest.raises(SchemaMismatch):
        cast("datetime", cells, policy)


@pytest.mark.divergence("datetime-milliseconds")
def test_integer_moments_are_nanoseconds_for_mlflow_and_milliseconds_when_strict():
    assert cast("datetime", [1709287200000], LENIENT)[0] == pd.Timestamp(1709287200000)
    assert cast("datetime", [1709287200000], STRICT)[0] == pd.Timestamp("2024-03-01T10:00:00")
    assert cast("datetime", [1709287200000, None], STRICT)[0] == pd.Timestamp("2024-03-01T10:00:00")
    for out_of_range in ([2**62], [1.5]):
        with pytest.raises(SchemaMismatch):
            cast("datetime", out_of_range, STRICT)


def test_an_integer_too_large_for_a_double_is_refused():
    with pytest.raises(SchemaMismatch):
        cast_frame(pd.DataFrame({"x": pd.Series([10**400], dtype=object)}), scalar_schema("double"), LENIENT)


@pytest.mark.divergence("conversion-details")
def test_every_offending_column_and_row_is_named():
    schema = Schema((ColSpec(Scalar("long"), "a"), ColSpec(Scalar("double"), "b"), ColSpec(Scalar("datetime"), "c")))
    frame = pd.DataFrame(
        {"a": [1, "x", 2, "y"], "b": [1.0, 2.0, "z", 4.0], "c": ["2020-01-01", "?", None, "2020-01-02"]}
    )
    with pytest.raises(SchemaMismatch) as caught:
        cast_frame(frame, schema, LENIENT)
    assert [(detail["column"], detail["row"]) for detail in caught.value.details] == [
        ("a", 1),
        ("a", 3),
        ("b", 2),
        ("c", 1),
    ]
    assert caught.value.details[0] == {"column": "a", "row": 1, "expected": "long", "found": "string 'x'"}
    assert "column 'a', row 1: expected long, found string 'x'" in caught.value.message


def test_details_are_bounded_and_do_not_copy_the_data():
    frame = pd.DataFrame({"x": ["?" * 5000] * 1000})
    with pytest.raises(SchemaMismatch) as caught:
        cast_frame(frame, scalar_schema("double"), LENIENT)
    assert len(caught.value.details) == MAX_DETAILS
    assert len(caught.value.message) < 1000


def test_one_bad_row_among_many_is_found_fast():
    values = np.arange(300_000).astype(object)
    values[-2] = "?"
    assert scalars.misfits(values, "long", False, False, 5) == [(299_998, "?")]


@pytest.mark.parametrize("type_name", ["integer", "long", "binary"])
def test_an_optional_column_of_nulls_counts_as_absent_where_its_type_has_no_null(type_name):
    schema = Schema((ColSpec(Scalar(type_name), "x", False), ColSpec(Scalar("double"), "y")))
    frame = pd.DataFrame({"x": [None, None], "y": [1, 2]})
    assert list(cast_frame(frame, schema, STRICT).columns) == ["y"]


def test_the_index_and_undeclared_columns_stay():
    frame = pd.DataFrame({"other": ["a", "b"], "x": [1, 2]}, index=["r1", "r2"])
    result = cast_frame(frame, scalar_schema("double"), LENIENT)
    assert list(result.index) == ["r1", "r2"]
    assert list(result.columns) == ["other", "x"]
    assert result["other"].tolist() == ["a", "b"]


def test_an_unnamed_schema_casts_by_position():
    schema = Schema((ColSpec(Scalar("double")), ColSpec(Scalar("long"))))
    result = cast_frame(pd.DataFrame([[1, 2.0, "z"]], columns=["p", "q", "r"]), schema, LENIENT)
    assert [str(result[name].dtype) for name in "pq"] == ["float64", "int64"]


@pytest.mark.divergence("columns-twice")
def test_a_declared_column_named_twice_is_refused():
    with pytest.raises(InvalidInput, match="given twice"):
        cast_frame(pd.DataFrame([[1, 2]], columns=["x", "x"]), scalar_schema("long"), LENIENT)


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        (Array(Scalar("double")), [1, 2.5, None], [1.0, 2.5, None]),
        (Array(Scalar("double")), [1.5, "x", True], [1.5, "x", True]),
        (Array(Array(Scalar("double"))), [[1], [2, 3]], [[1.0], [2.0, 3.0]]),
        (Array(Scalar("long")), [1, 2], [1, 2]),
        (Array(Scalar("binary")), ["YQ==", None], [b"a", None]),
        (Array(Scalar("datetime")), ["2020-01-01T00:00:00Z"], [pd.Timestamp("2020-01-01")]),
        (Object((Property("a", Scalar("double")), Property("b", Scalar("string")))), {"a": 1, "b": "x", "c": 2},
         {"a": 1.0, "b": "x", "c": 2}),
        (Map(Scalar("double")), {"k": 1}, {"k": 1.0}),
        (Map(Array(Scalar("double"))), {"k": [1]}, {"k": [1.0]}),
        (AnyType(), [1, "x"], [1, "x"]),
        (Array(Scalar("double")), "no list", "no list"),
        (Array(Scalar("double")), None, None),
    ],
)  # fmt: skip
def test_nested_leaves_become_what_json_could_not_say_and_all_else_is_left(kind, cell, expected):
    found = cast_nested(cell, kind, False)
    assert found == expected
    assert repr(found) == repr(expected)


def test_nested_32_bit_numbers_become_arrays_of_that_type():
    assert cast_nested([1, 2], Array(Scalar("integer")), False).dtype == np.int32
    assert cast_nested([1.5, 2], Array(Scalar("float")), False).dtype == np.float32
    assert cast_nested({"a": 1}, Map(Scalar("integer")), False)["a"].dtype == np.int32


def test_casting_nested_data_leaves_the_callers_objects_alone():
    cell = {"a": [1, 2]}
    cast_nested(cell, Object((Property("a", Array(Scalar("double"))),)), False)
    assert repr(cell) == "{'a': [1, 2]}"


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float32", [1, 2.5], [1.0, 2.5]),
        ("float64", [1.5, "2", None], [1.5, 2.0, NAN]),
        ("int64", [1.7], [1]),
        ("uint8", [255, 0], [255, 0]),
        ("uint8", [256], REFUSED),
        ("uint8", [-1], REFUSED),
        ("uint64", [2**64 - 1, 0], [2**64 - 1, 0]),
        ("int32", [2**31], REFUSED),
        ("int64", [None], REFUSED),
        ("float32", ["x"], REFUSED),
        ("str", ["a", "b"], ["a", "b"]),
        ("bool", [1, 0], [True, False]),
        ("object", [1, "a"], [1, "a"]),
    ],
)
def test_tensors(dtype, value, expected):
    if expected is REFUSED:
        with pytest.raises((scalars.Unfit, ValueError)):
            scalars.tensor(value, dtype, strict=False)
    else:
        found = scalars.tensor(value, dtype, strict=False)
        assert same(found.tolist(), expected)
        assert found.dtype.kind == np.dtype(dtype).kind


@pytest.mark.parametrize(
    ("dtype", "value"), [("int64", [1.5]), ("float32", ["1"]), ("float32", [1e300]), ("bool", [1])]
)
@pytest.mark.divergence("tensor-strict")
def test_strict_tensors_refuse_what_lenient_ones_bend(dtype, value):
    assert scalars.tensor(value, dtype, strict=False).shape == (1,)
    with pytest.raises(scalars.Unfit):
        scalars.tensor(value, dtype, strict=True)


def test_a_frame_for_a_tensor_signature():
    schema = Schema((TensorSpec("float32", (-1, 2)),))
    result = cast_frame(pd.DataFrame([[1, 2.5]]), schema, LENIENT)
    assert [str(dtype) for dtype in result.dtypes] == ["float32", "float32"]
    lists = pd.DataFrame({0: [[1, 2], [3, 4]]})
    assert cast_frame(lists, schema, LENIENT)[0].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(SchemaMismatch) as caught:
        cast_frame(pd.DataFrame([[1, 2], [3, "x"]]), schema, LENIENT)
    assert caught.value.details[0]["row"] == 1


def test_moments_beyond_the_range_of_nanoseconds_do_not_wrap_around():
    moments = np.array(["2020-01-01", "9999-01-01"], dtype="datetime64[s]")
    assert scalars.convert(moments[:1], "datetime", False)[0] == np.datetime64("2020-01-01")
    assert [row for row, _ in scalars.misfits(moments, "datetime", False, False, 5)] == [1]


@pytest.mark.parametrize("text", ["now", "today", " Now ", "10:30", "7:05:01"])
def test_the_present_is_no_value(text):
    schema = Schema((ColSpec(Scalar("datetime"), "x"),))
    with pytest.raises(SchemaMismatch):
        cast_frame(pd.DataFrame({"x": [text, text]}), schema, LENIENT)
