"""The flags of `modelport package create` as what makes the package is told of them."""

from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import modelport.cli
from modelport.settings import EnvironmentSettings


def test_flags_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def create(*arguments: Any) -> Any:
        told.extend(arguments)
        return SimpleNamespace(files={}, size=0, python="3.10.4")

    monkeypatch.setattr("modelport.package.creating.create", create)
    arguments = ["-o", "a.mpkg", "--python", "3.10", "--newest", "--keep-mlflow", "-r", "numpy>=1,<2, a[x,y]==1"]
    arguments += ["--platform", "manylinux2014_aarch64"]
    result = CliRunner().invoke(modelport.cli.app, ["package", "create", "model", *arguments])
    assert result.exit_code == 0, result.output
    wanted = EnvironmentSettings("uv", None, "3.10", True, True, ("numpy>=1,<2", "a[x,y]==1"))
    assert (told[:3], told[3]) == (["model", "a.mpkg", None], wanted)
    assert told[6].tags[0] == "manylinux_2_17_aarch64"
