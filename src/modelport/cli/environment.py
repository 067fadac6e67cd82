"""`modelport environment`: the environments that have been built, what they cost, and ending or mending them.

Registered ones, which deployments refer to, are in the same group: these have names, built ones have ids.
"""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelport.cli.endpoints import environment_asset
from modelport.cli.endpoints.command import Command, wants_data
from modelport.cli.endpoints.flags import ArchivedOnly, IncludeArchived, Label, MaxResults, Version, archived
from modelport.cli.environment_flags import Offline

if TYPE_CHECKING:
    from modelport.environments.store import Environment, Store

app = typer.Typer(
    name="environment",
    help="The environments that models run in. Built ones have ids: list, show ID, remove, prune, repair. "
    "Registered ones have names: create, list --registered, show -n NAME, archive, restore.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Id = Annotated[str, typer.Argument(metavar="ID", help="Of the environment; its beginning is enough.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOW_EPILOG = (
    "Examples: modelport environment show 3f2a; modelport environment show -m ./model; "
    "modelport environment show -n scoring"
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


environment_asset.add_to(app)


@app.command("list", cls=Command)
def list_all(
    context: typer.Context,
    json: AsJson = False,
    registered: Annotated[bool, typer.Option("--registered", help="Those that deployments refer to, by name.")] = False,
    name: Annotated[
        str | None, typer.Option("-n", "--name", metavar="NAME", help="All registered versions of this one.")
    ] = None,
    max_results: MaxResults = None,
    include_archived: IncludeArchived = False,
    archived_only: ArchivedOnly = False,
) -> Any:
    """List built ones: Python, packages, size, when made and last used, for how many models. Or registered ones."""
    from modelport.environments import managing, telling

    if registered or name is not None or include_archived or archived_only:
        return environment_asset.list_all(name, max_results, archived(include_archived, archived_only))
    store = _store()
    found = managing.overviews(store)[:max_results]
    if json or wants_data(context):
        return [each.as_json() for each in found]
    if not found:
        typer.echo(f"there are no environments under {store.root}")
    else:
        together = managing.room(environment.folder for environment in store.environments())
        typer.echo(telling.overviews_as_text(found, together), nl=False)
    return None


@app.command("show", cls=Command, epilog=SHOW_EPILOG)
def show(
    context: typer.Context,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Its beginning is enough.")] = None,
    model_uri: Annotated[
        str | None, typer.Option("-m", "--model-uri", metavar="PATH", help="The one that this model has run in last.")
    ] = None,
    name: Annotated[str | None, typer.Option("-n", "--name", metavar="NAME", help="A registered one.")] = None,
    version: Version = None,
    label: Label = None,
    json: AsJson = False,
) -> Any:
    """Tell all about a built one: what is in it, what was decided when it was made, who uses it. Or show a registered one."""
    from modelport.environments import managing, telling

    if [id, model_uri, name].count(None) != 2:
        raise typer.BadParameter("give either an ID or -m MODEL, or -n NAME for a registered one", param_hint="ID")
    if name is not None:
        return environment_asset.show(name, version, label)
    store = _store()
    environment = managing.of_model(store, model_uri) if model_uri is not None else managing.find(store, id or "")
    details = managing.details(store, environment)
    if json or wants_data(context):
        return details
    typer.echo(telling.as_text(details), nl=False)
    return None


@app.command("remove")
def remove(
    id: Id, force: Annotated[bool, typer.Option("--force", help="Also while a process runs models in it.")] = False
) -> None:
    """Remove one. It is built anew when a model asks for it again."""
    from modelport.environments import managing
    from modelport.model.inspection.text import size_text

    store, environment = _find(id)
    freed = managing.remove(store, environment, force)
    typer.echo(f"removed environment {environment.id}: {size_text(freed)} freed")


@app.command("prune", epilog="Example: modelport environment prune --older-than 2w --dry-run")
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Remove what has not been used for so long: 12h, 30d, 2w.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove environments that nobody uses any more, and what interrupted builds have left."""
    from modelport.environments import managing
    from modelport.model.inspection.text import size_text

    done = managing.prune(_store(), _seconds(older_than), dry_run)
    for each in done:
        typer.echo(f"{each.what}: {each.why}, {size_text(each.freed)}")
    total = size_text(sum(each.freed for each in done))
    verb = "would be freed" if dry_run else "freed"
    typer.echo(f"{len(done)} removed, {total} {verb}" if not dry_run else f"{len(done)} to remove, {total} {verb}")


@app.command("repair")
def repair(id: Id, offline: Offline = False) -> None:
    """Hold every installed file against the lock, and make the environment anew if one differs."""
    from modelport.environments import repairing
    from modelport.log import set_up_log
    from modelport.settings import modelport_home

    set_up_log()
    store, environment = _find(id)
    wrong = repairing.repair(store, environment, modelport_home(), offline=offline)
    for damage in wrong[:20]:
        typer.echo(damage.says)
    if len(wrong) > 20:
        typer.echo(f"… and {len(wrong) - 20} more")
    was = f"had {len(wrong)} damages, and is new" if wrong else "is what its lock says"
    typer.echo(f"environment {environment.id} {was}")


def _store() -> "Store":
    from modelport.environments.store import Store
    from modelport.settings import modelport_home

    return Store(modelport_home())


def _find(id: str) -> "tuple[Store, Environment]":
    from modelport.environments import managing

    store = _store()
    return store, managing.find(store, id)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if found is None:
        raise typer.BadParameter(f"'{text}' is no time; give one like 12h, 30d or 2w", param_hint="--older-than")
    return float(found[1]) * _SECONDS[found[2]]
