"""Open Inference Protocol: what a request becomes, and what a response says."""

import base64
import datetime
import decimal
import json
import math
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport_runtime.data_types import SCALAR_TYPES, AnyType, Array, Map, Object, Property, Scalar
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.errors import InvalidInput, ModelFailed, SchemaMismatch
from modelport_runtime.payload import open_inference
from modelport_runtime.payload.blocks import Block, reader_for
from modelport_runtime.payload.decoding import Payload, to_data
from modelport_runtime.payload.open_inference import InferRequest
from modelport_runtime.payload.open_inference.tensors import DATATYPES
from modelport_runtime.policy import LENIENT, STRICT
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

NUMBERS = Array(Scalar("double"))


def schema_of(name="x", type_name="double", required=True):
    kind = Scalar(type_name) if isinstance(type_name, str) else type_name
    return Schema((ColSpec(kind, name, required),))


def columns(**types):
    return Schema(tuple(ColSpec(Scalar(kind) if isinstance(kind, str) else kind, name) for name, kind in types.items()))


def tensor(name, datatype, shape, data):
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def read(inputs, schema=None, policy=STRICT, **more):
    options = {key: more.pop(key) for key in ("params_names", "reader", "from_type_hint") if key in more}
    return open_inference.read(json.dumps({"inputs": inputs, **more}).encode(), None, schema, policy, **options)


def read_binary(parts, schema=None, policy=STRICT, **more):
    """``parts``: (name, datatype, shape, raw bytes), or whole inputs that hold JSON data."""
    inputs, tail = [], b""
    for part in parts:
        if isinstance(part, dict):
            inputs.append(part)
            continue
        name, datatype, shape, raw = part
        parameters = {"binary_data_size": len(raw)}
        inputs.append({"name": name, "datatype": datatype, "shape": shape, "parameters": parameters})
        tail += raw
    head = json.dumps({"inputs": inputs, **more}).encode()
    return open_inference.read(head + tail, len(head), schema, policy)


def items(*values):
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def written(prediction, outputs_schema=None, **request):
    body, size = open_inference.write(prediction, InferRequest(None, None, **request), "wine", outputs_schema)
    assert size is None
    return json.loads(body)


def outputs(prediction, outputs_schema=None, **request):
    """name → (datatype, shape, data)."""
    document = written(prediction, outputs_schema, **request)
    return {output["name"]: (output["datatype"], output["shape"], output["data"]) for output in document["outputs"]}


def same(found, expected):
    if isinstance(expected, float) and expected != expected:
        return found != found
    return type(found) is type(expected) and found == expected


# -- the same rows by JSON split and by tensors ------------------------------------------------------------------------

# type, datatype, cells as JSON has them
SAME_CELLS = [
    ("double", "FP64", [1.5, 2.5]),
    ("double", "FP64", [1.5, None]),
    ("double", "INT64", [1, 2]),
    ("double", "INT64", [1, None]),
    ("double", "BYTES", ["1.5", "2"]),
    ("double", "BOOL", [True, False]),
    ("float", "FP64", [1.5, 0.1]),
    ("float", "FP64", [1e300]),
    ("float", "INT64", [1, 2]),
    ("long", "INT64", [1, 2**53 + 1]),
    ("long", "INT64", [1, None]),
    ("long", "FP64", [1.0, 2.5]),
    ("long", "FP64", [1.5, 2.5]),
    ("long", "UINT64", [2**63]),
    ("long", "BYTES", ["3"]),
    ("integer", "INT64", [1, 2]),
    ("integer", "INT64", [2**31]),
    ("integer", "BOOL", [True, False]),
    ("boolean", "BOOL", [True, False]),
    ("boolean", "BOOL", [True, None]),
    ("boolean", "INT64", [0, 1]),
    ("boolean", "BYTES", ["yes"]),
    ("string", "BYTES", ["a", "é"]),
    ("string", "BYTES", ["a", None]),
    ("string", "INT64", [1, 2]),
    ("string", "FP64", [1.5, 2.5]),
    ("binary", "BYTES", [base64.b64encode(b"\x00\xff").decode(), ""]),
    ("binary", "BYTES", ["no base64!"]),
    ("binary", "INT64", [1]),
    ("datetime", "BYTES", ["2024-05-17", "2024-05-17T10:00:00+02:00"]),
    ("datetime", "BYTES", ["2024-05-17", None]),
    ("datetime", "BYTES", ["soon"]),
    ("datetime", "INT64", [1_715_904_000_000]),
]


def outcome(make, schema, policy):
    try:
        return enforce(make(), schema, policy)
    except InvalidInput:
        return None


@pytest.mark.parametrize("policy", [LENIENT, STRICT], ids=lambda policy: policy.name)
@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(("type_name", "datatype", "cells"), SAME_CELLS)
def test_a_column_by_tensor_is_what_it_is_by_json_split(type_name, datatype, cells, required, policy):
    schema = schema_of("x", type_name, required)
    split = {"columns": ["x"], "data": [[cell] for cell in cells]}
    by_split = outcome(lambda: to_data(Payload("dataframe_split", split, None), schema, policy), schema, policy)
    for shape in ([len(cells)], [len(cells), 1]):
        inputs = [tensor("x", datatype, shape, cells)]
        by_tensor = outcome(lambda inputs=inputs: read(inputs, schema, policy).data, schema, policy)
        assert (by_tensor is None) == (by_split is None)
        if by_split is not None:
            pd.testing.assert_frame_equal(by_tensor, by_split)


def test_most_of_these_columns_are_accepted_and_some_refused():
    found = [
        outcome(lambda case=case: read([tensor("x", case[1], [len(case[2])], case[2])], schema_of("x", case[0])).data,
                schema_of("x", case[0]), STRICT) is None
        for case in SAME_CELLS
    ]  # fmt: skip
    assert 10 < sum(found) < len(found) - 10


def test_several_columns_of_all_types_are_one_frame_in_the_order_of_the_signature():
    schema = columns(a="double", b="long", c="string", d="datetime", e="boolean", f="float", g="integer", h="binary")
    values = {
        "h": ("BYTES", ["AAE=", "/w=="]),
        "a": ("FP64", [0.5, 1.5]),
        "b": ("INT64", [1, 2]),
        "c": ("BYTES", ["x", "007"]),
        "d": ("BYTES", ["2024-01-01", "2024-01-02T03:04:05.5"]),
        "e": ("BOOL", [True, False]),
        "f": ("FP32", [0.5, 2]),
        "g": ("INT32", [3, 4]),
    }
    request = read([tensor(name, datatype, [2], cells) for name, (datatype, cells) in values.items()], schema)
    frame = enforce(request.data, schema, STRICT)
    assert list(frame.columns) == list("abcdefgh")
    assert [dtype.kind for dtype in frame.dtypes.drop("c")] == ["f", "i", "M", "b", "f", "i", "O"]
    assert (frame["f"].dtype, frame["g"].dtype) == (np.dtype("float32"), np.dtype("int32"))
    assert frame["h"].tolist() == [b"\x00\x01", b"\xff"]
    assert frame["c"].tolist() == ["x", "007"]
    assert frame["d"].tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02T03:04:05.5")]


def test_integers_are_milliseconds_to_a_strict_datetime_column():
    schema = schema_of("x", "datetime")
    frame = enforce(read([tensor("x", "INT64", [1], [1_715_904_000_000])], schema).data, schema, STRICT)
    assert frame["x"].tolist() == [pd.Timestamp("2024-05-17")]


def test_an_optional_column_may_be_absent():
    schema = Schema((ColSpec(Scalar("double"), "a"), ColSpec(Scalar("long"), "b", required=False)))
    frame = enforce(read([tensor("a", "FP64", [1], [1.5])], schema).data, schema, STRICT)
    assert frame.to_dict("list") == {"a": [1.5]}


def test_a_missing_column_is_named_and_so_is_the_one_that_was_sent_instead():
    schema = columns(length="double", width="double")
    data = read([tensor("width", "FP64", [1], [1.0]), tensor("lenght", "FP64", [1], [1.0])], schema).data
    with pytest.raises(SchemaMismatch, match=r"'length'.*missing.*'lenght'") as caught:
        enforce(data, schema, STRICT)
    assert caught.value.details == [{"column": "length", "expected": "double", "found": "missing"}]


def test_columns_named_by_integers_go_by_their_digits():
    schema = Schema((ColSpec(Scalar("double"), 7), ColSpec(Scalar("double"), 8)))
    frame = read([tensor("8", "FP64", [1], [1.5]), tensor("7", "FP64", [1], [2.5])], schema).data
    assert enforce(frame, schema, STRICT).to_dict("list") == {7: [2.5], 8: [1.5]}


def test_columns_without_names_go_by_their_positions():
    schema = Schema((ColSpec(Scalar("double")), ColSpec(Scalar("string"))))
    frame = read([tensor("1", "BYTES", [1], ["x"]), tensor("0", "FP64", [1], [1.5])], schema).data
    assert enforce(frame, schema, STRICT).iloc[0].tolist() == [1.5, "x"]


def test_rows_of_columns_without_names_may_come_as_one_tensor():
    schema = Schema((ColSpec(Scalar("double")), ColSpec(Scalar("double"))))
    frame = read([tensor("rows", "FP64", [2, 2], [1, 2, 3, 4])], schema).data
    assert enforce(frame, schema, STRICT).to_numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_one_column_without_a_name_takes_an_input_of_any_name():
    schema = Schema((ColSpec(Scalar("string")),))
    frame = read([tensor("question", "BYTES", [2, 1], ["a", "b"])], schema).data
    assert enforce(frame, schema, STRICT)[0].tolist() == ["a", "b"]


def test_a_gap_between_unnamed_columns_is_no_shift():
    schema = Schema((ColSpec(Scalar("double")),) * 3)
    with pytest.raises(SchemaMismatch, match="'0' to '2'") as caught:
        read([tensor("0", "FP64", [1], [1]), tensor("2", "FP64", [1], [1])], schema)
    assert caught.value.details == [{"column": "1", "expected": "an input", "found": "missing"}]


def test_a_tensor_of_more_dimensions_is_one_array_for_each_row():
    schema = columns(x=NUMBERS, tags=Array(Scalar("string")))
    inputs = [tensor("x", "FP64", [2, 3], [1, 2, 3, 4, 5, 6]), tensor("tags", "BYTES", [2, 1], [["a"], ["b"]])]
    frame = enforce(read(inputs, schema).data, schema, STRICT)
    assert [list(cell) for cell in frame["x"]] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert [list(cell) for cell in frame["tags"]] == [["a"], ["b"]]


def test_bytes_for_arrays_objects_maps_and_anything_hold_json():
    schema = columns(
        numbers=NUMBERS,
        thing=Object((Property("n", Scalar("long")), Property("s", Scalar("string"), required=False))),
        map=Map(Scalar("double")),
        any=AnyType(),
    )
    cells = {
        "numbers": ["[1, 2.5]", "[]"],
        "thing": ['{"n": 1}', '{"n": 2, "s": "x"}'],
        "map": ['{"a": 1}', "{}"],
        "any": ['["free", 1]', '"text"'],
    }
    frame = enforce(
        read([tensor(name, "BYTES", [2], cell) for name, cell in cells.items()], schema).data, schema, STRICT
    )
    assert frame["numbers"].tolist() == [[1.0, 2.5], []]
    assert frame["thing"].tolist() == [{"n": 1}, {"n": 2, "s": "x"}]
    assert frame["map"].tolist() == [{"a": 1.0}, {}]
    assert frame["any"].tolist() == [["free", 1], "text"]


def test_text_that_is_no_json_is_named_by_its_row():
    with pytest.raises(SchemaMismatch) as caught:
        read([tensor("x", "BYTES", [2], ["[1]", "[1"])], schema_of("x", NUMBERS))
    assert caught.value.details == [
        {"column": "x", "row": 1, "expected": "array(double) as JSON", "found": "string '[1'"}
    ]


def test_a_scalar_column_takes_no_tensor_of_several_values_a_row():
    with pytest.raises(SchemaMismatch, match=r"has shape \[1, 2\]; a column of type double takes"):
        read([tensor("x", "FP64", [1, 2], [1, 2])], schema_of())


def test_inputs_of_different_lengths_are_refused():
    with pytest.raises(InvalidInput, match="unequal numbers of rows: 'a': 1, 'b': 2"):
        read([tensor("a", "FP64", [1], [1]), tensor("b", "FP64", [2], [1, 2])], columns(a="double", b="double"))


def test_no_rows_give_no_rows():
    schema = columns(a="double", b="string")
    frame = read([tensor("a", "FP64", [0], []), tensor("b", "BYTES", [0, 1], [])], schema).data
    assert enforce(frame, schema, STRICT).shape == (0, 2)


# -- blocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [LENIENT, STRICT], ids=lambda policy: policy.name)
@pytest.mark.parametrize("types", [{"a": "double", "b": "double"}, {"b": "long", "a": "double", "s": "string"}])
def test_plain_columns_become_a_block_that_holds_what_the_frame_would(types, policy):
    schema = columns(**types)
    cells = {"a": ("FP32", [0.5, -1]), "b": ("INT16", [1, 2]), "s": ("BYTES", ["x", ""])}
    inputs = [tensor(name, *pair[:1], [2, 1], pair[1]) for name, pair in cells.items() if name in types]
    block = read(inputs, schema, policy, reader=reader_for(schema)).data
    assert isinstance(block, Block)
    assert block.rows == 2
    pd.testing.assert_frame_equal(block.frame(), enforce(read(inputs, schema, policy).data, schema, policy))


@pytest.mark.parametrize(
    ("datatype", "cells", "type_name"),
    [
        ("BOOL", [True], "double"),
        ("INT64", [None], "double"),
        ("BYTES", ["1"], "double"),
        ("FP64", [1.0], "long"),
        ("INT64", [1], "integer"),
        ("UINT64", [1], "long"),
        ("INT64", [1], "boolean"),
        ("BYTES", [None], "string"),
        ("INT64", [1], "string"),
        ("FP64", [], "double"),
    ],
)
def test_what_is_not_plainly_of_its_type_takes_the_general_way(datatype, cells, type_name):
    schema = schema_of("x", type_name)
    inputs = [tensor("x", datatype, [len(cells)], cells)]
    general = outcome(lambda: read(inputs, schema).data, schema, STRICT)
    found = outcome(lambda: read(inputs, schema, reader=reader_for(schema)).data, schema, STRICT)
    assert not isinstance(found, Block)
    assert (found is None) == (general is None)
    if general is not None:
        pd.testing.assert_frame_equal(found, general)


def test_without_a_declared_column_there_is_no_block():
    schema = columns(a="double", b="double")
    data = read([tensor("a", "FP64", [1], [1])], schema, reader=reader_for(schema)).data
    assert isinstance(data, pd.DataFrame)


# -- tensor signatures, and none ---------------------------------------------------------------------------------------


def test_an_unnamed_tensor_takes_an_input_of_any_name():
    schema = Schema((TensorSpec("float32", (-1, 2)),))
    array = enforce(read([tensor("whatever", "FP64", [2, 2], [[1, 2], [3, 4.5]])], schema).data, schema, STRICT)
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2], [3, 4.5]]


@pytest.mark.parametrize("policy", [LENIENT, STRICT], ids=lambda policy: policy.name)
@pytest.mark.parametrize(
    ("dtype", "datatype", "data"),
    [
        ("float64", "FP64", [[1.5, 2.0]]),
        ("float64", "INT64", [[1, 2]]),
        ("float32", "FP64", [[1e300, 1.0]]),
        ("int32", "INT64", [[1, 2]]),
        ("int8", "INT64", [[1, 200]]),
        ("int64", "FP64", [[1.5, 2.0]]),
        ("uint8", "UINT8", [[255, 0]]),
        ("uint64", "UINT64", [[2**64 - 1, 0]]),
        ("bool", "BOOL", [[True, False]]),
        ("bool", "INT64", [[1, 0]]),
        ("str", "BYTES", [["a", "bc"]]),
        ("str", "INT64", [[1, 2]]),
        ("object", "BYTES", [["a", "bc"]]),
        ("object", "BYTES", [["a", None]]),
        ("bytes", "BYTES", [["a", "bc"]]),
        ("datetime64[ns]", "BYTES", [["2024-01-01", "2024-01-01T10:00+02:00"]]),
        ("datetime64[ns]", "INT64", [[1_715_904_000_000, 0]]),
        ("float64", "FP64", [[1.5, None]]),
        ("int64", "INT64", [[1, None]]),
    ],
)
def test_a_tensor_is_what_the_nested_list_is_under_inputs(dtype, datatype, data, policy):
    schema = Schema((TensorSpec(dtype, (-1, 2), "t"),))
    by_list = outcome(lambda: to_data(Payload("inputs", {"t": data}, None), schema, policy), schema, policy)
    for form in (data, data[0]):
        by_tensor = outcome(
            lambda form=form: read([tensor("t", datatype, [1, 2], form)], schema, policy).data, schema, policy
        )
        assert (by_tensor is None) == (by_list is None)
        if by_list is not None:
            assert by_tensor["t"].dtype == by_list["t"].dtype
            assert by_tensor["t"].shape == (1, 2)
            assert all(map(same, by_tensor["t"].ravel().tolist(), by_list["t"].ravel().tolist()))


def test_named_tensors_go_by_their_names():
    schema = Schema((TensorSpec("float64", (-1,), "a"), TensorSpec("int64", (-1, 2), "b")))
    data = read([tensor("b", "INT32", [1, 2], [1, 2]), tensor("a", "FP64", [1], [1.5])], schema).data
    found = enforce(data, schema, STRICT)
    assert {name: array.tolist() for name, array in found.items()} == {"a": [1.5], "b": [[1, 2]]}
    with pytest.raises(SchemaMismatch, match=r"'a': expected .*, found missing"):
        enforce(
            read([tensor("b", "INT64", [1, 2], [1, 2]), tensor("c", "FP64", [1], [1])], schema).data, schema, STRICT
        )


def test_the_only_named_tensor_takes_an_input_of_any_name():
    schema = Schema((TensorSpec("float64", (-1,), "a"),))
    assert enforce(read([tensor("x", "FP64", [1], [1.5])], schema).data, schema, STRICT)["a"].tolist() == [1.5]


def test_two_inputs_for_one_unnamed_tensor_are_refused():
    with pytest.raises(SchemaMismatch, match="takes one tensor; found 2: 'a', 'b'"):
        read([tensor("a", "FP64", [1], [1]), tensor("b", "FP64", [1], [1])], Schema((TensorSpec("float64", (-1,)),)))


def test_without_a_signature_tensors_stay_what_they_are():
    alone = read([tensor("x", "INT8", [2, 1], [1, -2])]).data
    assert (alone.dtype, alone.tolist()) == (np.dtype("int8"), [[1], [-2]])
    inputs = [
        tensor("s", "BYTES", [2], ["a", "é"]),
        tensor("f", "FP16", [1], [0.5]),
        tensor("n", "INT64", [2], [1, None]),
    ]
    several = read(inputs).data
    assert {name: array.dtype.kind for name, array in several.items()} == {"s": "U", "f": "f", "n": "O"}
    assert several["n"].tolist() == [1, None]
    assert several["s"].tolist() == ["a", "é"]


def test_a_model_with_a_type_hint_takes_a_list_of_values():
    assert read([tensor("x", "BYTES", [2], ["a", "b"])], schema_of(None, "string"), from_type_hint=True).data == [
        "a",
        "b",
    ]
    kind = Object((Property("n", Scalar("long")),))
    found = read([tensor("x", "BYTES", [2, 1], ['{"n": 1}', '{"n": 2}'])], schema_of(None, kind), from_type_hint=True)
    assert found.data == [{"n": 1}, {"n": 2}]
    assert read([tensor("x", "FP64", [1, 2], [1, 2])], schema_of(None, NUMBERS), from_type_hint=True).data == [
        [1.0, 2.0]
    ]
    assert read([tensor("x", "INT64", [2, 1], [1, 2])], schema_of(None, "long"), from_type_hint=True).data == [1, 2]
    with pytest.raises(InvalidInput, match="element 0 is not JSON"):
        read([tensor("x", "BYTES", [1], ["{"])], schema_of(None, kind), from_type_hint=True)
    with pytest.raises(SchemaMismatch, match="one input, not 2"):
        read([tensor("x", "INT64", [0], []), tensor("y", "INT64", [0], [])], from_type_hint=True)


# -- binary data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name not in ("BYTES", "BF16", "BOOL")])
def test_binary_numbers_are_little_endian_rows_that_a_model_may_write_into(datatype):
    array = np.array([[1, 2, 3], [4, 5, 100]], dtype=DATATYPES[datatype])
    found = read_binary([("x", datatype, [2, 3], array.astype(array.dtype.newbyteorder("<")).tobytes())]).data
    assert found.dtype == array.dtype
    assert (found == array).all()
    found[0, 0] = 7


def test_binary_truth_values_and_short_floats():
    assert read_binary([("x", "BOOL", [3], b"\x01\x00\x01")]).data.tolist() == [True, False, True]
    halves = np.array([1.5, -2.0, math.inf], dtype="<f4").view("<u2")[1::2].tobytes()
    assert read_binary([("x", "BF16", [3], halves)]).data.tolist() == [1.5, -2.0, math.inf]


def test_binary_bytes_are_text_or_bytes_as_the_column_says():
    schema = columns(s="string", b="binary", when="datetime", o=NUMBERS)
    parts = [
        ("s", "BYTES", [2], items("é".encode(), b"")),
        ("b", "BYTES", [2], items(b"\xff\x00", b"")),
        ("when", "BYTES", [2], items(b"2024-01-01", b"2024-01-02")),
        ("o", "BYTES", [2], items(b"[1]", b"[]")),
    ]
    frame = enforce(read_binary(parts, schema).data, schema, STRICT)
    assert frame["s"].tolist() == ["é", ""]
    assert frame["b"].tolist() == [b"\xff\x00", b""]
    assert frame["when"].tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")]
    assert frame["o"].tolist() == [[1.0], []]


def test_binary_bytes_that_are_no_text_are_refused_where_text_is_wanted_and_kept_where_nothing_is_said():
    with pytest.raises(InvalidInput, match="Input 's': element 1 is not UTF-8"):
        read_binary([("s", "BYTES", [2], items(b"a", b"\xff"))], schema_of("s", "string"))
    assert read_binary([("s", "BYTES", [2], items(b"a", b"\xff"))]).data.tolist() == [b"a", b"\xff"]
    tensors = Schema((TensorSpec("bytes", (-1,)),))
    assert enforce(read_binary([("s", "BYTES", [1], items(b"\xff"))], tensors).data, tensors, STRICT).tolist() == [
        b"\xff"
    ]


def test_binary_and_json_inputs_may_stand_side_by_side():
    schema = columns(a="double", b="string", c="long")
    parts = [
        ("a", "FP64", [2], struct.pack("<2d", 1.5, math.nan)),
        tensor("b", "BYTES", [2], ["x", "y"]),
        ("c", "INT32", [2], struct.pack("<2i", 1, -1)),
    ]
    frame = enforce(read_binary(parts, schema).data, schema, STRICT)
    assert frame.iloc[0].tolist() == [1.5, "x", 1]
    assert math.isnan(frame["a"][1])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([("x", "FP64", [2], b"12345678")], r"shape \[2\] of FP64 takes 16 bytes, and 'binary_data_size' is 8"),
        ([("x", "BYTES", [2], items(b"a"))], "its shape has 2 elements, and its binary data has 1"),
        ([("x", "BYTES", [1], struct.pack("<I", 9) + b"a")], "element 0 goes beyond its binary data"),
        ([("x", "BYTES", [1], b"\x01")], "element 0 goes beyond its binary data"),
        (
            [tensor("x", "FP64", [1], [1]) | {"parameters": {"binary_data_size": 8}}],
            "both 'data' and 'binary_data_size'",
        ),
        (
            [{"name": "x", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}],
            "'binary_data_size' is 8, and 0 bytes are left in the body",
        ),
        (
            [{"name": "x", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": -8}}],
            "'binary_data_size' must be a number of bytes",
        ),
    ],
)
def test_binary_data_that_is_not_as_it_says_is_refused(parts, message):
    with pytest.raises(InvalidInput, match=message):
        read_binary(parts)


def test_the_size_of_the_json_part_has_to_be_right():
    head = json.dumps({"inputs": [tensor("x", "FP64", [1], [1])]}).encode()
    with pytest.raises(InvalidInput, match="3 bytes of binary data belong to no input"):
        open_inference.read(head + b"abc", len(head), None, STRICT)
    for size in (0, -1, len(head) + 1):
        with pytest.raises(InvalidInput, match="Inference-Header-Content-Length"):
            open_inference.read(head, size, None, STRICT)
    inputs = [{"name": "x", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}]
    with pytest.raises(InvalidInput, match="the header 'Inference-Header-Content-Length' must say"):
        read(inputs)


# -- what cannot be understood -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body is empty"),
        (b"[]", "must be a JSON object"),
        (b"{}", "the key 'inputs', a list of at least one tensor"),
        (b'{"inputs": []}', "the key 'inputs', a list of at least one tensor"),
        (b'{"inputs": [1]}', "Input 0 must be an object"),
        (b'{"inputs": [{"name": 1}]}', "Input 0 must be an object"),
        (b'{"inputs": [{"name": "x"}], "id": 5}', "'id' must be a string"),
        (b'{"inputs": [{"name": "x"}], "parameters": []}', "'parameters' of the request must be an object"),
        (b'{"inputs": [{"name": "x"}], "outputs": {}}', "'outputs' must be a list"),
        (b'{"inputs": [{"name": "x"}], "outputs": ["y"]}', "must be an object with a 'name'"),
        (b'{"inputs": [{"name": "x"}], "outputs": [{"name": "y"}, {"name": "y"}]}', "'y' is requested twice"),
        (b'{"inputs": [{"name": "x"}], "outputs": [{"name": "y", "parameters": {"classification": 2}}]}', "classification"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(body, message):
    with pytest.raises(InvalidInput, match=message):
        open_inference.read(body, None, None, STRICT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datatype": "FP8"}, "datatype string 'FP8' is none of BOOL"),
        ({"datatype": None}, "datatype null is none of BOOL"),
        ({"shape": [3]}, r"shape \[3\] has 3 elements, and 'data' has 2"),
        ({"shape": [-1]}, "'shape' must be a list of whole numbers"),
        ({"shape": 2}, "'shape' must be a list of whole numbers"),
        ({"shape": [True, 2]}, "'shape' must be a list of whole numbers"),
        ({"data": None}, "'data' must be a list"),
        ({"data": 5}, "'data' must be a list"),
        ({"data": [[1], [2]]}, "'data' is nested, but not as"),
        ({"shape": [2, 2], "data": [[1], [2, 3, 4]]}, "'data' is nested, but not as"),
        ({"data": [1, "x"]}, "element 1: expected FP64, found string 'x'"),
        ({"data": [True, 1]}, "element 0: expected FP64, found boolean True"),
        ({"data": [1, {}]}, "element 1: expected FP64, found dict"),
        ({"datatype": "INT8", "data": [1, 128]}, "element 1: expected INT8, found long 128"),
        ({"datatype": "INT64", "data": [1.5, 1]}, "element 0: expected INT64, found double 1.5"),
        ({"datatype": "INT64", "data": [None, "1"]}, "element 1: expected INT64, found string '1'"),
        ({"datatype": "BOOL", "data": [True, 1]}, "element 1: expected BOOL, found long 1"),
        ({"datatype": "BYTES", "data": ["a", 1]}, "element 1: expected BYTES, found long 1"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared memory, which this server does not use"),
    ],
)
def test_an_input_that_is_no_tensor_is_refused_by_its_name(change, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        read([{**tensor("x", "FP64", [2], [1, 2]), **change}])
    if "shared" not in message:
        assert caught.value.code == "BAD_REQUEST"
        assert caught.value.details[0]["column"] == "x"


def test_an_input_given_twice_is_refused():
    with pytest.raises(InvalidInput, match="Input 'x': it is given twice"):
        read([tensor("x", "FP64", [1], [1])] * 2)


def test_the_lenient_policy_takes_text_and_truth_values_as_numbers():
    assert read([tensor("x", "FP64", [2], ["1.5", True])], policy=LENIENT).data.tolist() == [1.5, 1.0]
    assert read([tensor("x", "INT64", [2], ["1", True])], policy=LENIENT).data.tolist() == [1, 1]


# -- the rest of a request ---------------------------------------------------------------------------------------------


def test_parameters_of_the_protocol_are_not_the_models():
    inputs = [tensor("x", "FP64", [1], [1]) | {"parameters": {"content_type": "np"}}]
    own = {"content_type": "pd", "binary_data_output": True, "timeout": 5, "triton_x": 1, "sequence_id": 1}
    request = read(inputs, parameters=own, id="42")
    assert (request.params, request.id, request.binary, request.outputs) == (None, "42", True, None)
    request = read(inputs, parameters={**own, "temperature": 0.5, "big": 2**70})
    assert request.params == {"temperature": 0.5, "big": 2**70}
    assert read(inputs, parameters=own, params_names=("timeout",)).params == {"timeout": 5}


def test_each_output_says_whether_it_is_wanted_as_binary_data():
    asked = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": True}}]
    inputs = [tensor("x", "FP64", [1], [1])]
    assert read(inputs, outputs=asked).outputs == [("a", False), ("b", True)]
    asked[1]["parameters"]["binary_data"] = False
    assert read(inputs, outputs=asked, parameters={"binary_data_output": True}).outputs == [("a", True), ("b", False)]
    assert read(inputs, outputs=[]).outputs is None


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_response_says_the_model_its_version_and_the_id_of_the_request():
    expected = {"name": "predictions", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    document = {"model_name": "wine", "model_version": "1", "outputs": [expected]}
    assert written(np.array([1, 2])) == document
    assert written(np.array([1, 2]), id="42") == {**document, "id": "42"}


MOMENT = datetime.datetime(2024, 5, 17, 10, 30)


@pytest.mark.parametrize(
    ("prediction", "datatype", "shape", "data"),
    [
        (np.array([[1.5, math.nan], [math.inf, 2]]), "FP64", [2, 2], [1.5, None, None, 2.0]),
        (np.array([[1, 2], [3, 4]], dtype=">i4").T, "INT32", [2, 2], [1, 3, 2, 4]),
        (np.array([0.5], dtype="float32"), "FP32", [1], [0.5]),
        (np.array([0.5], dtype="float16"), "FP16", [1], [0.5]),
        (np.array([0.5], dtype="longdouble"), "FP64", [1], [0.5]),
        (np.array([True, False]), "BOOL", [2], [True, False]),
        (np.array([2**64 - 1], dtype="uint64"), "UINT64", [1], [2**64 - 1]),
        (np.array(["a", "é"]), "BYTES", [2], ["a", "é"]),
        (np.array([["a", None]], dtype=object), "BYTES", [1, 2], ["a", None]),
        (np.array([b"\xff"], dtype=object), "BYTES", [1], ["/w==\n"]),
        (np.array(["2024-05-17T10:30", "NaT"], dtype="M8[ns]"), "BYTES", [2], ["2024-05-17T10:30:00", None]),
        (np.array([1500], dtype="m8[ms]"), "FP64", [1], [1.5]),
        (np.array([1 + 2j]), "BYTES", [1], ['{"real":1.0,"imag":2.0}']),
        (np.ma.array([1.0, 2.0], mask=[False, True]), "FP64", [2], [1.0, None]),
        (np.float32(0.5), "FP32", [1], [0.5]),
        (np.zeros((0, 3)), "FP64", [0, 3], []),
        (pd.Series([1, 2]), "INT64", [2], [1, 2]),
        (pd.Series([1, None], dtype="Int64"), "FP64", [2], [1.0, None]),
        (pd.Series(["a", None]), "BYTES", [2], ["a", None]),
        (pd.Series(["a", "b"], dtype="category"), "BYTES", [2], ["a", "b"]),
        (pd.Series(pd.to_datetime(["2024-05-17", None], utc=True)), "BYTES", [2], ["2024-05-17T00:00:00+00:00", None]),
        ([1, 2], "INT64", [2], [1, 2]),
        ([1, 2.5, None], "FP64", [3], [1.0, 2.5, None]),
        ([True, False], "BOOL", [2], [True, False]),
        ([True, 2], "BYTES", [2], ["true", "2"]),
        (["a", "b"], "BYTES", [2], ["a", "b"]),
        ([b"a\x00"], "BYTES", [1], ["YQA=\n"]),
        ([[1, 2], [3, 4.5]], "FP64", [2, 2], [1.0, 2.0, 3.0, 4.5]),
        ([["a", "b"]], "BYTES", [1, 2], ["a", "b"]),
        ([[1], [2, 3]], "BYTES", [2], ["[1]", "[2,3]"]),
        ([[1, "a"]], "BYTES", [1], ['[1,"a"]']),
        ([np.array([1, 2]), np.array([3, 4])], "INT64", [2, 2], [1, 2, 3, 4]),
        ([{"label": "x", "score": 0.5}], "BYTES", [1], ['{"label":"x","score":0.5}']),
        ([MOMENT], "BYTES", [1], ["2024-05-17T10:30:00"]),
        ([decimal.Decimal("1.5")], "FP64", [1], [1.5]),
        ([2**70], "BYTES", [1], ["1180591620717411303424"]),
        ([None, None], "BYTES", [2], [None, None]),
        ([], "FP64", [0], []),
        ("text", "BYTES", [1], ["text"]),
        (5, "INT64", [1], [5]),
        (None, "BYTES", [1], [None]),
        ((x for x in (1, 2)), "INT64", [2], [1, 2]),
    ],
)  # fmt: skip
def test_a_prediction_is_a_tensor_of_what_it_holds(prediction, datatype, shape, data):
    assert outputs(prediction) == {"predictions": (datatype, shape, data)}


def test_a_frame_is_one_output_for_each_column():
    frame = pd.DataFrame({"label": ["a", "b"], "p": [0.5, 1.0], 3: [1, 2], "when": [MOMENT] * 2, "tags": [["x"], []]})
    assert outputs(frame) == {
        "label": ("BYTES", [2], ["a", "b"]),
        "p": ("FP64", [2], [0.5, 1.0]),
        "3": ("INT64", [2], [1, 2]),
        "when": ("BYTES", [2], ["2024-05-17T10:30:00"] * 2),
        "tags": ("BYTES", [2], ['["x"]', "[]"]),
    }


def test_a_dict_is_one_output_for_each_key():
    prediction = {"labels": np.array(["a"]), "scores": np.array([[0.5, 0.5]]), 1: [1], "model": "x", "meta": {"a": 1}}
    assert outputs(prediction) == {
        "labels": ("BYTES", [1], ["a"]),
        "scores": ("FP64", [1, 2], [0.5, 0.5]),
        "1": ("INT64", [1], [1]),
        "model": ("BYTES", [1], ["x"]),
        "meta": ("BYTES", [1], ['{"a":1}']),
    }
    assert written({})["outputs"] == []


def test_outputs_are_named_as_the_signature_names_them():
    array = np.array([[1.0, 2.0]])
    assert list(outputs(array, Schema((TensorSpec("float64", (-1, 2), "scores"),)))) == ["scores"]
    assert list(outputs(array, Schema((TensorSpec("float64", (-1, 2)),)))) == ["predictions"]
    assert list(outputs(pd.DataFrame({0: [1.0]}), Schema((ColSpec(Scalar("double")),)))) == ["predictions"]
    assert list(outputs(pd.DataFrame({"y": [1.0]}), Schema((ColSpec(Scalar("double"), "y"),)))) == ["y"]
    assert list(outputs(pd.Series([1.0], name="y"))) == ["y"]
    assert outputs(array, columns(a="double", b="double")) == {"a": ("FP64", [1], [1.0]), "b": ("FP64", [1], [2.0])}
    unnamed = Schema((ColSpec(Scalar("string")), ColSpec(Scalar("string"))))
    assert outputs([["x", "y"]], unnamed) == {"0": ("BYTES", [1], ["x"]), "1": ("BYTES", [1], ["y"])}


def test_only_the_requested_outputs_are_written_in_their_order():
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    assert list(outputs(frame, outputs=[("c", False), ("a", False)])) == ["c", "a"]
    with pytest.raises(InvalidInput, match="no output 'd'; it gave 'a', 'b', 'c'"):
        outputs(frame, outputs=[("d", False)])


def test_binary_outputs_follow_the_json_part_in_its_order():
    prediction = {
        "numbers": np.array([[1.5, math.nan]], dtype=">f8"),
        "texts": ["é", None],
        "flags": np.array([True, False]),
        "plain": np.array([7]),
        "raw": [b"\xff\x00"],
    }
    wanted = [("texts", True), ("plain", False), ("numbers", True), ("flags", True), ("raw", True)]
    body, size = open_inference.write(prediction, InferRequest(None, None, outputs=wanted), "wine", None)
    document = json.loads(body[:size])
    texts, numbers, raw = items("é".encode(), b""), struct.pack("<2d", 1.5, math.nan), items(b"\xff\x00")
    assert body[size:] == texts + numbers + b"\x01\x00" + raw
    assert document["outputs"] == [
        {"name": "texts", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(texts)}},
        {"name": "plain", "shape": [1], "datatype": "INT64", "data": [7]},
        {"name": "numbers", "shape": [1, 2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
        {"name": "flags", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}},
        {"name": "raw", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}},
    ]


def test_a_default_of_binary_outputs_holds_for_all():
    body, size = open_inference.write(np.array([1.5]), InferRequest(None, None, binary=True), "wine", None)
    assert body[size:] == struct.pack("<d", 1.5)


def test_what_was_written_can_be_read_again():
    prediction = {"a": np.array([[1.5, 2.5]]), "b": ["x", "é"], "c": np.array([1], dtype="int16"), "d": [True]}
    for binary in (False, True):
        body, size = open_inference.write(prediction, InferRequest(None, None, binary=binary), "wine", None)
        document = json.loads(body[:size])
        document["inputs"] = document.pop("outputs")
        head = json.dumps(document).encode()
        tail = b"" if size is None else body[size:]
        found = open_inference.read(head + tail, len(head), None, STRICT).data
        assert {name: (array.dtype.kind, array.tolist()) for name, array in found.items()} == {
            "a": ("f", [[1.5, 2.5]]),
            "b": ("U", ["x", "é"]),
            "c": ("i", [1]),
            "d": ("b", [True]),
        }


def test_a_prediction_that_contains_itself_is_the_models_failure():
    prediction: dict = {}
    prediction["self"] = {"again": prediction}
    with pytest.raises(ModelFailed, match="cannot be written as tensors"):
        written(prediction)


# -- whatever comes ----------------------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([1]), st.just({"a": 1})
)
INPUTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b", "0", "1"]),
        "datatype": st.sampled_from([*DATATYPES, "FP8"]),
        "shape": st.lists(st.integers(0, 2), max_size=2),
        "data": st.lists(CELLS, max_size=4),
    },
    optional={"parameters": st.sampled_from([{}, {"binary_data_size": 0}, {"binary_data_size": 8}])},
)
KINDS = [*map(Scalar, SCALAR_TYPES), NUMBERS, Map(Scalar("long")), AnyType()]
SCHEMAS = st.one_of(
    st.none(),
    st.sampled_from(["float32", "int8", "uint64", "bool", "str", "bytes", "object", "datetime64[ns]"]).map(
        lambda dtype: Schema((TensorSpec(dtype, (-1,), "a"),))
    ),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=2).map(lambda kinds: Schema(tuple(map(ColSpec, kinds)))),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=2).map(
        lambda kinds: Schema(tuple(map(ColSpec, kinds, "ab", (True, False))))
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(INPUTS, max_size=2), SCHEMAS, st.sampled_from([LENIENT, STRICT]), st.binary(max_size=8))
def test_whatever_is_sent_is_read_or_refused(inputs, schema, policy, tail):
    head = json.dumps({"inputs": inputs}).encode()
    try:
        data = open_inference.read(head + tail, len(head), schema, policy, reader=reader_for(schema)).data
        if schema is not None and not isinstance(data, Block):
            enforce(data, schema, policy)
    except InvalidInput as error:
        assert error.message
