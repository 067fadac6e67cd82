"""What a file asks for against what there is. Only keys that the file has are looked at: the others stay as they are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from modelport.client.files import replaced
from modelport.client.paths import is_uploaded, local_path
from modelport.client.reading import read_file
from modelport.domain import references
from modelport.domain.content import content_path
from modelport.domain.kind import Kind
from modelport.errors import NotFound

if TYPE_CHECKING:
    from modelport.client.client import Client

T = TypeVar("T")
Differences = dict[str, tuple[Any, Any]]
"""Key → what it is, what it shall be."""
_REFERRED = ("model", "environment")
"""Of a deployment: what else such an object has is not in the file."""
_OF_CONTENT = ("name", "version", "path", "type")
"""What tells whether a registered model is the one that a deployment's file describes."""


def as_kept(kind: type[Kind], data: dict[str, Any], source: str) -> dict[str, Any]:
    """The keys of a file as the server would keep them: content by its hash, files that are read by what is in them.

    Raises:
        InvalidInput, NotFound: it is none of this kind, or names a file that is not there.
    """
    placed = replaced(
        kind,
        data,
        content=lambda path: path if is_uploaded(path) else content_path(local_path(path)),
        text=lambda path: read_file(local_path(path)),
    )
    spec = kind.read(placed, source)
    whole = spec.model_dump(mode="json")
    said = spec.model_dump(mode="json", exclude_unset=True)
    return {key: said[key] if key in _REFERRED else whole[key] for key in said}


def differences(wanted: dict[str, Any], current: Kind) -> Differences:
    """Of the keys of ``wanted``, those that are something else now."""
    there = current.model_dump(mode="json")
    return {key: (there[key], value) for key, value in wanted.items() if value != there[key]}


def optional(get: Callable[[], T]) -> T | None:
    """What there is, or None."""
    try:
        return get()
    except NotFound:
        return None


def is_this_model(client: "Client", wanted: Any, current: str | None) -> bool:
    """Whether ``current``, the reference of a deployment, is what its file wants: a reference, or content."""
    if current is None or wanted is None:
        return current is wanted
    if isinstance(wanted, str):
        asked = references.parse(wanted, "model")
        found = optional(lambda: client.get_model(asked.name, asked.version, asked.label))
        return found is not None and references.of_version(found.name, found.version) == current
    there = references.parse(current, "model")
    model = optional(lambda: client.get_model(there.name, there.version))
    return model is not None and not differences({key: wanted[key] for key in _OF_CONTENT if key in wanted}, model)


def is_this_environment(client: "Client", wanted: Any, current: Any) -> bool:
    """Whether a deployment's ``environment`` is what its file wants."""
    if isinstance(wanted, str) and isinstance(current, str):
        asked = references.parse(wanted, "environment")
        found = optional(lambda: client.get_environment(asked.name, asked.version, asked.label))
        return found is not None and references.of_version(found.name, found.version) == current
    if isinstance(wanted, dict) and isinstance(current, dict):
        return all(current.get(key) == value for key, value in wanted.items())
    return bool(wanted == current)
