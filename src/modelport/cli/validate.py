"""`modelport validate`: the preflight of a model, for people and for CI."""

from typing import Annotated

import typer

from modelport.cli.environment_flags import (
    AllowPythonMismatch,
    EnvManager,
    InstallMlflow,
    KeepMlflow,
    Newest,
    Offline,
    Overrides,
    Python,
    environment_settings,
)
from modelport.cli.safety_flags import ALLOW, Allow, Env, Sandbox, safety_settings

EPILOG = (
    "Examples: modelport validate ./model; modelport validate ./model --strict --json. "
    "To record what the example is to be answered with: modelport predict -m ./model "
    "-i ./model/serving_input_example.json -o ./model/expected_output.json"
)


def validate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model directory: a path or a file: URI.")],
    expect: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The answer to the example; the model's expected_output.json if not given."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
    timeout: Annotated[float, typer.Option("-t", "--timeout", min=0.001, help="Seconds the answer may take.")] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    env_manager: EnvManager = None,
    python: Python = None,
    allow_python_mismatch: AllowPythonMismatch = False,
    newest: Newest = False,
    keep_mlflow: KeepMlflow = None,
    install_mlflow: InstallMlflow = False,
    overrides: Overrides = None,
    offline: Offline = False,
    env: Env = None,
    sandbox: Sandbox = False,
    allow: Allow = ALLOW,
) -> None:
    """Build, serve and ask a model as in production, and list what would fail or surprise. Exit code 1 if something fails."""
    from modelport.log import set_up_log
    from modelport.validation import report
    from modelport.validation.validating import ValidationSettings
    from modelport.validation.validating import validate as run

    environment = environment_settings(env_manager, python, newest, keep_mlflow, install_mlflow, overrides, offline)
    safety = safety_settings(env, sandbox, allow)
    set_up_log()
    done = run(ValidationSettings(model, environment, safety, allow_python_mismatch, expect, timeout))
    if json:
        from json import dumps

        text = dumps(done.as_json(), indent=2, ensure_ascii=False) + "\n"
    else:
        text = report.as_text(done)
    typer.echo(text.encode("utf-8", "backslashreplace"), nl=False)
    if done.failed or (strict and done.has_warnings):
        raise typer.Exit(1)
