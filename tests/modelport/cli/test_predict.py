"""`modelport predict`: what is refused before anything starts, and that the document tells every flag."""

import re

import pytest
import typer
from typer.testing import CliRunner

import modelport.cli
from tests.support.saved import ROOT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env-manager", "docker"], "There is uv, virtualenv, conda, local."),
        (["--env-manager", "uv", "--python", "p"], "give one of the two"),
        (["--env-manager", "local", "-r", "numpy==2.0"], "nothing is installed with --env-manager local"),
        (["--whole", "--chunk-rows", "5"], "exclude each other"),
        (["-w", "0"], "'--workers'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(modelport.cli.app, ["predict", "-m", "nowhere", *arguments])
    assert result.exit_code == 2
    assert said in " ".join(re.sub(r"[│\s]+", " ", result.output).split())


def test_every_flag_is_documented() -> None:
    command = typer.main.get_command(modelport.cli.app).commands["predict"]  # type: ignore[attr-defined]
    rows = re.findall(r"^\| (`-.*?) \|", (ROOT / "docs/scoring-files.md").read_text(), re.MULTILINE)
    documented = {flag for row in rows for flag in re.findall(r"`(-[\w-]+)`", row)}
    assert documented == {
        flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
