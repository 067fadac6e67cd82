"""`modelport bench`: what is refused before anything is sent."""

import socket

import pytest
from typer.testing import CliRunner

from modelport import cli
from modelport.errors import ModelportError

HERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-c", "many"], "--concurrency: 'many' are no numbers of connections"),
        (["-i", "there-is-none.json"], "--input-path: cannot read 'there-is-none.json'"),
        (["-i", "a", "-m", "b"], "give -i or -m, not both"),
        (["-H", "no header"], "--header: 'no header' is no header"),
        (["-H", "a b: c"], "--header: 'a b: c' is no header"),
        (["-H", "a: b\r\nc: d"], "is no header"),
        (["--requests", "0"], "--requests"),
    ],
)
def test_flags_that_make_no_sense_are_a_usage_error(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli.app, ["bench", HERE, *arguments], terminal_width=300)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["http://models.example"], "models.example is not this machine, and would get up to 64 connections", "--yes"),
        (["ftp://x"], "is no URL of an endpoint", "http://127.0.0.1:5000/invocations"),
        ([HERE, "-c", "513"], "a level may have 1 to 512", None),
        ([HERE, "-c", "0"], "a level may have 1 to 512", None),
        ([HERE, "--duration", "61"], "a level may last up to 60 s", None),
        ([HERE, "--duration", "nan"], "a level may last up to 60 s", None),
        ([HERE, *["-c", "1"] * 11], "11 levels were asked for; there may be 1 to 10", None),
        ([HERE, "-m", "there-is-none"], "there is no model at 'there-is-none'", None),
    ],
)
def test_what_is_out_of_bounds_is_refused(arguments: list[str], said: str, hint: str | None) -> None:
    result = CliRunner().invoke(cli.app, ["bench", *arguments])
    assert isinstance(result.exception, ModelportError)
    assert said in result.exception.message
    assert hint is None or hint in str(result.exception.hint)


def test_where_nobody_listens_it_says_so() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = CliRunner().invoke(cli.app, ["bench", f"127.0.0.1:{unused.getsockname()[1]}"])
    assert isinstance(result.exception, ModelportError)
    assert result.exception.code == "UNREACHABLE"
    assert "Connection refused" in result.exception.message
