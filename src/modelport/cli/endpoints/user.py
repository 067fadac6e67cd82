"""`modelport user`: who may do what."""

from typing import Annotated, Any

import typer

from modelport.cli.endpoints.command import Command, log
from modelport.cli.endpoints.flags import Name, Yes

CREATE_EPILOG = "Example: modelport user create -n ana --grant read invoke:churn"
app = typer.Typer(
    name="user",
    help="Users and what they may do: create, list, delete.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("create", cls=Command, epilog=CREATE_EPILOG)
def create(
    name: Name,
    grant: Annotated[
        list[str],
        typer.Option(
            "--grant",
            metavar="SCOPE[:ENDPOINT]…",
            help="admin, deploy, read or invoke; of one endpoint or all. Any number.",
        ),
    ],
) -> Any:
    """Make a user, and show its key this one time."""
    from modelport.cli.endpoints.connection import connect
    from modelport.domain.access import Grant

    grants = []
    for text in grant:
        scope, _, endpoint = text.partition(":")
        grants.append(Grant.read({"scope": scope, "endpoint": endpoint or "*"}, f"'{text}'"))
    with connect() as client:
        user, key = client.create_user(name, grants)
    log.warning("the key is not shown again: for the commands, it belongs into MODELPORT_KEY")
    return {**user.model_dump(mode="json"), "key": key}


@app.command("list", cls=Command)
def list_all() -> Any:
    """List users and what they may do."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.list_users()


@app.command("delete", cls=Command)
def delete(name: Name, yes: Yes = False) -> None:
    """Delete a user, whose key stops at once."""
    from modelport.cli.endpoints.asking import confirm
    from modelport.cli.endpoints.connection import connect

    confirm(f"Delete user {name}?", yes)
    with connect() as client:
        client.delete_user(name)
