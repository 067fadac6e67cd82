"""`modelport apply`: a folder of files, made true."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelport.cli.endpoints.command import wants_data

if TYPE_CHECKING:
    from modelport.cli.endpoints.applying import Outcome

EPILOG = "Examples: modelport apply -f deploy/ --dry-run; modelport apply -f deploy/"


def apply(
    context: typer.Context,
    file: Annotated[str, typer.Option("-f", "--file", metavar="FOLDER", help="Its YAML and JSON files, or one file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
) -> Any:
    """Make what a folder's files describe: models, environments, endpoints, deployments, then traffic.

    What is as its file says is not touched; keys that a file does not have stay as they are; nothing is deleted.
    """
    from modelport.cli.endpoints.applying import Applying
    from modelport.cli.endpoints.connection import connect
    from modelport.cli.endpoints.folder import described

    as_data = wants_data(context)
    done = []
    with connect() as client:
        for outcome in Applying(client, dry_run).all_of(described(file)):
            if as_data:
                done.append(outcome.as_json())
            else:
                typer.echo(_told(outcome, dry_run))
    return done if as_data else None


def _told(outcome: "Outcome", dry_run: bool) -> str:
    """A line, and one for each key that is another."""
    is_future = dry_run and outcome.action != "unchanged"
    lines = [f"{outcome.what}: {'would be ' if is_future else ''}{outcome.action}"]
    for key, (before, after) in outcome.changes.items():
        lines.append(f"  {key}: {json.dumps(before, ensure_ascii=False)} → {json.dumps(after, ensure_ascii=False)}")
    return "\n".join(lines)
