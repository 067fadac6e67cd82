"""Signatures as JSON Schema: what the schema allows is what the runtime reads, and what it answers."""

import json
from typing import Any

import jsonschema_rs
import numpy as np
import pandas as pd
import pytest

from modelport.model.example_request import example_of
from modelport.serving import json_schema
from modelport_runtime.data_types import AnyType, Array, DataType, Map, Object, Property, Scalar
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.enforcement.params import enforce_params
from modelport_runtime.payload import decoding
from modelport_runtime.payload.encoding import encode_predictions
from modelport_runtime.policy import LENIENT, STRICT
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
LINE = Object((Property("text", Scalar("string")), Property("weight", Scalar("double"), False)))
NESTED = Schema(
    (
        ColSpec(Array(Scalar("double")), "list"),
        ColSpec(LINE, "line"),
        ColSpec(Map(Scalar("long")), "map"),
        ColSpec(Array(Scalar("double"), spark_vector=True), "vector"),
        ColSpec(AnyType(), "any", False),
    )
)
COLUMNS = Schema(tuple(ColSpec(Scalar(name), name) for name in SCALARS))
UNNAMED = Schema((ColSpec(Scalar("double")), ColSpec(Scalar("string"))))
INTEGER_NAMES = Schema((ColSpec(Scalar("double"), 0), ColSpec(Scalar("double"), 1)))
TENSOR = Schema((TensorSpec("float32", (-1, 2, 3)),))
TENSORS = Schema((TensorSpec("int64", (-1,), "ids"), TensorSpec("str", (-1, 2), "words")))
PARAMS = (
    ParamSpec("scale", Scalar("double"), 0.5),
    ParamSpec("words", Scalar("string"), ["a"], (-1,)),
    ParamSpec("line", LINE, {"text": "a"}),
)
SCHEMAS = {
    "columns": COLUMNS,
    "nested": NESTED,
    "unnamed": UNNAMED,
    "one unnamed": Schema((ColSpec(Scalar("long")),)),
    "one unnamed list": Schema((ColSpec(Array(Scalar("string"))),)),
    "integer names": INTEGER_NAMES,
    "one named": Schema((ColSpec(Scalar("string"), "text"),)),
    "tensor": TENSOR,
    "tensors": TENSORS,
    "one named tensor": Schema((TensorSpec("float64", (-1, 2), "x"),)),
    "images": Schema((TensorSpec("uint8", (-1, -1, -1, 3)),)),
}


def allows(schema: dict[str, Any], value: Any) -> bool:
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    return bool(jsonschema_rs.Draft202012Validator(schema).is_valid(value))


def cell(kind: DataType, required: bool = True, strict: bool = False) -> dict[str, Any]:
    return json_schema.of_cell(ColSpec(kind, "x", required), strict)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("boolean", [True], ["true", 1, None]),
        ("integer", [-(2**31), 2**31 - 1], [2**31, 1.5, "1", None]),
        ("long", [-(2**63), 2**63 - 1], [2**63, 1.5, "1", None]),
        ("float", [0, 1.5, None], [1e300, "1", True]),
        ("double", [0, 1e300, None], ["1", True]),
        ("string", ["", "é"], [1, None]),
        ("binary", ["", "Ynl0ZXM=", "Ynl0ZXM=\n"], ["Ynl0ZXM", "*", 1, None]),
        ("datetime", ["2024-05-01T12:00:00Z", 1714564800000], ["1500-01-01T00:00:00Z", 1.5, True, None]),
    ],
)
def test_a_scalar_column_allows_what_its_type_holds(name: str, good: list[Any], bad: list[Any]) -> None:
    schema = cell(Scalar(name))
    assert [allows(schema, value) for value in good] == [True] * len(good)
    assert [allows(schema, value) for value in bad] == [False] * len(bad)
    optional = cell(Scalar(name), required=False)
    assert allows(optional, None)
    assert all(allows(optional, value) for value in good)


def test_integers_as_datetimes_are_in_the_unit_of_the_policy() -> None:
    nanoseconds = 1714564800000 * 10**6
    assert allows(cell(Scalar("datetime")), nanoseconds)
    assert not allows(cell(Scalar("datetime"), strict=True), nanoseconds)


def test_nested_types_hold_their_parts() -> None:
    assert allows(cell(Array(Scalar("long"))), [1, 2])
    assert not allows(cell(Array(Scalar("long"))), [1, "2"])
    assert allows(cell(Map(Scalar("long"))), {"a": 1})
    assert not allows(cell(Map(Scalar("long"))), {"a": "1"})
    assert allows(cell(LINE), {"text": "a"})
    assert allows(cell(LINE), {"text": "a", "weight": None})
    assert not allows(cell(LINE), {"weight": 1.0})
    assert not allows(cell(LINE), {"text": "a", "other": 1})
    assert allows(cell(AnyType()), None)
    assert allows(cell(AnyType()), {"a": [1]})


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("bool", True, 1),
        ("uint8", 255, 256),
        ("int64", -1, 1.5),
        ("float32", 1.5, "1.5"),
        ("complex64", 1, "1"),
        ("str", "é", 1),
        ("bytes", "a", "é"),
        ("object", "a", []),
        ("datetime64[ns]", "2024-05-01T12:00:00Z", 1.5),
        ("timedelta64[ns]", 5, "5"),
    ],
)
def test_a_tensor_has_items_of_its_dtype(dtype: str, good: Any, bad: Any) -> None:
    schema = json_schema.of_tensor(TensorSpec(dtype, (-1,)))
    assert allows(schema, [good])
    assert not allows(schema, [bad])


def test_a_tensor_has_its_rank_and_fixed_dimensions() -> None:
    schema = json_schema.of_tensor(TensorSpec("float32", (-1, 2)))
    assert allows(schema, [[1, 2]])
    assert allows(schema, [[1, 2], [3, 4]])
    assert not allows(schema, [[1, 2, 3]])
    assert not allows(schema, [1, 2])
    assert not allows(schema, [])
    assert allows(json_schema.of_tensor(TensorSpec("float32", ())), 1.5)


def test_params_have_types_shapes_and_defaults() -> None:
    schema = json_schema.of_params(PARAMS)
    assert [schema["properties"][name]["default"] for name in ("scale", "words", "line")] == [0.5, ["a"], {"text": "a"}]
    for good in ({}, {"scale": 1}, {"scale": None}, {"words": ["a", None]}, {"line": {"text": "a"}}):
        assert allows(schema, good)
        enforce_params(good, PARAMS)
    for bad in ({"scale": "1"}, {"words": "a"}, {"line": {}}, {"line": None}, {"other": 1}):
        assert not allows(schema, bad)


def test_a_default_that_is_a_moment_is_written_as_text() -> None:
    schema = json_schema.of_param(ParamSpec("since", Scalar("datetime"), pd.Timestamp("2024-05-01").to_pydatetime()))
    assert schema["default"] == "2024-05-01T00:00:00"


EXPECTED_FORMS = {
    "columns": {"dataframe_split", "dataframe_records", "inputs", "instances"},
    "nested": {"dataframe_split", "dataframe_records", "inputs", "instances"},
    "unnamed": {"dataframe_split", "dataframe_records", "inputs", "instances"},
    "integer names": {"dataframe_split"},
    "tensor": {"inputs", "instances"},
    "tensors": {"inputs", "instances"},
}


@pytest.mark.parametrize("name", EXPECTED_FORMS)
def test_only_forms_that_fit_the_schema_are_described(name: str) -> None:
    assert set(json_schema.forms(SCHEMAS[name])) == EXPECTED_FORMS[name]


def least(schema: dict[str, Any]) -> Any:
    """Some value that a schema allows."""
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return least(schema["anyOf"][0])
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "array":
        if "prefixItems" in schema:
            return [least(item) for item in schema["prefixItems"]]
        return [least(schema["items"])] * max(1, schema.get("minItems", 1)) if "items" in schema else []
    if kind == "object":
        values = schema.get("additionalProperties")
        members = {name: least(schema["properties"][name]) for name in schema.get("required", ())}
        return {**members, "key": least(values)} if isinstance(values, dict) else members
    if schema.get("format") == "date-time":
        return "2024-05-01T12:00:00Z"
    return {"string": "Ynl0ZXM=", "boolean": True, "integer": 1, "number": 0.5, "null": None}[kind]


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_a_form_allows_is_read_and_fits_the_signature(name: str) -> None:
    schema = SCHEMAS[name]
    found = json_schema.forms(schema)
    assert found
    for key, form in found.items():
        for way in form.get("anyOf", [form]):
            value = least({**way, "properties": {k: v for k, v in way.get("properties", {}).items() if k != "index"}})
            assert allows(form, value), (key, value)
            payload = decoding.read_json(json.dumps({key: value}).encode(), ())
            enforce(decoding.to_data(payload, schema, LENIENT), schema, LENIENT)


@pytest.mark.parametrize("name", ["columns", "nested", "unnamed", "integer names"])
def test_what_a_strict_split_frame_allows_fits_the_signature_strictly(name: str) -> None:
    schema = SCHEMAS[name]
    value = least(json_schema.split(schema, strict=True))
    payload = decoding.read_json(json.dumps({"dataframe_split": value}).encode(), ())
    enforce(decoding.to_data(payload, schema, STRICT), schema, STRICT)


def test_optional_columns_may_be_absent_from_records() -> None:
    schema = Schema((ColSpec(Scalar("double"), "x"), ColSpec(Scalar("string"), "note", False)))
    records = json_schema.forms(schema)["dataframe_records"]
    assert allows(records, [{"x": 1}, {"x": 2, "note": None}])
    assert not allows(records, [{"note": "a"}])


def test_a_type_hint_takes_a_list_of_its_items() -> None:
    found = json_schema.forms(Schema((ColSpec(LINE),)), from_type_hint=True)
    assert set(found) == {"inputs"}
    assert allows(found["inputs"], [{"text": "a"}])
    assert not allows(found["inputs"], {"text": "a"})


def test_a_signature_with_chat_columns_takes_them_and_its_params_at_the_top() -> None:
    messages = ColSpec(Array(LINE), "messages")
    schema = json_schema.unified(Schema((messages,)), PARAMS)
    assert schema is not None
    assert allows(schema, {"messages": [{"text": "a"}], "scale": 1})
    assert not allows(schema, {"scale": 1})
    assert json_schema.unified(COLUMNS, PARAMS) is None
    assert json_schema.unified(TENSORS, ()) is None


ANSWERS: list[tuple[str, Schema, Any]] = [
    (
        "frame",
        COLUMNS,
        pd.DataFrame({"long": [1, 2], "string": ["a", None], "datetime": pd.to_datetime(["2024", None])}),
    ),
    ("gaps", Schema((ColSpec(Scalar("double"), "x"),)), pd.DataFrame({"x": [1.5, float("nan")]})),
    ("labels for a named column", Schema((ColSpec(Scalar("long"), "y"),)), np.array([1, 2])),
    ("fractions for whole numbers", Schema((ColSpec(Scalar("long"), "y"),)), np.array([1.5, 2])),
    ("series", Schema((ColSpec(Scalar("double")),)), pd.Series([1.0, 2.0])),
    ("one value", Schema((ColSpec(Scalar("string")),)), "text"),
    ("several unnamed", UNNAMED, [[1.5, "a"]]),
    ("dict", NESTED, {"list": [1.5, None], "line": {"text": "a"}, "map": {"a": 1}, "any": object}),
    ("dict of columns", COLUMNS, {"long": [1, 2], "binary": [b"a", b"b"]}),
    ("array", TENSOR, np.zeros((2, 2, 3))),
    ("frame for an array", Schema((TensorSpec("float32", (-1, 2)),)), pd.DataFrame({0: [1.5], 1: [None]})),
    ("complex", Schema((TensorSpec("complex64", (-1,)),)), np.array([1 + 2j])),
    ("moments", Schema((TensorSpec("datetime64[ns]", (-1,)),)), np.array(["2024-05-01", "NaT"], "datetime64[ns]")),
    ("bytes", Schema((TensorSpec("bytes", (-1,)),)), np.array([b"a"])),
    ("arrays", TENSORS, {"ids": np.array([1]), "words": np.array([["a", "b"]])}),
    ("nothing known", COLUMNS, [{"long": 1, "other": [1]}]),
]


@pytest.mark.parametrize(("schema", "answer"), [entry[1:] for entry in ANSWERS], ids=[entry[0] for entry in ANSWERS])
def test_real_answers_conform(schema: Schema, answer: Any) -> None:
    written = json.loads(encode_predictions(answer, unwrapped=True))
    assert allows(json_schema.of_predictions(schema), written), written
    assert allows(json_schema.of_predictions(None), written)


def test_answers_of_another_kind_do_not_conform() -> None:
    assert not allows(json_schema.of_predictions(COLUMNS), [{"long": "a"}])
    assert not allows(json_schema.of_predictions(TENSOR), [[["a"]]])
    assert not allows(json_schema.of_predictions(TENSORS), {"ids": "a"})
    assert not allows(json_schema.of_predictions(Schema((ColSpec(Scalar("string")),))), [1])


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_example_of_a_signature_is_one_that_it_allows(name: str) -> None:
    schema = SCHEMAS[name]
    example = example_of(Signature(inputs=schema, params=PARAMS))
    assert example is not None
    assert example.pop("params") == {"scale": 0.5, "words": ["a"], "line": {"text": "a"}}
    ((key, value),) = example.items()
    assert allows(json_schema.forms(schema)[key], value)
    payload = decoding.read_json(json.dumps({key: value}).encode(), ())
    enforce(decoding.to_data(payload, schema, LENIENT), schema, LENIENT)
    enforce(decoding.to_data(payload, schema, STRICT), schema, STRICT)
