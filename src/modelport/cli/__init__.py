"""The command line: one file per command. A command parses, makes one call, and formats; errors become one readable block."""

import sys

import typer

import modelport
from modelport.cli import (
    bench,
    doctor,
    environment,
    inspect,
    package,
    predict,
    prepare_env,
    serve,
    up,
    update_pip_requirements,
    validate,
)
from modelport.cli.endpoints import apply, audit, model, online_deployment, online_endpoint, schema, user
from modelport.cli.endpoints.command import Command

app = typer.Typer(
    name="modelport",
    help="Run MLflow models as they are: no scoring code, no container, no cloud.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve", epilog=serve.EPILOG, context_settings=serve.CONTEXT)(serve.serve)
app.command("predict", epilog=predict.EPILOG)(predict.predict)
app.command("bench", epilog=bench.EPILOG)(bench.bench)
app.command("inspect", epilog=inspect.EPILOG)(inspect.inspect)
app.command("validate", epilog=validate.EPILOG)(validate.validate)
app.command("prepare-env", epilog=prepare_env.EPILOG)(prepare_env.prepare_env)
app.command("update-pip-requirements", epilog=update_pip_requirements.EPILOG)(
    update_pip_requirements.update_pip_requirements
)
app.command("up", epilog=up.EPILOG, context_settings=up.CONTEXT)(up.up)
app.command("doctor", cls=Command, epilog=doctor.EPILOG)(doctor.doctor)
app.command("apply", cls=Command, epilog=apply.EPILOG)(apply.apply)
app.command("schema", cls=Command, epilog=schema.EPILOG)(schema.schema)
app.add_typer(environment.app, name="environment")
app.add_typer(package.app, name="package")
app.add_typer(model.app, name="model")
app.add_typer(online_endpoint.app, name="online-endpoint")
app.add_typer(online_deployment.app, name="online-deployment")
app.add_typer(user.app, name="user")
app.add_typer(audit.app, name="audit")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(modelport.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Entry point of the `modelport` command."""
    from modelport.cli.output import print_error
    from modelport_runtime.errors import ModelportError

    try:
        app()
    except ModelportError as error:
        print_error(error)
        sys.exit(1)
