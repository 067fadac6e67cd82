"""`modelport environment`, of registered ones: they have names and versions, where those that were built have ids."""

from typing import Annotated, Any

import typer

from modelport.cli.endpoints.command import Command
from modelport.cli.endpoints.edits import Edits
from modelport.cli.endpoints.flags import Description, File, Label, Name, NameInFile, Set, Tags, Version, pairs

CREATE_EPILOG = "Example: modelport environment create -n scoring --conda-file conda.yml"


def add_to(app: typer.Typer) -> None:
    """The verbs that only registered ones have."""
    app.command("create", cls=Command, epilog=CREATE_EPILOG)(create)
    app.command("archive", cls=Command)(archive)
    app.command("restore", cls=Command)(restore)


def create(
    file: File = None,
    name: NameInFile = None,
    version: Version = None,
    image: Annotated[
        str | None, typer.Option("-i", "--image", metavar="IMAGE", help="Recorded; there are no containers.")
    ] = None,
    conda_file: Annotated[str | None, typer.Option("-c", "--conda-file", metavar="FILE", help="Conda's list.")] = None,
    build_context: Annotated[
        str | None, typer.Option("-b", "--build-context", metavar="FOLDER", help="Recorded; nothing is built of it.")
    ] = None,
    tags: Tags = None,
    description: Description = None,
    set: Set = None,
) -> Any:
    """Register a version for deployments to refer to. It is built once a deployment asks for it."""
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.specs import read
    from modelport.domain.environment import EnvironmentSpec

    flags: dict[str, Any] = {
        "name": name,
        "version": version,
        "image": image,
        "conda_file": conda_file,
        "build": {"path": build_context} if build_context is not None else None,
        "tags": pairs(tags, "--tags"),
        "description": description,
    }
    with connect() as client:
        return client.create_environment(read(EnvironmentSpec, file, flags, Edits(set)))


def show(name: str, version: str | None, label: str | None) -> Any:
    """A registered one."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.get_environment(name, version, label)


def list_all(name: str | None, max_results: int | None, archived: bool | None) -> Any:
    """Registered ones."""
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        return client.list_environments(name, archived)[:max_results]


def archive(name: Name, version: Version = None, label: Label = None) -> None:
    """Hide a registered version from lists; all of them, if none is given."""
    _archive(name, version, label, True)


def restore(name: Name, version: Version = None, label: Label = None) -> None:
    """Show in lists again what was archived."""
    _archive(name, version, label, False)


def _archive(name: str, version: str | None, label: str | None, archived: bool) -> None:
    from modelport.cli.endpoints.connection import connect

    with connect() as client:
        if label is not None:
            version = client.get_environment(name, version, label).version
        client.archive_environment(name, version, archived)
