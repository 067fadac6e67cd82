import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.data_types import AnyType, Array, Map, Object, Property, Scalar
from modelport_runtime.enforcement.data import enforce
from modelport_runtime.errors import MAX_DETAILS, SchemaMismatch
from modelport_runtime.policy import LENIENT, STRICT
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec
from tests.runtime.enforcement.table import LENIENT_OUTCOMES, STRICT_OUTCOMES, TYPES, source

NAN = float("nan")


def named(**types):
    return Schema(tuple(ColSpec(Scalar(t) if isinstance(t, str) else t, name) for name, t in types.items()))


def optional(name, kind):
    return Schema((ColSpec(Scalar("double"), "always"), ColSpec(kind, name, required=False)))


def unnamed(*types):
    return Schema(tuple(ColSpec(Scalar(t)) for t in types))


def objects(*values):
    return pd.Series(list(values), dtype=object)


def column(values, kind, policy=LENIENT):
    """One column of a frame enforced as a required column."""
    values = values if isinstance(values, pd.Series) else pd.Series(values)
    kind = Scalar(kind) if isinstance(kind, str) else kind
    return enforce(pd.DataFrame({"x": values}), Schema((ColSpec(kind, "x"),)), policy)["x"]


def refusal(data, schema, policy=LENIENT):
    with pytest.raises(SchemaMismatch) as caught:
        enforce(data, schema, policy)
    return caught.value


def cell(value, kind, required=True, policy=LENIENT):
    """One cell of a nested column enforced."""
    schema = Schema((ColSpec(Scalar("long"), "always"), ColSpec(kind, "x", required=required)))
    return enforce(pd.DataFrame({"always": [1], "x": objects(value)}), schema, policy)["x"].iloc[0]


# -- scalar columns: the whole table

CELLS = [
    pytest.param(policy, row, name, outcome, id=f"{policy.name}: {row} as {name}")
    for policy, table in ((LENIENT, LENIENT_OUTCOMES), (STRICT, STRICT_OUTCOMES))
    for row, outcomes in table.items()
    for name, outcome in outcomes.items()
]


@pytest.mark.parametrize(("policy", "row", "name", "outcome"), CELLS)
@pytest.mark.divergence("C1", "C2", "C6", "C7", "C8", "C10", "C11", "C12", "C13", "C14", "C15", "C16", "C18")
def test_a_column_is_kept_converted_or_refused_as_the_table_says(policy, row, name, outcome):
    values = source(row)
    before = values.copy()
    schema = named(x=name)
    if outcome == "-":
        error = refusal(pd.DataFrame({"x": values}), schema, policy)
        assert error.details[0]["column"] == "x"
        assert error.details[0]["expected"] == name
    else:
        result = enforce(pd.DataFrame({"x": values}), schema, policy)["x"]
        assert str(result.dtype) == (str(values.dtype) if outcome == "=" else outcome)
        if outcome == "=":
            assert result.equals(values)
        assert len(result) == len(values)
    assert values.equals(before)


def test_the_tables_cover_every_type_for_every_source():
    assert LENIENT_OUTCOMES.keys() == STRICT_OUTCOMES.keys()
    for outcomes in (*LENIENT_OUTCOMES.values(), *STRICT_OUTCOMES.values()):
        assert tuple(outcomes) == TYPES


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (objects("2024-01-02", "2024-01-03T01:02:03.5"), "datetime", ["2024-01-02", "2024-01-03T01:02:03.5"]),
        (objects("2024-01-02", None), "datetime", ["2024-01-02", "NaT"]),
        (objects("2024-01-02T03Z", "2024-01-02T03:00+02:00"), "datetime", ["2024-01-02T03:00", "2024-01-02T01:00"]),
        (objects("2024-01-02T03:04:05.123456789"), "datetime", ["2024-01-02T03:04:05.123456789"]),
        (objects("20240102", "2024-03"), "datetime", ["2024-01-02", "2024-03-01"]),
        (objects("01/02/2020"), "datetime", ["2020-01-02"]),
        (objects(dt.date(2024, 1, 2), None), "datetime", ["2024-01-02", "NaT"]),
        (objects(pd.Timestamp("2024-01-02"), np.datetime64("2024-01-03")), "datetime", ["2024-01-02", "2024-01-03"]),
    ],
)  # fmt: skip
@pytest.mark.divergence("C2", "C3", "C4")
def test_moments_arrive_as_naive_utc_nanoseconds(values, name, expected):
    np.testing.assert_array_equal(column(values, name).to_numpy(), np.array(expected, dtype="datetime64[ns]"))


@pytest.mark.parametrize(
    "text", ["10", "now", "maybe", "2024-13-01", "2024-01-02 of may", "", "3024-01-01", "31/12/2020"]
)
@pytest.mark.divergence("C5")
def test_text_that_is_no_moment_is_refused_with_its_row(text):
    error = refusal(pd.DataFrame({"x": objects("2024-01-02", text)}), named(x="datetime"))
    assert error.details[0]["row"] == 1
    assert error.details[0]["found"].split(" (")[0] == f"string {text!r}"


def test_an_array_of_moments_among_moments_is_refused_with_its_row():
    moments = np.array(["2024-01-02"], dtype="datetime64[ns]")
    error = refusal(pd.DataFrame({"x": objects(moments[0], moments)}), named(x="datetime"))
    assert (error.details[0]["row"], error.details[0]["found"]) == (1, "ndarray")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (objects(True, None), [1.0, NAN]),
        (objects(True, 2), [1.0, 2.0]),
        (objects(Decimal("1.5"), None), [1.5, NAN]),
        (objects(1, None), [1.0, NAN]),
        (objects(2**80), [float(2**80)]),
        (pd.Series([1, None], dtype="Float64"), [1.0, NAN]),
        (pd.Series([1, None], dtype="Int32"), [1.0, NAN]),
    ],
)
@pytest.mark.divergence("C8", "C9", "C10")
def test_objects_and_nullable_numbers_become_doubles(values, expected):
    np.testing.assert_array_equal(column(values, "double").to_numpy(), expected)


# -- what the strict policy promises


@pytest.mark.parametrize(
    ("values", "name", "found"),
    [
        ([1.0, 48.5], "long", "double 48.5 (not whole)"),
        ([1, 3000000000], "integer", "long 3000000000 (out of range)"),
        ([1.0, 3e9], "integer", "double 3000000000.0 (out of range)"),
        ([1.0, 2.0**63], "long", "double 9.223372036854776e+18 (out of range)"),
        ([1.0, float("inf")], "long", "double inf (not whole)"),
        ([1.0, NAN], "long", "null"),
        (objects(1, None), "long", "null"),
        (objects(1, 2**63), "long", "long 9223372036854775808 (out of range)"),
        ([1, 2**53 + 1], "double", "long 9007199254740993 (not exact as double)"),
        ([1, 2**63 - 1], "double", "long 9223372036854775807 (not exact as double)"),
        ([1, 2**24 + 1], "float", "long 16777217 (not exact as float)"),
        ([1.0, 1e39], "float", "double 1e+39 (out of range)"),
        ([1, 2**62], "datetime", "long 4611686018427387904 (out of range)"),
        (objects(True, "false"), "boolean", "string 'false'"),
        (objects("2024-01-02", "01/02/2020"), "datetime", "string '01/02/2020'"),
    ],
)
@pytest.mark.divergence("C4")
def test_strict_names_the_cell_that_would_be_damaged(values, name, found):
    error = refusal(pd.DataFrame({"x": values}), named(x=name), STRICT)
    assert error.details == [{"column": "x", "row": 1, "expected": name, "found": found}]


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ([48.0], "long", [48]),
        ([-(2.0**63)], "long", [-(2**63)]),
        ([2**31 - 1], "integer", [2**31 - 1]),
        ([7], "string", [7]),
        ([2**53], "double", [2.0**53]),
        ([-(2**63)], "double", [-(2.0**63)]),
        ([0.1], "float", [float(np.float32(0.1))]),
        ([1709287200000], "datetime", [pd.Timestamp("2024-03-01T10:00:00")]),
        ([1709287200000.0], "datetime", [pd.Timestamp("2024-03-01T10:00:00")]),
        (["2024-03-01"], "datetime", [pd.Timestamp("2024-03-01")]),
        (["2024-03-01T10:00:00Z"], "datetime", [pd.Timestamp("2024-03-01T10:00:00")]),
        (objects(Decimal("2")), "long", [2]),
    ],
)
@pytest.mark.divergence("C11")
def test_strict_accepts_what_fits(values, name, expected):
    assert column(values, name, STRICT).tolist() == expected


def test_strict_milliseconds_may_have_gaps():
    for values in (pd.Series([1709287200000, None]), objects(1709287200000, None)):
        result = column(values, "datetime", STRICT)
        assert result.iloc[0] == pd.Timestamp("2024-03-01T10:00:00")
        assert result.isna().tolist() == [False, True]


@pytest.mark.parametrize("policy", [LENIENT, STRICT])
@pytest.mark.divergence("C14")
def test_no_rows_fit_any_column_type(policy):
    schema = named(a="long", b="datetime", c="boolean", d="string", e=Array(Scalar("double")))
    result = enforce(pd.DataFrame({name: objects() for name in "abcde"}), schema, policy)
    assert [str(dtype) for dtype in result.dtypes] == ["int64", "datetime64[ns]", "bool", "object", "object"]
    assert len(result) == 0


def test_nulls_in_text_are_kept():
    assert column(objects("a", None), "string", STRICT).tolist() == ["a", None]


# -- which columns


@pytest.mark.divergence("I5")
def test_a_frame_that_fits_is_returned_itself():
    frame = pd.DataFrame({"a": [1.5], "b": [1], "c": ["x"], "d": [True]})
    assert enforce(frame, named(a="double", b="long", c="string", d="boolean"), LENIENT) is frame


def test_columns_are_ordered_and_extra_ones_dropped(caplog):
    frame = pd.DataFrame({"z": [0], "b": [1], "a": [1.5]})
    result = enforce(frame, named(a="double", b="long"), LENIENT)
    assert result.columns.tolist() == ["a", "b"]
    assert "'z'" in caplog.text


def test_the_index_is_kept_even_if_it_repeats():
    frame = pd.DataFrame({"a": np.array([1, 2], dtype="int32"), "b": objects([1], [2])})
    frame.index = ["r", "r"]
    result = enforce(frame, named(a="long", b=Array(Scalar("long"))), LENIENT)
    assert result.index.tolist() == ["r", "r"]
    assert result["b"].tolist() == [[1], [2]]


def test_missing_optional_columns_stay_absent():
    result = enforce(pd.DataFrame({"always": [1.0]}), optional("x", Scalar("long")), LENIENT)
    assert result.columns.tolist() == ["always"]


@pytest.mark.parametrize("policy", [LENIENT, STRICT])
@pytest.mark.parametrize("values", [objects(None, None), pd.Series([NAN, NAN])])
@pytest.mark.parametrize("name", ["integer", "long"])
@pytest.mark.divergence("C17")
def test_an_optional_integer_column_without_any_value_counts_as_absent(policy, values, name):
    result = enforce(pd.DataFrame({"always": [1.0, 2.0], "x": values}), optional("x", Scalar(name)), policy)
    assert result.columns.tolist() == ["always"]


@pytest.mark.divergence("C17")
@pytest.mark.parametrize("name", ["float", "boolean", "string", "binary", "datetime"])
def test_so_does_any_optional_column_of_gaps_that_its_type_cannot_hold(name):
    frame = pd.DataFrame({"always": [1.0, 2.0], "x": [NAN, NAN]})
    assert enforce(frame, optional("x", Scalar(name)), LENIENT).columns.tolist() == ["always"]


@pytest.mark.divergence("C19")
def test_a_column_of_any_type_is_left_as_it_is():
    values = objects(1, 2)
    result = column(values, AnyType())
    assert result.dtype == object
    assert result.equals(values)


def test_a_required_integer_column_without_any_value_is_refused():
    assert refusal(pd.DataFrame({"x": objects(None)}), named(x="long")).details[0]["column"] == "x"


@pytest.mark.divergence("I6")
def test_every_offending_column_is_named_at_once():
    frame = pd.DataFrame({"a": ["x"], "b": [1.5], "c": [1.0], "extra": [1]})
    error = refusal(frame, named(a="double", b="long", c="double", d="string"))
    assert error.details == [
        {"column": "d", "expected": "string", "found": "missing"},
        {"column": "a", "expected": "double", "found": "string"},
        {"column": "b", "expected": "long", "found": "double"},
    ]
    assert error.code == "INVALID_PARAMETER_VALUE"
    assert "'extra'" in error.message
    for text in ("column 'd': expected string, found missing", "column 'b': expected long, found double"):
        assert text in error.message


def test_details_are_bounded():
    frame = pd.DataFrame({f"c{i}": ["x"] for i in range(MAX_DETAILS + 5)})
    error = refusal(frame, named(**dict.fromkeys(frame.columns, "double")))
    assert len(error.details) == MAX_DETAILS
    assert "and 5 more" in error.message


@pytest.mark.divergence("I6")
def test_a_value_is_shown_shortened():
    error = refusal(pd.DataFrame({"x": objects(1.5, "y" * 10_000)}), named(x="double"))
    assert error.details[0]["row"] == 1
    assert len(error.details[0]["found"]) <= 100
    assert len(error.message) < 500


def test_integers_with_gaps_get_a_hint():
    assert "double" in refusal(pd.DataFrame({"x": [1.0, NAN]}), named(x="long")).hint
    assert refusal(pd.DataFrame({"x": [1.5, NAN]}), named(x="long")).hint is None


def test_details_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_SCHEMA_DETAILS", "true")
    error = refusal(pd.DataFrame({"secret": ["x"]}), named(secret="double"))
    assert error.details == []
    assert error.hint is None
    assert "secret" not in error.message


@pytest.mark.divergence("I3")
def test_a_column_sent_twice_is_refused():
    frame = pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    assert refusal(frame, named(a="double")).details[0]["found"] == "several of that name"


@pytest.mark.divergence("S4")
def test_a_name_twice_in_the_schema_is_one_column():
    schema = Schema((ColSpec(Scalar("string"), "a"), ColSpec(Scalar("double"), "a")))
    assert enforce(pd.DataFrame({"a": [1.5]}), schema, LENIENT).to_dict("list") == {"a": [1.5]}


@pytest.mark.divergence("S3")
def test_integer_names_are_names():
    schema = Schema((ColSpec(Scalar("long"), 1), ColSpec(Scalar("double"), 0)))
    assert enforce(pd.DataFrame([[1.5, 2]]), schema, LENIENT).columns.tolist() == [1, 0]


@pytest.mark.divergence("I4")
def test_unnamed_columns_go_by_position_and_keep_their_labels():
    frame = pd.DataFrame([[1, 2.5, "x"]], columns=["p", "p", "q"])
    result = enforce(frame, unnamed("long", "double"), LENIENT)
    assert result.columns.tolist() == ["p", "p"]
    assert [str(dtype) for dtype in result.dtypes] == ["int64", "float64"]


def test_too_few_unnamed_columns_are_refused():
    error = refusal(pd.DataFrame([[1.5]]), unnamed("double", "string"))
    assert error.details == [{"column": 1, "expected": "string", "found": "missing"}]


def test_wide_frames_that_fit_cost_microseconds_per_column():
    import timeit

    width = 500
    frame = pd.DataFrame({f"c{i}": [1.0] for i in range(width)})
    schema = named(**dict.fromkeys(frame.columns, "double"))
    seconds = min(timeit.repeat(lambda: enforce(frame, schema, LENIENT), number=1, repeat=20))
    assert seconds / width < 10e-6


# -- shapes of Python input


@pytest.mark.parametrize(
    ("data", "schema", "expected"),
    [
        ("text", unnamed("string"), {0: ["text"]}),
        (1.5, unnamed("double"), {0: [1.5]}),
        (["a", "b"], unnamed("string"), {0: ["a", "b"]}),
        (np.array([[1.5, 2.5]]), unnamed("double", "double"), {0: [1.5], 1: [2.5]}),
        ({"q": "a"}, named(q="string"), {"q": ["a"]}),
        ({"q": "a", "n": 1.5}, named(n="double", q="string"), {"n": [1.5], "q": ["a"]}),
        ({"n": [1.5, 2.5]}, named(n="double"), {"n": [1.5, 2.5]}),
        ({"q": ["a", "b"]}, named(q="string"), {"q": [["a", "b"]]}),
        ({"q": ["a", "b"], "n": [1.5, 2.5]}, named(q="string", n="double"), {"q": ["a", "b"], "n": [1.5, 2.5]}),
        ({"q": np.array("a")}, named(q="string"), {"q": ["a"]}),
        ({"q": np.array(["a", "b"])}, named(q="string"), {"q": ["a", "b"]}),
        ({"a": [1, 2]}, named(a=Array(Scalar("long"))), {"a": [[1, 2]]}),
        ({"a": np.array([[1, 2], [3, 4]])}, named(a=AnyType()), {"a": [[1, 2], [3, 4]]}),
        ({"m": {"k": 1}}, named(m=Map(Scalar("long"))), {"m": [{"k": 1}]}),
        ({"m": [{"k": 1}, {"j": 2}]}, named(m=Map(Scalar("long"))), {"m": [{"k": 1}, {"j": 2}]}),
        ([{"q": "a"}, {"q": "b"}], named(q="string"), {"q": ["a", "b"]}),
        (pd.Series([1.5], name="n"), named(n="double"), {"n": [1.5]}),
        (pd.Series([1.5]), unnamed("double"), {0: [1.5]}),
    ],
)
@pytest.mark.divergence("I1", "I2")
def test_python_values_become_frames(data, schema, expected):
    assert enforce(data, schema, LENIENT).to_dict("list") == expected


@pytest.mark.parametrize("data", [None, object(), ("a",), {"x": [1.5], "y": [1.5, 2.5]}, np.zeros((1, 1, 1)), {"a"}])
def test_what_is_no_table_is_refused(data):
    assert refusal(data, named(x="double", y="double")).details[0]["expected"] == "DataFrame"


def test_a_sparse_matrix_does_not_fit_columns():
    sparse = pytest.importorskip("scipy.sparse")
    refusal(sparse.csr_matrix(np.eye(2)), unnamed("double", "double"))


# -- nested columns

DAYS = np.array(["2024-01-02"], dtype="datetime64[ns]")
LONG, DOUBLE, STRING = Scalar("long"), Scalar("double"), Scalar("string")
PERSON = Object((Property("age", LONG), Property("height", DOUBLE, required=False)))


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ([1, 2.5], Array(DOUBLE), [1.0, 2.5]),
        ([1, 2], Array(DOUBLE), [1.0, 2.0]),
        ([1, 2], Array(LONG), [1, 2]),
        ([1, 2], Array(Scalar("integer")), [1, 2]),
        ([1.5, 2], Array(Scalar("float")), [1.5, 2.0]),
        ([True], Array(Scalar("boolean")), [True]),
        ([True, None], Array(Scalar("boolean")), [True, None]),
        (["a", None], Array(STRING), ["a", None]),
        ([b"a\0", "b"], Array(Scalar("binary")), [b"a\0", b"b"]),
        ([dt.date(2024, 1, 2), "2024-01-02T00:00:00Z"], Array(Scalar("datetime")), [pd.Timestamp("2024-01-02")] * 2),
        ([], Array(LONG), []),
        ([[1], []], Array(Array(LONG)), [[1], []]),
        ([["x", 1, None]], Array(Array(AnyType())), [["x", 1, None]]),
        ([1.5], Array(DOUBLE, spark_vector=True), [1.5]),
        ({"age": 1}, PERSON, {"age": 1}),
        ({"age": 1, "height": 2}, PERSON, {"age": 1, "height": 2.0}),
        ({"age": 1, "height": None}, PERSON, {"age": 1, "height": None}),
        ([{"age": 1}], Array(PERSON), [{"age": 1}]),
        ({"a": 1, "b": 2}, Map(LONG), {"a": 1, "b": 2}),
        ({}, Map(LONG), {}),
        ({"a": [1]}, Map(Array(LONG)), {"a": [1]}),
        (None, Map(AnyType()), None),
        (None, Array(AnyType()), None),
        (None, AnyType(), None),
        ((1, {2}), AnyType(), (1, {2})),
    ],
)
@pytest.mark.divergence("N1", "N2", "N5", "N6", "N9")
def test_nested_cells_that_fit(value, kind, expected):
    assert cell(value, kind) == expected


@pytest.mark.parametrize(
    ("value", "kind", "path", "expected", "found"),
    [
        ([1.0, "a"], Array(DOUBLE), "[1]", "double", "string 'a'"),
        ([True], Array(DOUBLE), "[0]", "double", "boolean True"),
        ([1, 2.5], Array(LONG), "[1]", "long", "double 2.5"),
        ([1, None], Array(LONG), "[1]", "long", "null"),
        ([2**31], Array(Scalar("integer")), "[0]", "integer", "long 2147483648 (out of range)"),
        ([1e39], Array(Scalar("float")), "[0]", "float", "double 1e+39 (out of range)"),
        (["a", 1], Array(STRING), "[1]", "string", "long 1"),
        ([0], Array(Scalar("boolean")), "[0]", "boolean", "long 0"),
        ([5], Array(Scalar("datetime")), "[0]", "datetime", "long 5"),
        ((1, 2), Array(LONG), None, "array(long)", "tuple"),
        (None, Array(LONG), None, "array(long)", "null"),
        ([[1]], Array(LONG), "[0]", "long", "list"),
        ([None], Array(Array(LONG)), "[0]", "array(long)", "null"),
        ({"height": 1.5}, PERSON, ".age", "long", "missing"),
        ({"age": 1, "size": 2}, PERSON, ".size", "nothing", "a property that the signature does not have"),
        ({"age": 1.5}, PERSON, ".age", "long", "double 1.5"),
        ({"age": None}, PERSON, ".age", "long", "null"),
        ([{"age": 1}, {"age": "x"}], Array(PERSON), "[1].age", "long", "string 'x'"),
        ({1: 1}, Map(LONG), None, "text keys", "the key long 1"),
        ({"a": "x"}, Map(LONG), ".a", "long", "string 'x'"),
        ("text", PERSON, None, "object(age: long, height: double)", "string 'text'"),
        (NAN, Array(LONG), None, "array(long)", "null"),
    ],
)  # fmt: skip
@pytest.mark.divergence("N7", "N8")
def test_nested_cells_that_do_not_fit_say_where(value, kind, path, expected, found):
    frame = pd.DataFrame({"x": objects([] if isinstance(kind, Array) else value, value)})
    if not isinstance(kind, Array):
        frame = frame.iloc[1:]
    detail = refusal(frame, named(x=kind)).details[0]
    row = 1 if isinstance(kind, Array) else 0
    assert detail == {
        "column": "x",
        "row": row,
        **({"path": path} if path else {}),
        "expected": expected,
        "found": found,
    }


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, Array(LONG), None),
        (NAN, Array(LONG), None),
        (None, PERSON, None),
        ({}, PERSON, {}),
        (None, Map(LONG), None),
        ({"a": None}, Map(LONG), {"a": None}),
        ([None, ["a"]], Array(Array(STRING)), [None, ["a"]]),
        ([{"age": 1}, None], Array(PERSON), [{"age": 1}, None]),
    ],
)
@pytest.mark.divergence("N12")
def test_optional_nested_columns_and_what_is_in_them_may_be_missing(value, kind, expected):
    assert cell(value, kind, required=False) == expected
    if value != {}:
        with pytest.raises(SchemaMismatch):
            cell(value, kind, required=True)


@pytest.mark.divergence("N4")
def test_leaves_of_objects_and_maps_are_numpy_scalars():
    kind = Object(tuple(Property(name, Scalar(name)) for name in TYPES))
    values = [True, 1, 2, 1.5, 2.5, "t", b"b", "2024-01-02"]
    result = cell(dict(zip(TYPES, values, strict=True)), kind)
    expected = [np.bool_, np.int32, np.int64, np.float32, np.float64, str, bytes, pd.Timestamp]
    assert [type(result[name]) for name in TYPES] == expected
    assert type(cell({"a": 1}, Map(LONG))["a"]) is np.int64


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (np.array([1, 2]), Array(DOUBLE), np.array([1.0, 2.0])),
        (np.array([1.5], dtype="float32"), Array(DOUBLE), np.array([1.5])),
        (np.array([1.5]), Array(Scalar("float")), np.array([1.5], dtype="float32")),
        (np.array([1, 2]), Array(Scalar("integer")), np.array([1, 2], dtype="int32")),
        (np.array(["a"]), Array(STRING), np.array(["a"])),
        (np.array(["a", None], dtype=object), Array(STRING), np.array(["a", None], dtype=object)),
        (np.array([b"a\0"], dtype=object), Array(Scalar("binary")), np.array([b"a\0"], dtype=object)),
        (np.array([1, 2], dtype=object), Array(LONG), np.array([1, 2])),
        (DAYS.astype("datetime64[s]"), Array(Scalar("datetime")), DAYS),
        (np.array(["2024-01-02"], dtype=object), Array(Scalar("datetime")), DAYS),
        (np.array([[1, 2]]), Array(Array(LONG)), np.array([[1, 2]])),
        (np.array([]), Array(LONG), np.array([])),
    ],
)  # fmt: skip
def test_arrays_in_cells_stay_arrays(value, kind, expected):
    result = cell(value, kind)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("value", "kind", "path", "found"),
    [
        (np.array([2**40]), Array(Scalar("integer")), "[0]", "long 1099511627776 (out of range)"),
        (np.array([1.5]), Array(LONG), None, "double"),
        (np.array([[1, 2]]), Array(LONG), None, "an array of 2 dimensions"),
        (np.array([True]), Array(DOUBLE), None, "boolean"),
        (np.array(["a"]), Array(DOUBLE), "[0]", "string 'a'"),
    ],
)
def test_arrays_in_cells_that_do_not_fit(value, kind, path, found):
    policy = STRICT if path == "[0]" else LENIENT
    detail = refusal(pd.DataFrame({"x": objects(value)}), named(x=kind), policy).details[0]
    assert detail.get("path") == path
    assert detail["found"] == found


@pytest.mark.divergence("N7", "N11")
@pytest.mark.parametrize("value", [b"a", Decimal(1), dt.date(2024, 1, 2)])
def test_only_text_fits_text_in_lists_and_objects(value):
    member = Object((Property("s", STRING),))
    assert cell(["a"], Array(STRING)) == ["a"]
    assert cell({"s": "a"}, member) == {"s": "a"}
    for wrong, kind in ((["a", value], Array(STRING)), ({"s": value}, member)):
        assert refusal(pd.DataFrame({"x": objects(wrong)}), named(x=kind)).details[0]["expected"] == "string"


@pytest.mark.divergence("N7")
def test_strict_keeps_integers_among_text():
    assert cell(["a", 1], Array(STRING), policy=STRICT) == ["a", 1]


@pytest.mark.divergence("N9")
def test_text_for_binary_becomes_its_bytes_in_lists_and_objects():
    assert cell(["é", b"a\0"], Array(Scalar("binary"))) == ["é".encode(), b"a\0"]
    assert cell({"b": "é"}, Object((Property("b", Scalar("binary")),))) == {"b": "é".encode()}


@pytest.mark.divergence("N10")
@pytest.mark.parametrize("value", [[True], [True, None]])
def test_truth_values_are_no_doubles_with_or_without_gaps(value):
    assert refusal(pd.DataFrame({"x": objects(value)}), named(x=Array(DOUBLE))).details[0]["found"] == "boolean True"


@pytest.mark.divergence("N5")
def test_every_way_to_say_a_moment_fits_a_member_of_an_object():
    day = pd.Timestamp("2024-01-02")
    for value in (day, dt.date(2024, 1, 2), dt.datetime(2024, 1, 2), "2024-01-02"):
        assert cell({"t": value}, Object((Property("t", Scalar("datetime")),))) == {"t": day}


@pytest.mark.divergence("N3")
def test_the_callers_nested_values_are_never_written_into():
    person = {"age": 1, "height": 2}
    numbers = [1, 2]
    people = [person]
    frame = pd.DataFrame({"p": objects(person), "n": objects(numbers), "l": objects(people)})
    result = enforce(frame, named(p=PERSON, n=Array(DOUBLE), l=Array(PERSON)), LENIENT)
    assert type(person["height"]) is int
    assert people == [{"age": 1, "height": 2}]
    assert numbers == [1, 2]
    assert result["p"].iloc[0] is not person
    assert frame["p"].iloc[0] is person


# -- tensors


def tensor(dtype, *shape, name=None):
    return TensorSpec(dtype, shape, name)


def test_a_tensor_that_fits_goes_through_untouched():
    array = np.zeros((2, 3), dtype="float32")
    assert enforce(array, Schema((tensor("float32", -1, 3),)), LENIENT) is array


@pytest.mark.parametrize(
    ("data", "spec", "found"),
    [
        (np.zeros((2, 3)), tensor("float32", -1, 3), "float64(2, 3)"),
        (np.zeros((2, 3), dtype="int64"), tensor("float64", -1, 3), "int64(2, 3)"),
        (np.zeros((2, 4)), tensor("float64", -1, 3), "float64(2, 4)"),
        (np.zeros(3), tensor("float64", -1, 3), "float64(3)"),
        ([[1.0]], tensor("float64", -1, 1), "list"),
        ("text", tensor("str", -1), "string 'text'"),
        ({"a": 1}, tensor("float64", -1), "dict"),
    ],
)
def test_tensors_must_have_the_rank_the_fixed_sizes_and_the_dtype(data, spec, found):
    detail = refusal(data, Schema((spec,))).details[0]
    assert detail == {"expected": f"{spec.dtype}({', '.join(map(str, spec.shape))})", "found": found}


@pytest.mark.parametrize(
    ("data", "spec"),
    [
        (np.zeros((2, 5, 7, 3)), tensor("float64", -1, -1, -1, 3)),
        (np.array(["abc"]), tensor("str", -1)),
        (np.array([b"abc"]), tensor("bytes", -1)),
        (np.array([[1], [1, 2]], dtype=object), tensor("object", -1)),
        (np.zeros((2, 2)), tensor("object", -1)),
        (np.array([np.zeros((1, 3)), np.zeros((2, 3))], dtype=object), tensor("float64", -1, -1, 3)),
        (np.zeros((0, 3)), tensor("float64", -1, 3)),
    ],
)
def test_sized_texts_and_ragged_arrays_fit(data, spec):
    assert enforce(data, Schema((spec,)), LENIENT) is data


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix"])
def test_sparse_matrices_fit_unnamed_tensors(kind):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = getattr(sparse, kind)(np.eye(3))
    assert enforce(matrix, Schema((tensor("float64", -1, 3),)), LENIENT) is matrix
    refusal(matrix, Schema((tensor("float32", -1, 3),)))


@pytest.mark.parametrize(
    ("frame", "spec", "expected"),
    [
        (pd.DataFrame([[1.0, 2.0]]), tensor("float64", -1, 2), np.array([[1.0, 2.0]])),
        (pd.DataFrame({"x": [1, 2]}, index=[7, 8]), tensor("float32", -1), np.array([1, 2], dtype="float32")),
        (pd.DataFrame({"x": [1, 2]}), tensor("float64", -1, 1), np.array([[1.0], [2.0]])),
        (pd.DataFrame({"x": [[1, 2, 3, 4]]}), tensor("float32", -1, 2, 2), np.array([[[1, 2], [3, 4]]], "float32")),
        (pd.DataFrame({"x": [np.array([1, 2])]}), tensor("float32", -1, 2), np.array([[1, 2]], dtype="float32")),
        (pd.DataFrame({"x": ["a", "b"]}), tensor("str", -1), np.array(["a", "b"])),
        (pd.DataFrame({"x": [np.array([2.0])]}), tensor("int64", -1, 1), np.array([[2]])),
    ],
)  # fmt: skip
@pytest.mark.divergence("T1", "T3")
def test_frames_fill_tensors(frame, spec, expected):
    result = enforce(frame, Schema((spec,)), LENIENT)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("frame", "spec"),
    [
        (pd.DataFrame([[1, 2]]), tensor("float64", -1, 2)),
        (pd.DataFrame([[1.0, 2.0]]), tensor("float64", -1, 3)),
        (pd.DataFrame({"x": [1.0]}), tensor("float64", -1, 2)),
        (pd.DataFrame({"x": [1.0]}), tensor("float64", 1)),
        (pd.DataFrame({"x": [[1.0], [1.0, 2.0]]}), tensor("float64", -1, 2)),
        (pd.DataFrame({"x": [[1.0, 2.0]]}), tensor("float64", -1, 1)),
        (pd.DataFrame({"x": [[[1.0]]]}), tensor("float64", -1, 1)),
        (pd.DataFrame({"x": [["a"]]}), tensor("float64", -1, 1)),
        (pd.DataFrame({"x": [np.array([1.5])]}), tensor("int64", -1, 1)),
        (pd.DataFrame({"x": []}), tensor("float64", -1)),
        (pd.DataFrame(), tensor("float64", -1, 2)),
    ],
)
@pytest.mark.divergence("T1", "T4", "T6")
def test_frames_that_cannot_fill_a_tensor(frame, spec):
    refusal(frame, Schema((spec,)))


@pytest.mark.divergence("T4")
def test_a_frame_without_rows_is_an_empty_tensor_for_the_strict_policy():
    result = enforce(pd.DataFrame({"x": []}), Schema((tensor("float32", -1, 4),)), STRICT)
    assert result.shape == (0, 4)
    assert result.dtype == "float32"


@pytest.mark.divergence("T2")
def test_strict_never_cuts_fractions_off_tensors():
    frame = pd.DataFrame({"x": [[1.7]]})
    assert enforce(frame, Schema((tensor("int64", -1, 1),)), LENIENT).tolist() == [[1]]
    refusal(frame, Schema((tensor("int64", -1, 1),)), STRICT)


NAMED = Schema((tensor("float64", -1, name="a"), tensor("float32", -1, 2, name="b")))


def test_named_tensors_are_ordered_and_extra_ones_dropped(caplog):
    data = {"c": np.zeros(1), "b": np.zeros((1, 2), dtype="float32"), "a": np.zeros(1)}
    assert list(enforce(data, NAMED, LENIENT)) == ["a", "b"]
    assert "c" in caplog.text
    frame = pd.DataFrame({"b": [[1, 2]], "a": [1.5]})
    assert enforce(frame, NAMED, LENIENT)["b"].tolist() == [[1.0, 2.0]]


def test_every_wrong_tensor_is_named():
    assert refusal({"b": [1.0, 2.0]}, NAMED).details == [
        {"column": "a", "expected": "float64(-1)", "found": "missing"},
        {"column": "b", "expected": "float32(-1, 2)", "found": "list"},
    ]
    assert len(refusal(np.zeros(1), NAMED).details) == 2


def test_one_named_tensor_takes_a_bare_array():
    schema = Schema((tensor("float64", -1, name="a"),))
    assert enforce(np.zeros(2), schema, LENIENT)["a"].tolist() == [0.0, 0.0]


@pytest.mark.divergence("T5")
@pytest.mark.parametrize("kind", ["csr_array", "csc_array"])
def test_sparse_arrays_fit_as_sparse_matrices_do(kind):
    sparse = pytest.importorskip("scipy.sparse")
    array = getattr(sparse, kind)(np.eye(3))
    assert enforce(array, Schema((tensor("float64", -1, 3),)), LENIENT) is array
