"""The flags that name the model's interpreter, as every command that runs a model has them."""

from typing import Annotated

import typer

PREPARE = "prepare the environment yourself and name its interpreter with --python"

Python = Annotated[str | None, typer.Option(help="The model's interpreter; the one that runs modelport if not given.")]
AllowPythonMismatch = Annotated[
    bool,
    typer.Option("--allow-python-mismatch", help="Load a model pickled with its code by another Python version."),
]
EnvManager = Annotated[str, typer.Option(help="Only 'local': the model runs in --python.")]


def check_env_manager(env_manager: str) -> None:
    """Refuse what would build an environment."""
    if env_manager != "local":
        raise typer.BadParameter(f"'{env_manager}' is not known yet: {PREPARE}", param_hint="--env-manager")
