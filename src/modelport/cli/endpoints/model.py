"""`modelport model`: registered models, whose versions never change."""

from typing import Annotated, Any

import typer

from modelport.cli.endpoints.command import Command
from modelport.cli.endpoints.edits import Edits
from modelport.cli.endpoints.flags import (
    Add,
    ArchivedOnly,
    Description,
    File,
    FileNeeded,
    ForceString,
    IncludeArchived,
    Label,
    MaxResults,
    Name,
    NameInFile,
    Remove,
    Set,
    Tags,
    Version,
    archived,
    pairs,
)

CREATE_EPILOG = "Example: modelport model create -n churn -p ./churn -t mlflow_model"
PACKAGE_EPILOG = (
    "Example: modelport model package -n churn -v 3 -f package.yml; then a deployment that has "
    "`environment: azureml:churn-pkg@latest` and no model"
)
UPDATE_EPILOG = "Example: modelport model update -n churn -v 3 --set tags.stage=production description=checked"
app = typer.Typer(
    name="model",
    help="Registered models: create, show, list, update, download, package, archive, restore.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("create", cls=Command, epilog=CREATE_EPILOG)
def create(
    file: File = None,
    name: NameInFile = None,
    version: Version = None,
    path: Annotated[
        str | None, typer.Option("-p", "--path", metavar="PATH", help="Folder, file or model URI: it is copied.")
    ] = None,
    type: Annotated[
        str | None,
        typer.Option("-t", "--type", metavar="TYPE", help="custom_model, mlflow_model, triton_model; custom_model."),
    ] = None,
    tags: Tags = None,
    description: Description = None,
    set: Set = None,
) -> Any:
    """Register a version. Without a version it is the next whole number."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.specs import read
    from modelport.domain.model import ModelSpec

    flags = {
        "name": name,
        "version": version,
        "path": path,
        "type": type,
        "tags": pairs(tags, "--tags"),
        "description": description,
    }
    with connect() as client:
        return client.create_model(read(ModelSpec, file, flags, Edits(set)))


@app.command("show", cls=Command)
def show(name: Name, version: Version = None, label: Label = None) -> Any:
    """Show one version: the latest, if none is given."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.get_model(name, version, label)


@app.command("list", cls=Command)
def list_all(
    name: Annotated[str | None, typer.Option("-n", "--name", metavar="NAME", help="All versions of this one.")] = None,
    max_results: MaxResults = None,
    include_archived: IncludeArchived = False,
    archived_only: ArchivedOnly = False,
) -> Any:
    """List versions, the newest first."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.list_models(name, archived(include_archived, archived_only))[:max_results]


@app.command("update", cls=Command, epilog=UPDATE_EPILOG)
def update(
    name: Name,
    version: Version = None,
    label: Label = None,
    set: Set = None,
    add: Add = None,
    remove: Remove = None,
    force_string: ForceString = False,
) -> Any:
    """Change description, tags, properties or stage; the rest of a version never changes."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.specs import changes
    from modelport.domain.model import ModelSpec

    with connect() as client:
        model = client.get_model(name, version, label)
        changed = changes(ModelSpec, model, {}, Edits(set, add, remove, force_string))
        return client.update_model(model.name, model.version, changed) if changed else model


@app.command("download", cls=Command)
def download(
    name: Name,
    version: Version = None,
    label: Label = None,
    path: Annotated[
        str, typer.Option("-p", "--download-path", metavar="FOLDER", help="Where to; FOLDER/NAME is made.")
    ] = ".",
) -> None:
    """Write a version's content to a folder."""
    from pathlib import Path

    from modelport.cli.endpoints.command import log
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.unpacking import check_free, unpack

    folder = Path(path) / name
    check_free(folder)
    with connect() as client:
        model = client.get_model(name, version, label)
        unpack(client.download_model(model.name, model.version), folder)
        log.warning("version %s is at %s", model.version, folder)


@app.command("package", cls=Command, epilog=PACKAGE_EPILOG)
def package(name: Name, file: FileNeeded, version: Version = None, label: Label = None, set: Set = None) -> Any:
    """Make a version into one file with all that its environment is made of, registered as an environment to deploy from."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.packaging import package as make
    from modelport.cli.endpoints.specs import read
    from modelport.domain.package import PackageSpec

    spec = read(PackageSpec, file, {}, Edits(set))
    with connect() as client:
        return make(client, name, version, label, spec)


@app.command("archive", cls=Command)
def archive(name: Name, version: Version = None, label: Label = None) -> None:
    """Hide a version from lists; all of them, if none is given. What is deployed stays so."""
    _archive(name, version, label, True)


@app.command("restore", cls=Command)
def restore(name: Name, version: Version = None, label: Label = None) -> None:
    """Show in lists again what was archived."""
    _archive(name, version, label, False)


def _archive(name: str, version: str | None, label: str | None, archived: bool) -> None:
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        if label is not None:
            version = client.get_model(name, version, label).version
        client.archive_model(name, version, archived)
