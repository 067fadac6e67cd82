"""`--config FILE`: keys are flags; a flag and a variable win over the file; what nobody can mean is refused."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from modelport import cli, server
from modelport.settings import MIB, EnvironmentSettings, ModelSource, ServeSettings

LOCAL = EnvironmentSettings(manager="local")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Runs ``modelport serve --config`` with this content, up to the point where it would serve."""
    served: list[ServeSettings] = []
    monkeypatch.setattr(server, "serve", served.append)
    log = logging.getLogger("modelport")
    before, level = list(log.handlers), log.level

    def run(content: Any, *arguments: str, **variables: str) -> tuple[Result, ServeSettings | None]:
        file = tmp_path / "serve.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        result = CliRunner().invoke(cli.app, ["serve", "--config", str(file), *arguments], env=dict(variables))
        return result, served.pop() if served else None

    yield run
    log.handlers[:] = before
    log.setLevel(level)


def test_every_kind_of_flag_can_stand_in_the_file(serve: Any) -> None:
    content = {
        "model-uri": "m",
        "port": 5001,
        "timeout": 2.5,
        "tracebacks": True,
        "api_key": "k",
        "max-body": 3,
        "model-config": {"a": [1]},
        "memory-limit": 900,
    }
    result, settings = serve(content)
    assert result.exit_code == 0, result.output
    assert settings.models == (ModelSource("mlflow-model", "m"),)
    assert (settings.port, settings.timeout, settings.tracebacks, settings.api_key) == (5001, 2.5, True, "k")
    assert (settings.max_body, settings.model_config, settings.memory_limit) == (3 * MIB, {"a": [1]}, 900 * MIB)


@pytest.mark.parametrize("models", [{"a": "x", "b": "y"}, ["a=x", "b=y"]])
def test_several_models_are_a_map_or_a_list(serve: Any, models: Any) -> None:
    _, settings = serve({"model-uri": models})
    assert settings.models == (ModelSource("a", "x", "/models/a"), ModelSource("b", "y", "/models/b"))


def test_a_variable_wins_over_the_file_and_a_flag_over_both(serve: Any) -> None:
    content = {"model-uri": "m", "port": 1, "workers": 1, "max-queue": 1}
    _, settings = serve(content, "--max-queue", "3", MODELPORT_WORKERS="2", MODELPORT_MAX_QUEUE="2")
    assert (settings.port, settings.workers, settings.max_queue) == (1, 2, 3)


def test_an_empty_file_says_nothing(serve: Any) -> None:
    _, settings = serve("", "-m", "m")
    assert settings == ServeSettings(models=(ModelSource("mlflow-model", "m"),), environment=LOCAL)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model-uri": "m", "prot": 1}, "did you mean 'port'?"),
        ({"model-uri": "m", "zzz": 1}, "there is access-log, "),
        ({"model-uri": "m", "port": "many"}, "'--port'"),
        ({"model-uri": "m", "port": 70000}, "65535"),
        ("- a\n- b\n", "holds no map"),
        ("a: [", "is no valid YAML"),
        ({"config": "other.yaml"}, "unknown key 'config'"),
    ],
)
def test_what_nobody_can_mean_is_refused(serve: Any, content: Any, said: str) -> None:
    result, settings = serve(content)
    assert (result.exit_code, settings) == (2, None)
    text = " ".join(result.output.replace("│", " ").split())
    assert said in text
    assert "Traceback" not in text


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["serve", "-m", "m", "--config", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "No such file" in result.output
