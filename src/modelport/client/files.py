"""Files that describe models, environments, endpoints, deployments: read strictly, with what the command line puts over."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from modelport.client.paths import is_local
from modelport.client.reading import read_file
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.kind import Kind
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.errors import InvalidInput

K = TypeVar("K", bound=Kind)
Place = Callable[[str], Any]
"""A path as it stands → what stands in its place."""


def read_spec(kind: type[K], file: str | Path | None, settings: Sequence[str] = (), *, force_string: bool = False) -> K:
    """What ``file`` describes, with ``settings`` (``a.b=1``) over it; without a file, what they alone say.

    Relative paths are the folder's of the file; those in ``settings`` are the working folder's.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it describes none of this kind.
    """
    data: dict[str, Any] = {}
    source = f"this {kind.NOUN}"
    if file is not None:
        source = str(file)
        data = read_data(kind, file)
    return kind.read(apply_settings(data, settings, force_string=force_string), source)


def read_data(kind: type[Kind], file: str | Path) -> dict[str, Any]:
    """What ``file`` says, not yet checked; its relative paths are made absolute. Raises as ``read_spec``."""
    data = read_file(file)
    if not isinstance(data, dict):
        raise InvalidInput(f"{file} is no {kind.NOUN}: keys and values are wanted")
    if issubclass(kind, EnvironmentSpec) and ("dependencies" in data or "channels" in data):
        raise InvalidInput(
            f"{file} is a conda file, not an environment",
            hint=f"Name it in one: a file with `name:` and `conda_file: {Path(file).name}`.",
        )
    folder = Path(file).absolute().parent
    return replaced(kind, data, content=lambda path: _absolute(path, folder), text=lambda path: _absolute(path, folder))


def replaced(kind: type[Kind], data: dict[str, Any], *, content: Place, text: Place) -> dict[str, Any]:
    """``data`` with other values for its paths: of what is uploaded, and of files that are read."""
    data = dict(data)
    if issubclass(kind, ModelSpec):
        _replace(data, "path", content)
    elif issubclass(kind, EnvironmentSpec):
        _replace(data, "path", content)
        _replace(data, "conda_file", text)
    elif issubclass(kind, OnlineDeploymentSpec):
        for key, inner in (("model", ModelSpec), ("environment", EnvironmentSpec)):
            if isinstance(data.get(key), dict):
                data[key] = replaced(inner, data[key], content=content, text=text)
    return data


def apply_settings(data: dict[str, Any], settings: Sequence[str], *, force_string: bool = False) -> dict[str, Any]:
    """``data`` with ``a.b=1`` applied, in order; places of lists are numbers. Values are JSON when they can be.

    Raises:
        InvalidInput: one is no setting, or leads through something that has no keys.
    """
    changed: dict[str, Any] = copy.deepcopy(data)
    for setting in settings:
        place, equals, text = setting.partition("=")
        parts = place.strip().split(".")
        if not equals or not all(parts):
            raise InvalidInput(f"{setting!r} is no setting", hint="KEY=VALUE, KEY.KEY=VALUE")
        _set(changed, parts, text if force_string else _value(text), setting)
    return changed


def _set(inside: Any, parts: list[str], value: Any, setting: str) -> None:
    *way, last = parts
    for part in way:
        if isinstance(inside, list):
            inside = inside[_position(inside, part, setting)]
        elif isinstance(inside, dict):
            if inside.get(part) is None:
                inside[part] = {}
            inside = inside[part]
        else:
            break
    if isinstance(inside, list):
        inside[_position(inside, last, setting)] = value
    elif isinstance(inside, dict):
        inside[last] = value
    else:
        raise InvalidInput(f"{setting!r} leads through {inside!r}, which has no keys")


def _position(items: list[Any], part: str, setting: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise InvalidInput(f"{setting!r}: {part!r} is no place in a list of {len(items)}")
    return int(part)


def _value(text: str) -> Any:
    """JSON when it can be; a number only if it is spelled as numbers are, so that version 1.10 stays what it is."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        value = json.loads(text, parse_constant=refuse)
    except ValueError:
        return text
    if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) != text:
        return text
    return value


def _replace(data: dict[str, Any], key: str, place: Place) -> None:
    if isinstance(data.get(key), str):
        data[key] = place(data[key])


def _absolute(path: str, folder: Path) -> str:
    return str(folder / path) if is_local(path) else path
