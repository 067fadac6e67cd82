"""The rules, with every age of numpy and pandas; ``tests/interop/test_signatures.py`` compares with MLflow itself."""

import dataclasses
import datetime as dt
import logging
from typing import Any, Union

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.data_types import AnyType, Array, InvalidSchema, Map, Object, Property, Scalar
from modelport_runtime.schema import ParamSchema, Schema
from modelport_runtime.signature_inference import (
    infer_params,
    infer_schema,
    infer_signature,
    signature_from_type_hints,
)
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

ANYTHING = Schema([ColSpec(AnyType())])
DAY = dt.datetime(2024, 1, 2)


def column(*values, **options):
    (spec,) = infer_schema(pd.DataFrame({"x": pd.Series(list(values), **options)}))
    assert spec.name == "x"
    return spec.type, spec.required


def params(**values):
    return infer_params(values)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        *[("bool", "boolean"), ("int8", "integer"), ("int16", "integer"), ("int32", "integer"), ("int64", "long")],
        *[("uint8", "integer"), ("uint16", "integer"), ("uint32", "long"), ("Int64", "long"), ("Int8", "integer")],
        *[("float16", "float"), ("float32", "float"), ("float64", "double"), ("Float64", "double")],
        *[("boolean", "boolean"), ("object", "long")],
    ],
)
def test_the_dtype_of_a_column_is_its_type(dtype, name):
    assert column(1, 0, dtype=dtype) == (Scalar(name), True)


@pytest.mark.parametrize(
    ("values", "kind", "required"),
    [
        (["a", "b"], "string", True),
        (["a", None], "string", False),
        ([1.5, None], "double", False),
        ([True, None], "boolean", False),
        ([b"a"], "binary", True),
        ([DAY, None], "datetime", False),
        ([DAY.date()], "datetime", True),
        ([pd.Timestamp(DAY, tz="UTC")], "datetime", True),
        ([[1, 2], [3]], Array("long"), True),
        ([["a"], None], Array("string"), False),
        ([[], [None]], Array(AnyType()), True),
        ([[[1.5]], []], Array(Array("double")), True),
        ([np.array([1.5])], Array("double"), True),
        (
            [{"a": 1, "b": "x"}, {"a": None}],
            Object([Property("a", "long", False), Property("b", "string", False)]),
            True,
        ),
        ([{"a": [{"b": 1}, {}]}], Object([Property("a", Array(Object([Property("b", "long", False)])))]), True),
        ([None, None], AnyType(), False),
    ],
)
def test_the_cells_of_a_column_are_its_type(values, kind, required):
    assert column(*values, dtype=object) == (Scalar(kind) if isinstance(kind, str) else kind, required)


@pytest.mark.parametrize(
    ("example", "specs"),
    [
        (np.zeros((2, 3), dtype="float32"), [TensorSpec("float32", (-1, 3))]),
        (np.array(["ab"]), [TensorSpec("str", (-1,))]),
        ({"x": np.zeros(2), "y": np.array([b"ab"])}, [TensorSpec("float64", (-1,), "x"), TensorSpec("bytes", (-1,), "y")]),
        (pd.Series([1.5], name="s"), [ColSpec("double", "s")]),
        (pd.Series([1.5]), [ColSpec("double")]),
        (pd.DataFrame([[1.5, "a"]]), [ColSpec("double", 0), ColSpec("string", 1)]),
        ({"a": 1, "b": [1.5]}, [ColSpec("long", "a"), ColSpec(Array("double"), "b")]),
        ({"a": [1, None], "b": None}, [ColSpec(Array("long"), "a", False), ColSpec(AnyType(), "b", False)]),
        ([{"a": 1}, {"a": 2, "b": "x"}], [ColSpec("long", "a"), ColSpec("string", "b", False)]),
        ([1.5, None], [ColSpec("double")]),
        ([[1], [2]], [ColSpec(Array("long"))]),
        ([], [ColSpec("string")]),
        ("text", [ColSpec("string")]),
        (True, [ColSpec("boolean")]),
        (np.int32(1), [ColSpec("integer")]),
        (DAY, [ColSpec("datetime")]),
    ],
)  # fmt: skip
def test_an_example_of_every_kind_has_a_schema(example, specs):
    assert infer_schema(example) == Schema(specs)


@pytest.mark.divergence("S8")
def test_an_array_without_dimensions_is_one_value():
    assert infer_schema(np.array(1.5)) == Schema([TensorSpec("float64", ())])


def test_sparse_matrices_are_tensors():
    sparse = pytest.importorskip("scipy.sparse")
    for matrix in (sparse.csr_matrix, sparse.csc_matrix):
        assert infer_schema(matrix(np.eye(2, dtype="float32"))) == Schema([TensorSpec("float32", (-1, 2))])


@pytest.mark.parametrize(
    "example",
    [
        *[(1, 2), {1: "a"}, {}, [1, "a"], [{}], [(1,)], {"a": object()}, [np.array([])], 1j],
        pd.DataFrame({"x": pd.Series([1], dtype="uint64")}),
        pd.DataFrame({"x": [dt.timedelta(1)]}),
        pd.DataFrame([[1, 2]], columns=["x", "x"]),
        pd.Series([1.5, None]),
    ],
    ids=lambda example: str(example).partition(" at 0x")[0],
)
def test_what_has_no_schema_may_be_anything_and_the_log_says_why(example, caplog):
    assert infer_signature(example, example).to_dict() == {
        "inputs": ANYTHING.to_json(),
        "outputs": ANYTHING.to_json(),
        "params": None,
    }
    first, second = caplog.records
    assert (first.levelno, second.levelno) == (logging.WARNING, logging.WARNING)
    assert "inputs" in first.getMessage()
    assert "outputs" in second.getMessage()


@pytest.mark.divergence("S9")
def test_names_that_json_has_not_make_it_anything():
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    assert infer_signature(frame).inputs == ANYTHING


def test_a_signature_needs_something_to_infer_from():
    with pytest.raises(InvalidSchema):
        infer_signature()
    with pytest.raises(InvalidSchema):
        infer_signature(params={})


@pytest.mark.parametrize(
    ("value", "kind", "default", "shape"),
    [
        (1, "long", 1, None),
        (1.5, "double", 1.5, None),
        (True, "boolean", True, None),
        ("a", "string", "a", None),
        (np.float32(0.5), "float", 0.5, None),
        (DAY, "datetime", DAY, None),
        (DAY.date(), "datetime", DAY.date(), None),
        ([1, 2.5], "double", [1.0, 2.5], (-1,)),
        (np.array(["a"]), "string", ["a"], (-1,)),
        ([DAY, DAY.date()], "datetime", [DAY, DAY.date()], (-1,)),
        ({"k": 1}, Object([Property("k", "long")]), {"k": 1}, None),
    ],
)
def test_a_parameter_has_the_type_of_its_value(value, kind, default, shape):
    assert params(p=value) == ParamSchema([ParamSpec("p", kind, default, shape)])


@pytest.mark.divergence("P8")
def test_a_parameter_that_is_an_empty_list_holds_texts():
    assert params(p=[]) == ParamSchema([ParamSpec("p", "string", [], (-1,))])


@pytest.mark.parametrize("kind", ["int8", "uint16", "float16"])
@pytest.mark.divergence("P2")
def test_a_parameter_may_be_any_number_of_numpys(kind):
    (spec,) = params(p=np.dtype(kind).type(1))
    assert (spec.default, type(spec.default)) == (1, int if "int" in kind else float)


def test_all_parameters_that_cannot_be_described_are_named():
    with pytest.raises(InvalidSchema) as caught:
        params(good=1, none=None, bytes=b"x", nested=[[1]], mixed=["a", 1], tuple=(1,), empty={}, long=2**70)
    assert caught.value.code == "INVALID_PARAMETER_VALUE"
    named = [
        name
        for name in ("good", "none", "bytes", "nested", "mixed", "tuple", "empty", "long")
        if f"'{name}" in str(caught.value)
    ]
    assert named == ["none", "bytes", "nested", "mixed", "tuple", "empty", "long"]


@pytest.mark.parametrize("given", [[1], "x", 5])
def test_parameters_are_a_dictionary(given):
    with pytest.raises(InvalidSchema, match="dictionary"):
        infer_signature(params=given)


@dataclasses.dataclass
class Item:
    name: str
    price: float


@dataclasses.dataclass
class Order:
    items: list[Item]
    first: Item | None
    count: int = 0
    day: dt.date | None = None


def test_a_dataclass_is_a_schema():
    item = Object([Property("name", "string"), Property("price", "float")])
    expected = Schema(
        [
            ColSpec(Array(item), "items"),
            ColSpec(item, "first", required=False),
            ColSpec("long", "count"),
            ColSpec("datetime", "day", required=False),
        ]
    )
    assert infer_signature(Order).inputs == infer_signature(Order([], None)).inputs == expected


def hinted(hint: Any, returned: Any = None) -> Any:
    def predict(model_input):  # type: ignore[no-untyped-def]
        return model_input

    predict.__annotations__ = {"model_input": hint} if returned is None else {"model_input": hint, "return": returned}
    return signature_from_type_hints(predict)


@pytest.mark.parametrize(
    ("element", "kind"),
    [
        *[(int, "long"), (str, "string"), (bool, "boolean"), (float, "double"), (bytes, "binary")],
        (dt.datetime, "datetime"),
        (list[list[int]], Array(Array("long"))),
        (dict[str, float], Map("double")),
        (Any, AnyType()),
        (Union[int, str], AnyType()),  # noqa: UP007  as older Pythons spell it
        (list[int | None], Array("long")),
    ],
)
def test_a_type_hint_is_one_unnamed_column(element, kind):
    signature = hinted(list[element], list[element])
    assert signature.inputs == signature.outputs == Schema([ColSpec(kind)])
    assert hinted(list[int], dict[str, element]).outputs == Schema([ColSpec(Map(kind))])
    assert signature.is_from_type_hint


def test_what_predict_returns_is_anything_where_its_hint_says_nothing():
    for returned in (None, int | None, list, complex):
        assert hinted(list[int], returned).outputs == ANYTHING
    assert hinted(list[int], list[str]).outputs == Schema([ColSpec("string")])


@pytest.mark.parametrize("hint", [pd.DataFrame, int, list[int] | None, list[complex], None])
def test_a_hint_that_says_nothing_gives_no_signature(hint):
    assert hinted(hint) is None


@pytest.mark.parametrize("hint", [list, list, list[list], list[dict], list[dict[int, str]], list[int | None]])
def test_a_hint_that_says_too_little_is_refused(hint):
    with pytest.raises(InvalidSchema):
        hinted(hint)


def test_a_model_of_pydantic_is_an_object():
    pydantic = pytest.importorskip("pydantic")

    class Point(pydantic.BaseModel):
        x: float
        tags: list[str] | None = None

    class Bad(pydantic.BaseModel):
        x: float | None

    expected = Object([Property("x", "double"), Property("tags", Array("string"), required=False)])
    assert hinted(list[Point]).inputs == Schema([ColSpec(expected)])
    with pytest.raises(InvalidSchema, match="default"):
        hinted(list[Bad])
    for example in ([Point(x=1.0)], {"p": Point(x=1.0)}):
        with pytest.raises(InvalidSchema, match="pydantic"):
            infer_signature(example)
    assert infer_signature(Point(x=1.0)).inputs == ANYTHING
