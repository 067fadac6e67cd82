"""`modelport online-deployment`: models under an endpoint."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelport.cli.endpoints.command import Command
from modelport.cli.endpoints.edits import Edits
from modelport.cli.endpoints.flags import (
    Add,
    EndpointName,
    EndpointNameInFile,
    File,
    FileNeeded,
    ForceString,
    Local,
    Name,
    NameInFile,
    NoWait,
    Remove,
    Set,
    Web,
    Yes,
)
from modelport.cli.endpoints.online_endpoint import tell_accepted

if TYPE_CHECKING:
    from modelport.domain.operations import Container

CREATE_EPILOG = "Example: modelport online-deployment create -f blue.yml --all-traffic"
UPDATE_EPILOG = "Example: modelport online-deployment update -n blue -e churn --set instance_count=2"
LOGS_EPILOG = "Example: modelport online-deployment get-logs -n blue -e churn -l 100 --follow"
app = typer.Typer(
    name="online-deployment",
    help="Online deployments: create, update, show, list, delete, get-logs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_CONTAINERS: "dict[str, Container]" = {
    "inference-server": "inference-server",
    "storage-initializer": "storage-initializer",
}
SkipScriptValidation = Annotated[
    bool, typer.Option("--skip-script-validation", help="Accepted; scripts are not looked into before they are run.")
]


@app.command("create", cls=Command, epilog=CREATE_EPILOG)
def create(
    file: FileNeeded,
    name: NameInFile = None,
    endpoint_name: EndpointNameInFile = None,
    all_traffic: Annotated[
        bool, typer.Option("--all-traffic", help="It gets all of the traffic once it is ready.")
    ] = False,
    with_package: Annotated[
        bool,
        typer.Option(
            "--with-package", help="Package the model first, as environment ENDPOINT-NAME; the deployment is of that."
        ),
    ] = False,
    set: Set = None,
    no_wait: NoWait = False,
    local: Local = False,
    skip_script_validation: SkipScriptValidation = False,
    web: Web = False,
) -> Any:
    """Create one and wait until it is ready. An existing one is refused."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.notices import tell_notices
    from modelport.cli.endpoints.specs import read
    from modelport.cli.endpoints.waiting import wait_for_deployment
    from modelport.domain.online_deployment import OnlineDeploymentSpec

    if all_traffic and no_wait:
        raise typer.BadParameter(
            "traffic moves once the deployment is ready: not with --no-wait", param_hint="--all-traffic"
        )
    tell_accepted(local, web)
    flags = {"name": name, "endpoint_name": endpoint_name}
    with connect() as client:
        spec = read(OnlineDeploymentSpec, file, flags, Edits(set))
        if with_package:
            from modelport.cli.endpoints.with_package import packaged

            spec = packaged(client, spec)
        deployment = client.create_online_deployment(spec, all_traffic)
        tell_notices(deployment)
        return deployment if no_wait else wait_for_deployment(client, spec.endpoint_name, spec.name)


@app.command("update", cls=Command, epilog=UPDATE_EPILOG)
def update(
    file: File = None,
    name: NameInFile = None,
    endpoint_name: EndpointNameInFile = None,
    set: Set = None,
    add: Add = None,
    remove: Remove = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
    local: Local = False,
    skip_script_validation: SkipScriptValidation = False,
    web: Web = False,
) -> Any:
    """Change what the file has and the options say. It is served as before until the new one is ready."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.notices import tell_notices
    from modelport.cli.endpoints.specs import changes, given
    from modelport.cli.endpoints.waiting import wait_for_deployment
    from modelport.domain.online_deployment import OnlineDeploymentSpec

    tell_accepted(local, web)
    with connect() as client:
        wanted = given(
            OnlineDeploymentSpec, file, {"name": name, "endpoint_name": endpoint_name}, "name", "endpoint_name"
        )
        deployment = client.get_online_deployment(wanted["endpoint_name"], wanted["name"])
        changed = changes(OnlineDeploymentSpec, deployment, wanted, Edits(set, add, remove, force_string))
        if not changed:
            return deployment
        deployment = client.update_online_deployment(deployment.endpoint_name, deployment.name, changed)
        tell_notices(deployment)
        return deployment if no_wait else wait_for_deployment(client, deployment.endpoint_name, deployment.name)


@app.command("show", cls=Command)
def show(name: Name, endpoint_name: EndpointName, local: Local = False) -> Any:
    """Show one."""
    from modelport.cli.endpoints.connection import connect

    tell_accepted(local)
    with connect() as client:
        return client.get_online_deployment(endpoint_name, name)


@app.command("list", cls=Command)
def list_all(endpoint_name: EndpointName, local: Local = False) -> Any:
    """List an endpoint's deployments by name."""
    from modelport.cli.endpoints.connection import connect

    tell_accepted(local)
    with connect() as client:
        return client.list_online_deployments(endpoint_name)


@app.command("delete", cls=Command)
def delete(
    name: Name, endpoint_name: EndpointName, yes: Yes = False, no_wait: NoWait = False, local: Local = False
) -> None:
    """Delete one, once it has answered what it was asked. One that has live traffic is refused."""
    from modelport.cli.endpoints.asking import confirm
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.waiting import wait_until_deployment_is_gone

    tell_accepted(local)
    confirm(f"Delete deployment {name} of endpoint {endpoint_name}?", yes)
    with connect() as client:
        client.delete_online_deployment(endpoint_name, name)
        if not no_wait:
            wait_until_deployment_is_gone(client, endpoint_name, name)


@app.command("get-logs", cls=Command, epilog=LOGS_EPILOG)
def get_logs(
    name: Name,
    endpoint_name: EndpointName,
    lines: Annotated[int, typer.Option("-l", "--lines", min=1, metavar="N", help="The last N lines.")] = 5000,
    container: Annotated[
        str,
        typer.Option(
            "-c",
            "--container",
            metavar="LOG",
            help="inference-server: what its workers write; storage-initializer: how model and environment were prepared.",
        ),
    ] = "inference-server",
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what is written, until Ctrl-C.")] = False,
    local: Local = False,
) -> None:
    """Print a deployment's log."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.following import follow as go_on

    tell_accepted(local)
    which = _CONTAINERS.get(container)
    if which is None:
        raise typer.BadParameter(f"'{container}' is none of {', '.join(_CONTAINERS)}", param_hint="--container")
    with connect() as client:
        text = client.get_logs(endpoint_name, name, max(lines, 5000) if follow else lines, which)
        typer.echo("".join(text.splitlines(keepends=True)[-lines:]), nl=False)
        if follow:
            go_on(text, lambda: client.get_logs(endpoint_name, name, max(lines, 5000), which))
