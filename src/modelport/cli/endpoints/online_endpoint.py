"""`modelport online-endpoint`: addresses, their credentials, and which deployment gets which share."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelport.cli.endpoints.command import Command, log
from modelport.cli.endpoints.edits import Edits
from modelport.cli.endpoints.flags import (
    Add,
    File,
    ForceString,
    Local,
    Name,
    NameInFile,
    NoWait,
    Remove,
    Set,
    Since,
    Web,
    Yes,
    moment,
    shares,
)

if TYPE_CHECKING:
    from modelport.domain.operations import KeyType

CREATE_EPILOG = "Example: modelport online-endpoint create -n churn -f endpoint.yml"
UPDATE_EPILOG = 'Example: modelport online-endpoint update -n churn --traffic "blue=90 green=10"'
INVOKE_EPILOG = "Example: modelport online-endpoint invoke -n churn -r request.json -d green"
CREDENTIALS_EPILOG = "Example: KEY=$(modelport online-endpoint get-credentials -n churn --query primaryKey -o tsv)"
HISTORY_EPILOG = "Example: modelport online-endpoint get-history -n churn --since 12h -o table"
app = typer.Typer(
    name="online-endpoint",
    help="Online endpoints: create, update, show, list, delete, invoke, get-credentials, regenerate-keys, get-history.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_KEY_TYPES: "dict[str, KeyType]" = {"primary": "primary", "secondary": "secondary"}
AuthMode = Annotated[
    str | None, typer.Option("--auth-mode", metavar="MODE", help="key (which is the default) or aml_token.")
]


@app.command("create", cls=Command, epilog=CREATE_EPILOG)
def create(
    file: File = None,
    name: NameInFile = None,
    auth_mode: AuthMode = None,
    set: Set = None,
    no_wait: NoWait = False,
    local: Local = False,
    web: Web = False,
) -> Any:
    """Create one. An existing one is changed to what the file says, and keeps its deployments and keys."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.notices import tell_notices
    from modelport.cli.endpoints.specs import read
    from modelport.cli.endpoints.waiting import wait_for_endpoint
    from modelport.domain.online_endpoint import OnlineEndpointSpec

    tell_accepted(local, web)
    with connect() as client:
        spec = read(OnlineEndpointSpec, file, {"name": name, "auth_mode": auth_mode}, Edits(set))
        endpoint = client.create_online_endpoint(spec)
        tell_notices(endpoint)
        return endpoint if no_wait else wait_for_endpoint(client, endpoint.name)


@app.command("update", cls=Command, epilog=UPDATE_EPILOG)
def update(
    file: File = None,
    name: NameInFile = None,
    traffic: Annotated[
        list[str] | None,
        typer.Option("--traffic", metavar="NAME=PERCENT…", help="Deployments that are not named keep their share."),
    ] = None,
    mirror_traffic: Annotated[
        list[str] | None,
        typer.Option("--mirror-traffic", metavar="NAME=PERCENT", help="Copies for one deployment; 0 ends it."),
    ] = None,
    set: Set = None,
    add: Add = None,
    remove: Remove = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
    local: Local = False,
    web: Web = False,
) -> Any:
    """Change what the file has and the options say; the rest stays."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.notices import tell_notices
    from modelport.cli.endpoints.specs import changes, given
    from modelport.cli.endpoints.waiting import wait_for_endpoint
    from modelport.domain.online_endpoint import OnlineEndpointSpec

    tell_accepted(local, web)
    flags = {
        "name": name,
        "traffic": shares(traffic, "--traffic"),
        "mirror_traffic": shares(mirror_traffic, "--mirror-traffic"),
    }
    with connect() as client:
        wanted = given(OnlineEndpointSpec, file, flags, "name")
        endpoint = client.get_online_endpoint(wanted["name"])
        if isinstance(wanted.get("traffic"), dict):
            wanted["traffic"] = endpoint.traffic_with(wanted["traffic"])
        changed = changes(OnlineEndpointSpec, endpoint, wanted, Edits(set, add, remove, force_string))
        if not changed:
            return endpoint
        if "traffic" in changed:
            changed["traffic"] = endpoint.shares_for(changed["traffic"] or {})
        endpoint = client.update_online_endpoint(endpoint.name, changed)
        tell_notices(endpoint)
        return endpoint if no_wait else wait_for_endpoint(client, endpoint.name)


@app.command("show", cls=Command)
def show(name: Name, local: Local = False) -> Any:
    """Show one."""
    from modelport.cli.endpoints.connection import connect

    tell_accepted(local)
    with connect() as client:
        return client.get_online_endpoint(name)


@app.command("list", cls=Command)
def list_all(local: Local = False) -> Any:
    """List them by name."""
    from modelport.cli.endpoints.connection import connect

    tell_accepted(local)
    with connect() as client:
        return client.list_online_endpoints()


@app.command("delete", cls=Command)
def delete(name: Name, yes: Yes = False, no_wait: NoWait = False, local: Local = False) -> None:
    """Delete one with all of its deployments, once they have answered what they were asked."""
    from modelport.cli.endpoints.asking import confirm
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.waiting import wait_until_endpoint_is_gone

    tell_accepted(local)
    confirm(f"Delete endpoint {name} and all of its deployments?", yes)
    with connect() as client:
        client.delete_online_endpoint(name)
        if not no_wait:
            wait_until_endpoint_is_gone(client, name)


@app.command("invoke", cls=Command, epilog=INVOKE_EPILOG)
def invoke(
    name: Name,
    request_file: Annotated[
        Path, typer.Option("-r", "--request-file", metavar="FILE", help="The request's JSON; - is standard input.")
    ],
    deployment_name: Annotated[
        str | None,
        typer.Option("-d", "--deployment-name", metavar="NAME", help="Ask this one, whatever the traffic."),
    ] = None,
    local: Local = False,
) -> None:
    """Ask for predictions with the endpoint's own key, and print the answer as it came.

    MODELPORT_KEY may also be a key for predictions alone: a user's with a grant to invoke, or one of the endpoint's.
    MODELPORT_SCORING_URL then says where predictions are answered, if not at the port after MODELPORT_URL's.
    """
    from modelport.cli.endpoints.connection import connect

    tell_accepted(local)
    try:
        data = sys.stdin.buffer.read() if str(request_file) == "-" else request_file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise typer.BadParameter(f"cannot read '{request_file}': {reason}", param_hint="--request-file") from None
    with connect() as client:
        answer = client.invoke(name, data, deployment=deployment_name)
    typer.echo(answer, nl=not answer.endswith(b"\n"))


@app.command("get-credentials", cls=Command, epilog=CREDENTIALS_EPILOG)
def get_credentials(name: Name) -> Any:
    """Show both keys, or a new token."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.get_credentials(name)


@app.command("regenerate-keys", cls=Command)
def regenerate_keys(
    name: Name,
    key_type: Annotated[str, typer.Option("--key-type", metavar="KEY", help="primary or secondary.")] = "primary",
    no_wait: NoWait = False,
) -> Any:
    """Put another key in the place of this one, which stops at once."""
    from modelport.cli.endpoints.connection import connect

    chosen = _KEY_TYPES.get(key_type.lower())
    if chosen is None:
        raise typer.BadParameter(f"'{key_type}' is neither primary nor secondary", param_hint="--key-type")
    with connect() as client:
        return client.regenerate_keys(name, chosen)


@app.command("get-history", cls=Command, epilog=HISTORY_EPILOG)
def get_history(name: Name, since: Since = "1h") -> Any:
    """Show what was counted in each minute of each deployment, oldest first; it is kept for 30 days."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        minutes = client.get_history(name, moment(since or "1h"))
    # A table has no room for a map: the sum beside it does.
    return [{**minute.model_dump(mode="json"), "requests_total": sum(minute.requests.values())} for minute in minutes]


def tell_accepted(local: bool, web: bool = False) -> None:
    """Options that mean nothing here are not passed over in silence."""
    if local:
        log.warning("--local says nothing more: endpoints and deployments run on the machine of `modelport up`")
    if web:
        log.warning("--web opens nothing: there is no studio yet")
