"""`modelport inspect` parses, asks once and formats."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelport import cli
from modelport.errors import ModelportError
from modelport.model.inspection.inspecting import inspect


@pytest.fixture
def model(saved_models: Callable[[str], Path]) -> str:
    return str(saved_models("mlflow-3") / "python_class")


def test_the_text_has_a_section_for_everything(model: str) -> None:
    result = CliRunner().invoke(cli.app, ["inspect", model])
    assert result.exit_code == 0
    titles = [line for line in result.output.splitlines() if line and line[0] != " " and "  " not in line]
    assert titles[:3] == ["signature", "example", "request"]
    assert titles[-3:] == ["dependencies", "sizes", "runs code when it is loaded"]


def test_the_json_is_the_whole_inspection(model: str) -> None:
    result = CliRunner().invoke(cli.app, ["inspect", model, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.output) == json.loads(json.dumps(inspect(model).as_json()))


@pytest.mark.parametrize("arguments", [["no-such-model"], ["s3://bucket/model"], [".", "--python", "nothing"], ["."]])
def test_what_cannot_be_inspected_is_an_error_of_ours(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.app, ["inspect", *arguments])
    assert isinstance(result.exception, ModelportError)


def test_the_help_shows_an_example() -> None:
    assert "modelport inspect ./model" in CliRunner().invoke(cli.app, ["inspect", "--help"]).output
