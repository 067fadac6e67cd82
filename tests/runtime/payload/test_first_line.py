"""When the first line of a CSV body is a row, not a header."""

import pytest

from modelport_runtime.data_types import AnyType, Array, Map, Object, Property, Scalar
from modelport_runtime.payload.first_line import first_fields, is_row
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec


def named(*types):
    return Schema(tuple(ColSpec(kind_of(kind), name) for name, kind in zip("pqrstuvw", types, strict=False)))


def unnamed(*types):
    return Schema(tuple(ColSpec(kind_of(kind)) for kind in types))


def kind_of(kind):
    return Scalar(kind) if isinstance(kind, str) else kind


def tensor(dtype, *shape):
    return Schema((TensorSpec(dtype, shape),))


class TestFirstFields:
    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            (b"a,b\n1,2\n", ["a", "b"]),
            (b"1,2", ["1", "2"]),
            (b"a,b\r\n1,2\r\n", ["a", "b"]),
            (b"a,b\r1,2\r", ["a", "b"]),
            (b"\n \r\n\r\na,b\n", ["a", "b"]),
            (b"\xef\xbb\xbfa,b\n", ["a", "b"]),
            (b"\xef\xbb\xbf\n1,2\n", ["1", "2"]),
            (b'"a, b","say ""c"""\n', ["a, b", 'say "c"']),
            (b'"two\nlines",b\n1,2\n', ["two\nlines", "b"]),
            (b'\n"1","2"\n', ["1", "2"]),
            ("é,b\n".encode(), ["é", "b"]),
            (b"\xff,b\n", ["\ufffd", "b"]),
            (b"", []),
            (b"\xef\xbb\xbf", []),
            (b"\n\r\n  \n", []),
        ],
    )
    def test_the_first_line_that_is_not_blank(self, body, fields):
        assert first_fields(body) == fields

    def test_a_field_beyond_the_readers_limit_is_no_error(self):
        assert first_fields(b'"' + b"a" * 200_000 + b'"\n') == []
        assert first_fields(b"a" * 200_000 + b"\n") == ["a" * 200_000]


class TestColumns:
    @pytest.mark.parametrize(
        ("line", "types"),
        [
            ("1,2,3,4", ["double"] * 4),
            ("1,-2.5,1e3,.5", ["integer", "float", "double", "double"]),
            ("red,0.5", ["string", "double"]),
            ("True,0", ["boolean", "boolean"]),
            (",2", ["double", "double"]),
            ("NA,inf", ["double", "double"]),
            ("2020-01-02T03:04:05Z,a", ["datetime", "string"]),
            ("01/02/2020", ["datetime"]),
            ("dGVzdA==,x", ["binary", "string"]),
            (" 1 , 2", ["long", "long"]),
            ("1,whatever", ["long", AnyType()]),
        ],
    )
    def test_values_of_the_declared_types_are_a_row(self, line, types):
        assert is_row(line.split(","), named(*types))
        assert is_row(line.split(","), unnamed(*types))

    @pytest.mark.parametrize(
        ("line", "types"),
        [
            ("x,y", ["double", "double"]),
            ("1,y", ["double", "double"]),
            ("1,2,3", ["double", "double"]),
            ("1", ["double", "double"]),
            ("word", ["string"]),
            ("7", ["string"]),
            ("word", [AnyType()]),
            ("data", ["binary"]),
            ("no base64!", ["binary"]),
            (",", ["double", "double"]),
            ("yes", ["boolean"]),
            ("today", ["datetime"]),
            ("1_000", ["long"]),
            ("0x10", ["long"]),
        ],
    )
    def test_anything_else_is_a_header(self, line, types):
        assert not is_row(line.split(","), named(*types))
        assert not is_row(line.split(","), unnamed(*types))

    @pytest.mark.parametrize(
        ("text", "kind", "expected"),
        [
            ("[1, 2]", Array(Scalar("long")), True),
            ('{"k": 1}', Array(Scalar("long")), False),
            ('{"k": 1}', Map(Scalar("long")), True),
            ('{"k": 1}', Object((Property("k", Scalar("long")),)), True),
            ("[1, 2", Array(Scalar("long")), False),
            ("1", Array(Scalar("long")), False),
        ],
    )
    def test_nested_values_are_json(self, text, kind, expected):
        assert is_row([text], named(kind)) is expected

    def test_a_declared_name_makes_it_a_header(self):
        schema = Schema((ColSpec(Scalar("double"), "1"), ColSpec(Scalar("double"), 2)))
        assert is_row(["3", "4"], schema)
        assert not is_row(["1", "4"], schema)
        assert not is_row(["3", " 2"], schema)

    def test_positions_are_the_names_of_columns_without_names(self):
        assert not is_row(["0", "1"], unnamed("double", "long"))
        assert is_row(["1", "0"], unnamed("double", "long"))


class TestTensors:
    @pytest.mark.parametrize(
        ("line", "schema"),
        [
            ("1,2,3", tensor("float32", -1, 3)),
            ("1,2,3,4", tensor("float64", -1, -1)),
            ("1", tensor("int64", -1)),
            ("1.5,2", tensor("int64", -1, 2)),
            ("1", tensor("uint8", -1, 1)),
            ("true", tensor("bool", -1)),
            ("2020-01-01", tensor("datetime64[ns]", -1)),
        ],
    )
    def test_a_row_of_the_tensors_width(self, line, schema):
        assert is_row(line.split(","), schema)

    @pytest.mark.parametrize(
        ("line", "schema"),
        [
            ("a,b,c", tensor("float32", -1, 3)),
            ("1,2", tensor("float32", -1, 3)),
            ("0,1,2", tensor("float32", -1, 3)),
            ("1,2", tensor("int64", -1)),
            ("word", tensor("str", -1)),
            ("word", tensor("bytes", -1)),
            ("7", tensor("object", -1)),
            ("1,2,3,4", tensor("uint8", -1, 2, 2)),
        ],
    )
    def test_anything_else_is_a_header(self, line, schema):
        assert not is_row(line.split(","), schema)

    def test_a_tensor_of_more_dimensions_is_one_column_of_lists(self):
        assert is_row(["[1, 2, 3, 4]"], tensor("uint8", -1, 2, 2))

    def test_named_tensors_are_columns(self):
        schema = Schema((TensorSpec("float32", (-1, 2), "a"), TensorSpec("int64", (-1,), "b")))
        assert is_row(["[1, 2]", "3"], schema)
        assert not is_row(["a", "b"], schema)
        assert not is_row(["1", "3"], schema)
