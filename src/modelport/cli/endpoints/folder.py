"""The files of a folder that say what there is to be, in the order in which they need each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.cli.endpoints.command import log
from modelport.cli.endpoints.comparing import as_kept
from modelport.cli.endpoints.kinds import KINDS, kind_class, kind_of
from modelport.client.files import read_data
from modelport.client.reading import read_file
from modelport.errors import InvalidInput, NotFound


@dataclass(frozen=True)
class Described:
    """What one file says."""

    file: str
    kind: str
    data: dict[str, Any]
    """Its keys, paths absolute."""
    kept: dict[str, Any]
    """The keys as the server would keep them."""


def described(path: str) -> list[Described]:
    """Everything that the YAML files of a folder describe, or one file; nothing of its subfolders. All of it is read first.

    Raises:
        NotFound, InvalidInput: there is nothing, a file that is wrong, or nothing at a path that one has.
    """
    place = Path(path)
    if not place.exists():
        raise NotFound(f"there is no file or folder {path!r}")
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    found = list(_described(file for file in files if file.suffix in (".yml", ".yaml", ".json") or file == place))
    if not found:
        raise InvalidInput(f"{path} describes nothing that can be applied", hint=f"There is {', '.join(KINDS)}.")
    return sorted(found, key=lambda each: KINDS.index(each.kind))


def _described(files: Iterator[Path]) -> Iterator[Described]:
    for file in files:
        data = read_file(file)
        kind = kind_of(data, str(file)) if isinstance(data, dict) else None
        if kind is None:
            log.warning("%s is passed over: it describes no %s", file, " or ".join(KINDS))
        else:
            read = kind_class(kind)
            data = {key: value for key, value in read_data(read, file).items() if key != "$schema"}
            yield Described(str(file), kind, data, as_kept(read, data, str(file)))
