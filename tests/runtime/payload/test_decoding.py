"""Request bodies → payloads → the data a model is given, before enforcement."""

import json

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.data_types import AnyType, Array, Map, Object, Property, Scalar
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.errors import InvalidInput, SchemaMismatch
from modelport_runtime.payload.decoding import read_csv, read_json, to_data
from modelport_runtime.policy import LENIENT, STRICT
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec


def data_of(body, schema=None, policy=LENIENT, from_type_hint=False):
    return to_data(read_json(json.dumps(body).encode(), ()), schema, policy, from_type_hint)


def columns(**types):
    return Schema(
        tuple(ColSpec(Scalar(name) if isinstance(name, str) else name, column) for column, name in types.items())
    )


def unnamed(*types):
    return Schema(tuple(ColSpec(Scalar(name) if isinstance(name, str) else name) for name in types))


def tensors(**specs):
    return Schema(tuple(TensorSpec(dtype, shape, name) for name, (dtype, shape) in specs.items()))


class TestReadJson:
    @pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "inputs", "instances"])
    def test_the_one_data_key_is_found_and_other_keys_are_dropped(self, form):
        payload = read_json(json.dumps({"signature_name": "x", form: [1], "params": {"k": 1}}).encode(), ())
        assert (payload.form, payload.value, payload.params, payload.unwrapped) == (form, [1], {"k": 1}, False)

    def test_absent_params_are_none(self):
        assert read_json(b'{"inputs": 1}', ()).params is None

    @pytest.mark.parametrize("key", ["messages", "prompt", "input"])
    def test_a_chat_request_is_the_data_itself_but_for_declared_params(self, key):
        body = {key: "hi", "inputs": [1], "params": {"x": 1}, "temperature": 0.5}
        payload = read_json(json.dumps(body).encode(), ("temperature", "max_tokens"))
        assert payload.form == "llm"
        assert payload.unwrapped
        assert payload.value == {key: "hi", "inputs": [1], "params": {"x": 1}}
        assert payload.params == {"temperature": 0.5}

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"[1]", "found a list"),
            (b'"x"', "found a string"),
            (b"null", "found null"),
            (b"3", "found a number"),
            (b"{}", "found: none"),
            (b'{"data": 1}', "found: 'data'"),
            (b'{"inputs": 1, "instances": 1}', "both 'inputs' and 'instances'"),
        ],
    )
    def test_anything_else_is_refused(self, body, words):
        with pytest.raises(InvalidInput, match=words) as caught:
            read_json(body, ())
        assert caught.value.code == "BAD_REQUEST"


@pytest.mark.divergence("D40")
class TestBodiesOfMlflow1:
    def test_a_list_of_records(self):
        body = [{"a": 0, "b": "dGVzdA=="}, {"a": 1, "b": "YQ=="}]
        payload = read_json(json.dumps(body).encode(), ())
        assert (payload.form, payload.value, payload.params, payload.unwrapped) == (
            "dataframe_records",
            body,
            None,
            False,
        )
        assert data_of(body, columns(a="long", b="binary"))["b"].tolist() == [b"test", b"a"]

    @pytest.mark.parametrize("index", [{}, {"index": ["p"]}])
    def test_a_split_object(self, index):
        frame = data_of({"columns": ["b", "a"], **index, "data": [[1, 2]]}, columns(a="double", b="long"))
        assert list(frame.columns) == ["b", "a"]
        assert list(frame.index) == (["p"] if index else [0])

    def test_rows_of_all_named_columns(self):
        frame = data_of([["1", 2], ["3", 4]], columns(a="double", b="long"))
        assert frame.to_dict("list") == {"a": [1.0, 3.0], "b": [2, 4]}

    @pytest.mark.parametrize("rows", [[[1], [2]], [[1, 2], [3]], [[1, 2, 3]]])
    def test_rows_of_another_width_are_refused(self, rows):
        with pytest.raises(InvalidInput, match="rows of 2 values"):
            data_of(rows, columns(a="double", b="long"))

    @pytest.mark.parametrize("text", ["\ud800", "x\udc00"])
    def test_rows_with_text_that_is_no_unicode_meet_what_a_split_table_with_it_meets(self, text):
        def outcome(body):
            try:  # pandas 3 cannot hold such text, those before it can
                return data_of(body, columns(a="string", b="long")).to_dict("list")
            except InvalidInput:
                return "refused"

        split = {"dataframe_split": {"columns": ["a", "b"], "data": [[text, 1]]}}
        assert outcome([[text, 1]]) == outcome(split)
        assert outcome([[text, 1]]) in ("refused", {"a": [text], "b": [1]})

    def test_rows_without_names_are_read_as_inputs_are(self):
        assert data_of([[1, 2]], tensors(x=("float32", (-1, 2))))["x"].dtype == np.float32
        assert data_of([[1, 2]], Schema((TensorSpec("int64", (-1, 2)),))).tolist() == [[1, 2]]
        assert [str(dtype) for dtype in data_of([[1, 2]], unnamed("double", "long")).dtypes] == ["float64", "int64"]
        assert data_of([[1, 2], [3]], unnamed(Array(Scalar("long"))))[0].tolist() == [[1, 2], [3]]

    def test_rows_without_a_signature_make_a_frame(self):
        assert data_of([[1, "a"], [2, "b"]])[1].tolist() == ["a", "b"]

    def test_rows_do_not_say_which_of_several_tensors_they_are(self):
        with pytest.raises(InvalidInput, match="named tensors"):
            data_of([[1, 2]], tensors(a=("float32", (-1, 2)), b=("int64", (-1,))))

    @pytest.mark.parametrize(
        "body", [[], [1, 2], [{"a": 1}, [2]], [[1], 2], {"data": [[1]]}, {"columns": ["a"], "data": [[1]], "more": 1}]
    )
    def test_what_is_only_nearly_so_is_refused(self, body):
        with pytest.raises(InvalidInput, match="must") as caught:
            read_json(json.dumps(body).encode(), ())
        assert caught.value.code == "BAD_REQUEST"

    def test_a_key_of_today_comes_first(self):
        body = {"columns": ["a"], "data": [[1]], "inputs": [2]}
        assert read_json(json.dumps(body).encode(), ()).form == "inputs"


class TestFrames:
    def test_split_keeps_index_and_column_order(self):
        split = {"columns": ["b", "a"], "index": [7, 9], "data": [[1, "x"], [2, "y"]]}
        frame = data_of({"dataframe_split": split})
        assert list(frame.columns) == ["b", "a"]
        assert list(frame.index) == [7, 9]

    def test_columns_and_index_may_be_absent(self):
        assert data_of({"dataframe_split": {"data": [[1, 2]]}}).shape == (1, 2)

    def test_records_with_different_keys_are_joined(self):
        frame = data_of({"dataframe_records": [{"a": 1}, {"b": 2}]})
        assert frame.isna().to_numpy().tolist() == [[False, True], [True, False]]

    def test_no_records_make_an_empty_frame(self):
        assert data_of({"dataframe_records": []}, columns(x="long")).shape == (0, 0)

    def test_no_rows_keep_their_columns_and_get_their_types(self):
        frame = data_of({"dataframe_split": {"columns": ["x", "t"], "data": []}}, columns(x="long", t="datetime"))
        assert [str(dtype) for dtype in frame.dtypes] == ["int64", "datetime64[ns]"]

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"dataframe_split": [[1]]}, "must be an object; found a list"),
            ({"dataframe_split": {"columns": ["a"]}}, "'data' is missing"),
            ({"dataframe_split": {"data": [[1]], "rows": 1, "colums": 2}}, "found also colums, rows"),
            ({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, "not a table"),
            ({"dataframe_split": {"columns": [["a"], {}], "data": [[1, 2]]}}, "not a table"),
            ({"dataframe_split": {"data": [[1], [2]], "index": [1, 2, 3]}}, "not a table"),
            ({"dataframe_records": {"a": 1}}, "must be a list; found an object"),
        ],
    )
    @pytest.mark.divergence("labels-not-scalar")
    def test_what_is_no_table_is_refused(self, body, words):
        with pytest.raises(InvalidInput, match=words):
            data_of(body, columns(a="long"))

    def test_values_are_cast_to_the_signature(self):
        schema = columns(i="integer", d="double", s="string", b="binary", t="datetime", a=Array(Scalar("double")))
        record = {"i": 1, "d": 2, "s": "x", "b": "YQ==", "t": "2020-01-01T00:00:00Z", "a": [1, 2.5]}
        frame = data_of({"dataframe_records": [record]}, schema)
        assert {name: frame[name].tolist() for name in "idsbta"} == {
            "i": [1],
            "d": [2.0],
            "s": ["x"],
            "b": [b"a"],
            "t": [pd.Timestamp("2020-01-01")],
            "a": [[1.0, 2.5]],
        }


class TestInputs:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ([1, 2], np.array([1, 2])),
            (5, np.array(5)),
            ("x", np.array("x")),
            ([[1.5], [2]], np.array([[1.5], [2]])),
            ([], []),
        ],
    )
    def test_without_signature_numpy_decides(self, value, expected):
        found = data_of({"inputs": value})
        assert type(found) is type(expected)
        assert np.array_equal(found, expected)

    def test_without_signature_objects_keep_their_names(self):
        found = data_of({"inputs": {"a": [1, 2], "b": 3}})
        assert found["a"].tolist() == [1, 2]
        assert found["b"].shape == ()
        assert data_of({"inputs": [{"a": 1}]})[0]["a"] == 1

    def test_ragged_lists_are_refused(self):
        with pytest.raises(InvalidInput):
            data_of({"inputs": [[1], [2, 3]]})

    def test_a_plain_list_belongs_to_the_only_column(self):
        found = data_of({"inputs": [1, 2]}, columns(x="double"))
        assert found["x"].dtype == np.float64
        assert data_of({"inputs": [[1, 2]]}, tensors(x=("float32", (-1, 2))))["x"].dtype == np.float32

    @pytest.mark.parametrize("value", [None, {"a": 1}])
    def test_a_signature_without_names_takes_no_object(self, value):
        with pytest.raises(InvalidInput, match="has no names"):
            data_of({"inputs": value}, unnamed("double"))

    @pytest.mark.divergence("string-numbers")
    def test_single_values_become_numpy_scalars(self):
        found = data_of({"inputs": {"x": 1, "s": 7, "t": "2020-01-01"}}, columns(x="double", s="string", t="datetime"))
        assert (found["x"], found["s"]) == (1.0, "7")
        assert found["t"] == np.datetime64("2020-01-01")
        assert isinstance(data_of({"inputs": 1}, unnamed("long")), np.int64)

    def test_null_text_and_truth_values_stay_null(self):
        found = data_of({"inputs": {"s": ["a", None], "b": [True, None]}}, columns(s="string", b="boolean"))
        assert found["s"].tolist() == ["a", None]
        assert found["b"].tolist() == [True, None]

    def test_binary_is_base64_and_moments_may_have_zones(self):
        found = data_of(
            {"inputs": {"b": ["YQA="], "t": ["2020-01-01T02:00:00+02:00"]}}, columns(b="binary", t="datetime")
        )
        assert found["b"].tolist() == [b"a\0"]
        assert found["t"].tolist() == np.array(["2020-01-01"], "M8[ns]").tolist()

    def test_columns_of_several_types_without_names_make_a_frame(self):
        frame = data_of({"inputs": [[1, 2], [3, 4]]}, unnamed("double", "long"))
        assert [str(dtype) for dtype in frame.dtypes] == ["float64", "int64"]
        assert data_of({"inputs": [[1, 2]]}, unnamed("double", "double")).dtype == np.float64

    @pytest.mark.divergence("inputs-unnamed-array")
    def test_a_list_for_an_unnamed_array_column_holds_its_cells(self):
        assert data_of({"inputs": [[1, 2], [3]]}, unnamed(Array(Scalar("double"))))[0].tolist() == [[1.0, 2.0], [3.0]]
        assert data_of({"inputs": [1, 2]}, unnamed(Array(Scalar("double"))))[0].tolist() == [[1.0, 2.0]]
        assert data_of({"inputs": [{"k": 1}]}, unnamed(Map(Scalar("double"))))[0].tolist() == [{"k": 1.0}]

    def test_nested_columns(self):
        schema = columns(
            a=Array(Scalar("double")), o=Object((Property("k", Scalar("double")),)), m=Map(Scalar("long")), x=AnyType()
        )
        found = data_of({"inputs": {"a": [1, 2], "o": {"k": 1}, "m": {"z": 1}, "x": [1, "a"]}}, schema)
        assert found["a"].dtype == np.float64
        assert found["o"] == {"k": 1.0}
        assert found["m"] == {"z": 1}
        assert found["x"] == [1, "a"]

    def test_a_list_of_objects_is_cast_member_by_member_and_names_the_row(self):
        found = data_of({"inputs": [{"x": 1}, {"x": 2}]}, columns(x="double"))
        assert [item["x"] for item in found] == [1.0, 2.0]
        with pytest.raises(SchemaMismatch) as caught:
            data_of({"inputs": [{"x": 1}, {"x": "?"}]}, columns(x="double"))
        assert caught.value.details == [{"column": "x", "row": 1, "expected": "double", "found": "string '?'"}]

    def test_an_optional_integer_given_as_null_counts_as_absent(self):
        schema = Schema((ColSpec(Scalar("long"), "x", False), ColSpec(Scalar("double"), "y")))
        assert list(data_of({"inputs": {"x": None, "y": 1}}, schema)) == ["y"]
        assert list(data_of({"inputs": {"x": [None], "y": [1]}}, schema)) == ["y"]
        assert list(data_of({"inputs": [{"x": None, "y": 1}]}, schema)[0]) == ["y"]

    def test_strict_refuses_what_lenient_bends(self):
        assert data_of({"inputs": {"x": ["1"]}}, columns(x="long"))["x"].tolist() == [1]
        with pytest.raises(SchemaMismatch):
            data_of({"inputs": {"x": ["1"]}}, columns(x="long"), STRICT)

    @pytest.mark.divergence("D46")
    def test_rows_of_unequal_length_fit_a_tensor_whose_rows_may_have_any_length(self):
        ragged = data_of({"inputs": [[1, 2], [3]]}, Schema((TensorSpec("float32", (-1, -1)),)))
        assert (ragged.dtype, ragged.shape) == (object, (2,))
        assert [(row.dtype, row.tolist()) for row in ragged] == [(np.float32, [1.0, 2.0]), (np.float32, [3.0])]
        assert enforce(ragged, Schema((TensorSpec("float32", (-1, -1)),)), LENIENT) is ragged

    @pytest.mark.parametrize(
        ("value", "shape"),
        [
            ([[1, 2], [3]], (-1, 2)),
            ([[1, "x"], [3]], (-1, -1)),
            ([[1, 2], 3], (-1, -1)),
            ([[[1], [2]], [[3]]], (-1, -1)),
            ([[[1, 2]], [[3]]], (-1, -1, 2)),
            ([[[1, 2], [3]], [[3]]], (-1, -1, -1)),
        ],
    )
    def test_other_unequal_rows_are_refused(self, value, shape):
        with pytest.raises(SchemaMismatch):
            data_of({"inputs": value}, Schema((TensorSpec("float32", shape),)))

    def test_a_tensor_of_the_wrong_kind_names_itself(self):
        with pytest.raises(SchemaMismatch) as caught:
            data_of({"inputs": {"x": ["a"]}}, tensors(x=("float32", (-1,))))
        assert caught.value.details[0]["expected"] == "float32 tensor"

    @pytest.mark.divergence("array-optional-null")
    def test_null_for_an_optional_array_stays_null(self):
        array = Array(Scalar("double"))
        schema = Schema((ColSpec(array, "x", required=False), ColSpec(array, "y")))
        assert data_of({"inputs": {"x": None, "y": [1]}}, schema)["x"] is None
        assert data_of({"inputs": [{"x": None, "y": [1]}]}, schema)[0]["x"] is None

    @pytest.mark.divergence("tensor-bytes-numbers")
    def test_numbers_for_a_tensor_of_bytes_are_their_texts_under_every_key(self):
        schema = Schema((TensorSpec("bytes", (-1,)),))
        for body in ({"dataframe_split": {"data": [[7], ["a"]]}}, {"inputs": [7, "a"]}, {"instances": [7, "a"]}):
            assert enforce(data_of(body, schema), schema, LENIENT).tolist() == [b"7", b"a"]

    def test_nesting_without_end_is_refused(self):
        body = b'{"inputs": {"x": ' + b"[" * 900 + b"]" * 900 + b"}}"
        kind = Scalar("double")
        for _ in range(1200):
            kind = Array(kind)
        with pytest.raises(InvalidInput):
            to_data(read_json(body, ()), columns(x=kind), LENIENT)
        with pytest.raises(InvalidInput):
            to_data(read_json(body, ()), tensors(x=("float32", (-1,))), LENIENT)


class TestInstances:
    def test_a_list_of_objects_becomes_columns(self):
        found = data_of({"instances": [{"x": 1, "y": [1, 2]}, {"x": 2, "y": [3, 4]}]})
        assert found["x"].tolist() == [1, 2]
        assert found["y"].shape == (2, 2)

    def test_nested_columns_stay_with_their_rows(self):
        found = data_of({"instances": [{"x": [1]}, {"x": [2, 3]}]}, columns(x=Array(Scalar("double"))))
        assert [item["x"].tolist() for item in found] == [[1.0], [2.0, 3.0]]

    @pytest.mark.divergence("instances-object-tensor")
    def test_cells_of_an_object_tensor_arrive_as_they_are(self):
        found = data_of({"instances": [{"x": 1}, {"x": "a"}]}, tensors(x=("object", (-1,))))
        assert [type(value) for value in found["x"]] == [int, str]

    def test_other_values_are_read_as_inputs_are(self):
        assert data_of({"instances": [[1, 2]]}).shape == (1, 2)
        assert data_of({"instances": {"x": [1]}}, columns(x="double"))["x"].tolist() == [1.0]

    def test_unequal_lengths_are_refused(self):
        schema = columns(x="double", y="double")
        for value in ({"x": [1, 2], "y": [1]}, [{"x": 1, "y": 2}, {"x": 3}]):
            with pytest.raises(InvalidInput, match="unequal lengths"):
                data_of({"instances": value}, schema)
        assert data_of({"inputs": {"x": [1, 2], "y": [1]}}, schema)["y"].shape == (1,)

    def test_objects_mixed_with_other_values_are_refused(self):
        with pytest.raises(InvalidInput):
            data_of({"instances": [{"x": 1}, 2]}, columns(x="double"))


class TestTypeHints:
    def test_inputs_are_handed_over_as_they_are(self):
        assert data_of({"inputs": [{"a": "YQ=="}]}, unnamed("binary"), from_type_hint=True) == [{"a": "YQ=="}]

    @pytest.mark.parametrize("form", ["instances", "dataframe_split", "dataframe_records"])
    def test_other_forms_are_refused(self, form):
        with pytest.raises(SchemaMismatch) as caught:
            data_of({form: [1]}, unnamed("long"), from_type_hint=True)
        assert caught.value.code == "INVALID_PARAMETER_VALUE"

    def test_a_chat_request_goes_its_own_way(self):
        assert data_of({"messages": []}, unnamed("long"), from_type_hint=True) == {"messages": []}


class TestCsv:
    def test_values_are_read_as_declared(self):
        schema = columns(i="integer", d="double", s="string", b="boolean", t="datetime", y="binary", x=AnyType())
        frame = read_csv(b"i,d,s,b,t,y,x\n1,2,007,True,2020-01-01T01:00:00+01:00,YQ==,q\n", schema, LENIENT)
        assert [str(dtype) for dtype in frame.dtypes][:2] == ["int32", "float64"]
        assert frame.loc[0, "s"] == "007"
        assert frame["b"].tolist() == [True]
        assert frame.loc[0, "t"] == pd.Timestamp("2020-01-01")
        assert frame["y"].tolist() == [b"a"]
        assert frame["x"].tolist() == ["q"]

    def test_array_columns_hold_json(self):
        schema = columns(a=Array(Scalar("double")))
        assert read_csv(b'a\n"[1, 2.5]"\n', schema, LENIENT)["a"].tolist() == [[1.0, 2.5]]
        with pytest.raises(SchemaMismatch, match="as JSON"):
            read_csv(b"a\n[1\n", schema, LENIENT)

    def test_tensor_signatures_work(self):
        frame = read_csv(b"a,b\n1,2\n", Schema((TensorSpec("float32", (-1, 2)),)), LENIENT)
        assert [str(dtype) for dtype in frame.dtypes] == ["float32", "float32"]

    def test_text_stays_text_by_position_too(self):
        frame = read_csv(b"q,r\n007,1\n", unnamed("string", "long"), LENIENT)
        assert (frame.loc[0, "q"], frame.loc[0, "r"]) == ("007", 1)

    @pytest.mark.divergence("csv-index")
    def test_rows_one_longer_than_the_header_begin_with_their_index(self):
        frame = read_csv(b"a,b\n7,1,2.5\n8,3,4\n", unnamed("long", "double"), LENIENT)
        assert [str(dtype) for dtype in frame.dtypes] == ["int64", "float64"]
        assert frame.index.tolist() == [7, 8]

    @pytest.mark.divergence("csv-boolean-blank")
    def test_a_blank_truth_value_is_null(self):
        assert read_csv(b"b,x\nTrue,1\n,2\n", columns(b="boolean", x="long"), LENIENT)["b"].tolist() == [True, None]

    def test_without_signature_pandas_decides(self):
        assert read_csv(b"a,b\n1,x\n", None, LENIENT)["a"].tolist() == [1]

    @pytest.mark.divergence("D41")
    @pytest.mark.parametrize(
        "body",
        [
            b"1,2.5,a\n3,4,b\n",
            b"1,2.5,a\r\n3,4,b",
            b"\xef\xbb\xbf1,2.5,a\n3,4,b\n\n\n",
            b'"1","2.5","a"\n"3","4","b"\n',
            b"x,y,s\n1,2.5,a\n3,4,b\n",
        ],
    )
    def test_a_first_line_of_values_is_a_row(self, body):
        frame = read_csv(body, columns(x="long", y="double", s="string"), LENIENT)
        assert frame.to_dict("list") == {"x": [1, 3], "y": [2.5, 4.0], "s": ["a", "b"]}

    @pytest.mark.divergence("D41")
    def test_a_first_line_of_values_without_names(self):
        assert read_csv(b"1,2\n3,4\n", unnamed("double", "long"), LENIENT).to_numpy().tolist() == [[1, 2], [3, 4]]
        assert read_csv(b"0,1\n3,4\n", unnamed("double", "long"), LENIENT).to_numpy().tolist() == [[3, 4]]
        assert read_csv(b"1,2\n", Schema((TensorSpec("float32", (-1, 2)),)), LENIENT).shape == (1, 2)
        assert read_csv(b"1\n2\n", Schema((TensorSpec("int64", (-1,)),)), LENIENT).shape == (2, 1)

    def test_what_is_wrong_below_a_first_line_of_values_is_named(self):
        with pytest.raises(SchemaMismatch) as caught:
            read_csv(b"1,2\n3,x\n", columns(x="double", y="double"), LENIENT)
        assert (caught.value.details[0]["column"], caught.value.details[0]["row"]) == ("y", 1)
        with pytest.raises(InvalidInput, match="line 3 has 4 fields, the lines before it 2"):
            read_csv(b"1,2\n3,4\n5,6,7,8\n", columns(x="double", y="double"), LENIENT)

    @pytest.mark.divergence("D42")
    def test_a_declared_name_twice_is_refused(self):
        with pytest.raises(InvalidInput, match="'x' more than once"):
            read_csv(b"x,y,x\n1,2,3\n", columns(x="double", y="double"), LENIENT)
        assert read_csv(b"x,y,z,z\n1,2,3,4\n", columns(x="double", y="double"), LENIENT)["x"].tolist() == [1.0]
        assert read_csv(b"x,x\n1,2\n", None, LENIENT).shape == (1, 2)

    def test_lists_for_tensors_are_json(self):
        frame = read_csv(b'a,b\n"[1, 2]",3\n', tensors(a=("float32", (-1, 2)), b=("int64", (-1,))), LENIENT)
        assert (frame.loc[0, "a"], frame.loc[0, "b"]) == ([1, 2], 3)
        images = Schema((TensorSpec("uint8", (-1, 2, 2)),))
        assert read_csv(b'x\n"[1, 2, 3, 4]"\n', images, LENIENT).iloc[0, 0] == [1, 2, 3, 4]
        with pytest.raises(SchemaMismatch, match="as JSON"):
            read_csv(b'x\n"[1, 2"\n', images, LENIENT)

    def test_longer_rows_are_no_row_labels_where_a_tensor_is_meant(self):
        with pytest.raises(InvalidInput, match="more fields than the header"):
            read_csv(b"a,b\n1,2,3\n", Schema((TensorSpec("float32", (-1, 2)),)), LENIENT)
        assert read_csv(b"a,b\n7,2,3\n", columns(a="double", b="double"), LENIENT).index.tolist() == [7]

    def test_a_header_alone_makes_no_rows(self):
        frame = read_csv(b"x,t\n", columns(x="long", t="datetime"), LENIENT)
        assert frame.shape == (0, 2)
        assert [str(dtype) for dtype in frame.dtypes] == ["int64", "datetime64[ns]"]

    @pytest.mark.parametrize(
        ("body", "type_name"),
        [
            (b"x\n1.5\n", "long"),
            (b'x\n1\n""\n', "long"),
            (b"x\nabc\n", "boolean"),
            (b"x\nabc\n", "double"),
            (b"x\n3000000000\n", "integer"),
            (b"x\n99999999999999999999\n", "long"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, body, type_name):
        with pytest.raises(SchemaMismatch) as caught:
            read_csv(body, columns(x=type_name), LENIENT)
        assert caught.value.details[0]["column"] == "x"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "empty"),
            (b"\n\r\n", "empty"),
            (b"\xef\xbb\xbf", "empty"),
            (b"a\n\xff\n", "UTF-8"),
            (b'a,b\n"1,2\n', "CSV"),
            (b"a\n1,2\n1,2,3\n", "line 3 has 3 fields, the lines before it 2"),
        ],
    )
    def test_what_is_no_csv_is_refused(self, body, words):
        with pytest.raises(InvalidInput, match=words):
            read_csv(body, None, LENIENT)
