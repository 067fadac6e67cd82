"""The short way gives what the general way gives, or says that it cannot tell."""

from typing import Any

import pytest

from modelport_runtime.data_types import Scalar
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.payload.blocks import Block, BlockReader, TensorReader, join, reader_for
from modelport_runtime.payload.decoding import Payload, to_data
from modelport_runtime.policy import LENIENT
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

pd = pytest.importorskip("pandas")


def schema_of(**types: str) -> Schema:
    return Schema(tuple(ColSpec(Scalar(type_name), name) for name, type_name in types.items()))


DOUBLES = schema_of(a="double", b="double", c="double")
MIXED = schema_of(n="long", t="string", d="double", i="integer", b="boolean")


def general(schema: Schema, form: str, value: Any) -> Any:
    return enforce(to_data(Payload(form, value, None), schema, LENIENT), schema, LENIENT)


def short(schema: Schema, form: str, value: Any) -> Any:
    reader = BlockReader.of(schema)
    assert reader is not None
    return reader.read(form, value)


def split(columns: list[Any], data: list[Any], **more: Any) -> dict[str, Any]:
    return {"columns": columns, "data": data, **more}


ROW = {"n": 7, "t": "x", "d": 0.5, "i": -3, "b": True}


@pytest.mark.parametrize(
    ("schema", "form", "value"),
    [
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.5, 2.0, 3.0], [4.0, 5.0, 6.5]])),
        (DOUBLES, "dataframe_split", split(["c", "a", "b"], [[1.5, 2.0, 3.0]])),
        (DOUBLES, "dataframe_split", split(["x", "c", "a", "b"], [[9.0, 1.5, 2.0, 3.0]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c", "x"], [[1.5, 2.0, 3.0, 9.0]])),
        (DOUBLES, "dataframe_records", [{"a": 1.0, "b": 2.0, "c": 3.0, "x": 9.0}]),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1, 2, 3]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1, True, 2**70]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1, 2.5, 3]], index=[5])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.0, float("nan"), float("inf")]])),
        (DOUBLES, "dataframe_records", [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.5, "b": 2.5, "c": 3.5}]),
        (MIXED, "dataframe_split", split(list(ROW), [list(ROW.values())] * 3)),
        (MIXED, "dataframe_records", [ROW, {**ROW, "t": "é", "n": 2**62}]),
        (MIXED, "dataframe_records", [{"extra": [1], **ROW}]),
    ],
)
def test_the_short_way_equals_the_general_way(schema: Schema, form: str, value: Any) -> None:
    block = short(schema, form, value)
    assert isinstance(block, Block)
    pd.testing.assert_frame_equal(block.frame(), general(schema, form, value), check_column_type=True)


@pytest.mark.parametrize(
    ("schema", "form", "value"),
    [
        (DOUBLES, "inputs", {"a": [1.0]}),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [])),
        (DOUBLES, "dataframe_split", split(["a", "b"], [[1.0, 2.0]])),
        (DOUBLES, "dataframe_split", split(["a", "a", "b", "c"], [[1.0, 2.0, 3.0, 4.0]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.0, 2.0, 3.0], [1.0, 2.0]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.0, 2.0, "3"]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.0, 2.0, None]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[[1.0], [2.0], [3.0]]])),
        (DOUBLES, "dataframe_split", split([["a"], "b", "c"], [[1.0, 2.0, 3.0]])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.0, 2.0, 3.0]], index=[1, 2])),
        (DOUBLES, "dataframe_split", split(["a", "b", "c"], [[1.0, 2.0, 3.0]], dtypes={})),
        (DOUBLES, "dataframe_split", {"data": [[1.0, 2.0, 3.0]]}),
        (DOUBLES, "dataframe_split", None),
        (DOUBLES, "dataframe_records", [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 2.0}]),
        (DOUBLES, "dataframe_records", [1.0]),
        (MIXED, "dataframe_records", [{**ROW, "n": 1.0}]),
        (MIXED, "dataframe_records", [{**ROW, "i": 2**31}]),
        (MIXED, "dataframe_records", [{**ROW, "t": 3}]),
        (MIXED, "dataframe_records", [{**ROW, "b": 1}]),
        (MIXED, "dataframe_records", [{**ROW, "d": "0.5"}]),
    ],
)
def test_what_is_not_plainly_right_takes_the_general_way(schema: Schema, form: str, value: Any) -> None:
    assert short(schema, form, value) is None


@pytest.mark.parametrize(
    "schema",
    [None, schema_of(a="datetime"), schema_of(a="float", b="binary"), Schema((ColSpec(Scalar("double")),))],
)
def test_other_signatures_have_no_short_way(schema: Any) -> None:
    assert BlockReader.of(schema) is None


def test_joined_blocks_are_the_rows_one_after_the_other() -> None:
    reader = BlockReader.of(MIXED)
    assert reader is not None
    first = reader.read("dataframe_records", [ROW, {**ROW, "n": 8}])
    second = reader.read("dataframe_records", [{**ROW, "t": "y"}])
    assert first is not None and second is not None
    joined = join([first, second])
    assert joined.rows == 3
    expected = general(MIXED, "dataframe_records", [ROW, {**ROW, "n": 8}, {**ROW, "t": "y"}])
    pd.testing.assert_frame_equal(joined.frame(), expected)


def tensor(dtype: str, *shape: int) -> Schema:
    return Schema((TensorSpec(dtype, shape),))


@pytest.mark.parametrize("form", ["inputs", "instances"])
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (tensor("float32", -1, 3), [[0.1, 2, True]]),
        (tensor("float64", -1, 3), [[0.1, 2.0, float("inf")], [1, 2, float("nan")]]),
        (tensor("float32", -1, -1), [[1.5]]),
        (tensor("float64", 2, 2, -1), [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]),
    ],
)
def test_a_tensor_read_the_short_way_equals_the_general_way(schema: Schema, value: Any, form: str) -> None:
    import numpy as np

    reader = reader_for(schema)
    assert isinstance(reader, TensorReader)
    array = reader.read(form, value)
    expected = general(schema, form, value)
    assert array.dtype == expected.dtype
    assert array.flags.writeable
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "value",
    [
        [[1.0, 2.0]],
        [[1.0, 2.0, 3.0], [1.0, 2.0]],
        [[1.0, 2.0, None]],
        [[1.0, 2.0, "3"]],
        [[1.0, 2.0, [3.0]]],
        [1.0, 2.0, 3.0],
        [[[1.0, 2.0, 3.0]]],
        [{"a": 1, "b": 2, "c": 3}],
        ["abc"],
        [],
        {},
        None,
    ],
)
def test_what_is_no_plain_tensor_takes_the_general_way(value: Any) -> None:
    reader = reader_for(tensor("float32", -1, 3))
    assert reader is not None
    assert reader.read("inputs", value) is None
    assert reader.read("dataframe_split", value) is None


@pytest.mark.parametrize(
    "schema", [tensor("int64", -1, 3), tensor("float64", -1), Schema((TensorSpec("float64", (-1, 2), "x"),))]
)
def test_other_tensors_have_no_short_way(schema: Schema) -> None:
    assert reader_for(schema) is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (DOUBLES, split(["a", "b", "c"], [[1.0, True, 3.0]])),
        (DOUBLES, split(["a", "b", "c"], [[1.0, 2**53, 3.0]])),
        (DOUBLES, split(["a", "b", "c"], [[1.0, float("nan"), 3.0]])),
        (schema_of(n="long", t="string"), split(["n", "t"], [[1, "a"], [True, "b"]])),
        (schema_of(n="double", t="string"), split(["n", "t"], [[2**60, "a"]])),
    ],
)
def test_the_strict_policy_looks_at_what_is_not_plainly_exact(schema: Schema, value: Any) -> None:
    reader = reader_for(schema)
    assert isinstance(reader, BlockReader)
    assert reader.read("dataframe_split", value, strict=True) is None
    assert reader.read("dataframe_split", value) is not None


def test_the_strict_policy_takes_the_short_way_too() -> None:
    reader = reader_for(DOUBLES)
    assert isinstance(reader, BlockReader)
    assert reader.read("dataframe_split", split(["a", "b", "c"], [[1, 2.5, 3.0]]), strict=True) is not None
    reader = reader_for(schema_of(n="long", t="string"))
    assert isinstance(reader, BlockReader)
    assert reader.read("dataframe_split", split(["n", "t"], [[1, "a"]]), strict=True) is not None
