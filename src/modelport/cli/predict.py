"""`modelport predict`: flags as `mlflow models predict` spells them, and a few of our own."""

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

EPILOG = "Example: modelport predict -m ./model -i customers.csv -o predictions.csv"


def predict(
    model_uri: Annotated[
        str, typer.Option("-m", "--model-uri", metavar="PATH", help="Model directory or package: a path or URI.")
    ],
    input_path: Annotated[
        str | None, typer.Option("-i", "--input-path", metavar="FILE", help="Standard input if not given.")
    ] = None,
    output_path: Annotated[
        str | None, typer.Option("-o", "--output-path", metavar="FILE", help="Standard output if not given.")
    ] = None,
    content_type: Annotated[
        str | None,
        typer.Option(
            "-t",
            "--content-type",
            help="Of the input: json, csv, jsonl, parquet or arrow. What its name ends in if not given, else json.",
        ),
    ] = None,
    output_type: Annotated[str | None, typer.Option(help="The same, of the output.", metavar="TEXT")] = None,
    keep_columns: Annotated[
        bool, typer.Option("--keep-columns", help="Write the input's columns before the predictions.")
    ] = False,
    rejects: Annotated[
        str | None, typer.Option(metavar="FILE", help="Set rows aside that do not fit, as JSON lines, and go on.")
    ] = None,
    workers: Annotated[int, typer.Option("-w", "--workers", min=1, help="Processes that hold the model.")] = 1,
    python: Python = None,
    allow_python_mismatch: AllowPythonMismatch = False,
    chunk_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows that the model gets at once, at most; chosen if not given.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Give the model all rows at once.")] = False,
    env_manager: EnvManager = None,
    newest: Newest = False,
    keep_mlflow: KeepMlflow = None,
    install_mlflow: InstallMlflow = False,
    overrides: Overrides = None,
    offline: Offline = False,
    env: Env = None,
    sandbox: Sandbox = False,
    allow: Allow = ALLOW,
) -> None:
    """Score a file, as `mlflow models predict` does."""
    import sys

    from modelport.files.scoring import score_file
    from modelport.files.settings import FileSettings
    from modelport.log import set_up_log

    environment = environment_settings(env_manager, python, newest, keep_mlflow, install_mlflow, overrides, offline)
    safety = safety_settings(env, sandbox, allow)
    if whole and chunk_rows is not None:
        raise typer.BadParameter("--whole and --chunk-rows exclude each other", param_hint="--chunk-rows")
    set_up_log()
    settings = FileSettings(
        model_uri=model_uri,
        input_path=input_path,
        output_path=output_path,
        content_type=content_type,
        output_type=output_type,
        keep_columns=keep_columns,
        rejects=rejects,
        workers=workers,
        environment=environment,
        safety=safety,
        allow_python_mismatch=allow_python_mismatch,
        chunk_rows=chunk_rows,
        whole=whole,
        progress=sys.stderr.isatty(),
    )
    try:
        done = score_file(settings)
    except (KeyboardInterrupt, SystemExit) as stop:
        typer.echo("stopped: nothing was written", err=True)
        raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0)) from None
    rate = done.rows / max(done.seconds, 1e-9)
    aside = f", {done.rejected} set aside -> {rejects}" if done.rejected else ""
    typer.echo(f"{done.rows} rows in {done.seconds:.1f} s ({rate:.0f} rows/s) -> {done.output}{aside}", err=True)
