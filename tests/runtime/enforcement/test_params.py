import datetime as dt
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from modelport_runtime.data_types import Object, Property, Scalar
from modelport_runtime.enforcement.params import enforce_params
from modelport_runtime.errors import MAX_DETAILS, SchemaMismatch
from modelport_runtime.specs import ParamSpec

NAN = float("nan")
SETTINGS = Object((Property("a", Scalar("long")), Property("b", Scalar("string"), required=False)))


def spec(kind, default=None, shape=None, name="p"):
    return ParamSpec(name, Scalar(kind) if isinstance(kind, str) else kind, default, shape)


def one(value, kind, shape=None):
    return enforce_params({"p": value}, (spec(kind, shape=shape),))["p"]


def refusal(params, *specs):
    with pytest.raises(SchemaMismatch) as caught:
        enforce_params(params, specs)
    assert caught.value.message.startswith("Invalid parameters found")
    assert caught.value.code == "INVALID_PARAMETER_VALUE"
    return caught.value


@pytest.mark.parametrize("params", [{"x": 1}, "text", [1]])
def test_without_specs_everything_given_is_ignored_and_said(params, caplog):
    assert enforce_params(params, None) == {}
    assert "no params" in caplog.text


@pytest.mark.parametrize("params", [None, {}])
def test_nothing_given_is_nothing_to_say(params, caplog):
    assert enforce_params(params, None) == {}
    assert enforce_params(params, (spec("long", 5),)) == {"p": 5}
    assert caplog.text == ""


def test_given_params_come_first_in_their_order_then_the_defaults():
    specs = (spec("long", 1, name="a"), spec("long", 2, name="b"), spec("long", 3, name="c"))
    assert list(enforce_params({"c": 9, "a": 8}, specs).items()) == [("c", 9), ("a", 8), ("b", 2)]


def test_unknown_names_are_ignored_and_other_keys_become_text(caplog):
    assert enforce_params({1: 5, "q": 0}, (spec("long", 1, name="1"),)) == {"1": 5}
    assert "'q'" in caplog.text


@pytest.mark.parametrize("params", [5, "x", [1]])
def test_params_must_be_an_object(params):
    assert refusal(params, spec("long", 1)).details[0]["expected"] == "object"


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, "boolean", True),
        (np.bool_(True), "boolean", True),
        (1, "integer", 1),
        (2**40, "integer", 2**40),
        (np.int64(1), "integer", 1),
        (2**70, "long", 2**70),
        (1, "float", 1.0),
        (1e300, "float", 1e300),
        (np.float64(1.5), "float", 1.5),
        (1, "double", 1.0),
        (np.float32(1.5), "double", 1.5),
        ("a", "string", "a"),
        (np.str_("a"), "string", "a"),
        ("2024-01-02", "datetime", dt.date(2024, 1, 2)),
        ("2024", "datetime", dt.date(2024, 1, 1)),
        ("2024-03", "datetime", dt.date(2024, 3, 1)),
        ("2024-01-02 03", "datetime", dt.datetime(2024, 1, 2, 3)),
        ("2024-01-02T03:04:05Z", "datetime", dt.datetime(2024, 1, 2, 3, 4, 5)),
        ("2024-01-02T03:04:05+02:00", "datetime", dt.datetime(2024, 1, 2, 1, 4, 5)),
        ("2024-01-02T03:04:05-0230", "datetime", dt.datetime(2024, 1, 2, 5, 34, 5)),
        ("2024-01-02T03:04:05.123456789", "datetime", dt.datetime(2024, 1, 2, 3, 4, 5, 123456)),
        (dt.date(2024, 1, 2), "datetime", dt.date(2024, 1, 2)),
        (dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "datetime", dt.datetime(2024, 1, 2)),
        (pd.Timestamp("2024-01-02T00:00:00.000000001"), "datetime", dt.datetime(2024, 1, 2)),
        (np.datetime64("2024-01-02"), "datetime", dt.date(2024, 1, 2)),
        (np.datetime64("2024-01-02T03", "ns"), "datetime", dt.datetime(2024, 1, 2, 3)),
    ],
)
@pytest.mark.divergence("P1", "P2", "P4")
def test_values_that_fit_become_builtin(value, kind, expected):
    result = one(value, kind)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("kind", ["boolean", "integer", "long", "float", "double", "string", "datetime"])
@pytest.mark.divergence("P3")
def test_null_fits_every_scalar_and_overrides_the_default(kind):
    assert enforce_params({"p": None}, (spec(kind, "default"),)) == {"p": None}


@pytest.mark.parametrize(
    ("value", "kind", "found"),
    [
        (1, "boolean", "long 1"),
        ("true", "boolean", "string 'true'"),
        (True, "integer", "boolean True"),
        (2.0, "integer", "double 2.0"),
        ("2", "long", "string '2'"),
        (NAN, "long", "null"),
        (True, "double", "boolean True"),
        ("1.5", "double", "string '1.5'"),
        (10**400, "double", "long of 1329 bits (out of range)"),
        (1, "string", "long 1"),
        ("soon", "datetime", "string 'soon'"),
        ("2024-13-01", "datetime", "string '2024-13-01' (no such moment)"),
        (1704153600, "datetime", "long 1704153600"),
        ([1], "long", "list"),
        ({"a": 1}, "long", "dict"),
    ],
)
def test_values_that_do_not_fit_are_refused(value, kind, found):
    assert refusal({"p": value}, spec(kind)).details == [{"param": "p", "expected": kind, "found": found}]


@pytest.mark.parametrize(
    ("value", "expected"), [([1, 2], [1, 2]), ([], []), ([1, None], [1, None]), (np.array([1, 2]), [1, 2])]
)
def test_lists_are_checked_item_by_item(value, expected):
    result = one(value, "long", (-1,))
    assert result == expected
    assert type(result) is list


@pytest.mark.parametrize(
    ("value", "param", "expected", "found"),
    [
        (1, "p", "list of long", "long 1"),
        (None, "p", "list of long", "null"),
        ((1, 2), "p", "list of long", "tuple"),
        ([1, "a"], "p[1]", "long", "string 'a'"),
        ([[1]], "p[0]", "long", "list"),
    ],
)
def test_lists_that_do_not_fit_say_where(value, param, expected, found):
    error = refusal({"p": value}, spec("long", [1], (-1,)))
    assert error.details == [{"param": param, "expected": expected, "found": found}]


@pytest.mark.divergence("P3")
def test_objects_are_checked_but_passed_on_as_they_were_sent():
    given = {"a": 2, "b": None}
    assert one(given, SETTINGS) is given
    for wrong, place in (({"a": "x"}, "p.a"), ({}, "p.a"), ({"a": 1, "c": 1}, "p.c"), (None, "p")):
        assert refusal({"p": wrong}, spec(SETTINGS)).details[0]["param"] == place


def test_all_wrong_params_are_named_at_once():
    error = refusal({"a": "x", "b": 1.5}, spec("long", name="a"), spec("long", name="b"))
    assert [detail["param"] for detail in error.details] == ["a", "b"]
    assert "'a': expected long, found string 'x'" in error.message


def test_details_are_bounded_and_values_shortened():
    specs = tuple(spec("long", name=f"p{i}") for i in range(MAX_DETAILS + 5))
    error = refusal({s.name: "y" * 10_000 for s in specs}, *specs)
    assert len(error.details) == MAX_DETAILS
    assert "and 5 more" in error.message
    assert len(error.details[0]["found"]) <= 100


@pytest.mark.divergence("P6")
def test_a_model_that_writes_into_a_default_does_not_change_the_next_request():
    specs = (spec("long", [1], (-1,)),)
    enforce_params(None, specs)["p"].append(2)
    assert enforce_params(None, specs) == {"p": [1]}


def test_params_need_neither_numpy_nor_pandas():
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['pandas'] = None\n"
        "from modelport_runtime.signature import read_signature\n"
        "params = [{'name': 'd', 'type': 'datetime', 'default': '2024-01-02T03:04:05', 'shape': None},\n"
        "  {'name': 'o', 'type': 'object', 'default': {'a': 1.5, 'b': ['2024-01-02']}, 'shape': None, 'properties':\n"
        "   {'a': {'type': 'float'}, 'b': {'type': 'array', 'items': {'type': 'datetime'}}}}]\n"
        "from modelport_runtime.enforcement.params import enforce_params\n"
        "print(enforce_params({'d': '2025'}, read_signature({'params': params}).params))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "datetime.date(2025, 1, 1)" in done.stdout


@pytest.mark.divergence("P5")
@pytest.mark.parametrize("text", ["now", "today", "NaT", "2"])
def test_words_and_short_numbers_are_no_moments(text):
    assert refusal({"p": text}, spec("datetime")).details[0]["found"].startswith(f"string {text!r}")


@pytest.mark.divergence("P7")
@pytest.mark.parametrize("kind", ["float", "double"])
def test_a_decimal_is_a_number(kind):
    assert one(Decimal("1.5"), kind) == 1.5
