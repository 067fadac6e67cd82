"""`modelport prepare-env`: build the environment of a model before it is needed."""

from typing import Annotated

import typer

from modelport.cli.environment_flags import (
    EnvManager,
    InstallMlflow,
    KeepMlflow,
    Newest,
    Offline,
    Overrides,
    environment_settings,
)
from modelport.cli.safety_flags import ALLOW, Allow, Env, Sandbox, safety_settings

EPILOG = (
    "Example: modelport prepare-env -m ./model. Standard output gets the path of the interpreter and nothing else: "
    "$(modelport prepare-env -m ./model) -c 'import sklearn'"
)


def prepare_env(
    model_uri: Annotated[
        str, typer.Option("-m", "--model-uri", metavar="PATH", help="Model directory: a path or a file: URI.")
    ],
    env_manager: EnvManager = None,
    newest: Newest = False,
    keep_mlflow: KeepMlflow = None,
    install_mlflow: InstallMlflow = False,
    overrides: Overrides = None,
    offline: Offline = False,
    env: Env = None,
    sandbox: Sandbox = False,
    allow: Allow = ALLOW,
    json: Annotated[bool, typer.Option("--json", help="Print all that is known of the environment instead.")] = False,
) -> None:
    """Build what a model asks for, load the model in it, and say where it is, as `mlflow models prepare-env` does."""
    from modelport.environments import telling
    from modelport.environments.ahead import prepare_ahead
    from modelport.log import set_up_log

    # The variable for models that run elsewhere is not asked: it may well say local.
    environment = environment_settings(
        env_manager or "uv", None, newest, keep_mlflow, install_mlflow, overrides, offline
    )
    if environment.manager == "local":
        raise typer.BadParameter("with local there is nothing to prepare", param_hint="--env-manager")
    safety = safety_settings(env, sandbox, allow)
    set_up_log()
    prepared = prepare_ahead(model_uri, environment, safety)
    if json:
        from json import dumps

        typer.echo(dumps(prepared.details, indent=2, ensure_ascii=False))
        return
    for line in telling.decisions(prepared.details):
        typer.echo(line, err=True)
    typer.echo(prepared.interpreter)
