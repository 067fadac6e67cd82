"""Azure ML's no-code bodies: which form of ``input_data`` fits which signature, and what the strict policy lets through."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.data_types import Array, Object, Property, Scalar
from modelport_runtime.errors import InvalidInput, ModelFailed
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.payload.azure import read_json
from modelport_runtime.policy import STRICT
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.scoring import Form, Request, Scorer
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

SCORE = Form("json", "azure", STRICT, "json")


def column(kind, name=None, required=True):
    return ColSpec(Scalar(kind) if isinstance(kind, str) else kind, name, required)


def columns(**kinds):
    return Schema(tuple(column(kind, name) for name, kind in kinds.items()))


def unnamed(*kinds):
    return Schema(tuple(column(kind) for kind in kinds))


TABLE = columns(x="double", n="long", t="string")
TENSOR = Schema((TensorSpec("float32", (-1, 2)),))
TENSORS = Schema((TensorSpec("float32", (-1, 2), "a"), TensorSpec("int64", (-1,), "b")))


def read(value, schema=None, from_type_hint=False, **more):
    body = json.dumps({"input_data": value, **more}).encode()
    return read_json(body, schema, ("k",), from_type_hint)


def refusal(value, schema=None, from_type_hint=False, **more):
    with pytest.raises(InvalidInput) as caught:
        read(value, schema, from_type_hint, **more)
    return caught.value.message


class TestTheBody:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "POST body is empty. Expecting a JSON dictionary."),
            (b"{", "POST body could not be decoded as JSON: Expecting property name enclosed in double quotes: line 1"),
            (b"  ", "POST body could not be decoded as JSON: Expecting value: line 1 column 3 (char 2)"),
            (b'{"input_data": [1,]}', "POST body could not be decoded as JSON: "),
            (b"\xff{}", "POST body could not be decoded as JSON: The body is not valid UTF-8"),
            (b"[" * 100_000, "POST body could not be decoded as JSON: The body is nested too deeply."),
            (b"[]", "POST body should be a JSON dictionary."),
            (b'"x"', "POST body should be a JSON dictionary."),
            (b"null", "POST body should be a JSON dictionary."),
            (b"{}", "A value is not provided for the 'input_data' parameter."),
            (b'{"data": []}', "A value is not provided for the 'input_data' parameter."),
        ],
    )
    def test_what_is_no_body_is_refused_in_the_words_of_azures_server(self, body, message):
        with pytest.raises(InvalidInput) as caught:
            read_json(body, TABLE, ())
        assert caught.value.message.startswith(message)
        assert caught.value.message == message or message.endswith((": ", "line 1", "UTF-8"))
        assert caught.value.code == "BAD_REQUEST"

    @pytest.mark.parametrize(
        "key", ["dataframe_split", "dataframe_records", "inputs", "instances", "messages", "prompt", "input"]
    )
    def test_the_keys_of_mlflow_are_refused_naming_the_right_one(self, key):
        with pytest.raises(InvalidInput) as caught:
            read_json(json.dumps({key: [[1.0, 2.0]]}).encode(), TENSOR, ())
        assert caught.value.message == (
            "A value is not provided for the 'input_data' parameter. "
            f"Found '{key}', a key of /invocations; here the data stands under 'input_data'."
        )

    def test_other_keys_are_ignored_but_a_misplaced_parameter_is_not(self):
        assert read([1.0], more=1).value == [1.0]
        assert refusal([1.0], k=1) == "The inference parameters 'k' stand beside 'params'; put them into it."

    @pytest.mark.parametrize(
        ("more", "params"), [({}, None), ({"params": None}, None), ({"params": {"k": 1}}, {"k": 1})]
    )
    def test_params_may_be_null_or_absent(self, more, params):
        assert read([1.0], **more).params == params


class TestFormsOfColumns:
    @pytest.mark.parametrize(
        "frame",
        [
            {"columns": ["x", "n", "t"], "index": [7], "data": [[0.5, 1, "a"]]},
            {"columns": ["x", "n", "t"], "data": [[0.5, 1, "a"]]},
            {"columns": ["t", "more", "n", "x"], "index": None, "data": [["a", None, 1, 0.5]]},
            {"columns": ["x", "n", "t"], "data": []},
        ],
    )
    def test_a_split_frame_is_taken_as_it_is(self, frame):
        assert read(frame, TABLE)[:2] == ("dataframe_split", frame)

    @pytest.mark.parametrize("more", [{}, {"columns": None}])
    def test_a_frame_without_columns_has_those_of_the_signature(self, more):
        expected = {"columns": ["x", "n", "t"], "index": [7], "data": [[0.5, 1, "a"]]}
        assert read({"index": [7], "data": [[0.5, 1, "a"]], **more}, TABLE)[:2] == ("dataframe_split", expected)

    def test_a_list_of_lists_that_is_as_wide_as_the_signature_is_a_frame(self):
        rows = [[0.5, 1, "a"], [1.5, 2, "b"]]
        expected = {"columns": ["x", "n", "t"], "data": rows}
        assert read(rows, TABLE)[:2] == ("dataframe_split", expected)
        assert read([], TABLE)[:2] == ("dataframe_split", {"columns": ["x", "n", "t"], "data": []})

    def test_columns_without_names_are_positions(self):
        assert read([[1, 2]], unnamed("double", "long"))[:2] == ("dataframe_split", {"data": [[1, 2]]})

    @pytest.mark.parametrize(
        "value", [["a", "b"], [["a"], ["b"]], {"data": ["a", "b"]}, {"columns": [0], "data": ["a", "b"]}]
    )
    def test_in_one_column_the_bare_value_is_a_row(self, value):
        payload = read(value, unnamed("string"))
        assert payload.form == "dataframe_split"
        assert payload.value["data"] == [["a"], ["b"]]
        assert read(["a"], columns(t="string")).value == {"columns": ["t"], "data": [["a"]]}

    def test_an_unnamed_nested_column_takes_a_list_of_cells(self):
        assert read([["a", "b"], ["c"]], unnamed(Array(Scalar("string"))))[:2] == ("inputs", [["a", "b"], ["c"]])

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ({"x": [1.0], "n": [1], "t": ["a"]}, "has columns, so it takes a split frame.*keys 'x', 'n', 't'"),
            ({"columns": ["x"], "data": [[1.0]], "dtype": "x"}, "keys 'columns', 'data', 'dtype'"),
            ({"columns": ["x"]}, "so it takes a split frame"),
            ({}, "found an object with the keys none"),
            ([{"x": 1.0, "n": 1, "t": "a"}], "is a list of objects, which is not taken here; send a split frame"),
            ([[0.5, 1, "a"], [0.5, 1]], "a list of 3 values.*signature's columns: 'x', 'n', 't'; row 1 is a list of 2"),
            ([0.5, 1, "a"], "row 0 is a number"),
            ([[0.5, 1, "a"], None], "row 1 is null"),
            ({"columns": ["x", "n"], "data": [[0.5, 1, "a"]]}, "a list of 2 values.*'columns': 'x', 'n'; row 0 is a list of 3"),
            ({"columns": "xnt", "data": [[0.5, 1, "a"]]}, "'columns' of 'input_data' must be a list of names"),
            ({"columns": [["x"], "n", "t"], "data": [[0.5, 1, "a"]]}, "must be a list of names"),
            ({"columns": ["x", "n", "t"], "data": None}, "'data' of 'input_data' must be a list of rows; found null"),
            ({"columns": ["x", "n", "t"], "data": {"x": [1.0]}}, "found an object"),
            ({"columns": ["x", "n", "t"], "data": [[0.5, 1, "a"]], "index": [1, 2]}, "a list of 1 labels"),
            ({"columns": ["x", "n", "t"], "data": [[0.5, 1, "a"]], "index": "ab"}, "a list of 1 labels"),
            (None, "found null"),
            ("x", "found a text"),
            (1, "found a number"),
            (True, "found a boolean"),
        ],
    )  # fmt: skip
    def test_any_other_form_is_refused_naming_the_right_one(self, value, words):
        import re

        assert re.search(words, refusal(value, TABLE))


class TestFormsOfTensors:
    def test_one_tensor_takes_a_list(self):
        assert read([[0.5, 1]], TENSOR)[:2] == ("inputs", [[0.5, 1]])

    def test_named_tensors_take_an_object_of_lists(self):
        assert read({"a": [[0.5, 1]], "b": [1]}, TENSORS)[:2] == ("inputs", {"a": [[0.5, 1]], "b": [1]})

    @pytest.mark.parametrize(
        ("value", "schema", "words"),
        [
            (
                {"a": [[0.5, 1]]},
                TENSOR,
                "is one tensor, so it takes a (nested) list; found an object with the keys 'a'",
            ),
            ({"columns": [0, 1], "data": [[0.5, 1]]}, TENSOR, "is one tensor, so it takes a (nested) list"),
            (0.5, TENSOR, "found a number"),
            ([{"a": 1}], TENSOR, "is a list of objects"),
            ([[0.5, 1]], TENSORS, "named tensors, so it takes an object with lists for 'a', 'b'; found a list"),
            (None, TENSORS, "found null"),
        ],
    )
    def test_any_other_form_is_refused_naming_the_right_one(self, value, schema, words):
        assert words in refusal(value, schema)


class TestFormsWithoutSignature:
    @pytest.mark.parametrize(
        ("value", "form"),
        [
            ([[1.0, 2.0]], "inputs"),
            ([], "inputs"),
            ({"columns": ["a"], "index": [0], "data": [[1]]}, "dataframe_split"),
            ({"columns": ["a"], "data": [[1]]}, "dataframe_split"),
            ({"index": [0], "data": [[1]]}, "inputs"),
            ({"columns": ["a"], "data": [[1]], "more": [1]}, "inputs"),
            ({"a": [1], "b": [2]}, "inputs"),
        ],
    )
    def test_the_shape_decides(self, value, form):
        assert read(value)[:2] == (form, value)

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ([{"a": 1}], "is a list of objects"),
            (None, "found null"),
            ("x", "found a text"),
            ({}, "found an object with the keys none"),
            ({"columns": ["a"], "data": [[1, 2]]}, "row 0 is a list of 2"),
        ],
    )
    def test_what_has_no_shape_is_refused(self, value, words):
        assert words in refusal(value)


class TestTypeHints:
    HINTED = unnamed(Object((Property("a", Scalar("long")), Property("b", Scalar("string")))))

    @pytest.mark.parametrize(
        "value",
        [[{"a": 1, "b": "x"}], {"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}],
    )
    def test_a_list_of_items_or_the_same_as_a_frame(self, value):
        assert read(value, self.HINTED, from_type_hint=True)[:2] == ("inputs", [{"a": 1, "b": "x"}])

    @pytest.mark.parametrize("value", [["a", "b"], {"columns": ["any"], "data": [["a"], ["b"]]}, {"data": ["a", "b"]}])
    def test_one_column_holds_the_items_themselves(self, value):
        assert read(value, unnamed("string"), from_type_hint=True)[:2] == ("inputs", ["a", "b"])

    @pytest.mark.parametrize("value", [None, "a", {"a": 1}, {"columns": ["a"]}])
    def test_anything_else_is_refused(self, value):
        assert "The model's type hint asks for a list of items" in refusal(value, self.HINTED, from_type_hint=True)


class Seen:
    """A model that keeps what it was given and answers with one zero a row."""

    def __init__(self):
        self.data = None
        self.params = None

    def __call__(self, data, params):
        self.data, self.params = data, params
        if not len(next(iter(data.values())) if isinstance(data, dict) else data):
            raise ValueError("no rows, as many a library has it")
        return np.zeros(len(next(iter(data.values())) if isinstance(data, dict) else data))


def scored(value, schema, specs=None, from_type_hint=False, **more):
    """(the answer parsed, what the model saw), or the error."""
    seen = Seen()
    signature = Signature(inputs=schema, params=specs, is_from_type_hint=from_type_hint) if schema or specs else None
    loaded = SimpleNamespace(predictor=Predictor(native=None, predict=seen, row_wise=True), signature=signature)
    body = json.dumps({"input_data": value, **more}).encode()
    (answer,) = Scorer(loaded).score([Request(1, SCORE, body, time.perf_counter())])
    return (json.loads(answer.body), seen) if isinstance(answer.body, bytes) else answer.body


def cell(value, kind, required=True):
    """One value through a column of that type: what reached the model, or the error."""
    schema = Schema((column(kind, "c", required), column("string", "beside")))
    outcome = scored({"columns": ["c", "beside"], "data": [[value, "x"]]}, schema)
    return outcome[1].data["c"].tolist()[0] if isinstance(outcome, tuple) else outcome


class TestTheStrictPolicy:
    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            (48.5, "long"),
            (48.5, "integer"),
            (3000000000, "integer"),
            (-2147483649, "integer"),
            (2**63, "long"),
            (1e300, "long"),
            (True, "long"),
            (True, "integer"),
            ("7", "long"),
            ("7", "integer"),
            ("1.5", "double"),
            ("1.5", "float"),
            (True, "double"),
            (False, "float"),
            (1e39, "float"),
            ("false", "boolean"),
            ("true", "boolean"),
            ("", "boolean"),
            ("", "datetime"),
            ("T10:00", "datetime"),
            (1, "boolean"),
            (0, "boolean"),
            (0.0, "boolean"),
            ("yesterday", "datetime"),
            ("NaT", "datetime"),
            ("null", "datetime"),
            ("10", "datetime"),
            (True, "datetime"),
            (1.5, "datetime"),
            (10**17, "datetime"),
            ("not base64!", "binary"),
            (7, "binary"),
            (None, "long"),
            (None, "integer"),
            (None, "binary"),
            *[([1], kind) for kind in ("boolean", "integer", "long", "float", "double", "binary", "datetime")],
            *[({"a": 1}, kind) for kind in ("boolean", "integer", "long", "float", "double", "binary", "datetime")],
        ],
    )
    def test_a_value_that_does_not_fit_is_refused_with_its_column(self, value, kind):
        error = cell(value, kind)
        assert isinstance(error, InvalidInput), error
        assert error.details[0]["column"] == "c"
        assert "'c'" in error.message
        assert "expected " + kind in error.message

    @pytest.mark.parametrize(
        ("value", "kind", "reached"),
        [
            (48.0, "long", 48),
            (48.0, "integer", 48),
            (-2147483648, "integer", -2147483648),
            (2**63 - 1, "long", 2**63 - 1),
            (1, "double", 1.0),
            (1, "float", 1.0),
            (0.5, "float", 0.5),
            (True, "boolean", True),
            (7, "string", 7),
            ("7", "string", "7"),
            ("", "string", ""),
            ("2024-03-01", "datetime", pd.Timestamp("2024-03-01")),
            ("2024-03-01T10:00:00", "datetime", pd.Timestamp("2024-03-01T10:00:00")),
            ("2024-03-01T10:00:00Z", "datetime", pd.Timestamp("2024-03-01T10:00:00")),
            ("2024-03-01T10:00:00+02:00", "datetime", pd.Timestamp("2024-03-01T08:00:00")),
            (1709287200000, "datetime", pd.Timestamp("2024-03-01T10:00:00")),
            ("dGVzdA==", "binary", b"test"),
        ],
    )
    def test_a_value_that_fits_reaches_the_model_undamaged(self, value, kind, reached):
        found = cell(value, kind)
        assert found == reached
        assert type(found) is type(reached)

    @pytest.mark.parametrize("kind", ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"])
    def test_null_in_an_optional_column_is_no_value(self, kind):
        schema = Schema((column(kind, "c", required=False), column("string", "beside")))
        _, seen = scored({"columns": ["c", "beside"], "data": [[None, "x"]]}, schema)
        assert "c" not in seen.data or seen.data["c"].isna().all()

    @pytest.mark.parametrize("kind", ["double", "float"])
    def test_null_is_a_missing_number(self, kind):
        assert np.isnan(cell(None, kind))

    def test_every_bad_cell_is_named(self):
        error = scored([["1", 1.5, "a"], [1.0, 2, "b"], [1.0, None, "c"]], TABLE)
        assert [(detail["column"], detail["row"]) for detail in error.details] == [("x", 0), ("n", 0), ("n", 2)]

    def test_an_integer_that_a_fraction_beside_it_makes_inexact_is_refused(self):
        """pandas makes floats of both, and the last digit is lost."""
        assert isinstance(scored([[9007199254740993], [1.0]], columns(n="long")), InvalidInput)
        _, seen = scored([[9007199254740993], [1]], columns(n="long"))
        assert seen.data["n"].tolist() == [9007199254740993, 1]
        _, seen = scored([[9007199254740991], [1.0]], columns(n="long"))
        assert seen.data["n"].tolist() == [9007199254740991, 1]

    @pytest.mark.parametrize(
        ("value", "schema"),
        [
            ([[0.5, "1"]], TENSOR),
            ([[0.5, True]], TENSOR),
            ([[0.5, 1e39]], TENSOR),
            ([[0.5]], TENSOR),
            ([[0.5, 1], [0.5]], TENSOR),
            ({"a": [[1, 2]], "b": [1.5]}, TENSORS),
            ({"a": [[1, 2]], "b": ["1"]}, TENSORS),
            ({"a": [[1, 2]], "b": [True]}, TENSORS),
            ({"a": [[1, 2]], "b": [None]}, TENSORS),
            ({"a": [[1, 2]]}, TENSORS),
        ],
    )
    def test_a_tensor_that_does_not_fit_is_refused(self, value, schema):
        assert isinstance(scored(value, schema), InvalidInput)

    def test_tensors_that_fit_reach_the_model(self):
        _, seen = scored({"a": [[1, 2.5]], "b": [3.0], "more": [1]}, TENSORS)
        assert {name: (str(value.dtype), value.tolist()) for name, value in seen.data.items()} == {
            "a": ("float32", [[1.0, 2.5]]),
            "b": ("int64", [3]),
        }

    def test_an_image_tensor_works(self):
        _, seen = scored(np.zeros((1, 2, 2, 3)).tolist(), Schema((TensorSpec("float32", (-1, -1, -1, 3)),)))
        assert (seen.data.shape, str(seen.data.dtype)) == ((1, 2, 2, 3), "float32")

    @pytest.mark.parametrize(
        ("value", "schema"),
        [
            ({"columns": ["x", "n", "t"], "index": [], "data": []}, TABLE),
            ({"columns": ["x", "n", "t"], "data": []}, TABLE),
            ([], TABLE),
            ([], TENSOR),
            ({"a": [], "b": []}, TENSORS),
        ],
    )
    def test_empty_data_gives_an_empty_answer(self, value, schema):
        """Whatever the model would say to that: many a library refuses it."""
        answer, seen = scored(value, schema)
        assert answer == []
        assert seen.data is None


class TestParams:
    SPECS = (ParamSpec("k", Scalar("long"), 3), ParamSpec("words", Scalar("string"), ["a"], (-1,)))

    @pytest.mark.parametrize(
        ("more", "params"),
        [
            ({}, {"k": 3, "words": ["a"]}),
            ({"params": None}, {"k": 3, "words": ["a"]}),
            ({"params": {}}, {"k": 3, "words": ["a"]}),
            ({"params": {"k": 5, "unknown": 1}}, {"k": 5, "words": ["a"]}),
        ],
    )
    def test_defaults_fill_in_and_unknown_names_are_dropped(self, more, params):
        answer, seen = scored([[1.0]], columns(x="double"), self.SPECS, **more)
        assert answer == [0.0]
        assert seen.params == params

    @pytest.mark.parametrize("params", [{"k": "five"}, {"k": 1.5}, {"words": "a"}, [1], "k"])
    def test_wrong_types_are_refused(self, params):
        assert isinstance(scored([[1.0]], columns(x="double"), self.SPECS, params=params), InvalidInput)


def test_a_hinted_model_and_one_without_signature_are_scored() -> None:
    _, seen = scored({"columns": ["any"], "data": [["a"], ["b"]]}, unnamed("string"), from_type_hint=True)
    assert seen.data == ["a", "b"]
    _, seen = scored({"columns": ["b", "a"], "data": [[1, 2]]}, None)
    assert list(seen.data.columns) == ["b", "a"]
    _, seen = scored([[1, 2.5]], None)
    assert seen.data.tolist() == [[1.0, 2.5]]
    _, seen = scored({"a": [1, 2]}, None)
    assert seen.data["a"].tolist() == [1, 2]


def test_what_the_model_raises_is_its_own_failure() -> None:
    def fail(data, params):
        raise ValueError("no such luck")

    loaded = SimpleNamespace(predictor=Predictor(native=None, predict=fail, row_wise=True), signature=Signature(TABLE))
    body = json.dumps({"input_data": [[0.5, 1, "a"]]}).encode()
    (answer,) = Scorer(loaded).score([Request(1, SCORE, body, time.perf_counter())])
    assert isinstance(answer.body, ModelFailed)


class TestTheArticlesOwnPayloads:
    HEART = {  # noqa: RUF012
        "columns": [
            "age",
            "sex",
            "trestbps",
            "chol",
            "fbs",
            "restecg",
            "thalach",
            "exang",
            "oldpeak",
            "slope",
            "ca",
            "thal",
        ],
        "index": [1],
        "data": [[1, 1, 145, 233, 1, 2, 150, 0, 2.3, 3, 0, 2]],
    }
    KINDS = {name: "double" if name == "oldpeak" else "long" for name in HEART["columns"]}  # noqa: RUF012

    def test_a_number_for_the_text_column_reaches_the_model(self):
        _, seen = scored(self.HEART, columns(**{**self.KINDS, "thal": "string"}))
        assert list(seen.data.index) == [1]
        assert seen.data.iloc[0].tolist() == self.HEART["data"][0]

    def test_the_column_that_the_article_leaves_out_is_named(self):
        error = scored(self.HEART, columns(**self.KINDS, cp="long"))
        assert error.details == [{"column": "cp", "expected": "long", "found": "missing"}]

    def test_named_tensors(self):
        tokens, mask = [[0, 655, 85, 5, 23, 84, 23, 52, 856, 5, 23, 1]], [[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]]
        schema = Schema((TensorSpec("int64", (-1, 12), "tokens"), TensorSpec("int64", (-1, 12), "mask")))
        _, seen = scored({"tokens": tokens, "mask": mask}, schema)
        assert {name: value.tolist() for name, value in seen.data.items()} == {"tokens": tokens, "mask": mask}

    def test_the_tensor_example_lacks_a_comma_and_the_place_is_said(self):
        with pytest.raises(
            InvalidInput, match=r"could not be decoded as JSON: Expecting ',' delimiter: line 1 column 27"
        ):
            read_json(b'{"input_data": [[1, 1, 0] [1, 1, 0]]}', TENSOR, ())
