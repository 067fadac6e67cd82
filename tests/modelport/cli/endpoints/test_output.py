"""Answers as az prints them."""

import json

import pytest
import typer
import yaml

from modelport.cli.endpoints.output import formatted, plain, queried
from modelport.domain.access import Grant
from modelport.domain.credentials import Keys

ONE = {
    "name": "blue",
    "id": "7",
    "tags": {"a": "b"},
    "instance_count": 2,
    "error": None,
    "is_live": True,
    "notices": ["x"],
}
TWO = {**ONE, "name": "green", "error": "no memory"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text\n"),
        (True, "true\n"),
        (3, "3\n"),
        (["a", "b"], "a\nb\n"),
        ([["a", True, None], ["b", 1, {"c": 2}]], "a\tTrue\tNone\nb\t1\t\n"),
        (ONE, "None\t7\t2\tTrue\tblue\t1\t\n"),
        ([], ""),
    ],
)
def test_tsv_has_the_cells_that_scripts_cut(value: object, text: str) -> None:
    assert formatted(value, "tsv") == text


def test_tsv_keeps_the_order_of_a_query() -> None:
    assert formatted(queried(ONE, "{b: name, a: instance_count}"), "tsv", chosen=True) == "blue\t2\n"


def test_a_table_has_the_plain_values_by_name() -> None:
    assert formatted([ONE, TWO], "table").splitlines() == [
        "Instance_count  Is_live  Name   Error",
        "--------------  -------  -----  ---------",
        "2               True     blue",
        "2               True     green  no memory",
    ]
    assert formatted([["a", 1], ["b", None]], "table").splitlines() == [
        "Column1  Column2",
        "-------  -------",
        "a        1",
        "b",
    ]
    assert formatted("x", "table") == "Result\n------\nx\n"
    assert formatted([], "table") == ""


def test_a_table_keeps_the_order_of_a_query() -> None:
    assert formatted(
        queried([ONE], "[].{name: name, id: id, count: instance_count}"), "table", chosen=True
    ).splitlines() == [
        "Name  Count",
        "----  -----",
        "blue  2",
    ]


@pytest.mark.parametrize("form", ["json", "jsonc"])
def test_json_is_json_where_nobody_sees_colours(form: str) -> None:
    text = formatted({"a": "é", "b": [1, None]}, form)
    assert text == '{\n  "a": "é",\n  "b": [\n    1,\n    null\n  ]\n}\n'


def test_jsonc_is_json_with_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    import re
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    text = formatted(ONE, "jsonc")
    assert "\x1b[" in text
    assert json.loads(re.sub(r"\x1b\[[\d;]*m", "", text)) == ONE


def test_yaml_and_none() -> None:
    assert yaml.safe_load(formatted(ONE, "yaml")) == ONE
    assert formatted("x", "yaml") == "x\n"
    assert formatted(ONE, "none") == ""


def test_objects_have_the_names_of_their_files() -> None:
    assert plain([Grant(scope="read")]) == [{"scope": "read", "endpoint": "*"}]
    assert plain({"k": Keys(primary_key="a", secondary_key="b")}) == {"k": {"primaryKey": "a", "secondaryKey": "b"}}


def test_a_query_that_is_none_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="Invalid jmespath"):
        queried({}, "[")
