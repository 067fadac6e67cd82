"""`modelport serve`: what the flags and MLflow's environment variables become, and what is refused before anything starts."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

import modelport
from modelport import cli, server
from modelport.cli.serve import read_models
from modelport.settings import MIB, EnvironmentSettings, ModelSource, ServeSettings

VARIABLES = (
    "MLFLOW_HOST",
    "MLFLOW_PORT",
    "MLFLOW_MODELS_WORKERS",
    "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT",
    "MODELPORT_API_KEY",
)

Command = Callable[..., tuple[Result, ServeSettings | None]]

LOCAL = EnvironmentSettings(manager="local")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs ``modelport serve -m m ...`` up to the point where it would serve; returns what it would serve with."""
    served: list[ServeSettings] = []
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(server, "serve", served.append)
    log = logging.getLogger("modelport")
    before, level = list(log.handlers), log.level

    def run(*arguments: str, **variables: str) -> tuple[Result, ServeSettings | None]:
        result = CliRunner().invoke(cli.app, ["serve", "-m", "m", *arguments], env=dict(variables))
        return result, served.pop() if served else None

    yield run
    log.handlers[:] = before
    log.setLevel(level)


def test_without_flags_it_serves_as_mlflow_does(command: Command) -> None:
    result, settings = command()
    assert result.exit_code == 0
    assert settings == ServeSettings(models=(ModelSource("mlflow-model", "m"),), environment=LOCAL)
    assert (settings.host, settings.port, settings.timeout, settings.workers) == ("127.0.0.1", 5000, 60.0, 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["-p", "0", "-h", "0.0.0.0", "-t", "2.5", "-w", "3"],
            {"port": 0, "host": "0.0.0.0", "timeout": 2.5, "workers": 3},
        ),
        (
            ["--port", "1", "--host", "::1", "--timeout", "7", "--workers", "2"],
            {"port": 1, "host": "::1", "workers": 2},
        ),
        (["--env-manager", "local"], {"environment": LOCAL}),
        (["--env-manager", "uv", "--no-conda"], {"environment": LOCAL}),
        (["--env-manager", "virtualenv"], {"environment": EnvironmentSettings()}),
        (
            ["--env-manager", "uv", "--newest", "--without-mlflow", "-r", "a==1, b[x,y]>=2,<3", "--offline"],
            {
                "environment": EnvironmentSettings(
                    newest=True, mlflow=False, overrides=("a==1", "b[x,y]>=2,<3"), offline=True
                )
            },
        ),
        (["--env-manager", "uv", "--install-mlflow"], {"environment": EnvironmentSettings(mlflow=True)}),
        (
            ["--python", "/a/python", "--threads", "1", "--no-side-effects"],
            {"environment": EnvironmentSettings(manager="local", python="/a/python"), "threads": 1},
        ),
        (
            ["--processes", "2", "--max-queue", "5", "--max-body", "3"],
            {"processes": 2, "max_queue": 5, "max_body": 3 * MIB},
        ),
        (
            ["--api-key", "k", "--access-log", "json", "--tracebacks"],
            {"api_key": "k", "access_log": "json", "tracebacks": True},
        ),
        (["--ssl-certfile", "c", "--ssl-keyfile", "k"], {"ssl_certfile": "c", "ssl_keyfile": "k"}),
    ],
)
def test_flags_become_settings(command: Command, arguments: list[str], expected: dict[str, Any]) -> None:
    result, settings = command(*arguments)
    assert result.exit_code == 0, result.output
    assert {name: getattr(settings, name) for name in expected} == expected


def test_mlflow_s_environment_variables_are_read_and_flags_win(command: Command) -> None:
    values = ("0.0.0.0", "5001", "2", "30", "secret")
    variables = dict(zip(VARIABLES, values, strict=True))
    _, settings = command(**variables)
    assert settings is not None
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 5001, 2)
    assert (settings.timeout, settings.api_key) == (30.0, "secret")
    _, settings = command("-p", "6000", **variables)
    assert settings is not None
    assert settings.port == 6000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env-manager", "docker"], "There is uv, virtualenv, conda, local."),
        (["--env-manager", "uv", "--python", "p"], "give one of the two"),
        (["--access-log", "xml"], "text, json, off"),
        (["--ssl-certfile", "c"], "belong together"),
        (["--ssl-keyfile", "k"], "belong together"),
        (["-p", "70000"], "--port"),
        (["-w", "0"], "--workers"),
        (["-t", "0"], "--timeout"),
        (["--no-such-flag"], "No such option"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_flag_named(
    command: Command, arguments: list[str], said: str
) -> None:
    result, settings = command(*arguments)
    assert (result.exit_code, settings) == (2, None)
    assert said in result.output
    assert "Traceback" not in result.output


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("arguments", [[], ["-h", "localhost"], ["-h", "::1"], ["-h", "0.0.0.0", "--api-key", "k"]])
def test_nobody_is_warned_where_nobody_else_can_come(
    command: Command, caplog: pytest.LogCaptureFixture, arguments: list[str]
) -> None:
    command(*arguments)
    assert warnings(caplog) == []


def test_serving_everybody_without_a_key_is_warned_of(command: Command, caplog: pytest.LogCaptureFixture) -> None:
    command("-h", "0.0.0.0")
    (warning,) = warnings(caplog)
    assert warning.startswith("ANYONE who reaches 0.0.0.0 can use this model")


def test_mlserver_is_answered_in_one_line(command: Command, caplog: pytest.LogCaptureFixture) -> None:
    result, settings = command("--enable-mlserver")
    assert (result.exit_code, settings) == (
        0,
        ServeSettings(models=(ModelSource("mlflow-model", "m"),), environment=LOCAL),
    )
    (record,) = caplog.records
    assert "--enable-mlserver is not needed" in record.getMessage()


def test_the_version_and_the_help_are_told() -> None:
    assert CliRunner().invoke(cli.app, ["--version"]).output == f"{modelport.__version__}\n"
    text = CliRunner().invoke(cli.app, ["serve", "--help"]).output
    assert "modelport serve -m ./model" in text


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["m"], [("mlflow-model", "m", "")]),
        (["a=m"], [("a", "m", "/models/a")]),
        (["a=m", "b-2.x=file:///m"], [("a", "m", "/models/a"), ("b-2.x", "file:///m", "/models/b-2.x")]),
        (["/a/b=c"], [("mlflow-model", "/a/b=c", "")]),
        (["a=b=c"], [("a", "b=c", "/models/a")]),
    ],
)
def test_models_are_named_before_their_path(models: list[str], expected: list[tuple[str, str, str]]) -> None:
    assert read_models(models, "mlflow-model") == tuple(ModelSource(*source) for source in expected)


def test_a_path_that_is_there_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    assert read_models(["a=b"], "m") == (ModelSource("m", "a=b"),)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (["-m", "n"], "of several models each needs a name: -m NAME=m"),
        (["-m", "a=x", "-m", "a=y"], "of several models each needs a name"),
        (["--model-config", "[1]"], "a JSON object is wanted"),
        (["--model-config", "{"], "this is no JSON"),
        (["--memory-limit", "0"], "--memory-limit"),
    ],
)
def test_models_and_their_configuration_are_checked(command: Command, models: list[str], said: str) -> None:
    result, settings = command(*models)
    assert (result.exit_code, settings) == (2, None)
    assert said in " ".join(result.output.replace("│", " ").split())


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="two models are named 'a'"):
        read_models(["a=x", "a=y"], "m")


def test_the_model_s_configuration_comes_from_a_flag_or_mlflow_s_variable(command: Command) -> None:
    _, settings = command(SERVING_MODEL_CONFIG='{"a": 1}')
    assert settings is not None
    assert settings.model_config == {"a": 1}
    _, settings = command("--model-config", '{"a": 2}', SERVING_MODEL_CONFIG='{"a": 1}')
    assert settings is not None
    assert settings.model_config == {"a": 2}
