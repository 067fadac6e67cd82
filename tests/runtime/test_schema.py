import copy
import dataclasses
import datetime as dt
import json
import pickle

import numpy as np
import pytest

from modelport_runtime.data_types import (
    AnyType,
    Array,
    InvalidSchema,
    Map,
    Object,
    Property,
    Scalar,
    spark_vector,
)
from modelport_runtime.schema import ParamSchema, Schema, Signature
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

DOUBLE = Scalar("double")
POINT = Object([Property("y", "double"), Property("x", Scalar.long, required=False)])
NAMED = Schema([ColSpec("double", "x"), ColSpec(Array("string"), "words", required=False), ColSpec(POINT, "point")])
UNNAMED = Schema([ColSpec("long"), ColSpec("string")])
TENSORS = Schema([TensorSpec(np.dtype("float32"), (-1, 3), "x"), TensorSpec(np.dtype("str"), (-1,), "y")])
PARAMS = ParamSchema(
    [
        ParamSpec("t", "double", 1),
        ParamSpec("d", "datetime", dt.datetime(2024, 1, 2, 3)),
        ParamSpec("l", "string", ["a"], (-1,)),
        ParamSpec("o", POINT, {"y": 1.5}),
    ]
)
SIGNATURE = Signature(NAMED, TENSORS, PARAMS)
EVERYTHING = [DOUBLE, Array("long"), POINT, Map("long"), AnyType(), spark_vector()]


def refusal(make):
    with pytest.raises(InvalidSchema) as caught:
        make()
    assert caught.value.code == "INVALID_PARAMETER_VALUE"
    return caught.value.message


@pytest.mark.parametrize("name", ["number", "any", "array", "", "__class__"])
def test_a_type_that_is_not_known_is_refused_with_those_that_are(name):
    for make in (
        Scalar,
        Array,
        Map,
        ColSpec,
        lambda name: Property("p", name),
        lambda name: ParamSpec("p", name, None),
    ):
        message = refusal(lambda make=make: make(name))
        assert name in message
        assert "double" in message


@pytest.mark.parametrize("kind", [None, 5, float, [], {"type": "double"}])
def test_what_is_no_type_is_refused(kind):
    for make in (Array, Map, ColSpec, lambda kind: Property("p", kind), lambda kind: ParamSpec("p", kind, None)):
        assert "DataType" in refusal(lambda make=make: make(kind))


def test_specs_go_by_the_names_of_mlflow():
    assert Array(dtype="long").dtype == Array("long").items == Scalar.long
    assert Map(value_type=DOUBLE).value_type == Map(DOUBLE).values == DOUBLE
    assert Property(name="a", dtype=DOUBLE, required=False).dtype == DOUBLE
    assert ColSpec(type=DOUBLE, name="x", required=False) == ColSpec("double", "x", False)
    assert ParamSpec(name="p", dtype="long", default=1, shape=None).dtype == Scalar.long
    tensor = TensorSpec(type=np.dtype("int8"), shape=[-1, 2], name=0)
    assert (tensor.type, tensor.dtype, tensor.shape, tensor.name) == (np.dtype("int8"), "int8", (-1, 2), 0)
    assert tensor.required


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Object([]), "not empty"),
        (lambda: Object([ColSpec("long", "x")]), "Property"),
        (lambda: Object([Property("a", "long"), Property("a", "double")]), '"a"'),
        (lambda: Property(1, "long"), "1"),
        (lambda: ColSpec("long", ("a", "b")), '["a", "b"]'),
        (lambda: TensorSpec(np.dtype("U3"), (-1,)), "U3"),
        (lambda: TensorSpec(np.dtype([("a", "i4")]), (-1,)), "void"),
        (lambda: TensorSpec("float", (-1,)), '"float"'),
        (lambda: TensorSpec(np.dtype("int8"), -1), "-1"),
        (lambda: TensorSpec(np.dtype("int8"), (None,)), "[null]"),
        (lambda: ParamSpec("p", "binary", b""), "binary"),
        (lambda: ParamSpec("p", Array("long"), []), "array(long)"),
        (lambda: ParamSpec("p", "long", [1], (2,)), "[2]"),
        (lambda: Schema([]), "no spec"),
        (lambda: Schema(["x"]), '["str"]'),
        (lambda: Schema([ColSpec("long"), ColSpec("long", "x")]), "named and unnamed"),
        (lambda: Schema([ColSpec("long", "x"), TensorSpec("int8", (-1,), "y")]), "columns and tensors"),
        (lambda: Schema([TensorSpec("int8", (-1,))] * 2), "without names"),
        (lambda: Schema([ColSpec("long", required=False)]), "optional"),
        (lambda: ParamSchema([ColSpec("long", "x")]), "ParamSpec"),
        (lambda: ParamSchema([ParamSpec("p", "long", 1)] * 2), '"p"'),
        (lambda: Signature(), "needs"),
        (lambda: Signature(inputs=[ColSpec("long")]), "list"),
        (lambda: Schema.from_json("["), "JSON"),
        (lambda: Schema.from_json("{}"), "list of specs"),
        (lambda: ParamSchema.from_json("[1]"), "list of specs"),
        (lambda: Signature.from_dict({"inputs": '[{"type": "double", "name": []}]'}), "[]"),
    ],
)
def test_what_cannot_be_is_refused_and_shown(make, text):
    assert text in refusal(make)


@pytest.mark.parametrize(
    ("kind", "default", "shape", "kept"),
    [
        ("double", 1, None, 1.0),
        ("float", np.float32(0.5), None, 0.5),
        ("integer", np.int64(2), None, 2),
        ("long", None, None, None),
        ("boolean", np.bool_(True), None, True),
        ("datetime", "2024-01-02", None, dt.date(2024, 1, 2)),
        ("datetime", "2024-01-02T03:04:05", None, dt.datetime(2024, 1, 2, 3, 4, 5)),
        ("double", [1, 2.5, None], (-1,), [1.0, 2.5, None]),
        ("long", np.array([1, 2]), [-1], [1, 2]),
        (POINT, {"x": 1}, None, {"x": 1}),
    ],
)
def test_a_default_is_kept_as_its_type_has_it(kind, default, shape, kept):
    (spec,) = ParamSchema([ParamSpec("p", kind, default, shape)])
    assert spec.default == kept
    assert type(spec.default) is type(kept)


@pytest.mark.parametrize(
    ("kind", "default", "shape"),
    [
        *[("long", "x", None), ("long", 1.5, None), ("long", True, None), ("boolean", 1, None), ("string", 1, None)],
        *[("double", "1", None), ("double", True, None), ("datetime", "soon", None), ("datetime", 5, None)],
        *[("long", [1], None), ("long", 1, (-1,)), ("long", ["x"], (-1,)), (POINT, 1, None)],
    ],
)
def test_a_default_that_does_not_fit_is_refused(kind, default, shape):
    assert "'p'" in refusal(lambda: ParamSchema([ParamSpec("p", kind, default, shape)]))


def test_a_schema_answers_what_mlflows_answers():
    assert NAMED.inputs == list(NAMED) == list(NAMED.specs)
    assert len(NAMED) == 3
    assert NAMED.input_names() == ["x", "words", "point"]
    assert (NAMED.required_input_names(), NAMED.optional_input_names()) == (["x", "point"], ["words"])
    assert NAMED.input_types() == [DOUBLE, Array("string"), POINT]
    assert NAMED.input_types_dict() == {"x": DOUBLE, "words": Array("string"), "point": POINT}
    assert NAMED.input_dict()["x"] == ColSpec("double", "x")
    assert (NAMED.has_input_names(), NAMED.is_tensor_spec()) == (True, False)
    assert (UNNAMED.has_input_names(), UNNAMED.input_names()) == (False, [0, 1])
    assert UNNAMED.numpy_types() == [np.dtype("int64"), np.dtype("str")]
    assert UNNAMED.pandas_types() == [np.dtype("int64"), np.dtype(object)]
    assert (TENSORS.is_tensor_spec(), TENSORS.input_types()) == (True, [np.dtype("float32"), np.dtype("str")])
    assert TENSORS.numpy_types() == TENSORS.input_types()


@pytest.mark.divergence("S3")
def test_every_name_is_a_name():
    assert Schema([ColSpec("long", ""), ColSpec("long", 0), ColSpec("long", 5)]).input_names() == ["", 0, 5]


@pytest.mark.parametrize(
    "ask", [NAMED.numpy_types, NAMED.pandas_types, TENSORS.pandas_types, UNNAMED.input_dict, UNNAMED.input_types_dict]
)
def test_a_question_without_answer_is_refused(ask):
    refusal(ask)


def test_parameters_are_a_tuple_and_a_list():
    assert tuple(PARAMS.params) == PARAMS
    assert [spec.name for spec in PARAMS] == ["t", "d", "l", "o"]
    assert Signature(params=list(PARAMS)).params == PARAMS
    assert isinstance(Signature(params=tuple(PARAMS)).params, ParamSchema)


def test_everything_looks_as_in_mlflow():
    assert repr(NAMED) == (
        "['x': double (required), 'words': Array(string) (optional),"
        " 'point': {x: long (optional), y: double (required)} (required)]"
    )
    assert repr(TENSORS) == "['x': Tensor('float32', (-1, 3)), 'y': Tensor('str', (-1,))]"
    assert repr(Schema([ColSpec(AnyType())])) == "[Any (required)]"
    assert (repr(Map("long")), repr(spark_vector())) == ("Map(str -> long)", "SparkML vector")
    assert repr(PARAMS[:1]) == "('t': double (default: 1.0),)"
    assert repr(PARAMS).startswith("['t': double (default: 1.0), 'd': datetime (default: 2024-01-02 03:00:00)")
    assert "'l': string (default: ['a']) (shape: (-1,))" in repr(PARAMS)
    assert repr(SIGNATURE) == f"inputs: \n  {NAMED!r}\noutputs: \n  {TENSORS!r}\nparams: \n  {PARAMS!r}\n"


@pytest.mark.parametrize("value", [*EVERYTHING, *NAMED, *TENSORS, *PARAMS, NAMED, TENSORS, PARAMS, SIGNATURE], ids=str)
def test_a_value_equals_its_copies_and_nothing_else(value):
    for copied in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert copied == value
        assert hash(copied) == hash(value)
        assert repr(copied) == repr(value)
    assert value not in (None, "x", Scalar("binary"), ColSpec("binary", "z"))


@pytest.mark.parametrize(
    "value", [DOUBLE, Array("long"), POINT, Map("long"), *NAMED, *TENSORS, *PARAMS, NAMED, SIGNATURE]
)
def test_a_value_is_frozen(value):
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_where_a_signature_came_from_makes_it_no_other():
    assert Signature(NAMED, is_from_type_hint=True) == Signature(NAMED)


@pytest.mark.parametrize("schema", [NAMED, UNNAMED, TENSORS])
def test_a_schema_is_written_and_read(schema):
    assert json.loads(schema.to_json()) == schema.to_dict()
    assert Schema.from_json(schema.to_json()) == Schema.from_dict(schema.to_dict()) == schema


def test_parameters_are_written_and_read():
    assert ParamSchema.from_json(PARAMS.to_json()) == PARAMS
    assert PARAMS.to_dict()[1]["default"] == "2024-01-02T03:00:00"


def test_a_signature_is_written_and_read():
    written = SIGNATURE.to_dict()
    assert list(written) == ["inputs", "outputs", "params"]
    assert Signature.from_dict(written) == SIGNATURE
    assert Signature(outputs=NAMED).to_dict() == {"inputs": None, "outputs": NAMED.to_json(), "params": None}


@pytest.mark.parametrize("key", ["self", "cls", "entry", "kind", "dtype", "unit"])
def test_keys_that_nobody_knows_are_ignored(key):
    entry = {"type": "double", "name": "x", "required": True, key: 1}
    assert Schema.from_dict([entry]) == Schema([ColSpec("double", "x")])
