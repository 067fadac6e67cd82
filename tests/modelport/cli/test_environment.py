"""`modelport environment`: what is refused before anything is looked at, and what is said where nothing is there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelport import cli
from modelport.cli.environment import _seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45m", 2700), ("12h", 43200), ("30d", 2592000), ("2w", 1209600), ("0.5d", 43200)],
)
def test_times_have_units(text: str, seconds: float) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1y", "1d2h"])
def test_other_times_are_refused(text: str) -> None:
    result = CliRunner().invoke(cli.app, ["environment", "prune", "--older-than", text])
    assert result.exit_code == 2
    assert "give one like 12h, 30d or 2w" in result.output


@pytest.mark.parametrize("arguments", [[], ["3f", "-m", "model"]])
def test_show_takes_an_id_or_a_model(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.app, ["environment", "show", *arguments])
    assert result.exit_code == 2
    assert "give either an ID or -m MODEL" in result.output


def test_where_nothing_was_built_nothing_is_listed(tmp_path: Path) -> None:
    home = {"MODELPORT_HOME": str(tmp_path)}
    assert CliRunner().invoke(cli.app, ["environment", "list"], env=home).output == (
        f"there are no environments under {tmp_path / 'envs'}\n"
    )
    assert CliRunner().invoke(cli.app, ["environment", "list", "--json"], env=home).output == "[]\n"
    assert CliRunner().invoke(cli.app, ["environment", "prune"], env=home).output == "0 removed, 0 bytes freed\n"


def test_an_operation_on_requirements_is_add_or_remove() -> None:
    result = CliRunner().invoke(cli.app, ["update-pip-requirements", "-m", "model", "replace", "numpy"])
    assert result.exit_code == 2
    assert "'replace' is neither add nor remove" in result.output
