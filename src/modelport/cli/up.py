"""`modelport up`: the server of endpoints, with its control and its scoring address."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from modelport.cli.environment_flags import Offline
from modelport.settings import DEFAULT_HOST

EPILOG = (
    "Examples: modelport up; modelport up --store postgresql://user@host/modelport. "
    "Every flag can be given as a variable (MODELPORT_STORE for --store)."
)
CONTEXT = {"auto_envvar_prefix": "MODELPORT"}


def _base_url(given: str | None) -> str | None:
    """An address to which paths are added, without a slash at the end."""
    if given is None:
        return None
    try:
        parts = urlsplit(given)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        is_one = False
    if not is_one or not given.isascii() or not given.isprintable() or set(given) & set("?#@\\ "):
        raise typer.BadParameter(f"{given!r} is no base URL as https://ml.example.com or https://example.com/ml are")
    return given.rstrip("/")


def up(
    host: Annotated[str, typer.Option("--host", help="Address of both.")] = DEFAULT_HOST,
    port: Annotated[int, typer.Option("-p", "--port", min=1, max=65535, help="Of the control API.")] = 8000,
    scoring_host: Annotated[
        str | None, typer.Option("--scoring-host", help="Another address for predictions.", show_default=False)
    ] = None,
    scoring_port: Annotated[int, typer.Option("--scoring-port", min=1, max=65535, help="Of predictions.")] = 8001,
    scoring_processes: Annotated[
        int, typer.Option("--scoring-processes", min=1, help="Processes that speak HTTP for predictions.")
    ] = 1,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            metavar="URL",
            callback=_base_url,
            help="Of the control API as clients reach it, through a proxy.",
        ),
    ] = None,
    scoring_public_url: Annotated[
        str | None,
        typer.Option(
            "--scoring-public-url",
            metavar="URL",
            callback=_base_url,
            help="Of predictions as clients reach them; scoring_uri and documents say it.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="postgresql://…; a SQLite file in the home folder if not given."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="FOLDER", help="What it keeps; ~/.modelport if not given.", show_default=False),
    ] = None,
    ssl_certfile: Annotated[str | None, typer.Option(help="PEM certificate: both speak HTTPS.")] = None,
    ssl_keyfile: Annotated[str | None, typer.Option(help="PEM key of the certificate.")] = None,
    offline: Offline = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Workers see their own model alone, and no network (bubblewrap).")
    ] = False,
) -> None:
    """Run online endpoints: deployments, traffic between them, keys, logs, metrics."""
    from modelport.log import set_up_log
    from modelport.settings import UpSettings, modelport_home
    from modelport.up import up as run

    if (ssl_certfile is None) != (ssl_keyfile is None):
        raise typer.BadParameter("--ssl-certfile and --ssl-keyfile belong together", param_hint="--ssl-keyfile")
    if (host, port) == (scoring_host or host, scoring_port):
        raise typer.BadParameter("predictions have an address of their own", param_hint="--scoring-port")
    set_up_log()
    run(
        UpSettings(
            host=host,
            port=port,
            scoring_host=scoring_host or host,
            scoring_port=scoring_port,
            scoring_processes=scoring_processes,
            public_url=public_url,
            scoring_public_url=scoring_public_url,
            store=store,
            home=home or modelport_home(),
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            offline=offline,
            sandbox=sandbox,
        )
    )
