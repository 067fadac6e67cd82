"""Answers held against a signature's outputs, and against answers that were recorded."""

from typing import Any

import pytest

from modelport.validation.answers import differences, misfits
from modelport_runtime.data_types import Array, Map, Object, Property, Scalar
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

ONE = Schema((ColSpec(Scalar("double"), "y"),))
UNNAMED = Schema((ColSpec(Scalar("long")),))
TWO = Schema((ColSpec(Scalar("string"), "label"), ColSpec(Scalar("double"), "p", required=False)))
NESTED = Schema(
    (
        ColSpec(Object((Property("text", Scalar("string")), Property("weight", Scalar("double"), False))), "line"),
        ColSpec(Map(Scalar("long")), "counts"),
    )
)
LISTS = Schema((ColSpec(Array(Scalar("double"))),))
TENSOR = Schema((TensorSpec("float32", (-1, 2)),))
TENSORS = Schema((TensorSpec("int64", (-1,), "ids"), TensorSpec("str", (-1,), "words")))


@pytest.mark.parametrize(
    ("predictions", "schema"),
    [
        ([1.5, 2], ONE),
        ([{"y": 1.5}, {"y": None}], ONE),
        ({"y": [1.5, 2]}, ONE),
        (1.5, ONE),
        ([1, 2.5], UNNAMED),
        ([{"0": 1}], UNNAMED),
        ([{"label": "a", "p": 0.5}, {"label": "b"}], TWO),
        ([["a", 0.5]], TWO),
        ({"label": "a", "p": 0.5}, TWO),
        ([{"line": {"text": "a"}, "counts": {"a": 1}}], NESTED),
        ([[1.0, 2.0], []], LISTS),
        ([[1.0, None], [2, 3]], TENSOR),
        ({"output": [[1.0, 2.0]]}, TENSOR),
        ([{"0": 1.0, "1": 2.0}], TENSOR),
        ({"ids": [1, 2], "words": ["a", "b"]}, TENSORS),
    ],
)
def test_what_is_declared_in_whichever_form_fits(predictions: Any, schema: Schema) -> None:
    assert list(misfits(predictions, schema)) == []


@pytest.mark.parametrize(
    ("predictions", "schema", "expected"),
    [
        (["a"], ONE, 'row 0, column y: double is declared, and "a" was answered'),
        ([{"z": 1.5}], ONE, "row 0 lacks the declared y; row 0 has z, not declared"),
        ([{"y": "a"}], ONE, 'row 0, column y: double is declared, and "a" was answered'),
        ({"y": [1.5, "a"]}, ONE, 'column y, row 1: double is declared, and "a" was answered'),
        ([True], UNNAMED, "row 0, column 0: long is declared, and true was answered"),
        ([1.5], TWO, "row 0: columns label, p are declared, and 1.5 was answered"),
        ([["a"]], TWO, "row 0: 2 columns are declared, and 1 were answered"),
        ([{"line": {"weight": 1}, "counts": {}}], NESTED, "row 0, column line"),
        ([{"line": {"text": "a"}, "counts": {"a": "b"}}], NESTED, "row 0, column counts"),
        ([[1.0, 2.0, 3.0]], TENSOR, "the answer: the shape (-1, 2) is declared, and (1, 3) was answered"),
        ([["a", "b"]], TENSOR, 'the answer: float32 is declared, and "a" was answered'),
        ({"ids": [1]}, TENSORS, "the answer lacks the declared tensor words"),
        ([1], TENSORS, "tensors ids, words are declared, and [1] was answered"),
    ],
)
def test_what_is_not_declared_is_named(predictions: Any, schema: Schema, expected: str) -> None:
    assert "; ".join(misfits(predictions, schema)).startswith(expected)


@pytest.mark.parametrize(
    ("recorded", "answer", "expected"),
    [
        ({"predictions": [1.5, "a", None]}, {"predictions": [1.5, "a", None]}, []),
        ([1.0], [1.0000004], []),
        ([1], [1.0], []),
        ([float("nan")], [float("nan")], []),
        ([1.0], [1.00001], ["the answer[0] is 1.00001, and was 1.0"]),
        ([True], [1], ["the answer[0] is 1, and was true"]),
        (["a"], ["b"], ['the answer[0] is "b", and was "a"']),
        ([1, 2], [1], ["the answer has 1 items, and had 2"]),
        ({"a": 1, "b": 2}, {"a": 1, "c": 3}, ["the answer.b is missing", "the answer.c was not there: 3"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["the answer.a[0].b is 2, and was 1"]),
    ],
)
def test_differences_are_named_by_their_place(recorded: Any, answer: Any, expected: list[str]) -> None:
    assert list(differences(recorded, answer)) == expected
