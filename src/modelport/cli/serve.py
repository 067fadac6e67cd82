"""`modelport serve`: flags as `mlflow models serve` spells them, and a few of our own."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelport.cli.config_file import read_into
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
from modelport.settings import DEFAULT_HOST, DEFAULT_MODEL_NAME, DEFAULT_PORT, DEFAULT_TIMEOUT, MIB

if TYPE_CHECKING:
    from modelport.settings import ModelSource

EPILOG = (
    "Examples: modelport serve -m ./model -p 5000; "
    "modelport serve -m churn=./churn -m price=./price. "
    "Every flag can be given as a variable (MODELPORT_MAX_QUEUE for --max-queue) and in the file of --config."
)
CONTEXT = {"auto_envvar_prefix": "MODELPORT"}
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.+)", re.DOTALL)


def serve(
    model_uri: Annotated[
        list[str],
        typer.Option(
            "-m",
            "--model-uri",
            metavar="[NAME=]PATH",
            help="Model directory or package: a path or a file: URI. NAME=PATH, any number of times: served at /models/NAME/….",
        ),
    ],
    port: Annotated[int, typer.Option("-p", "--port", envvar="MLFLOW_PORT", min=0, max=65535)] = DEFAULT_PORT,
    host: Annotated[str, typer.Option("-h", "--host", envvar="MLFLOW_HOST")] = DEFAULT_HOST,
    timeout: Annotated[
        float,
        typer.Option(
            "-t",
            "--timeout",
            envvar="MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT",
            min=0.001,
            help="Seconds until a request is answered with 504.",
        ),
    ] = DEFAULT_TIMEOUT,
    workers: Annotated[
        int,
        typer.Option("-w", "--workers", envvar="MLFLOW_MODELS_WORKERS", min=1, help="Processes that hold the model."),
    ] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Processes that speak HTTP, on one address.")] = 1,
    env_manager: EnvManager = None,
    no_conda: Annotated[bool, typer.Option("--no-conda", help="The same as --env-manager local.")] = False,
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
    enable_mlserver: Annotated[bool, typer.Option("--enable-mlserver", help="Accepted; not needed.")] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="Requests that a Python model's own code may serve at once, per worker.")
    ] = 64,
    no_side_effects: Annotated[
        bool,
        typer.Option("--no-side-effects", help="A Python model may be asked again when its process died on a request."),
    ] = False,
    max_queue: Annotated[int, typer.Option(min=1, help="Requests open at once per process; more get 429.")] = 1024,
    max_body: Annotated[int, typer.Option(min=1, help="MiB a request's body may have.")] = 256,
    api_key: Annotated[
        str | None,
        typer.Option(envvar="MODELPORT_API_KEY", show_envvar=True, help="Wanted as 'Authorization: Bearer KEY'."),
    ] = None,
    ssl_certfile: Annotated[str | None, typer.Option(help="PEM certificate: serve HTTPS.")] = None,
    ssl_keyfile: Annotated[str | None, typer.Option(help="PEM key of the certificate.")] = None,
    access_log: Annotated[
        str, typer.Option(help="text, json or off; one line per request on standard output.")
    ] = "text",
    tracebacks: Annotated[
        bool, typer.Option("--tracebacks", help="Send the traceback of a failing model to the client.")
    ] = False,
    server_timing: Annotated[
        bool, typer.Option("--server-timing", help="Send the time of each phase with every prediction.")
    ] = False,
    model_name: Annotated[
        str, typer.Option(help="The model's name in the paths of the Open Inference Protocol (/v2).")
    ] = DEFAULT_MODEL_NAME,
    model_config: Annotated[
        str | None,
        typer.Option(
            envvar="SERVING_MODEL_CONFIG", metavar="JSON", help="Overrides of the configuration saved with the model."
        ),
    ] = None,
    memory_limit: Annotated[
        int | None, typer.Option(min=1, metavar="MIB", help="A worker that grows beyond it is replaced in good order.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(callback=read_into, is_eager=True, metavar="FILE", help="YAML with any of these flags as keys."),
    ] = None,
) -> None:
    """Serve models over HTTP, as `mlflow models serve` does."""
    from modelport.log import set_up_log
    from modelport.server import log
    from modelport.server import serve as run
    from modelport.settings import ServeSettings

    environment = environment_settings(
        "local" if no_conda else env_manager, python, newest, keep_mlflow, install_mlflow, overrides, offline
    )
    safety = safety_settings(env, sandbox, allow)
    if access_log not in ("text", "json", "off"):
        raise typer.BadParameter(f"'{access_log}' is none of text, json, off", param_hint="--access-log")
    if (ssl_certfile is None) != (ssl_keyfile is None):
        raise typer.BadParameter("--ssl-certfile and --ssl-keyfile belong together", param_hint="--ssl-keyfile")
    set_up_log()
    if enable_mlserver:
        log.info("--enable-mlserver is not needed: parallel workers (-w) and adaptive batching are built in")
    if api_key is None and host not in ("127.0.0.1", "localhost", "::1"):
        log.warning("ANYONE who reaches %s can use this model: give --api-key, and --ssl-certfile for encryption", host)
    run(
        ServeSettings(
            models=read_models(model_uri, model_name),
            host=host,
            port=port,
            environment=environment,
            safety=safety,
            allow_python_mismatch=allow_python_mismatch,
            workers=workers,
            processes=processes,
            threads=threads,
            timeout=timeout,
            max_queue=max_queue,
            max_body=max_body * MIB,
            no_side_effects=no_side_effects,
            api_key=api_key,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            access_log=access_log,
            tracebacks=tracebacks,
            server_timing=server_timing,
            model_config=_read_model_config(model_config),
            memory_limit=None if memory_limit is None else memory_limit * MIB,
        )
    )


def read_models(uris: list[str], model_name: str) -> "tuple[ModelSource, ...]":
    """What ``-m`` names: one model at the root, or models with names of their own."""
    from pathlib import Path

    from modelport.settings import ModelSource

    found = [None if Path(uri).exists() else _NAMED.fullmatch(uri) for uri in uris]
    if found == [None]:
        return (ModelSource(model_name, uris[0]),)
    named = [match.groups() for match in found if match is not None]
    if len(named) != len(uris):
        unnamed = uris[found.index(None)]
        raise typer.BadParameter(f"of several models each needs a name: -m NAME={unnamed}", param_hint="--model-uri")
    names = [name for name, _ in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise typer.BadParameter(f"two models are named '{twice}'", param_hint="--model-uri")
    return tuple(ModelSource.named(name, uri) for name, uri in named)


def _read_model_config(text: str | None) -> dict[str, Any] | None:
    import json

    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"this is no JSON: {error}", param_hint="--model-config") from None
    if not isinstance(config, dict):
        raise typer.BadParameter("a JSON object is wanted", param_hint="--model-config")
    return config or None
