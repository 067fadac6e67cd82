"""The same values and the same documents with the private orjson and with the standard library."""

import datetime
import importlib.util
import json
import math
import sys

import pytest

from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import jsonio


def private_orjson():
    """orjson as a bundle lays it out: the bare extension module under the runtime's own name; None without orjson."""
    spec = importlib.util.find_spec("orjson.orjson") if importlib.util.find_spec("orjson") else None
    if spec is None or spec.origin is None:
        return None
    private = importlib.util.spec_from_file_location("modelport_runtime._vendor.orjson", spec.origin)
    module = importlib.util.module_from_spec(private)
    private.loader.exec_module(module)
    return module


PRIVATE_ORJSON = private_orjson()
LIBRARIES = {"json": None} if PRIVATE_ORJSON is None else {"json": None, "orjson": PRIVATE_ORJSON}
"""A model's environment need not have orjson; our own has it, so there both are tested."""


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    monkeypatch.setattr(jsonio, "_orjson", LIBRARIES[request.param])
    return request.param


def test_the_library_in_use_is_named(library):
    assert jsonio.library().startswith(library)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a": 1, "a": 2}',
        "\ufeff[1]",
        "[1e400, -1e400, 1e-400, -0.0, 1E5]",
        "[NaN, Infinity, -Infinity]",
        "18446744073709551615",
        "18446744073709551616",
        "[-9223372036854775808, -9223372036854775809]",
        "[1,123456789012345678901234567890]",
        '{"a":123456789012345678901234567890}',
        '{"a": -12345678901234567890}',
        "[0.00012345678901234567890123, 1234567890123456789012.5, 12345678901234567890e2]",
        '["12345678901234567890123", ", 12345678901234567890123"]',
        '["\\ud800", "\\u00e9", "é", "\\ud83d\\ude00"]',
        "[" * 300 + "]" * 300,
        " [true, false, null] ",
    ],
)
def test_values_are_those_of_the_standard_library(library, text):
    found, expected = jsonio.loads(text.encode()), json.loads(text.encode())
    assert repr(found) == repr(expected)


def test_seventeen_digits_and_nanoseconds_do_not_look_like_integers_beyond_64_bits():
    body = json.dumps([0.00012345678901234567, -1 / 3, 1e-300, 2**63 - 1, -(10**17), 1700000000000000000]).encode()
    assert not jsonio._has_long_integer(body)
    assert jsonio._has_long_integer(b"[1, 12345678901234567890]")
    assert jsonio._has_long_integer(b"-1234567890123456789")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b'{"a": 1,}', "line 1, column"),
        (b'{\n"a": x}', "line 2, column 6"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[1, 2", "line 1, column 6"),
        (b"01", "not valid JSON"),
    ],
)
@pytest.mark.divergence("payload-json-depth")
def test_what_is_no_json_is_refused_with_the_place(library, body, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        jsonio.loads(body)
    assert caught.value.code == "BAD_REQUEST"


@pytest.mark.divergence("payload-json-long-digits")
def test_an_absurdly_long_integer_is_read_or_refused_never_rounded(library):
    body = b"[" + b"9" * 6000 + b"]"
    if hasattr(sys, "get_int_max_str_digits"):
        with pytest.raises(InvalidInput, match="number that cannot be read"):
            jsonio.loads(body)
    else:
        assert jsonio.loads(body) == [10**6000 - 1]


@pytest.mark.parametrize(
    ("value", "document"),
    [
        ([math.nan, math.inf, -math.inf, 1.5], [None, None, None, 1.5]),
        ({"a": {"b": [math.nan]}}, {"a": {"b": [None]}}),
        ([2**64, -(2**63) - 1, 2**64 - 1], [2**64, -(2**63) - 1, 2**64 - 1]),
        ("é\u2028\U0001f600", "é\u2028\U0001f600"),
        ("\ud800", "\ud800"),
        (
            {1: "a", 2.5: "b", False: "c", None: "d", math.nan: "e"},
            {"1": "a", "false": "c", "2.5": "b", "null": "d", "NaN": "e"},
        ),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ([datetime.date(2020, 1, 2), math.nan], ["2020-01-02", None]),
    ],
)
@pytest.mark.divergence("nan", "text-escapes")
def test_documents_are_valid_and_equal(library, value, document):
    assert json.loads(jsonio.dumps(value), parse_constant=pytest.fail) == document


def test_a_value_that_contains_itself_is_refused(library):
    loop: list = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        jsonio.dumps(loop)
