"""`modelport environment`: the environments that have been built, what they cost, and ending or mending them."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from modelport.cli.environment_flags import Offline

if TYPE_CHECKING:
    from modelport.environments.store import Environment, Store

app = typer.Typer(
    name="environment",
    help="The environments that models run in: list, show, remove, prune, repair.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Id = Annotated[str, typer.Argument(metavar="ID", help="Of the environment; its beginning is enough.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@app.command("list")
def list_all(json: AsJson = False) -> None:
    """List them: Python, packages, size, when made and last used, for how many models."""
    from modelport.environments import managing, telling

    store = _store()
    found = managing.overviews(store)
    if json:
        _print_json([each.as_json() for each in found])
    elif not found:
        typer.echo(f"there are no environments under {store.root}")
    else:
        together = managing.room(environment.folder for environment in store.environments())
        typer.echo(telling.overviews_as_text(found, together), nl=False)


@app.command("show", epilog="Examples: modelport environment show 3f2a; modelport environment show -m ./model")
def show(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Its beginning is enough.")] = None,
    model_uri: Annotated[
        str | None, typer.Option("-m", "--model-uri", metavar="PATH", help="The one that this model has run in last.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Tell all about one: what is in it, what was decided when it was made, who uses it."""
    from modelport.environments import managing, telling

    if (id is None) == (model_uri is None):
        raise typer.BadParameter("give either an ID or -m MODEL", param_hint="ID")
    store = _store()
    environment = managing.of_model(store, model_uri) if model_uri is not None else managing.find(store, id or "")
    details = managing.details(store, environment)
    if json:
        _print_json(details)
    else:
        typer.echo(telling.as_text(details), nl=False)


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
    from modelport.cli.output import set_up_log
    from modelport.environments import repairing
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


def _print_json(value: object) -> None:
    from json import dumps

    typer.echo(dumps(value, indent=2, ensure_ascii=False))
