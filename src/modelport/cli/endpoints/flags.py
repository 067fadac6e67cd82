"""Options that several nouns have, spelled as az spells them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

File = Annotated[str | None, typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON.")]
FileNeeded = Annotated[str, typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON.")]
Name = Annotated[str, typer.Option("-n", "--name", metavar="NAME")]
NameInFile = Annotated[
    str | None, typer.Option("-n", "--name", metavar="NAME", help="In the place of the one that the file has.")
]
EndpointName = Annotated[str, typer.Option("-e", "--endpoint-name", metavar="NAME", help="Of the online endpoint.")]
EndpointNameInFile = Annotated[
    str | None,
    typer.Option("-e", "--endpoint-name", metavar="NAME", help="In the place of the one that the file has."),
]
Version = Annotated[str | None, typer.Option("-v", "--version", metavar="VERSION")]
Label = Annotated[str | None, typer.Option("-l", "--label", metavar="LABEL", help="latest.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT")]
Tags = Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE…", help="Any number.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE…", help="Any number: what the file has, or would have, at a.b.c. JSON, else text."
    ),
]
Add = Annotated[
    list[str] | None,
    typer.Option("--add", metavar="PATH VALUE…", help="To a list; of KEY=VALUE to a map, as in --add tags team=risk."),
]
Remove = Annotated[
    list[str] | None, typer.Option("--remove", metavar="PATH [INDEX]", help="A key, or an item of a list.")
]
ForceString = Annotated[bool, typer.Option("--force-string", help="Values of --set and --add are text as they stand.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once; `show` tells what becomes of it.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Local = Annotated[bool, typer.Option("--local", help="Accepted: all of it is local.")]
Web = Annotated[bool, typer.Option("--web", help="Accepted; there is no studio to open yet.")]
MaxResults = Annotated[int | None, typer.Option("-r", "--max-results", min=1, metavar="N", help="The newest N.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="30m, 12h or 7d ago, or a time as 2026-01-31T08:00.")
]
IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived ones as well.")]
ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="None but archived ones.")]


_AGO = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def archived(include_archived: bool, archived_only: bool) -> bool | None:
    """The two flags as the list operations take them."""
    if include_archived and archived_only:
        raise typer.BadParameter("give one of --include-archived and --archived-only")
    return True if archived_only else None if include_archived else False


def moment(text: str) -> datetime:
    """What ``--since`` means; a time without a zone is local."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"'{text}' is no time", param_hint="--since") from None


def pairs(words: list[str] | None, flag: str) -> dict[str, str] | None:
    """``KEY=VALUE`` words as a map; None where the option was not given."""
    if words is None:
        return None
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"'{word}' is no KEY=VALUE", param_hint=flag)
        found[key] = value
    return found


def shares(words: list[str] | None, flag: str) -> dict[str, int] | None:
    """``NAME=PERCENT`` words as a map; None where the option was not given."""
    given = pairs(words, flag)
    if given is None:
        return None
    found = {}
    for name, text in given.items():
        try:
            found[name] = int(text.removesuffix("%"))
        except ValueError:
            raise typer.BadParameter(f"'{text}' is no whole number of percent", param_hint=flag) from None
    return found
