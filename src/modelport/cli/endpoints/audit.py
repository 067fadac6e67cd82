"""`modelport audit`: who changed what, and who was refused."""

from typing import Annotated, Any

import typer

from modelport.cli.endpoints.command import Command
from modelport.cli.endpoints.flags import Since, moment

LIST_EPILOG = "Example: modelport audit list --since 7d --query \"[?outcome=='refused']\" -o table"
app = typer.Typer(
    name="audit",
    help="Who changed what, and who was refused: list.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """One command alone would otherwise be the group itself."""


@app.command("list", cls=Command, epilog=LIST_EPILOG)
def list_all(
    since: Since = None,
    max_results: Annotated[
        int, typer.Option("-r", "--max-results", min=1, max=10_000, metavar="N", help="The newest N.")
    ] = 100,
) -> Any:
    """List changes, looks at keys and what was refused to known users, newest first. It takes a grant to admin."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.list_audit(max_results, None if since is None else moment(since))
