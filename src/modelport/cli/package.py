"""`modelport package`: a model and its environment in one file, made, looked at and checked."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from modelport.cli.environment_flags import KeepMlflow, Newest, Overrides, environment_settings
from modelport.cli.safety_flags import ALLOW, Allow, Env, Sandbox, safety_settings

CREATE_EPILOG = "Example: modelport package create ./model -o churn.mpkg; then: modelport serve -m churn.mpkg"
INSPECT_EPILOG = "Example: modelport package inspect churn.mpkg"
VERIFY_EPILOG = "Example: modelport package verify churn.mpkg && echo as it was made"

app = typer.Typer(no_args_is_help=True, help="A model and all that its environment is made of, in one file.")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="A package: churn.mpkg")]


@app.command(epilog=CREATE_EPILOG)
def create(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model directory: a path or a file: URI.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="The file to write: churn.mpkg")],
    name: Annotated[str | None, typer.Option(help="What it is called; its directory's name if not given.")] = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The Python it is for; the one that the model asks for if not given."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The Linux it is for, as wheels name it: manylinux_2_28_aarch64; else this machine's."
        ),
    ] = None,
    newest: Newest = False,
    keep_mlflow: KeepMlflow = None,
    overrides: Overrides = None,
    env: Env = None,
    sandbox: Sandbox = False,
    allow: Allow = ALLOW,
) -> None:
    """Build and check the model's environment, and put model, wheels, runtime and manifest into one file."""
    from modelport.log import set_up_log
    from modelport.package.creating import create as make
    from modelport.package.platforms import named
    from modelport.settings import modelport_home

    safety = safety_settings(env, sandbox, allow)
    target = None if platform is None else named(platform)
    set_up_log()
    settings = environment_settings("uv", None, newest, keep_mlflow, False, overrides, False)
    wanted = replace(settings, python_version=python)
    manifest = make(model, output, name, wanted, modelport_home(), safety, target)
    typer.echo(f"{output}: {len(manifest.files)} files, {manifest.size / 1e6:.1f} MB, for Python {manifest.python}")


@app.command(epilog=INSPECT_EPILOG)
def inspect(
    file: _File,
    json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Tell what a package is and has in it. Nothing is unpacked."""
    from modelport.model.package import LOCK, read_manifest, read_text

    manifest = read_manifest(file)
    if json:
        from json import dumps

        text = dumps({"digest": manifest.digest, **manifest.content}, indent=2, ensure_ascii=False) + "\n"
    else:
        from modelport.package.report import as_text

        text = as_text(manifest, read_text(file, LOCK))
    typer.echo(text.encode("utf-8", "backslashreplace"), nl=False)


@app.command(epilog=VERIFY_EPILOG)
def verify(file: _File) -> None:
    """Hold every file of a package against its manifest; exit code 1 where one differs."""
    from modelport.model.package import verify as check

    manifest = check(file)
    typer.echo(f"{file}: all {len(manifest.files)} files are what the manifest says ({manifest.digest})")
