"""The flags that say which environment a model runs in, as every command that runs a model has them."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelport.settings import EnvironmentSettings

_BETWEEN = re.compile(r",(?![^\[]*\])(?=\s*[A-Za-z])")
"""The comma after a requirement; not one between its extras or its versions."""

EnvManager = Annotated[
    str | None,
    typer.Option(
        help="uv (or virtualenv) or conda: build what the model's files ask for, once. local: run in --python as it is. "
        "uv if not given; local where --python is.",
    ),
]
Python = Annotated[
    str | None,
    typer.Option(
        help="The model's interpreter, whose environment is taken as it is; the one that runs modelport if not given."
    ),
]
AllowPythonMismatch = Annotated[
    bool,
    typer.Option("--allow-python-mismatch", help="Load a model pickled with its code by another Python version."),
]
Newest = Annotated[
    bool,
    typer.Option("--newest", help="Packages without a version may be newer than the model; otherwise as of its day."),
]
KeepMlflow = Annotated[
    bool | None,
    typer.Option(
        "--keep-mlflow/--without-mlflow",
        help="Install mlflow itself, or not; if not given, only for models that nothing else can load.",
    ),
]
InstallMlflow = Annotated[bool, typer.Option("--install-mlflow", help="The same as --keep-mlflow.", hidden=True)]
Overrides = Annotated[
    str | None,
    typer.Option(
        "-r",
        "--pip-requirements-override",
        metavar="A==1,B>=2",
        help="Requirements in the place of those the model has for the same packages.",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="MODELPORT_OFFLINE", help="Download nothing: only what is in the cache.")
]


def environment_settings(
    env_manager: str | None,
    python: str | None,
    newest: bool,
    keep_mlflow: bool | None,
    install_mlflow: bool,
    overrides: str | None,
    offline: bool,
) -> "EnvironmentSettings":
    """What the flags say together."""
    from modelport.errors import InvalidInput
    from modelport.settings import EnvironmentSettings, environment_manager

    try:
        manager = environment_manager(env_manager, python)
    except InvalidInput as error:
        raise typer.BadParameter(f"{error.message}. {error.hint or ''}", param_hint="--env-manager") from None
    if overrides is not None and manager == "local":
        raise typer.BadParameter(
            "nothing is installed with --env-manager local", param_hint="--pip-requirements-override"
        )
    return EnvironmentSettings(
        manager=manager,
        python=python,
        newest=newest,
        mlflow=True if install_mlflow else keep_mlflow,
        overrides=tuple(filter(None, (line.strip() for line in _BETWEEN.split(overrides or "")))),
        offline=offline,
    )
