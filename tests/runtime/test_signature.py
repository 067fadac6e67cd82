import datetime as dt
import json

import pytest

from modelport_runtime.data_types import SCALAR_TYPES, AnyType, Array, Map, Object, Property, Scalar
from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.signature import params_as_json, read_signature, schema_as_json
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec


def inputs(*specs):
    return read_signature({"inputs": json.dumps(specs)}).inputs


def problem(part, *specs):
    with pytest.raises(ModelNotLoadable) as caught:
        read_signature({part: json.dumps(specs)})
    assert part in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("data", [None, {}, {"inputs": None, "outputs": None, "params": None}])
def test_no_signature_is_none(data):
    assert read_signature(data) is None


def test_texts_and_parsed_lists_read_alike():
    specs = [{"type": "double", "name": "x", "required": True}]
    expected = Signature(inputs=Schema((ColSpec(Scalar("double"), "x"),)), is_from_type_hint=True)
    assert read_signature({"inputs": json.dumps(specs), "outputs": None}, is_from_type_hint=True) == expected
    assert read_signature({"inputs": specs}, is_from_type_hint=True) == expected


@pytest.mark.parametrize("name", SCALAR_TYPES)
def test_every_scalar_type_is_known(name):
    assert inputs({"type": name}) == Schema((ColSpec(Scalar(name)),))


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"type": "array", "items": {"type": "string"}}, Array(Scalar("string"))),
        ({"type": "array", "items": {"type": "array", "items": {"type": "any"}}}, Array(Array(AnyType()))),
        ({"type": "map", "values": {"type": "long"}}, Map(Scalar("long"))),
        ({"type": "any"}, AnyType()),
        ({"type": "sparkml_vector"}, Array(Scalar("double"), spark_vector=True)),
        (
            {"type": "object", "properties": {"b": {"type": "long"}, "a": {"type": "any", "required": False}}},
            Object((Property("a", AnyType(), required=False), Property("b", Scalar("long")))),
        ),
    ],
)
def test_nested_types(entry, kind):
    assert inputs({**entry, "name": "x"}) == Schema((ColSpec(kind, "x"),))


@pytest.mark.parametrize("kind", [{"type": "double"}, {"type": "any"}, {"type": "array", "items": {"type": "long"}}])
@pytest.mark.parametrize(
    ("written", "required"),
    [
        ({}, True),
        ({"required": True}, True),
        ({"required": False}, False),
        ({"required": None}, True),
        ({"optional": True}, False),
        ({"optional": False}, True),
    ],
)
@pytest.mark.divergence("S1", "S2")
def test_columns_are_required_unless_they_say_otherwise_in_either_age(kind, written, required):
    assert inputs({**kind, "name": "x", **written}).columns[0].required is required


@pytest.mark.divergence("S3")
def test_names_may_be_integers_and_zero_is_a_name():
    schema = inputs({"type": "double", "name": 1}, {"type": "double", "name": 0})
    assert schema.names == (1, 0)
    assert schema.has_names


def test_tensors():
    schema = inputs(
        {"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28]}},
        {"name": "y", "type": "tensor", "tensor-spec": {"dtype": "datetime64[ns]", "shape": [-1]}},
    )
    assert schema == Schema((TensorSpec("float32", (-1, 28), "x"), TensorSpec("datetime64[ns]", (-1,), "y")))
    assert inputs({"type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}).is_tensor


@pytest.mark.divergence("S5")
def test_what_a_newer_version_says_of_a_column_is_ignored():
    entry = {"type": "double", "name": "x", "required": True, "unit": "kg"}
    assert inputs(entry) == Schema((ColSpec(Scalar("double"), "x"),))


@pytest.mark.divergence("S6")
def test_a_null_in_the_shape_of_a_tensor_is_free():
    entry = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [None, 3]}}
    assert inputs(entry) == Schema((TensorSpec("float32", (-1, 3)),))


@pytest.mark.divergence("S7")
def test_a_spark_vector_may_be_a_member_of_an_object():
    entry = {"type": "object", "name": "o", "properties": {"v": {"type": "sparkml_vector"}}}
    assert inputs(entry).columns[0].type == Object((Property("v", Array(Scalar("double"), spark_vector=True)),))


@pytest.mark.parametrize("key", ["type", "dtype"])
def test_params_of_either_age(key):
    entries = [
        {"name": "a", key: "double", "default": 1, "shape": None},
        {"name": "b", key: "long", "default": [1, 2], "shape": [-1]},
        {"name": "c", key: "datetime", "default": "2024-01-02T03:04:05"},
        {"name": "d", key: "object", "default": {"k": 1}, "properties": {"k": {"type": "long"}}},
        {"name": "e", key: "string", "default": None},
    ]
    assert read_signature({"params": json.dumps(entries)}).params == (
        ParamSpec("a", Scalar("double"), 1.0),
        ParamSpec("b", Scalar("long"), [1, 2], (-1,)),
        ParamSpec("c", Scalar("datetime"), dt.datetime(2024, 1, 2, 3, 4, 5)),
        ParamSpec("d", Object((Property("k", Scalar("long")),)), {"k": 1}),
        ParamSpec("e", Scalar("string"), None),
    )


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        ([], "no spec"),
        ([{"type": "number", "name": "odd"}], '"odd"'),
        ([{"name": "odd"}], '"odd"'),
        ([{"type": "array", "name": "odd"}], "'items'"),
        ([{"type": "map", "values": "long", "name": "odd"}], "'values'"),
        ([{"type": "object", "properties": {}, "name": "odd"}], "'properties'"),
        ([{"type": "array", "items": {"type": "object", "properties": {"k": {}}}}], "type null"),
        ([{"type": "double", "name": ["x"]}], "name"),
        ([{"type": "double", "name": "x"}, {"type": "double"}], "named and unnamed"),
        ([{"type": "double", "required": False}], "optional"),
        ([{"type": "tensor"}], "'tensor-spec'"),
        ([{"type": "tensor", "tensor-spec": {"dtype": "<U3", "shape": [-1]}}], "<U3"),
        ([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": "-1"}}], "'shape'"),
        ([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}] * 2, "without names"),
        (
            [{"type": "any"}, {"type": "tensor", "tensor-spec": {"dtype": "bool", "shape": []}}],
            "columns and tensors",
        ),
    ],
)  # fmt: skip
def test_a_spec_that_cannot_be_read_is_named(specs, text):
    for part in ("inputs", "outputs"):
        assert text in problem(part, *specs)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "odd", "type": "binary", "default": ""}, "binary"),
        ({"name": "odd", "type": "any", "default": 1}, "any"),
        ({"name": "odd", "type": "long"}, "default"),
        ({"type": "long", "default": 1}, "name"),
        ({"name": "odd", "type": "long", "default": "1"}, "string '1'"),
        ({"name": "odd", "type": "long", "default": 1, "shape": [2]}, "[2]"),
        ({"name": "odd", "type": "long", "default": 1, "shape": 2}, "shape"),
        ({"name": "odd", "type": "long", "default": 1, "shape": [-1]}, "list of long"),
    ],
)
def test_a_param_that_cannot_be_read_is_named(entry, text):
    assert text in problem("params", entry)


def test_a_param_named_twice_is_refused():
    assert "twice" in problem("params", *[{"name": "a", "type": "long", "default": 1}] * 2)


@pytest.mark.parametrize("data", ["[", '{"a": 1}', "[1]", 5])
def test_what_is_no_list_of_specs_is_refused(data):
    with pytest.raises(ModelNotLoadable):
        read_signature({"inputs": data})
    with pytest.raises(ModelNotLoadable):
        read_signature([data])


# As MLflow 3 writes them, key order included.
WRITTEN = [
    {"type": "double", "name": "x", "required": True},
    {"type": "array", "items": {"type": "string"}, "name": "a", "required": False},
    {"type": "map", "values": {"type": "array", "items": {"type": "long"}}, "name": "m", "required": True},
    {"type": "object", "properties": {"k": {"type": "long", "required": False}}, "name": "o", "required": True},
    {"type": "sparkml_vector", "name": "v", "required": True},
    {"type": "any", "name": 7, "required": True},
]
WRITTEN_TENSORS = [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28]}}]
WRITTEN_PARAMS = [
    {"name": "t", "default": 0.5, "shape": None, "type": "double"},
    {"name": "l", "default": ["2024-01-02", "2024-01-02T03:04:05"], "shape": [-1], "type": "datetime"},
    {
        "name": "o",
        "default": {"k": 1},
        "shape": None,
        "type": "object",
        "properties": {"k": {"type": "long", "required": True}},
    },
]


@pytest.mark.parametrize("written", [WRITTEN, WRITTEN_TENSORS, [{"type": "string", "required": True}]])
def test_schemas_are_written_as_mlflow_writes_them(written):
    assert json.dumps(schema_as_json(inputs(*written))) == json.dumps(written)


def test_params_are_written_as_mlflow_writes_them():
    params = read_signature({"params": WRITTEN_PARAMS}).params
    assert json.dumps(params_as_json(params)) == json.dumps(WRITTEN_PARAMS)
