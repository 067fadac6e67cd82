"""The flags that say what a model is given and what it may do, as every command that runs a model has them."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelport.settings import SafetySettings

Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="An environment variable for the model; NAME alone passes the one that is set here. Any number of times.",
    ),
]
Sandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Run the model under bubblewrap: no network, no files but its own, its environment's and the system's.",
    ),
]
Allow = Annotated[
    str,
    typer.Option(
        metavar="code|pickle|none",
        help="What the model may bring: code; pickles, but no code of its own; or neither. Others are refused unopened.",
    ),
]
ALLOW = "code"


def safety_settings(env: list[str] | None, sandbox: bool, allow: str) -> "SafetySettings":
    """What the flags say together."""
    import os

    from modelport.model.admission import ALLOWED
    from modelport.settings import SafetySettings

    if allow not in ALLOWED:
        raise typer.BadParameter(f"'{allow}' is none of {', '.join(ALLOWED)}", param_hint="--allow")
    variables = {}
    for text in env or ():
        name, gives, value = text.partition("=")
        if not name or "\0" in text:
            raise typer.BadParameter(f"'{text}' is no NAME=VALUE", param_hint="--env")
        if not gives and name not in os.environ:
            raise typer.BadParameter(f"'{name}' is not set here: give {name}=VALUE", param_hint="--env")
        variables[name] = value if gives else os.environ[name]
    return SafetySettings(variables=variables, sandbox=sandbox, allow=allow)
